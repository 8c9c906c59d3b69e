/*
 * leader.h - the process that trains a network in shards (xmcoh/shards.h): divides minibatches into shards, has the tasks
 * of a step computed, by itself alone or together with workers.
 */
#ifndef XMCOH_LEADER_H
#define XMCOH_LEADER_H

#include "xmcoh/base.h"
#include "xmcoh/model.h"
#include "xmcoh/optimizer.h"
#include "xmcoh/shards.h"
#include "network/sparse.h"

typedef struct xmc_leader
{
	xmc_shards	view;			/* shape.shards is 0: no training in shards is under way */
	const xmc_workers *workers;	/* NULL: none */
	xmc_shard	shard[XMC_MAX_SHARDS];	/* of the present minibatch */
	const xmc_document **document;	/* (documents of a minibatch) those of the shards, one shard behind the other */
	struct xmc_assignment *assignment;	/* (documents of a minibatch) */
} xmc_leader;

/*
 * Begins the training of a network in shards. With workers, the parameters of the model move into the block until
 * xmc_leader_end. *adamw is the optimizer in the block, all zero. batch_documents: the most documents of a minibatch.
 * Errors: as xmc_shards_attach.
 */
extern xmc_status xmc_leader_begin(xmc_arena *arena, xmc_arena *scratch, const xmc_workers *workers, int32_t shards, xmc_term term,
								   xmc_model *model, int32_t batch_documents, int32_t n_train,
								   const xmc_document *const *train, int32_t n_held_out,
								   const xmc_document *const *held_out, xmc_adamw *adamw, xmc_leader *out);
extern void xmc_leader_end(xmc_leader *leader);	/* also of one that never began: all zero */

/*
 * One step on a minibatch: as xmc_term_gradient, xmc_adamw_step and, with `bag` (NULL: none), xmc_adagrad_step. The seeds
 * of the shards are drawn from `random`. *loss is the sum over documents. Errors: those of the workers, XMC_NO_MEMORY,
 * XMC_STOPPED.
 */
extern xmc_status xmc_leader_step(xmc_leader *leader, int32_t n_documents, const xmc_document *const *document,
								  xmc_random *random, xmc_adamw *adamw, double rate, double weight_decay,
								  xmc_adagrad *bag, double bag_rate, double *loss);

/*
 * The scores of the held-out documents' pairs by the running average of the weights, into score (held_out_pairs). Errors:
 * as above.
 */
extern xmc_status xmc_leader_score(xmc_leader *leader, const xmc_document **held_out, float *score);

#endif
