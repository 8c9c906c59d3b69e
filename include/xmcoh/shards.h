/*
 * shards.h - a minibatch of a network in shards, so that several processes can share its work with one result (design
 * section 6, "Cores").
 *
 * A step is three tasks: the gradient of each shard; the sum of the gradients over each share of the parameters, with its
 * square for the clipping; the update of each share. A fourth task scores the held-out documents. A task consists of items,
 * and any process may compute any item: each shard has its own random numbers for dropout, gradients are added in the order
 * of the shards and squares in the order of the shares. So the result depends on the number of shards alone.
 *
 * What items read and write lies in one block of memory, which all processes of the training map. The core knows nothing of
 * processes: its caller brings them, as xmc_workers.
 */
#ifndef XMCOH_SHARDS_H
#define XMCOH_SHARDS_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"
#include "xmcoh/optimizer.h"

#define XMC_MAX_SHARDS 32

/* All that the layout of the block depends on, besides the options of the model. Equal in all processes. */
typedef struct xmc_shards_shape
{
	xmc_term	term;			/* a network */
	int32_t		shards;
	bool		shared;			/* by workers: the block holds the parameters and a gradient per shard; else two gradients */
	bool		has_bag;		/* of the model */
	bool		has_changes;	/* of a text encoder, by the network; every process needs the encoder */
	int64_t		bag_rows;		/* items of a shard, at most; 0 where the term has no bag */
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

/* What a process must know to compute an item. */
typedef struct xmc_task
{
	xmc_task_kind kind;
	int32_t		items;
	bool		uses_changes;	/* they have begun to learn */
	const xmc_shard *shard;		/* GRADIENT: (items) */
	double		divisor;		/* GRADIENT: documents of the minibatch */
	xmc_adamw_update update;	/* UPDATE */
	const xmc_document **document;	/* SCORE: held-out documents, at least those of the item */
	int32_t		first_document; /* SCORE: the number of document[0] among all held-out documents */
} xmc_task;

/* The view of one process on the block. */
typedef struct xmc_shards
{
	xmc_shards_shape shape;
	xmc_arena  *scratch;		/* reset by each item */
	xmc_model  *model;
	xmc_model  *grad;			/* a layout whose slots are led to the gradient that is being computed */
	int64_t		values;			/* dense parameters of the term */
	int64_t		stride;			/* from one gradient to the next */
	float	   *parameters;		/* (n_parameters) of the whole model; NULL if not shared */
	float	   *gradient;		/* (shards or 2, stride); after XMC_TASK_SUM the first is the sum */
	float	   *adamw;			/* (3, stride): first, second, average */
	double	   *loss;			/* (shards) */
	double	   *squares;		/* (shards) of the shares of the sum */
	float	   *d_bag;			/* (shards, bag_rows, bag_dim) gradient by the bags of the rows of each shard */
	int64_t    *score_start;	/* (items of XMC_TASK_SCORE) into score */
	float	   *score;			/* (held_out_pairs) */
} xmc_shards;

/* The processes that compute items besides the process that trains. */
typedef struct xmc_workers
{
	void	   *arg;			/* passed to each */

	/*
	 * Returns the block, `size` bytes, 64-byte aligned, and starts the workers. A minibatch will have at most
	 * `batch_documents` of `train`. NULL: no workers this time.
	 */
	void	   *(*begin) (void *arg, const xmc_shards_shape *shape, size_t size, int32_t batch_documents, int32_t n_train,
						  const xmc_document *const *train, const xmc_document *const *held_out);
	/* Has all items of a task computed by xmc_task_item; `mine` is the view of this process. Not XMC_OK: it has failed. */
	xmc_status	(*run) (void *arg, xmc_shards *mine, const xmc_task *task);
	void		(*end) (void *arg);	/* the block is not used any more */
} xmc_workers;

/*
 * The view of another process than the one that trains, with a model of its own whose parameters are those of the block. encoder: that
 * the network fine-tunes; NULL: none. Allocates in `arena`; items use `scratch`. Errors: as xmc_model_layout, XMC_NO_MEMORY.
 */
extern xmc_status xmc_shards_attach(xmc_arena *arena, xmc_arena *scratch, const xmc_options *options,
									const xmc_shards_shape *shape, void *block, const struct xmc_transformer *encoder,
									xmc_shards *out);

/*
 * Computes one item. Items of XMC_TASK_SUM and XMC_TASK_UPDATE never stop halfway. Errors: XMC_NO_MEMORY, XMC_STOPPED, XMC_BAD_MODEL
 * (the encoder is damaged).
 */
extern xmc_status xmc_task_item(xmc_shards *s, const xmc_task *task, int32_t item);

#endif
