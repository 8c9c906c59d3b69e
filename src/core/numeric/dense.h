/*
 * dense.h - the operations of neural networks, forward and backward: linear layer, ReLU, GELU, dropout, layer
 * normalisation, softmax attention inside a document or a text, a fast tanh, softplus and sigmoid. The encoder, the pair
 * head, the alignment's maps and the text encoders are made of them.
 *
 * Notation: dx is the gradient of the loss by x. Backward functions ADD to gradients of parameters and SET gradients of
 * inputs, unless a comment says otherwise.
 */
#ifndef XMCOH_DENSE_H
#define XMCOH_DENSE_H

#include "xmcoh/base.h"
#include "numeric/vector.h"
#include "xmcoh/random.h"

/* y (rows, outputs) = x (rows, inputs) w^T + bias; w (outputs, inputs), bias (outputs) or NULL. */
extern xmc_status xmc_linear(xmc_ctx *ctx, int64_t rows, int64_t inputs, int64_t outputs,
							 const float *x, const float *w, const float *bias, float *y);

/* dw += dy^T x, dbias += column sums of dy, dx = dy w (add_dx: dx += instead). dw, dbias, dx NULL: not computed. */
extern xmc_status xmc_linear_backward(xmc_ctx *ctx, int64_t rows, int64_t inputs, int64_t outputs,
									  const float *x, const float *w, const float *dy,
									  float *dw, float *dbias, float *dx, bool add_dx);

extern void xmc_relu(int64_t n, float *x);	/* in place */
extern void xmc_relu_backward(int64_t n, const float *y, float *dy);	/* dy = 0 where the output y was 0 */

/*
 * Inverted dropout in place: a value is kept with probability 1 - p and multiplied by 1 / (1 - p), else set to 0. mask (n)
 * gets these factors; the backward pass multiplies by them (xmc_multiply). If p is 0 or random is NULL, nothing is done and
 * mask is not written.
 */
extern void xmc_dropout(int64_t n, double p, xmc_random *random, float *x, float *mask);

/* The same factors for values that do not exist yet. p is above 0. */
extern void xmc_dropout_mask(int64_t n, double p, xmc_random *random, float *mask);

/*
 * Layer normalisation of each row (Ba et al. 2016): y = normal * w + b; normal (rows, d), inverse_deviation (rows). epsilon
 * is added to the variance. y may be x; normal may be y where no backward pass follows.
 */
#define XMC_LAYER_NORM_EPSILON 1e-5	/* of xmcoh's own networks */
extern void xmc_layer_norm(int64_t rows, int64_t d, double epsilon, const float *x, const float *w, const float *b,
						   float *y, float *normal, float *inverse_deviation);
extern void xmc_layer_norm_backward(int64_t rows, int64_t d, const float *dy, const float *w,
									const float *normal, const float *inverse_deviation,
									float *dw, float *db, float *dx);	/* dw and db NULL: not computed */

/*
 * Multi-head self-attention inside one document of n items, without positional encoding (Vaswani et al. 2017, eq. 1).
 * d = heads * head width. qkv (n, 3 d) holds queries, keys and values of each row side by side. probability (heads, n, n)
 * is set to the softmax, for the backward pass. y (n, d) is the result. mask (heads, n, n) is dropout of the probabilities;
 * NULL: none. scratch holds n n values.
 */
extern xmc_status xmc_attention(xmc_ctx *ctx, int64_t n, int64_t d, int64_t heads, const float *qkv,
								float *probability, const float *mask, float *scratch, float *y);

/* Sets dqkv (n, 3 d). probability is that of the forward pass, before the mask. scratch holds 2 n n values. */
extern xmc_status xmc_attention_backward(xmc_ctx *ctx, int64_t n, int64_t d, int64_t heads, const float *qkv,
										 const float *probability, const float *mask, const float *dy,
										 float *scratch, float *dqkv);

/*
 * The result alone, for a text of any length. scratch holds XMC_ATTENTION_ROWS n values. A row's result is that of
 * xmc_attention, but for rounding.
 */
#define XMC_ATTENTION_ROWS 256	/* queries that are taken at a time */
extern xmc_status xmc_attention_only(xmc_ctx *ctx, int64_t n, int64_t d, int64_t heads, const float *qkv, float *scratch,
									 float *y);

/* Softmax of n values in place; exp to 2 units in the last place, the sum in double. */
extern void xmc_softmax(int64_t n, float *x);

/*
 * GELU (Hendrycks and Gimpel 2016): y = x Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2, erf with an absolute error below
 * 4e-7. y may be x. The backward pass multiplies dy by the derivative at x.
 */
extern void xmc_gelu(int64_t n, const float *x, float *y);
extern void xmc_gelu_backward(int64_t n, const float *x, float *dy);

/* tanh of each value in place, to 4 units in the last place. Vectorised: the pair head computes n (n - 1) d of them. */
extern void xmc_tanh(int64_t n, float *x);

/* log(1 + exp(x)) and 1 / (1 + exp(-x)) in double, without overflow for any x. */
extern double xmc_softplus(double x);
extern double xmc_sigmoid(double x);

/* softplus(x), and *slope = sigmoid(x), its derivative: the same values by one exponential in place of two. */
extern double xmc_softplus_slope(double x, double *slope);

#endif
