/*
 * dense.h - the differentiable parts that the encoder and the pair head are made of: linear layers, ReLU, dropout, layer
 * normalisation, softmax attention inside documents, and a fast tanh. Forward and backward, written by hand on sgemm.
 *
 * Backward functions ADD to parameter gradients and SET input gradients unless said otherwise.
 */
#ifndef XMCOH_DENSE_H
#define XMCOH_DENSE_H

#include "xmcoh/base.h"
#include "numeric/vector.h"
#include "xmcoh/random.h"

/* y (rows, outputs) = x (rows, inputs) w^T + bias; w (outputs, inputs), bias (outputs) or NULL. */
extern xmc_status xmc_linear(xmc_ctx *ctx, int64_t rows, int64_t inputs, int64_t outputs,
							 const float *x, const float *w, const float *bias, float *y);

/* dw += dy^T x, dbias += column sums of dy, dx = dy w (dx NULL: not wanted; add_dx: dx += instead). */
extern xmc_status xmc_linear_backward(xmc_ctx *ctx, int64_t rows, int64_t inputs, int64_t outputs,
									  const float *x, const float *w, const float *dy,
									  float *dw, float *dbias, float *dx, bool add_dx);

extern void xmc_relu(int64_t n, float *x);	/* in place */
extern void xmc_relu_backward(int64_t n, const float *y, float *dy);	/* dy = 0 where the output y was 0 */

/*
 * Inverted dropout in place: keeps a value with probability 1 - p, scaled by 1 / (1 - p). mask (n) gets the factors for the
 * backward pass, which multiplies by it (xmc_multiply). p = 0 or random NULL: nothing is done and mask is not written.
 */
extern void xmc_dropout(int64_t n, double p, xmc_random *random, float *x, float *mask);

/* Layer normalisation of each row (Ba et al. 2016), epsilon 1e-5: y = normal * w + b; normal (rows, d), inverse_deviation (rows). */
extern void xmc_layer_norm(int64_t rows, int64_t d, const float *x, const float *w, const float *b,
						   float *y, float *normal, float *inverse_deviation);
extern void xmc_layer_norm_backward(int64_t rows, int64_t d, const float *dy, const float *w,
									const float *normal, const float *inverse_deviation,
									float *dw, float *db, float *dx);

/*
 * Multi-head self-attention inside one document of n items, without position (Vaswani et al. 2017, eq. 1).
 * qkv (n, 3 d): queries, keys, values of each row side by side; probability (heads, n, n) is kept for the backward pass;
 * y (n, d). d = heads * head width. `mask` (heads, n, n) multiplies the probabilities (dropout); NULL for none. `scratch`
 * holds n n values.
 */
extern xmc_status xmc_attention(xmc_ctx *ctx, int64_t n, int64_t d, int64_t heads, const float *qkv,
								float *probability, const float *mask, float *scratch, float *y);

/* dqkv (n, 3 d) is set. `scratch` holds 2 n n values. probability is after softmax, before the mask. */
extern xmc_status xmc_attention_backward(xmc_ctx *ctx, int64_t n, int64_t d, int64_t heads, const float *qkv,
										 const float *probability, const float *mask, const float *dy,
										 float *scratch, float *dqkv);

/* tanh of each value in place, to 4 units in the last place; vectorised, since the pair head takes n (n - 1) d of them. */
extern void xmc_tanh(int64_t n, float *x);

/* log(1 + exp(x)) and 1 / (1 + exp(-x)) in double, safe at any x. */
extern double xmc_softplus(double x);
extern double xmc_sigmoid(double x);

#endif
