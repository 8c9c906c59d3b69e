/*
 * keys.c - which documents a query over a user's relation reads; keys.h is the contract.
 */
#include "source/keys.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

const DocumentKeys *
xmcoh_document_keys(NullableDatum argument)
{
	DocumentKeys *keys;
	Datum	   *value;
	bool	   *nulls;

	if (argument.isnull)
		return NULL;
	keys = palloc0(sizeof(DocumentKeys));
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

/* ---- a key as a value of the column's type; false: no value has this text ---- */

static bool
text_value(const char *key, Datum *value)
{
	*value = CStringGetTextDatum(key);
	return true;
}

static bool
integer_value(const char *key, Datum *value)
{
	char	   *end;
	long long	number;

	errno = 0;
	number = strtoll(key, &end, 10);
	*value = Int64GetDatum((int64) number);
	return errno == 0 && end != key && *end == '\0';
}

static bool
uuid_value(const char *key, Datum *value)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(key) != sizeof form - 1)
		return false;
	for (size_t k = 0; form[k] != '\0'; k++)
		if (form[k] == '-' ? key[k] != '-' : strchr("0123456789abcdef", key[k]) == NULL)
			return false;
	*value = DirectFunctionCall1(uuid_in, CStringGetDatum(key));
	return true;
}

/* A type by whose values an index on a column may be used. */
typedef struct KeyType
{
	const char *name;			/* in pg_catalog */
	Oid			type;
	Oid			array;
	int16		length;
	bool		by_value;
	char		align;
	bool		(*value) (const char *key, Datum *value);
} KeyType;

static const KeyType as_text = {"text", TEXTOID, TEXTARRAYOID, -1, false, TYPALIGN_INT, text_value};
static const KeyType as_integer = {"int8", INT8OID, INT8ARRAYOID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, integer_value};
static const KeyType as_uuid = {"uuid", UUIDOID, UUIDARRAYOID, UUID_LEN, false, TYPALIGN_CHAR, uuid_value};

/* The type besides text by which a column is compared; NULL: none. */
static const KeyType *
indexed_type(Oid relation, const char *column)
{
	switch (getBaseType(get_atttype(relation, get_attnum(relation, column))))
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return &as_integer;
		case UUIDOID:
			return &as_uuid;
		default:
			return NULL;
	}
}

/* The planner estimates one key by the most common values, but many by their mean; so one key is a condition of its own. */
static void
append_condition(StringInfo query, const char *value, const KeyType *type, int parameter, const DocumentKeys *keys)
{
	if (keys->n == 1)
		appendStringInfo(query, "%s OPERATOR(pg_catalog.=) $%d::pg_catalog.%s", value, parameter, type->name);
	else
		appendStringInfo(query, "%s OPERATOR(pg_catalog.=) ANY ($%d::pg_catalog.%s[])", value, parameter, type->name);
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
	const char *text = psprintf("(%s)::pg_catalog.text", value);
	const KeyType *type = indexed_type(relation, column);

	appendStringInfoString(query, " WHERE ");
	append_condition(query, text, &as_text, 1, keys);
	appendStringInfoString(query, " AND ");
	append_condition(query, psprintf("%s COLLATE pg_catalog.\"C\"", text), &as_text, 1, keys);
	if (type == NULL)
		return;
	appendStringInfoString(query, " AND ");
	append_condition(query, value, type, 2, keys);
}

/* The keys as values of the type: one value, or an array of those that have a value. */
static void
add_parameter(RowsParameters *parameters, const KeyType *type, const DocumentKeys *keys)
{
	Datum	   *value = palloc((keys->n + 1) * sizeof(Datum));
	int			k = parameters->n++;
	int			n = 0;

	for (int i = 0; i < keys->n; i++)
		if (type->value(keys->key[i], &value[n]))
			n++;
	parameters->null[k] = ' ';
	parameters->type[k] = keys->n == 1 ? type->type : type->array;
	if (keys->n != 1)
		parameters->value[k] = PointerGetDatum(construct_array(value, n, type->type, type->length, type->by_value, type->align));
	else if (n == 1)
		parameters->value[k] = value[0];
	else
		parameters->null[k] = 'n';	/* no row has this key */
}

const RowsParameters *
xmcoh_key_parameters(Oid relation, const char *column, const DocumentKeys *keys)
{
	const KeyType *type;
	RowsParameters *parameters;

	if (keys == NULL)
		return NULL;
	type = indexed_type(relation, column);
	parameters = palloc0(sizeof(RowsParameters));
	parameters->keep_plan = keys->keep_plan;
	add_parameter(parameters, &as_text, keys);
	if (type != NULL)
		add_parameter(parameters, type, keys);
	return parameters;
}
