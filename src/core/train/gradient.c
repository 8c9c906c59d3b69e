/* gradient.c - see gradient.h */
#include "train/gradient.h"
#include "numeric/dense.h"
#include "network/term.h"

xmc_status
xmc_term_gradient(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, xmc_term term, double divisor,
				  xmc_random *random, const xmc_model *grad, xmc_adagrad *hashed, float *d_bag, double *loss)
{
	xmc_term_state state;
	float	   *dg;				/* (ordered pairs) */

	*loss = 0;
	if (batch->rows == 0)
		return XMC_OK;
	XMC_TRY(xmc_term_forward(arena, model, batch, term, random, true, &state));
	dg = xmc_arena_zalloc(arena, (size_t) batch->pair_start[batch->n_documents], sizeof(float));
	XMC_NEED(dg, arena->ctx);

	for (int32_t k = 0; k < batch->n_documents; k++)
	{
		const xmc_document *document = batch->document[k];
		int32_t		n = batch->row_start[k + 1] - batch->row_start[k];
		int32_t    *row = xmc_batch_rows(arena, batch, k);
		double		total = 0;	/* weight of the pairs that count */

		XMC_NEED(row, arena->ctx);
		for (int32_t p = 0; p < document->n_pairs; p++)
			if (row[document->pair[p].before] >= 0 && row[document->pair[p].after] >= 0)
				total += document->pair[p].weight;
		for (int32_t p = 0; p < document->n_pairs; p++)
		{
			int32_t		i = row[document->pair[p].before];
			int32_t		j = row[document->pair[p].after];
			double		weight = document->pair[p].weight / total;
			double		s;
			double		slope;
			double		ds;

			if (i < 0 || j < 0)
				continue;
			/* d softplus(-s) / ds = -sigmoid(-s); s is g(i, j) - g(j, i) */
			s = xmc_term_score(batch, &state, k, i, j);
			*loss += weight * xmc_softplus_slope(-s, &slope);
			ds = -slope * weight / divisor;
			dg[batch->pair_start[k] + xmc_pair_index(n, i, j)] += (float) ds;
			dg[batch->pair_start[k] + xmc_pair_index(n, j, i)] -= (float) ds;
		}
	}
	if (term == XMC_TERM_BILINEAR)
		return xmc_bilinear_backward(arena, model, batch, &state.bilinear, dg, grad);
	return xmc_network_backward(arena, model, batch, &state.network, dg, &grad->network[batch->modality], hashed, d_bag);
}
