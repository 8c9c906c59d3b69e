/*
 * order.h - from the scores of a document (scorer.h) to probabilities, to the recovered order, to the coherence of a given
 * order and to the Kendall tau against labels.
 */
#ifndef XMCOH_ORDER_H
#define XMCOH_ORDER_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/metrics.h"
#include "xmcoh/scorer.h"

/* The probability of log-odds: sigmoid in double. */
extern double xmc_probability(double log_odds);

/*
 * The items that scores of this kind speak of, in ascending order, into item (document->n): the items that hold the
 * modality; all items for fused scores. Returns their number.
 */
extern int32_t xmc_score_kind_items(const xmc_document *document, xmc_score_kind kind, int32_t *item);

/* The scores among m of n items: to (m, m) from s (n, n). Errors: XMC_STOPPED. */
extern xmc_status xmc_submatrix(xmc_ctx *ctx, int32_t n, const float *s, int32_t m, const int32_t *item, float *to);

/*
 * Orders m of n items by scores s (n, n): order[k] is the item at place k. The order maximises the sum of scores among all
 * orders that fulfil decided (n, n) (decided.h; closed if m < n; NULL: nothing is decided); see decode.h. tie_seed NULL:
 * the smaller item number wins a tie; otherwise ties fall by chance, drawn from *tie_seed, as an evaluation needs. Errors:
 * as xmc_decode.
 */
extern xmc_status xmc_order_items(xmc_ctx *ctx, int32_t n, const float *s, const uint8_t *decided, const uint64_t *tie_seed,
								  int32_t m, const int32_t *item, int32_t *order);

/*
 * Recovers the order of a document by one kind of score: xmc_order_items of the *m items that the kind speaks of. `order`
 * has room for document->n. In the order by fused scores, items with labels keep the order of the labels
 * (xmc_keep_stored_order) as far as decisions allow. Errors: as xmc_decode.
 */
extern xmc_status xmc_recover_order(xmc_ctx *ctx, const xmc_document *document, const xmc_scores *scores, xmc_score_kind kind,
									const uint8_t *decided, const uint64_t *tie_seed, int32_t *order, int32_t *m);

/*
 * Sorts those of the n items in `order` (order[k] is the item at place k) that have labels into the order of the labels,
 * within the places that these items have together; the other items stay. The labels are those of one order, with or
 * without equal positions. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_keep_stored_order(xmc_ctx *ctx, const xmc_document *document, int32_t n, int32_t *order);

/*
 * The confidence in an order of m of n items: the sum over neighbours of the log of the probability, by scores s (n, n), that
 * they stand so; 0 for a decided pair (decided (n, n), which the order fulfils, or NULL). At most 0; 0 for m < 2.
 */
extern double xmc_order_confidence(int32_t n, const float *s, const uint8_t *decided, int32_t m, const int32_t *order);

/*
 * Coherence of a given order of m of n items (order[k] is the item at place k) under scores s (n, n): the mean over their
 * pairs of 2p - 1, which is the expected Kendall tau, in [-1, 1]. NaN for m < 2. Errors: XMC_STOPPED.
 */
extern xmc_status xmc_coherence(xmc_ctx *ctx, int32_t n, const float *s, int32_t m, const int32_t *order, double *coherence);

/*
 * Kendall tau, in [-1, 1], between the order decoded from scores s (n, n) and the labelled pairs of the document, of which
 * there must be at least one: 2 * (share of pairs in the order of their label) - 1. Ties fall by chance, drawn from `seed`.
 * Errors: as xmc_decode_shuffled.
 */
extern xmc_status xmc_decoded_tau(xmc_ctx *ctx, const xmc_document *document, const float *s, uint64_t seed, double *tau);

/*
 * Measures an order of m items of the document against its labels: xmc_measure_labels over those of the items that have a
 * label. Returns their number in *n. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_measure_by_labels(xmc_ctx *ctx, const xmc_document *document, int32_t m, const int32_t *order, int32_t *n,
										xmc_order_quality *out);

#endif
