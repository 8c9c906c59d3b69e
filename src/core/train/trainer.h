/*
 * trainer.h - what the phases of training share: phase 0 (train.c), cross-fitting (crossfit.c), alignment and guidance
 * (crossmodal.c), the rounds in which the modalities teach each other (rounds.c), and the checkpoints of all (checkpoint.c).
 * For those five files only.
 */
#ifndef XMCOH_TRAINER_H
#define XMCOH_TRAINER_H

#include "train/checkpoint.h"
#include "xmcoh/epochs.h"
#include "xmcoh/shards.h"
#include "xmcoh/train.h"

/* The labelled pairs of some documents, flat: where the scores of all of them are compared. */
typedef struct xmc_labels
{
	int32_t		n_documents;
	const xmc_document **document;	/* (n_documents) */
	int32_t		n;				/* labelled pairs of all documents */
	float	   *weight;			/* (n) a document's sum to 1 */
	float	   *s;				/* (n) score that `before` stands before `after`; 0 where one lacks what is read */
	float	   *term_s[XMC_TERMS];	/* (n) the same of each trained part */
	float	   *score[XMC_MODALITIES];	/* (n) calibrated score of each modality alone */
} xmc_labels;

/* The pool with weak labels for one modality: copies of its documents, with pairs of their own. */
typedef struct xmc_weak
{
	int32_t		n;				/* n_pool; 0: nobody can label it for this modality */
	int64_t		n_pairs;		/* of all together, either way round */
	xmc_document *document;		/* (n) in the order of the rounds to which they are dealt */
	int32_t    *from;			/* (n) their numbers in the pool */
	xmc_weak_figures figures;	/* what there is to say of the labels that were given last */
} xmc_weak;

/* All that a pupil's training changes. */
typedef struct xmc_snapshot
{
	float	   *values;			/* (n_parameters) */
	float	   *term_s[XMC_TERMS];	/* (held_out.n) */
	float	   *score[XMC_MODALITIES];	/* (held_out.n) */
	xmc_calibration *calibration;
} xmc_snapshot;

/* What a round carries from its beginning to its end. */
typedef struct xmc_round
{
	xmc_modality pupil;
	xmc_weak	weak[XMC_MODALITIES];	/* labels for each */
	bool		was_pupil[XMC_MODALITIES];	/* in a round before, and kept what it learned */
	xmc_snapshot before;			/* this round */
	xmc_labels	check;			/* documents of the pool that the pupil is not taught, by which its best epoch is told; n is 0: too few */
	double	   *fused_tau;		/* (held_out.n_documents) by both modalities together, before this round */
} xmc_round;

typedef struct xmc_trainer
{
	xmc_ctx    *ctx;
	xmc_arena	arena;			/* reset after each batch */
	xmc_arena	term_arena;		/* reset after each part */
	xmc_arena	run_arena;		/* kept to the end; all three are given back there, whatever happened */
	const xmc_options *options;
	xmc_model  *model;
	xmc_model  *grad;
	int32_t		n_documents;
	const xmc_document *document;	/* (n_documents) all there are */
	int32_t		n_approved;
	const xmc_document **approved;	/* (n_approved) to be trained on, in the order of their last shuffling */
	int32_t		n_train;
	const xmc_document **train;	/* (n_train) what is being trained on: those, or in a round weakly labelled ones too */
	int32_t		n_pool;
	const xmc_document **pool;	/* (n_pool) without labels, with both modalities */
	xmc_labels	held_out;
	xmc_labels	out_of_fold;			/* all approved documents, scored by models that were not trained on them; n is 0 without folds */
	xmc_labels *validation;			/* whose loss tells the best epoch: held_out; in a round some of the pool */
	int32_t		fold_start[XMC_MAX_FOLDS + 1];	/* (report->folds + 1) into unseen.document; the held-out ones stand behind */
	int32_t		n_folds;		/* that have a model */
	xmc_model  *fold[XMC_MAX_FOLDS];	/* (n_folds) what phase 0 makes of all approved documents but those of one fold */
	bool		has_term[XMC_TERMS];
	int32_t		best_epoch[XMC_TERMS];	/* in phase 0 */
	xmc_random	random;
	xmc_shards	shards;			/* of the network that is being trained, if it is trained in slices; else all zero */
	xmc_train_hooks hooks;
	xmc_train_progress progress;
	xmc_train_report *report;
	xmc_round  *round;			/* NULL outside of rounds */
	uint64_t	options_fingerprint;	/* how and on what is trained, see checkpoint.h */
	uint64_t	documents_fingerprint;
	xmc_checkpoint resume;		/* where to continue; stage is 0 once that is reached, and when there is nothing to continue */
} xmc_trainer;

/*
 * Stages of a training, in order, from 1: the alignment, phase 0's parts, those of each round, the end. A checkpoint stands
 * in one of them; training that is continued goes through the same code and leaves out whatever comes before it.
 */
static inline int32_t
xmc_stage(int32_t round, xmc_term term)
{
	return 1 + round * (XMC_TERMS + 1) + (term == XMC_TERM_ALIGNMENT ? 0 : 1 + (int32_t) term);
}

#define XMC_STAGE_END INT32_MAX

/* Whether the checkpoint that training is being continued from stands in a later stage. */
static inline bool
xmc_is_past(const xmc_trainer *t, int32_t stage)
{
	return t->resume.stage > stage;
}

