/*
 * queue.h - the queue of training jobs: put a job into it, ask for the worker of a queued job, or end the job.
 */
#ifndef XMCOH_PG_QUEUE_H
#define XMCOH_PG_QUEUE_H

#include "base/xmcoh.h"

/* A job that ended early this often since its last checkpoint is not resumed without a person. */
#define XMCOH_MAX_ATTEMPTS 3

/*
 * These three are for the schedule worker: in a superuser's transaction, without an SPI connection, the job's row locked.
 *
 * resume puts an interrupted job back into the queue. false: the job stays interrupted, with a message that says why: it
 * was begun too often without a new checkpoint, or its roles lack what they had. ERROR: those of
 * xmcoh_internal.requeue_job.
 */
extern bool xmcoh_resume(int32 job_id);

/* Asks for the worker of a queued job. false: the job cannot be begun any more, and has failed with a message. */
extern bool xmcoh_begin_queued(int32 job_id);

/* Ends a queued job as failed, with this reason. Returns true. */
extern bool xmcoh_fail_queued(int32 job_id, const char *why);

#endif
