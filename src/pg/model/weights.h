/*
 * weights.h - from the name of a model to its deployed version, opened for scoring (design section 5).
 *
 * The deployed version is looked up under the snapshot of the running query and with the caller's privileges. Its weights
 * are found by their SHA-256. So neither can be out of date.
 */
#ifndef XMCOH_PG_WEIGHTS_H
#define XMCOH_PG_WEIGHTS_H

#include "postgres.h"

#include "base/lookup_mark.h"
#include "model/cachefile.h"

#include "xmcoh/model.h"

/* A version whose weights are open. Valid until the end of the transaction. model NULL: no version is deployed. */
typedef struct DeployedModel
{
	int32		model_id;
	int32		version;
	const xmc_model *model;
	int32		encoder[XMC_MODALITIES];	/* the numbers of the model's text encoders, for texts and for images; 0: none */
} DeployedModel;

/*
 * The last look-up of a call site, kept in flinfo->fn_extra, zeroed at first. So a query over thousands of groups looks up
 * once. A later command of the same transaction may see another deployed version, so it looks up again.
 */
typedef struct ModelLookup
{
	char	   *name;			/* NULL: nothing looked up yet */
	size_t		name_length;
	LookupMark	mark;
	DeployedModel answer;
} ModelLookup;

/*
 * The deployed version of the model `name`. `context`: the memory context of `lookup` (flinfo->fn_mcxt). Needs an active
 * snapshot. Writes nothing to the database, so it works on a standby and in parallel workers. Errors: undefined_object (no
 * such model), insufficient_privilege, object_not_in_prerequisite_state (no deployed version, unless `may_lack`),
 * data_corrupted (damaged weights).
 */
extern const DeployedModel *xmcoh_lookup_deployed(ModelLookup *lookup, MemoryContext context, const char *name,
												   size_t name_length, bool may_lack);

/* The same, for a caller that looks up once. A deployed version must be there. */
extern DeployedModel xmcoh_find_deployed(const char *name, size_t name_length);

struct OpenEncoder;				/* encoders.h */

/* The files of a deployed version, for a process that is connected to no database. */
typedef struct SharedModel
{
	SharedFile	weights;
	SharedFile	encoder[XMC_MODALITIES];	/* of the text encoders; path "": none is needed */
} SharedModel;

/*
 * `encodes`: vectors of texts are to be computed, in place of a text's or an image's embedding. False: the session has a private copy
 * of a file, because its cache file cannot be written.
 */
extern bool xmcoh_share_deployed(const DeployedModel *deployed, const bool encodes[XMC_MODALITIES], SharedModel *out);

/* Opens them in such a process; encoder[m] NULL: not shared. NULL: they are not there any more. */
extern const xmc_model *xmcoh_open_shared_model(const SharedModel *shared, const struct OpenEncoder *encoder[XMC_MODALITIES]);

/*
 * Any version, by number, with the caller's privileges. Unlike a DeployedModel, the result stays valid after the
 * transaction, until this session opens other versions. Errors: undefined_object (no such version, or no privilege),
 * data_corrupted.
 */
extern const xmc_model *xmcoh_open_version(int32 model_id, int32 version);

#endif
