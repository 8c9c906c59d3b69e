/*
 * train.h - phase 0 of training: each modality on approved pairs, early stopping on held-out approved documents,
 * calibration and fusion (design section 4, "Loss", "Iterative training").
 */
#ifndef XMCOH_TRAIN_H
#define XMCOH_TRAIN_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/metrics.h"
#include "xmcoh/model.h"
#include "xmcoh/scorer.h"
#include "xmcoh/shards.h"

typedef struct xmc_train_progress
{
	const char *phase;			/* 'training text', 'training image', 'calibrating', ... */
	int32_t		epoch;			/* finished epochs of this phase */
	int32_t		epochs;			/* at most */
	int64_t		done;			/* work units (documents times epochs) done of the whole training */
	int64_t		total;
	int32_t		round;			/* 0: on approved pairs alone */
	bool		epoch_ended;	/* the three below are new */
	xmc_modality modality;		/* XMC_JOINT: both */
	double		train_loss;		/* mean softplus loss per document; NaN until known */
	double		held_out_loss;	/* in a round with folds: of documents of the pool that are kept back, by the guide's labels */
	double		held_out_tau;
} xmc_train_progress;

/*
 * What training asks its caller for; each may be NULL. Not XMC_OK: training unwinds with that status.
 *
 * A checkpoint (checkpoint.h) is a stream of bytes. checkpoint_due is asked before each epoch, after the last of a part,
 * and before the final measuring, and told how many bytes it would be, about; if it says yes, the state follows in calls
 * of `write`, the last of which has data NULL. With `read` training continues from such a stream: `read` gives up to
 * `size` of the next bytes, and fewer only at the end.
 *
 * What grows with the pool, its weak labels and their scores, lies in memory that `spill` gives, all zero, kept to the end
 * of the training: it need be neither private nor resident. NULL from it: out of memory. Without it, the context's memory
 * is taken.
 */
typedef struct xmc_train_hooks
{
	void	   *arg;			/* passed to each */
	xmc_status	(*progress) (void *arg, const xmc_train_progress *progress);	/* called at least once per batch */
	int32_t		shards;			/* minibatches of networks are cut into so many (shards.h); 0, 1: they are not */
	const xmc_workers *workers;		/* who computes them, besides this process */
	bool		(*checkpoint_due) (void *arg, int64_t bytes);
	xmc_status	(*write) (void *arg, const void *data, size_t size);
	xmc_status	(*read) (void *arg, void *data, size_t size, size_t *got);
	void	   *(*spill) (void *arg, size_t size);
} xmc_train_hooks;

/* What there is to say of the weak labels that a guide gave. Shares are in [0, 1]. */
typedef struct xmc_weak_figures
{
	double		threshold;		/* p or 1 - p from which on a pair is selected; 1: none is */
	double		selected;		/* share of the labelled pairs that are */
	double		selected_precision;	/* share right of the approved pairs above it, which chose it and the guide had not seen; NaN: none */
	double		agreement;		/* share of the labelled pairs that the pupil, as it was, orders like the guide */
} xmc_weak_figures;

/* What one modality learned from the other in one round. */
typedef struct xmc_round_report
{
	int32_t		round;
	xmc_modality pupil;
	int32_t		documents;		/* weakly labelled, in this round and before */
	xmc_weak_figures weak;
	double		tau_before;		/* of the pupil alone on held-out approved pairs: 2 (share right) - 1, mean over documents */
	double		tau_after;
	double		difference_low; /* bootstrap 95% interval over documents of after - before */
	double		difference_high;
	double		loss_before;	/* held-out loss of the calibrated score */
	double		loss_after;
	double		fused_tau_before;	/* of both modalities together */
	double		fused_tau_after;
	double		fused_low;		/* bootstrap 95% interval of the difference */
	double		fused_high;
	double		guided_tau_before;	/* of the pupil guided by the other modality, the alignment inferred; NaN: there is none */
	double		guided_tau_after;
	double		flips;			/* share of the held-out pairs that the pupil ordered the other way before */
	double		agreement_before;	/* share of the held-out pairs on which the two modalities agree */
	double		agreement_after;
	bool		kept;
} xmc_round_report;

