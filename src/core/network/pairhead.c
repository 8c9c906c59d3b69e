/* pairhead.c - forward and backward pass of the pair head; see pairhead.h (design section 4, "Pair head") */
#include "network/pairhead.h"
#include "numeric/sgemm.h"
#include "numeric/dense.h"

#include <string.h>

xmc_status
xmc_pairhead_forward(xmc_arena *arena, int32_t d, const xmc_network *network, const xmc_batch *batch, const float *h,
					 bool keep_t, xmc_pairhead_state *state, float *g)
{
	xmc_ctx    *ctx = arena->ctx;
	size_t		t_rows = keep_t ? (size_t) batch->pair_start[batch->n_documents] : (size_t) batch->most_items;

	*state = (xmc_pairhead_state){.h = h};
	state->ab = xmc_arena_alloc(arena, (size_t) batch->rows * 2 * (size_t) d, sizeof(float));
	state->t = xmc_arena_alloc(arena, t_rows * (size_t) d, sizeof(float));
	if (!state->ab || !state->t)
		return xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	/* A h and B h of all rows. */
	XMC_TRY(xmc_linear(ctx, batch->rows, d, 2 * d, h, network->head_ab_w, NULL, state->ab));

	for (int32_t k = 0; k < batch->n_documents; k++)
	{
		int32_t		n = batch->row_start[k + 1] - batch->row_start[k];
		const float *ab = state->ab + (int64_t) batch->row_start[k] * 2 * d;

		/* For each item i: t = tanh(A h_i + B h_j + c) for all j != i, then g(i, j) = v . t. */
		for (int32_t i = 0; i < n && n > 1; i++)
		{
			int64_t		first = batch->pair_start[k] + (int64_t) i * (n - 1);
			float	   *t = keep_t ? state->t + first * d : state->t;	/* (n - 1, d) */
			const float *a = ab + (int64_t) i * 2 * d;

			for (int32_t j = 0, row = 0; j < n; j++)
			{
				const float *b = ab + (int64_t) j * 2 * d + d;
				float	   *z = t + (int64_t) row * d;

				if (j == i)
					continue;
				for (int32_t x = 0; x < d; x++)
					z[x] = a[x] + b[x] + network->head_c[x];
				row++;
			}
			xmc_tanh((int64_t) (n - 1) * d, t);
			XMC_TRY(xmc_sgemm_forward(ctx, XMC_PLAIN, XMC_PLAIN, n - 1, 1, d, 1, t, d, network->head_v, 1, 0, g + first, 1));
		}
	}
	if (!keep_t)
		state->t = NULL;
	return XMC_OK;
}

xmc_status
xmc_pairhead_backward(xmc_arena *arena, int32_t d, const xmc_network *network, const xmc_batch *batch,
					  const xmc_pairhead_state *state, const float *dg, const xmc_network *grad, float *dh)
{
	xmc_ctx    *ctx = arena->ctx;
	int64_t		pairs = batch->pair_start[batch->n_documents];
	float	   *dab = xmc_arena_zalloc(arena, (size_t) batch->rows * 2 * (size_t) d, sizeof(float));	/* (R, 2 d) */
	int64_t		work = 0;

	XMC_NEED(dab, ctx);
	/* dv += dg t */
	if (pairs > 0 && grad->head_v)
		XMC_TRY(xmc_sgemm(ctx, XMC_PLAIN, XMC_PLAIN, 1, d, pairs, 1, dg, pairs, state->t, d, 1, grad->head_v, d));
	for (int32_t k = 0; k < batch->n_documents; k++)
	{
		int32_t		n = batch->row_start[k + 1] - batch->row_start[k];
		float	   *document_dab = dab + (int64_t) batch->row_start[k] * 2 * d;
		const float *t = state->t + batch->pair_start[k] * d;
		const float *pair_dg = dg + batch->pair_start[k];

		for (int32_t i = 0; i < n; i++)
		{
			for (int32_t j = 0; j < n; j++)
			{
				float	   *da = document_dab + (int64_t) i * 2 * d;
				float	   *db = document_dab + (int64_t) j * 2 * d + d;

				if (j == i)
					continue;
				/* dz = dg v (1 - tanh^2) goes to A h_i and B h_j. */
				for (int32_t x = 0; x < d; x++)
				{
					float		dz = *pair_dg * network->head_v[x] * (1 - t[x] * t[x]);

					da[x] += dz;
					db[x] += dz;
				}
				t += d;
				pair_dg++;
			}
			XMC_TRY(xmc_spend(ctx, &work, (int64_t) n * d));
		}
	}
	/* dc is the sum of dz over all pairs, which is the sum over rows of the gradient by A h. */
	for (int64_t r = 0; grad->head_c && r < batch->rows; r++)
		for (int32_t x = 0; x < d; x++)
			grad->head_c[x] += dab[r * 2 * d + x];
	return xmc_linear_backward(ctx, batch->rows, d, 2 * d, state->h, network->head_ab_w, dab,
							   grad->head_ab_w, NULL, dh, false);
}
