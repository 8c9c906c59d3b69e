/*
 * learning_curve.h - from the cells of a study to a learning curve: a mean for each size with its interval, and what a power law
 * says of twice the approved documents.
 *
 * A cell is one model: it was taught `size` documents, a sample of the approved ones, and measured on the others. What it was
 * measured on is divided into blocks, by the hash of the document's group. The interval of a size is that of a bootstrap that draws
 * blocks with replacement: what other documents would have given. The bootstrap of the extrapolated point draws samples, too, for it
 * speaks of a model of other documents than those that taught here (Owen 2007: drawing both overstates the variance, up to
 * threefold). A draw is the same for all sizes, because cells share documents.
 */
#ifndef XMCOH_LEARNING_CURVE_H
#define XMCOH_LEARNING_CURVE_H

#include "xmcoh/base.h"
#include "xmcoh/metrics.h"

/* The figures of a curve. */
typedef enum xmc_curve_figure
{
	XMC_CURVE_TAU,
	XMC_CURVE_ACC,				/* share of items at their place */
	XMC_CURVE_PMR,				/* share of documents in the right order */
	XMC_CURVE_COVERAGE,			/* share of documents that pass; without it all its weights are 0 */
	XMC_CURVE_FIGURES
} xmc_curve_figure;

#define XMC_CURVE_BLOCKS 40
#define XMC_CURVE_SUMS (XMC_CURVE_BLOCKS * XMC_CURVE_FIGURES * 2)
#define XMC_CURVE_SIZES 20		/* at most */
#define XMC_CURVE_SAMPLES 100	/* at most, numbered from 1 */

typedef struct xmc_curve_cell
{
	int32_t		size;
	int32_t		sample;
	const double *sum;			/* (XMC_CURVE_BLOCKS, XMC_CURVE_FIGURES, 2) value and weight: a figure is value / weight */
} xmc_curve_cell;

typedef struct xmc_curve_point
{
	int32_t		size;
	int32_t		samples;		/* cells of this size; of the extrapolated point: samples of all sizes */
	bool		extrapolated;
	xmc_interval figure[XMC_CURVE_FIGURES];	/* NaN: not known */
} xmc_curve_point;

/* The figure of one cell; NaN if nothing was measured. */
extern double xmc_curve_value(const xmc_curve_cell *cell, xmc_curve_figure figure);

/*
 * The points of a curve, by size, and the extrapolated one at size `target` as the last one if there are at least three sizes.
 * point has room for XMC_CURVE_SIZES + 1. The same cells in any order give the same points. Cells whose size or sample is out of
 * bounds and sums that are not finite are left out. Bounds are NaN with fewer than XMC_MIN_INTERVAL_GROUPS blocks. Errors:
 * XMC_LIMIT (more sizes), XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_learning_curve(xmc_ctx *ctx, int32_t n, const xmc_curve_cell *cell, int32_t target, xmc_curve_point *point,
									 int32_t *n_points);

#endif
