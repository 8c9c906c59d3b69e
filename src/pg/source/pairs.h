/*
 * pairs.h - the approved pairs of a model: read, checked for contradictions, turned into labels of documents.
 *
 * They come from the table xmcoh.approved_pair and from the relations that xmcoh.pair_source lists.
 */
#ifndef XMCOH_PG_PAIRS_H
#define XMCOH_PG_PAIRS_H

#include "source/keys.h"
#include "source/source.h"

typedef struct ApprovedPair
{
	const char *document;
	const char *before;
	const char *after;
	bool		used;			/* xmcoh_label_document found both items */
} ApprovedPair;

typedef struct ApprovedPairs
{
	int64		n;
	ApprovedPair *pair;			/* (n), sorted by document, before, after (bytes); distinct */
	int64		null_rows;		/* rows of pair sources that hold a NULL and are left out */
} ApprovedPairs;

/* Reads all approved pairs of a model into CurrentMemoryContext. Needs SPI. */
extern ApprovedPairs *xmcoh_read_pairs(int32 model_id);

/*
 * Reads those of the relations alone, on these documents (NULL: on all), in no order; equal pairs are not merged. `lenient`:
 * a relation that the current role may not read, or that does not exist any more, is left out with a NOTICE.
 */
extern ApprovedPairs *xmcoh_read_relation_pairs(int32 model_id, const DocumentKeys *keys, bool lenient);

/*
 * ERROR data_exception when the pairs of a document form a cycle (which may have length 1), because no order fulfils all of
 * them. The detail lists up to ten cycles.
 */
extern void xmcoh_refuse_cycles(const ApprovedPairs *pairs);

/* Whether there is a pair for this document. */
extern bool xmcoh_has_pairs(const ApprovedPairs *pairs, const char *document);

/*
 * Labels a document whose items are those of `source`. Its labels are all pairs of its stored order, if that order is
 * approved, and its approved pairs. Where the two contradict each other, the approved pair counts. A pair that names an
 * item that the document does not have is left out.
 */
extern void xmcoh_label_document(xmc_ctx *ctx, ApprovedPairs *pairs, const SourceDocument *source,
								 xmc_document *document);

/* How many pairs no document used, because they name unknown documents or items, or hold a NULL. */
extern int64 xmcoh_ignored_pairs(const ApprovedPairs *pairs);

#endif
