/*
 * training.h - one training run: from the sources' documents to a stored version.
 */
#ifndef XMCOH_PG_TRAINING_H
#define XMCOH_PG_TRAINING_H

#include "training/session.h"

/* Trains for a job in state 'starting'; the job is 'succeeded' or 'rejected' afterwards, or this is an ERROR. */
extern void xmcoh_run_training(WorkerJob *job);

#endif
