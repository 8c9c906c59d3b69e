/*
 * violation.c - violated pairs of a document, found, reported and recorded; violation.h is the contract.
 */
#include "guard/violation.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

#include "base/access.h"
#include "base/statement.h"
#include "base/xmcoh.h"
#include "query/bulk.h"

#include "xmcoh/check.h"
#include "xmcoh/hash.h"

#define LABEL_BYTES 60			/* of an item's text in a message */

/* ---- finding ---- */

/* One check of one document. */
typedef struct Check
{
	const CheckRule *rule;
	uint64		digest;
	bool		is_right;		/* the stored order was approved, or there is none */
	int64		n;
	xmc_violated_pair pair[LISTED_PAIRS];	/* (n, at most LISTED_PAIRS) the surest first */
} Check;

static uint64
digest_bytes(uint64 digest, const void *bytes, size_t length)
{
	return bytes == NULL ? xmc_hash_bytes("", 0, digest + 1) : xmc_hash_bytes(bytes, length, digest + 2);
}

/* A hash of the items, with all that the model reads of them, and of their positions. */
static uint64
digest_document(const SourceDocument *document, const xmc_options *options)
{
	uint64		digest = xmc_hash_bytes(&document->n, sizeof document->n, document->approved);

	for (int32 i = 0; i < document->n; i++)
	{
		const xmc_item *item = &document->item[i];

		digest = digest_bytes(digest, item->key, item->key_length);
		digest = digest_bytes(digest, item->text, item->text_length);
		digest = digest_bytes(digest, item->image, sizeof(float) * (size_t) options->image_dim);
		digest = digest_bytes(digest, item->text_embedding, sizeof(float) * (size_t) options->text_dim);
		digest = digest_bytes(digest, &document->position[i], sizeof(double));
	}
	return digest;
}

/* The filter of xmcoh_bulk_score: a document whose order is approved, or that has none, need not be scored. */
static bool
must_be_scored(void *arg, const SourceDocument *document)
{
	Check	   *check = arg;

	check->digest = digest_document(document, &check->rule->deployed.model->options);
	check->is_right = document->order == NULL || (check->rule->allow_approved && document->approved);
	return !check->is_right;
}

/* Lists the violated pairs; decided (n, n) as of xmcoh/decided.h, or NULL. */
static void
list_pairs(Check *check, const BulkDocument *scored, const uint8 *decided)
{
	double		threshold = xmc_check_threshold(check->rule->deployed.model, XMC_SCORE_FUSED, check->rule->precision);
	xmc_ctx		ctx = xmcoh_context();

	XMCOH_TRY(xmc_list_violated(&ctx, scored->document.n, scored->scores.score[XMC_SCORE_FUSED], decided, scored->position,
								threshold, LISTED_PAIRS, check->pair, &check->n), &ctx);
}

