/*
 * encoders.c - imported text encoders: looked up, opened, and vectors of texts; encoders.h is the contract.
 *
 * The tables are read as their owner, because who may use a model may use its encoder without a grant on that.
 */
#include "model/encoders.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/access.h"
#include "base/copies.h"
#include "base/lookup_mark.h"
#include "base/statement.h"
#include "base/xmcoh.h"
#include "model/opened.h"
#include "model/vector_cache.h"

PG_FUNCTION_INFO_V1(xmcoh_embed);
PG_FUNCTION_INFO_V1(xmcoh_embed_texts);

#define SESSION_ENCODERS 4		/* stay open after the end of a transaction */
#define TEXTS_AT_ONCE 1024		/* of embed(encoder, texts) */

/* ---- opening ---- */

struct OpenEncoder
{
	xmc_text_encoder *encoder;
	const xmc_text_encoder_shape *shape;
	char		sha256[SHA256_DIGITS + 1];
};

static xmc_status
open_encoder_file(xmc_ctx *ctx, const StoredFile *file, const void *bytes, bool check_all, void **out)
{
	OpenEncoder *opened = xmc_zalloc(ctx, 1, sizeof(OpenEncoder));

	XMC_NEED(opened, ctx);
	XMC_TRY(xmc_text_encoder_open(ctx, bytes, file->size, &opened->encoder));
	if (check_all)
		XMC_TRY(xmc_text_encoder_check_finite(ctx, opened->encoder));
	opened->shape = xmc_text_encoder_get_shape(opened->encoder);
	memcpy(opened->sha256, file->sha256, SHA256_DIGITS);
	*out = opened;
	return XMC_OK;
}

static OpenKind encoder_kind = {.context_name = "xmcoh encoder",.kept = SESSION_ENCODERS,.open = open_encoder_file};

/* The row of an encoder. */
typedef struct EncoderRow
{
	int32		encoder_id;
	char	   *name;
	char		sha256[SHA256_DIGITS + 1];
	size_t		size;
	bool		may_use;
} EncoderRow;

/* The last encoder that was opened by number. */
static struct
{
	LookupMark	mark;
	int32		encoder_id;
	const OpenEncoder *opened;
}			last_opened;

static void
select_rows(SPIPlanPtr plan, Datum *values)
{
	int			code = SPI_execute_plan(plan, values, NULL, true, 2);

	if (code != SPI_OK_SELECT)
		elog(ERROR, "could not read the tables of encoders: %s", SPI_result_code_string(code));
}

/* Reads the chunks of an encoder's file into `bytes`. */
static void
read_chunks(const StoredFile *file, char *bytes)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[2] = {INT4OID, INT4OID};
	const EncoderRow *row = file->row;
	size_t		at = 0;

	prepared(&plan,
			 "SELECT data FROM xmcoh.encoder_chunk"
			 " WHERE encoder_id OPERATOR(pg_catalog.=) $1 AND chunk OPERATOR(pg_catalog.=) $2", 2, types);
	for (int32 chunk = 0; at < file->size; chunk++)
	{
		Datum		values[2] = {Int32GetDatum(row->encoder_id), Int32GetDatum(chunk)};
		bool		is_null;
		Datum		stored;
		bytea	   *data;

		CHECK_FOR_INTERRUPTS();
		select_rows(plan, values);
		if (SPI_processed != 1)
			file->damaged(file, psprintf("Chunk %d is missing.", chunk));
		stored = first_value(1, &is_null);
		data = DatumGetByteaPP(stored);
		if (VARSIZE_ANY_EXHDR(data) == 0 || VARSIZE_ANY_EXHDR(data) > file->size - at)
			file->damaged(file, psprintf("Chunk %d has a wrong size.", chunk));
		memcpy(bytes + at, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data));
		at += VARSIZE_ANY_EXHDR(data);
		if (data != (bytea *) DatumGetPointer(stored))
			pfree(data);
		SPI_freetuptable(SPI_tuptable);
	}
}

static void
damaged(const StoredFile *file, const char *reason)
{
	const EncoderRow *row = file->row;

	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("file of encoder \"%s\" is damaged", row->name),
			 errdetail("%s", reason),
			 errhint("Restore xmcoh.encoder_chunk from a backup, or drop the encoder and import it again.")));
}

