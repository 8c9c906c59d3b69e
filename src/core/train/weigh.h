/*
 * weigh.h - after the terms are trained: weighs the terms of a modality against each other, calibrates the modality, and
 * fuses the modalities with the bilinear term (design section 4, "Loss" and "Guidance").
 */
#ifndef XMCOH_WEIGH_H
#define XMCOH_WEIGH_H

#include "train/trainer.h"

/*
 * Weighs the terms of one modality by logistic regression on the pairs of `l`, shrunk towards equal weights of the
 * calibrated terms (numeric/group_calibrate.h). Multiplies the weights into the parameters (of the models of the folds too),
 * so that the raw score stays the plain sum of the terms, and calibrates it: sets calibration.solo and the scores of the
 * modality in `l`, in t->held_out and in t->apart. A term that could not be trained gets weight 0. `equally`: all others
 * count alike, each as it was calibrated alone.
 * Errors: as xmc_group_calibrate, xmc_train_score_term.
 */
extern xmc_status xmc_train_weigh_terms(xmc_trainer *t, xmc_modality modality, xmc_labels *l, bool equally);

/* Multiplies the score of a term of a modality, by scaling the term's last linear step. */
extern void xmc_train_scale_term(xmc_model *model, xmc_term term, double by);

/* Sets the scores of a modality in l to the calibrated sum of those of its terms. */
extern void xmc_train_sum_terms(const xmc_trainer *t, xmc_modality modality, xmc_labels *l);

/* Sets the scores of a modality and of its terms in l by the model as it is. Errors: as xmc_train_score_term. */
extern xmc_status xmc_train_score_modality(xmc_trainer *t, xmc_modality modality, xmc_labels *l);

/*
 * Fits calibration.fused on those pairs of `l` that both modalities and the bilinear term score, shrunk towards the better
 * modality alone. A bilinear term that could not be trained is set to 0. Errors: as xmc_group_calibrate.
 */
extern xmc_status xmc_train_fit_fusion(xmc_trainer *t, const xmc_labels *l);

/*
 * Sets model->known, the calibration for documents of known groups: scales and fusion are fitted on the probes as they were
 * on documents of new groups, with the prior that both are the same; guidance is the same. Without probes all is the same.
 * Errors: as xmc_group_calibrate.
 */
extern xmc_status xmc_train_fit_known(xmc_trainer *t);

/* The fused scores of all pairs of l, from the scores of the modalities and of the bilinear term, into fused (l->n). */
extern void xmc_train_fused_scores(const xmc_trainer *t, const xmc_labels *l, float *fused);

/*
 * The weights (k) of k scores (l->n) of the labelled pairs, by logistic regression with weights >= 0. Before data, all calibrated scores
 * count alike. The regression departs from that as far as the groups agree. Allocates in t->term_arena. Errors: as above.
 */
extern xmc_status xmc_train_weigh_scores(xmc_trainer *t, const xmc_labels *l, int32_t k, const float *const *score, double *weight);

#endif
