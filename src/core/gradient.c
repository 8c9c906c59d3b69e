/* gradient.c - see gradient.h */
#include "xmcoh/gradient.h"
#include "xmcoh/dense.h"

#include <string.h>

/* A labelled pair of a document, in rows of the batch's document. */
typedef struct row_pair
{
	int32_t		before;
	int32_t		after;
	double		weight;			/* share of the document's loss: its pairs' sum to 1 */
} row_pair;

/* The labelled pairs of document k whose two items have the modality; *out in the arena. Returns their number, -1: no memory. */
static int64_t
row_pairs(xmc_arena *arena, const xmc_batch *batch, int32_t k, row_pair **out)
{
	const xmc_document *document = batch->document[k];
	int32_t    *row = xmc_arena_alloc(arena, (size_t) document->n, sizeof(int32_t));	/* (n) row of an item, or -1 */
	double		total = 0;
	int64_t		count = 0;

	*out = xmc_arena_alloc(arena, (size_t) document->n_pairs, sizeof(row_pair));
	if (!row || !*out)
		return -1;
	for (int32_t i = 0; i < document->n; i++)
		row[i] = -1;
	for (int32_t r = batch->row_start[k]; r < batch->row_start[k + 1]; r++)
		row[batch->item[r]] = r - batch->row_start[k];
	for (int32_t p = 0; p < document->n_pairs; p++)
	{
		const xmc_pair *pair = &document->pair[p];

		if (row[pair->before] < 0 || row[pair->after] < 0)
			continue;
		(*out)[count++] = (row_pair){row[pair->before], row[pair->after], pair->weight};
		total += pair->weight;
	}
	for (int64_t p = 0; p < count; p++)
		(*out)[p].weight /= total;
	return count;
}

xmc_status
xmc_deep_gradient(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, double divisor, xmc_random *random,
				  const xmc_model *grad, xmc_adagrad *bag_grad, double *loss)
{
	xmc_deep_state state;
	float	   *dg;				/* (ordered pairs) */

	*loss = 0;
	if (batch->rows == 0)
		return XMC_OK;
	XMC_TRY(xmc_deep_forward(arena, model, batch, random, true, &state));
	dg = xmc_arena_zalloc(arena, (size_t) batch->pair_start[batch->n_documents], sizeof(float));
	XMC_NEED(dg, arena->ctx);
	for (int32_t k = 0; k < batch->n_documents; k++)
	{
		int32_t		n = batch->row_start[k + 1] - batch->row_start[k];
		float	   *document_dg = dg + batch->pair_start[k];
		row_pair   *pair;
		int64_t		count = row_pairs(arena, batch, k, &pair);

		if (count < 0)
			return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
		for (int64_t p = 0; p < count; p++)
		{
			double		s = xmc_deep_score(batch, &state, k, pair[p].before, pair[p].after);
			float		ds = (float) (-xmc_sigmoid(-s) * pair[p].weight / divisor);

			*loss += pair[p].weight * xmc_softplus(-s);
			document_dg[xmc_pair_index(n, pair[p].before, pair[p].after)] += ds;
			document_dg[xmc_pair_index(n, pair[p].after, pair[p].before)] -= ds;
		}
	}
	return xmc_deep_backward(arena, model, batch, &state, dg, &grad->network[batch->modality], bag_grad);
}

xmc_status
xmc_sparse_gradient(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, double divisor,
					xmc_adagrad *sparse_grad, double *loss)
{
	double	   *u = xmc_arena_alloc(arena, (size_t) batch->rows, sizeof(double));
	double	   *du = xmc_arena_zalloc(arena, (size_t) batch->rows, sizeof(double));

	*loss = 0;
	if (!u || !du)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	xmc_sparse_forward(model, batch, u);
	for (int32_t k = 0; k < batch->n_documents; k++)
	{
		int32_t		first = batch->row_start[k];
		row_pair   *pair;
		int64_t		count = row_pairs(arena, batch, k, &pair);

		if (count < 0)
			return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
		for (int64_t p = 0; p < count; p++)
		{
			double		s = u[first + pair[p].after] - u[first + pair[p].before];
			double		ds = -xmc_sigmoid(-s) * pair[p].weight / divisor;

			*loss += pair[p].weight * xmc_softplus(-s);
			du[first + pair[p].after] += ds;
			du[first + pair[p].before] -= ds;
		}
	}
	xmc_sparse_backward(model, batch, du, sparse_grad);
	return XMC_OK;
}
