/*
 * job.h - the state of a training job: derived from its row and its worker, reconciled with the row, awaited.
 */
#ifndef XMCOH_PG_JOB_H
#define XMCOH_PG_JOB_H

#include "base/xmcoh.h"

/* Whether a job in this state is not over; in SQL: xmcoh_internal.is_active(state). */
extern bool xmcoh_is_active(const char *state);

/*
 * Writes the state that xmcoh.job shows into the row of a job whose worker is dead; returns whether that was needed. A job
 * that is over, or whose worker lives, is left alone. Needs SPI.
 */
extern bool xmcoh_reconcile(int32 job_id);

/*
 * Runs one statement about a job, which is its only parameter. The statement sees everything that is committed, also where
 * the transaction's own snapshot is older. Returns the number of rows, in SPI_tuptable. Needs SPI.
 */
extern uint64 xmcoh_query_job(const char *query, int32 job_id, bool read_only);

#endif
