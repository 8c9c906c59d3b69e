/*
 * scored_document.h - one document whose items are given by arguments: its scores, and its order by them.
 *
 * bulk.h scores whole sources instead.
 */
#ifndef XMCOH_PG_SCORED_DOCUMENT_H
#define XMCOH_PG_SCORED_DOCUMENT_H

#include "postgres.h"

#include "model/weights.h"

#include "xmcoh/dataset.h"
#include "xmcoh/scorer.h"

typedef struct ScoredDocument
{
	xmc_document document;
	xmc_scores	scores;
} ScoredDocument;

/*
 * Scores n items, sorted by xmc_item_compare, as one document; allocates in the current context. Sets the text embeddings that
 * the items lack, if the model has an encoder (encoded.h).
 */
extern void xmcoh_score_items(const DeployedModel *deployed, int32 n, xmc_item *item, ScoredDocument *out);

/*
 * The order by one kind of score, of the items that this kind covers (xmc_score_kind_items): order[k] is the item at place
 * k. It fulfils what is decided (n, n) (xmcoh/decided.h; NULL: nothing is). Returns how many items that are. `order` must
 * have room for all items of the document.
 */
extern int32 xmcoh_decode_scores(const xmc_document *document, const xmc_scores *scores, xmc_score_kind kind,
								 const uint8 *decided, int32 *order);

#endif
