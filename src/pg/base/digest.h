/*
 * digest.h - the first 16 bytes of a SHA-256 over parts, each of which says where it ends.
 */
#ifndef XMCOH_PG_DIGEST_H
#define XMCOH_PG_DIGEST_H

#include "postgres.h"

#include "common/cryptohash.h"

#define XMCOH_DIGEST_BYTES 16

extern pg_cryptohash_ctx *xmcoh_digest_begin(void);

extern void xmcoh_digest_bytes(pg_cryptohash_ctx *digest, const void *data, Size size);

/* Four bytes, the highest first, so that the digest is the same on every machine. */
extern void xmcoh_digest_number(pg_cryptohash_ctx *digest, uint32 number);

/* Bytes with their number before them; NULL differs from none. */
extern void xmcoh_digest_string(pg_cryptohash_ctx *digest, const void *string, Size length);

extern void xmcoh_digest_end(pg_cryptohash_ctx *digest, uint8 out[XMCOH_DIGEST_BYTES]);

#endif
