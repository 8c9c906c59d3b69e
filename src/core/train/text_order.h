/*
 * text_order.h - what texts teach without labels: within a text, sentences stand in the order in which things are done or told. The
 * sparse term of this order is the prior of the sparse term of the order of items (additive_fit.h).
 */
#ifndef XMCOH_TEXT_ORDER_H
#define XMCOH_TEXT_ORDER_H

#include "train/trainer.h"

/*
 * What the fits of the sparse term need, once for a training: t->idf, and, if the caller has given texts, t->text_order. Errors: XMC_NO_MEMORY, those of the hooks.
 */
extern xmc_status xmc_train_learn_texts(xmc_trainer *t);

#endif
