/*
 * trainer.h - the state of one training, which all its phases share, and what they share in functions: progress, memory for
 * what grows with the pool, labelled pairs with their scores, and the loss and tau of these scores.
 */
#ifndef XMCOH_TRAINER_H
#define XMCOH_TRAINER_H

#include "train/leader.h"
#include "train/stream.h"
#include "xmcoh/results.h"
#include "xmcoh/train.h"

/* The labelled pairs of some documents, one document behind the other, and their scores. */
typedef struct xmc_labels
{
	int32_t		n_documents;
	const xmc_document **document;	/* (n_documents) */
	int32_t		n_groups;		/* of these documents; 0 for those of the pool */
	int32_t    *group;			/* (n_documents) the number of each one's group; NULL for those of the pool */
	int32_t		n;				/* labelled pairs of all documents */
	float	   *weight;			/* (n) the weights of one document sum to 1 */
	float	   *s;				/* (n) score that `before` stands before `after`; 0 where an item lacks what is read */
	float	   *term_s[XMC_TERMS];	/* (n) the same by each term that was trained */
	float	   *score[XMC_MODALITIES];	/* (n) calibrated score of each modality alone */
} xmc_labels;

/* What was measured of the documents of some labels by models that had not learned from them (figures.h). */
typedef struct xmc_measures
{
	double	   *tau;			/* (XMC_REPORTED_SCORE_KINDS, n_documents) of the decoded orders, over all labelled pairs */
	float	   *s;				/* (XMC_REPORTED_SCORE_KINDS, n) log-odds of the labelled orders of the pairs */
	xmc_result *result;			/* (n_documents) */
} xmc_measures;

/* Documents, and a model that was not trained on them, whose scores of them are used. */
typedef struct xmc_scored_set
{
	const xmc_model *scorer;
	int32_t		n;
	const xmc_document *const *document;	/* (n) */
} xmc_scored_set;

/*
 * The pool with weak labels for one modality: copies of the documents of the pool, with pairs of their own
 * (weak_labels.h).
 */
typedef struct xmc_weak_labels
{
	int32_t		n;				/* n_pool, or 0: the other modality cannot label it */
	int64_t		n_pairs;		/* of all documents, either way round */
	xmc_document *document;		/* (n) sorted by the round to which they are assigned */
	int32_t    *from;			/* (n) their numbers in the pool */
	xmc_weak_figures figures;	/* of the labels that were given last */
} xmc_weak_labels;

/* All that the training of a pupil changes. */
typedef struct xmc_snapshot
{
	float	   *values;			/* (n_parameters) */
	float	   *term_s[XMC_TERMS];	/* (held_out.n) */
	float	   *score[XMC_MODALITIES];	/* (held_out.n) */
	float	   *apart_term_s[XMC_TERMS];	/* (apart.n) */
	float	   *apart_score[XMC_MODALITIES];	/* (apart.n) */
	xmc_calibration *calibration;
	xmc_calibration *known;
	double	   *term_weight;	/* (XMC_TERMS) */
	int32_t    *pupil_epoch;	/* (XMC_TERMS) */
	int32_t    *pupil_frozen;	/* one number */
} xmc_snapshot;

/* What a round carries from its beginning to its end (rounds.h), and the last one to the refit. */
typedef struct xmc_round
{
	bool		is_over;		/* no round follows: the refit needs weak labels and what they have taught, nothing else */
	xmc_modality pupil;			/* in the refit: of the term that is trained */
	xmc_weak_labels weak[XMC_MODALITIES];	/* for each modality as the pupil */
	int32_t		taught[XMC_MODALITIES];	/* the first ones of weak[m] that taught it in rounds that were kept; 0: it was no pupil */
	xmc_snapshot before;		/* this round */
	xmc_labels	validation;		/* documents of the pool on which the pupil is not trained; n is 0: there are too few */
	double	   *fused_tau;		/* (held_out.n_documents) by both modalities together, before this round */
} xmc_round;

