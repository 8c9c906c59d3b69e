/*
 * training_job.h - what a job trains with: its options, shards and text encoders. A study trains, too.
 */
#ifndef XMCOH_PG_TRAINING_JOB_H
#define XMCOH_PG_TRAINING_JOB_H

#include "model/cachefile.h"
#include "training/session.h"
#include "training/training_set.h"

struct xmc_transformer;

typedef struct TrainingJob
{
	xmc_options options;		/* the model's, with the job's own over them */
	char	   *on_success;		/* 'deploy', 'challenge' or 'keep' */
	int32		shards;
	bool		was_interrupted;
	bool		has_checkpoint;
	TrainingEncoder encoder;	/* without progress */
	const struct xmc_transformer *base_encoder; /* that the training fine-tunes; NULL: none */
	bool		shares_encoder; /* its file, with other processes */
	SharedFile	shared_encoder;
	char		encoder_name[XMC_MODALITIES][XMC_ENCODER_NAME + 1];	/* as in xmc_model */
} TrainingJob;

/*
 * Makes the job running, in phase reading, and reads what it trains with. Allocates in `memory`. ERROR: those of worker_check_state
 * and worker_check_submitter.
 */
extern void xmcoh_start_training_job(WorkerJob *job, MemoryContext memory, TrainingJob *out);

#endif
