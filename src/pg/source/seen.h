/*
 * seen.h - what a reviewer saw of a document, as hashes: the stored order, and the items with their texts. A decision keeps
 * them, so a later change of the document can be told.
 *
 * A hash is the first 16 bytes of a SHA-256. Embeddings do not count: another encoder changes them and not the document.
 */
#ifndef XMCOH_PG_SEEN_H
#define XMCOH_PG_SEEN_H

#include "base/digest.h"
#include "source/decisions.h"
#include "source/source.h"

typedef struct Seen
{
	SeenHash	order;			/* of the keys of the items in their stored order */
	SeenHash	texts;			/* of all keys and texts */
	SeenHash   *text;			/* (n of the document) of the text of each item */
} Seen;

/* Allocates in CurrentMemoryContext. */
extern void xmcoh_see(const SourceDocument *document, Seen *seen);

/*
 * Adds to a digest all that a version with these options reads of a document, and its positions: with embeddings, before a text
 * encoder makes those that are missing. The digest is that of this machine.
 */
extern void xmcoh_digest_document(const SourceDocument *document, const xmc_options *options, pg_cryptohash_ctx *digest);

extern bool xmcoh_same_hash(const SeenHash *a, const SeenHash *b);

/* Whether the document was seen when the decision was made and has changed since. */
extern bool xmcoh_is_stale(const Decision *decision, const Seen *seen);

typedef enum ItemChange
{
	ITEM_SAME,					/* or the decision did not see the document */
	ITEM_CHANGED,				/* its text */
	ITEM_GONE
} ItemChange;

/* What has become of item k of the decision; document NULL: the document is gone, and `seen` is not used. */
extern ItemChange xmcoh_item_change(const Decision *decision, int32 k, const SourceDocument *document, const Seen *seen);

/* The number of the item with this key; -1 when the document has none. */
extern int32 xmcoh_item_number(const SourceDocument *document, const char *key);

#endif
