/*
 * calibrate.h - from raw order scores to calibrated and fused log-odds (design section 4, "Guidance", the last lines).
 *
 * A pair's probability must not change when the pair is turned round, so there is no intercept: p = sigmoid(sum_k c_k x_k)
 * with c_k >= 0. One feature calibrates one modality (temperature scaling, Guo et al. 2017); two fuse text and image.
 */
#ifndef XMCOH_CALIBRATE_H
#define XMCOH_CALIBRATE_H

#include "xmcoh/base.h"

#define XMC_CALIBRATE_MAX 4
#define XMC_CALIBRATION_RIDGE 1e-3	/* of every calibration here: keeps separable data finite, and no more */

/*
 * Fits coefficient[0..k-1] >= 0 by weighted logistic regression: minimises sum_r weight[r] softplus(-sum_k c_k x[r, k]) plus
 * `ridge` times sum_k c_k^2 / 2, over n rows each turned so that the truth is "before". x is (n, k), row-major. weight NULL
 * means 1 each. Projected Newton; accumulates in double. n = 0 gives all zeros.
 * Without ridge, separable rows have no minimum: the fit ends, finite, where the loss has vanished.
 * Errors: XMC_BAD_INPUT (k out of 1..XMC_CALIBRATE_MAX, a value that is not finite, a negative weight or ridge),
 * XMC_STOPPED.
 */
extern xmc_status xmc_calibrate(xmc_ctx *ctx, int32_t n, int32_t k, const float *x, const float *weight, double ridge,
								double *coefficient);

/*
 * Expected calibration error of p over n rows: pairs are folded so that p >= 0.5, sorted into `bins` equal-width bins of
 * p in [0.5, 1], and |share right - mean p| is averaged with the bins' weights. p[r] is the probability given to the true
 * orientation; exactly 0.5 is half right. NaN when n = 0, when a p is NaN, or without bins.
 */
extern double xmc_calibration_error(int32_t n, const double *p, int32_t bins);

#endif
