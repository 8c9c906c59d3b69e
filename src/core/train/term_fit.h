/*
 * term_fit.h - training one term of the score on labelled pairs (design section 4, "Loss"): minibatches, steps of the
 * optimizer, early stopping by the held-out loss after one scale has been fitted.
 */
#ifndef XMCOH_TERM_FIT_H
#define XMCOH_TERM_FIT_H

#include "train/trainer.h"

/*
 * Trains one term on t->train and leaves it as in its best epoch by the loss on t->validation, whose term_s gets its scores
 * of that epoch. A checkpoint may be saved before each epoch and after the last. Errors: as xmc_train.
 */
extern xmc_status xmc_train_term_to_best(xmc_trainer *t, xmc_term term);

/* Trains one term for a given number of epochs, without held-out loss, without checkpoints, and never in shards. */
extern xmc_status xmc_train_term_for_epochs(xmc_trainer *t, xmc_term term, int32_t epochs);

/* How many weakly labelled documents the rounds that were kept have taught the modality; 0: it was no pupil. */
static inline int32_t
xmc_weakly_taught(const xmc_trainer *t, xmc_modality modality)
{
	return t->round && modality != XMC_JOINT ? t->round->taught[modality] : 0;
}

/* The epochs or the penalty that were best for the term, as a pupil's if it was one; 0: it learned nothing. */
static inline int32_t
xmc_refit_epochs(const xmc_trainer *t, xmc_term term)
{
	return xmc_weakly_taught(t, xmc_term_modality(term)) > 0 ? t->pupil_epoch[term] : t->best_epoch[term];
}

/*
 * Trains the term anew on t->train for as many epochs, or with the penalty, as were best (xmc_refit_epochs). Nothing is
 * measured. Checkpoints are of the stages of the refit. Errors: as xmc_train_term_to_best.
 */
extern xmc_status xmc_train_term_again(xmc_trainer *t, xmc_term term);

#endif