/* The row that a plan finds; encoder_id 0: none. Needs SPI. The name is in SPI's memory. */
static EncoderRow
find_row(SPIPlanPtr plan, Datum value, Oid user)
{
	EncoderRow	row = {0};
	bool		is_null;

	select_rows(plan, &value);
	if (SPI_processed == 1)
	{
		row.encoder_id = DatumGetInt32(first_value(1, &is_null));
		row.name = first_text(2);
		row.may_use = xmcoh_may_use_encoder(first_value(3, &is_null), row.encoder_id, user);
		text_to_cstring_buffer(DatumGetTextPP(first_value(4, &is_null)), row.sha256, sizeof row.sha256);
		row.size = (size_t) DatumGetInt64(first_value(5, &is_null));
	}
	return row;
}

#define ENCODER_COLUMNS "SELECT encoder_id, name, owner, sha256, bytes FROM xmcoh.encoder"

/* Begins to read as the owner of the tables. After an error, the abort of the (sub)transaction sets the user back. */
static void
become_owner(Oid *user, int *security)
{
	GetUserIdAndSecContext(user, security);
	SetUserIdAndSecContext(xmcoh_extension_owner(),
						   *security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
}

const OpenEncoder *
xmcoh_open_encoder(int32 encoder_id)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[1] = {INT4OID};
	EncoderRow	row;
	StoredFile	file = {.read = read_chunks,.damaged = damaged,.row = &row};
	Oid			user;
	int			security;

	if (last_opened.encoder_id == encoder_id && xmcoh_lookup_holds(&last_opened.mark))
		return last_opened.opened;
	memset(&last_opened, 0, sizeof last_opened);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	become_owner(&user, &security);
	prepared(&plan, ENCODER_COLUMNS " WHERE encoder_id OPERATOR(pg_catalog.=) $1", 1, types);
	row = find_row(plan, Int32GetDatum(encoder_id), user);
	if (row.encoder_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("encoder %d does not exist", encoder_id),
				 errhint("%s", xmcoh_missing_hint("Restore xmcoh.encoder from a backup."))));
	SPI_freetuptable(SPI_tuptable);
	file.sha256 = row.sha256;
	file.size = row.size;
	file.description = psprintf("encoder \"%s\"", row.name);
	last_opened.opened = xmcoh_open_file(&encoder_kind, &file);
	SetUserIdAndSecContext(user, security);
	SPI_finish();
	last_opened.encoder_id = encoder_id;
	xmcoh_mark_lookup(&last_opened.mark);
	return last_opened.opened;
}

int32
xmcoh_find_encoder(const char *name, size_t name_length)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[1] = {TEXTOID};
	static LookupMark mark;		/* of the last call that found an encoder */
	static char last_name[64];
	static size_t last_length;
	static int32 last_id;
	EncoderRow	row;
	char	   *wanted;
	Oid			user;
	int			security;

	if (last_length == name_length && memcmp(last_name, name, name_length) == 0 && xmcoh_lookup_holds(&mark))
		return last_id;
	mark.user = InvalidOid;
	wanted = pnstrdup(name, name_length);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	become_owner(&user, &security);
	prepared(&plan, ENCODER_COLUMNS " WHERE name OPERATOR(pg_catalog.=) $1", 1, types);
	row = find_row(plan, PointerGetDatum(cstring_to_text_with_len(name, (int) name_length)), user);
	SetUserIdAndSecContext(user, security);
	SPI_finish();
	if (row.encoder_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("encoder \"%s\" does not exist", wanted),
				 errhint("%s", xmcoh_missing_hint("xmcoh.encoders lists the encoders that you may use."))));
	if (!row.may_use)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for encoder \"%s\"", wanted),
				 errdetail("The owner of an encoder can use it, members of that role, and roles that got it from"
						   " xmcoh.grant_encoder.")));
	pfree(wanted);
	if (name_length <= sizeof last_name)
	{
		memcpy(last_name, name, name_length);
		last_length = name_length;
		last_id = row.encoder_id;
		xmcoh_mark_lookup(&mark);
	}
	return row.encoder_id;
}

const xmc_text_encoder_shape *
xmcoh_encoder_shape(int32 encoder_id)
{
	return xmcoh_open_encoder(encoder_id)->shape;
}

const char *
xmcoh_encoder_sha256(int32 encoder_id)
{
	return xmcoh_open_encoder(encoder_id)->sha256;
}

const struct xmc_transformer *
xmcoh_encoder_transformer(int32 encoder_id, bool keep)
{
	const OpenEncoder *opened = xmcoh_open_encoder(encoder_id);

	if (keep)
		xmcoh_keep_file(&encoder_kind, opened);
	return xmc_text_encoder_transformer(opened->encoder);
}

