/*
 * term.c - one interface for all terms of the score: whether the model has one, its scores, scores of labelled pairs; see
 * term.h
 */
#include "network/term.h"
#include "network/tuned_inputs.h"

bool
xmc_has_term(const xmc_model *model, xmc_term term)
{
	switch (term)
	{
		case XMC_TERM_SPARSE:
			return model->sparse != NULL;
		case XMC_TERM_MENTIONS:
			return model->mentions != NULL;
		case XMC_TERM_TEXT_LINEAR:
		case XMC_TERM_IMAGE_LINEAR:
			return model->network[xmc_term_modality(term)].embedding_dim > 0;
		case XMC_TERM_TEXT_NETWORK:
		case XMC_TERM_IMAGE_NETWORK:
			return model->network[xmc_term_modality(term)].input_dim > 0;
		case XMC_TERM_BILINEAR:
			return model->bilinear_w != NULL;
		default:
			return false;
	}
}

static xmc_status
score_mentions(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, xmc_term_state *state)
{
	xmc_mention_links links;

	state->mentions = xmc_arena_alloc(arena, (size_t) batch->n_documents, sizeof *state->mentions);
	XMC_NEED(state->mentions, arena->ctx);
	XMC_TRY(xmc_mentions_init(arena, batch->n_documents, batch->document, &links));
	for (int32_t k = 0; k < batch->n_documents; k++)
	{
		size_t		n = (size_t) batch->document[k]->n;

		state->mentions[k] = xmc_arena_alloc(arena, n * n, sizeof(float));
		XMC_NEED(state->mentions[k], arena->ctx);
		XMC_TRY(xmc_mentions_link(arena->ctx, model->mention_idf, batch->document[k], &links));
		XMC_TRY(xmc_mentions_forward(arena->ctx, model->mentions, &links, state->mentions[k]));
	}
	return XMC_OK;
}

xmc_status
xmc_term_forward(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, xmc_term term, xmc_random *random,
				 bool learn, xmc_term_state *state)
{
	xmc_tuned_inputs *tuned = NULL;

	*state = (xmc_term_state){.term = term};
	if (term == XMC_TERM_BILINEAR)
		return xmc_bilinear_forward(arena, model, batch, random, &state->bilinear);
	if (term == XMC_TERM_MENTIONS)
		return score_mentions(arena, model, batch, state);
	if (xmc_term_is_network(term))
	{
		float	   *x = xmc_arena_alloc(arena, (size_t) batch->rows * (size_t) model->network[batch->modality].input_dim, sizeof(float));

		XMC_NEED(x, arena->ctx);
		XMC_TRY(xmc_network_gather(arena, model, batch, random, x, learn ? &tuned : NULL));
		XMC_TRY(xmc_network_forward(arena, model, batch, x, random, learn, &state->network));
		state->network.tuned = tuned;
		return XMC_OK;
	}

	state->u = xmc_arena_alloc(arena, (size_t) batch->rows, sizeof(double));
	XMC_NEED(state->u, arena->ctx);
	if (term != XMC_TERM_SPARSE)
		return xmc_linear_term_forward(arena, model, batch, state->u);
	xmc_sparse_forward(model, batch, state->u);
	return XMC_OK;
}

int32_t *
xmc_batch_rows(xmc_arena *arena, const xmc_batch *batch, int32_t k)
{
	int32_t		n = batch->document[k]->n;
	int32_t    *row = xmc_arena_alloc(arena, (size_t) n, sizeof(int32_t));

	for (int32_t i = 0; row && i < n; i++)
		row[i] = -1;
	for (int32_t r = batch->row_start[k]; row && r < batch->row_start[k + 1]; r++)
		row[batch->item[r]] = r - batch->row_start[k];
	return row;
}

xmc_status
xmc_term_pair_scores(xmc_arena *arena, const xmc_model *model, xmc_term term, int32_t n_documents,
					 const xmc_document *const *document, float *s)
{
	xmc_batch	batch;
	xmc_term_state state;
	int64_t		work = 0;

	XMC_TRY(xmc_batch_init(arena, &model->options, xmc_term_modality(term), n_documents, document, &batch));
	XMC_TRY(xmc_term_forward(arena, model, &batch, term, NULL, false, &state));
	for (int32_t k = 0; k < n_documents; k++)
	{
		int32_t    *row = xmc_batch_rows(arena, &batch, k);

		XMC_NEED(row, arena->ctx);
		for (int32_t p = 0; p < document[k]->n_pairs; p++, s++)
		{
			int32_t		i = row[document[k]->pair[p].before];
			int32_t		j = row[document[k]->pair[p].after];

			*s = i < 0 || j < 0 ? 0 : (float) xmc_term_score(&batch, &state, k, i, j);
			XMC_TRY(xmc_spend(arena->ctx, &work, 1));
		}
	}
	return XMC_OK;
}
