/*
 * decide.c - what decisions need besides their rows: a lock on a document, the search for contradictions, and the triggers
 * of the view xmcoh.approved_pair.
 *
 * Each function here is called by a function of sql/decisions.sql as the extension's owner, or is a trigger that becomes
 * that owner.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/access.h"
#include "base/statement.h"
#include "source/decision_graph.h"
#include "source/document_lock.h"

PG_FUNCTION_INFO_V1(xmcoh_lock_document);
PG_FUNCTION_INFO_V1(xmcoh_check_decisions);
PG_FUNCTION_INFO_V1(xmcoh_insert_pair);
PG_FUNCTION_INFO_V1(xmcoh_check_inserted_pairs);

/* lock_document(model_id integer, document text): until the end of the transaction */
Datum
xmcoh_lock_document(PG_FUNCTION_ARGS)
{
	const char *document = text_to_cstring(PG_GETARG_TEXT_PP(1));

	xmcoh_lock_documents(PG_GETARG_INT32(0), 1, &document);
	PG_RETURN_VOID();
}

/* ---- contradictions ---- */

/*
 * ERROR data_exception when the decisions in force about a document contradict each other. The snapshot is the latest one,
 * whatever the isolation level: the lock on the document was free only after all others that decided had committed.
 */
static void
check_decisions(int32 model_id, const char *document, int64 present)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh check of decisions", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	Decisions  *decisions;
	StringInfoData text;

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	MemoryContextSwitchTo(memory);
	decisions = xmcoh_read_decisions(model_id, &(DocumentKeys) {.n = 1,.key = &document});
	SPI_finish();
	MemoryContextSwitchTo(memory);
	PopActiveSnapshot();
	initStringInfo(&text);
	if (decisions->n > 0 &&
		xmcoh_find_contradiction(xmcoh_decision_graph(document, decisions->decision, decisions->n, NULL, 0), present, &text))
		ereport(ERROR,
				errcode(ERRCODE_DATA_EXCEPTION),
				errmsg("decisions about document \"%s\" contradict each other", document),
				errdetail("%s", text.data),
				errhint("Withdraw one of them with xmcoh.withdraw(decision_id) first."));
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
}

/* check_decisions(model_id integer, document text, present bigint) */
Datum
xmcoh_check_decisions(PG_FUNCTION_ARGS)
{
	check_decisions(PG_GETARG_INT32(0), text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_INT64(2));
	PG_RETURN_VOID();
}

/* ---- INSERT INTO xmcoh.approved_pair ---- */

/* The columns of the view, from 1. */
enum
{
	MODEL_ID = 1, DOCUMENT, BEFORE, AFTER, APPROVED_BY, APPROVED_AT
};

/*
 * The documents into which this transaction has inserted and that have not been checked yet. If each row were checked
 * against all pairs of its document, a document would take quadratic time; so documents are checked at the end of the
 * statement.
 */
typedef struct Inserted
{
	int32		model_id;
	char	   *document;
	SubTransactionId by;		/* in which the row was inserted */
} Inserted;

typedef struct Unchecked
{
	MemoryContext memory;
	int64		n;
	int64		capacity;
	Inserted   *inserted;
} Unchecked;

static Unchecked *unchecked = NULL; /* in a child of TopTransactionContext */

static void
forget_unchecked(void *arg)
{
	(void) arg;
	unchecked = NULL;
}

static void
begin_unchecked(void)
{
	MemoryContext memory = AllocSetContextCreate(TopTransactionContext, "xmcoh unchecked documents", ALLOCSET_SMALL_SIZES);
	MemoryContextCallback *callback = MemoryContextAllocZero(memory, sizeof(MemoryContextCallback));

	callback->func = forget_unchecked;
	MemoryContextRegisterResetCallback(memory, callback);
	unchecked = MemoryContextAllocZero(memory, sizeof(Unchecked));
	unchecked->memory = memory;
	unchecked->capacity = 64;
	unchecked->inserted = MemoryContextAlloc(memory, unchecked->capacity * sizeof(Inserted));
}

static void
add_unchecked(int32 model_id, const char *document)
{
	const Inserted *last;

	if (unchecked == NULL)
		begin_unchecked();
	/* rows of one document mostly follow each other */
	last = unchecked->n > 0 ? &unchecked->inserted[unchecked->n - 1] : NULL;
	if (last != NULL && last->model_id == model_id && last->by == GetCurrentSubTransactionId() &&
		strcmp(last->document, document) == 0)
		return;
	if (unchecked->n == unchecked->capacity)
		unchecked->inserted = repalloc_huge(unchecked->inserted, (unchecked->capacity *= 2) * sizeof(Inserted));
	unchecked->inserted[unchecked->n++] = (Inserted) {model_id, MemoryContextStrdup(unchecked->memory, document),
	GetCurrentSubTransactionId()};
}

