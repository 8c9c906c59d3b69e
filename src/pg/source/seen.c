/*
 * seen.c - what a reviewer saw of a document, as hashes; seen.h is the contract.
 */
#include "source/seen.h"

#include "base/digest.h"

void
xmcoh_see(const SourceDocument *document, Seen *seen)
{
	pg_cryptohash_ctx *hash;

	/* the keys in stored order; an item at the place of the item before has the same number */
	hash = xmcoh_digest_begin();
	for (int32 k = 0, place = 0; k < document->n_placed; k++)
	{
		const xmc_item *item = &document->item[document->order[k]];

		if (k > 0 && document->position[document->order[k - 1]] != document->position[document->order[k]])
			place++;
		xmcoh_digest_number(hash, (uint32) place);
		xmcoh_digest_string(hash, item->key, item->key_length);
	}
	xmcoh_digest_end(hash, seen->order.byte);

	/* each text, and all keys and texts in the order of the keys */
	seen->text = palloc(Max(document->n, 1) * sizeof(SeenHash));
	for (int32 i = 0; i < document->n; i++)
	{
		hash = xmcoh_digest_begin();
		xmcoh_digest_string(hash, document->item[i].text, document->item[i].text_length);
		xmcoh_digest_end(hash, seen->text[i].byte);
	}
	hash = xmcoh_digest_begin();
	for (int32 i = 0; i < document->n; i++)
	{
		xmcoh_digest_string(hash, document->item[i].key, document->item[i].key_length);
		xmcoh_digest_bytes(hash, seen->text[i].byte, SEEN_HASH_BYTES);
	}
	xmcoh_digest_end(hash, seen->texts.byte);
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

void
xmcoh_digest_document(const SourceDocument *document, const xmc_options *options, pg_cryptohash_ctx *digest)
{
	xmcoh_digest_number(digest, (uint32) document->n);
	xmcoh_digest_number(digest, document->approved);
	for (int32 i = 0; i < document->n; i++)
	{
		const xmc_item *item = &document->item[i];

		xmcoh_digest_string(digest, item->key, item->key_length);
		xmcoh_digest_string(digest, item->text, item->text_length);
		xmcoh_digest_string(digest, item->image, sizeof(float) * (Size) options->image_dim);
		if (document->image_text != NULL)
			xmcoh_digest_string(digest, document->image_text[i].text, document->image_text[i].length);
		xmcoh_digest_string(digest, item->text_embedding, sizeof(float) * (Size) options->text_dim);
		xmcoh_digest_bytes(digest, &document->position[i], sizeof(double));
	}
}
