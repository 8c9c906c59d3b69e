/*
 * choice.h - how long a term is trained, or with which penalty: the loss of each document that takes part in the choice, after each epoch.
 * So the models of the evaluation can choose without the documents that they are measured on.
 */
#ifndef XMCOH_CHOICE_H
#define XMCOH_CHOICE_H

#include "train/trainer.h"

/* Makes room in t->choice for the terms that are trained, where there is an evaluation. Errors: XMC_NO_MEMORY. */
extern xmc_status xmc_train_begin_choices(xmc_trainer *t);

/* Notes the losses (t->choice[term].n) after an epoch, from 1, unless there is no room for the term. */
extern void xmc_train_note_losses(xmc_trainer *t, xmc_term term, int32_t epoch, const double *loss);

/*
 * Sets epochs (XMC_TERMS) to those that are best without the documents of the evaluation's folds j and k: t->best_epoch where no other
 * document takes part, and of a text network that fine-tunes, whose epochs are of two kinds.
 */
extern void xmc_train_choose_without(const xmc_trainer *t, int32_t j, int32_t k, int32_t *epochs);

#endif
