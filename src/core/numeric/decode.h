/*
 * decode.h - from pair scores to an order: the linear ordering problem, exactly for few items and by local search and
 * annealing for many (design section 4, "Decode").
 *
 * s (n, n) holds antisymmetric log-odds, row-major: s[i * n + j] > 0 says that item i stands before item j. The caller
 * numbers the items in the order of their keys. Ties go to the smaller number, so the result does not depend on the order
 * in which rows were read; xmc_decode_shuffled, for evaluations, lets them fall by chance. Scores are first rounded to
 * multiples of XMC_SCORE_GRID, so rounding errors of a matrix product cannot decide a tie.
 *
 * decided (n, n) holds what people decided (xmcoh/decided.h): no order contradicts XMC_DECIDED_BEFORE, whatever the scores.
 * NULL: nothing is decided; then each function gives the same order as with a matrix of zeros.
 */
#ifndef XMCOH_DECODE_H
#define XMCOH_DECODE_H

#include "xmcoh/base.h"

#define XMC_EXACT_ITEMS 16
#define XMC_SCORE_GRID (1.0 / 65536)

/*
 * Finds the order that maximises the sum of s(i, j) over all pairs where i stands before j; order[k] is the item at place
 * k. Up to XMC_EXACT_ITEMS items the result is optimal, and of several optimal orders the lexicographically smallest. With
 * more items the method is a heuristic: Borda start, local search by insertions, annealing with a fixed seed and a fixed
 * number of steps. The search starts from an order that fulfils the decisions and takes no move that breaks one. *value (may be NULL) is set to the sum of the rounded scores.
 *
 * If the same items are numbered differently, the order of items stays the same unless there are ties. For the exact method
 * a tie is two optimal orders; for the search, two equal Borda sums (over j, of s(i, j) - s(j, i)) or a score 0 of
 * neighbours.
 *
 * n may be 0 or 1. The diagonal is not read. Scores beyond +-2^22 are cut to +-2^22. Errors: XMC_BAD_INPUT (a score is not
 * finite, a cycle of decisions), XMC_LIMIT (more than 4,096 items), XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_decode(xmc_ctx *ctx, int32_t n, const float *s, const uint8_t *decided, int32_t *order,
							  double *value);

/* The two methods of xmc_decode; tests compare them. xmc_decode_exact: XMC_LIMIT if n > XMC_EXACT_ITEMS. */
extern xmc_status xmc_decode_exact(xmc_ctx *ctx, int32_t n, const float *s, const uint8_t *decided, int32_t *order,
							  double *value);
extern xmc_status xmc_decode_search(xmc_ctx *ctx, int32_t n, const float *s, const uint8_t *decided, int32_t *order,
							  double *value);

/*
 * xmc_decode with ties broken at random, from `seed`: for the evaluation of models. Keys often run in the true order, so
 * with ties to the smaller number a model whose scores are all 0 would look good.
 */
extern xmc_status xmc_decode_shuffled(xmc_ctx *ctx, int32_t n, const float *s, const uint8_t *decided, uint64_t seed,
									  int32_t *order);

#endif
