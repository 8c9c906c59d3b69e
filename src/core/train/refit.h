/*
 * refit.h - the end of a training: the held-out documents, which have measured the model until now, teach it as well.
 */
#ifndef XMCOH_REFIT_H
#define XMCOH_REFIT_H

#include "train/trainer.h"

/*
 * Keeps the model as t->model->measured. Then fits each of its terms again, from the beginning, on all approved documents, and
 * on the weakly labelled ones if a round that was kept has taught its modality: for the epochs or with the penalty that were best,
 * and with the weight that cross-fitting or the round gave the term. Calibration, fusion and guidance stay: they were fitted to scores of
 * documents that taught no model, and these scores are still the best guess of what the new terms are worth. The alignment stays, too:
 * it learns from links, not from orders. Ends t->round. Errors: as xmc_train.
 */
extern xmc_status xmc_train_refit(xmc_trainer *t);

#endif