/* The alignment on the held-out documents. */
typedef struct xmc_align_report
{
	int32_t		documents;		/* held-out documents with at least two linked items */
	double		accuracy;		/* share of their images whose likeliest text is their own */
	double		chance;			/* the same of a random assignment */
} xmc_align_report;

/* Why there was no further round. */
typedef enum xmc_rounds_end
{
	XMC_ROUNDS_DONE,			/* as many as were asked for, or none */
	XMC_ROUNDS_NOTHING_TO_SAY,	/* no pool, nobody to teach, or no guide that knows anything */
	XMC_ROUNDS_PUPIL_LOST,		/* the pupil's own order got worse: the round is put back */
	XMC_ROUNDS_FUSED_LOST,		/* both together got worse: put back */
	XMC_ROUNDS_REINFORCED		/* the same, and the modalities agree more: on each other's mistakes */
} xmc_rounds_end;

#define XMC_MAX_ROUNDS 10

typedef struct xmc_train_report
{
	int32_t		approved_documents;
	int32_t		held_out_documents;
	xmc_interval tau[XMC_REPORTED_EVIDENCES];	/* on held-out documents whose labelled pairs give a full order */
	double		pair_accuracy[XMC_REPORTED_EVIDENCES];	/* share of held-out labelled pairs on the right side */
	double		calibration_error[XMC_REPORTED_EVIDENCES];
	double		confident[XMC_REPORTED_EVIDENCES];	/* share of held-out labelled pairs with p or 1 - p >= option precision */
	/* Of the modality's part that was trained last: the network where there is one; of the fused score the bilinear term's. */
	int32_t		best_epoch[XMC_REPORTED_EVIDENCES];
	double		train_loss[XMC_REPORTED_EVIDENCES];
	double		held_out_loss[XMC_REPORTED_EVIDENCES];
	xmc_align_report alignment; /* 0 documents: the model has none */
	int32_t		pool_documents; /* without approved pairs, with both modalities */
	int32_t		folds;			/* of cross-fitting; 0: weights and calibration come from the held-out documents alone */
	xmc_rounds_end rounds_end;
	int32_t		n_rounds;
	xmc_round_report round[XMC_MAX_ROUNDS];
} xmc_train_report;

/* The fewest approved documents on each side without which training refuses to begin. */
#define XMC_MIN_TRAINING_DOCUMENTS 8
#define XMC_MIN_HELD_OUT_DOCUMENTS 4
#define XMC_MIN_APPROVED_DOCUMENTS (XMC_MIN_TRAINING_DOCUMENTS + XMC_MIN_HELD_OUT_DOCUMENTS)

/* Whether a document can take part in the rounds: no labelled pairs, and two items or more that have both modalities. */
extern bool xmc_can_be_guided(const xmc_document *document);

/* Whether training has a use for a pool: the rounds have, and the maps that align texts with images. */
extern bool xmc_wants_pool(const xmc_options *options);

/*
 * Trains a new model on the documents that have labelled pairs; held_out[d] != 0 keeps document d out of training and in
 * early stopping and calibration. Documents without pairs teach the alignment, and serve the rounds (option rounds), in
 * which the modalities teach each other. The same documents in the same order, options, seed and hooks->slices give the
 * same model on one machine, whether in one go or continued from a checkpoint. `hooks` may be NULL.
 * Errors: XMC_BAD_INPUT (too few documents; message says what is needed), XMC_STOPPED, XMC_NO_MEMORY; of a checkpoint
 * XMC_BAD_MODEL (damaged, cut off, none at all) and XMC_CHANGED (of other documents, options or slices): then begin
 * without.
 */
extern xmc_status xmc_train(xmc_ctx *ctx, const xmc_options *options, int32_t n_documents, const xmc_document *document,
							const uint8_t *held_out, const xmc_train_hooks *hooks, xmc_model **out,
							xmc_train_report *report);

#endif
