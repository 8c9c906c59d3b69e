/*
 * guard.c - the guard of a source, out of xmcoh.guard_record, xmcoh.source_record and xmcoh.model; guard.h is the contract.
 */
#include "guard/guard.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/reference.h"

/* A row of a table of the extension that was found by its key. */
typedef struct Record
{
	Relation	table;
	SysScanDesc scan;
	Snapshot	snapshot;
	HeapTuple	row;			/* NULL: there is none */
} Record;

/*
 * Finds a row by an integer key, under the latest snapshot: what was changed after this transaction began counts. `index`
 * is on the key alone.
 */
static void
open_record(Record *record, const char *name, const char *key, const char *index, int32 value)
{
	Oid			schema = get_namespace_oid("xmcoh", false);
	Oid			index_oid = get_relname_relid(index, schema);
	ScanKeyData scan_key;

	record->table = table_open(get_relname_relid(name, schema), AccessShareLock);
	record->snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyInit(&scan_key, get_attnum(RelationGetRelid(record->table), key), BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(value));
	record->scan = systable_beginscan(record->table, index_oid, OidIsValid(index_oid), record->snapshot, 1, &scan_key);
	record->row = systable_getnext(record->scan);
}

static void
close_record(Record *record)
{
	systable_endscan(record->scan);
	UnregisterSnapshot(record->snapshot);
	table_close(record->table, AccessShareLock);
}

/* A column of the row by name. */
static Datum
value_of(const Record *record, const char *column, bool *is_null)
{
	return heap_getattr(record->row, get_attnum(RelationGetRelid(record->table), column), RelationGetDescr(record->table),
						is_null);
}

/* The relation that a column names; InvalidOid: NULL, or there is no such relation. */
static Oid
relation_of(const Record *record, const char *column)
{
	bool		is_null;
	Datum		reference = value_of(record, column, &is_null);

	return is_null ? InvalidOid : xmcoh_referenced_oid(reference);
}

static void
open_source(Record *record, int32 source_id)
{
	open_record(record, "source_record", "source_id", "source_record_pkey", source_id);
}

/* What xmcoh.guard_record says; false: nothing. */
static bool
read_arguments(Guard *guard)
{
	Record		record;
	bool		is_null;
	bool		found;

	open_record(&record, "guard_record", "source_id", "guard_record_pkey", guard->source_id);
	found = record.row != NULL;
	if (found)
	{
		char	   *kind = TextDatumGetCString(value_of(&record, "on_violation", &is_null));

		guard->on_violation = strcmp(kind, "error") == 0 ? ON_VIOLATION_ERROR
			: strcmp(kind, "record") == 0 ? ON_VIOLATION_RECORD : ON_VIOLATION_WARNING;
		guard->precision = DatumGetFloat8(value_of(&record, "precision", &is_null));
		guard->allow_approved = DatumGetBool(value_of(&record, "allow_approved", &is_null));
		guard->strict = DatumGetBool(value_of(&record, "strict", &is_null));
	}
	close_record(&record);
	return found;
}

/* What xmcoh.source_record says; false: nothing, or the trigger's relation is not the source's. */
static bool
read_source(Guard *guard, Relation relation)
{
	Record		record;
	bool		is_null;

	open_source(&record, guard->source_id);
	if (record.row != NULL)
	{
		guard->model_id = DatumGetInt32(value_of(&record, "model_id", &is_null));
		guard->relation = relation_of(&record, "relation");
		guard->source = relation_of(&record, "documents_of");
		if (!OidIsValid(guard->source))
			guard->source = guard->relation;
	}
	close_record(&record);
	return OidIsValid(guard->relation) &&
		(guard->relation == RelationGetRelid(relation) ||
		 (relation->rd_rel->relispartition &&
		  list_member_oid(get_partition_ancestors(RelationGetRelid(relation)), guard->relation)));
}

/* What xmcoh.model says; false: nothing. */
static bool
read_model(Guard *guard)
{
	Record		record;
	bool		is_null;
	bool		found;

	open_record(&record, "model", "model_id", "model_pkey", guard->model_id);
	found = record.row != NULL;
	if (found)
	{
		guard->model = TextDatumGetCString(value_of(&record, "name", &is_null));
		(void) value_of(&record, "deployed_version", &is_null);
		guard->is_deployed = !is_null;
	}
	close_record(&record);
	return found;
}

bool
xmcoh_read_guard(int32 source_id, Relation relation, Guard *guard)
{
	*guard = (Guard) {.source_id = source_id};
	return read_arguments(guard) && read_source(guard, relation) && read_model(guard);
}

int
xmcoh_guard_columns(int32 source_id, Relation relation, AttrNumber *column)
{
	static const char *const use[MAX_GUARD_COLUMNS] = {"document", "item", "text", "image", "text_embedding", "position",
	"approved"};
	Record		record;
	int			n = 0;

	open_source(&record, source_id);
	for (int k = 0; k < MAX_GUARD_COLUMNS && record.row != NULL; k++)
	{
		bool		is_null;
		Datum		reference = value_of(&record, use[k], &is_null);
		AttrNumber	number = is_null ? InvalidAttrNumber
			: get_attnum(RelationGetRelid(relation), xmcoh_referenced_name(reference));

		if (number > 0)
			column[n++] = number;
		else if (k == 0)
			break;
	}
	close_record(&record);
	return n;
}

bool
xmcoh_has_violations(int32 model_id)
{
	Record		record;
	bool		found;

	/* the index has only rows that are not resolved */
	open_record(&record, "violation_record", "model_id", "violation_record_one_per_document", model_id);
	found = record.row != NULL;
	close_record(&record);
	return found;
}
