/*
 * hash_halves.h - 48 bits of a hash as two numbers of a tensor: float32 represents whole numbers of 24 bits exactly. For the
 * records of documents (seen.c, results.c).
 */
#ifndef XMCOH_HASH_HALVES_H
#define XMCOH_HASH_HALVES_H

#include <stdbool.h>
#include <stdint.h>

#define XMC_HALF_BITS 24
#define XMC_HALF (1 << XMC_HALF_BITS)

static inline void
xmc_hash_halves(uint64_t hash, float half[2])
{
	half[0] = (float) (hash >> (64 - XMC_HALF_BITS));
	half[1] = (float) (hash >> (64 - 2 * XMC_HALF_BITS) & (XMC_HALF - 1));
}

static inline bool
xmc_is_whole(float value, int32_t below)
{
	return value >= 0 && value < (float) below && value == (float) (int32_t) value;
}

#endif
