/*
 * sparse.h - what is learned per hashed text feature: the sparse term and the embedding bag (design section 4, "Text
 * features"). Both are updated by AdaGrad (Duchi et al. 2011) on the touched weights only.
 */
#ifndef XMCOH_SPARSE_H
#define XMCOH_SPARSE_H

#include "xmcoh/base.h"
#include "xmcoh/batch.h"
#include "xmcoh/model.h"

/* u(i) of each row: the sum of its features' weights; u is (rows). The sparse term of s(i,j) is u(j) - u(i). */
extern void xmc_sparse_forward(const xmc_model *model, const xmc_batch *batch, double *u);

/*
 * The bag of each row: the sum of its words' embeddings over the square root of their number, into x with `stride` values a
 * row. Words and character n-grams count; bigrams and the rest are the sparse term's alone.
 */
extern void xmc_bag_forward(const xmc_model *model, const xmc_batch *batch, float *x, int64_t stride);

/* Weights that are updated sparsely: rows of `width` values. */
typedef struct xmc_adagrad
{
	int32_t		rows;
	int32_t		width;
	float	   *squares;		/* (rows, width) sums of squared gradients */
	float	   *grad;			/* (rows, width), zero but for the touched rows */
	uint8_t    *is_touched;		/* (rows) */
	uint32_t   *touched;		/* (rows) the first n_touched are valid */
	int32_t		n_touched;
} xmc_adagrad;

extern xmc_status xmc_adagrad_init(xmc_arena *arena, int32_t rows, int32_t width, xmc_adagrad *out);

/* w -= rate g / sqrt(sum of squares), then forgets the gradients; `decay` shrinks the touched weights by rate * decay. */
extern void xmc_adagrad_step(xmc_adagrad *adagrad, float *weights, double rate, double decay);

/* Adds the gradient of the batch's rows: du (rows) for the sparse term, dx (rows, stride) for the bag. */
extern void xmc_sparse_backward(const xmc_model *model, const xmc_batch *batch, const double *du, xmc_adagrad *adagrad);
extern void xmc_bag_backward(const xmc_model *model, const xmc_batch *batch, const float *dx, int64_t stride,
							 xmc_adagrad *adagrad);

#endif
