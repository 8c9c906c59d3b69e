/* columns.c - what xmcoh.source says, and whether the relation still has the columns; see columns.h */
#include "columns.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* ---- the uses of a column ---- */

static const struct
{
	const char *role;
	const char *type;			/* in pg_catalog */
	Oid			type_oid;
	const char *wanted;			/* for messages */
}			use_of[] = {
	[COLUMN_DOCUMENT] = {"document", "text", TEXTOID, "any type that has a text form"},
	[COLUMN_ITEM] = {"item", "text", TEXTOID, "any type that has a text form"},
	[COLUMN_TEXT] = {"text", "text", TEXTOID, "any type that has a text form"},
	[COLUMN_IMAGE] = {"image", "float4[]", FLOAT4ARRAYOID, "real[], or a type with a cast to it, such as vector or halfvec"},
	[COLUMN_TEXT_EMBEDDING] = {"text_embedding", "float4[]", FLOAT4ARRAYOID,
	"real[], or a type with a cast to it, such as vector or halfvec"},
	[COLUMN_POSITION] = {"position", "float8", FLOAT8OID, "a number"},
	[COLUMN_APPROVED] = {"approved", "bool", BOOLOID, "boolean, or the word all"},
	[COLUMN_BEFORE] = {"before", "text", TEXTOID, "any type that has a text form"},
	[COLUMN_AFTER] = {"after", "text", TEXTOID, "any type that has a text form"},
};

const char *
xmcoh_column_role(ColumnUse use)
{
	return use_of[use].role;
}

char *
xmcoh_column_value(const char *column, ColumnUse use)
{
	return psprintf("(t.%s)::pg_catalog.%s", quote_identifier(column), use_of[use].type);
}

Oid
xmcoh_column_type(ColumnUse use)
{
	return use_of[use].type_oid;
}

char *
xmcoh_relation_name(Oid relation)
{
	char	   *name = get_rel_name(relation);
	char	   *schema = name ? get_namespace_name(get_rel_namespace(relation)) : NULL;

	return schema ? quote_qualified_identifier(schema, name) : NULL;
}

/* An array that is made of a string by its input function is no embedding: a text column has been taken for one. */
static bool
can_be_read(Oid type, ColumnUse use)
{
	Oid			function;

	switch (find_coercion_pathway(use_of[use].type_oid, type, COERCION_EXPLICIT, &function))
	{
		case COERCION_PATH_NONE:
			return false;
		case COERCION_PATH_COERCEVIAIO:
			return use_of[use].type_oid != FLOAT4ARRAYOID;
		default:
			return true;
	}
}

void
xmcoh_check_column(Oid relation, const char *column, ColumnUse use, const char *hint)
{
	AttrNumber	number = get_attnum(relation, column);
	Oid			type;
	int32		modifier;
	Oid			collation;

	if (number <= 0)			/* none, or a system column */
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_COLUMN),
				errmsg("%s has no column \"%s\" to be read as %s", xmcoh_relation_name(relation), column, use_of[use].role),
				hint ? errhint("%s", hint) : 0);
	get_atttypetypmodcoll(relation, number, &type, &modifier, &collation);
	if (!can_be_read(type, use))
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("column \"%s\" of %s cannot be read as %s: it is of type %s", column, xmcoh_relation_name(relation),
					   use_of[use].role, format_type_with_typemod(type, modifier)),
				errhint("Wanted is %s.", use_of[use].wanted));
}

/* ---- what xmcoh.source says ---- */

/* For messages: of a relation that is gone only its number is left. */
static const char *
name_or_number(Oid relation)
{
	const char *name = xmcoh_relation_name(relation);

	return name ? name : psprintf("with OID %u", relation);
}

/* Hangs a source on the one whose documents its rows belong to. */
static void
add_member(List *list, SourceColumns *columns, Oid main, bool is_wanted)
{
	ListCell   *cell;

	if (is_wanted)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("the rows of %s belong to the documents of %s", name_or_number(columns->relation), name_or_number(main)),
				errhint("Name that one: its documents have all their rows."));
	foreach(cell, list)
	{
		SourceColumns *other = lfirst(cell);

		if (other->relation == main)
		{
			other->members = lappend(other->members, columns);
			return;
		}
	}
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("the rows of %s belong to the documents of %s, which is no source of this model",
				   name_or_number(columns->relation), name_or_number(main)),
			errhint("Detach it, or attach the other."));
}

/* The sources whose documents are their own, side by side. */
static void
make_set(List *list)
{
	SourceSet  *set = palloc(sizeof(SourceSet));
	ListCell   *cell;

	set->memory = CurrentMemoryContext;
	set->n = 0;
	set->columns = palloc(list_length(list) * sizeof(SourceColumns *));
	set->reader = palloc0(list_length(list) * sizeof(struct SourceReader *));
	foreach(cell, list)
	{
		SourceColumns *columns = lfirst(cell);

		columns->set = set;
		columns->number = set->n;
		set->columns[set->n++] = columns;
	}
}

List *
xmcoh_source_columns(int32 model_id, Oid relation)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[2] = {INT4OID, OIDOID};
	Datum		values[2] = {Int32GetDatum(model_id), ObjectIdGetDatum(relation)};
	List	   *list = NIL;
	SPITupleTable *rows;
	uint64		n;

	if (SPI_execute_with_args("SELECT relation::pg_catalog.oid, document, item, text, image, text_embedding, position,"
							  " approved, documents_of::pg_catalog.oid FROM xmcoh.source"
							  " WHERE model_id OPERATOR(pg_catalog.=) $1"
							  " AND ($2 OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR relation OPERATOR(pg_catalog.=) $2"
							  " OR documents_of OPERATOR(pg_catalog.=) $2)"
							  " ORDER BY documents_of IS NOT NULL, source_id",
							  2, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read xmcoh.source");
	rows = SPI_tuptable;
	n = SPI_processed;
	if (n == 0 && OidIsValid(relation))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("relation %s is not a source of this model", name_or_number(relation)),
				errhint("xmcoh.source lists its sources."));
	MemoryContextSwitchTo(caller);	/* SPI left its own one */
	for (uint64 i = 0; i < n; i++)
	{
		SourceColumns *columns = palloc0(sizeof(SourceColumns));
		const char *name[7];
		Oid			main;
		bool		is_null;

		for (int c = 0; c < 7; c++)	/* NULL where the column is */
			name[c] = SPI_getvalue(rows->vals[i], rows->tupdesc, c + 2);
		columns->relation = DatumGetObjectId(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &is_null));
		columns->document = name[0];
		columns->item = name[1];
		columns->text = name[2];
		columns->image = name[3];
		columns->text_embedding = name[4];
		columns->position = name[5];
		columns->all_approved = name[6] != NULL && strcmp(name[6], "all") == 0;
		columns->approved = columns->all_approved ? NULL : name[6];
		main = DatumGetObjectId(SPI_getbinval(rows->vals[i], rows->tupdesc, 9, &is_null));
		if (is_null)
			list = lappend(list, columns);
		else
			add_member(list, columns, main, columns->relation == relation);
	}
	SPI_freetuptable(rows);
	make_set(list);
	return list;
}
