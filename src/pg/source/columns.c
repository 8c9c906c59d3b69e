/*
 * columns.c - which relations hold a model's documents, and whether they still have the columns; columns.h is the contract.
 *
 * Names of relations and columns are stored as references (base/reference.h), which follow renames.
 */
#include "source/columns.h"

#include "catalog/dependency.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/reference.h"
#include "base/statement.h"

/* ---- the uses of a column ---- */

#define WANTED_TEXT "a type that has a text form"
#define WANTED_EMBEDDING "real[], or a type with a cast to real[], such as vector or halfvec"

static const struct
{
	const char *role;
	const char *type;			/* in pg_catalog */
	Oid			type_oid;
	const char *wanted;			/* in words, for messages */
}			use_of[] = {
	[COLUMN_DOCUMENT] = {"document", "text", TEXTOID, WANTED_TEXT},
	[COLUMN_ITEM] = {"item", "text", TEXTOID, WANTED_TEXT},
	[COLUMN_TEXT] = {"text", "text", TEXTOID, WANTED_TEXT},
	[COLUMN_IMAGE] = {"image", "float4[]", FLOAT4ARRAYOID, WANTED_EMBEDDING},
	[COLUMN_IMAGE_TEXT] = {"image", "text", TEXTOID, WANTED_TEXT},
	[COLUMN_TEXT_EMBEDDING] = {"text_embedding", "float4[]", FLOAT4ARRAYOID, WANTED_EMBEDDING},
	[COLUMN_POSITION] = {"position", "float8", FLOAT8OID, "a numeric type"},
	[COLUMN_APPROVED] = {"approved", "bool", BOOLOID, "boolean, unless approved is the word all"},
	[COLUMN_GROUP] = {"group", "text", TEXTOID, WANTED_TEXT},
	[COLUMN_BY] = {"group", "text", TEXTOID, WANTED_TEXT},
	[COLUMN_BEFORE] = {"before", "text", TEXTOID, WANTED_TEXT},
	[COLUMN_AFTER] = {"after", "text", TEXTOID, WANTED_TEXT},
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
xmcoh_group_value(List *columns)
{
	char	   *value = NULL;
	ListCell   *cell;

	foreach(cell, columns)
	{
		char	   *next = xmcoh_column_value(lfirst(cell), COLUMN_GROUP);

		value = value ? psprintf("%s OPERATOR(pg_catalog.||) E'\\x1f'::pg_catalog.text OPERATOR(pg_catalog.||) %s",
								 value, next) : next;
	}
	return value;
}

char *
xmcoh_relation_name(Oid relation)
{
	char	   *name = get_rel_name(relation);
	char	   *schema = name ? get_namespace_name(get_rel_namespace(relation)) : NULL;

	return schema ? quote_qualified_identifier(schema, name) : NULL;
}

/* A cast by input function, from text to real[], is not allowed: then a text column has been named as the embedding. */
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

static bool
is_text_type(Oid type)
{
	char		category;
	bool		is_preferred;

	get_type_category_preferred(getBaseType(type), &category, &is_preferred);
	return category == TYPCATEGORY_STRING;
}

ColumnUse
xmcoh_image_use(Oid relation, const char *column, bool has_encoder)
{
	AttrNumber	number = has_encoder && column ? get_attnum(relation, column) : InvalidAttrNumber;

	return number > 0 && is_text_type(get_atttype(relation, number)) ? COLUMN_IMAGE_TEXT : COLUMN_IMAGE;
}

/* Whether the type is one of pgvector's. */
static bool
is_pgvector(Oid type)
{
	Oid			extension = getExtensionOfObject(TypeRelationId, type);
	char	   *name = OidIsValid(extension) ? get_extension_name(extension) : NULL;

	return name != NULL && strcmp(name, "vector") == 0;
}

int32
xmcoh_declared_dim(Oid relation, const char *column)
{
	AttrNumber	number = get_attnum(relation, column);
	Oid			type;
	int32		modifier;
	Oid			collation;
	const char *bracket;

	if (number <= 0)
		return 0;
	get_atttypetypmodcoll(relation, number, &type, &modifier, &collation);
	type = getBaseTypeAndTypmod(type, &modifier);
	if (modifier < 0 || !is_pgvector(type))
		return 0;
	bracket = strrchr(format_type_with_typemod(type, modifier), '(');
	return bracket ? (int32) strtol(bracket + 1, NULL, 10) : 0;
}

/* What to do about a column whose type cannot be read. */
static char *
hint_about_type(const char *column, Oid type, ColumnUse use)
{
	char	   *wanted = psprintf("The type of the column must be %s.", use_of[use].wanted);

	type = getBaseType(type);
	if (use_of[use].type_oid == FLOAT4ARRAYOID && is_pgvector(type))	/* sparsevec or bit */
		return psprintf("%s Attach a view that has %s::vector as a column.", wanted, quote_identifier(column));
	if (use == COLUMN_IMAGE && is_text_type(type))
		return psprintf("%s A model that was created with image_encoder reads texts, too.", wanted);
	return wanted;
}

/* Whether what names a column looks like an expression. */
static bool
is_expression(const char *column)
{
	return strpbrk(column, "(:+|") != NULL;
}

void
xmcoh_check_column(Oid relation, const char *column, ColumnUse use, const char *hint)
{
	AttrNumber	number = get_attnum(relation, column);
	Oid			type;
	int32		modifier;
	Oid			collation;

	if (number <= 0)			/* no column, or a system column */
	{
		if (hint == NULL && is_expression(column))
			hint = "A source has columns, not expressions. Attach a view that has the expression as a column.";
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_COLUMN),
				errmsg("%s has no column \"%s\" to be read as %s", xmcoh_relation_name(relation), column, use_of[use].role),
				hint ? errhint("%s", hint) : 0);
	}
	get_atttypetypmodcoll(relation, number, &type, &modifier, &collation);
	if (!can_be_read(type, use))
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("column \"%s\" of %s cannot be read as %s: it is of type %s", column, xmcoh_relation_name(relation),
					   use_of[use].role, format_type_with_typemod(type, modifier)),
				errhint("%s", hint_about_type(column, type, use)));
}

