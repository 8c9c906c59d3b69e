/* snapshot.h - the job of kind 'snapshot': measures the documents of a model as they are, and stores the figures. */
#ifndef XMCOH_PG_SNAPSHOT_H
#define XMCOH_PG_SNAPSHOT_H

#include "training/session.h"

/* Runs the claimed job. Errors end the job. */
extern void xmcoh_run_snapshot(WorkerJob *job);

#endif
