/* transformer.c - the forward pass of a text encoder; see transformer.h (design section 4, "Text encoders") */
#include "text_encoder/transformer.h"
#include "text_encoder/changes.h"
#include "numeric/dense.h"

typedef struct pass
{
	xmc_arena  *arena;
	const xmc_transformer *transformer;
	const xmc_token_batch *batch;
	int64_t		rows;
	int64_t		most_rows;		/* of one text */
	int64_t		probabilities;	/* of a layer */
	double		dropout;
	xmc_random	random;			/* of the dropout */
	float	   *scratch;		/* for attention without state */
	float	   *sum;			/* (R, d) input of each normalisation */
} pass;

/* ---- memory ---- */

/* The attention probabilities of a layer, of all heads. */
static int64_t
count_probabilities(const xmc_transformer *transformer, const xmc_token_batch *batch)
{
	int64_t		count = 0;

	for (int32_t t = 0; t < batch->n_texts; t++)
	{
		int64_t		n = batch->row_start[t + 1] - batch->row_start[t];

		count += transformer->settings.shape.heads * n * n;
	}
	return count;
}

/* The sizes and scratch of a pass. attends_alone: some layer is computed without its state. */
static xmc_status
begin_pass(xmc_arena *arena, const xmc_transformer *transformer, const xmc_token_batch *batch,
		   const xmc_transformer_learning *learning, bool attends_alone, pass *p)
{
	int64_t		scratch;

	*p = (pass) {.arena = arena, .transformer = transformer, .batch = batch, .rows = batch->row_start[batch->n_texts]};
	p->probabilities = count_probabilities(transformer, batch);
	for (int32_t t = 0; t < batch->n_texts; t++)
		if (batch->row_start[t + 1] - batch->row_start[t] > p->most_rows)
			p->most_rows = batch->row_start[t + 1] - batch->row_start[t];
	p->dropout = learning ? learning->dropout : 0;
	XMC_ARENA_FLOATS(p->sum, arena, p->rows * transformer->settings.shape.dim);
	/* Dropout of probabilities needs a copy of all that a head has of a text. */
	scratch = (p->most_rows < XMC_ATTENTION_ROWS || p->dropout > 0 ? p->most_rows : XMC_ATTENTION_ROWS) * p->most_rows;
	if (attends_alone || p->dropout > 0)
		XMC_ARENA_FLOATS(p->scratch, arena, scratch);
	return XMC_OK;
}

int64_t
xmc_transformer_layer_bytes(const xmc_transformer *transformer, const xmc_token_batch *batch, double dropout)
{
	const xmc_text_encoder_shape *shape = &transformer->settings.shape;
	int64_t		rows = batch->row_start[batch->n_texts];

	return (int64_t) sizeof(float) * (rows * ((dropout > 0 ? 10 : 8) * (int64_t) shape->dim + 2 * (int64_t) shape->feed_forward + 2) +
									  (dropout > 0 ? 2 : 1) * count_probabilities(transformer, batch));
}

/* The arrays of one layer. */
static xmc_status
alloc_layer(const pass *p, bool keep, xmc_transformer_layer_state *layer)
{
	const xmc_text_encoder_shape *shape = &p->transformer->settings.shape;
	int64_t		d = shape->dim;

	*layer = (xmc_transformer_layer_state){0};
	XMC_ARENA_FLOATS(layer->qkv, p->arena, p->rows * 3 * d);
	XMC_ARENA_FLOATS(layer->attended, p->arena, p->rows * d);
	XMC_ARENA_FLOATS(layer->inverse1, p->arena, p->rows);
	XMC_ARENA_FLOATS(layer->middle, p->arena, p->rows * d);
	XMC_ARENA_FLOATS(layer->hidden, p->arena, p->rows * shape->feed_forward);
	XMC_ARENA_FLOATS(layer->inverse2, p->arena, p->rows);
	XMC_ARENA_FLOATS(layer->output, p->arena, p->rows * d);
	layer->normal1 = layer->middle;
	layer->normal2 = layer->output;
	layer->before = layer->hidden;
	if (keep)
	{
		XMC_ARENA_FLOATS(layer->probability, p->arena, p->probabilities);
		XMC_ARENA_FLOATS(layer->normal1, p->arena, p->rows * d);
		XMC_ARENA_FLOATS(layer->normal2, p->arena, p->rows * d);
		XMC_ARENA_FLOATS(layer->before, p->arena, p->rows * shape->feed_forward);
	}
	if (keep && p->dropout > 0)
	{
		XMC_ARENA_FLOATS(layer->probability_mask, p->arena, p->probabilities);
		XMC_ARENA_FLOATS(layer->attention_mask, p->arena, p->rows * d);
		XMC_ARENA_FLOATS(layer->output_mask, p->arena, p->rows * d);
	}
	return XMC_OK;
}

