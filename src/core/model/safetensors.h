/*
 * safetensors.h - the file format of a model version and of a text encoder: https://huggingface.co/docs/safetensors
 * ("Format"). A file is read and written as one block of memory; there is no I/O.
 *
 * The format is an 8-byte little-endian header length, a JSON header, and the tensors' bytes. Input may be hostile, so the
 * whole header is checked before any value is used.
 */
#ifndef XMCOH_SAFETENSORS_H
#define XMCOH_SAFETENSORS_H

#include "model/dtype.h"
#include "xmcoh/base.h"

#define XMC_TENSOR_MAX_DIMENSIONS 4

typedef struct xmc_tensor_view
{
	const char *name;			/* zero-terminated */
	int32_t		n_dimensions;
	int64_t		shape[XMC_TENSOR_MAX_DIMENSIONS];
	int64_t		n_values;		/* product of shape */
	xmc_dtype	dtype;
	const void *data;			/* (shape), row-major, inside the file; float where dtype is XMC_F32 */
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
	void	   *memory;			/* the one allocation of all of the above */
} xmc_safetensors;

#define XMC_SAFETENSORS_MAX_HEADER 1048576
#define XMC_SAFETENSORS_MAX_ENTRIES 1000	/* most tensors, and most metadata keys */

/* What a file is for decides which dtypes its tensors may have. */
typedef enum xmc_tensor_use
{
	XMC_TENSORS_OF_MODEL = 0,	/* a model version: F32, read in place, and F16 */
	XMC_TENSORS_OF_ENCODER,		/* a text encoder as xmcoh stores it: F32, I32, U8, read in place */
	XMC_TENSORS_PUBLISHED		/* an encoder as others publish it: every xmc_dtype, copied by memcpy, of any alignment */
} xmc_tensor_use;

/*
 * Reads and checks the header of `file`: length, JSON, UTF-8, no duplicate key, dtypes, shapes whose size matches their
 * offsets, offsets that cover the data exactly without gap or overlap, and, where tensors are read in place, their
 * alignment in memory. The data stay where they are; names and metadata are allocated by ctx. Limits: header 1 MiB, 1,000
 * tensors and metadata keys. Errors: XMC_BAD_MODEL (the message says what is wrong and where), XMC_NO_MEMORY.
 */
extern xmc_status xmc_safetensors_parse(xmc_ctx *ctx, const void *file, size_t size, xmc_tensor_use use,
										xmc_safetensors *out);
extern void xmc_safetensors_free(xmc_ctx *ctx, xmc_safetensors *st);	/* does not free the file */

/* Checks all tensors of F32 and F16. Errors: XMC_BAD_MODEL (a value is NaN or infinite; the message says which), XMC_STOPPED. */
extern xmc_status xmc_safetensors_check_finite(xmc_ctx *ctx, const xmc_safetensors *st);

/* By name or key; NULL if there is none. */
extern const xmc_tensor_view *xmc_safetensors_tensor(const xmc_safetensors *st, const char *name);
extern const char *xmc_safetensors_metadata(const xmc_safetensors *st, const char *key);

/*
 * Writes tensors of F32, F16, I32 and U8 and metadata to `file`, which holds *size bytes; with file NULL only *size is set.
 * Tensors stand in the given order: those of F16 and U8 come last, so that the others are aligned. The place of a tensor without
 * data (NULL) is left for the caller to fill. The header is padded with spaces, so that the data begin at a multiple of 64
 * bytes. The same input gives the same bytes. Errors: XMC_BAD_INPUT (duplicate name, invalid UTF-8, a shape that does not
 * match n_values, a tensor that is not aligned, a limit exceeded, *size too small), XMC_STOPPED.
 */
extern xmc_status xmc_safetensors_write(xmc_ctx *ctx, int32_t n_tensors, const xmc_tensor_view *tensor,
										int32_t n_metadata, const xmc_metadata *metadata, void *file, size_t *size);

#endif