static int
compare_inserted(const void *a, const void *b)
{
	const Inserted *ia = a;
	const Inserted *ib = b;

	if (ia->model_id != ib->model_id)
		return ia->model_id < ib->model_id ? -1 : 1;
	return strcmp(ia->document, ib->document);
}

/* The trigger that fires: INSTEAD OF for a row, or for a statement. */
static TriggerData *
trigger_of_view(FunctionCallInfo fcinfo, bool for_row)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
		TRIGGER_FIRED_INSTEAD(trigger->tg_event) != for_row || RelationGetRelid(trigger->tg_relation) !=
		get_relname_relid("approved_pair", get_namespace_oid("xmcoh", false)))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("this trigger is for xmcoh.approved_pair alone"));
	return trigger;
}

/* Calls xmcoh_internal.insert_pair; whether the pair is new. */
static bool
call_insert_pair(Oid caller, const Datum *value)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[5] = {OIDOID, INT4OID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[5] = {ObjectIdGetDatum(caller), value[0], value[1], value[2], value[3]};
	bool		is_null;
	bool		result;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	prepared(&plan, "SELECT xmcoh_internal.insert_pair($1, $2, $3, $4, $5)", 5, types);
	if (SPI_execute_plan(plan, values, NULL, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not insert an approved pair");
	result = DatumGetBool(first_value(1, &is_null));
	SPI_finish();
	return result;
}

/* The inserted row with who and when, for RETURNING. */
static HeapTuple
with_approval(HeapTuple tuple, TupleDesc desc, Oid caller)
{
	int			column[2] = {APPROVED_BY, APPROVED_AT};
	NameData	name;
	Datum		value[2] = {NameGetDatum(&name), TimestampTzGetDatum(GetCurrentTransactionStartTimestamp())};
	bool		is_null[2] = {false, false};

	namestrcpy(&name, GetUserNameFromId(caller, false));
	return heap_modify_tuple_by_cols(tuple, desc, 2, column, value, is_null);
}

/* INSTEAD OF INSERT, for each row: as the role that inserts, which is whom the decision names. */
Datum
xmcoh_insert_pair(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_of_view(fcinfo, true);
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	Datum		value[4];
	bool		is_null;
	bool		is_new;
	Oid			caller;
	int			security;

	for (int c = APPROVED_BY; c <= APPROVED_AT; c++)
	{
		(void) heap_getattr(trigger->tg_trigtuple, c, desc, &is_null);
		if (!is_null)
			ereport(ERROR,
					errcode(ERRCODE_GENERATED_ALWAYS),
					errmsg("cannot insert into column \"%s\" of xmcoh.approved_pair",
						   NameStr(TupleDescAttr(desc, c - 1)->attname)),
					errdetail("The server writes who approved, and when."));
	}
	for (int c = MODEL_ID; c <= AFTER; c++)
	{
		value[c - 1] = heap_getattr(trigger->tg_trigtuple, c, desc, &is_null);
		if (is_null)
			ereport(ERROR,
					errcode(ERRCODE_NOT_NULL_VIOLATION),
					errmsg("column \"%s\" of an approved pair must not be NULL", NameStr(TupleDescAttr(desc, c - 1)->attname)));
	}
	GetUserIdAndSecContext(&caller, &security);
	SetUserIdAndSecContext(xmcoh_extension_owner(), security | SECURITY_LOCAL_USERID_CHANGE);
	is_new = call_insert_pair(caller, value);
	SetUserIdAndSecContext(caller, security);
	if (!is_new)
		return PointerGetDatum(NULL);
	add_unchecked(DatumGetInt32(value[0]), TextDatumGetCString(value[1]));
	return PointerGetDatum(with_approval(trigger->tg_trigtuple, desc, caller));
}

/*
 * AFTER INSERT, once for a statement. The statement may be one of a function that another INSERT calls, and what this check
 * saw may be rolled back to a savepoint of that function. So what an outer subtransaction inserted is checked again.
 */
Datum
xmcoh_check_inserted_pairs(PG_FUNCTION_ARGS)
{
	Unchecked  *todo = unchecked;
	int64		kept = 0;

	(void) trigger_of_view(fcinfo, false);
	if (todo == NULL)
		return PointerGetDatum(NULL);
	qsort(todo->inserted, todo->n, sizeof(Inserted), compare_inserted);
	for (int64 k = 0; k < todo->n; k++)
		if (k == 0 || compare_inserted(&todo->inserted[k - 1], &todo->inserted[k]) != 0)
			check_decisions(todo->inserted[k].model_id, todo->inserted[k].document, 0);
	for (int64 k = 0; k < todo->n; k++)
		if (todo->inserted[k].by < GetCurrentSubTransactionId())	/* inner ones have larger numbers */
			todo->inserted[kept++] = todo->inserted[k];
	todo->n = kept;
	if (kept == 0)
		MemoryContextDelete(todo->memory);
	return PointerGetDatum(NULL);
}
