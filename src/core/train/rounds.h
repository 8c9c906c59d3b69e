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

#endif
