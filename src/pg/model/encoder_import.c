/*
 * encoder_import.c - a text encoder out of its published files: checked in full, made into one file, stored in chunks.
 *
 * The input may be hostile. The core checks all of it before a row is written. Nothing is kept but what the core has made of it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/statement.h"
#include "base/xmcoh.h"
#include "model/cachefile.h"

#include "xmcoh/text_encoder.h"

PG_FUNCTION_INFO_V1(xmcoh_store_encoder);

#define CHUNK_BYTES 4194304

/* Arguments of store_encoder. */
enum
{
	NAME, OWNER, WEIGHTS, CONFIG, TOKENIZER, MODULES, POOLING, SENTENCE, LICENSE
};

/* A file that is an argument of type text: JSON in UTF-8. */
static xmc_published_file
text_file(FunctionCallInfo fcinfo, int argument)
{
	xmc_published_file file = {0};

	if (!PG_ARGISNULL(argument))
	{
		text	   *value = PG_GETARG_TEXT_PP(argument);
		char	   *utf8 = pg_server_to_any(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), PG_UTF8);

		file.bytes = utf8;
		file.size = utf8 == VARDATA_ANY(value) ? VARSIZE_ANY_EXHDR(value) : strlen(utf8);
	}
	return file;
}

/* Inserts the row of an encoder and returns its number. Needs SPI. */
static int32
insert_encoder(FunctionCallInfo fcinfo, const char *sha256, size_t size, const xmc_text_encoder_shape *shape)
{
	Oid			owner_type = get_fn_expr_argtype(fcinfo->flinfo, OWNER);
	Oid			types[14] = {TEXTOID, owner_type, TEXTOID, INT8OID, TEXTOID, INT4OID, INT4OID, INT4OID, INT4OID, INT4OID, INT8OID,
	TEXTOID, BOOLOID, TEXTOID};
	Datum		values[14] = {PG_GETARG_DATUM(NAME), PG_GETARG_DATUM(OWNER), CStringGetTextDatum(sha256), Int64GetDatum((int64) size),
		CStringGetTextDatum(shape->family), Int32GetDatum(shape->dim), Int32GetDatum(shape->layers), Int32GetDatum(shape->heads),
		Int32GetDatum(shape->vocabulary), Int32GetDatum(shape->max_tokens), Int64GetDatum(shape->parameters),
		CStringGetTextDatum(shape->first_token ? "first token" : "mean"), BoolGetDatum(shape->normalised),
	PG_GETARG_DATUM(LICENSE)};
	char		nulls[15] = "              ";
	bool		is_null;

	if (PG_ARGISNULL(LICENSE))
		nulls[13] = 'n';
	if (execute("INSERT INTO xmcoh.encoder AS e (name, owner, sha256, bytes, family, dim, layers, heads, vocabulary, max_tokens,"
				" parameters, pooling, normalised, license)"
				" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
				" ON CONFLICT (name) DO NOTHING RETURNING e.encoder_id",
				SPI_OK_INSERT_RETURNING, 14, types, values, nulls) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("encoder \"%s\" already exists", TextDatumGetCString(values[0]))));
	return DatumGetInt32(first_value(1, &is_null));
}

/* Inserts the file of an encoder. Needs SPI. */
static void
insert_chunks(int32 encoder_id, const char *file, size_t size)
{
	bytea	   *data = palloc(VARHDRSZ + CHUNK_BYTES);
	Oid			types[3] = {INT4OID, INT4OID, BYTEAOID};
	size_t		at = 0;

	for (int32 chunk = 0; at < size; chunk++)
	{
		size_t		length = Min(size - at, (size_t) CHUNK_BYTES);
		Datum		values[3] = {Int32GetDatum(encoder_id), Int32GetDatum(chunk), PointerGetDatum(data)};

		CHECK_FOR_INTERRUPTS();
		SET_VARSIZE(data, VARHDRSZ + length);
		memcpy(VARDATA(data), file + at, length);
		(void) execute("INSERT INTO xmcoh.encoder_chunk (encoder_id, chunk, data) VALUES ($1, $2, $3)", SPI_OK_INSERT, 3, types,
					   values, NULL);
		at += length;
	}
	pfree(data);
}

/*
 * store_encoder(name text, owner object_ref, weights bytea, config text, tokenizer text, modules text, pooling text,
 * sentence text, license text): the encoder's number
 */
Datum
xmcoh_store_encoder(PG_FUNCTION_ARGS)
{
	xmc_published_encoder published = {0};
	xmc_ctx		ctx = xmcoh_context();
	xmc_text_encoder *encoder;
	bytea	   *weights;
	void	   *file;
	size_t		size;
	char		sha256[SHA256_DIGITS + 1];
	int32		encoder_id;

	for (int argument = NAME; argument <= TOKENIZER; argument++)
		if (PG_ARGISNULL(argument))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument %d must not be NULL", argument + 1)));
	weights = PG_GETARG_BYTEA_P(WEIGHTS);	/* with its 4-byte header: the values are then aligned */
	published.weights = (xmc_published_file) {.bytes = VARDATA(weights),.size = VARSIZE(weights) - VARHDRSZ};
	published.config = text_file(fcinfo, CONFIG);
	published.tokenizer = text_file(fcinfo, TOKENIZER);
	published.modules = text_file(fcinfo, MODULES);
	published.pooling = text_file(fcinfo, POOLING);
	published.sentence = text_file(fcinfo, SENTENCE);
	XMCOH_TRY(xmc_text_encoder_compile(&ctx, &published, &file, &size), &ctx);
	xmcoh_sha256(file, size, sha256);
	XMCOH_TRY(xmc_text_encoder_open(&ctx, file, size, &encoder), &ctx);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	encoder_id = insert_encoder(fcinfo, sha256, size, xmc_text_encoder_get_shape(encoder));
	insert_chunks(encoder_id, file, size);
	SPI_finish();
	xmc_text_encoder_close(&ctx, encoder);
	xmc_release(&ctx, file);
	PG_RETURN_INT32(encoder_id);
}
