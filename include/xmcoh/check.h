/*
 * check.h - what is wrong with the stored order of a document, and how sure that is: its coherence against that of the
 * recovered order, the pairs that stand the wrong way round, and the fewest items to move.
 *
 * A pair is confident if its log-odds, either way round, reach a threshold. The threshold for a precision comes from
 * documents that the model had not seen: of such documents, whose approved order is right, a share of at least `precision`
 * has no pair that contradicts its order at the threshold. So at most 1 - precision of the documents whose order is right
 * are suspected (conformal prediction: Vovk et al. 2005).
 */
#ifndef XMCOH_CHECK_H
#define XMCOH_CHECK_H

#include "xmcoh/base.h"
#include "xmcoh/decided.h"
#include "xmcoh/model.h"
#include "xmcoh/scorer.h"

/*
 * The smallest log-odds at which scores of this kind keep the precision (0.5 <= precision < 1); INFINITY: there is no such
 * log-odds, because the scores are too often wrong, or because the training had too few documents to tell. For a version
 * without a table of reliability (xmc_has_reliability), the log-odds of the precision itself.
 */
extern double xmc_check_threshold(const xmc_model *model, xmc_score_kind kind, double precision);

/* Whether the model has a table of reliability. Versions that were trained before there was one have none. */
extern bool xmc_has_reliability(const xmc_model *model);

typedef enum xmc_verdict
{
	XMC_VERDICT_OK,				/* no pair is violated, and at least half of the pairs are confident */
	XMC_VERDICT_SUSPECT,		/* at least one pair is violated */
	XMC_VERDICT_UNSURE			/* no pair is violated, but the model cannot tell: fewer pairs are confident */
} xmc_verdict;

/* One item that leaves its place. The other items stay in their stored order. */
typedef struct xmc_move
{
	int32_t		item;
	int32_t		from;			/* place in the stored order, from 1 */
	int32_t		to;				/* place in the recovered order, from 1 */
	double		probability;	/* the largest of a pair that the move turns round */
} xmc_move;

/*
 * The result. It counts pairs of items that have two different stored positions; two items with the same position, such as
 * a step and its photo, have no order. Undecided pairs have the probability of their score. Decided pairs have 1 or 0, and
 * are confident; both orders of a pair decided XMC_DECIDED_EITHER are right.
 */
typedef struct xmc_check
{
	int32_t		items;			/* that have a position */
	int64_t		pairs;
	int64_t		decided_pairs;
	double		coherence;		/* of the stored order: mean of 2p - 1 over the pairs; NaN without a pair */
	double		best_coherence; /* of the recovered order, or of the stored one if that is larger */
	double		gain;			/* best_coherence - coherence; NaN without a pair */
	int64_t		confident_pairs;
	int64_t		violated_pairs; /* confident, and stored the other way round */
	int32_t		worst_before;	/* of the surest violated pair: the item that should stand before; -1: none is violated */
	int32_t		worst_after;
	double		worst_probability;	/* that worst_before stands before worst_after; NaN: none is violated */
	xmc_verdict verdict;
	int32_t		n_moves;
	xmc_move   *move;			/* (n_moves) by the stored place; in one allocation, for xmc_release */
} xmc_check;

/*
 * Checks the stored order of a document of n items. s (n, n) are its scores; the verdict of a document is by fused ones.
 * decided (n, n) as closed by xmc_decided_close, or NULL; position (n) stored positions, NaN: none; threshold from
 * xmc_check_threshold. Of several surest pairs the worst is the one whose wrongly first item stands first. Errors: as
 * xmc_order_items.
 */
extern xmc_status xmc_check_order(xmc_ctx *ctx, int32_t n, const float *s, const uint8_t *decided, const double *position,
								  double threshold, xmc_check *out);

/* A violated pair: `before` should stand before `after`, which is stored first. */
typedef struct xmc_violated_pair
{
	int32_t		before;
	int32_t		after;
	double		probability;	/* that `before` stands before `after`; 1 where that is decided */
} xmc_violated_pair;

/*
 * The surest violated pairs into pair (most), the worst of xmc_check_order first; *violated is the number of all. Arguments
 * as of xmc_check_order. No order is recovered, so the time is O(n^2). Errors: XMC_STOPPED.
 */
extern xmc_status xmc_list_violated(xmc_ctx *ctx, int32_t n, const float *s, const uint8_t *decided, const double *position,
									double threshold, int32_t most, xmc_violated_pair *pair, int64_t *violated);

#endif