bool
xmcoh_share_encoder(int32 encoder_id, SharedFile *out)
{
	return xmcoh_share_file(&encoder_kind, xmcoh_open_encoder(encoder_id), out);
}

const OpenEncoder *
xmcoh_open_shared_encoder(const SharedFile *shared)
{
	return xmcoh_open_shared(&encoder_kind, shared);
}

const struct xmc_transformer *
xmcoh_transformer_of(const OpenEncoder *opened)
{
	return xmc_text_encoder_transformer(opened->encoder);
}

xmc_text_encoder *
xmcoh_text_encoder_of(const OpenEncoder *opened)
{
	return opened->encoder;
}

int32 *
xmcoh_encoder_tokens(int32 encoder_id, const char *text, size_t length, int32 *n)
{
	const OpenEncoder *opened = xmcoh_open_encoder(encoder_id);
	int32	   *token = palloc(sizeof(int32) * (Size) opened->shape->max_tokens);
	xmc_ctx		ctx = xmcoh_context();

	XMCOH_TRY(xmc_text_encoder_tokens(&ctx, opened->encoder, text, length, token, n), &ctx);
	return repalloc(token, sizeof(int32) * (Size) Max(*n, 1));
}

/* ---- vectors of texts ---- */

static int
compare_texts(const void *a, const void *b, void *arg)
{
	const xmc_encoder_text *text = arg;
	const xmc_encoder_text *left = &text[*(const int32 *) a];
	const xmc_encoder_text *right = &text[*(const int32 *) b];

	if (left->length != right->length)
		return left->length < right->length ? -1 : 1;
	return memcmp(left->text, right->text, left->length);
}

/* Embeds the texts with the numbers in `missing` (n), equal ones once; fills out and the cache. */
static xmc_status
compute(xmc_ctx *ctx, const OpenEncoder *opened, int32 n, int32 *missing, const xmc_encoder_text *text, float *out)
{
	int32		dim = opened->shape->dim;
	xmc_encoder_text *distinct = MemoryContextAllocHuge(CurrentMemoryContext, (Size) n * sizeof(xmc_encoder_text));
	int32		n_distinct = 0;
	float	   *vector;			/* (n_distinct, dim) */

	qsort_arg(missing, (size_t) n, sizeof(int32), compare_texts, (void *) text);
	for (int32 i = 0; i < n; i++)
		if (i == 0 || compare_texts(&missing[i - 1], &missing[i], (void *) text) != 0)
			distinct[n_distinct++] = text[missing[i]];
	vector = MemoryContextAllocHuge(CurrentMemoryContext, (Size) n_distinct * (Size) dim * sizeof(float));
	XMC_TRY(xmc_text_encoder_embed(ctx, opened->encoder, n_distinct, distinct, vector));

	for (int32 i = 0, at = -1; i < n; i++)
	{
		if (i == 0 || compare_texts(&missing[i - 1], &missing[i], (void *) text) != 0)
		{
			at++;
			xmcoh_cache_vector(opened->sha256, &distinct[at], dim, vector + (size_t) at * (size_t) dim);
		}
		memcpy(out + (size_t) missing[i] * (size_t) dim, vector + (size_t) at * (size_t) dim, (size_t) dim * sizeof(float));
	}
	return XMC_OK;
}

