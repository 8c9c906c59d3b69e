/*
 * study.h - the cells of a learning curve: a model that is taught some of the approved documents, measured on the others.
 */
#ifndef XMCOH_STUDY_H
#define XMCOH_STUDY_H

#include "xmcoh/learning_curve.h"
#include "xmcoh/train.h"

#define XMC_STUDY_LEAST XMC_MIN_APPROVED_DOCUMENTS	/* the smallest size */
#define XMC_STUDY_LEAST_MEASURED XMC_MIN_HELD_OUT_DOCUMENTS	/* approved documents that any size leaves */
#define XMC_STUDY_DEFAULT_SIZES 5	/* at most */
#define XMC_STUDY_PRECISION 0.95	/* of the coverage */

/*
 * The default sizes for so many approved documents, in ascending order: up to 80 % of these, each half of the next, at least
 * XMC_STUDY_LEAST. Where halving gives fewer than three sizes they are nearer to each other. Returns their number, 0 if there are
 * too few documents.
 */
extern int32_t xmc_study_sizes(int32_t approved, int32_t size[XMC_STUDY_DEFAULT_SIZES]);

typedef struct xmc_study_cell
{
	int32_t		size;			/* approved documents that are asked for */
	int32_t		sample;			/* 1 .. XMC_CURVE_SAMPLES */
	int32_t		taught;			/* approved documents of the groups that were drawn */
	int32_t		measured;		/* approved documents of other groups; 0: there was no model, and ctx->message says why */
	double		sum[XMC_CURVE_SUMS];	/* as in xmc_curve_cell */
} xmc_study_cell;

/*
 * Fills a cell whose size and sample are set. Whole groups are drawn by a hash of their name (xmc_hold_out) with option seed and the
 * sample: so a larger size of a sample holds the smaller one. The model is trained as xmc_train does, without rounds and without
 * evaluation. Documents without labelled pairs are its pool, unless their group is measured. All approved documents of other
 * groups are ordered by its fused scores, after the refit. The coverage is that of xmc_coverage_find among these documents; a
 * cell of fewer groups than can tell has none. The same documents in the same order, options and hooks give the same
 * cell, to the bit. Errors: XMC_STOPPED, XMC_NO_MEMORY, XMC_LIMIT; what the hooks return.
 */
extern xmc_status xmc_study_run_cell(xmc_ctx *ctx, const xmc_options *options, int32_t n_documents, const xmc_document *document,
									 char *const *name, const xmc_train_hooks *hooks, xmc_study_cell *cell);

/*
 * A checksum of all that the cells of a study depend on: options, documents, names of groups. Errors: XMC_STOPPED.
 */
extern xmc_status xmc_study_fingerprint(xmc_ctx *ctx, const xmc_options *options, int32_t n_documents, const xmc_document *document,
										char *const *name, uint64_t *out);

#endif