/* ---- the layers ---- */

/* y = norm(x + drop(sum)), in steps; x NULL: norm(sum). mask NULL: no dropout. */
static xmc_status
add_and_normalise(pass *p, const float *x, const float *w, const float *b, float *y, float *normal, float *inverse, float *mask)
{
	int64_t		d = p->transformer->settings.shape.dim;

	for (int64_t r = 0; r < p->rows; r += XMC_STEP_ROWS)
	{
		int64_t		n = xmc_step_rows(p->rows, r);

		XMC_TRY(xmc_check_stop(p->arena->ctx));
		if (mask)
			xmc_dropout(n * d, p->dropout, &p->random, p->sum + r * d, mask + r * d);
		if (x)
			xmc_add(n * d, x + r * d, p->sum + r * d);
		xmc_layer_norm(n, d, p->transformer->settings.epsilon, p->sum + r * d, w, b, y + r * d, normal + r * d,
					   inverse + r);
	}
	return XMC_OK;
}

/* norm(token + position + type) */
static xmc_status
embed(pass *p, xmc_transformer_state *state)
{
	const xmc_transformer *transformer = p->transformer;
	int64_t		d = transformer->settings.shape.dim;
	int64_t		work = 0;

	for (int32_t t = 0; t < p->batch->n_texts; t++)
		for (int32_t r = p->batch->row_start[t]; r < p->batch->row_start[t + 1]; r++)
		{
			int64_t		at = transformer->settings.first_position + r - p->batch->row_start[t];
			const float *token = transformer->token + p->batch->token[r] * d;
			const float *position = transformer->position + at * d;
			float	   *sum = p->sum + r * d;

			for (int64_t k = 0; k < d; k++)
				sum[k] = token[k] + position[k] + transformer->type[k];
			XMC_TRY(xmc_spend(p->arena->ctx, &work, d));
		}
	return add_and_normalise(p, NULL, transformer->norm_w, transformer->norm_b, state->embedded, state->embedded,
							 state->inverse, NULL);
}

/* The factors of a dropout that is applied later. */
static xmc_status
draw_mask(pass *p, int64_t n, float *mask)
{
	for (int64_t first = 0; first < n; first += XMC_STOP_CELLS)
	{
		int64_t		count = n - first < XMC_STOP_CELLS ? n - first : XMC_STOP_CELLS;

		XMC_TRY(xmc_check_stop(p->arena->ctx));
		xmc_dropout_mask(count, p->dropout, &p->random, mask + first);
	}
	return XMC_OK;
}

static xmc_status
attend(pass *p, xmc_transformer_layer_state *layer)
{
	xmc_ctx    *ctx = p->arena->ctx;
	int64_t		d = p->transformer->settings.shape.dim;
	int64_t		heads = p->transformer->settings.shape.heads;
	float	   *probability = layer->probability;
	float	   *mask = layer->probability_mask;

	if (mask)
		XMC_TRY(draw_mask(p, p->probabilities, mask));

	for (int32_t t = 0; t < p->batch->n_texts; t++)
	{
		int64_t		first = p->batch->row_start[t];
		int64_t		n = p->batch->row_start[t + 1] - first;
		const float *qkv = layer->qkv + first * 3 * d;

		if (n == 0)
			continue;
		if (probability)
		{
			XMC_TRY(xmc_attention(ctx, n, d, heads, qkv, probability, mask, p->scratch, layer->attended + first * d));
			probability += heads * n * n;
			mask = mask ? mask + heads * n * n : NULL;
		}
		else
			XMC_TRY(xmc_attention_only(ctx, n, d, heads, qkv, p->scratch, layer->attended + first * d));
	}
	return XMC_OK;
}

