/*
 * checkpoint.h - the format in which the state of a training is written and read (train.h, xmc_train_hooks).
 *
 * A header (magic, version, stage, fingerprints, checksum of these), then sections, each behind its length, then a checksum
 * of all before it. Numbers are the machine's own: a checkpoint is for the server that wrote it. What is saved and what is
 * loaded is one list, gone through in either direction. Nothing is taken on trust: a number that could lead out of bounds
 * or is not finite makes the checkpoint a damaged one, even under a right checksum.
 */
#ifndef XMCOH_CHECKPOINT_H
#define XMCOH_CHECKPOINT_H

#include "xmcoh/base.h"
#include "xmcoh/hash.h"

typedef struct xmc_checkpoint_header
{
	char		magic[8];
	uint32_t	version;
	int32_t		stage;
	uint64_t	options_fingerprint;	/* and of the number of slices */
	uint64_t	documents_fingerprint;
	uint64_t	checksum;		/* of the above */
} xmc_checkpoint_header;

struct xmc_train_hooks;

/* A checkpoint being written, or read. */
typedef struct xmc_checkpoint
{
	xmc_ctx    *ctx;
	const struct xmc_train_hooks *hooks;
	bool		is_saving;
	int32_t		stage;			/* at which it stands, see trainer.h */
	xmc_checksum sum;
} xmc_checkpoint;

/* XMC_BAD_MODEL, "the checkpoint is damaged: ..." */
extern xmc_status xmc_checkpoint_damaged(xmc_checkpoint *c, const char *what);
extern xmc_status xmc_checkpoint_missed(xmc_checkpoint *c);	/* because training has gone past its stage, and not met it */

/* `size` bytes in or out. Errors: XMC_BAD_MODEL (it ends before), the hooks'. */
extern xmc_status xmc_stream(xmc_checkpoint *c, void *data, size_t size);

/* The same as a section, whose length must be the expected one; of numbers, which must be finite. */
extern xmc_status xmc_stream_section(xmc_checkpoint *c, const char *name, void *data, size_t size);
extern xmc_status xmc_stream_floats(xmc_checkpoint *c, const char *name, float *values, int64_t n);
extern xmc_status xmc_stream_doubles(xmc_checkpoint *c, const char *name, double *values, int64_t n);

/* A whole number in [low, high]. */
extern xmc_status xmc_stream_integer(xmc_checkpoint *c, const char *name, int64_t *value, int64_t low, int64_t high);

#endif
