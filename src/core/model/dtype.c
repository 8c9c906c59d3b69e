/* dtype.c - the element types of tensors in safetensors files; see dtype.h */
#include "model/dtype.h"

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
static float
half_to_float(uint16_t half)
{
	uint32_t	exponent = half >> 10 & 31;
	uint32_t	fraction = half & 1023;
	float		subnormal = (float) fraction * 0x1p-24f;
	uint32_t	bits;
	float		value;

	if (exponent == 0)
		memcpy(&bits, &subnormal, sizeof bits);
	else
		bits = (exponent == 31 ? 255u : exponent - 15 + 127) << 23 | fraction << 13;
	bits |= (uint32_t) (half & 0x8000) << 16;
	memcpy(&value, &bits, sizeof value);
	return value;
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
	for (int64_t k = 0; k < n; k++)
	{
		uint16_t	half;
		uint32_t	bits;

		memcpy(&half, from + 2 * k, sizeof half);
		if (dtype == XMC_F16)
			out[k] = half_to_float(half);
		else
		{
			bits = (uint32_t) half << 16;
			memcpy(out + k, &bits, sizeof bits);
		}
	}
}
