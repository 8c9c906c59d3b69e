/* after_job.h - what a worker does when its job is over: old versions are pruned, and alerts opened and closed. */
#ifndef XMCOH_PG_AFTER_JOB_H
#define XMCOH_PG_AFTER_JOB_H

#include "training/session.h"

/*
 * Each in a transaction of its own, which waits for no lock for long. An error goes to the server's log, since the job is over:
 * the next training prunes, and the next visit of a schedule worker tells of alerts.
 */
extern void xmcoh_after_job(const WorkerJob *job);

#endif
