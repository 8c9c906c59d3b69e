/*
 * weights.h - from the name of a model to its deployed version, opened and read-only (design section 5).
 *
 * Two steps, so that nothing is ever stale: the deployed version is looked up under the running query's snapshot and
 * with the caller's privileges; its weights are then found by their SHA-256, whose bytes never change.
 */
#ifndef XMCOH_WEIGHTS_H
#define XMCOH_WEIGHTS_H

#include "postgres.h"

#include "xmcoh/model.h"

/* A version whose weights are ready to score with. Valid until the end of the transaction. */
typedef struct DeployedModel
{
	int32		model_id;
	int32		version;
	const xmc_model *model;
} DeployedModel;

/*
 * One call site's memory of its last look-up; lives, zeroed, in flinfo->fn_extra. A query over thousands of groups
 * looks up once; a later command of the same transaction, which may see another version deployed, looks up again.
 */
typedef struct ModelLookup
{
	char	   *name;			/* NULL: nothing looked up yet */
	size_t		name_length;
	Oid			user;
	uint32		local_transaction;
	SubTransactionId subtransaction;
	CommandId	command;
	TransactionId xmax;
	uint32		running;		/* transactions and subtransactions before xmax that were going on */
	int32		running_subs;
	uint32		lost_mappings;
	DeployedModel answer;
} ModelLookup;

/*
 * The deployed version of the model `name`. `context` is where `lookup` lives (flinfo->fn_mcxt). Needs an active
 * snapshot; writes nothing, so it works on a standby and in parallel workers. Errors: undefined_object (no such
 * model), insufficient_privilege (another's), object_not_in_prerequisite_state (none deployed), data_corrupted
 * (damaged weights).
 */
extern const DeployedModel *xmcoh_lookup_deployed(ModelLookup *lookup, MemoryContext context, const char *name,
												   size_t name_length);

/* The same for who looks up once. */
extern DeployedModel xmcoh_find_deployed(const char *name, size_t name_length);

/*
 * Any version, by number, with the caller's privileges. Unlike a DeployedModel it outlives the transaction: until this
 * session opens others. Errors: undefined_object (no such version, or another's), data_corrupted.
 */
extern const xmc_model *xmcoh_open_version(int32 model_id, int32 version);

/* A function's argument that names the model. ERROR null_value_not_allowed for NULL. */
extern text *xmcoh_model_argument(NullableDatum argument);

#endif
