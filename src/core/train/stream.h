/*
 * stream.h - the format of a checkpoint: bytes, numbers and sections that are written to or read from the hooks of a
 * training (xmcoh/train.h). One list of calls does both, so that what is saved and what is loaded cannot differ.
 */
#ifndef XMCOH_STREAM_H
#define XMCOH_STREAM_H

#include "xmcoh/base.h"
#include "xmcoh/hash.h"

struct xmc_train_hooks;

/*
 * A checkpoint that is being written or read. Numbers are in the byte order of the machine: a checkpoint is for the server
 * that wrote it. What is read is not trusted: a number that could lead out of bounds, or that is not finite, makes the
 * checkpoint a damaged one, even under a right checksum.
 */
typedef struct xmc_stream
{
	xmc_ctx    *ctx;
	const struct xmc_train_hooks *hooks;
	bool		is_saving;
	xmc_checksum sum;			/* of all bytes so far */
} xmc_stream;

/* Returns XMC_BAD_MODEL, "the checkpoint is damaged: ..." */
extern xmc_status xmc_stream_damaged(xmc_stream *c, const char *what);

/* `size` bytes in or out. Errors: XMC_BAD_MODEL (the stream ends before), those of the hooks. */
extern xmc_status xmc_stream_bytes(xmc_stream *c, void *data, size_t size);

/* The same, but the bytes are not counted in the checksum. */
extern xmc_status xmc_stream_uncounted(xmc_stream *c, void *data, size_t size);

/* A section: its length, which must be the expected one, then its bytes; of numbers, which must be finite. */
extern xmc_status xmc_stream_section(xmc_stream *c, const char *name, void *data, size_t size);
extern xmc_status xmc_stream_floats(xmc_stream *c, const char *name, float *values, int64_t n);
extern xmc_status xmc_stream_doubles(xmc_stream *c, const char *name, double *values, int64_t n);

/* A whole number in [low, high]; a truth value, which is false unless may_be. */
extern xmc_status xmc_stream_integer(xmc_stream *c, const char *name, int64_t *value, int64_t low, int64_t high);
extern xmc_status xmc_stream_int32(xmc_stream *c, const char *name, int32_t *value, int32_t low, int32_t high);
extern xmc_status xmc_stream_bool(xmc_stream *c, const char *name, bool *value, bool may_be);

/* Figures that are only shown, n pointers to them. Each may be unknown, NaN. */
extern xmc_status xmc_stream_figures(xmc_stream *c, int n, double *const *figure);

#define XMC_STREAM_FIGURES(c, ...) \
	xmc_stream_figures(c, sizeof (double *[]){__VA_ARGS__} / sizeof(double *), (double *[]){__VA_ARGS__})

#endif
