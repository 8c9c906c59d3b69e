/*
 * document_state.c - the SQL function xmcoh_internal.changed_documents: what refresh_document_state has to write down, which is the
 * check of each document that has changed since it was checked, and which documents are gone.
 *
 * The function reads what is known as the owner of the extension, then the sources as the caller. Its result is complete before its
 * first row comes, so no code of a source runs after a row has been written.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/statement.h"
#include "query/arguments.h"
#include "query/bulk.h"
#include "query/check.h"
#include "source/seen.h"

PG_FUNCTION_INFO_V1(xmcoh_changed_documents);

/* A longer key need not fit into an index of the table of states. */
#define MOST_KEY_BYTES 2600

/* The columns of the result before those of a check. */
enum
{
	SOURCE, CHANGE, DOCUMENTS, FINGERPRINT, VERSION, FIRST_OF_CHECK, COLUMNS = FIRST_OF_CHECK + XMCOH_CHECK_COLUMNS
};

/* What is known of a document. */
typedef struct KnownState
{
	Oid			source;
	char	   *document;
	SeenHash	fingerprint;
	int32		version;
	double		precision;
	bool		is_read;		/* it still exists */
} KnownState;

/* A document that is to be checked. They are checked in the order in which they were read. */
typedef struct ReadDocument
{
	struct ReadDocument *next;
	Oid			source;
	SeenHash	fingerprint;
} ReadDocument;

typedef struct Refresh
{
	MemoryContext memory;
	ReturnSetInfo *result;
	const xmc_options *options;
	const ApprovedPairs *approved;
	int32		version;
	double		precision;
	int64		n_known;
	KnownState *known;			/* (n_known) sorted by source and document (bytes) */
	int64		unchanged;
	ReadDocument *first;		/* read, and not given to be checked yet */
	ReadDocument *last;
} Refresh;

/* ---- what is known ---- */

static int
compare_states(const void *a, const void *b)
{
	const KnownState *left = a;
	const KnownState *right = b;

	if (left->source != right->source)
		return left->source < right->source ? -1 : 1;
	return strcmp(left->document, right->document);
}

/* Reads the states of the wanted documents, as the owner of the extension. */
static void
read_known(FunctionCallInfo fcinfo, Refresh *refresh)
{
	Oid			types[3] = {TEXTOID, OIDOID, TEXTARRAYOID};
	Datum		values[3] = {fcinfo->args[1].value, fcinfo->args[2].value, fcinfo->args[3].value};
	char		nulls[4] = {' ', fcinfo->args[2].isnull ? 'n' : ' ', fcinfo->args[3].isnull ? 'n' : ' ', '\0'};

	refresh->n_known = (int64)
		execute("SELECT xmcoh_internal.object_oid(s.relation), d.document, d.fingerprint, d.version, d.\"precision\""
				" FROM xmcoh.model AS m JOIN xmcoh.source_record AS s ON s.model_id OPERATOR(pg_catalog.=) m.model_id"
				" JOIN xmcoh.document_state_record AS d ON d.source_id OPERATOR(pg_catalog.=) s.source_id"
				" WHERE m.name OPERATOR(pg_catalog.=) $1 AND xmcoh_internal.object_oid(s.relation) IS NOT NULL"
				" AND ($2 IS NULL OR xmcoh_internal.object_oid(s.relation) OPERATOR(pg_catalog.=) $2)"
				" AND ($3 IS NULL OR d.document OPERATOR(pg_catalog.=) ANY ($3))", SPI_OK_SELECT, 3, types, values, nulls);
	refresh->known = MemoryContextAllocHuge(refresh->memory, sizeof(KnownState) * (Size) (refresh->n_known + 1));
	for (int64 k = 0; k < refresh->n_known; k++)
	{
		HeapTuple	row = SPI_tuptable->vals[k];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		KnownState *known = &refresh->known[k];
		bytea	   *fingerprint;
		bool		is_null;

		*known = (KnownState) {.source = DatumGetObjectId(SPI_getbinval(row, desc, 1, &is_null)),
			.document = MemoryContextStrdup(refresh->memory, SPI_getvalue(row, desc, 2)),
			.version = DatumGetInt32(SPI_getbinval(row, desc, 4, &is_null)),
			.precision = DatumGetFloat8(SPI_getbinval(row, desc, 5, &is_null))};
		fingerprint = DatumGetByteaPP(SPI_getbinval(row, desc, 3, &is_null));
		if (VARSIZE_ANY_EXHDR(fingerprint) == SEEN_HASH_BYTES)
			memcpy(known->fingerprint.byte, VARDATA_ANY(fingerprint), SEEN_HASH_BYTES);
	}
	SPI_freetuptable(SPI_tuptable);
	qsort(refresh->known, (size_t) refresh->n_known, sizeof(KnownState), compare_states);
}

/* ---- reading ---- */

static SeenHash
fingerprint_of(const Refresh *refresh, const SourceDocument *document)
{
	pg_cryptohash_ctx *digest = xmcoh_digest_begin();
	SeenHash	hash;

	xmcoh_digest_document(document, refresh->options, digest);
	xmcoh_digest_pairs(refresh->approved, document->key, digest);
	xmcoh_digest_end(digest, hash.byte);
	return hash;
}

