/*
 * trigger.c - guard_order, the function of a guard's triggers: collects the documents that a transaction touches, and checks
 * each of them once, when the deferred constraint trigger fires.
 *
 * A trigger fires as whoever writes to the table, and so does all that it reads and computes. Only rows of
 * xmcoh.violation_record are written as the extension's owner (violation.c).
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/restricted.h"
#include "guard/guard.h"
#include "guard/touched.h"
#include "guard/violation.h"
#include "source/document_lock.h"

PG_FUNCTION_INFO_V1(xmcoh_guard_order);

/* ---- when a check cannot be made ---- */

/* Whether this guard has not warned in this transaction. */
static bool
may_warn(const Guard *guard)
{
	static LocalTransactionId transaction;
	static int32 source_id;

	if (transaction == xmcoh_local_transaction() && source_id == guard->source_id)
		return false;
	transaction = xmcoh_local_transaction();
	source_id = guard->source_id;
	return true;
}

/* ---- collecting ---- */

/* What is collected of the rows of a relation; remembered for the transaction, because a statement may have few rows. */
typedef struct Collector
{
	LocalTransactionId transaction;
	int32		source_id;
	Oid			relation;
	CommandId	command;
	int			n;				/* 0: there is no guard; that is remembered for the command only */
	AttrNumber	column[MAX_GUARD_COLUMNS];	/* (n) the document's first */
} Collector;

static Collector collector;		/* the last one */

/* The relation's columns may have changed, or what had changed them was rolled back. */
static void
forget_collector(Datum arg, Oid relation)
{
	(void) arg;
	if (relation == collector.relation || !OidIsValid(relation))
		collector.transaction = InvalidLocalTransactionId;
}

static void
make_collector(int32 source_id, Relation relation)
{
	static bool registered = false;
	Guard		guard;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(forget_collector, (Datum) 0);
		registered = true;
	}
	collector = (Collector) {.transaction = xmcoh_local_transaction(),.source_id = source_id,
		.relation = RelationGetRelid(relation),.command = GetCurrentCommandId(false)};
	if (!xmcoh_read_guard(source_id, relation, &guard))
		return;
	collector.n = xmcoh_guard_columns(source_id, relation, collector.column);
	if (collector.n == 0 && (guard.strict || may_warn(&guard)))
		ereport(guard.strict ? ERROR : WARNING,
				errcode(ERRCODE_UNDEFINED_COLUMN),
				errmsg("the orders of documents are not checked: a column of the source is missing"),
				errhint("The view xmcoh.guard says which one."));
}

static bool
is_collector(int32 source_id, Relation relation)
{
	return collector.transaction == xmcoh_local_transaction() && collector.source_id == source_id &&
		collector.relation == RelationGetRelid(relation) &&
		(collector.n > 0 || collector.command == GetCurrentCommandId(false));
}

/* Toasted values that were not changed have the same pointer, so they need not be read. */
static bool
is_same_value(Datum a, Datum b, Form_pg_attribute attribute)
{
	if (attribute->attlen == -1 && VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(a)) &&
		VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(b)) &&
		memcmp(DatumGetPointer(a), DatumGetPointer(b), VARSIZE_EXTERNAL(DatumGetPointer(a))) == 0)
		return true;
	return datum_image_eq(a, b, attribute->attbyval, attribute->attlen);
}

/* Whether an update changes nothing that the order of a document depends on. */
static bool
is_irrelevant(Relation relation, HeapTuple before, HeapTuple after)
{
	TupleDesc	desc = RelationGetDescr(relation);

	for (int k = 0; k < collector.n; k++)
	{
		bool		null_before;
		bool		null_after;
		Datum		value_before = heap_getattr(before, collector.column[k], desc, &null_before);
		Datum		value_after = heap_getattr(after, collector.column[k], desc, &null_after);

		if (null_before != null_after ||
			(!null_before && !is_same_value(value_before, value_after, TupleDescAttr(desc, collector.column[k] - 1))))
			return false;
	}
	return true;
}

/* The command that changed a row; InvalidCommandId: it is not known, because the table is no heap. */
static CommandId
changing_command(const TriggerData *data)
{
	if (data->tg_relation->rd_tableam != GetHeapamTableAmRoutine())
		return InvalidCommandId;
	if (TRIGGER_FIRED_BY_DELETE(data->tg_event))
		return HeapTupleHeaderGetCmax(data->tg_trigtuple->t_data);
	return HeapTupleHeaderGetCmin(TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple->t_data
								  : data->tg_trigtuple->t_data);
}

