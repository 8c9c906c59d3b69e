/*
 * dtype.h - the element types of tensors in safetensors files: names, sizes, and conversions of weights to F32 and to F16.
 *
 * F16 is IEEE 754 half precision; BF16 is the upper half of an F32. Every value of both is an F32, so the conversion from them is
 * exact. The conversion to F16 rounds to the nearest value, between two to the even one; from 65,520 on it gives infinity.
 */
#ifndef XMCOH_DTYPE_H
#define XMCOH_DTYPE_H

#include "xmcoh/base.h"

typedef enum xmc_dtype
{
	XMC_F32 = 0,
	XMC_F16,
	XMC_BF16,
	XMC_I64,
	XMC_I32,
	XMC_U8
} xmc_dtype;

#define XMC_DTYPES 6

/* Sets of types. */
#define XMC_DTYPE_SET(dtype) (1u << (dtype))
#define XMC_DTYPES_OF_FLOATS (XMC_DTYPE_SET(XMC_F32) | XMC_DTYPE_SET(XMC_F16) | XMC_DTYPE_SET(XMC_BF16))

extern const char *xmc_dtype_name(xmc_dtype dtype);
extern int64_t xmc_dtype_bytes(xmc_dtype dtype);	/* of one value */

/* False: there is no type of that name. */
extern bool xmc_dtype_find(const char *name, size_t length, xmc_dtype *out);

/* n values of F32, F16 or BF16, which need not be aligned, to float. NaN and infinities stay what they are. */
extern void xmc_dtype_to_float(xmc_dtype dtype, int64_t n, const void *bytes, float *out);

/* n values to F16, rounded. */
extern void xmc_dtype_to_half(int64_t n, const float *in, uint16_t *out);

/* out = a + b rounded to F16, each of n values. out may be a. */
extern void xmc_add_rounded(int64_t n, const float *a, const float *b, float *out);

/* The same where b is n values of F16, which need not be aligned. */
extern void xmc_add_halves(int64_t n, const float *a, const void *b, float *out);

/* Whether one of n values of F16, which need not be aligned, is not 0. */
extern bool xmc_has_halves(int64_t n, const void *halves);

#endif