/* The filter: whether a document has changed since it was checked. It sees the document before vectors of texts are computed. */
static bool
has_changed(void *arg, const SourceDocument *document)
{
	Refresh    *refresh = arg;
	KnownState	wanted = {.source = document->source,.document = unconstify(char *, document->key)};
	KnownState *known = bsearch(&wanted, refresh->known, (size_t) refresh->n_known, sizeof(KnownState), compare_states);
	SeenHash	fingerprint = fingerprint_of(refresh, document);
	ReadDocument *read;

	if (strlen(document->key) > MOST_KEY_BYTES)
		return false;
	if (known != NULL)
	{
		known->is_read = true;
		if (known->version == refresh->version && known->precision == refresh->precision
			&& xmcoh_same_hash(&known->fingerprint, &fingerprint))
		{
			refresh->unchanged++;
			return false;
		}
	}
	read = MemoryContextAlloc(refresh->memory, sizeof(ReadDocument));
	*read = (ReadDocument) {.source = document->source,.fingerprint = fingerprint};
	if (refresh->first == NULL)
		refresh->first = read;
	else
		refresh->last->next = read;
	refresh->last = read;
	return true;
}

static void *
take_read(void *arg, const SourceDocument *document)
{
	Refresh    *refresh = arg;
	ReadDocument *read = refresh->first;

	(void) document;
	refresh->first = read->next;
	return read;
}

/* ---- the result ---- */

static void
put_checked(void *arg, const BatchDocument *checked)
{
	const Refresh *refresh = arg;
	ReadDocument *read = checked->note;
	Datum		values[COLUMNS] = {0};
	bool		nulls[COLUMNS] = {[DOCUMENTS] = true};
	bytea	   *fingerprint = palloc(VARHDRSZ + SEEN_HASH_BYTES);

	SET_VARSIZE(fingerprint, VARHDRSZ + SEEN_HASH_BYTES);
	memcpy(VARDATA(fingerprint), read->fingerprint.byte, SEEN_HASH_BYTES);
	values[SOURCE] = ObjectIdGetDatum(read->source);
	values[CHANGE] = CStringGetTextDatum("checked");
	values[FINGERPRINT] = PointerGetDatum(fingerprint);
	values[VERSION] = Int32GetDatum(refresh->version);
	xmcoh_check_columns(checked, values + FIRST_OF_CHECK, nulls + FIRST_OF_CHECK);
	tuplestore_putvalues(refresh->result->setResult, refresh->result->setDesc, values, nulls);
	pfree(read);
}

/* A row without a check: a document that is gone, or the number of those that are unchanged. */
static void
put_other(const Refresh *refresh, const char *change, const KnownState *gone, int64 documents)
{
	Datum		values[COLUMNS] = {0};
	bool		nulls[COLUMNS];

	memset(nulls, true, sizeof nulls);
	nulls[CHANGE] = nulls[DOCUMENTS] = false;
	values[CHANGE] = CStringGetTextDatum(change);
	values[DOCUMENTS] = Int64GetDatum(documents);
	if (gone != NULL)
	{
		nulls[SOURCE] = nulls[FIRST_OF_CHECK] = false;
		values[SOURCE] = ObjectIdGetDatum(gone->source);
		values[FIRST_OF_CHECK] = CStringGetTextDatum(gone->document);
	}
	tuplestore_putvalues(refresh->result->setResult, refresh->result->setDesc, values, nulls);
}

/* Reads and checks the documents, as the current role. */
static void
check_changed(FunctionCallInfo fcinfo, Refresh *refresh)
{
	static const xmc_guidance_rule as_new = {.as_new = true};	/* as the table of reliability was made */
	text	   *model = PG_GETARG_TEXT_PP(1);
	DeployedModel deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	BatchTask	task = {.threshold = xmcoh_check_threshold(&deployed, refresh->precision)};
	BulkRequest request = {.source = PG_ARGISNULL(2) ? InvalidOid : PG_GETARG_OID(2),.keys = xmcoh_document_keys(fcinfo->args[3]),
	.filter = has_changed,.task = &task,.keep = take_read,.answer = put_checked,.arg = refresh};

	refresh->version = deployed.version;
	refresh->options = &deployed.model->options;
	request.approved = refresh->approved = xmcoh_read_pairs(deployed.model_id, request.keys, true);
	xmcoh_bulk_score(&deployed, &as_new, &request);
}

/* changed_documents(caller oid, model text, source regclass, documents text[], precision float8, afresh boolean) */
Datum
xmcoh_changed_documents(PG_FUNCTION_ARGS)
{
	Refresh		refresh = {.memory = CurrentMemoryContext,.result = (ReturnSetInfo *) fcinfo->resultinfo};
	Oid			caller = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	Oid			user;
	int			security;

	(void) GetUserNameFromId(caller, false);	/* an ERROR for an OID that is no role's */
	(void) xmcoh_model_argument(fcinfo->args[1]);
	refresh.precision = xmcoh_precision_argument(fcinfo->args[4]);
	InitMaterializedSRF(fcinfo, 0);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (PG_ARGISNULL(5) || !PG_GETARG_BOOL(5))
		read_known(fcinfo, &refresh);
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(caller, security | SECURITY_LOCAL_USERID_CHANGE);
	check_changed(fcinfo, &refresh);
	SetUserIdAndSecContext(user, security);
	for (int64 k = 0; k < refresh.n_known; k++)
		if (!refresh.known[k].is_read)
			put_other(&refresh, "removed", &refresh.known[k], 1);
	put_other(&refresh, "unchanged", NULL, refresh.unchanged);
	SPI_finish();
	return (Datum) 0;
}