/* Whether the relation of a source or of a member has the column, which then is read. */
static bool
read_by(SourceColumns *columns, const char *column)
{
	bool		found = get_attnum(columns->relation, column) > 0;
	ListCell   *cell;

	columns->by = found ? column : NULL;
	foreach(cell, columns->members)
		found |= read_by(lfirst(cell), column);
	return found;
}

void
xmcoh_sources_by(List *sources, const char *column)
{
	ListCell   *cell;

	if (column == NULL)
		return;
	foreach(cell, sources)
	{
		SourceColumns *columns = lfirst(cell);

		if (!read_by(columns, column))
			xmcoh_check_column(columns->relation, column, COLUMN_BY, "Name a column that every source of the model has.");
	}
}

/* ---- what xmcoh.source_record says ---- */

/* For messages: the name of a relation, or the OID of one that does not exist any more. */
static const char *
name_or_number(Oid relation)
{
	const char *name = xmcoh_relation_name(relation);

	return name ? name : psprintf("with OID %u", relation);
}

/* Makes a source a member of the source `main`, to whose documents its rows belong. */
static void
add_member(List *list, SourceColumns *columns, Oid main, bool is_wanted)
{
	ListCell   *cell;

	if (is_wanted)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("the rows of %s belong to the documents of %s", name_or_number(columns->relation), name_or_number(main)),
				errhint("Name %s as the source: its documents include these rows.", name_or_number(main)));
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
			errhint("Detach %s, or attach %s.", name_or_number(columns->relation), name_or_number(main)));
}

/* Makes one set of the sources of a list. */
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

/* The present name of what a reference in this row of the table names; NULL for NULL. */
static char *
present_name(SPITupleTable *rows, uint64 row, int column)
{
	bool		is_null;
	Datum		datum = SPI_getbinval(rows->vals[row], rows->tupdesc, column, &is_null);

	return is_null ? NULL : xmcoh_referenced_name(datum);
}