/* Everything that this stage's training changes and needs, in or out: checkpoint.c. `e` is NULL at the end. */
extern xmc_status xmc_train_checkpoint(xmc_trainer *t, int32_t stage, xmc_epochs *e);

/* Sets the fingerprints and t->resume, if the caller's hooks ask for them. Errors: as xmc_train of checkpoints. */
extern xmc_status xmc_train_resume(xmc_trainer *t, const uint8_t *held_out);

/* What the model is now, to be copied, saved or set. */
extern xmc_snapshot xmc_train_snapshot(xmc_trainer *t);

/* That, and what the round t->round has, as a part of a checkpoint. */
extern xmc_status xmc_stream_snapshot(xmc_checkpoint *c, xmc_trainer *t, const xmc_snapshot *snapshot);
extern xmc_status xmc_stream_round(xmc_checkpoint *c, xmc_trainer *t);
extern xmc_status xmc_stream_weak_figures(xmc_checkpoint *c, xmc_weak_figures *f);

/* Tells the caller how far training is; not XMC_OK: unwind. */
extern xmc_status xmc_train_report_progress(xmc_trainer *t);

/* Memory for what grows with the pool, all zero, kept to the end; NULL: no memory. See xmc_train_hooks. */
extern void *xmc_train_spill(xmc_trainer *t, size_t count, size_t size);

/*
 * Lays out the scores of labelled pairs, all 0, for the documents of `l`, which are of the pool or not. Errors: XMC_LIMIT
 * (too many pairs), XMC_NO_MEMORY.
 */
extern xmc_status xmc_train_labels(xmc_trainer *t, xmc_labels *l, bool of_pool);

/* Scores of one part for every labelled pair of l's documents, into s (their pairs). In slices, if held_out is scored. */
extern xmc_status xmc_train_score_term(xmc_trainer *t, const xmc_labels *l, xmc_term term, float *s);

/* Trains one part on t->train to its best epoch by the loss on t->judge and leaves it there, its scores in part_s of that. */
extern xmc_status xmc_train_term(xmc_trainer *t, xmc_term term);

/* The same for a given number of epochs, looking at nothing else, and never in slices. */
extern xmc_status xmc_train_term_for(xmc_trainer *t, xmc_term term, int32_t epochs);

/*
 * Cross-fitting, if so few documents are held out that their pairs would leave weights and calibration to chance. Dealing
 * lays out t->unseen; after phase 0 the models of the folds fill it, which stay in t->fold until they are forgotten. See
 * crossfit.c.
 */
extern xmc_status xmc_train_assign_folds(xmc_trainer *t);
extern xmc_status xmc_train_crossfit(xmc_trainer *t);
extern void xmc_train_forget_folds(xmc_trainer *t);

/*
 * Weighs the parts of one modality against each other by logistic regression on the pairs of `l`, puts the weights into the
 * parameters (those of the folds' models too), so that the raw score stays the parts' plain sum, and calibrates it: sets
 * calibration.solo and the modality's scores of `l` and of held_out. A part that could not be trained gets weight 0;
 * `equally`: all others weight 1.
 */
extern xmc_status xmc_train_weigh(xmc_trainer *t, xmc_modality modality, xmc_labels *l, bool equally);

/* Sets the scores of a modality and of its parts for l's pairs by the model as it is. */
extern xmc_status xmc_train_score(xmc_trainer *t, xmc_modality modality, xmc_labels *l);

/*
 * Fits the calibration of the fused score on the pairs of `l`, where both modalities speak and the bilinear term does; a
 * term that could not be trained becomes 0.
 */
extern xmc_status xmc_train_fuse(xmc_trainer *t, const xmc_labels *l);

/* The fused scores of all pairs, from those of the modalities alone, into fused (l->n). */
extern void xmc_train_fused_scores(const xmc_trainer *t, const xmc_labels *l, float *fused);

/*
 * Mean over documents of the weighted softplus loss of scale * s, and of twice the share of pairs on the right side minus
 * 1; each document's own into document_loss and document_tau (n_documents) unless NULL.
 */
extern void xmc_train_evaluate(const xmc_labels *l, const float *s, double scale, double *loss, double *tau,
							double *document_loss, double *document_tau);

/*
 * The alignment, before the parts, so that the last losses of a training are those of an order; it depends on none of them.
 * It learns from this many documents. Its memory is no part of a checkpoint: remembering fills it again, as it was, where
 * there is an alignment without one. See crossmodal.c.
 */
extern int32_t xmc_train_n_alignment_documents(const xmc_trainer *t);
extern xmc_status xmc_train_alignment(xmc_trainer *t);
extern xmc_status xmc_train_fill_anchors(xmc_trainer *t);

/*
 * How far each modality trusts its guide, at the end of phase 0, on the documents that taught neither the alignment nor the
 * model that scores them: all approved ones, if the alignment has kept off them, else those that are held out. A round
 * leaves it as it is where it leaves the fusion, and for the same reason; else this is done again.
 */
extern xmc_status xmc_train_guidance(xmc_trainer *t);

/*
 * The held-out documents' tau by a modality's guided score where the alignment would have to be inferred, as xmc_train_evaluate
 * has it; NaN if the model has none.
 */
extern xmc_status xmc_train_guided_tau(xmc_trainer *t, xmc_modality modality, double *tau);

/*
 * The rounds, in which one modality labels the documents of the pool for the other. Called after phase 0 has been weighed
 * and fused; leaves in t->model what did not lose by them, and in the report what each round did.
 */
extern xmc_status xmc_train_rounds(xmc_trainer *t);

#endif
