/*
 * gap_fit.h - learns where a step is missing (xmcoh/gap.h) from approved documents out of which steps are taken, and measures
 * how well that is told on documents of other groups.
 */
#ifndef XMCOH_GAP_FIT_H
#define XMCOH_GAP_FIT_H

#include "train/trainer.h"

/*
 * Fills t->model->gaps from the approved documents whose steps are labelled in full. Where there are folds, each of them is
 * scored by weights that the others taught, and the held-out documents by those of all folds; else the held-out documents
 * alone measure. A kind of place that too few groups measure stays empty. Errors: as xmc_lbfgs_minimise, xmc_steps_read, and
 * those of the hooks.
 */
extern xmc_status xmc_train_fit_gaps(xmc_trainer *t);

#endif
