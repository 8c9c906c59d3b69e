/*
 * checkpoint.h - the state of a training at one of its stages, written to and read from the hooks of the training: a header
 * (magic, version, stage, fingerprints, checksum of these), the round if there is one, the state, a checksum of all bytes.
 */
#ifndef XMCOH_CHECKPOINT_H
#define XMCOH_CHECKPOINT_H

#include "train/stream.h"
#include "train/trainer.h"
#include "train/epochs.h"

typedef struct xmc_checkpoint_header
{
	char		magic[8];
	uint32_t	version;
	int32_t		stage;
	uint64_t	options_fingerprint;	/* of the options and the number of shards */
	uint64_t	documents_fingerprint;
	uint64_t	checksum;		/* of the fields above */
} xmc_checkpoint_header;

/*
 * The stages of a training in their order, from 1: the alignment, the terms, the terms of each round, the end of what is
 * measured, the terms of the refit, the models of the evaluation. A training that is resumed runs through the same code, leaves
 * out the stages before the stage of its checkpoint, and loads the state there.
 */
static inline int32_t
xmc_stage(int32_t round, xmc_term term)
{
	return 1 + round * (XMC_TERMS + 1) + (term == XMC_TERM_ALIGNMENT ? 0 : 1 + (int32_t) term);
}

#define XMC_REFIT (XMC_MAX_ROUNDS + 1)	/* in place of the number of a round */
#define XMC_STAGE_MEASURED xmc_stage(XMC_REFIT, XMC_TERM_ALIGNMENT)
#define XMC_STAGE_EVALUATION xmc_stage(XMC_REFIT + 1, XMC_TERM_ALIGNMENT)	/* and one stage for each model of the evaluation */

/* Whether the training is resumed and has not reached the stage of its checkpoint yet. */
static inline bool
xmc_is_resuming(const xmc_trainer *t)
{
	return t->resume_stage != 0;
}

/* Whether the training leaves this stage out, because its checkpoint stands in a later one. */
static inline bool
xmc_leaves_out(const xmc_trainer *t, int32_t stage)
{
	return t->resume_stage > stage;
}

/*
 * Computes the fingerprints and, where the hooks have a checkpoint to resume from, reads its header into t->resume_from and
 * t->resume_stage. Errors: as xmc_train of checkpoints.
 */
extern xmc_status xmc_checkpoint_open(xmc_trainer *t, const uint8_t *held_out);

/* Reads t->round of the checkpoint. */
extern xmc_status xmc_checkpoint_load_round(xmc_trainer *t);

/*
 * Loads the state at the stage of the checkpoint, if the training is resuming; else saves the state, if the hooks say
 * that a checkpoint is due. `e` is NULL at XMC_STAGE_MEASURED. Errors: as xmc_train of checkpoints, those of the hooks.
 */
extern xmc_status xmc_checkpoint_load_or_save(xmc_trainer *t, int32_t stage, xmc_epochs *e);

/* XMC_BAD_MODEL, because the training has gone past the stage of the checkpoint. */
extern xmc_status xmc_checkpoint_missed(xmc_trainer *t);

/* Pointers to what a pupil's training changes, as it is now: to be copied, saved or set. */
extern xmc_snapshot xmc_train_snapshot(xmc_trainer *t);

#endif
