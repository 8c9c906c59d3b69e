/*
 * safetensors.h - the storage format of a model version: https://huggingface.co/docs/safetensors ("Format").
 *
 * An 8-byte little-endian header length, a JSON header, then the tensors' bytes. Everything that comes in is taken as
 * hostile: it is checked in full before a single value is used. Only F32 tensors are known here.
 */
#ifndef XMCOH_SAFETENSORS_H
#define XMCOH_SAFETENSORS_H

#include "xmcoh/base.h"

#define XMC_TENSOR_MAX_DIMENSIONS 4

typedef struct xmc_tensor_view
{
	const char *name;			/* zero-terminated */
	int32_t		n_dimensions;
	int64_t		shape[XMC_TENSOR_MAX_DIMENSIONS];
	int64_t		n_values;		/* product of shape */
	const float *data;			/* (shape), row-major, inside the blob */
} xmc_tensor_view;

typedef struct xmc_metadata
{
	const char *key;			/* both zero-terminated */
	const char *value;
} xmc_metadata;

typedef struct xmc_safetensors
{
	int32_t		n_tensors;
	xmc_tensor_view *tensor;	/* sorted by name */
	int32_t		n_metadata;
	xmc_metadata *metadata;		/* sorted by key */
	void	   *memory;			/* one allocation that holds all of the above */
} xmc_safetensors;

#define XMC_SAFETENSORS_MAX_HEADER 1048576
#define XMC_SAFETENSORS_MAX_ENTRIES 1000	/* tensors; also metadata keys */

/*
 * Reads the header of `blob` and checks it: length, JSON, UTF-8, no duplicate key, known dtype, shapes whose bytes equal
 * their offsets, offsets that cover the data exactly with no hole and no overlap, 4-byte alignment in memory. Tensor data
 * stay where they are; names and metadata are allocated by ctx. Limits: header 1 MiB, 1,000 tensors and metadata keys.
 * Errors: XMC_BAD_MODEL with what is wrong and where; XMC_NO_MEMORY.
 */
extern xmc_status xmc_safetensors_parse(xmc_ctx *ctx, const void *blob, size_t size, xmc_safetensors *out);
extern void xmc_safetensors_free(xmc_ctx *ctx, xmc_safetensors *st);	/* does not touch the blob */

/* XMC_BAD_MODEL naming the tensor and the place if any value is NaN or infinite; XMC_STOPPED. */
extern xmc_status xmc_safetensors_check_finite(xmc_ctx *ctx, const xmc_safetensors *st);

/* By name; NULL when there is none. */
extern const xmc_tensor_view *xmc_safetensors_tensor(const xmc_safetensors *st, const char *name);
extern const char *xmc_safetensors_metadata(const xmc_safetensors *st, const char *key);

/*
 * Writes tensors and metadata to one blob. Tensors are laid out in the order given, the header is padded with spaces so
 * that the data begin at a multiple of 64 bytes; the same input gives the same bytes. If `blob` is NULL only *size is set;
 * else `blob` must hold *size bytes, as found by such a call. Errors: XMC_BAD_INPUT (duplicate name, invalid UTF-8, a shape
 * that does not give n_values, over the limits, *size too small); XMC_STOPPED.
 */
extern xmc_status xmc_safetensors_write(xmc_ctx *ctx, int32_t n_tensors, const xmc_tensor_view *tensor,
										int32_t n_metadata, const xmc_metadata *metadata, void *blob, size_t *size);

#endif
