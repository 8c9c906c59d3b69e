/*
 * train.h - the training of a model from documents: what the caller provides (hooks), is told (progress) and gets (report).
 * The method is in design section 4, "Loss", "Cross-fitting" and "Iterative training".
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
	int32_t		epochs;			/* of this phase, at most */
	int64_t		done;			/* work of the whole training, in documents times epochs */
	int64_t		total;
	int32_t		round;			/* 0: before the rounds */
	bool		epoch_ended;	/* the three figures below are new */
	xmc_modality modality;		/* XMC_JOINT: both */
	double		train_loss;		/* mean softplus loss per document; NaN until known */
	double		held_out_loss;	/* in a round with folds: on weak labels of the validation documents */
	double		held_out_tau;
} xmc_train_progress;

/*
 * What the training asks of its caller; each hook may be NULL. A status other than XMC_OK ends the training with that
 * status.
 *
 * A checkpoint is a stream of bytes. checkpoint_due is asked before each epoch, after the last epoch of a term, and
 * before the figures of the report are computed, with the size that the checkpoint would have, about. If it returns true,
 * the checkpoint follows in calls of `write`; in the last call data is NULL. Where `read` is set, the training is resumed
 * from such a stream: `read` gives up to `size` of the next bytes, and fewer only at the end.
 *
 * `spill` gives memory for what grows with the pool, its weak labels and their scores: all zero, kept to the end of the
 * training, neither private nor resident by need. It returns NULL without memory. Without the hook, the context's
 * allocator is used.
 */
typedef struct xmc_train_hooks
{
	void	   *arg;			/* passed to each */
	xmc_status	(*progress) (void *arg, const xmc_train_progress *progress);	/* called at least once per batch */
	int32_t		shards;			/* of a minibatch of a network (shards.h); 0 or 1: minibatches are not divided */
	const xmc_workers *workers;		/* the processes that compute shards besides this one */
	bool		(*checkpoint_due) (void *arg, int64_t bytes);
	xmc_status	(*write) (void *arg, const void *data, size_t size);
	xmc_status	(*read) (void *arg, void *data, size_t size, size_t *got);
	void	   *(*spill) (void *arg, size_t size);
	const struct xmc_transformer *encoder;	/* that the text network fine-tunes; NULL: none */
	int32_t		n_texts;
	const xmc_document *text;	/* (n_texts) texts as documents of their sentences (xmc_document_of_sentences), from which words are learned */
} xmc_train_hooks;

/* Figures of the weak labels that a guide gave. Shares are in [0, 1]. */
typedef struct xmc_weak_figures
{
	double		threshold;		/* a pair is selected if p or 1 - p is at least this; 1: none is */
	double		selected;		/* share of the weakly labelled pairs that are selected */
	double		selected_precision;	/* share of approved pairs above it that the guide orders rightly; NaN: none */
	double		agreement;		/* share of weakly labelled pairs that the pupil ordered like the guide */
} xmc_weak_figures;

/* What one round did. */
typedef struct xmc_round_report
{
	int32_t		round;
	xmc_modality pupil;
	int32_t		documents;		/* weakly labelled ones, of this round and the rounds before */
	xmc_weak_figures weak;
	double		tau_before;		/* of the pupil alone on held-out pairs: 2 * (share right) - 1, mean over documents */
	double		tau_after;
	double		difference_low; /* bootstrap 95% interval over groups of after - before */
	double		difference_high;
	double		loss_before;	/* held-out loss of the calibrated score */
	double		loss_after;
	double		fused_tau_before;	/* of both modalities together */
	double		fused_tau_after;
	double		fused_low;		/* bootstrap 95% interval of the difference */
	double		fused_high;
	double		guided_tau_before;	/* of the pupil guided, with inferred alignment; NaN: the model has none */
	double		guided_tau_after;
	double		flips;			/* share of the held-out pairs that the pupil orders otherwise than before */
	double		agreement_before;	/* share of the held-out pairs that both modalities order alike */
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
	XMC_ROUNDS_NOTHING_TO_SAY,	/* no pool, no pupil that can be trained, or no guide with a score */
	XMC_ROUNDS_PUPIL_LOST,		/* the order by the pupil alone got worse: the round is undone */
	XMC_ROUNDS_FUSED_LOST,		/* the fused order got worse: the round is undone */
	XMC_ROUNDS_REINFORCED		/* the same, and the modalities agree on more pairs: on common mistakes */
} xmc_rounds_end;

