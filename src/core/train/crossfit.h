/*
 * crossfit.h - cross-fitting (design section 4, "Cross-fitting"): scores of approved documents by models that were not
 * trained on them, where so few documents are held out that weights and calibration would depend on chance.
 *
 * A model is far too certain of documents that it was trained on. So the approved documents that are not held out are
 * assigned to folds; the terms are trained again without each fold, for as many epochs as with all documents, and that
 * model scores the fold. The models of the folds also label the pool: their average is better than one of them.
 */
#ifndef XMCOH_CROSSFIT_H
#define XMCOH_CROSSFIT_H

#include "train/trainer.h"

/* Trains the models of the folds, t->fold, and sets the scores of the terms in t->out_of_fold. Errors: as xmc_train. */
extern xmc_status xmc_train_crossfit(xmc_trainer *t);

/*
 * Makes a new model, which becomes t->model, and trains its terms on n documents for the given epochs, or with these penalties
 * (XMC_TERMS). The caller frees it, also after an error, if t->model has changed. Errors: as xmc_train.
 */
extern xmc_status xmc_train_terms_on(xmc_trainer *t, int32_t n, const xmc_document **train, const int32_t *epochs);

/* Frees the models of the folds. */
extern void xmc_train_free_folds(xmc_trainer *t);

#endif
