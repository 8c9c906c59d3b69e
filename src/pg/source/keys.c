/*
 * keys.c - which documents a query over a user's relation reads; keys.h is the contract.
 */
#include "source/keys.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

const DocumentKeys *
xmcoh_document_keys(NullableDatum argument)
{
	DocumentKeys *keys;
	Datum	   *value;
	bool	   *nulls;

	if (argument.isnull)
		return NULL;
	keys = palloc(sizeof(DocumentKeys));
	deconstruct_array(DatumGetArrayTypeP(argument.value), TEXTOID, -1, false, TYPALIGN_INT, &value, &nulls, &keys->n);
	keys->key = palloc(Max(keys->n, 1) * sizeof(char *));
	for (int k = 0; k < keys->n; k++)
	{
		if (nulls[k])
			ereport(ERROR,
					errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("a key of documents is NULL"),
					errhint("Leave documents out to take all documents."));
		keys->key[k] = TextDatumGetCString(value[k]);
	}
	return keys;
}

/* The number that the key is the text of, as PostgreSQL takes it; NULL: none. */
static const char *
integer_literal(const char *key)
{
	char	   *end;
	long long	number;

	errno = 0;
	number = strtoll(key, &end, 10);
	return errno != 0 || end == key || *end != '\0' ? NULL : psprintf("'%lld'", number);
}

/* The key as a literal, if it is the text of a uuid; else NULL. */
static const char *
uuid_literal(const char *key)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(key) != sizeof form - 1)
		return NULL;
	for (size_t k = 0; form[k] != '\0'; k++)
		if (form[k] == '-' ? key[k] != '-' : strchr("0123456789abcdef", key[k]) == NULL)
			return NULL;
	return quote_literal_cstr(key);
}

static const char *
text_literal(const char *key)
{
	return quote_literal_cstr(key);
}

/* Appends that `value` is one of the literals of the keys; a key without a literal cannot be the value. */
static void
append_condition(StringInfo query, const char *value, const char *type, const char *(*literal) (const char *),
				 const DocumentKeys *keys)
{
	int			n = 0;

	appendStringInfo(query, "%s OPERATOR(pg_catalog.=) ", value);
	/* The planner estimates one key by the most common values, but many by their mean. */
	if (keys->n == 1 && literal(keys->key[0]) != NULL)
	{
		appendStringInfo(query, "%s::pg_catalog.%s", literal(keys->key[0]), type);
		return;
	}
	appendStringInfoString(query, "ANY (ARRAY[");
	for (int k = 0; k < keys->n; k++)
	{
		const char *written = literal(keys->key[k]);

		if (written != NULL)
			appendStringInfo(query, "%s%s", n++ ? "," : "", written);
	}
	appendStringInfo(query, "]::pg_catalog.%s[])", type);
}

/*
 * A key is compared as text twice: by the column's collation, so that an index on the column can be used, and by bytes,
 * because a nondeterministic collation finds other keys equal to this one. An index on a column of integers or of uuid can
 * be used only for a comparison of such values, so that comparison is added.
 */
void
xmcoh_append_key_filter(StringInfo query, Oid relation, const char *column, const DocumentKeys *keys)
{
	const char *value = psprintf("t.%s", quote_identifier(column));
	const char *as_text = psprintf("(%s)::pg_catalog.text", value);
	Oid			type = getBaseType(get_atttype(relation, get_attnum(relation, column)));

	appendStringInfoString(query, " WHERE ");
	append_condition(query, as_text, "text", text_literal, keys);
	appendStringInfoString(query, " AND ");
	append_condition(query, psprintf("%s COLLATE pg_catalog.\"C\"", as_text), "text", text_literal, keys);
	if (type != INT2OID && type != INT4OID && type != INT8OID && type != UUIDOID)
		return;
	appendStringInfoString(query, " AND ");
	if (type == UUIDOID)
		append_condition(query, value, "uuid", uuid_literal, keys);
	else
		append_condition(query, value, "int8", integer_literal, keys);
}
