/* hash.c - the hash that names things for ever, and the checksum of a stream; see hash.h */
#include "xmcoh/hash.h"

#include "xmcoh/random.h"

#include <string.h>

/* FNV-1a over the bytes, then SplitMix64's finaliser, so that every bit of the result depends on every byte. */
uint64_t
xmc_hash_bytes(const void *bytes, size_t length, uint64_t seed)
{
	const unsigned char *p = bytes;
	uint64_t	h = UINT64_C(0xcbf29ce484222325) ^ seed;

	for (size_t k = 0; k < length; k++)
		h = (h ^ p[k]) * UINT64_C(0x100000001b3);
	return xmc_splitmix64(&h);
}

/* ---- checksum of a stream ---- */

/* Multiplication by an odd number and xor with a shift are both invertible. */
static inline uint64_t
mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ (h >> 29);
}

static inline void
add_byte(xmc_checksum *sum, unsigned char byte)
{
	sum->pending |= (uint64_t) byte << sum->bytes % 8 * 8;
	if (++sum->bytes % 8 == 0)
	{
		sum->h = mix(sum->h, sum->pending);
		sum->pending = 0;
	}
}

void
xmc_checksum_add(xmc_checksum *sum, const void *data, size_t size)
{
	const unsigned char *p = data;
	uint64_t	h;

	/* Complete the word that the call before left unfinished. */
	for (; size > 0 && sum->bytes % 8; size--)
		add_byte(sum, *p++);

	/* Whole words. */
	h = sum->h;
	sum->bytes += size / 8 * 8;
	for (; size >= 8; p += 8, size -= 8)
	{
		uint64_t	word;

		memcpy(&word, p, 8);
		h = mix(h, word);
	}
	sum->h = h;

	/* The rest waits for the next call. */
	for (; size > 0; size--)
		add_byte(sum, *p++);
}

/* The length goes in, too: streams that differ only in zero bytes at the end get different checksums. */
uint64_t
xmc_checksum_end(const xmc_checksum *sum)
{
	return mix(mix(sum->h, sum->pending), sum->bytes);
}
