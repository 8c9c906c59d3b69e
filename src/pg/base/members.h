/*
 * members.h - dynamic background workers that compute for a process, their leader, in one dynamic shared memory segment.
 *
 * The members are connected to no database and read no catalog, so they delay neither DROP DATABASE nor vacuum. They end when
 * the leader says so or ends, and they may be terminated. What is computed, and who computes what, is the caller's: the
 * training of networks (training/workers.h), the scoring of documents (query/scoring_workers.h).
 */
#ifndef XMCOH_PG_MEMBERS_H
#define XMCOH_PG_MEMBERS_H

#include "postgres.h"

#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/proc.h"
#include "storage/spin.h"

#define XMCOH_MAX_MEMBERS 32

/* Who takes part. The first member of the struct at the beginning of the segment. */
typedef struct MemberTable
{
	slock_t		lock;			/* of all that follows; the caller's assignment of work may be under it, too */
	PGPROC	   *leader;
	int32		n_members;
	int32		n_left;
	PGPROC	   *member[XMCOH_MAX_MEMBERS]; /* NULL: left */
	bool		over;
} MemberTable;

/* The leader's side. */
typedef struct Members
{
	dsm_segment *segment;		/* NULL: no other processes now */
	MemberTable *table;			/* at the beginning of the segment */
	int			n_handles;		/* processes that were asked for */
	BackgroundWorkerHandle *handle[XMCOH_MAX_MEMBERS];
} Members;

/* ---- the leader ---- */

/*
 * How many processes may still be started. One slot stays free for each job that may still begin in the server, so that no
 * role's job waits for another role's members, and one for a schedule worker. Workers that are connected count as taken. A worker
 * that is just being started does not, but then a registration fails.
 */
extern int	xmcoh_spare_slots(void);

/* Creates the segment; gives its address. NULL: there is not enough shared memory. */
extern void *xmcoh_members_create(Members *members, Size size);

/*
 * Begins with the table, which is at the beginning of the segment; the rest of the segment is filled. Registers `wanted` processes
 * that run `function`, at most XMCOH_MAX_MEMBERS, as far as there are slots, and does not wait for them. `type` and `name`: as
 * pg_stat_activity and the log show them. Allocates in CurrentMemoryContext, for xmcoh_members_end. If no process was registered, the segment is given back.
 */
extern void xmcoh_members_start(Members *members, int wanted, const char *type, const char *name, const char *function,
								BgWorkerStartTime start_time);

/* Wakes all members: there is something to do. */
extern void xmcoh_members_wake(MemberTable *table);

/* Ends the processes, waits for that, and gives the segment back. */
extern void xmcoh_members_end(Members *members);

/* After an error: ends them, too, but waits for none. */
extern void xmcoh_members_abandon(Members *members);

/* ---- a member ---- */

/*
 * The beginning of the main function of a member: connects it, gives it a resource owner and a memory context with this name, and
 * attaches the segment. Ends the process if the leader has ended.
 */
extern dsm_segment *xmcoh_member_begin(Datum argument, const char *context_name);

/* Joins the table and gives the member's number there. Ends the process if all is over. */
extern int32 xmcoh_member_join(MemberTable *table);

/* Leaves it, and wakes the leader. For a callback of on_dsm_detach. */
extern void xmcoh_member_leave(MemberTable *table, int32 number);

/* ---- all processes ---- */

/*
 * Waits until `seen` may be true, all is over, or this process is woken for another reason. Handles interrupts. `spins`: how often
 * the process looks before it sleeps.
 */
extern void xmcoh_members_wait(MemberTable *table, bool (*seen) (const volatile MemberTable *table), int spins);

#endif
