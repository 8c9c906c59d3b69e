/* adapters.c - changes of low rank to an encoder's layers; see adapters.h (design section 4, "Fine-tuning") */
#include "text_encoder/adapters.h"
#include "numeric/sgemm.h"

#include <string.h>

#define PROJECTIONS 2			/* that are adapted: queries and values */

/* Where a projection's rows begin in qkv_w (3 d, d), in units of d. */
static const int block_of[PROJECTIONS] = {0, 2};

/* A (rank, d) and B (d, rank) of one projection. */
static void
projection(const xmc_adapter *adapter, int p, float **a, float **b)
{
	*a = p == 0 ? adapter->query_a : adapter->value_a;
	*b = p == 0 ? adapter->query_b : adapter->value_b;
}

xmc_status
xmc_adapters_apply(xmc_arena *arena, const xmc_transformer *base, const xmc_adapters *adapters, xmc_transformer *out)
{
	int64_t		d = base->settings.shape.dim;
	int32_t		first = base->settings.shape.layers - adapters->n;

	*out = *base;
	for (int32_t k = 0; k < adapters->n; k++)
	{
		float	   *w = xmc_arena_alloc(arena, (size_t) (3 * d * d), sizeof(float));

		XMC_NEED(w, arena->ctx);
		memcpy(w, base->layer[first + k].qkv_w, (size_t) (3 * d * d) * sizeof(float));
		for (int p = 0; p < PROJECTIONS; p++)
		{
			float	   *a;
			float	   *b;

			/* W += scale B A */
			projection(&adapters->layer[k], p, &a, &b);
			XMC_TRY(xmc_sgemm_forward(arena->ctx, XMC_PLAIN, XMC_PLAIN, d, d, adapters->rank, XMC_ADAPTER_SCALE, b,
									  adapters->rank, a, d, 1.0f, w + block_of[p] * d * d, d));
		}
		out->layer[first + k].qkv_w = w;
	}
	return XMC_OK;
}

xmc_status
xmc_adapter_gradient(xmc_ctx *ctx, int32_t d, int32_t rank, const xmc_adapter *adapter, int64_t rows, const float *input,
					 const float *d_qkv, float *scratch, const xmc_adapter *grad)
{
	for (int p = 0; p < PROJECTIONS; p++)
	{
		const float *dy = d_qkv + (int64_t) block_of[p] * d;
		float	   *a;
		float	   *b;
		float	   *da;
		float	   *db;

		projection(adapter, p, &a, &b);
		projection(grad, p, &da, &db);
		/* y = x W^T + scale (x A^T) B^T, so dB += scale dy^T (x A^T) and dA += scale (dy B)^T x */
		XMC_TRY(xmc_sgemm(ctx, XMC_PLAIN, XMC_TRANSPOSED, rows, rank, d, 1.0f, input, d, a, d, 0, scratch, rank));
		XMC_TRY(xmc_sgemm(ctx, XMC_TRANSPOSED, XMC_PLAIN, d, rank, rows, XMC_ADAPTER_SCALE, dy, 3 * d, scratch, rank, 1.0f, db, rank));
		XMC_TRY(xmc_sgemm(ctx, XMC_PLAIN, XMC_PLAIN, rows, rank, d, 1.0f, dy, 3 * d, b, rank, 0, scratch, rank));
		XMC_TRY(xmc_sgemm(ctx, XMC_TRANSPOSED, XMC_PLAIN, rank, d, rows, XMC_ADAPTER_SCALE, scratch, rank, input, d, 1.0f, da, d));
	}
	return XMC_OK;
}
