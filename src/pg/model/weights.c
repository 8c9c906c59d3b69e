/*
 * weights.c - deployed versions: looked up, opened, and kept open for the session; weights.h is the contract.
 */
#include "model/weights.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/copies.h"
#include "base/statement.h"
#include "model/encoders.h"
#include "model/opened.h"

#define SESSION_MODELS 8		/* stay open after the end of a transaction */
#define LOAD_CHUNK (1 << 20)

static xmc_status
open_weights(xmc_ctx *ctx, const StoredFile *file, const void *bytes, bool check_all, void **out)
{
	return xmc_model_open(ctx, bytes, file->size, check_all, (xmc_model **) out);
}

static OpenKind weights_kind = {.context_name = "xmcoh model",.kept = SESSION_MODELS,.open = open_weights};

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

/* A version, for messages and for reading its weights. */
typedef struct VersionRow
{
	const char *name;			/* of the model */
	int32		model_id;
	int32		version;
} VersionRow;

/* Reads the weights of a version into `bytes` in chunks, so that there is no second copy of the whole. */
static void
read_weights(const StoredFile *file, char *bytes)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[4] = {INT4OID, INT4OID, INT4OID, INT4OID};
	const VersionRow *row = file->row;

	prepared(&plan,
			 "SELECT pg_catalog.substr(weights, $3, $4) FROM xmcoh.model_version"
			 " WHERE model_id OPERATOR(pg_catalog.=) $1 AND version OPERATOR(pg_catalog.=) $2", 4, types);
	for (size_t at = 0; at < file->size; at += LOAD_CHUNK)
	{
		size_t		wanted = Min(file->size - at, (size_t) LOAD_CHUNK);
		Datum		values[4] = {Int32GetDatum(row->model_id), Int32GetDatum(row->version), Int32GetDatum((int32) at + 1),
		Int32GetDatum((int32) wanted)};
		bool		is_null = true;
		bytea	   *slice = NULL;

		CHECK_FOR_INTERRUPTS();
		select_rows(plan, values);
		if (SPI_processed == 1)
			slice = DatumGetByteaPP(column(1, &is_null));
		if (is_null || VARSIZE_ANY_EXHDR(slice) != wanted)
			elog(ERROR, "weights of version %d of model %d changed while they were read", row->version, row->model_id);
		memcpy(bytes + at, VARDATA_ANY(slice), wanted);
		SPI_freetuptable(SPI_tuptable);
	}
}

static void
damaged(const StoredFile *file, const char *reason)
{
	const VersionRow *row = file->row;

	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("weights of version %d of model \"%s\" are damaged", row->version, row->name),
			 errdetail("%s", reason),
			 errhint("Deploy another version, or import this version again from a copy.")));
}

/* The model of these weights, open until the session opens others. */
static const xmc_model *
opened_weights(const char *name, int32 model_id, int32 version, const char *sha256, size_t size)
{
	VersionRow	row = {.name = name,.model_id = model_id,.version = version};
	StoredFile	file = {.sha256 = sha256,.size = size,.read = read_weights,.damaged = damaged,.row = &row};

	file.description = psprintf("the weights of model \"%s\"", name);
	return xmcoh_open_file(&weights_kind, &file);
}

/* Gives a version that fine-tunes its model's text encoder that encoder, as it is now. */
static void
lend_encoder(const xmc_model *opened, int32 encoder_id, bool keep)
{
	xmc_model  *model = unconstify(xmc_model *, opened);	/* this session's own; what it points to is shared */

	if (!xmc_reads_tokens(model) || encoder_id == 0)
		return;
	model->base_encoder = xmcoh_encoder_transformer(encoder_id, keep);
	if (model->measured != NULL)
		model->measured->base_encoder = model->base_encoder;
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
			 errhint("%s", xmcoh_missing_hint("xmcoh.model lists the models that you may use."))));
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
				 errhint("%s", xmcoh_missing_hint(psprintf("Train the model: SELECT xmcoh.train(%s);",
															quote_literal_cstr(name_string))))));
	sha256_datum = column(3, &is_null);
	if (is_null)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of model \"%s\", which is deployed, is missing", found.version, name_string),
				 errhint("%s", xmcoh_missing_hint(psprintf("Deploy another version: SELECT xmcoh.deploy(%s, ...);",
															quote_literal_cstr(name_string))))));
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
	found.model = opened_weights(name_string, found.model_id, found.version, sha256, size);
	lend_encoder(found.model, found.encoder[XMC_TEXT], false);
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
	const xmc_model *model;
	Oid			types[2] = {INT4OID, INT4OID};
	Datum		values[2] = {Int32GetDatum(model_id), Int32GetDatum(version)};
	char	   *name;
	char		sha256[SHA256_DIGITS + 1];
	size_t		size;
	int32		encoder_id;
	bool		is_null;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (SPI_execute_with_args("SELECT m.name, v.sha256, pg_catalog.octet_length(v.weights), m.encoder_id"
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
	encoder_id = DatumGetInt32(column(4, &is_null));
	if (is_null)
		encoder_id = 0;
	model = opened_weights(name, model_id, version, sha256, size);
	lend_encoder(model, encoder_id, true);
	SPI_finish();
	return model;
}

const DeployedModel *
xmcoh_lookup_deployed(ModelLookup *lookup, MemoryContext context, const char *name, size_t name_length, bool may_lack)
{
	char	   *copy;

	if (lookup->name != NULL && lookup->name_length == name_length && memcmp(lookup->name, name, name_length) == 0
		&& xmcoh_lookup_holds(&lookup->mark))
		return &lookup->answer;

	lookup->answer = find_deployed(name, name_length, may_lack);
	copy = MemoryContextAlloc(context, name_length + 1);
	memcpy(copy, name, name_length);
	if (lookup->name != NULL)
		pfree(lookup->name);
	lookup->name = copy;
	lookup->name_length = name_length;
	xmcoh_mark_lookup(&lookup->mark);
	return &lookup->answer;
}

/* ---- other processes ---- */

bool
xmcoh_share_deployed(const DeployedModel *deployed, const bool encodes[XMC_MODALITIES], SharedModel *out)
{
	memset(out, 0, sizeof *out);
	if (!xmcoh_share_file(&weights_kind, deployed->model, &out->weights))
		return false;
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		bool		is_tuned = m == XMC_TEXT && xmc_reads_tokens(deployed->model);

		if (deployed->encoder[m] > 0 && (encodes[m] || is_tuned) && !xmcoh_share_encoder(deployed->encoder[m], &out->encoder[m]))
			return false;
	}
	return true;
}

const xmc_model *
xmcoh_open_shared_model(const SharedModel *shared, const OpenEncoder *encoder[XMC_MODALITIES])
{
	xmc_model  *model = xmcoh_open_shared(&weights_kind, &shared->weights);

	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		encoder[m] = NULL;
		if (shared->encoder[m].path[0] == '\0')
			continue;
		encoder[m] = xmcoh_open_shared_encoder(&shared->encoder[m]);
		if (encoder[m] == NULL)
			return NULL;
	}
	if (model != NULL && xmc_reads_tokens(model) && encoder[XMC_TEXT] != NULL)
		model->base_encoder = xmcoh_transformer_of(encoder[XMC_TEXT]);
	return model;
}
