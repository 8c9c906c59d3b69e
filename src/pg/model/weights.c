/*
 * weights.c - deployed versions: looked up, opened, and kept open for the session; weights.h is the contract.
 */
#include "model/weights.h"

#include <sys/mman.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/statement.h"
#include "base/xmcoh.h"
#include "model/cachefile.h"

/* ---- the open models of the session, by SHA-256 ---- */

#define SESSION_MODELS 8		/* stay open after the end of a transaction */
#define LOAD_CHUNK (1 << 20)

typedef struct OpenModel
{
	struct OpenModel *next;	/* most recently used first */
	char		sha256[SHA256_DIGITS + 1];
	size_t		size;			/* of the weights */
	CacheFile	shared;			/* the weights, if the cache file is mapped */
	void	   *private;		/* the weights, if they are in anonymous memory; else NULL */
	xmc_model  *model;			/* its parameters point into the weights */
	MemoryContext context;		/* of this struct and of the model; deleting it ends the mapping */
	MemoryContextCallback unmap;
} OpenModel;

static OpenModel *session_models = NULL;
static OpenModel *outdated_models = NULL;	/* models whose cache file has changed; open until the transaction ends */

static void
unmap_model(void *arg)
{
	OpenModel *opened = arg;

	xmcoh_cachefile_unmap(&opened->shared);
	if (opened->private != NULL)
		munmap(opened->private, opened->size);
}

/* Its memory context is a child of the current one, so an error before opened_weights keeps it frees the mapping. */
static OpenModel *
new_open_model(const char *sha256, size_t size)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "xmcoh model", ALLOCSET_SMALL_SIZES);
	OpenModel *opened = MemoryContextAllocZero(context, sizeof(OpenModel));

	memcpy(opened->sha256, sha256, SHA256_DIGITS);
	opened->size = size;
	opened->context = context;
	opened->unmap.func = unmap_model;
	opened->unmap.arg = opened;
	MemoryContextRegisterResetCallback(context, &opened->unmap);
	MemoryContextSetIdentifier(context, opened->sha256);
	return opened;
}

/* Opens the model in the weights. */
static xmc_status
open_bytes(OpenModel *opened, bool check_finite, xmc_ctx *ctx)
{
	MemoryContext before = MemoryContextSwitchTo(opened->context);
	const void *bytes = opened->private != NULL ? opened->private : opened->shared.mapping.bytes;
	xmc_status	status;

	*ctx = xmcoh_context();
	status = xmc_model_open(ctx, bytes, opened->size, check_finite, &opened->model);
	MemoryContextSwitchTo(before);
	return status;
}

static void
close_all(OpenModel **list)
{
	while (*list != NULL)
	{
		OpenModel *closed = *list;

		*list = closed->next;
		MemoryContextDelete(closed->context);
	}
}

/* Models are closed only here, at the end of a transaction, so that a query's models stay valid while it runs. */
static void
close_surplus_models(XactEvent event, void *arg)
{
	OpenModel **link = &session_models;

	(void) arg;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	for (int kept = 0; *link != NULL && kept < SESSION_MODELS; kept++)
		link = &(*link)->next;
	close_all(link);
	close_all(&outdated_models);
}

/*
 * The open model with this SHA-256, moved to the front; NULL: not open, or its cache file has changed since it was
 * verified.
 */
static OpenModel *
find_open_model(const char *sha256)
{
	for (OpenModel **link = &session_models; *link != NULL; link = &(*link)->next)
	{
		OpenModel *found = *link;

		if (memcmp(found->sha256, sha256, SHA256_DIGITS) == 0)
		{
			*link = found->next;
			if (found->private == NULL && !xmcoh_cachefile_is_unchanged(&found->shared))
			{
				found->next = outdated_models;
				outdated_models = found;
				return NULL;
			}
			found->next = session_models;
			session_models = found;
			return found;
		}
	}
	return NULL;
}

/* ---- reading the tables ---- */

static void
select_rows(SPIPlanPtr plan, Datum *values)
{
	int			code = SPI_execute_plan(plan, values, NULL, true, 2);

	if (code != SPI_OK_SELECT)
		elog(ERROR, "could not read the model's tables: %s", SPI_result_code_string(code));
}

static Datum
column(int number, bool *is_null)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, is_null);
}

/* Reads the weights of a version into `bytes` (size), in chunks, so that there is no second copy of the whole. */
static void
read_weights(int32 model_id, int32 version, char *bytes, size_t size)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[4] = {INT4OID, INT4OID, INT4OID, INT4OID};

	prepared(&plan,
			 "SELECT pg_catalog.substr(weights, $3, $4) FROM xmcoh.model_version"
			 " WHERE model_id OPERATOR(pg_catalog.=) $1 AND version OPERATOR(pg_catalog.=) $2", 4, types);
	for (size_t at = 0; at < size; at += LOAD_CHUNK)
	{
		size_t		wanted = Min(size - at, (size_t) LOAD_CHUNK);
		Datum		values[4] = {Int32GetDatum(model_id), Int32GetDatum(version), Int32GetDatum((int32) at + 1),
		Int32GetDatum((int32) wanted)};
		bool		is_null = true;
		bytea	   *slice = NULL;

		CHECK_FOR_INTERRUPTS();
		select_rows(plan, values);
		if (SPI_processed == 1)
			slice = DatumGetByteaPP(column(1, &is_null));
		if (is_null || VARSIZE_ANY_EXHDR(slice) != wanted)
			elog(ERROR, "weights of version %d of model %d changed while they were read", version, model_id);
		memcpy(bytes + at, VARDATA_ANY(slice), wanted);
		SPI_freetuptable(SPI_tuptable);
	}
}

