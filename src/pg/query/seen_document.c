/*
 * seen_document.c - the SQL functions that hold decisions against documents: xmcoh_internal.see_document, which reads a
 * document as the role that decides, and stale_approval, which finds what has changed since.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/statement.h"
#include "base/xmcoh.h"
#include "query/arguments.h"
#include "query/bulk.h"
#include "source/seen.h"

#include "xmcoh/order.h"

PG_FUNCTION_INFO_V1(xmcoh_see_document);
PG_FUNCTION_INFO_V1(xmcoh_stale_approval);

/* ---- reading documents without scoring them ---- */

/* What is read of a model, as the current role. */
typedef struct ReadModel
{
	int32		model_id;
	int32		version;		/* that is deployed; 0: none */
	xmc_options options;		/* its inputs */
} ReadModel;

static ReadModel
read_model(text *name)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {PointerGetDatum(name)};
	ReadModel	model = {0};
	bool		is_null;

	if (SPI_execute_with_args("SELECT model_id, image_dim, text_dim, words, deployed_version FROM xmcoh.model"
							  " WHERE name OPERATOR(pg_catalog.=) $1", 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read xmcoh.model");
	if (SPI_processed != 1)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("model \"%s\" does not exist", text_to_cstring(name)));
	model.model_id = DatumGetInt32(first_value(1, &is_null));
	xmcoh_make_options(DatumGetInt32(first_value(2, &is_null)), DatumGetInt32(first_value(3, &is_null)),
					   DatumGetBool(first_value(4, &is_null)), NULL, &model.options);
	model.version = DatumGetInt32(first_value(5, &is_null));
	if (is_null)
		model.version = 0;
	return model;
}

/* ---- see_document(caller, model, document, items, with_probability) ---- */

typedef struct Sight
{
	MemoryContext memory;		/* of the results */
	const char *document;
	bool		want_order;		/* the items are those of the stored order */
	int			n;
	const char **item;			/* (n) */
	int32	   *place;			/* (n) NULL: each item has its own */
	bool		found;			/* the document */
	const char *missing;		/* an item that it lacks */
	bool		complete;		/* the rest is set */
	Seen		seen;
	SeenHash   *hash;			/* (n) of the texts of the items */
	double		probability;	/* that the first item stands before the second; NaN: not asked */
} Sight;

/* The items of the stored order, with places if some of them share one. */
static void
take_stored_order(Sight *sight, const SourceDocument *document)
{
	bool		shared = false;

	if (document->order == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("document \"%s\" has no stored order", document->key),
				errhint("Give the items in their order."));
	sight->n = document->n_placed;
	sight->item = palloc(Max(sight->n, 1) * sizeof(char *));
	sight->place = palloc(Max(sight->n, 1) * sizeof(int32));
	for (int k = 0; k < sight->n; k++)
	{
		const xmc_item *item = &document->item[document->order[k]];
		bool		same = k > 0 && document->position[document->order[k - 1]] == document->position[document->order[k]];

		sight->item[k] = pnstrdup(item->key, item->key_length);
		sight->place[k] = k == 0 ? 1 : sight->place[k - 1] + !same;
		shared |= same;
	}
	if (!shared)
		sight->place = NULL;
}

/* Sees the document if it has the items; false then. */
static bool
see(void *arg, const SourceDocument *document)
{
	Sight	   *sight = arg;
	MemoryContext caller = MemoryContextSwitchTo(sight->memory);

	sight->found = true;
	if (sight->want_order)
		take_stored_order(sight, document);
	sight->missing = NULL;
	for (int k = 0; k < sight->n && sight->missing == NULL; k++)
		if (xmcoh_item_number(document, sight->item[k]) < 0)
			sight->missing = sight->item[k];
	if (sight->missing == NULL)
	{
		sight->complete = true;
		xmcoh_see(document, &sight->seen);
		sight->hash = palloc(Max(sight->n, 1) * sizeof(SeenHash));
		for (int k = 0; k < sight->n; k++)
			sight->hash[k] = sight->seen.text[xmcoh_item_number(document, sight->item[k])];
	}
	MemoryContextSwitchTo(caller);
	return !sight->complete;
}

/* The same as a filter: the document that has the items is scored. */
static bool
see_and_score(void *arg, const SourceDocument *document)
{
	Sight	   *sight = arg;

	return !sight->complete && !see(sight, document);
}

