/* sparse.c - the sparse term, the embedding bag and AdaGrad: forward, backward and update; see sparse.h */
#include "network/sparse.h"
#include "xmcoh/text.h"
#include "numeric/vector.h"

#include <math.h>
#include <string.h>

/* The gradient row of one bucket, which is marked as touched. */
static float *
touch(xmc_adagrad *adagrad, uint32_t row)
{
	if (!adagrad->is_touched[row])
	{
		adagrad->is_touched[row] = 1;
		adagrad->touched[adagrad->n_touched++] = row;
	}
	return adagrad->grad + (int64_t) row * adagrad->width;
}

#define STEM_SHARE 0.5
#define PLACE_SHARE 0.1

/* Whether a feature of this kind says what the text is about; the others say how it begins and how long it is. */
static bool
is_content(xmc_feature_kind kind)
{
	return kind == XMC_FEATURE_WORD || kind == XMC_FEATURE_BIGRAM || kind == XMC_FEATURE_CHARACTERS;
}

void
xmc_sparse_shares(const uint32_t *feature, int32_t count, double share[XMC_FEATURE_KINDS])
{
	int32_t		of_kind[XMC_FEATURE_KINDS] = {0};
	int32_t		content = 0;
	int32_t		stems;

	for (int32_t k = 0; k < count; k++)
		of_kind[xmc_feature_kind_of(feature[k])]++;
	for (int kind = 0; kind < XMC_FEATURE_KINDS; kind++)
		content += is_content((xmc_feature_kind) kind) ? of_kind[kind] : 0;
	stems = of_kind[XMC_FEATURE_STEM];
	for (int kind = 0; kind < XMC_FEATURE_KINDS; kind++)
		share[kind] = is_content((xmc_feature_kind) kind) ? 1 / sqrt(content + (content == 0))
			: kind == XMC_FEATURE_STEM ? STEM_SHARE / sqrt(stems + (stems == 0)) : PLACE_SHARE;
}

void
xmc_sparse_forward(const xmc_model *model, const xmc_batch *batch, double *u)
{
	int			shift = 32 - model->options.hash_bits;

	for (int32_t d = 0; d < batch->n_documents; d++)
		for (int32_t r = batch->row_start[d]; r < batch->row_start[d + 1]; r++)
		{
			double		share[XMC_FEATURE_KINDS];
			int32_t		count;
			const uint32_t *feature = xmc_item_features(batch->document[d], batch->item[r], &count);

			xmc_sparse_shares(feature, count, share);
			u[r] = 0;
			for (int32_t k = 0; k < count; k++)
				u[r] += share[xmc_feature_kind_of(feature[k])] * model->sparse[feature[k] >> shift];
		}
}

bool
xmc_in_bag(uint32_t feature)
{
	xmc_feature_kind kind = xmc_feature_kind_of(feature);

	return kind == XMC_FEATURE_WORD || kind == XMC_FEATURE_CHARACTERS;
}

float
xmc_bag_scale(const uint32_t *feature, int32_t count)
{
	int32_t		n = 0;

	for (int32_t k = 0; k < count; k++)
		n += xmc_in_bag(feature[k]);
	return n ? (float) (1.0 / sqrt(n)) : 0;
}

void
xmc_bag_forward(const xmc_model *model, const xmc_batch *batch, float *x, int64_t stride)
{
	int			shift = 32 - model->options.bag_bits;
	int32_t		width = model->options.bag_dim;

	for (int32_t d = 0; d < batch->n_documents; d++)
		for (int32_t r = batch->row_start[d]; r < batch->row_start[d + 1]; r++)
		{
			int32_t		count;
			const uint32_t *feature = xmc_item_features(batch->document[d], batch->item[r], &count);
			float		scale = xmc_bag_scale(feature, count);
			float	   *out = x + r * stride;

			memset(out, 0, (size_t) width * sizeof(float));
			for (int32_t k = 0; k < count; k++)
			{
				if (xmc_in_bag(feature[k]))
					xmc_add(width, model->bag + (int64_t) (feature[k] >> shift) * width, out);
			}
			for (int32_t c = 0; c < width; c++)
				out[c] *= scale;
		}
}

void
xmc_bag_backward(const xmc_model *model, const xmc_batch *batch, const float *dx, int64_t stride, xmc_adagrad *adagrad)
{
	int			shift = 32 - model->options.bag_bits;
	int32_t		width = model->options.bag_dim;

	for (int32_t d = 0; d < batch->n_documents; d++)
		for (int32_t r = batch->row_start[d]; r < batch->row_start[d + 1]; r++)
		{
			int32_t		count;
			const uint32_t *feature = xmc_item_features(batch->document[d], batch->item[r], &count);
			float		scale = xmc_bag_scale(feature, count);

			for (int32_t k = 0; k < count; k++)
			{
				float	   *g;

				if (!xmc_in_bag(feature[k]))
					continue;
				g = touch(adagrad, feature[k] >> shift);
				for (int32_t c = 0; c < width; c++)
					g[c] += scale * dx[r * stride + c];
			}
		}
}

xmc_status
xmc_adagrad_init(xmc_arena *arena, int32_t rows, int32_t width, xmc_adagrad *out)
{
	size_t		values = (size_t) rows * (size_t) width;

	*out = (xmc_adagrad){.rows = rows,.width = width};
	out->squares = xmc_arena_zalloc(arena, values, sizeof(float));
	out->grad = xmc_arena_zalloc(arena, values, sizeof(float));
	out->is_touched = xmc_arena_zalloc(arena, (size_t) rows, 1);
	out->touched = xmc_arena_alloc(arena, (size_t) rows, sizeof(uint32_t));
	if (!out->squares || !out->grad || !out->is_touched || !out->touched)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	return XMC_OK;
}

XMC_FOR_THIS_PROCESSOR void
xmc_adagrad_step(xmc_adagrad *adagrad, float *weights, double rate)
{
	for (int32_t t = 0; t < adagrad->n_touched; t++)
	{
		int64_t		first = (int64_t) adagrad->touched[t] * adagrad->width;

#pragma omp simd
		for (int64_t k = first; k < first + adagrad->width; k++)
		{
			float		g = adagrad->grad[k];

			adagrad->squares[k] += g * g;
			weights[k] -= (float) rate * g / (sqrtf(adagrad->squares[k]) + 1e-3f);
			adagrad->grad[k] = 0;
		}
		adagrad->is_touched[adagrad->touched[t]] = 0;
	}
	adagrad->n_touched = 0;
}
