/*
 * calibrate.h - from raw order scores to calibrated and fused log-odds, by logistic regression (design section 4,
 * "Guidance"), and the expected calibration error.
 *
 * The model is p = sigmoid(sum_k c_k x_k) with c_k >= 0. There is no intercept, because p(i,j) = 1 - p(j,i) must hold. With
 * one feature the regression calibrates one modality (temperature scaling, Guo et al. 2017). With several features it also
 * weighs the scores of text, image and bilinear term against each other.
 */
#ifndef XMCOH_CALIBRATE_H
#define XMCOH_CALIBRATE_H

#include "xmcoh/base.h"

#define XMC_CALIBRATE_MAX 4
#define XMC_CALIBRATION_RIDGE 1e-3	/* the default prior's precision: only so large that separable data have a finite fit */

/* The prior of a coefficient: a normal distribution. */
typedef struct xmc_prior
{
	double		mean;			/* 0 or more */
	double		precision;		/* 1 / variance, in units of rows of weight 1; 0: no prior */
} xmc_prior;

/*
 * Fits coefficient[0..k-1] >= 0 by weighted logistic regression: minimises sum_r weight[r] softplus(-sum_k c_k x[r, k])
 * plus sum_k prior[k].precision (c_k - prior[k].mean)^2 / 2, over n rows. Each row is one
 * labelled pair in its true orientation. x is (n, k), row-major. weight NULL: 1 each. prior NULL: mean 0 and precision
 * XMC_CALIBRATION_RIDGE each. The method is projected Newton; sums are in double. If n is 0, the coefficients are the
 * priors' means where the precision is above 0. Separable rows without a prior have no minimum; the fit then ends with
 * finite coefficients where the loss has vanished.
 * Errors: XMC_BAD_INPUT (k out of 1..XMC_CALIBRATE_MAX, a value that is not finite, a negative weight or number of a
 * prior), XMC_STOPPED.
 */
extern xmc_status xmc_calibrate(xmc_ctx *ctx, int32_t n, int32_t k, const float *x, const float *weight,
								const xmc_prior *prior, double *coefficient);

/*
 * Fits one scale >= 0 of a score s (n), each in its true orientation, whatever the unit of s: the log-odds is scale * s.
 * Minimises sum_r weight[r] ((1 - e) softplus(-scale s[r]) + e softplus(scale s[r])) with e = 1 / (n_groups + 2), after Platt
 * 1999: of that many independent groups none may have been wrong, and the next one still can be. So separable scores have a
 * finite scale. 0 where the score says nothing, or the contrary. Errors: XMC_STOPPED.
 */
extern xmc_status xmc_calibrate_scale(xmc_ctx *ctx, int32_t n, const float *s, const float *weight, int32_t n_groups,
									  double *scale);

#define XMC_CALIBRATION_BINS 15
#define XMC_CALIBRATION_MAX_BINS 256

/*
 * The bins of the expected calibration error, filled probability by probability, so that the probabilities need not be
 * kept. The caller sets `bins` and zeroes the rest before the first call of xmc_reliability_add.
 */
typedef struct xmc_reliability
{
	int32_t		bins;			/* 1 .. XMC_CALIBRATION_MAX_BINS */
	double		n;
	double		excess[XMC_CALIBRATION_MAX_BINS];	/* (bins) per bin: the sum of (1 if right, else 0) - p */
} xmc_reliability;

extern void xmc_reliability_add(xmc_reliability *reliability, double p);
extern double xmc_reliability_error(const xmc_reliability *reliability);

/*
 * Expected calibration error (Naeini et al. 2015) over n rows, where p[r] is the probability given to the true orientation
 * of pair r. A p below 0.5 counts as 1 - p and wrong; exactly 0.5 counts as half right. The values lie in `bins` bins of
 * equal width in [0.5, 1]; the result is the mean of |share right - mean p| over the bins, weighted by their sizes. NaN: n
 * is 0, a p is NaN, or the number of bins is out of range.
 */
extern double xmc_calibration_error(int32_t n, const double *p, int32_t bins);

#endif
