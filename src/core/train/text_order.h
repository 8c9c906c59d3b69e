/*
 * text_order.h - what texts teach without labels: within a text, sentences stand in the order in which things are done or told. A
 * sparse term is fitted to that order, and is added to the one that approved documents teach, with weights that
 * cross-validation finds.
 */
#ifndef XMCOH_TEXT_ORDER_H
#define XMCOH_TEXT_ORDER_H

#include "train/trainer.h"

/*
 * What the fits of the sparse term need, once for a training: t->idf, and t->text_order, if the caller has given texts.
 * Errors: XMC_NO_MEMORY, those of the hooks.
 */
extern xmc_status xmc_train_learn_texts(xmc_trainer *t);

/*
 * Sets t->text_weight by the scores s (l->n) of l's pairs, which are of sparse terms that learned from labels alone, and not from the
 * pair's document. Adds what texts say to them. Errors: as above.
 */
extern xmc_status xmc_train_weigh_texts(xmc_trainer *t, const xmc_labels *l, float *s);

/* Adds what texts say to other such scores, by t->text_weight. Errors: as above. */
extern xmc_status xmc_train_add_text_scores(xmc_trainer *t, const xmc_labels *l, float *s);

/* Adds what texts teach to t->model's sparse term, which is of labels alone, by t->text_weight. */
extern void xmc_train_add_texts(xmc_trainer *t);

#endif
