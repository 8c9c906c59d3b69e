/*
 * align_fit.h - training the alignment of texts with images (align/) on linked items: the linear maps by InfoNCE, then the
 * anchors, then the two temperatures and the score of the dustbin.
 */
#ifndef XMCOH_ALIGN_FIT_H
#define XMCOH_ALIGN_FIT_H

#include "train/epochs.h"
#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"
#include "xmcoh/train.h"

/*
 * Symmetric InfoNCE (van den Oord et al. 2018; Radford et al. 2021) over the linked items of the documents: the
 * cross-entropy of the own image of each text among images, and of the own text of each image among texts; half of the
 * weight among all items of the batch, half among the items of the own document, which are the hard negatives; mean over
 * items. Adds the gradient of the linear maps and of the temperature to `grad`, laid out like model; in a shared space
 * that of the temperature alone. *loss is the mean, *items the number of items; without items the loss is 0. The arena is
 * not reset. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_align_gradient(xmc_arena *arena, const xmc_model *model, int32_t n_documents,
									 const xmc_document *const *document, const xmc_model *grad, double *loss,
									 int32_t *items);

/* What the training reports to its caller after each step and at the end of each epoch. */
typedef struct xmc_align_progress
{
	int32_t		epoch;			/* finished epochs */
	int32_t		documents;		/* trained on since the last report */
	bool		epoch_ended;
	double		train_loss;		/* InfoNCE, with all negatives */
	double		held_out_loss;	/* within documents, at the best temperature */
} xmc_align_progress;

/* A status other than XMC_OK ends the training. */
typedef struct xmc_align_hooks
{
	void	   *arg;			/* passed to each */
	xmc_status	(*progress) (void *arg, const xmc_align_progress *progress);
	xmc_status	(*checkpoint) (void *arg, xmc_epochs *epochs);	/* as of xmc_epochs_steps */
} xmc_align_hooks;

/*
 * Trains the linear maps to their best epoch by the loss of the held-out documents, fills the anchors from `train`, fits
 * both temperatures and the score of the dustbin, and sets model->has_alignment. If fewer than XMC_MIN_TRAINING_DOCUMENTS
 * training documents, or fewer than XMC_MIN_HELD_OUT_DOCUMENTS held-out ones, have two linked items, the tensors are set
 * to 0 and has_alignment stays false. `grad` is zeroes laid out like model, before and after. Errors: XMC_NO_MEMORY,
 * XMC_STOPPED, those of the hooks.
 */
extern xmc_status xmc_align_train(xmc_arena *run_arena, xmc_model *model, xmc_model *grad, int32_t n_train,
								  const xmc_document *const *train, int32_t n_held_out, const xmc_document *const *held_out,
								  const xmc_align_hooks *hooks, xmc_align_report *report);

#endif
