/*
 * penalty.h - the ridge penalty of a linear term (design section 4, "Loss"): the fit with one penalty, and the penalty that
 * cross-validation over the folds chooses.
 */
#ifndef XMCOH_PENALTY_H
#define XMCOH_PENALTY_H

#include "train/trainer.h"

/*
 * Fits a linear term of t->model to t->train with the penalty of `step` (additive_fit.h), beginning from what the model has;
 * *loss is the mean over documents. Errors: XMC_NO_MEMORY, and those of the hooks.
 */
extern xmc_status xmc_train_fit_penalty(xmc_trainer *t, xmc_term term, int32_t step, double *loss);

/*
 * Sets *step to the penalty with the lowest cross-validated loss; 0 in a round and where there are no folds: then the
 * caller chooses by the validation documents. Afterwards the term is all 0. Errors: as above.
 */
extern xmc_status xmc_train_choose_penalty(xmc_trainer *t, xmc_term term, int32_t *step);

#endif
