/*
 * enforce.c - makes and drops the triggers of a guard, as the role that asks for it: make_guard, remove_guard.
 *
 * A guard has three triggers on the relation of its source, whose argument is the number of the source:
 *   xmcoh_documents_N	after each row that is inserted, updated or deleted: which document was touched
 *   xmcoh_order_N		a constraint trigger, deferred: checks the touched documents. Its name follows the first one's in
 *						the alphabet, so it fires after that one for each row
 *   xmcoh_truncate_N	after TRUNCATE
 * A partitioned table gives the first two to its partitions.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "base/restricted.h"
#include "source/columns.h"

PG_FUNCTION_INFO_V1(xmcoh_make_guard);
PG_FUNCTION_INFO_V1(xmcoh_remove_guard);

static const struct
{
	const char *name;
	const char *kind;
	const char *event;
	const char *when;
}			triggers[] = {
	{"documents", "TRIGGER", "INSERT OR UPDATE OR DELETE", "FOR EACH ROW"},
	{"order", "CONSTRAINT TRIGGER", "INSERT OR UPDATE OR DELETE", "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"},
	{"truncate", "TRIGGER", "TRUNCATE", "FOR EACH STATEMENT"},
};

static void
run(const char *statement)
{
	int			result = SPI_execute(statement, false, 0);

	if (result != SPI_OK_UTILITY)
		elog(ERROR, "could not run \"%s\": %s", statement, SPI_result_code_string(result));
}

/* The relation has a trigger of this kind of this source. */
static bool
has_trigger(Oid relation, const char *kind, int32 source_id)
{
	const char *query = psprintf("SELECT FROM pg_catalog.pg_trigger WHERE tgrelid OPERATOR(pg_catalog.=) %u"
								 " AND tgname OPERATOR(pg_catalog.=) 'xmcoh_%s_%d'", relation, kind, source_id);

	if (SPI_execute(query, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_trigger");
	return SPI_processed > 0;
}

static void
change_triggers(FunctionCallInfo fcinfo, bool make)
{
	Oid			relation = PG_GETARG_OID(0);
	int32		source_id = PG_GETARG_INT32(1);
	const char *name = xmcoh_relation_name(relation);
	RestrictState before;

	if (name == NULL)
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", relation));
	xmcoh_restrict_begin_as(&before, PG_GETARG_OID(2));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	for (int k = 0; k < (int) lengthof(triggers); k++)
	{
		bool		has = has_trigger(relation, triggers[k].name, source_id);

		if (make && !has)
			run(psprintf("CREATE %s xmcoh_%s_%d AFTER %s ON %s %s EXECUTE FUNCTION xmcoh.guard_order('%d')", triggers[k].kind,
						 triggers[k].name, source_id, triggers[k].event, name, triggers[k].when, source_id));
		else if (!make && has)
			run(psprintf("DROP TRIGGER IF EXISTS xmcoh_%s_%d ON %s", triggers[k].name, source_id, name));
	}
	SPI_finish();
	xmcoh_restrict_end(&before);
}

/* make_guard(relation, source_id, caller) */
Datum
xmcoh_make_guard(PG_FUNCTION_ARGS)
{
	change_triggers(fcinfo, true);
	PG_RETURN_VOID();
}

/* remove_guard(relation, source_id, caller) */
Datum
xmcoh_remove_guard(PG_FUNCTION_ARGS)
{
	change_triggers(fcinfo, false);
	PG_RETURN_VOID();
}
