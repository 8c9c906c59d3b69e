/*
 * hash.h - two 64-bit hashes of bytes. xmc_hash_bytes names things for ever: text features, held-out documents and sampled
 * documents depend on its values. xmc_checksum detects damage in a stream of bytes. Neither withstands an attacker who can
 * choose the bytes.
 */
#ifndef XMCOH_HASH_H
#define XMCOH_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The hash of `length` bytes. The value is the same on every machine and in every version of the extension. */
extern uint64_t xmc_hash_bytes(const void *bytes, size_t length, uint64_t seed);

/*
 * The checksum of a stream of bytes. The result does not depend on how the stream is cut into calls. Each step is
 * invertible, so a change within one word of eight bytes always changes the result.
 */
typedef struct xmc_checksum
{
	uint64_t	h;
	uint64_t	bytes;			/* length of the stream so far */
	uint64_t	pending;		/* its last bytes % 8 bytes, which do not yet fill a word */
} xmc_checksum;

extern void xmc_checksum_add(xmc_checksum *sum, const void *data, size_t size);	/* *sum begins as {0} */
extern uint64_t xmc_checksum_end(const xmc_checksum *sum);

#endif
