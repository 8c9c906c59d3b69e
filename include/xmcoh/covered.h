/*
 * covered.h - how much may pass without a person by the record of a version's training (results.h): recovered orders, pairs, or
 * what the check of stored orders finds and leaves alone.
 */
#ifndef XMCOH_COVERED_H
#define XMCOH_COVERED_H

#include "xmcoh/coverage.h"
#include "xmcoh/model.h"

typedef enum xmc_coverage_level
{
	XMC_COVERED_DOCUMENTS,		/* a recovered order is right as a whole; confidence: the probability of its neighbours, multiplied */
	XMC_COVERED_PAIRS,			/* the likelier order of two items is the right one; confidence: its probability */

	/*
	 * What xmc_check_order finds at the threshold of xmc_alarm_threshold, which is at least that of xmc_check_threshold. precision:
	 * the share of documents in right order that are not suspect; share: of pairs that are stored the wrong way round, those that
	 * are found; confidence: the probability of their true order.
	 */
	XMC_COVERED_VIOLATIONS,
	XMC_COVERAGE_LEVELS
} xmc_coverage_level;

typedef struct xmc_covered
{
	int32_t		documents;		/* that were judged */
	xmc_coverage coverage;		/* threshold: of documents a log of a probability, else log-odds */
} xmc_covered;

/*
 * The figures of a level for a precision (0.5 <= precision < 1), of the recorded documents r with part[r] == of (part NULL: all).
 * threshold NULL: it is found by these documents; else it is taken, as `coverage.threshold` of an earlier call gave it. Pairs are
 * the labelled ones; for violations a document counts if at least half of the pairs of its items are labelled. A
 * damaged row of the record does not count. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_covered_by_record(xmc_ctx *ctx, const xmc_model *model, xmc_coverage_level level, double precision,
										const int32_t *part, int32_t of, const double *threshold, xmc_covered *out);

/* The probability that a threshold stands for; NaN where nothing passes. */
extern double xmc_covered_probability(xmc_coverage_level level, double threshold);

#endif