xmc_status
xmcoh_encode_texts_by(xmc_ctx *ctx, const OpenEncoder *opened, int32 n, const xmc_encoder_text *text, float *out)
{
	int32		dim = opened->shape->dim;
	MemoryContext computing = AllocSetContextCreate(CurrentMemoryContext, "xmcoh encoding", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(computing);
	int32	   *missing = MemoryContextAllocHuge(computing, (Size) Max(n, 1) * sizeof(int32));
	int32		n_missing = 0;
	xmc_status	status = XMC_OK;

	for (int32 i = 0; i < n; i++)
		if (!xmcoh_cached_vector(opened->sha256, &text[i], dim, out + (size_t) i * (size_t) dim))
			missing[n_missing++] = i;
	if (n_missing > 0)
		status = compute(ctx, opened, n_missing, missing, text, out);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(computing);
	return status;
}

void
xmcoh_encode_texts(int32 encoder_id, int32 n, const xmc_encoder_text *text, float *out)
{
	xmc_ctx		ctx = xmcoh_context();

	XMCOH_TRY(xmcoh_encode_texts_by(&ctx, xmcoh_open_encoder(encoder_id), n, text, out), &ctx);
}

/* ---- SQL functions ---- */

static xmc_encoder_text
utf8_text(text *value)
{
	char	   *bytes = VARDATA_ANY(value);
	int			length = VARSIZE_ANY_EXHDR(value);
	char	   *utf8 = pg_server_to_any(bytes, length, PG_UTF8);

	return (xmc_encoder_text) {.text = utf8,.length = utf8 == bytes ? (size_t) length : strlen(utf8)};
}

/* An array of `dim` numbers, not yet filled. */
static ArrayType *
new_vector(int32 dim)
{
	Size		size = ARR_OVERHEAD_NONULLS(1) + (Size) dim * sizeof(float4);
	ArrayType  *array = palloc0(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->elemtype = FLOAT4OID;
	ARR_DIMS(array)[0] = dim;
	ARR_LBOUND(array)[0] = 1;
	return array;
}

/* embed(encoder text, text text) */
Datum
xmcoh_embed(PG_FUNCTION_ARGS)
{
	text	   *name = PG_GETARG_TEXT_PP(0);
	xmc_encoder_text content = utf8_text(PG_GETARG_TEXT_PP(1));
	int32		encoder_id = xmcoh_find_encoder(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	ArrayType  *vector = new_vector(xmcoh_encoder_shape(encoder_id)->dim);

	xmcoh_encode_texts(encoder_id, 1, &content, (float *) ARR_DATA_PTR(vector));
	PG_RETURN_ARRAYTYPE_P(vector);
}

/* embed(encoder text, texts text[]): a row for each text */
typedef struct EmbedCall
{
	int32		encoder_id;
	int			n;
	Datum	   *text;			/* (n) */
	bool	   *is_null;		/* (n) */
	int			begin;			/* of the texts whose vectors are there */
	int			end;
	int32		dim;
	float	   *vector;			/* (TEXTS_AT_ONCE, dim): those of the texts from begin to end that are not NULL, in order */
	int			next_vector;
} EmbedCall;

static EmbedCall *
begin_call(FunctionCallInfo fcinfo)
{
	text	   *name = PG_GETARG_TEXT_PP(0);
	EmbedCall  *call = palloc0(sizeof(EmbedCall));

	call->encoder_id = xmcoh_find_encoder(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	call->dim = xmcoh_encoder_shape(call->encoder_id)->dim;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P_COPY(1), TEXTOID, -1, false, TYPALIGN_INT, &call->text, &call->is_null, &call->n);
	call->vector = palloc((Size) Min(call->n, TEXTS_AT_ONCE) * (Size) call->dim * sizeof(float));
	return call;
}

/* Computes the vectors of the next texts. */
static void
compute_next(EmbedCall *call)
{
	xmc_encoder_text *content = palloc(TEXTS_AT_ONCE * sizeof(xmc_encoder_text));
	int32		n = 0;

	call->begin = call->end;
	call->end = Min(call->begin + TEXTS_AT_ONCE, call->n);
	call->next_vector = 0;
	for (int i = call->begin; i < call->end; i++)
		if (!call->is_null[i])
			content[n++] = utf8_text(DatumGetTextPP(call->text[i]));
	xmcoh_encode_texts(call->encoder_id, n, content, call->vector);
}

Datum
xmcoh_embed_texts(PG_FUNCTION_ARGS)
{
	FuncCallContext *rows;
	EmbedCall  *call;
	ArrayType  *vector;
	int			at;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext before;

		rows = SRF_FIRSTCALL_INIT();
		before = MemoryContextSwitchTo(rows->multi_call_memory_ctx);
		rows->user_fctx = begin_call(fcinfo);
		MemoryContextSwitchTo(before);
	}
	rows = SRF_PERCALL_SETUP();
	call = rows->user_fctx;
	at = (int) rows->call_cntr;
	if (at >= call->n)
		SRF_RETURN_DONE(rows);
	if (at >= call->end)
		compute_next(call);
	if (call->is_null[at])
		SRF_RETURN_NEXT_NULL(rows);
	vector = new_vector(call->dim);
	memcpy(ARR_DATA_PTR(vector), call->vector + (size_t) call->next_vector++ * (size_t) call->dim,
		   (size_t) call->dim * sizeof(float));
	SRF_RETURN_NEXT(rows, PointerGetDatum(vector));
}
