/*
 * rows.c - the rows of a query over a user's relation, in a tuplestore; rows.h is the contract and says why.
 */
#include "source/rows.h"

#include "executor/executor.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "base/restricted.h"

#include "xmcoh/hash.h"

struct Rows
{
	MemoryContext memory;		/* of this struct, the store and the slot */
	Tuplestorestate *store;
	TupleTableSlot *slot;		/* the current row */
};

static void
add_context(void *arg)
{
	errcontext("reading the %s", (const char *) arg);
}

/* ---- plans that are kept ---- */

#define KEPT_PLANS 32

typedef struct KeptPlan
{
	uint64		query;			/* a hash of its text */
	SPIPlanPtr	plan;
	const char *text;
} KeptPlan;

static KeptPlan kept_plan[KEPT_PLANS];
static int	next_kept = 0;		/* where the next plan goes, in place of the oldest one */
static int	running = 0;		/* kept plans; the code that one of them runs may come here again */

/*
 * The plan of a query, kept for the session. PostgreSQL makes it anew when a relation has changed, or for another role where
 * row-level security depends on the role. The plan is made once for all values of the parameters: planning takes longer than
 * finding one document. NULL: its place is taken by a plan that may be running.
 */
static SPIPlanPtr
keep_plan(const char *query, const RowsParameters *parameters)
{
	uint64		hash = xmc_hash_bytes(query, strlen(query), 0);
	KeptPlan   *kept = &kept_plan[next_kept];
	SPIPlanPtr	plan;

	for (int k = 0; k < KEPT_PLANS; k++)
		if (kept_plan[k].plan != NULL && kept_plan[k].query == hash && strcmp(kept_plan[k].text, query) == 0)
			return kept_plan[k].plan;
	if (kept->plan != NULL && running > 0)
		return NULL;
	plan = SPI_prepare_cursor(query, parameters->n, unconstify(Oid *, &parameters->type[0]), CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", query, SPI_result_code_string(SPI_result));
	if (kept->plan != NULL)
	{
		SPI_freeplan(kept->plan);
		pfree(unconstify(char *, kept->text));
		*kept = (KeptPlan) {0};
	}
	kept->text = MemoryContextStrdup(TopMemoryContext, query);
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep the plan of \"%s\"", query);
	kept->query = hash;
	kept->plan = plan;
	next_kept = (next_kept + 1) % KEPT_PLANS;
	return plan;
}

/* ---- reading ---- */

/* The parameters as a list; NULL: there are none. */
static ParamListInfo
parameter_list(const RowsParameters *parameters)
{
	ParamListInfo list;

	if (parameters == NULL || parameters->n == 0)
		return NULL;
	list = makeParamList(parameters->n);
	for (int k = 0; k < parameters->n; k++)
		list->params[k] = (ParamExternData) {parameters->value[k], parameters->null[k] == 'n', PARAM_FLAG_CONST,
		parameters->type[k]};
	return list;
}

static int
execute_kept(SPIPlanPtr plan, const SPIExecuteOptions *options)
{
	int			result = 0;

	running++;
	PG_TRY();
	{
		result = SPI_execute_plan_extended(plan, options);
	}
	PG_FINALLY();
	{
		running--;
	}
	PG_END_TRY();
	return result;
}

static int
execute_query(const char *query, const RowsParameters *parameters, const SPIExecuteOptions *options)
{
	SPIPlanPtr	plan = parameters != NULL && parameters->keep_plan ? keep_plan(query, parameters) : NULL;

	return plan != NULL ? execute_kept(plan, options) : SPI_execute_extended(query, options);
}

/* Runs the query into the store. */
static void
run(Rows *rows, const char *query, const RowsParameters *parameters)
{
	SPIExecuteOptions options = {.read_only = true,.must_return_tuples = true,.params = parameter_list(parameters)};
	RestrictState before;
	int			result;

	options.dest = CreateTuplestoreDestReceiver();
	/*
	 * Toasted values are stored as pointers (detoast is false): the caller's snapshot keeps what they point to. So an
	 * embedding is written to the temporary file only if the query computed it.
	 */
	SetTuplestoreDestReceiverParams(options.dest, rows->store, rows->memory, false, NULL, NULL);
	xmcoh_restrict_begin(&before);
	/*
	 * No parallel workers, as for a cursor: starting them takes longer than finding one document, and training needs the
	 * worker slots. xmcoh_restrict_end sets this back.
	 */
	(void) set_config_option("max_parallel_workers_per_gather", "0", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
	result = execute_query(query, parameters, &options);
	xmcoh_restrict_end(&before);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\": %s", query, SPI_result_code_string(result));
	options.dest->rDestroy(options.dest);
}

Rows *
xmcoh_rows_read(const char *query, const RowsParameters *parameters, int n_columns, const Oid *types, const char *purpose)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh rows", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	ErrorContextCallback context = {.previous = error_context_stack,.callback = add_context,
	.arg = unconstify(char *, purpose)};
	Rows	   *rows = palloc(sizeof(Rows));
	TupleDesc	desc = CreateTemplateTupleDesc(n_columns);

	for (int c = 0; c < n_columns; c++)
		TupleDescInitEntry(desc, (AttrNumber) (c + 1), NULL, types[c], -1, 0);
	rows->memory = memory;
	rows->slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	rows->store = tuplestore_begin_heap(false, false, work_mem);
	tuplestore_set_eflags(rows->store, EXEC_FLAG_REWIND);
	error_context_stack = &context;
	run(rows, query, parameters);
	error_context_stack = context.previous;
	MemoryContextSwitchTo(caller);	/* SPI left its own memory context */
	return rows;
}

bool
xmcoh_rows_next(Rows *rows)
{
	MemoryContext caller;
	bool		found;

	CHECK_FOR_INTERRUPTS();
	/*
	 * A row from the file is allocated and must stay until the next row, so not in the caller's context, which may be
	 * reset.
	 */
	caller = MemoryContextSwitchTo(rows->memory);
	found = tuplestore_gettupleslot(rows->store, true, false, rows->slot);
	MemoryContextSwitchTo(caller);
	return found;
}

Datum
xmcoh_rows_value(const Rows *rows, int column, bool *is_null)
{
	return slot_getattr(rows->slot, column, is_null);
}

void
xmcoh_rows_rewind(Rows *rows)
{
	ExecClearTuple(rows->slot);
	tuplestore_rescan(rows->store);
}

void
xmcoh_rows_end(Rows *rows)
{
	ExecDropSingleTupleTableSlot(rows->slot);
	tuplestore_end(rows->store);
	MemoryContextDelete(rows->memory);
}
