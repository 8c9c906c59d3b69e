/*
 * align_fit.h - training the alignment of texts with images (align.h) on rows that hold both.
 */
#ifndef XMCOH_ALIGN_FIT_H
#define XMCOH_ALIGN_FIT_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/epochs.h"
#include "xmcoh/model.h"

/*
 * Symmetric InfoNCE (van den Oord et al. 2018; Radford et al. 2021) over the documents' linked items: cross-entropy of each
 * text's own image among images and of each image's own text among texts, half of it against all of the batch and half
 * against those of its own document, which are the hard ones; mean over items. Adds the gradient of the three tensors'
 * first entries (not the dustbin's, which has no part in it) to `grad`, laid out like model; a shared space has the
 * temperature's alone. *loss is the mean, *items how many; 0 items: 0. The arena is not reset. Errors: XMC_NO_MEMORY,
 * XMC_STOPPED.
 */
extern xmc_status xmc_align_gradient(xmc_arena *arena, const xmc_model *model, int32_t n_documents,
									 const xmc_document *const *document, const xmc_model *grad, double *loss,
									 int32_t *items);

/* What training tells its caller after each step and at the end of each epoch. */
typedef struct xmc_align_progress
{
	int32_t		epoch;			/* finished ones */
	int32_t		documents;		/* done since the last call */
	bool		epoch_ended;
	double		train_loss;		/* InfoNCE, with all negatives */
	double		held_out_loss;	/* within documents, with the best temperature for it */
} xmc_align_progress;

/* Not XMC_OK: training unwinds with that. */
typedef struct xmc_align_hooks
{
	void	   *arg;			/* passed to each */
	xmc_status	(*progress) (void *arg, const xmc_align_progress *progress);
	xmc_status	(*checkpoint) (void *arg, xmc_epochs *epochs);	/* before each epoch and after the last: may save the state, or set it */
} xmc_align_hooks;

typedef struct xmc_align_report
{
	int32_t		documents;		/* held-out documents with at least two linked items */
	double		accuracy;		/* share of their photos that the best assignment's marginals give their own step */
	double		chance;			/* of the same at random */
} xmc_align_report;

/*
 * Trains the maps to their best epoch by the held-out documents' loss, fills the memory with `train` (anchors.h), fits both
 * temperatures and the dustbin's score, and sets model->has_alignment. With fewer than XMC_MIN_TRAINING_DOCUMENTS training
 * documents, or XMC_MIN_HELD_OUT_DOCUMENTS held-out ones, that have two linked items, the tensors are set to 0 and
 * has_alignment stays false. `grad` is zeroes laid out like model, and is so again afterwards; `lasting` gets what must
 * outlive a batch. Errors: XMC_NO_MEMORY, XMC_STOPPED, the hooks'.
 */
extern xmc_status xmc_align_train(xmc_arena *run_arena, xmc_model *model, xmc_model *grad, int32_t n_train,
								  const xmc_document *const *train, int32_t n_held_out, const xmc_document *const *held_out,
								  const xmc_align_hooks *hooks, xmc_align_report *report);

#endif