/* The cross-fitted evaluation (evaluation.h). */
typedef struct xmc_evaluation
{
	int32_t		n_folds;		/* 0: there is none */
	xmc_labels	labels;			/* all approved documents, fold by fold */
	int32_t		start[XMC_MAX_FOLDS + 1];	/* (n_folds + 1) into labels.document */
	int32_t		pair_start[XMC_MAX_FOLDS + 1];	/* (n_folds + 1) into the pairs of labels */
	float	   *inner;			/* (n_folds, XMC_TERMS, labels.n) scores of the pairs by models without their fold and fold k */
	xmc_measures measures;		/* of labels, each document by the model without its fold */
	/* Of the inner scores that weigh the model without fold k: tau, and its variance if documents were independent. */
	double		inner_tau[XMC_REPORTED_SCORE_KINDS][XMC_MAX_FOLDS];	/* (kinds, n_folds) */
	double		inner_variance[XMC_REPORTED_SCORE_KINDS][XMC_MAX_FOLDS];
} xmc_evaluation;

/* What chooses the epochs of a term, or its penalty (choice.h). */
typedef struct xmc_choice
{
	int32_t		most;			/* epochs that there is room for */
	int32_t		epochs;			/* that were noted */
	int32_t		n;				/* documents that take part */
	bool		by_held_out;	/* these are the held-out ones, not those of the folds */
	int32_t    *fold;			/* (n) of the evaluation */
	float	   *loss;			/* (most, n) of each document after each epoch */
} xmc_choice;

typedef struct xmc_trainer
{
	xmc_ctx    *ctx;
	xmc_arena	batch_arena;	/* reset after each batch */
	xmc_arena	fit_arena;		/* of a linear term: reset after each path of penalties */
	xmc_arena	term_arena;		/* reset after each term */
	xmc_arena	run_arena;		/* freed with the others at the end of the training */
	const xmc_options *options;
	xmc_model  *model;
	xmc_model  *grad;			/* zeroes between two steps */
	int32_t		n_documents;
	const xmc_document *document;	/* (n_documents) all documents */
	int32_t		n_approved;
	const xmc_document **approved;	/* (n_approved) approved and not held out, as shuffled last */
	int32_t		n_train;
	const xmc_document **train;	/* (n_train) trained on: `approved`, and in a round weakly labelled ones */
	int32_t		n_pool;
	const xmc_document **pool;	/* (n_pool) without labels, with both modalities, of no held-out group */
	uint8_t    *pool_is_known;	/* (n_pool) 1: approved documents that are not held out have the document's group */
	int32_t		n_pool_new;		/* documents of the pool that are not known in this sense */
	xmc_labels	held_out;
	/*
	 * The held-out documents as rounds measure them, since a document that chooses is ordered better than others: each scored by terms at
	 * the epochs that are best for the other half of the groups, and with weights that documents of the folds choose. n is 0 without rounds.
	 */
	xmc_labels	apart;
	double		apart_loss[2];	/* the lowest of each half by the term that is being trained; NaN: none yet */
	xmc_labels	out_of_fold;	/* all approved documents, each scored without training on it; n is 0 without folds */
	xmc_labels *validation;		/* whose loss selects the best epoch: held_out, or the validation documents of a round */
	int32_t		fold_start[XMC_MAX_FOLDS + 1];	/* (report->folds + 1) into out_of_fold; held-out ones follow */
	/*
	 * Probes of known groups: documents that a fold, besides its own, leaves out of groups that teach it, each of one fold.
	 * n is 0 without folds and where too few groups have several documents.
	 */
	xmc_labels	probes;
	int32_t		probe_start[XMC_MAX_FOLDS + 1];	/* (report->folds + 1) into probes: those of each fold */
	int32_t    *probe_fold;		/* (n_approved) of out_of_fold's documents: the fold that each is a probe of, or -1 */
	int32_t		n_folds;		/* that have a model */
	xmc_model  *fold[XMC_MAX_FOLDS];	/* (n_folds) trained on all approved documents but those of one fold */
	xmc_evaluation evaluation;
	xmc_result *result;			/* (n_documents) of each measured document; the others have no items */
	float		widening[XMC_REPORTED_SCORE_KINDS];	/* of the intervals of these results (xmc_results); 0: by nothing */
	int64_t		n_labels;		/* labelled pairs of all documents */
	float	   *log_odds;		/* (n_labels) fused log-odds of those of measured documents; the others are 0 */
	bool		has_term[XMC_TERMS];	/* labelled pairs can train the term and select its best epoch */
	int32_t		best_epoch[XMC_TERMS];	/* on approved pairs alone */
	xmc_choice	choice[XMC_TERMS];	/* of best_epoch; room for none without an evaluation */
	int32_t		frozen_epochs;	/* of best_epoch of the text network: those before the text encoder learned */
	int32_t		pupil_epoch[XMC_TERMS]; /* that was best in the last round that was kept and taught the term */
	int32_t		pupil_frozen;	/* of pupil_epoch of the text network, as frozen_epochs */
	double		term_weight[XMC_TERMS]; /* by which the parameters of each term were multiplied last (weigh.h) */
	float	   *idf;			/* (2^hash_bits) of text features over all documents; NULL until the sparse term needs it */
	float	   *text_order;		/* (2^hash_bits) weights that the order of sentences taught (text_order.h); NULL: none, or none yet */
	double		text_weight[2]; /* of what labels and what texts teach in the sparse term; the second 0: labels alone */
	xmc_random	random;
	xmc_leader	leader;			/* of the network that is being trained in shards; else all zero */
	xmc_train_hooks hooks;
	xmc_train_progress progress;
	xmc_train_report *report;
	xmc_round  *round;			/* from the first round to the refit; else, and without rounds, NULL */
	uint64_t	options_fingerprint;	/* of the options and the number of shards; see checkpoint.h */
	uint64_t	documents_fingerprint;
	xmc_stream	resume_from;	/* the checkpoint that the training is resumed from */
	int32_t		resume_stage;	/* its stage; 0: the training is not resumed, or has reached the stage */
} xmc_trainer;

