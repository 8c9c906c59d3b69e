/* dtype.c - the element types of tensors in safetensors files; see dtype.h */
#include "model/dtype.h"
#include "numeric/vector.h"

#include <math.h>
#include <string.h>

static const struct
{
	const char *name;
	int64_t		bytes;
}			types[XMC_DTYPES] = {
	[XMC_F32] = {"F32", 4},
	[XMC_F16] = {"F16", 2},
	[XMC_BF16] = {"BF16", 2},
	[XMC_I64] = {"I64", 8},
	[XMC_I32] = {"I32", 4},
	[XMC_U8] = {"U8", 1},
};

const char *
xmc_dtype_name(xmc_dtype dtype)
{
	return types[dtype].name;
}

int64_t
xmc_dtype_bytes(xmc_dtype dtype)
{
	return types[dtype].bytes;
}

bool
xmc_dtype_find(const char *name, size_t length, xmc_dtype *out)
{
	for (int k = 0; k < XMC_DTYPES; k++)
		if (strlen(types[k].name) == length && memcmp(types[k].name, name, length) == 0)
		{
			*out = (xmc_dtype) k;
			return true;
		}
	return false;
}

/*
 * A half has 1 bit of sign, 5 of exponent (bias 15), 10 of fraction. Exponent 0 means fraction 2^-24, which float holds as
 * a normal number; exponent 31 means infinity or NaN.
 */
#define HALF_FRACTION 10
#define DROPPED (23 - HALF_FRACTION)	/* bits of a float's fraction */
#define LEAST_NORMAL 0x1p-14f
#define HALF_INFINITY 0x7c00u
#define OVERFLOW 65520.0f		/* is rounded to infinity, as all that is larger */

static inline float
half_to_float(uint16_t half)
{
	uint32_t	fraction = half & 1023;
	float		subnormal = (float) (int32_t) fraction * 0x1p-24f;
	uint32_t	exponent = half >> HALF_FRACTION & 31;
	uint32_t	bits = (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << DROPPED;
	uint32_t	least;
	float		value;

	memcpy(&least, &subnormal, sizeof least);
	bits = (exponent == 0 ? least : bits) | (uint32_t) (half & 0x8000) << 16;
	memcpy(&value, &bits, sizeof value);
	return value;
}

/* The nearest value of half precision. */
static inline float
round_to_half(float value)
{
	float		size = fabsf(value);
	uint32_t	bits;
	float		normal;
	float		subnormal;

	memcpy(&bits, &size, sizeof bits);
	bits = (bits + (1u << (DROPPED - 1)) - 1 + (bits >> DROPPED & 1)) & ~((1u << DROPPED) - 1);
	memcpy(&normal, &bits, sizeof normal);
	subnormal = (size + 0.75f) - 0.75f; /* floats from 0.5 to 1 are multiples of 2^-24 */
	size = size < LEAST_NORMAL ? subnormal : size < OVERFLOW ? normal : size * INFINITY;
	return copysignf(size, value);
}

void
xmc_dtype_to_half(int64_t n, const float *in, uint16_t *out)
{
	for (int64_t k = 0; k < n; k++)
	{
		float		value = round_to_half(in[k]);
		float		size = fabsf(value);
		uint32_t	bits;

		memcpy(&bits, &size, sizeof bits);
		if (size < LEAST_NORMAL)
			bits = (uint32_t) (size * 0x1p24f);
		else if (size < OVERFLOW)
			bits = (bits >> DROPPED) - (112u << HALF_FRACTION);
		else
			bits = isnan(size) ? HALF_INFINITY | 1 : HALF_INFINITY;
		out[k] = (uint16_t) (bits | (signbit(value) ? 0x8000u : 0));
	}
}

XMC_FOR_THIS_PROCESSOR void
xmc_add_rounded(int64_t n, const float *a, const float *b, float *out)
{
#pragma omp simd
	for (int64_t k = 0; k < n; k++)
		out[k] = a[k] + round_to_half(b[k]);
}

XMC_FOR_THIS_PROCESSOR void
xmc_add_halves(int64_t n, const float *a, const void *b, float *out)
{
	const unsigned char *from = b;

#pragma omp simd
	for (int64_t k = 0; k < n; k++)
	{
		uint16_t	half;

		memcpy(&half, from + 2 * k, sizeof half);
		out[k] = a[k] + half_to_float(half);
	}
}

bool
xmc_has_halves(int64_t n, const void *halves)
{
	for (int64_t k = 0; k < n; k++)
	{
		uint16_t	half;

		memcpy(&half, (const unsigned char *) halves + 2 * k, sizeof half);
		if (half & 0x7fff)
			return true;
	}
	return false;
}

XMC_FOR_THIS_PROCESSOR static void
halves_to_float(int64_t n, const unsigned char *from, float *out)
{
#pragma omp simd
	for (int64_t k = 0; k < n; k++)
	{
		uint16_t	half;

		memcpy(&half, from + 2 * k, sizeof half);
		out[k] = half_to_float(half);
	}
}

void
xmc_dtype_to_float(xmc_dtype dtype, int64_t n, const void *bytes, float *out)
{
	const unsigned char *from = bytes;

	if (dtype == XMC_F32)
	{
		if (n)
			memcpy(out, from, (size_t) n * sizeof(float));
		return;
	}
	if (dtype == XMC_F16)
	{
		halves_to_float(n, from, out);
		return;
	}
	for (int64_t k = 0; k < n; k++)
	{
		uint16_t	half;
		uint32_t	bits;

		memcpy(&half, from + 2 * k, sizeof half);
		bits = (uint32_t) half << 16;
		memcpy(out + k, &bits, sizeof bits);
	}
}
