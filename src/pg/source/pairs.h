/*
 * pairs.h - the approved pairs of a model: xmcoh.approved_pair and the relations in xmcoh.pair_source, merged.
 */
#ifndef XMCOH_PG_PAIRS_H
#define XMCOH_PG_PAIRS_H

#include "source/source.h"

typedef struct ApprovedPair
{
	const char *document;
	const char *before;
	const char *after;
	bool		used;			/* a document had both items */
} ApprovedPair;

typedef struct ApprovedPairs
{
	int64		n;
	ApprovedPair *pair;			/* (n), sorted by document, before, after (bytes); distinct */
	int64		null_rows;		/* rows of pair sources with a NULL in them, left out */
} ApprovedPairs;

/* Reads them all into CurrentMemoryContext. Needs SPI. */
extern ApprovedPairs *xmcoh_read_pairs(int32 model_id);

/*
 * ERROR data_exception when the pairs of a document form a cycle (also one of length 1): no order can have them all.
 * The detail lists up to ten cycles.
 */
extern void xmcoh_refuse_cycles(const ApprovedPairs *pairs);

/* Whether there is a pair for this document. */
extern bool xmcoh_has_pairs(const ApprovedPairs *pairs, const char *document);

/*
 * Labels a document, whose items are those of `source`: with all pairs that its stored order tells if that is approved, and
 * with its approved pairs, which outrank the stored order. Pairs naming an item that is not there are left out.
 */
extern void xmcoh_label_document(xmc_ctx *ctx, ApprovedPairs *pairs, const SourceDocument *source,
								 xmc_document *document);

/* Rows that no document used: they name unknown documents or items, or hold a NULL. */
extern int64 xmcoh_ignored_pairs(const ApprovedPairs *pairs);

#endif
