/*
 * study.h - a study: the learning curve of a model, a small training for each size and sample of its approved documents.
 */
#ifndef XMCOH_PG_STUDY_H
#define XMCOH_PG_STUDY_H

#include "training/session.h"

/* Measures the cells that xmcoh.learning_curve_record lacks; the job is 'succeeded' afterwards, or this is an ERROR. */
extern void xmcoh_run_study(WorkerJob *job);

#endif
