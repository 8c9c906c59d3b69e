/*
 * decode.h - from pair scores to an order: the linear ordering problem (design section 4, "Decode").
 *
 * `s` is (n, n), row-major, antisymmetric log-odds: s[i * n + j] > 0 says that item i stands before item j. The caller
 * numbers the items in the order of their keys; ties go to the smaller number, so the answer never depends on input order.
 * Scores are rounded to multiples of XMC_SCORE_GRID first: the rounding noise of a matrix product cannot decide a tie.
 */
#ifndef XMCOH_DECODE_H
#define XMCOH_DECODE_H

#include "xmcoh/base.h"

#define XMC_EXACT_ITEMS 16
#define XMC_SCORE_GRID (1.0 / 65536)

/*
 * order[k] = the item at place k, maximising the sum of s over all pairs (place a < place b). Exact to n =
 * XMC_EXACT_ITEMS (then the lexicographically smallest of the best orders), heuristic above: Borda start, insertion local
 * search, perturbation with a fixed seed. *value (may be NULL) = that sum.
 * n = 0 and n = 1 are fine. Errors: XMC_BAD_INPUT for a score that is not finite; XMC_NO_MEMORY; XMC_STOPPED.
 */
extern xmc_status xmc_decode(xmc_ctx *ctx, int32_t n, const float *s, int32_t *order, double *value);

/* The two methods by name, for tests and benchmarks. xmc_decode_exact: n <= XMC_EXACT_ITEMS, else XMC_LIMIT. */
extern xmc_status xmc_decode_exact(xmc_ctx *ctx, int32_t n, const float *s, int32_t *order, double *value);
extern xmc_status xmc_decode_search(xmc_ctx *ctx, int32_t n, const float *s, int32_t *order, double *value);

/* The sum of s over the pairs of a given order. */
extern double xmc_order_value(int32_t n, const float *s, const int32_t *order);

/*
 * Position probabilities under P(order) proportional to exp(sum of s): probability[i * n + k] (n, n) = that item i stands
 * at place k. Exact by the same recursion to n = XMC_EXACT_ITEMS; above, `samples` orders sampled with a fixed seed
 * (Metropolis insertion moves). Errors as xmc_decode.
 */
extern xmc_status xmc_position_probabilities(xmc_ctx *ctx, int32_t n, const float *s, int32_t samples,
											 double *probability);

#endif
