/*
 * sparse.h - the parameters per hashed text feature: the sparse term and the embedding bag (design section 4, "Text
 * features"). AdaGrad (Duchi et al. 2011) updates only the touched weights of the bag, those of the features in a batch.
 */
#ifndef XMCOH_SPARSE_H
#define XMCOH_SPARSE_H

#include "xmcoh/base.h"
#include "network/batch.h"
#include "xmcoh/model.h"
#include "xmcoh/text.h"

/*
 * With which factor the weight of a feature of each kind counts in the score of a text with these features. Words, bigrams
 * and character n-grams have 1 / sqrt(their number), so that a long text has no larger score than a short one; stems half
 * of that; features that every text has a few of (its beginning, its length) a fixed factor.
 */
extern void xmc_sparse_shares(const uint32_t *feature, int32_t count, double share[XMC_FEATURE_KINDS]);

/*
 * u (rows) = the sum over each row's features of share times weight. The sparse term contributes u(j) - u(i) to s(i,j).
 */
extern void xmc_sparse_forward(const xmc_model *model, const xmc_batch *batch, double *u);

/*
 * The bag of each row: the sum of the embeddings of its words and character n-grams, divided by the square root of their
 * number. Other kinds of features belong to the sparse term alone. A row of x has `stride` values, of which the first
 * bag_dim are set.
 */
extern void xmc_bag_forward(const xmc_model *model, const xmc_batch *batch, float *x, int64_t stride);

/* Whether the bag reads a feature of this kind. */
extern bool xmc_in_bag(uint32_t feature);

/* 1 / sqrt(number of a text's features that the bag reads); 0 if there is none. */
extern float xmc_bag_scale(const uint32_t *feature, int32_t count);

/* The state of AdaGrad for weights that are updated sparsely: `rows` rows of `width` values. */
typedef struct xmc_adagrad
{
	int32_t		rows;
	int32_t		width;
	float	   *squares;		/* (rows, width) sums of squared gradients */
	float	   *grad;			/* (rows, width), zero except in touched rows */
	uint8_t    *is_touched;		/* (rows) */
	uint32_t   *touched;		/* (rows) the numbers of the touched rows, n_touched of them */
	int32_t		n_touched;
} xmc_adagrad;

extern xmc_status xmc_adagrad_init(xmc_arena *arena, int32_t rows, int32_t width, xmc_adagrad *out);

/*
 * One step: w = w - rate g / sqrt(sum of squares), for the touched weights. The gradients are then set to 0 and no row is
 * touched any more.
 */
extern void xmc_adagrad_step(xmc_adagrad *adagrad, float *weights, double rate);

/* Adds the gradient of the batch's rows, dx (rows, stride). */
extern void xmc_bag_backward(const xmc_model *model, const xmc_batch *batch, const float *dx, int64_t stride,
							 xmc_adagrad *adagrad);

#endif