/* Reports the progress to the caller of the training; a status other than XMC_OK ends the training. */
extern xmc_status xmc_train_report_progress(xmc_trainer *t);

/* Memory for what grows with the pool, all zero, kept to the end (hook spill); NULL: no memory. */
extern void *xmc_train_spill_alloc(xmc_trainer *t, size_t count, size_t size);

/* Sorts documents of the training by the order in which they were given. */
extern void xmc_train_sort_documents(int32_t n, const xmc_document **document);

/*
 * Lays out the arrays of l, whose documents are set: weights, and scores of 0. of_pool: the documents are those of the
 * pool. Errors: XMC_LIMIT (too many pairs), XMC_NO_MEMORY.
 */
extern xmc_status xmc_labels_init(xmc_trainer *t, xmc_labels *l, bool of_pool);

/*
 * Scores all labelled pairs of l by one term, into s. In shards, if `l` is t->held_out and the term is trained in shards.
 */
extern xmc_status xmc_train_score_term(xmc_trainer *t, const xmc_labels *l, xmc_term term, float *s);

/*
 * Loss and tau of the scores s, scaled: the mean over documents of the weighted softplus(-scale * s), and of the weighted
 * share of pairs with s > 0 minus that of pairs with s < 0. The values of each document go to document_loss and
 * document_tau (n_documents) unless these are NULL.
 */
extern void xmc_labels_evaluate(const xmc_labels *l, const float *s, double scale, double *loss, double *tau,
								double *document_loss, double *document_tau);

/* The bootstrap 95% interval of the mean of value (n_documents) over the groups of l's documents. */
extern xmc_status xmc_labels_interval(xmc_trainer *t, const xmc_labels *l, const double *value, xmc_interval *out);

/* The number of independent labellings in l; those of the pool, which have no groups, count document by document. */
static inline int32_t
xmc_labels_groups(const xmc_labels *l)
{
	return l->group ? l->n_groups : l->n_documents;
}

/*
 * The labels by which weights, calibration and reliability are fitted: all approved documents if there are folds, else
 * the held-out ones.
 */
static inline xmc_labels *
xmc_fit_labels(xmc_trainer *t)
{
	return t->out_of_fold.n > 0 ? &t->out_of_fold : &t->held_out;
}

#endif
