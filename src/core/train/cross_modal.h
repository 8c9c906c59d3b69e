/*
 * cross_modal.h - the phases of a training that connect the modalities: training the alignment, and fitting how much each
 * modality relies on guidance by the other.
 */
#ifndef XMCOH_CROSS_MODAL_H
#define XMCOH_CROSS_MODAL_H

#include "train/trainer.h"

/* How many documents the alignment is trained on: the pool, and the approved documents unless these are spared. */
extern int32_t xmc_train_count_alignment_documents(const xmc_trainer *t);

/*
 * Trains the alignment. This is the first phase, so that the last losses of a training are those of an order; the alignment
 * depends on no term. Errors: as xmc_align_train.
 */
extern xmc_status xmc_train_fit_alignment(xmc_trainer *t);

/* Fills the anchors if the model has an alignment without anchors: a checkpoint does not contain them. */
extern xmc_status xmc_train_fill_anchors(xmc_trainer *t);

/*
 * Fits the coefficients of guidance (guidance_fit.h) on documents that trained neither the alignment nor the model that
 * scores them: all approved documents, if the alignment has spared them, else the held-out ones. Errors: as
 * xmc_guidance_fit.
 */
extern xmc_status xmc_train_fit_guidance(xmc_trainer *t);

/*
 * The tau, as of xmc_labels_evaluate, of the guided score of a modality on the held-out documents, where the alignment is
 * inferred; NaN if the model has no alignment. Errors: as xmc_score_documents.
 */
extern xmc_status xmc_train_guided_tau(xmc_trainer *t, xmc_modality modality, double *tau);

#endif
