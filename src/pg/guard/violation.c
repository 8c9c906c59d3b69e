/*
 * violation.c - violated pairs of a document, found, reported and recorded; violation.h is the contract.
 */
#include "guard/violation.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

#include "base/access.h"
#include "base/statement.h"
#include "base/xmcoh.h"
#include "query/bulk.h"
#include "query/phrases.h"

#include "xmcoh/check.h"

/* ---- finding ---- */

/* The documents that are being checked. */
typedef struct Check
{
	const CheckRule *rule;
	double		threshold;
	int			n;
	CheckedDocument *document;	/* (n) sorted by key */
	MemoryContext memory;		/* of the violations */
} Check;

static int
compare_checked(const void *a, const void *b)
{
	return strcmp(((const CheckedDocument *) a)->key, ((const CheckedDocument *) b)->key);
}

static CheckedDocument *
find_checked(const Check *check, const char *key)
{
	CheckedDocument wanted = {.key = key};

	return bsearch(&wanted, check->document, check->n, sizeof(CheckedDocument), compare_checked);
}

static SeenHash
digest_of(const Check *check, const SourceDocument *document)
{
	pg_cryptohash_ctx *digest = xmcoh_digest_begin();
	SeenHash	hash;

	xmcoh_digest_document(document, &check->rule->deployed.model->options, digest);
	xmcoh_digest_end(digest, hash.byte);
	return hash;
}

/* The filter of xmcoh_bulk_score: a document without a stored order need not be scored. */
static bool
must_be_scored(void *arg, const SourceDocument *document)
{
	Check	   *check = arg;
	CheckedDocument *checked = find_checked(check, document->key);

	if (checked == NULL)
		return false;
	checked->exists = true;
	if (check->rule->digests)
		checked->digest = digest_of(check, document);
	return document->order != NULL;
}

static ViolatingItem
violating_item(const BulkDocument *scored, int32 number)
{
	return (ViolatingItem) {.key = pstrdup(scored->item[number]),
		.label = xmcoh_item_label(ENGLISH, scored->position[number], &scored->text[number])};
}

static void
visit(void *arg, const BulkDocument *scored)
{
	Check	   *check = arg;
	CheckedDocument *checked = find_checked(check, scored->key);
	const uint8 *decided = check->rule->allow_approved ? xmcoh_decided_with_order(scored) : NULL;
	xmc_ctx		ctx = xmcoh_context();
	xmc_violated_pair pair[LISTED_PAIRS];
	int64_t		violated;
	Violation  *violation;
	MemoryContext caller;

	XMCOH_TRY(xmc_list_violated(&ctx, scored->document.n, scored->scores.score[XMC_SCORE_FUSED], decided, scored->position,
								check->threshold, LISTED_PAIRS, pair, &violated), &ctx);
	if (violated == 0)
		return;
	caller = MemoryContextSwitchTo(check->memory);
	violation = palloc0(sizeof(Violation));
	violation->document = checked->key;
	violation->n_pairs = violated;
	violation->n_listed = (int) Min(violated, LISTED_PAIRS);
	for (int k = 0; k < violation->n_listed; k++)
		violation->pair[k] = (ViolatedPair) {.before = violating_item(scored, pair[k].before),
			.after = violating_item(scored, pair[k].after),.probability = pair[k].probability,.decided = decided != NULL &&
			decided[(Size) pair[k].before * scored->document.n + pair[k].after] == XMC_DECIDED_BEFORE};
	checked->violation = violation;
	MemoryContextSwitchTo(caller);
}

/* The keys of the documents. */
static DocumentKeys
keys_of(const CheckRule *rule, int n, const CheckedDocument *document)
{
	DocumentKeys keys = {.n = n,.key = palloc(sizeof(char *) * (n + 1)),.keep_plan = rule->keep_plans};

	for (int k = 0; k < n; k++)
		keys.key[k] = document[k].key;
	return keys;
}

void
xmcoh_find_violations(const CheckRule *rule, int n, CheckedDocument *document)
{
	static const xmc_guidance_rule as_new = {.as_new = true};	/* as the table of reliability was made */
	Check		check = {.rule = rule,.n = n,.document = document,.memory = CurrentMemoryContext,
	.threshold = xmc_check_threshold(rule->deployed.model, XMC_SCORE_FUSED, rule->precision)};
	DocumentKeys keys = keys_of(rule, n, document);
	BulkRequest request = {.source = rule->source,.keys = &keys,.decided = rule->allow_approved,.texts = true,
	.filter = must_be_scored,.visit = visit,.arg = &check};

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	xmcoh_bulk_score(&rule->deployed, &as_new, &request);
	SPI_finish();
}

static bool
set_digest(void *arg, const SourceDocument *document)
{
	const Check *check = arg;
	CheckedDocument *checked = find_checked(check, document->key);

	if (checked != NULL)
		checked->digest = digest_of(check, document);
	return true;
}

void
xmcoh_digest_documents(const CheckRule *rule, int n, CheckedDocument *document)
{
	Check		check = {.rule = rule,.n = n,.document = document};
	DocumentKeys keys = keys_of(rule, n, document);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	xmcoh_source_visit(xmcoh_source_columns(rule->deployed.model_id, rule->source), &rule->deployed.model->options, &keys,
					   set_digest, &check);
	SPI_finish();
}

/* ---- telling ---- */

/* How sure a pair is. */
static const char *
sureness(const ViolatedPair *pair)
{
	return pair->decided ? "approved" : psprintf("%.2f", pair->probability);
}

/* What the worker at the terminal reads, about the surest pair. */
static char *
message_of(const Violation *violation)
{
	const ViolatedPair *pair = &violation->pair[0];

	return xmcoh_belongs_before(ENGLISH, pair->before.label, pair->after.label, pair->decided ? APPROVED : PROBABLY,
								pair->probability);
}

void
xmcoh_report_violation(int level, const CheckRule *rule, const Violation *violation, const char *constraint, Relation relation)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfo(&detail, "The order of document \"%s\" contradicts " INT64_FORMAT " %s of items, by version %d of model \"%s\":",
					 violation->document, violation->n_pairs, violation->n_pairs == 1 ? "pair" : "pairs",
					 rule->deployed.version, rule->model);
	for (int k = 0; k < violation->n_listed; k++)
		appendStringInfo(&detail, "\n%s before %s (%s)", violation->pair[k].before.label, violation->pair[k].after.label,
						 sureness(&violation->pair[k]));
	if (violation->n_pairs > violation->n_listed)
		appendStringInfo(&detail, "\nand " INT64_FORMAT " more", violation->n_pairs - violation->n_listed);
	ereport(level,
			errcode(level == WARNING ? ERRCODE_WARNING : ERRCODE_CHECK_VIOLATION),
			errmsg("%s", message_of(violation)),
			errdetail("%s", detail.data),
			errhint("Correct the order, or approve it with xmcoh.approve_order if it is right."),
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
	values[5] = violation ? CStringGetTextDatum(message_of(violation)) : (Datum) 0;
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