/* The probability of the pair of items, in the document that has both. */
static void
take_probability(void *arg, const BulkDocument *scored)
{
	Sight	   *sight = arg;
	int64		a = xmcoh_scored_item(scored, sight->item[0]);
	int64		b = xmcoh_scored_item(scored, sight->item[1]);

	sight->probability = xmc_probability(scored->scores.score[XMC_SCORE_FUSED][a * scored->document.n + b]);
}

static void
refuse_unknown(const Sight *sight, text *model)
{
	if (!sight->complete)
		xmcoh_refuse_unknown(text_to_cstring(model), sight->document, sight->found ? sight->missing : NULL);
}

/* Reads the document as the current role, and scores the pair if that is asked for and a version is deployed. */
static int32
look(text *model_name, bool with_probability, Sight *sight)
{
	DocumentKeys keys = {.n = 1,.key = &sight->document};
	ReadModel	model;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	model = read_model(model_name);
	if (model.version > 0 && with_probability)
	{
		DeployedModel deployed = xmcoh_find_deployed(VARDATA_ANY(model_name), VARSIZE_ANY_EXHDR(model_name));
		xmc_guidance_rule rule = {.mode = XMC_GUIDANCE_SOFT};

		xmcoh_bulk_score(&deployed, &rule, &(BulkRequest) {.keys = &keys,.filter = see_and_score,
						 .visit = take_probability,.arg = sight});
	}
	else
		xmcoh_source_visit(xmcoh_source_columns(model.model_id, InvalidOid), &model.options, &keys, see, sight);
	refuse_unknown(sight, model_name);
	SPI_finish();
	return model.version;
}

static Datum
hash_datum(const SeenHash *hash)
{
	bytea	   *value = palloc(VARHDRSZ + SEEN_HASH_BYTES);

	SET_VARSIZE(value, VARHDRSZ + SEEN_HASH_BYTES);
	memcpy(VARDATA(value), hash->byte, SEEN_HASH_BYTES);
	return PointerGetDatum(value);
}

