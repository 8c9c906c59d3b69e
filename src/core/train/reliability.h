/*
 * reliability.h - the table of reliability of a model (xmcoh/model.h): at which confidence its scores of documents that it
 * was not trained on stop to contradict their labels. xmcoh/check.h derives thresholds from it.
 */
#ifndef XMCOH_TRAIN_RELIABILITY_H
#define XMCOH_TRAIN_RELIABILITY_H

#include "train/trainer.h"

/*
 * Fills t->model->reliability from the scores of all approved documents, each by a model that was not trained on it, while
 * there are models of folds; else from the held-out documents. So after rounds, which train no folds, the held-out
 * documents alone count. A document counts for a kind of score if at least half of the pairs of its items of that kind are
 * labelled: fewer labels would hide mistakes. Each group has weight 1. Errors: as xmc_score_documents, and those of the
 * hooks.
 */
extern xmc_status xmc_train_fit_reliability(xmc_trainer *t);

#endif