static void
touch(Relation relation, HeapTuple row, int32 source_id, CommandId command)
{
	bool		is_null;
	Datum		value = heap_getattr(row, collector.column[0], RelationGetDescr(relation), &is_null);
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), collector.column[0] - 1);

	if (!is_null)
		xmcoh_touch(source_id, (DocumentKey) {value, attribute->atttypid, attribute->attlen, attribute->attbyval}, command);
}

static void
collect(const TriggerData *data, int32 source_id)
{
	Relation	relation = data->tg_relation;
	CommandId	command;

	if (!is_collector(source_id, relation))
		make_collector(source_id, relation);
	if (collector.n == 0)
		return;
	command = changing_command(data);
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
	{
		if (is_irrelevant(relation, data->tg_trigtuple, data->tg_newtuple))
			return;
		touch(relation, data->tg_newtuple, source_id, command);
	}
	touch(relation, data->tg_trigtuple, source_id, command);
}

/* ---- failures ---- */

/*
 * What is no fault of the model: the user or the server has ended the statement, the server has no memory or disk space, or
 * the transaction can be tried again.
 */
static bool
must_not_be_swallowed(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case MAKE_SQLSTATE('4', '0', '0', '0', '0'):	/* transaction rollback: serialization failure, deadlock */
		case MAKE_SQLSTATE('5', '3', '0', '0', '0'):	/* insufficient resources */
		case MAKE_SQLSTATE('5', '7', '0', '0', '0'):	/* operator intervention: cancelled, shut down */
			return true;
		default:
			return sqlstate == ERRCODE_LOCK_NOT_AVAILABLE;
	}
}

#define BATCH 256				/* documents that are read and scored together */

/* What a call of the constraint trigger checks. */
typedef struct GuardCheck
{
	const Guard *guard;
	CheckRule	rule;
	const char *constraint;
	Relation	relation;		/* that the trigger is on */
	int64		n;
	DocumentKey *touched;		/* (n) */
	char	  **document;		/* (n) the keys */
	MemoryContext memory;		/* of the keys, then of a batch */
	int			batch;			/* documents in the batch that is being checked; 0: none is, yet */
	CheckedDocument *checked;	/* (batch) */
	bool		has_violations; /* on record, which may be resolved now */
	bool		is_hopeless;	/* further documents would fail in the same way */
} GuardCheck;

/* One WARNING in a transaction for each guard: further failures are not reported. */
static void
warn_unchecked(const GuardCheck *check, const ErrorData *error)
{
	const char *what = check->batch == 0 ? "the orders of documents were"
		: psprintf("the order of document \"%s\" was", check->checked[0].key);

	if (!may_warn(check->guard))
		return;
	ereport(WARNING,
			errcode(error->sqlerrcode),
			errmsg("%s not checked: %s", what, error->message),
			error->detail ? errdetail("%s", error->detail) : 0,
			error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE
			? errhint("A role that writes needs xmcoh.grant_usage, level score on model \"%s\", and SELECT on the source.",
					  check->guard->model)
			: errhint("The rows are written anyway. With strict => true this is an error."));
}

typedef void (*CheckStep) (GuardCheck *check);

/*
 * A step in a subtransaction: an error of the model, or of reading the documents, becomes a WARNING, and the answer is
 * false; without the WARNING unless `warn`. With strict the error stays.
 */
static bool
try_step(GuardCheck *check, CheckStep step, bool warn)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	if (check->guard->strict)
	{
		step(check);
		return true;
	}
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		step(check);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	if (error == NULL)
		return true;
	if (must_not_be_swallowed(error->sqlerrcode))
		ReThrowError(error);
	/* A missing privilege, table or column is not one document's fault, nor are damaged weights. */
	check->is_hopeless = ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_TO_CATEGORY(ERRCODE_UNDEFINED_TABLE) ||
		ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_TO_CATEGORY(ERRCODE_DATA_CORRUPTED);
	if (warn || check->is_hopeless)
		warn_unchecked(check, error);
	FreeErrorData(error);
	return false;
}

/* ---- the steps ---- */

