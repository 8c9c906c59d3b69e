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
 * search, annealing with a fixed seed and a fixed number of steps. *value (may be NULL) = that sum, of the rounded scores.
 *
 * Other numbering of the same items: the exact method finds the same order of items unless orders tie for the best; the
 * search unless Borda sums (over j, of s(i, j) - s(j, i)) or neighbours' scores tie. Then the smaller number decides.
 *
 * n = 0 and n = 1 are fine; the diagonal is not read; scores beyond +-2^22 count as that. Errors: XMC_BAD_INPUT for a
 * score that is not finite; XMC_LIMIT over 4,096 items; XMC_NO_MEMORY; XMC_STOPPED.
 */
extern xmc_status xmc_decode(xmc_ctx *ctx, int32_t n, const float *s, int32_t *order, double *value);

/* The two methods by name, for tests and benchmarks. xmc_decode_exact: n <= XMC_EXACT_ITEMS, else XMC_LIMIT. */
extern xmc_status xmc_decode_exact(xmc_ctx *ctx, int32_t n, const float *s, int32_t *order, double *value);
extern xmc_status xmc_decode_search(xmc_ctx *ctx, int32_t n, const float *s, int32_t *order, double *value);

/*
 * The same for judging a model whose items are numbered by key: keys often run in the true order, so that ties, which go to
 * the smaller number, would make a model that knows nothing look good. Here ties fall by chance, drawn from `seed`.
 */
extern xmc_status xmc_decode_shuffled(xmc_ctx *ctx, int32_t n, const float *s, uint64_t seed, int32_t *order);

#endif
