/* bilinear.c - forward and backward pass of the bilinear term; see bilinear.h (design section 4, "Parts") */
#include "network/bilinear.h"
#include "numeric/dense.h"
#include "network/inputs.h"

#include <math.h>

xmc_status
xmc_bilinear_forward(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, xmc_random *random,
					 xmc_bilinear_state *state)
{
	const xmc_options *o = &model->options;
	int64_t		rows = batch->rows;
	int64_t		dim = o->bilinear_dim;
	int32_t		in = xmc_bilinear_input_dim(o);
	int32_t		text = xmc_inputs_side_dim(o, XMC_TEXT, o->words);
	float	   *x = xmc_arena_alloc(arena, (size_t) rows * (size_t) in, sizeof(float));
	float	   *mask = NULL;	/* (rows, in) written by dropout; not needed later, because inputs have no gradient */
	int64_t		work = 0;

	*state = (xmc_bilinear_state){.dim = o->bilinear_dim,.x = x};
	state->qk = xmc_arena_alloc(arena, (size_t) (rows * 2 * dim), sizeof(float));
	state->length = xmc_arena_alloc(arena, (size_t) (rows * 2), sizeof(double));
	if (random)
		mask = xmc_arena_alloc(arena, (size_t) rows * (size_t) in, sizeof(float));
	if (!x || !state->qk || !state->length || (random && !mask))
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	/* x: the text side, then the image side, of each row. */
	for (int32_t d = 0; d < batch->n_documents; d++)
		for (int64_t r = batch->row_start[d]; r < batch->row_start[d + 1]; r++)
		{
			if (text > 0)
				xmc_inputs_side(model, XMC_TEXT, o->words, batch->document[d], batch->item[r], x + r * in);
			if (in > text)
				xmc_inputs_side(model, XMC_IMAGE, false, batch->document[d], batch->item[r], x + r * in + text);
			XMC_TRY(xmc_spend(arena->ctx, &work,
							  in + xmc_inputs_side_work(o, XMC_TEXT, o->words, batch->document[d], batch->item[r])));
		}
	/* q and k, then divided by their lengths. */
	xmc_dropout(rows * in, o->dropout, random, x, mask);
	XMC_TRY(xmc_linear(arena->ctx, rows, in, 2 * dim, x, model->bilinear_w, model->bilinear_b, state->qk));
	for (int64_t v = 0; v < 2 * rows; v++)	/* q and k of all rows lie one after the other */
	{
		float	   *vector = state->qk + v * dim;

		state->length[v] = sqrt(xmc_dot(dim, vector, vector));
		for (int64_t k = 0; k < dim && state->length[v] != 0; k++)
			vector[k] = (float) (vector[k] / state->length[v]);
		XMC_TRY(xmc_spend(arena->ctx, &work, dim));
	}
	return XMC_OK;
}

xmc_status
xmc_bilinear_backward(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, const xmc_bilinear_state *state,
					  const float *dg, const xmc_model *grad)
{
	int64_t		rows = batch->rows;
	int64_t		dim = state->dim;
	float	   *dqk = xmc_arena_zalloc(arena, (size_t) (rows * 2 * dim), sizeof(float));	/* (rows, 2 dim) */
	int64_t		work = 0;

	XMC_NEED(dqk, arena->ctx);
	/* dq_i += c dg(i,j) k_j and dk_j += c dg(i,j) q_i, over all pairs. */
	for (int32_t d = 0; d < batch->n_documents; d++)
	{
		int32_t		n = batch->row_start[d + 1] - batch->row_start[d];
		const float *qk = state->qk + batch->row_start[d] * 2 * dim;
		float	   *own = dqk + batch->row_start[d] * 2 * dim;

		XMC_TRY(xmc_check_stop(arena->ctx));
		for (int32_t i = 0; i < n; i++)
		{
			for (int32_t j = 0; j < n; j++)
			{
				float		by = i == j ? 0 :
					(float) XMC_BILINEAR_SCALE * dg[batch->pair_start[d] + xmc_pair_index(n, i, j)];

				for (int64_t k = 0; k < dim && by != 0; k++)
				{
					own[i * 2 * dim + k] += by * qk[j * 2 * dim + dim + k];
					own[j * 2 * dim + dim + k] += by * qk[i * 2 * dim + k];
				}
			}
			XMC_TRY(xmc_spend(arena->ctx, &work, n * dim));
		}
	}
	/* Backward through the division by the length: the component along the vector has no effect. */
	for (int64_t v = 0; v < 2 * rows; v++)
	{
		const float *vector = state->qk + v * dim;
		float	   *d = dqk + v * dim;
		double		along = xmc_dot(dim, d, vector);

		for (int64_t k = 0; k < dim; k++)
			d[k] = state->length[v] != 0 ? (float) ((d[k] - along * vector[k]) / state->length[v]) : 0;
	}
	return xmc_linear_backward(arena->ctx, rows, xmc_bilinear_input_dim(&model->options), 2 * dim, state->x,
							   model->bilinear_w, dqk, grad->bilinear_w, grad->bilinear_b, NULL, false);
}
