/*
 * seen.c - what a reviewer saw of a document, as hashes; seen.h is the contract.
 */
#include "source/seen.h"

#include "common/cryptohash.h"
#include "common/sha2.h"

/* ---- hashes ---- */

static pg_cryptohash_ctx *
begin_hash(void)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);

	if (hash == NULL || pg_cryptohash_init(hash) < 0)
		elog(ERROR, "could not begin a SHA-256");
	return hash;
}

static void
add_bytes(pg_cryptohash_ctx *hash, const void *data, Size size)
{
	if (pg_cryptohash_update(hash, data, size) < 0)
		elog(ERROR, "could not compute a SHA-256");
}

/* Four bytes, the highest first, so that the hash is the same on every machine. */
static void
add_number(pg_cryptohash_ctx *hash, uint32 number)
{
	uint8		byte[4] = {(uint8) (number >> 24), (uint8) (number >> 16), (uint8) (number >> 8), (uint8) number};

	add_bytes(hash, byte, sizeof byte);
}

/* A string with its length before it; NULL differs from the empty one. */
static void
add_string(pg_cryptohash_ctx *hash, const char *string, Size length)
{
	add_number(hash, string ? (uint32) length + 1 : 0);
	if (string)
		add_bytes(hash, string, length);
}

static void
end_hash(pg_cryptohash_ctx *hash, SeenHash *out)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];

	if (pg_cryptohash_final(hash, digest, sizeof digest) < 0)
		elog(ERROR, "could not compute a SHA-256");
	pg_cryptohash_free(hash);
	memcpy(out->byte, digest, SEEN_HASH_BYTES);
}

void
xmcoh_see(const SourceDocument *document, Seen *seen)
{
	pg_cryptohash_ctx *hash;

	/* the keys in stored order; an item at the place of the item before has the same number */
	hash = begin_hash();
	for (int32 k = 0, place = 0; k < document->n_placed; k++)
	{
		const xmc_item *item = &document->item[document->order[k]];

		if (k > 0 && document->position[document->order[k - 1]] != document->position[document->order[k]])
			place++;
		add_number(hash, (uint32) place);
		add_string(hash, item->key, item->key_length);
	}
	end_hash(hash, &seen->order);

	/* each text, and all keys and texts in the order of the keys */
	seen->text = palloc(Max(document->n, 1) * sizeof(SeenHash));
	for (int32 i = 0; i < document->n; i++)
	{
		hash = begin_hash();
		add_string(hash, document->item[i].text, document->item[i].text_length);
		end_hash(hash, &seen->text[i]);
	}
	hash = begin_hash();
	for (int32 i = 0; i < document->n; i++)
	{
		add_string(hash, document->item[i].key, document->item[i].key_length);
		add_bytes(hash, seen->text[i].byte, SEEN_HASH_BYTES);
	}
	end_hash(hash, &seen->texts);
}

/* ---- comparing ---- */

bool
xmcoh_same_hash(const SeenHash *a, const SeenHash *b)
{
	return memcmp(a->byte, b->byte, SEEN_HASH_BYTES) == 0;
}

bool
xmcoh_is_stale(const Decision *decision, const Seen *seen)
{
	return decision->saw && !(xmcoh_same_hash(&decision->order, &seen->order) &&
							  xmcoh_same_hash(&decision->texts, &seen->texts));
}

int32
xmcoh_item_number(const SourceDocument *document, const char *key)
{
	xmc_item	wanted = {.key = key,.key_length = strlen(key)};
	xmc_item   *item = bsearch(&wanted, document->item, document->n, sizeof(xmc_item), xmc_item_compare);

	return item ? (int32) (item - document->item) : -1;
}

ItemChange
xmcoh_item_change(const Decision *decision, int32 k, const SourceDocument *document, const Seen *seen)
{
	int32		i = document ? xmcoh_item_number(document, decision->item[k]) : -1;

	if (!decision->saw)
		return ITEM_SAME;
	if (i < 0)
		return ITEM_GONE;
	return xmcoh_same_hash(&decision->text[k], &seen->text[i]) ? ITEM_SAME : ITEM_CHANGED;
}
