/*
 * results.h - the record of what a training measured: for each approved document that was measured, the hash of its key, the
 * hash of what it held, how good its recovered order is by each kind of score, and the log-odds of its labelled pairs.
 *
 * Each document was scored by a model that had not learned from it (train/figures.h). So two versions can be compared on all
 * documents that both have measured, though both have learned from them in the end. The record is stored with the model.
 */
#ifndef XMCOH_RESULTS_H
#define XMCOH_RESULTS_H

#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

#define XMC_MOST_RESULTS 200000	/* rows of a record; further documents are not recorded */
#define XMC_MOST_RESULT_PAIRS 4000000	/* pairs of a record; a document whose pairs would be more is recorded without them */

/* Not a tau: no two items have an order. */
#define XMC_NOT_MEASURED (-2)

#define XMC_LEAST_CONFIDENCE (-1e6f)	/* a lower one is recorded as this; the highest is 0 */

/*
 * A recovered order against the labels: xmc_order_quality (metrics.h) of the labelled items that the kind of score speaks of.
 * All zero, with XMC_NOT_MEASURED as tau, if there are none.
 */
typedef struct xmc_recorded_order
{
	float		items;			/* that have a label */
	float		matches;		/* of them, those at a place where they may be */
	float		neighbours;		/* of the items - 1 pairs of neighbours, the right ones */
	float		perfect;		/* 1: no pair is in the wrong order */
	float		tau;
	float		random_matches;
	float		random_perfect;
} xmc_recorded_order;

typedef struct xmc_result
{
	xmc_recorded_order order[XMC_RESULT_KINDS];	/* the last by fused scores; a document without labels has no result */
	float		confidence;		/* in the order by fused scores: the sum over neighbours of the log of their probability */
} xmc_result;

/* A result as it is found in the record. */
typedef struct xmc_found_result
{
	xmc_result	result;
	int32_t		group;			/* number of the document's group in this record: documents of one group have one number */
	int32_t		n_pairs;		/* labelled pairs; 0: the record does not have them */
	const float *log_odds;		/* (n_pairs) calibrated fused log-odds of the order that the label says: positive is right */
} xmc_found_result;

/*
 * Records the results of n documents, an earlier record is replaced. A document whose order by fused scores has no items is
 * left out. log_odds: those of all pairs of the documents, one document behind the other. widening: as in xmc_results; NULL, or
 * less than 1: 1. In place of the keys the rows have the numbers of the documents, until xmc_results_name. Errors: XMC_NO_MEMORY,
 * XMC_STOPPED.
 */
extern xmc_status xmc_results_fill(xmc_ctx *ctx, xmc_model *model, int32_t n, const xmc_document *document,
								   const xmc_result *result, const float *log_odds, const float *widening);

/* Puts the keys of the documents, zero-terminated, in place of their numbers. */
extern void xmc_results_name(xmc_model *model, char *const *key);

/* Whether the record has a document with this key. */
extern bool xmc_results_has(const xmc_model *model, const char *key);

/* The result in row r, of model->results.n; false: there is none. */
extern bool xmc_results_get(const xmc_model *model, int32_t r, xmc_found_result *out);

/*
 * Whether the record has this document, with the same items and labels; then its result. A record of other contents is taken
 * for that of this document with probability 2^-48. The document was built with the model's options.
 */
extern bool xmc_results_find(const xmc_model *model, const char *key, const xmc_document *document, xmc_found_result *out);

/* Gives back the record. */
extern void xmc_results_forget(xmc_ctx *ctx, xmc_model *model);

/* Checks the record of a stored model: numbers in bounds, rows in order. Errors: XMC_BAD_MODEL, XMC_STOPPED. */
extern xmc_status xmc_results_check(xmc_ctx *ctx, const xmc_model *model);

#endif
