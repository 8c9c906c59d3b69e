/*
 * gap.h - places of an order where a step may be missing (design section 4, "Gaps"): before the first step, between two
 * neighbours, behind the last one; and how well a step of another document fits into such a place.
 */
#ifndef XMCOH_GAP_H
#define XMCOH_GAP_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/metrics.h"
#include "xmcoh/model.h"

/* The steps of one document in their order, as gaps read them. */
typedef struct xmc_steps
{
	int32_t		n;
	int32_t    *item;			/* (n) item numbers */
	int32_t		dim;			/* xmc_gap_dim */
	float	   *x;				/* (n, dim) the inputs of each step, a unit vector; 0 where there are none */
	float	   *length;			/* (n) from the number of words */
} xmc_steps;

/* The text of an item tells whether it is a step; of a model that reads no texts, the image. */
extern bool xmc_gap_is_step(const xmc_options *options, uint8_t has);

/*
 * The steps among the items order (n) of a document, in that order, allocated in the arena. Errors: XMC_BAD_INPUT (embeddings
 * so large that a length is not finite), XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_steps_read(xmc_arena *arena, const xmc_model *model, const xmc_document *document, int32_t n,
								 const int32_t *order, xmc_steps *out);

/* Of n steps, place k is before step k; place n is behind the last step. */
extern xmc_gap_kind xmc_gap_kind_of(int32_t n, int32_t place);

/*
 * The features of a place (xmc_gap_features), of the steps without step left_out (-1: of all); the place is one of the steps
 * that stay.
 */
extern void xmc_gap_read(const xmc_steps *steps, int32_t left_out, int32_t place, float *feature);

/* Whether the model has gaps, and whether those of a kind were found often enough on documents that taught no weight. */
extern bool xmc_gap_is_measured(const xmc_model *model, xmc_gap_kind kind);
extern bool xmc_gap_is_told(const xmc_model *model, xmc_gap_kind kind);

/* How often: the AUROC with its 95% interval over groups, of a kind that is measured. */
extern xmc_interval xmc_gap_auroc(const xmc_model *model, xmc_gap_kind kind);

/*
 * score (n + 1): the log-odds that a step is missing at each place, where as many places of the kind have a gap as have none;
 * NaN: not measured. probability (n + 1): the probability of a gap in a document that lacks one step with probability 1/2, at
 * any of its places alike; NaN where the kind is not told. Both are empty for 0 steps. Errors: XMC_NO_MEMORY.
 */
extern xmc_status xmc_gap_score(xmc_ctx *ctx, const xmc_model *model, const xmc_steps *steps, double *score,
								double *probability);

/* cosine (a->n, b->n) of the steps of two documents. Errors: XMC_STOPPED. */
extern xmc_status xmc_steps_compare(xmc_ctx *ctx, const xmc_steps *a, const xmc_steps *b, float *cosine);

/*
 * How well step c of m steps fits into a place of n steps, in [-1, 1]: the mean similarity of the two neighbours of the place
 * with those of the step. cosine: (n, m) from xmc_steps_compare.
 */
extern double xmc_gap_fit(const float *cosine, int32_t n, int32_t place, int32_t m, int32_t c);

#endif