static int
compare_documents(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The text of a document's key, as the source reads it (columns.c). */
static char *
document_text(DocumentKey touched)
{
	static const char query[] = "SELECT ($1)::pg_catalog.text";
	char	   *key;

	switch (touched.type)
	{
		case TEXTOID:
		case VARCHAROID:
			return TextDatumGetCString(touched.value);
		case INT4OID:
			return psprintf("%d", DatumGetInt32(touched.value));
		case INT8OID:
			return psprintf(INT64_FORMAT, DatumGetInt64(touched.value));
		default:
			break;
	}
	if (SPI_execute_with_args(query, 1, &touched.type, &touched.value, NULL, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not run \"%s\"", query);
	key = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	SPI_freetuptable(SPI_tuptable);
	return key;
}

/* The keys as text, sorted, distinct. Runs the cast of the column's type, as the current user. */
static void
name_documents(GuardCheck *check)
{
	int64		kept = 0;
	RestrictState before;

	xmcoh_restrict_begin(&before);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	for (int64 k = 0; k < check->n; k++)
	{
		char	   *text = document_text(check->touched[k]);

		if (text != NULL)
			check->document[kept++] = MemoryContextStrdup(check->memory, text);
	}
	SPI_finish();
	xmcoh_restrict_end(&before);
	check->n = kept;
	kept = 0;
	qsort(check->document, check->n, sizeof(char *), compare_documents);
	for (int64 k = 0; k < check->n; k++)
		if (kept == 0 || strcmp(check->document[kept - 1], check->document[k]) != 0)
			check->document[kept++] = check->document[k];
	check->n = kept;
}

static void
find_model(GuardCheck *check)
{
	check->rule.deployed = xmcoh_find_deployed(check->rule.model, strlen(check->rule.model));
}

/*
 * Under an isolation level with one snapshot for the transaction, what others have committed since is not seen, so a check
 * could pass that fails on what is stored. Such a document must be as it was.
 */
static void
refuse_changed(const GuardCheck *check)
{
	CheckedDocument *now = palloc0(sizeof(CheckedDocument) * check->batch);

	for (int k = 0; k < check->batch; k++)
		now[k].key = check->checked[k].key;
	PushActiveSnapshot(GetLatestSnapshot());
	xmcoh_digest_documents(&check->rule, check->batch, now);
	PopActiveSnapshot();
	for (int k = 0; k < check->batch; k++)
		if (!xmcoh_same_hash(&now[k].digest, &check->checked[k].digest))
			ereport(ERROR,
					errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					errmsg("could not serialize access due to concurrent update"),
					errdetail("Document \"%s\" has been changed since the transaction began.", now[k].key));
}

/* Finds what is wrong with the documents of a batch; and records it, if the guard records. What is right is resolved. */
static void
check_batch(GuardCheck *check)
{
	MemoryContext caller = MemoryContextSwitchTo(check->memory);

	xmcoh_find_violations(&check->rule, check->batch, check->checked);
	if (check->rule.digests)
		refuse_changed(check);
	for (int k = 0; k < check->batch; k++)
		if (check->checked[k].violation ? check->guard->on_violation == ON_VIOLATION_RECORD : check->has_violations)
			xmcoh_record_violation(&check->rule, check->checked[k].key, check->checked[k].violation);
	MemoryContextSwitchTo(caller);
}

/* ---- checking ---- */

/* Sources give a NOTICE about inputs that are missing, which is for who scores, not for who writes rows. */
static int
silence_notices(void)
{
	int			level = NewGUCNestLevel();

	if (client_min_messages < WARNING)
		(void) set_config_option("client_min_messages", "warning", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

/* The documents of a batch, first .. first + n - 1. */
static void
set_batch(GuardCheck *check, int64 first, int n)
{
	check->batch = n;
	check->checked = MemoryContextAllocZero(check->memory, sizeof(CheckedDocument) * n);
	for (int k = 0; k < n; k++)
		check->checked[k].key = check->document[first + k];
}

static void
report_batch(const GuardCheck *check)
{
	int			level = check->guard->on_violation == ON_VIOLATION_ERROR ? ERROR : WARNING;

	for (int k = 0; k < check->batch && check->guard->on_violation != ON_VIOLATION_RECORD; k++)
		if (check->checked[k].violation != NULL)
			xmcoh_report_violation(level, &check->rule, check->checked[k].violation, check->constraint, check->relation);
}

/* Checks up to BATCH documents together. If that fails, one of them may be at fault: each is checked alone. */
static void
check_some(GuardCheck *check, int64 first, int n)
{
	set_batch(check, first, n);
	if (!try_step(check, check_batch, n == 1))
	{
		for (int k = 0; k < n && n > 1 && !check->is_hopeless; k++)
		{
			MemoryContextReset(check->memory);
			check_some(check, first + k, 1);
		}
		return;
	}
	report_batch(check);
}

/* Locks and checks the n documents, and tells what was found. */
static void
check_documents(GuardCheck *check)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh guard", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller;
	int			level;

	xmcoh_lock_documents(check->guard->model_id, check->n, (const char *const *) check->document);
	/* The snapshot has what others committed while this transaction waited for the locks, and what this one has done. */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	level = silence_notices();
	caller = MemoryContextSwitchTo(memory);
	check->memory = memory;
	check->batch = 0;
	check->has_violations = xmcoh_has_violations(check->guard->model_id);
	check->rule.digests = IsolationUsesXactSnapshot();
	check->rule.keep_plans = true;
	if (try_step(check, find_model, true))
		for (int64 first = 0; first < check->n && !check->is_hopeless; first += BATCH)
		{
			check_some(check, first, (int) Min(BATCH, check->n - first));
			MemoryContextReset(memory);
		}
	AtEOXact_GUC(false, level);
	PopActiveSnapshot();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
}

/*
 * Whether a dump is being restored, which must not be held up: the session has the settings of pg_dump's scripts and of
 * pg_restore. Only the owner of the table counts, who could disable the triggers as well.
 */
static bool
is_restoring(Relation relation)
{
	return !check_function_bodies && namespace_search_path[0] == '\0' && xmcoh_owns_relation(RelationGetRelid(relation));
}

/* Begins a check for a call of a trigger; false: there is nothing to be checked with. */
static bool
begin_check(const TriggerData *data, int32 source_id, Guard *guard, GuardCheck *check)
{
	if (!xmcoh_read_guard(source_id, data->tg_relation, guard))
		return false;
	*check = (GuardCheck) {.guard = guard,.constraint = data->tg_trigger->tgname,.relation = data->tg_relation,
		.memory = CurrentMemoryContext};
	check->rule = (CheckRule) {.model = guard->model,.source = guard->source,.precision = guard->precision,
	.allow_approved = guard->allow_approved};
	return true;
}

/* The first call for a source checks all documents that were touched; further calls find none. */
static void
check_touched(const TriggerData *data, int32 source_id)
{
	int64		n = xmcoh_count_touched(source_id);
	AttrNumber	column[MAX_GUARD_COLUMNS];
	GuardCheck	check;
	Guard		guard;

	if (n == 0 || !begin_check(data, source_id, &guard, &check) ||
		xmcoh_guard_columns(source_id, data->tg_relation, column) == 0)
		return;
	CommandCounterIncrement();	/* the check sees what was done so far */
	check.touched = xmcoh_take_touched(source_id);
	check.document = palloc_extended(sizeof(char *) * (n + 1), MCXT_ALLOC_HUGE);
	check.n = n;
	if (is_restoring(data->tg_relation))
		return;
	if (!guard.is_deployed)
	{
		if (guard.strict || may_warn(&guard))
			ereport(guard.strict ? ERROR : WARNING,
					errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("the orders of documents were not checked: model \"%s\" has no deployed version", guard.model),
					errhint("Train the model: SELECT xmcoh.train(%s);", quote_literal_cstr(guard.model)));
	}
	else if (try_step(&check, name_documents, true) && check.n > 0)
		check_documents(&check);
}

/*
 * TRUNCATE removes the rows of all documents. Of these, only those that have a row in xmcoh.violation_record can need a
 * check: the row is resolved, unless items in another relation (documents_of) are left and violate the order still.
 */
static void
check_truncated(const TriggerData *data, int32 source_id)
{
	GuardCheck	check;
	Guard		guard;

	if (!begin_check(data, source_id, &guard, &check) || !guard.is_deployed || !xmcoh_has_violations(guard.model_id))
		return;
	check.document = xmcoh_unresolved_documents(guard.model_id, guard.source, &check.n);
	if (check.n > 0)
		check_documents(&check);
}

/* ---- the function ---- */

/* guard_order(source_id): the function of a guard's triggers (enforce.c). */
Datum
xmcoh_guard_order(PG_FUNCTION_ARGS)
{
	const TriggerData *data = (TriggerData *) fcinfo->context;
	int32		source_id;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(data->tg_event) || data->tg_trigger->tgnargs != 1 ||
		TRIGGER_FIRED_BY_TRUNCATE(data->tg_event) == TRIGGER_FIRED_FOR_ROW(data->tg_event))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("xmcoh.guard_order is for the triggers that xmcoh.enforce_order makes"));
	source_id = pg_strtoint32(data->tg_trigger->tgargs[0]);
	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		check_truncated(data, source_id);
	else if (OidIsValid(data->tg_trigger->tgconstraint))
		check_touched(data, source_id);
	else
		collect(data, source_id);
	return PointerGetDatum(NULL);
}
