/*
 * text_order.h - what texts teach without labels: within a text, sentences stand in the order in which things are done or told. A
 * sparse term is fitted to that order, and is added to the one that approved documents teach, with a factor that cross-validation
 * finds.
 */
#ifndef XMCOH_TEXT_ORDER_H
#define XMCOH_TEXT_ORDER_H

#include "train/trainer.h"

/*
 * What the fits of the sparse term need, once for a training: t->idf, and t->text_order, if the caller has given texts and there are
 * folds to weigh them by. Errors: XMC_NO_MEMORY, those of the hooks.
 */
extern xmc_status xmc_train_learn_texts(xmc_trainer *t);

/*
 * Sets t->text_factor. s: the scores of the n pairs of all documents of the folds, each by the sparse term without its fold.
 * t->model's sparse term is all 0, before and afterwards. Errors: as above.
 */
extern xmc_status xmc_train_weigh_texts(xmc_trainer *t, const float *s, int32_t n);

/* Adds what texts teach to t->model's sparse term. */
extern void xmc_train_add_texts(xmc_trainer *t);

#endif
