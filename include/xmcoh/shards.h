/*
 * shards.h - a minibatch of a network cut into slices, whose gradients are added up: work that several processes can
 * share with one result (design section 6, "Cores").
 *
 * A step is three tasks of as many items as there are slices: the gradient of each slice; the sum of the gradients
 * over each share of the parameters, with its square for the clipping; the update of each share. Scoring the held-out
 * documents is a fourth, an item for some of them. Any process may compute any item: each slice has dropout of its
 * own, gradients are added in the order of slices and squares in the order of shares, so the result depends on the
 * number of slices alone.
 *
 * What items read and write lies in one block of memory, which all processes of a crew see. The core knows nothing of
 * processes: its caller brings the crew.
 */
#ifndef XMCOH_SHARDS_H
#define XMCOH_SHARDS_H

#include "xmcoh/base.h"
#include "xmcoh/batch.h"
#include "xmcoh/model.h"
#include "xmcoh/optimizer.h"
#include "xmcoh/sparse.h"

#define XMC_MAX_SHARDS 32

/* All that the block's layout depends on, besides the model's options: the same in every process. */
typedef struct xmc_shards_shape
{
	xmc_term	term;			/* a network */
	int32_t		shards;
	bool		shared;			/* by a crew: the block holds the model's parameters and a gradient for each slice, else two */
	bool		has_bag;		/* of the model */
	int64_t		bag_rows;		/* items of a slice, at most; 0 where the part has no bag */
	int32_t		score_documents;	/* of an item of XMC_TASK_SCORE, at most XMC_SCORE_BATCH */
	int64_t		held_out_documents;
	int64_t		held_out_pairs;
} xmc_shards_shape;

typedef struct xmc_shard
{
	int32_t		n_documents;
	const xmc_document **document;	/* (n_documents) */
	uint64_t	seed;			/* of its dropout */
} xmc_shard;

typedef enum xmc_task_kind
{
	XMC_TASK_GRADIENT, XMC_TASK_SUM, XMC_TASK_UPDATE, XMC_TASK_SCORE
} xmc_task_kind;

/* What one process has to know to compute an item. */
typedef struct xmc_task
{
	xmc_task_kind kind;
	int32_t		items;
	const xmc_shard *shard;		/* GRADIENT: (items) */
	double		divisor;		/* GRADIENT: documents of the minibatch */
	xmc_adamw_update update;	/* UPDATE */
	const xmc_document **document;	/* SCORE: held-out documents, of the item's at least */
	int32_t		first_document; /* SCORE: the number of document[0] among all held-out ones */
} xmc_task;

typedef struct xmc_shards xmc_shards;

/*
 * Who computes, besides this process. Without a crew it computes all items itself, in their order.
 */
typedef struct xmc_workers
{
	void	   *arg;			/* passed to each */

	/*
	 * Gives the block, `size` bytes, 64-byte aligned, and calls the crew together; a minibatch will have at most
	 * `batch_documents` of `train`. NULL: there is no crew this time.
	 */
	void	   *(*begin) (void *arg, const xmc_shards_shape *shape, size_t size, int32_t batch_documents, int32_t n_train,
						  const xmc_document *const *train, const xmc_document *const *held_out);
	/* Has all items of a task computed by xmc_task_item; `mine` is this process's. Not XMC_OK: the task has failed. */
	xmc_status	(*run) (void *arg, xmc_shards *mine, const xmc_task *task);
	void		(*end) (void *arg);	/* the block is not used any more */
} xmc_workers;

/* One process's view of the block. */
struct xmc_shards
{
	xmc_shards_shape shape;
	xmc_arena  *scratch;		/* reset by each item */
	xmc_model  *model;
	xmc_model  *grad;			/* only a layout, led to the gradient that is being computed */
	int64_t		values;			/* dense parameters of the part */
	int64_t		stride;			/* from one gradient to the next */
	float	   *parameters;		/* (n_parameters) of the whole model; NULL if not shared */
	float	   *gradient;		/* (slices or 2, stride); after XMC_TASK_SUM the first is the sum */
	float	   *adamw;			/* (3, stride): first, second, average */
	double	   *loss;			/* (slices) */
	double	   *squares;		/* (slices) of the sum's shares */
	float	   *d_bag;			/* (slices, bag_rows, bag_dim) gradient by the bags of a slice's rows */
	int64_t    *score_start;	/* (items of XMC_TASK_SCORE) into score */
	float	   *score;			/* (held_out_pairs) */
	/* Of the process that trains alone: */
	const xmc_workers *workers;		/* NULL: none */
	xmc_shard	shard[XMC_MAX_SHARDS];
	const xmc_document **dealt; /* (documents of a minibatch) the slices' documents */
	struct xmc_assignment *deal;		/* (documents of a minibatch) */
};

/*
 * A view of the block in `arena`, for another process than the one that trains: with a model of its own, whose
 * parameters are the block's. Items use `scratch`. Errors: as xmc_model_layout, XMC_NO_MEMORY.
 */
extern xmc_status xmc_shards_attach(xmc_arena *arena, xmc_arena *scratch, const xmc_options *options,
									const xmc_shards_shape *shape, void *block, xmc_shards *out);

/* Computes one item. Items of XMC_TASK_SUM and XMC_TASK_UPDATE never stop halfway. Errors: XMC_NO_MEMORY, XMC_STOPPED. */
extern xmc_status xmc_task_item(xmc_shards *s, const xmc_task *task, int32_t item);

/*
 * Begins the training of a network in slices: with a crew, if it is there, the model's parameters move into the block
 * until xmc_shards_end. The state of AdamW begins at zero in the block. `batch_documents` is the most of a minibatch.
 * Errors: as above.
 */
extern xmc_status xmc_shards_begin(xmc_arena *arena, xmc_arena *scratch, const xmc_workers *workers, int32_t shards, xmc_term term,
								   xmc_model *model, int32_t batch_documents, int32_t n_train,
								   const xmc_document *const *train, int32_t n_held_out,
								   const xmc_document *const *held_out, xmc_adamw *adamw, xmc_shards *out);
extern void xmc_shards_end(xmc_shards *s);	/* also of one that never began: all zero */

/*
 * One step on a minibatch: as xmc_term_gradient, xmc_adamw_step and, with `bag` (NULL: none), xmc_adagrad_step. The
 * slices' seeds are drawn from `random`. *loss is the sum over documents.
 */
extern xmc_status xmc_shards_step(xmc_shards *s, int32_t n_documents, const xmc_document *const *document,
								  xmc_random *random, xmc_adamw *adamw, double rate, double weight_decay,
								  xmc_adagrad *bag, double bag_rate, double *loss);

/* The scores of the held-out documents' pairs by the running average of the weights, into s (held_out_pairs). */
extern xmc_status xmc_shards_score(xmc_shards *s, const xmc_document **held_out, float *score);

#endif