/* The number of the item with this key; -1: the document has none. */
static int64
item_number(const BulkDocument *scored, const char *key)
{
	int64		low = 0;
	int64		high = (int64) scored->document.n - 1;

	while (low <= high)
	{
		int64		middle = low + (high - low) / 2;
		int			c = xmc_key_compare(key, strlen(key), scored->item[middle], strlen(scored->item[middle]));

		if (c == 0)
			return middle;
		if (c < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return -1;
}

/* What people decided about the items, closed; NULL: nothing. */
static uint8 *
read_decided(const Check *check, const BulkDocument *scored)
{
	Oid			types[2] = {INT4OID, TEXTOID};
	Datum		values[2] = {Int32GetDatum(check->rule->deployed.model_id), CStringGetTextDatum(scored->key)};
	Size		n = (Size) scored->document.n;
	xmc_ctx		ctx = xmcoh_context();
	uint8	   *decided = palloc0(n * n);
	Oid			user;
	int			security;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(xmcoh_extension_owner(), security | SECURITY_LOCAL_USERID_CHANGE);
	(void) execute("SELECT before, after FROM xmcoh.approved_pair WHERE model_id OPERATOR(pg_catalog.=) $1"
				   " AND document OPERATOR(pg_catalog.=) $2", SPI_OK_SELECT, 2, types, values, NULL);
	SetUserIdAndSecContext(user, security);
	for (uint64 k = 0; k < SPI_processed; k++)
	{
		int64		before = item_number(scored, SPI_getvalue(SPI_tuptable->vals[k], SPI_tuptable->tupdesc, 1));
		int64		after = item_number(scored, SPI_getvalue(SPI_tuptable->vals[k], SPI_tuptable->tupdesc, 2));

		if (before >= 0 && after >= 0)
			xmc_decide((int32) n, decided, (int32) before, (int32) after, XMC_DECIDED_BEFORE);
	}
	SPI_freetuptable(SPI_tuptable);
	XMCOH_TRY(xmc_decided_close(&ctx, (int32) n, decided), &ctx);
	return decided;
}

static void
visit(void *arg, const BulkDocument *scored)
{
	Check	   *check = arg;

	list_pairs(check, scored, check->rule->allow_approved ? read_decided(check, scored) : NULL);
}

/* ---- describing ---- */

/* "step 6 "Tighten the bolts"", or the item's key where there is no text. */
static ViolatingItem
describe_item(const SourceDocument *document, int32 number)
{
	const xmc_item *item = &document->item[number];
	char	   *position = float8out_internal(document->position[number]);
	ViolatingItem described = {.key = pnstrdup(item->key, item->key_length)};
	char	   *text;
	int			length;

	if (item->text == NULL || item->text_length == 0)
	{
		described.label = psprintf("step %s (item %s)", position, described.key);
		return described;
	}
	text = pg_any_to_server(item->text, (int) item->text_length, PG_UTF8);
	length = (int) strlen(text);
	if (length > LABEL_BYTES)
		text = psprintf("%s...", pnstrdup(text, pg_mbcliplen(text, length, LABEL_BYTES)));
	described.label = psprintf("step %s \"%s\"", position, text);
	return described;
}

/* Reads the document again, for the texts of its items: few documents are violated, and the model may not read texts. */
static Violation *
describe(const Check *check, const char *key, MemoryContext memory)
{
	xmc_options options = check->rule->deployed.model->options;
	List	   *sources = xmcoh_source_columns(check->rule->deployed.model_id, check->rule->source);
	Violation  *violation = NULL;
	ListCell   *cell;

	options.words = true;
	options.image_dim = 0;
	options.text_dim = 0;
	foreach(cell, sources)
	{
		SourceReader *reader = xmcoh_source_open(lfirst(cell), &options, key);
		const SourceDocument *document = xmcoh_source_next(reader);

		if (document != NULL && violation == NULL)
		{
			MemoryContext before = MemoryContextSwitchTo(memory);

			violation = palloc0(sizeof(Violation));
			violation->document = pstrdup(key);
			violation->n_pairs = check->n;
			violation->n_listed = (int) Min(check->n, LISTED_PAIRS);
			for (int k = 0; k < violation->n_listed; k++)
				violation->pair[k] = (ViolatedPair) {describe_item(document, check->pair[k].before),
					describe_item(document, check->pair[k].after), check->pair[k].probability};
			MemoryContextSwitchTo(before);
		}
		xmcoh_source_close(reader);
	}
	return violation;
}

Violation *
xmcoh_find_violation(const CheckRule *rule, const char *document, uint64 *digest)
{
	static const xmc_guidance_rule usual = {0};
	MemoryContext caller = CurrentMemoryContext;
	Check		check = {.rule = rule};
	Violation  *violation = NULL;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	xmcoh_bulk_score(&rule->deployed, &usual, rule->source, document, must_be_scored, visit, &check);
	*digest = check.digest;
	if (check.n > 0)
		violation = describe(&check, document, caller);
	SPI_finish();
	return violation;
}

uint64
xmcoh_digest_document(const CheckRule *rule, const char *document)
{
	const xmc_options *options = &rule->deployed.model->options;
	uint64		digest = 0;
	ListCell   *cell;
	List	   *sources;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	sources = xmcoh_source_columns(rule->deployed.model_id, rule->source);
	foreach(cell, sources)
	{
		SourceReader *reader = xmcoh_source_open(lfirst(cell), options, document);
		const SourceDocument *found = xmcoh_source_next(reader);

		if (found != NULL)
			digest = digest_document(found, options);
		xmcoh_source_close(reader);
	}
	SPI_finish();
	return digest;
}

/* ---- telling ---- */

char *
xmcoh_violation_message(const Violation *violation)
{
	const ViolatedPair *pair = &violation->pair[0];

	return psprintf("%s probably belongs before %s (%.2f)", pair->before.label, pair->after.label, pair->probability);
}

void
xmcoh_report_violation(int level, const CheckRule *rule, const Violation *violation, const char *constraint, Relation relation)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfo(&detail, "Version %d of model \"%s\" is sure of " INT64_FORMAT " %s that the order of document \"%s\" contradicts:",
					 rule->deployed.version, rule->model, violation->n_pairs, violation->n_pairs == 1 ? "pair" : "pairs",
					 violation->document);
	for (int k = 0; k < violation->n_listed; k++)
		appendStringInfo(&detail, "\n%s before %s (%.2f)", violation->pair[k].before.label, violation->pair[k].after.label,
						 violation->pair[k].probability);
	if (violation->n_pairs > violation->n_listed)
		appendStringInfo(&detail, "\nand " INT64_FORMAT " more", violation->n_pairs - violation->n_listed);
	ereport(level,
			errcode(level == WARNING ? ERRCODE_WARNING : ERRCODE_CHECK_VIOLATION),
			errmsg("%s", xmcoh_violation_message(violation)),
			errdetail("%s", detail.data),
			errhint("Correct the order of the document, or approve its pairs if the order is right."),
			relation ? errtableconstraint(relation, constraint) : 0);
}

/* ---- recording ---- */

/* The listed pairs as jsonb: [{"before": ..., "after": ..., "probability": ...}, ...]. */
static Datum
pairs_as_jsonb(const Violation *violation)
{
	StringInfoData json;

	initStringInfo(&json);
	for (int k = 0; k < violation->n_listed; k++)
	{
		appendStringInfoString(&json, k ? ", {\"before\": " : "[{\"before\": ");
		escape_json(&json, violation->pair[k].before.key);
		appendStringInfoString(&json, ", \"after\": ");
		escape_json(&json, violation->pair[k].after.key);
		appendStringInfo(&json, ", \"probability\": %.4f}", violation->pair[k].probability);
	}
	appendStringInfoChar(&json, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

void
xmcoh_record_violation(const CheckRule *rule, const char *document, const Violation *violation)
{
	Oid			types[8] = {INT4OID, OIDOID, TEXTOID, INT4OID, FLOAT8OID, TEXTOID, JSONBOID, OIDOID};
	char		nulls[9] = "        ";
	Datum		values[8];
	Oid			user;
	int			security;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	GetUserIdAndSecContext(&user, &security);
	values[0] = Int32GetDatum(rule->deployed.model_id);
	values[1] = ObjectIdGetDatum(rule->source);
	values[2] = CStringGetTextDatum(document);
	values[3] = Int32GetDatum(rule->deployed.version);
	values[4] = Float8GetDatum(rule->precision);
	values[5] = violation ? CStringGetTextDatum(xmcoh_violation_message(violation)) : (Datum) 0;
	values[6] = violation ? pairs_as_jsonb(violation) : (Datum) 0;
	values[7] = ObjectIdGetDatum(user);
	if (violation == NULL)
		nulls[5] = nulls[6] = 'n';
	/* After an error, the abort of the (sub)transaction sets user and security context back. */
	SetUserIdAndSecContext(xmcoh_extension_owner(), security | SECURITY_LOCAL_USERID_CHANGE);
	(void) execute("SELECT xmcoh_internal.record_violation($1, $2, $3, $4, $5, $6, $7, $8)", SPI_OK_SELECT, 8, types, values,
				   nulls);
	SetUserIdAndSecContext(user, security);
	SPI_finish();
}

char **
xmcoh_unresolved_documents(int32 model_id, Oid source, int64 *n)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[2] = {INT4OID, OIDOID};
	Datum		values[2] = {Int32GetDatum(model_id), ObjectIdGetDatum(source)};
	char	  **document;
	Oid			user;
	int			security;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(xmcoh_extension_owner(), security | SECURITY_LOCAL_USERID_CHANGE);
	*n = (int64) execute("SELECT v.document FROM xmcoh.violation_record AS v WHERE v.model_id OPERATOR(pg_catalog.=) $1"
						 " AND v.resolved_at IS NULL AND xmcoh_internal.object_oid(v.source) OPERATOR(pg_catalog.=) $2"
						 " ORDER BY v.document COLLATE pg_catalog.\"C\"", SPI_OK_SELECT, 2, types, values, NULL);
	SetUserIdAndSecContext(user, security);
	document = MemoryContextAllocHuge(caller, sizeof(char *) * (*n + 1));
	for (int64 k = 0; k < *n; k++)
		document[k] = MemoryContextStrdup(caller, SPI_getvalue(SPI_tuptable->vals[k], SPI_tuptable->tupdesc, 1));
	SPI_finish();
	return document;
}