static xmc_status
layer_forward(pass *p, const xmc_layer *w, xmc_transformer_layer_state *layer)
{
	xmc_ctx    *ctx = p->arena->ctx;
	int64_t		d = p->transformer->settings.shape.dim;
	int64_t		wide = p->transformer->settings.shape.feed_forward;
	int64_t		work = 0;

	/* middle = norm1(input + drop(out(attend(qkv(input))))) */
	XMC_TRY(xmc_linear(ctx, p->rows, d, 3 * d, layer->input, w->qkv_w, w->qkv_b, layer->qkv));
	XMC_TRY(attend(p, layer));
	XMC_TRY(xmc_linear(ctx, p->rows, d, d, layer->attended, w->out_w, w->out_b, p->sum));
	XMC_TRY(add_and_normalise(p, layer->input, w->norm1_w, w->norm1_b, layer->middle, layer->normal1, layer->inverse1,
							  layer->attention_mask));

	/* output = norm2(middle + drop(ff2(gelu(ff1(middle))))) */
	XMC_TRY(xmc_linear(ctx, p->rows, d, wide, layer->middle, w->ff1_w, w->ff1_b, layer->before));
	/* Row by row, so that a value's place in a register does not depend on the batch. */
	for (int64_t r = 0; r < p->rows; r++)
	{
		xmc_gelu(wide, layer->before + r * wide, layer->hidden + r * wide);
		XMC_TRY(xmc_spend(ctx, &work, wide));
	}
	XMC_TRY(xmc_linear(ctx, p->rows, wide, d, layer->hidden, w->ff2_w, w->ff2_b, p->sum));
	return add_and_normalise(p, layer->middle, w->norm2_w, w->norm2_b, layer->output, layer->normal2, layer->inverse2,
							 layer->output_mask);
}

xmc_status
xmc_transformer_forward(xmc_arena *arena, const xmc_transformer *transformer, const xmc_changes *changes, const xmc_token_batch *batch,
						const xmc_transformer_learning *learning, xmc_transformer_state *state)
{
	int64_t		d = transformer->settings.shape.dim;
	int32_t		layers = transformer->settings.shape.layers;
	int32_t		first = learning ? learning->first : layers;
	int32_t		kept = learning ? learning->kept : layers;
	pass		p;
	xmc_transformer_layer_state shared;
	xmc_transformer_layer_state last;	/* of a layer that learns */
	xmc_arena_mark mark;

	*state = (xmc_transformer_state){0};
	XMC_TRY(begin_pass(arena, transformer, batch, learning, first > 0, &p));
	if (learning)
		xmc_random_seed(&p.random, learning->seed);
	XMC_ARENA_FLOATS(state->embedded, arena, p.rows * d);
	XMC_ARENA_FLOATS(state->inverse, arena, p.rows);
	if (first > 0)
		XMC_TRY(alloc_layer(&p, false, &shared));
	if (first < layers)
		XMC_TRY(alloc_layer(&p, true, &last));

	XMC_TRY(embed(&p, state));
	state->output = state->embedded;
	mark = xmc_arena_here(arena);
	for (int32_t l = 0; l < layers; l++)
	{
		xmc_layer	weights = transformer->layer[l];

		if (changes)
		{
			xmc_arena_return(arena, mark);	/* to the room of the layer before */
			XMC_TRY(xmc_changed_layer(arena, transformer, changes, l, &weights));
		}
		if (l < first)
			state->layer[l] = shared;
		else if (l == layers - 1)
			state->layer[l] = last;
		else if (l < kept)
		{
			state->layer[l] = last;
			XMC_ARENA_FLOATS(state->layer[l].output, arena, p.rows * d);
		}
		else
			XMC_TRY(alloc_layer(&p, true, &state->layer[l]));
		state->layer[l].random = p.random;
		state->layer[l].input = state->output;
		XMC_TRY(layer_forward(&p, &weights, &state->layer[l]));
		state->output = state->layer[l].output;
	}
	return XMC_OK;
}

xmc_status
xmc_transformer_again(xmc_arena *arena, const xmc_transformer *transformer, const xmc_token_batch *batch,
					  const xmc_transformer_learning *learning, const xmc_transformer_state *state, int32_t l)
{
	xmc_transformer_layer_state layer = state->layer[l];
	xmc_arena_mark mark = xmc_arena_here(arena);
	pass		p;

	XMC_TRY(begin_pass(arena, transformer, batch, learning, false, &p));
	p.random = layer.random;
	XMC_TRY(layer_forward(&p, &transformer->layer[l], &layer));
	xmc_arena_return(arena, mark);
	return XMC_OK;
}
