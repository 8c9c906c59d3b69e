/*
 * review.h - which pairs of a document are worth a person's time: those that teach the model most, or those that are
 * probably stored the wrong way round.
 */
#ifndef XMCOH_REVIEW_H
#define XMCOH_REVIEW_H

#include "xmcoh/base.h"
#include "xmcoh/decided.h"

/*
 * What a review is for, and the value of an answer.
 *
 * XMC_REVIEW_LEARN: the entropy of the answer in bits, times the square root of the distance of the two items, as a
 * share of the document, divided by the number of this answer in its document: 1 for the first, 2 for the second. The
 * distance is that of the stored places, or that in the order by the scores if an item has no position.
 *
 * XMC_REVIEW_CORRECT: the probability that the pair is stored the wrong way round, if at most one item of the
 * document is misplaced. The log-odds of a misplaced item are the mean of those of the pairs that its move turns.
 */
typedef enum xmc_review_strategy
{
	XMC_REVIEW_LEARN = 0,		/* the answers that teach most */
	XMC_REVIEW_CORRECT,			/* pairs that are probably stored the wrong way round */
	XMC_REVIEW_SECOND			/* pairs that somebody has answered; the caller knows which, xmc_review_pairs does not */
} xmc_review_strategy;

/* Why a pair is asked. A pair has the first reason that holds. */
typedef enum xmc_review_reason
{
	XMC_REVIEW_STALE,			/* it was decided, and the document has changed since */
	XMC_REVIEW_SKIPPED,			/* a person was asked and did not answer */
	XMC_REVIEW_SUSPECT,			/* confident scores contradict the stored order */
	XMC_REVIEW_DISAGREE,		/* text and image each say the contrary of the other */
	XMC_REVIEW_UNCERTAIN,
	XMC_REVIEW_ANSWERED			/* another person has answered, and a second answer is wanted */
} xmc_review_reason;

/* Bits of flag[i * n + j]. Either cell of a pair may have them. */
enum
{
	XMC_REVIEW_IS_STALE = 1, XMC_REVIEW_IS_SKIPPED = 2
};

#define XMC_REVIEW_MAX_ITEMS 4096

typedef struct xmc_review_document
{
	int32_t		n;				/* items, at most XMC_REVIEW_MAX_ITEMS */
	const float *fused;			/* (n, n) log-odds, antisymmetric */
	const float *text;			/* (n, n) log-odds of each modality alone, 0 where an item lacks it; NULL: not known */
	const float *image;
	const uint8_t *decided;		/* (n, n) as closed by xmc_decided_close; NULL: nothing is decided */
	const double *position;		/* (n) stored positions; NaN: none */
	const uint8_t *has;			/* (n) what the model reads of each item, XMC_HAS_...; NULL: something of each */
	const uint8_t *flag;		/* (n, n) XMC_REVIEW_IS_...; NULL: none */
	double		threshold;		/* of confident scores, from xmc_check_threshold of fused ones */
} xmc_review_document;

typedef struct xmc_review_pair
{
	int32_t		before;			/* the likelier order by the fused score; of a score of 0 the stored one */
	int32_t		after;
	double		probability;	/* of that order, 0.5 .. 1 */
	double		value;			/* of the answer, 0 or more; comparable between documents of one model and strategy */
	xmc_review_reason reason;
} xmc_review_pair;

/*
 * The best pairs of a document, *n of them, at most `most`, into pair (most), best first; ties go to the smaller item
 * numbers. A decided pair is not asked, nor one with an item of which the model reads nothing: such an answer teaches nothing
 * about other documents. A pair that follows from decisions is decided, since `decided` is closed. A
 * pair that would follow from decisions and the likely answers to the pairs before it in the list is not asked
 * either. The likely answer is the stored order, unless confident scores contradict that; without one, the order by
 * the fused score. By XMC_REVIEW_CORRECT only pairs with two different positions are asked. Takes O(n^2) time for
 * each pair of the list. Errors: XMC_LIMIT (too many items), XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_review_pairs(xmc_ctx *ctx, const xmc_review_document *document, xmc_review_strategy strategy,
								   int32_t most, xmc_review_pair *pair, int32_t *n);

#endif
