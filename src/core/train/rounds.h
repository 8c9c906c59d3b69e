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
 * Marks, in validates (n_weak, all zero), about one in seven of the first n_weak weakly labelled documents, to validate the
 * pupil: whole groups, by the number of the group's first document. Neither a group with approved documents is marked nor
 * one that would make the marked documents more than half. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_rounds_choose_validation(xmc_trainer *t, const xmc_weak_labels *w, int32_t n_weak,
											   uint8_t *validates);

#endif
