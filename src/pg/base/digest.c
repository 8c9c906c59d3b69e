/* digest.c - a SHA-256 over parts, see digest.h */
#include "base/digest.h"

#include "common/sha2.h"

pg_cryptohash_ctx *
xmcoh_digest_begin(void)
{
	pg_cryptohash_ctx *digest = pg_cryptohash_create(PG_SHA256);

	if (digest == NULL || pg_cryptohash_init(digest) < 0)
		elog(ERROR, "could not begin a SHA-256");
	return digest;
}

void
xmcoh_digest_bytes(pg_cryptohash_ctx *digest, const void *data, Size size)
{
	if (pg_cryptohash_update(digest, data, size) < 0)
		elog(ERROR, "could not compute a SHA-256");
}

void
xmcoh_digest_number(pg_cryptohash_ctx *digest, uint32 number)
{
	uint8		byte[4] = {(uint8) (number >> 24), (uint8) (number >> 16), (uint8) (number >> 8), (uint8) number};

	xmcoh_digest_bytes(digest, byte, sizeof byte);
}

void
xmcoh_digest_string(pg_cryptohash_ctx *digest, const void *string, Size length)
{
	xmcoh_digest_number(digest, string ? (uint32) length + 1 : 0);
	if (string)
		xmcoh_digest_bytes(digest, string, length);
}

void
xmcoh_digest_end(pg_cryptohash_ctx *digest, uint8 out[XMCOH_DIGEST_BYTES])
{
	uint8		all[PG_SHA256_DIGEST_LENGTH];

	if (pg_cryptohash_final(digest, all, sizeof all) < 0)
		elog(ERROR, "could not compute a SHA-256");
	pg_cryptohash_free(digest);
	memcpy(out, all, XMCOH_DIGEST_BYTES);
}
