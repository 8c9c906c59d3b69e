/*
 * pairs.h - the approved pairs of a model: read, checked for contradictions, turned into labels of documents for training, and
 * into constraints of orders.
 *
 * They come from the decisions in force (decisions.h) and from the relations that xmcoh.pair_source lists.
 */
#ifndef XMCOH_PG_PAIRS_H
#define XMCOH_PG_PAIRS_H

#include "source/decision_graph.h"
#include "source/keys.h"
#include "source/source.h"

typedef struct ApprovedPairs
{
	const Decisions *decisions;
	int64		n;
	NamedPair  *pair;			/* (n) of relations, sorted by document, before, after (bytes); distinct */
	int64		null_rows;		/* rows of pair sources that hold a NULL and are left out */
	int64	   *used;			/* (decisions->n) pairs of each decision whose items a document has */
	int64		stale;			/* decisions that were left out, wholly or in part, because their documents have changed */
} ApprovedPairs;

/* What happens to decisions about documents that have changed since (option stale). */
typedef enum StaleRule
{
	STALE_IGNORE,				/* they are left out */
	STALE_UNCHANGED,			/* their pairs of items with unchanged texts are used */
	STALE_USE					/* they are used */
} StaleRule;

/*
 * Reads the approved pairs of a model on these documents (NULL: on all) into CurrentMemoryContext. Decisions are read as the
 * owner of the extension, relations as the current role. `lenient`: a relation that the role may not read, or that does not
 * exist any more, is left out with a NOTICE. Needs SPI.
 */
extern ApprovedPairs *xmcoh_read_pairs(int32 model_id, const DocumentKeys *keys, bool lenient);

/*
 * ERROR data_exception when the pairs of a document form a cycle (which may have length 1), because no order fulfils all of
 * them. The detail lists up to ten cycles.
 */
extern void xmcoh_refuse_cycles(const ApprovedPairs *pairs);

/* Whether there is a pair for this document. */
extern bool xmcoh_has_pairs(const ApprovedPairs *pairs, const char *document);

/* Whether people decided anything about this document, also that two items have no order. */
extern bool xmcoh_is_decided(const ApprovedPairs *pairs, const char *document);

/*
 * Labels a document whose items are those of `source`. Its labels are all pairs of its stored order, if that order is
 * approved, and the transitive closure of its approved pairs. Where the two contradict each other, the approved pair counts.
 * A pair that was decided 'either' has no label. A pair that names an item that the document does not have is left out.
 */
extern void xmcoh_label_document(xmc_ctx *ctx, ApprovedPairs *pairs, StaleRule rule, const SourceDocument *source,
								 xmc_document *document);

/*
 * What is decided about the items of a document: a matrix (n, n) (xmcoh/decided.h), closed, allocated by ctx; NULL: nothing.
 * `rule` says what counts of a decision about a document that has changed since; *stale says whether there is one. Where
 * approved pairs contradict each other, a WARNING says so, and nothing counts as decided.
 */
extern uint8 *xmcoh_decided(xmc_ctx *ctx, const ApprovedPairs *pairs, StaleRule rule, const SourceDocument *source,
							bool *stale);

/* Adds to a digest what is decided about a document: the numbers of the decisions, and the pairs of relations. */
extern void xmcoh_digest_pairs(const ApprovedPairs *pairs, const char *document, pg_cryptohash_ctx *digest);

/* How many pairs no document used, because they name unknown documents or items, or hold a NULL. */
extern int64 xmcoh_ignored_pairs(const ApprovedPairs *pairs);

#endif