static Datum
sight_datum(FunctionCallInfo fcinfo, const Sight *sight, int32 version)
{
	TupleDesc	desc;
	Datum	   *element = palloc(Max(sight->n, 1) * sizeof(Datum));
	Datum		values[7] = {0};
	bool		nulls[7] = {false, sight->place == NULL, version == 0, isnan(sight->probability), false, false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	for (int k = 0; k < sight->n; k++)
		element[k] = CStringGetTextDatum(sight->item[k]);
	values[0] = PointerGetDatum(construct_array(element, sight->n, TEXTOID, -1, false, TYPALIGN_INT));
	for (int k = 0; k < sight->n; k++)
		element[k] = Int32GetDatum(sight->place ? sight->place[k] : 0);
	values[1] = PointerGetDatum(construct_array(element, sight->n, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	values[2] = Int32GetDatum(version);
	values[3] = Float8GetDatum(sight->probability);
	values[4] = hash_datum(&sight->seen.order);
	values[5] = hash_datum(&sight->seen.texts);
	for (int k = 0; k < sight->n; k++)
		element[k] = hash_datum(&sight->hash[k]);
	values[6] = PointerGetDatum(construct_array(element, sight->n, BYTEAOID, -1, false, TYPALIGN_INT));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

Datum
xmcoh_see_document(PG_FUNCTION_ARGS)
{
	text	   *model = xmcoh_model_argument(fcinfo->args[1]);
	Oid			caller = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	bool		with_probability = !PG_ARGISNULL(4) && PG_GETARG_BOOL(4);
	Sight		sight = {.memory = CurrentMemoryContext,.want_order = PG_ARGISNULL(3),.probability = NAN};
	int32		version;
	Oid			user;
	int			security;

	(void) GetUserNameFromId(caller, false);	/* an ERROR for an OID that is no role's */
	sight.document = xmcoh_text_argument(fcinfo->args[2], "document");
	if (!sight.want_order)
	{
		Datum	   *value;

		deconstruct_array(PG_GETARG_ARRAYTYPE_P(3), TEXTOID, -1, false, TYPALIGN_INT, &value, NULL, &sight.n);
		sight.item = palloc(Max(sight.n, 1) * sizeof(char *));
		for (int k = 0; k < sight.n; k++)
			sight.item[k] = TextDatumGetCString(value[k]);
	}
	/* As the role that decides. The change of user makes the reading a restricted operation (restricted.h). */
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(caller, security | SECURITY_LOCAL_USERID_CHANGE);
	version = look(model, with_probability && sight.n == 2, &sight);
	SetUserIdAndSecContext(user, security);
	return sight_datum(fcinfo, &sight, version);
}

/* ---- stale_approval(model) ---- */

typedef struct StaleSearch
{
	ReturnSetInfo *result;
	const Decisions *decisions;
	bool	   *found;			/* (decisions->n) the document was read */
	MemoryContext memory;		/* of one document */
} StaleSearch;

/* The items of a decision of which this has become, as an array; NULL: there is none. */
static Datum
items_with(const Decision *decision, ItemChange change, const SourceDocument *document, const Seen *seen, bool *is_null)
{
	Datum	   *element = palloc(Max(decision->n, 1) * sizeof(Datum));
	int			n = 0;

	for (int32 k = 0; k < decision->n; k++)
		if (xmcoh_item_change(decision, k, document, seen) == change)
			element[n++] = CStringGetTextDatum(decision->item[k]);
	*is_null = n == 0;
	return PointerGetDatum(construct_array(element, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Two sources may have documents with one key: a decision is about the one that has its items. */
static bool
is_about(const Decision *decision, const SourceDocument *document)
{
	for (int32 k = 0; k < decision->n; k++)
		if (xmcoh_item_number(document, decision->item[k]) >= 0)
			return true;
	return false;
}

/* document NULL: it is gone, or all the items are. */
static void
put_stale(const StaleSearch *search, const Decision *decision, const SourceDocument *document, const Seen *seen)
{
	static const char *const kind[] = {"before", "order", "either"};
	Datum		values[8];
	bool		nulls[8] = {false};
	NameData	name;

	namestrcpy(&name, decision->decided_by);
	values[0] = CStringGetTextDatum(decision->document);
	values[1] = Int64GetDatum(decision->id);
	values[2] = CStringGetTextDatum(kind[decision->kind]);
	values[3] = NameGetDatum(&name);
	values[4] = TimestampTzGetDatum(decision->decided_at);
	values[5] = BoolGetDatum(document && !xmcoh_same_hash(&decision->order, &seen->order));
	nulls[5] = document == NULL;
	values[6] = items_with(decision, ITEM_CHANGED, document, seen, &nulls[6]);
	values[7] = items_with(decision, ITEM_GONE, document, seen, &nulls[7]);
	tuplestore_putvalues(search->result->setResult, search->result->setDesc, values, nulls);
}

static bool
put_stale_of(void *arg, const SourceDocument *document)
{
	StaleSearch *search = arg;
	const Decisions *decisions = search->decisions;
	int64		k = xmcoh_first_of_document(decisions->decision, decisions->n, sizeof(Decision), document->key);
	MemoryContext caller;
	Seen		seen;

	if (k == decisions->n || strcmp(decisions->decision[k].document, document->key) != 0)
		return true;
	caller = MemoryContextSwitchTo(search->memory);
	xmcoh_see(document, &seen);
	for (; k < decisions->n && strcmp(decisions->decision[k].document, document->key) == 0; k++)
	{
		if (!is_about(&decisions->decision[k], document))
			continue;
		search->found[k] = true;
		if (xmcoh_is_stale(&decisions->decision[k], &seen))
			put_stale(search, &decisions->decision[k], document, &seen);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(search->memory);
	return true;
}

Datum
xmcoh_stale_approval(PG_FUNCTION_ARGS)
{
	StaleSearch search = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	text	   *name = xmcoh_model_argument(fcinfo->args[0]);
	MemoryContext memory = CurrentMemoryContext;
	ReadModel	model;

	InitMaterializedSRF(fcinfo, 0);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	xmcoh_require_review(name);
	model = read_model(name);
	MemoryContextSwitchTo(memory);
	search.memory = AllocSetContextCreate(memory, "xmcoh stale document", ALLOCSET_DEFAULT_SIZES);
	search.decisions = xmcoh_read_decisions(model.model_id, NULL);
	search.found = palloc_extended(Max(search.decisions->n, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	xmcoh_source_visit(xmcoh_source_columns(model.model_id, InvalidOid), &model.options, NULL, put_stale_of, &search);
	for (int64 k = 0; k < search.decisions->n; k++)
		if (!search.found[k] && search.decisions->decision[k].saw)
			put_stale(&search, &search.decisions->decision[k], NULL, NULL);
	SPI_finish();
	return (Datum) 0;
}
