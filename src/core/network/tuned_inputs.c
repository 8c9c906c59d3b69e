/* tuned_inputs.c - vectors of items by the fine-tuned text encoder; see tuned_inputs.h (design section 4, "Fine-tuning") */
#include "network/tuned_inputs.h"
#include "network/inputs.h"
#include "text_encoder/tuned.h"

#include <string.h>

/* The rows of a batch that have tokens. */
typedef struct tuned_rows
{
	int32_t		n;
	int32_t    *row;			/* (n) their numbers in the batch */
	xmc_token_batch text;		/* (n) texts */
} tuned_rows;

struct xmc_tuned_inputs
{
	tuned_rows	rows;
	xmc_tuned_pass *pass;
};

/* How many tokens an item has. */
static int32_t
token_count(const xmc_document *document, int32_t item)
{
	return document->token_start ? document->token_start[item + 1] - document->token_start[item] : 0;
}

static xmc_status
find_rows(xmc_arena *arena, const xmc_batch *batch, tuned_rows *out)
{
	int64_t		tokens = 0;
	int32_t    *start;
	int32_t    *token;

	for (int32_t k = 0; k < batch->n_documents; k++)
		for (int32_t r = batch->row_start[k]; r < batch->row_start[k + 1]; r++)
			tokens += token_count(batch->document[k], batch->item[r]);
	if (tokens > INT32_MAX)
		return xmc_fail(arena->ctx, XMC_LIMIT, "a batch of documents has more than %d tokens", INT32_MAX);
	out->n = 0;
	out->row = xmc_arena_alloc(arena, (size_t) batch->rows, sizeof *out->row);
	start = xmc_arena_zalloc(arena, (size_t) batch->rows + 1, sizeof *start);
	token = xmc_arena_alloc(arena, (size_t) tokens, sizeof *token);
	if (!out->row || !start || !token)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t k = 0; k < batch->n_documents; k++)
		for (int32_t r = batch->row_start[k]; r < batch->row_start[k + 1]; r++)
		{
			const xmc_document *document = batch->document[k];
			int32_t		n = token_count(document, batch->item[r]);

			if (n == 0)
				continue;
			memcpy(token + start[out->n], document->token + document->token_start[batch->item[r]], (size_t) n * sizeof *token);
			start[out->n + 1] = start[out->n] + n;
			out->row[out->n++] = r;
		}
	out->text = (xmc_token_batch) {.n_texts = out->n, .row_start = start, .token = token};
	return XMC_OK;
}

/* The changes, after a check that they fit to the model's encoder. */
static xmc_status
find_changes(xmc_ctx *ctx, const xmc_model *model, xmc_changes *out)
{
	const xmc_network *network = &model->network[XMC_TEXT];

	if (!model->base_encoder)
		return xmc_fail(ctx, XMC_BAD_MODEL, "the model fine-tunes a text encoder, but no encoder is given");
	XMC_TRY(xmc_changes_check(ctx, model->base_encoder, network->embedding_dim, network->n_changes, model->options.adapter_rank));
	*out = (xmc_changes) {.n = network->n_changes, .rank = model->options.adapter_rank, .layer = network->change};
	return XMC_OK;
}

xmc_status
xmc_tuned_check(xmc_ctx *ctx, const xmc_model *model)
{
	xmc_changes changes;

	return model->network[XMC_TEXT].n_changes > 0 && model->base_encoder ? find_changes(ctx, model, &changes) : XMC_OK;
}

xmc_status
xmc_tuned_text_vectors(xmc_arena *arena, const xmc_model *model, const xmc_token_batch *text, float *vector)
{
	xmc_changes changes;

	XMC_TRY(find_changes(arena->ctx, model, &changes));
	return xmc_tuned_vectors(arena, model->base_encoder, &changes, text, vector);
}

/* Sets the embeddings of the rows that have tokens. */
static xmc_status
set_vectors(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, xmc_random *random, float *x, xmc_tuned_inputs *tuned)
{
	const xmc_network *network = &model->network[XMC_TEXT];
	double		dropout = random ? model->options.fine_tune_dropout : 0;
	int32_t		bag = network->input_dim - network->embedding_dim;
	tuned_rows	rows;
	float	   *vector;			/* (rows.n, embedding_dim) */

	XMC_TRY(find_rows(arena, batch, &rows));
	vector = xmc_arena_alloc(arena, (size_t) rows.n * (size_t) network->embedding_dim, sizeof(float));
	XMC_NEED(vector, arena->ctx);
	if (tuned)
	{
		xmc_changes changes;

		XMC_TRY(find_changes(arena->ctx, model, &changes));
		tuned->rows = rows;
		XMC_TRY(xmc_tuned_forward(arena, model->base_encoder, &changes, &rows.text, dropout,
								  dropout > 0 ? xmc_random_next(random) : 0, vector, &tuned->pass));
	}
	else
		XMC_TRY(xmc_tuned_text_vectors(arena, model, &rows.text, vector));
	for (int32_t t = 0; t < rows.n; t++)
		xmc_inputs_standardise(network, vector + (int64_t) t * network->embedding_dim,
							   x + (int64_t) rows.row[t] * network->input_dim + bag);
	return XMC_OK;
}

xmc_status
xmc_network_gather(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, xmc_random *random, float *x,
				   xmc_tuned_inputs **tuned)
{
	xmc_inputs_gather(model, batch, x);
	if (tuned)
		*tuned = NULL;
	if (!xmc_is_tuned(model, batch->modality))
		return XMC_OK;
	if (tuned)
	{
		*tuned = xmc_arena_alloc(arena, 1, sizeof **tuned);
		XMC_NEED(*tuned, arena->ctx);
	}
	return set_vectors(arena, model, batch, random, x, tuned ? *tuned : NULL);
}

xmc_status
xmc_tuned_inputs_backward(xmc_arena *arena, const xmc_model *model, xmc_tuned_inputs *tuned, const float *dx, const xmc_network *grad)
{
	const xmc_network *network = &model->network[XMC_TEXT];
	int32_t		d = network->embedding_dim;
	int32_t		bag = network->input_dim - d;
	float	   *d_vector;		/* (rows.n, embedding_dim) */

	d_vector = xmc_arena_alloc(arena, (size_t) tuned->rows.n * (size_t) d, sizeof(float));
	XMC_NEED(d_vector, arena->ctx);
	/* Backward through the standardisation x = (vector - mean) scale. */
	for (int32_t t = 0; t < tuned->rows.n; t++)
		for (int32_t k = 0; k < d; k++)
			d_vector[(int64_t) t * d + k] = dx[(int64_t) tuned->rows.row[t] * network->input_dim + bag + k] * network->input_scale[bag + k];
	return xmc_tuned_backward(arena, tuned->pass, d_vector, grad->change);
}