static void
damaged(const char *name, int32 version, const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("weights of version %d of model \"%s\" are damaged", version, name),
			 errdetail("%s", reason),
			 errhint("Deploy another version, or import this version again from a copy.")));
}

/* Maps the cache file and opens the model in it; NULL when the file is missing or damaged. */
static OpenModel *
map_model(const char *name, const char *sha256, size_t size)
{
	OpenModel *opened = new_open_model(sha256, size);
	const char *damage = NULL;
	xmc_ctx		ctx;

	if (xmcoh_cachefile_map(&opened->shared, sha256, size, &damage))
	{
		if (open_bytes(opened, false, &ctx) == XMC_OK)
			return opened;
		damage = ctx.message;
	}
	if (damage != NULL)
		ereport(LOG,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("cache file of the weights of model \"%s\" is damaged and is written again", name),
				 errdetail("%s", damage)));
	MemoryContextDelete(opened->context);
	return NULL;
}

/*
 * Reads the weights from the table, checks them in full and opens the model. Writes the cache file for other sessions, if
 * that is possible.
 */
static OpenModel *
load_model(const char *name, const DeployedModel *deployed, const char *sha256, size_t size)
{
	OpenModel *opened = new_open_model(sha256, size);
	OpenModel *shared;
	xmc_ctx		ctx;
	xmc_status	status;
	void	   *bytes;

	bytes = size == 0 ? NULL : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes == MAP_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("The weights of model \"%s\" need %zu bytes.", name, size)));
	opened->private = bytes;
	read_weights(deployed->model_id, deployed->version, bytes, size);
	if (!xmcoh_has_sha256(bytes, size, sha256))
		damaged(name, deployed->version, "The SHA-256 of the weights is not the recorded one.");
	status = open_bytes(opened, true, &ctx);
	if (status == XMC_BAD_MODEL)
		damaged(name, deployed->version, ctx.message);
	if (status != XMC_OK)
		xmcoh_raise(status, &ctx);

	/* use the shared copy from now on; if anything fails, use the private one */
	if (!xmcoh_cachefile_write(sha256, bytes, size))
		return opened;
	(void) xmcoh_cachefile_sweep(false);
	shared = map_model(name, sha256, size);
	if (shared == NULL)
		return opened;
	MemoryContextDelete(opened->context);
	return shared;
}

/* The model of these weights, open until the session opens others. */
static const xmc_model *
opened_weights(const char *name, const DeployedModel *deployed, const char *sha256, size_t size)
{
	static bool registered = false;
	OpenModel *opened = find_open_model(sha256);

	if (opened != NULL)
		return opened->model;
	if (!registered)
	{
		RegisterXactCallback(close_surplus_models, NULL);
		registered = true;
	}
	opened = map_model(name, sha256, size);
	if (opened == NULL)
		opened = load_model(name, deployed, sha256, size);
	MemoryContextSetParent(opened->context, TopMemoryContext);
	opened->next = session_models;
	session_models = opened;
	return opened->model;
}

/* ---- look-up ---- */

/*
 * ERROR for a name without a visible model. Row-level security hides other roles' models; the error says if there is one.
 */
static void
no_such_model(const char *name, Datum name_datum)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {name_datum};
	bool		is_null;

	if (SPI_execute_with_args("SELECT xmcoh.model_exists($1)", 1, types, values, NULL, true, 1) == SPI_OK_SELECT
		&& SPI_processed == 1 && DatumGetBool(column(1, &is_null)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for model \"%s\"", name),
				 errdetail("The owner of a model can use it, members of that role, and roles with a level from"
						   " xmcoh.grant_model.")));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" does not exist", name),
			 errhint("xmcoh.model lists the models that you may use.")));
}

