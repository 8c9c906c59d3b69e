/*
 * launcher.h - the process that sees to schedules and to jobs that a restart has ended; only there when xmcoh is in
 * shared_preload_libraries.
 *
 * It is connected to no database, so that it is in nobody's way, and asleep until something comes due. Then it sends a
 * visitor (visitor.c) to the database in question: a process that does what is due there, reports when to come again,
 * and ends.
 */
#ifndef XMCOH_PG_LAUNCHER_H
#define XMCOH_PG_LAUNCHER_H

#include "base/xmcoh.h"

#include "datatype/timestamp.h"

/* What a visitor is told by bgw_extra. */
typedef struct Visit
{
	Oid			database;
	int32		number;			/* of this visit, to tell its report from one that comes late */
	bool		first;			/* in this life of the server: see to what the last one has left behind */
	TimestampTz considered;		/* what came due up to then has been seen to */
	TimestampTz life_began;		/* this life of the server */
} Visit;

/* Asks for shared memory and registers the launcher; in _PG_init, while shared_preload_libraries are being loaded. */
extern void xmcoh_launcher_init(void);

/* Whether this server has a launcher. */
extern bool xmcoh_launcher_loaded(void);

/* Has a database visited soon. Neither allocates nor fails: called after commit. */
extern void xmcoh_launcher_wake(Oid database);

/* The process of a job ends: another may begin, in whichever database. Neither allocates nor fails. */
extern void xmcoh_launcher_job_ended(void);

/*
 * A visitor's last word: nothing comes due there before next_due (DT_NOEND: ever). again: not all that is due could be
 * started, so that somebody must come back before long. waiting: there are jobs in the queue whose turn has not come. began:
 * a job's turn has come.
 */
extern void xmcoh_launcher_report(const Visit *visit, TimestampTz next_due, bool again, bool waiting, bool began);

#endif
