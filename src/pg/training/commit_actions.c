/*
 * commit_actions.c - starts workers before a commit, interrupts workers and wakes the launcher after it; see
 * commit_actions.h
 */
#include "training/commit_actions.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/launcher_hooks.h"
#include "base/processes.h"
#include "training/job_process.h"

typedef enum ActionKind
{
	ACTION_START,				/* start a worker: before the commit, because it may fail */
	ACTION_INTERRUPT,			/* interrupt a worker: after the commit, when the worker can see why */
	ACTION_WAKE					/* wake the launcher: after the commit */
} ActionKind;

/* In TopTransactionContext, so that the end of the transaction frees it. */
typedef struct Action
{
	struct Action *next;
	ActionKind	kind;
	SubTransactionId subxact;	/* the action is dropped if this one rolls back */
	JobStart	start;
	PGPROC	   *proc;			/* the process to interrupt, and its pid: a slot and a pid are not reused together */
	int			pid;
} Action;

static Action *actions = NULL;	/* the last one first */

static Action *
add_action(ActionKind kind)
{
	Action	   *action = MemoryContextAllocZero(TopTransactionContext, sizeof(Action));

	action->kind = kind;
	action->subxact = GetCurrentSubTransactionId();
	action->next = actions;
	actions = action;
	return action;
}

void
xmcoh_start_worker_at_commit(const JobStart *start)
{
	add_action(ACTION_START)->start = *start;
}

void
xmcoh_interrupt_worker_at_commit(PGPROC *proc, int pid)
{
	Action	   *action = add_action(ACTION_INTERRUPT);

	action->proc = proc;
	action->pid = pid;
}

void
xmcoh_wake_at_commit(void)
{
	/* Once is enough, and a transaction may hold many statements. */
	if (actions == NULL || actions->kind != ACTION_WAKE || actions->subxact != GetCurrentSubTransactionId())
		(void) add_action(ACTION_WAKE);
}

static void
register_worker(const JobStart *start)
{
	BackgroundWorker worker = xmcoh_background_worker(XMCOH_WORKER_TYPE, "xmcoh_worker_main", start, sizeof(JobStart));
	BackgroundWorkerHandle *handle;

	StaticAssertStmt(sizeof(JobStart) <= BGW_EXTRALEN, "bgw_extra is too small");
	snprintf(worker.bgw_name, BGW_MAXLEN, XMCOH_WORKER_NAME, start->job_id);
	worker.bgw_restart_time = 1;	/* the next process writes that its predecessor died: see worker.c */
	worker.bgw_main_arg = Int32GetDatum(start->job_id);

	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		ereport(ERROR,
				errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				errmsg("no background worker is free for training job %d", start->job_id),
				errdetail("All max_worker_processes (%d) slots are taken.", max_worker_processes),
				errhint("Raise max_worker_processes, or train when other workers have finished."));
}

/*
 * Allocates nothing: this runs after the commit. The pid must still be that of the worker for which the action was
 * added.
 */
static void
interrupt_worker(const Action *action)
{
	if (action->proc->pid == action->pid && xmcoh_proc_is_worker(action->proc))
		kill(action->pid, SIGINT);
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	(void) arg;
	if (actions == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			for (Action *action = actions; action; action = action->next)
				if (action->kind == ACTION_START)
					register_worker(&action->start);
			break;
		case XACT_EVENT_COMMIT:
			for (Action *action = actions; action; action = action->next)
				if (action->kind == ACTION_INTERRUPT)
					interrupt_worker(action);
				else if (action->kind == ACTION_WAKE && xmcoh_launcher_hooks != NULL)
					xmcoh_launcher_hooks->wake(MyDatabaseId);
			actions = NULL;
			break;
		case XACT_EVENT_ABORT:
			actions = NULL;
			break;
		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("cannot PREPARE a transaction that has started or cancelled a training job, or changed a"
						   " schedule"));
			break;
		default:
			break;
	}
}

static void
at_subtransaction_event(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	(void) arg;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (Action *action = actions; action; action = action->next)
			if (action->subxact == mine)
				action->subxact = parent;
	}
	else if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		for (Action **link = &actions; *link;)
			if ((*link)->subxact == mine)
				*link = (*link)->next;
			else
				link = &(*link)->next;
	}
}

void
xmcoh_commit_actions_init(void)
{
	RegisterXactCallback(at_transaction_event, NULL);
	RegisterSubXactCallback(at_subtransaction_event, NULL);
}
