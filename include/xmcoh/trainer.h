/*
 * trainer.h - what the phases of training share: phase 0 (train.c) and the rounds in which the modalities teach each other
 * (rounds.c). For those two files only.
 */
#ifndef XMCOH_TRAINER_H
#define XMCOH_TRAINER_H

#include "xmcoh/slices.h"
#include "xmcoh/train.h"

/* The labelled pairs of some documents, flat: where the scores of all of them are compared. */
typedef struct xmc_labels
{
	int32_t		n_documents;
	const xmc_document **document;	/* (n_documents) */
	int32_t		n;				/* labelled pairs of all documents */
	float	   *weight;			/* (n) a document's sum to 1 */
	float	   *s;				/* (n) score that `before` stands before `after`; 0 where one lacks the modality */
	float	   *part_s[XMC_PARTS];	/* (n) the same of each trained part */
} xmc_labels;

typedef struct xmc_trainer
{
	xmc_ctx    *ctx;
	xmc_arena	arena;			/* reset after each batch */
	xmc_arena	part_arena;		/* reset after each part */
	xmc_arena	lasting;		/* kept to the end; all three are given back there, whatever happened */
	const xmc_options *options;
	xmc_model  *model;
	xmc_model  *grad;
	int32_t		n_train;
	const xmc_document **train;	/* (n_train) what is being trained on */
	int32_t		n_pool;
	const xmc_document **pool;	/* (n_pool) without labels, with both modalities */
	xmc_labels	held_out;
	bool		has_part[XMC_PARTS];
	xmc_random	random;
	xmc_slices	slices;			/* of the network that is being trained, if it is trained in slices; else all zero */
	xmc_train_hooks hooks;
	xmc_train_progress progress;
	xmc_train_report *report;
	float	   *score[XMC_MODALITIES];	/* (held_out.n) calibrated score of each modality alone */
} xmc_trainer;

/* Tells the caller how far training is; not XMC_OK: unwind. */
extern xmc_status xmc_train_tell(xmc_trainer *t);

/* Trains one part on t->train to its best epoch by held-out loss and leaves it there, its held-out scores in part_s. */
extern xmc_status xmc_train_part(xmc_trainer *t, xmc_part part);

/*
 * Weighs the parts of one modality against each other by logistic regression on the held-out pairs, puts the weights into the
 * parameters, so that the raw score stays the parts' plain sum, and calibrates it: sets calibration.solo and t->score. A part
 * that could not be trained gets weight 0.
 */
extern xmc_status xmc_train_weigh(xmc_trainer *t, xmc_modality modality);

/* Fits the calibration of both modalities together, where both speak. */
extern xmc_status xmc_train_fuse(xmc_trainer *t);

/*
 * Mean over documents of the weighted softplus loss of scale * s, and of twice the share of pairs on the right side minus 1;
 * each document's own into document_loss and document_tau (n_documents) unless NULL.
 */
extern void xmc_train_judge(const xmc_labels *l, const float *s, double scale, double *loss, double *tau,
							double *document_loss, double *document_tau);

/*
 * The rounds, in which one modality labels the documents of the pool for the other. Called after phase 0 has been weighed and
 * fused; leaves in t->model what did not lose by them, and in the report what each round did.
 */
extern xmc_status xmc_train_rounds(xmc_trainer *t);

#endif