#define XMC_MAX_ROUNDS 10

/*
 * How well approved documents are ordered that were not learned from. Intervals are over groups, NaN where these are too
 * few.
 */
typedef struct xmc_figures
{
	int32_t		documents;		/* 0: there are no figures, and the rest is 0 */
	int32_t		groups;			/* of these documents */
	xmc_interval tau[XMC_REPORTED_SCORE_KINDS];
	double		pair_accuracy[XMC_REPORTED_SCORE_KINDS];	/* share of their labelled pairs that are ordered rightly */
	double		calibration_error[XMC_REPORTED_SCORE_KINDS];
	double		confident[XMC_REPORTED_SCORE_KINDS];	/* share of these pairs with p or 1 - p >= option precision */
} xmc_figures;

typedef struct xmc_train_report
{
	int32_t		approved_documents;
	int32_t		held_out_documents;
	int32_t		groups;			/* of approved documents; a document without a group counts as one */
	int32_t		largest_group;	/* approved documents of the largest */
	int32_t		held_out_groups;
	/* With cross-fitting of all approved documents, before the rounds; else of the held-out ones. */
	xmc_figures new_groups;		/* of documents of whose groups nothing was learned */
	xmc_figures known_groups;	/* of documents of whose groups others were learned: with cross-fitting, of the probes */
	/* Of the term of the modality that was trained last, the network where there is one; fused: of the bilinear term. */
	int32_t		best_epoch[XMC_REPORTED_SCORE_KINDS];
	double		train_loss[XMC_REPORTED_SCORE_KINDS];
	double		held_out_loss[XMC_REPORTED_SCORE_KINDS];
	xmc_align_report alignment; /* 0 documents: the model has none */
	int32_t		pool_documents; /* without approved pairs, with both modalities */
	int32_t		folds;			/* of cross-fitting; 0: weights and calibration come from the held-out documents */
	xmc_rounds_end rounds_end;
	int32_t		n_rounds;
	xmc_round_report round[XMC_MAX_ROUNDS];
} xmc_train_report;

/* The fewest approved documents to train on and to hold out. With fewer, xmc_train fails. */
#define XMC_MIN_TRAINING_DOCUMENTS 8
#define XMC_MIN_HELD_OUT_DOCUMENTS 4
#define XMC_MIN_APPROVED_DOCUMENTS (XMC_MIN_TRAINING_DOCUMENTS + XMC_MIN_HELD_OUT_DOCUMENTS)

/* Whether a document belongs to the pool: no labelled pairs, and at least two items that hold both modalities. */
extern bool xmc_can_be_guided(const xmc_document *document);

/* Whether a training uses a pool: the rounds do, and the linear maps of the alignment do. */
extern bool xmc_wants_pool(const xmc_options *options);

/*
 * Trains a new model on the documents that have labelled pairs. held_out[d] != 0: document d is not trained on; it serves
 * early stopping, calibration and the report. A group (groups.h) is held out as a whole; its documents without labelled
 * pairs are not used. Documents without labelled pairs train the alignment and are the pool of
 * the rounds (option rounds). The same documents in the same order, options, seed and hooks->shards give the same model
 * on one machine, to the bit, whether in one run or resumed from a checkpoint. `hooks` may be NULL. Errors: XMC_BAD_INPUT
 * (too few documents, and the message says what is needed; a group that is held out in part), XMC_STOPPED, XMC_NO_MEMORY,
 * XMC_LIMIT (too many pairs); of a checkpoint XMC_BAD_MODEL (damaged, cut off, or no checkpoint) and XMC_CHANGED (of other
 * documents, options or shards): the caller then begins without it.
 */
extern xmc_status xmc_train(xmc_ctx *ctx, const xmc_options *options, int32_t n_documents, const xmc_document *document,
							const uint8_t *held_out, const xmc_train_hooks *hooks, xmc_model **out,
							xmc_train_report *report);

#endif
