/*
 * training.h - one training run: from the sources' documents to a stored version.
 */
#ifndef XMCOH_PG_TRAINING_H
#define XMCOH_PG_TRAINING_H

#include "training/worker.h"

/* Runs the whole of it for a job in state 'starting'; leaves it in state 'succeeded', or by ERROR. */
extern void xmcoh_run_training(WorkerJob *job);

#endif