/* The present names that an array of references in this row of the table names, as a List; NIL for NULL. */
static List *
present_names(SPITupleTable *rows, uint64 row, int column)
{
	bool		is_null;
	Datum		datum = SPI_getbinval(rows->vals[row], rows->tupdesc, column, &is_null);
	List	   *names = NIL;
	ArrayType  *array;
	ArrayIterator iterator;
	Datum		reference;

	if (is_null)
		return NIL;
	array = DatumGetArrayTypePCopy(datum);
	iterator = array_create_iterator(array, 0, NULL);
	while (array_iterate(iterator, &reference, &is_null))
		if (!is_null)
			names = lappend(names, xmcoh_referenced_name(reference));
	array_free_iterator(iterator);
	return names;
}

/* The relation that a reference in this row of the table names; InvalidOid: NULL, or there is no such relation. */
static Oid
named_relation(SPITupleTable *rows, uint64 row, int column)
{
	bool		is_null;
	Datum		datum = SPI_getbinval(rows->vals[row], rows->tupdesc, column, &is_null);

	return is_null ? InvalidOid : xmcoh_referenced_oid(datum);
}

/* ERROR when the relation that a reference names does not exist any more. */
static void
check_exists(SPITupleTable *rows, uint64 row, int column)
{
	char	   *name = present_name(rows, row, column);

	if (name != NULL && !OidIsValid(named_relation(rows, row, column)))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("source relation %s does not exist any more", name),
				errhint("Create the relation again, or detach it with xmcoh.detach_source(model, %s).",
						quote_literal_cstr(name)));
}

List *
xmcoh_source_columns(int32 model_id, Oid relation)
{
	static SPIPlanPtr plan = NULL;
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(model_id)};
	List	   *list = NIL;
	SPITupleTable *rows;
	uint64		n;

	prepared(&plan, "SELECT s.relation, s.document, s.item, s.text, s.image, s.text_embedding, s.position, s.approved,"
			 " s.documents_of, s.all_approved, s.group_columns, m.encoder_id, m.image_encoder_id"
			 " FROM xmcoh.source_record AS s LEFT JOIN xmcoh.model AS m ON m.model_id OPERATOR(pg_catalog.=) s.model_id"
			 " WHERE s.model_id OPERATOR(pg_catalog.=) $1 ORDER BY s.documents_of IS NOT NULL, s.source_id", 1, types);
	if (SPI_execute_plan(plan, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read xmcoh.source_record");
	rows = SPI_tuptable;
	n = SPI_processed;
	/* sources first, then members, each of which is added to its source */
	MemoryContextSwitchTo(caller);	/* SPI left its own memory context */
	for (uint64 i = 0; i < n; i++)
	{
		SourceColumns *columns;
		bool		is_null;

		if (OidIsValid(relation) && named_relation(rows, i, 1) != relation && named_relation(rows, i, 9) != relation)
			continue;
		check_exists(rows, i, 1);
		check_exists(rows, i, 9);
		columns = palloc0(sizeof(SourceColumns));
		columns->relation = named_relation(rows, i, 1);
		columns->document = present_name(rows, i, 2);
		columns->item = present_name(rows, i, 3);
		columns->text = present_name(rows, i, 4);
		columns->image = present_name(rows, i, 5);
		columns->text_embedding = present_name(rows, i, 6);
		columns->position = present_name(rows, i, 7);
		columns->approved = present_name(rows, i, 8);
		columns->all_approved = DatumGetBool(SPI_getbinval(rows->vals[i], rows->tupdesc, 10, &is_null));
		columns->group = present_names(rows, i, 11);
		for (int m = 0; m < XMC_MODALITIES; m++)
		{
			columns->encoder[m] = DatumGetInt32(SPI_getbinval(rows->vals[i], rows->tupdesc, 12 + m, &is_null));
			if (is_null)
				columns->encoder[m] = 0;
		}
		if (present_name(rows, i, 9) == NULL)
			list = lappend(list, columns);
		else
			add_member(list, columns, named_relation(rows, i, 9), columns->relation == relation);
	}
	SPI_freetuptable(rows);
	if (list == NIL && OidIsValid(relation))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("relation %s is not a source of this model", name_or_number(relation)),
				errhint("xmcoh.source lists its sources."));
	make_set(list);
	return list;
}
