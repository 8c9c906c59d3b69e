/*
 * rounds.h - the rounds of iterative training (design section 4, "Iterative training"): in a round one modality, the guide,
 * labels documents of the pool for the other one, the pupil, which is then trained anew on approved and weak labels.
 */
#ifndef XMCOH_ROUNDS_H
#define XMCOH_ROUNDS_H

#include "train/trainer.h"

/*
 * Runs the rounds, after the terms have been weighed and fused. Leaves in t->model what the rounds that were kept have
 * made of it, and in the report what each round did. Errors: as xmc_train.
 */
extern xmc_status xmc_train_run_rounds(xmc_trainer *t);

/*
 * Marks, in validates (n_weak), about one in seven of the first n_weak weakly labelled documents, to validate the pupil: whole
 * groups, those without approved documents first. Where no group is so small, some that are at most half of the documents. Marks in
 * spared (n_approved) the approved documents of the same groups, at most the same share of all. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_rounds_choose_validation(xmc_trainer *t, const xmc_weak_labels *w, int32_t n_weak, uint8_t *validates,
											   uint8_t *spared);

#endif
