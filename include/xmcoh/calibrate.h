/*
 * calibrate.h - from raw order scores to calibrated and fused log-odds (design section 4, "Guidance", the last lines).
 *
 * A pair's probability must not change when the pair is turned round, so there is no intercept: p = sigmoid(sum_k c_k x_k)
 * with c_k >= 0. One feature calibrates one modality (temperature scaling, Guo et al. 2017); several fuse text, image and
 * what reads both.
 */
#ifndef XMCOH_CALIBRATE_H
#define XMCOH_CALIBRATE_H

#include "xmcoh/base.h"

#define XMC_CALIBRATE_MAX 4
#define XMC_CALIBRATION_RIDGE 1e-3	/* precision about 0 that keeps separable data finite, and no more */

/* What is believed of a coefficient before any row: a normal distribution. */
typedef struct xmc_prior
{
	double		mean;			/* 0 or more */
	double		precision;		/* 1 / variance, against rows of weight 1; 0: nothing is believed */
} xmc_prior;

/*
 * Fits coefficient[0..k-1] >= 0 by weighted logistic regression: minimises sum_r weight[r] softplus(-sum_k c_k x[r, k])
 * plus sum_k prior[k].precision (c_k - prior[k].mean)^2 / 2, over n rows each turned so that the truth is "before". x is
 * (n, k), row-major. weight NULL means 1 each; prior NULL means 0 with precision XMC_CALIBRATION_RIDGE each. Projected
 * Newton; accumulates in double. n = 0 gives the means, where a precision is above 0.
 * Without precision, separable rows have no minimum: the fit ends, finite, where the loss has vanished.
 * Errors: XMC_BAD_INPUT (k out of 1..XMC_CALIBRATE_MAX, a value that is not finite, a negative weight or number of a
 * prior), XMC_STOPPED.
 */
extern xmc_status xmc_calibrate(xmc_ctx *ctx, int32_t n, int32_t k, const float *x, const float *weight, const xmc_prior *prior,
								double *coefficient);

#define XMC_CALIBRATION_BINS 15
#define XMC_CALIBRATION_MAX_BINS 256

/*
 * What the expected calibration error is made of, probability by probability, so that they need not be kept. `bins` is set
 * by the caller, all else 0 at first.
 */
typedef struct xmc_reliability
{
	int32_t		bins;			/* 1 .. XMC_CALIBRATION_MAX_BINS */
	double		n;
	double		excess[XMC_CALIBRATION_MAX_BINS];	/* (bins) sum of right - p over the bin's probabilities */
} xmc_reliability;

extern void xmc_reliability_add(xmc_reliability *reliability, double p);
extern double xmc_reliability_error(const xmc_reliability *reliability);

/*
 * Expected calibration error of p over n rows: pairs are folded so that p >= 0.5, sorted into `bins` equal-width bins of
 * p in [0.5, 1], and |share right - mean p| is averaged with the bins' weights. p[r] is the probability given to the true
 * orientation; exactly 0.5 is half right. NaN when n = 0, when a p is NaN, or with fewer or more
 * bins than there may be.
 */
extern double xmc_calibration_error(int32_t n, const double *p, int32_t bins);

#endif