static DeployedModel
find_deployed(const char *name, size_t name_length, bool may_lack)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[1] = {TEXTOID};
	Datum		values[1];
	DeployedModel found = {0};
	Datum		sha256_datum;
	char		sha256[SHA256_DIGITS + 1];
	char	   *name_string;
	size_t		size;
	bool		is_null;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	/* the model's row, under the running query's snapshot, with the row of its deployed version */
	name_string = pnstrdup(name, name_length);
	values[0] = PointerGetDatum(cstring_to_text_with_len(name, (int) name_length));
	prepared(&plan,
			 "SELECT m.model_id, m.deployed_version, v.sha256, pg_catalog.octet_length(v.weights), m.encoder_id,"
			 " m.image_encoder_id"
			 " FROM xmcoh.model m LEFT JOIN xmcoh.model_version v ON v.model_id OPERATOR(pg_catalog.=) m.model_id"
			 " AND v.version OPERATOR(pg_catalog.=) m.deployed_version"
			 " WHERE m.name OPERATOR(pg_catalog.=) $1", 1, types);
	select_rows(plan, values);
	if (SPI_processed != 1)
		no_such_model(name_string, values[0]);
	found.model_id = DatumGetInt32(column(1, &is_null));
	found.version = DatumGetInt32(column(2, &is_null));
	if (is_null && may_lack)
	{
		SPI_finish();
		return found;
	}
	if (is_null)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no deployed version", name_string),
				 errhint("Train the model: SELECT xmcoh.train(%s);", quote_literal_cstr(name_string))));
	sha256_datum = column(3, &is_null);
	if (is_null)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of model \"%s\", which is deployed, is missing", found.version, name_string),
				 errhint("Deploy another version: SELECT xmcoh.deploy(%s, ...);", quote_literal_cstr(name_string))));
	text_to_cstring_buffer(DatumGetTextPP(sha256_datum), sha256, sizeof sha256);
	size = (size_t) DatumGetInt32(column(4, &is_null));
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		found.encoder[m] = DatumGetInt32(column(5 + m, &is_null));
		if (is_null)
			found.encoder[m] = 0;
	}
	SPI_freetuptable(SPI_tuptable);
	/* the weights, by their SHA-256 */
	found.model = opened_weights(name_string, &found, sha256, size);
	SPI_finish();
	return found;
}

DeployedModel
xmcoh_find_deployed(const char *name, size_t name_length)
{
	return find_deployed(name, name_length, false);
}

const xmc_model *
xmcoh_open_version(int32 model_id, int32 version)
{
	DeployedModel wanted = {.model_id = model_id,.version = version};
	Oid			types[2] = {INT4OID, INT4OID};
	Datum		values[2] = {Int32GetDatum(model_id), Int32GetDatum(version)};
	char	   *name;
	char		sha256[SHA256_DIGITS + 1];
	size_t		size;
	bool		is_null;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (SPI_execute_with_args("SELECT m.name, v.sha256, pg_catalog.octet_length(v.weights)"
							  " FROM xmcoh.model m JOIN xmcoh.model_version v ON v.model_id OPERATOR(pg_catalog.=) m.model_id"
							  " WHERE m.model_id OPERATOR(pg_catalog.=) $1 AND v.version OPERATOR(pg_catalog.=) $2",
							  2, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read xmcoh.model_version");
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model %d has no version %d", model_id, version)));
	name = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	text_to_cstring_buffer(DatumGetTextPP(column(2, &is_null)), sha256, sizeof sha256);
	size = (size_t) DatumGetInt32(column(3, &is_null));
	wanted.model = opened_weights(name, &wanted, sha256, size);
	SPI_finish();
	return wanted.model;
}

/*
 * The last answer holds as long as the snapshot is the same. A snapshot is identified by what had ended when it was taken
 * (xmax, and how many transactions below xmax were running) and by which commands of this session it sees (transaction,
 * subtransaction, command). For one xmax the set of running transactions can only shrink, so its size identifies the set.
 * (snapXactCompletionCount would do, too, but active snapshots are copies, which do not have it.) The subtransaction counts
 * because rolling one back undoes a deploy and changes nothing else here. The number of lost mappings counts because the
 * lost file may be the answer's: an error that is caught does not change the snapshot.
 */
const DeployedModel *
xmcoh_lookup_deployed(ModelLookup *lookup, MemoryContext context, const char *name, size_t name_length, bool may_lack)
{
	Snapshot	snapshot = GetActiveSnapshot();
	SubTransactionId subtransaction = GetCurrentSubTransactionId();
	char	   *copy;

	if (lookup->name != NULL && lookup->name_length == name_length && memcmp(lookup->name, name, name_length) == 0
		&& lookup->user == GetUserId() && lookup->local_transaction == xmcoh_local_transaction()
		&& lookup->subtransaction == subtransaction && lookup->command == snapshot->curcid
		&& lookup->xmax == snapshot->xmax && lookup->running == snapshot->xcnt
		&& lookup->running_subs == snapshot->subxcnt && lookup->lost_mappings == xmcoh_lost_mappings())
		return &lookup->answer;

	lookup->answer = find_deployed(name, name_length, may_lack);
	copy = MemoryContextAlloc(context, name_length + 1);
	memcpy(copy, name, name_length);
	if (lookup->name != NULL)
		pfree(lookup->name);
	lookup->name = copy;
	lookup->name_length = name_length;
	lookup->user = GetUserId();
	lookup->local_transaction = xmcoh_local_transaction();
	lookup->subtransaction = subtransaction;
	lookup->command = snapshot->curcid;
	lookup->xmax = snapshot->xmax;
	lookup->running = snapshot->xcnt;
	lookup->running_subs = snapshot->subxcnt;
	lookup->lost_mappings = xmcoh_lost_mappings();
	return &lookup->answer;
}
