/*
 * launcher.h - the process that sees to schedules and queued jobs; only there when xmcoh is in shared_preload_libraries.
 *
 * The launcher is connected to no database, so that it blocks nobody, and sleeps until something comes due. Then it starts
 * a schedule worker (schedule_worker.c) in the database in question: a process that does what is due there, reports when to
 * come again, and ends.
 */
#ifndef XMCOH_PG_LAUNCHER_H
#define XMCOH_PG_LAUNCHER_H

#include "base/xmcoh.h"

#include "datatype/timestamp.h"

#define XMCOH_LAUNCHER_TYPE "xmcoh launcher"
#define XMCOH_SCHEDULE_WORKER_TYPE "xmcoh scheduler"

/*
 * A server run begins when the server's shared memory is made: at its start, after a crash, and, for a standby, at its
 * promotion.
 */

/* What a schedule worker receives in bgw_extra. */
typedef struct ScheduleWorkerStart
{
	Oid			database;
	int32		number;			/* of this schedule worker, to tell its report from a late one of an earlier worker */
	bool		first;			/* in this server run: jobs that the end of the last run has interrupted are resumed */
	TimestampTz considered;		/* what came due up to this time has been dealt with */
	TimestampTz run_began;		/* the server run */
} ScheduleWorkerStart;

/* Asks for shared memory and registers the launcher; in _PG_init, while shared_preload_libraries are being loaded. */
extern void xmcoh_launcher_init(void);

/* Whether this server has a launcher. */
extern bool xmcoh_launcher_loaded(void);

/* Whether this process is a schedule worker. */
extern bool xmcoh_in_schedule_worker(void);

/*
 * The report of a schedule worker at its end. next_due: when the next schedule comes due (DT_NOEND: never). again: not all
 * that is due could be done, so the next worker must come soon. waiting: jobs in the queue wait for their turn. began: a
 * job's turn has come.
 */
extern void xmcoh_launcher_report(const ScheduleWorkerStart *start, TimestampTz next_due, bool again, bool waiting,
								  bool began);

#endif
