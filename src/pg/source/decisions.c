/*
 * decisions.c - what people decided about the documents of a model and is in force, read; decisions.h is the contract.
 */
#include "source/decisions.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/access.h"
#include "source/rows.h"

/* The columns of the query, from 1. */
enum
{
	ID = 1, DOCUMENT, KIND, ITEMS, PLACES, DECIDED_BY, DECIDED_AT, SEEN_ORDER, SEEN_TEXTS, SEEN_ITEMS, COLUMNS = SEEN_ITEMS
};

/*
 * The query for decisions of these kinds (an array) that are in force, or of a role; its parameter is the keys of the documents
 * (xmcoh_key_parameters).
 */
static char *
decisions_query(int32 model_id, const DocumentKeys *keys, const char *kinds, Oid role)
{
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT decision_id, document, kind, items, places, decided_by::pg_catalog.text, decided_at,"
					 " seen_order, seen_texts, seen_items FROM xmcoh.decision"
					 " WHERE model_id OPERATOR(pg_catalog.=) %d"
					 " AND kind OPERATOR(pg_catalog.=) ANY ('%s'::pg_catalog.text[])", model_id, kinds);
	if (OidIsValid(role))
		appendStringInfo(&query, " AND decided_by OPERATOR(pg_catalog.=) pg_catalog.pg_get_userbyid(%u)", role);
	else
		appendStringInfoString(&query, " AND withdrawn_by IS NULL");
	/* One document is compared by itself, because the planner then uses the index for it before the table has statistics, too. */
	if (keys != NULL)
		appendStringInfoString(&query, keys->n == 1 ? " AND document OPERATOR(pg_catalog.=) $1::pg_catalog.text"
							   : " AND document OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[])");
	appendStringInfoString(&query, " ORDER BY document COLLATE pg_catalog.\"C\", decision_id");
	return query.data;
}

static DecisionKind
kind_of(const char *kind)
{
	return strcmp(kind, "before") == 0 ? DECISION_BEFORE : strcmp(kind, "order") == 0 ? DECISION_ORDER
		: strcmp(kind, "skip") == 0 ? DECISION_SKIP : DECISION_EITHER;
}

/* A hash of the current row; all zero for NULL and for a value of another length. */
static SeenHash
hash_of(Datum datum, bool is_null)
{
	SeenHash	hash = {{0}};
	bytea	   *value;

	if (is_null)
		return hash;
	value = DatumGetByteaPP(datum);
	if (VARSIZE_ANY_EXHDR(value) == SEEN_HASH_BYTES)
		memcpy(hash.byte, VARDATA_ANY(value), SEEN_HASH_BYTES);
	return hash;
}

/* The elements of an array of the current row; NULL: the column is NULL. */
static const Datum *
read_array(const Rows *rows, int column, Oid type, int length, bool **nulls, int *n)
{
	bool		is_null;
	Datum		array = xmcoh_rows_value(rows, column, &is_null);
	Datum	   *value;

	if (is_null)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(array), type, length, length > 0, TYPALIGN_INT, &value, nulls, n);
	return value;
}

/* The items of the current row, their places and the hashes of their texts. */
static void
read_items(const Rows *rows, Decision *decision)
{
	bool	   *nulls;
	int			n;
	int32	   *place;
	const Datum *value = read_array(rows, ITEMS, TEXTOID, -1, &nulls, &n);

	decision->n = n;
	decision->item = palloc(Max(n, 1) * sizeof(char *));
	for (int k = 0; k < n; k++)
		decision->item[k] = nulls[k] ? "" : TextDatumGetCString(value[k]);

	value = read_array(rows, PLACES, INT4OID, sizeof(int32), &nulls, &n);
	if (value != NULL && n == decision->n)
	{
		decision->place = place = palloc(Max(n, 1) * sizeof(int32));
		for (int k = 0; k < n; k++)
			place[k] = nulls[k] ? k : DatumGetInt32(value[k]);
	}

	value = read_array(rows, SEEN_ITEMS, BYTEAOID, -1, &nulls, &n);
	if (value != NULL && n == decision->n)
	{
		decision->saw = true;
		decision->text = palloc(Max(n, 1) * sizeof(SeenHash));
		for (int k = 0; k < n; k++)
			decision->text[k] = hash_of(value[k], nulls[k]);
	}
}

static void
read_decision(const Rows *rows, Decision *decision)
{
	bool		is_null;
	Datum		datum;

	*decision = (Decision) {0};
	decision->id = DatumGetInt64(xmcoh_rows_value(rows, ID, &is_null));
	decision->document = TextDatumGetCString(xmcoh_rows_value(rows, DOCUMENT, &is_null));
	decision->kind = kind_of(TextDatumGetCString(xmcoh_rows_value(rows, KIND, &is_null)));
	decision->decided_by = TextDatumGetCString(xmcoh_rows_value(rows, DECIDED_BY, &is_null));
	decision->decided_at = DatumGetTimestampTz(xmcoh_rows_value(rows, DECIDED_AT, &is_null));
	read_items(rows, decision);
	datum = xmcoh_rows_value(rows, SEEN_ORDER, &is_null);
	decision->order = hash_of(datum, is_null);
	datum = xmcoh_rows_value(rows, SEEN_TEXTS, &is_null);
	decision->texts = hash_of(datum, is_null);
}

static Decisions *
read_decisions(int32 model_id, const DocumentKeys *keys, const char *kinds, Oid role)
{
	static const Oid types[COLUMNS] = {INT8OID, TEXTOID, TEXTOID, TEXTARRAYOID, INT4ARRAYOID, TEXTOID, TIMESTAMPTZOID,
	BYTEAOID, BYTEAOID, BYTEAARRAYOID};
	Decisions  *decisions = palloc0(sizeof(Decisions));
	MemoryContext memory = CurrentMemoryContext;
	int64		capacity = 64;
	Oid			user;
	int			security;
	Rows	   *rows;

	decisions->decision = palloc(capacity * sizeof(Decision));
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(xmcoh_extension_owner(), security | SECURITY_LOCAL_USERID_CHANGE);
	rows = xmcoh_rows_read(decisions_query(model_id, keys, kinds, role),
						   xmcoh_key_parameters(xmcoh_extension_table("decision"), "document", keys), COLUMNS, types,
						   "decisions");
	SetUserIdAndSecContext(user, security);
	MemoryContextSwitchTo(memory);
	while (xmcoh_rows_next(rows))
	{
		if (decisions->n == capacity)
			decisions->decision = repalloc_huge(decisions->decision, (capacity *= 2) * sizeof(Decision));
		read_decision(rows, &decisions->decision[decisions->n++]);
	}
	xmcoh_rows_end(rows);
	return decisions;
}

Decisions *
xmcoh_read_decisions(int32 model_id, const DocumentKeys *keys)
{
	return read_decisions(model_id, keys, "{before,order,either}", InvalidOid);
}

Decisions *
xmcoh_read_skips(int32 model_id, const DocumentKeys *keys)
{
	return read_decisions(model_id, keys, "{skip}", InvalidOid);
}

Decisions *
xmcoh_read_answers(int32 model_id, const DocumentKeys *keys, Oid role)
{
	return read_decisions(model_id, keys, "{before,either,skip}", role);
}

int64
xmcoh_first_of_document(const void *array, int64 n, Size size, const char *document)
{
	int64		low = 0;
	int64		high = n;

	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		if (strcmp(*(const char *const *) ((const char *) array + middle * size), document) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
