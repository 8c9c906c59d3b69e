/* text_encoder.c - a text encoder that reads its file in place, and the vectors of texts; see xmcoh/text_encoder.h */
#include "xmcoh/text_encoder.h"
#include "text_encoder/encoder_model.h"
#include "text_encoder/pooling.h"
#include "text_encoder/tokenizer.h"
#include "text_encoder/transformer.h"

#include <string.h>

/* A batch ends with the text that reaches one of these limits. */
#define BATCH_TOKENS 256
#define BATCH_TEXTS 256

struct xmc_text_encoder
{
	xmc_transformer transformer;
	xmc_safetensors file;
	xmc_tokenizer *tokenizer;
};

/* ---- opening ---- */

static xmc_status
read_tables(xmc_ctx *ctx, const xmc_safetensors *file, xmc_tokenizer_table table[XMC_TOKENIZER_TABLES])
{
	for (int k = 0; k < XMC_TOKENIZER_TABLES; k++)
	{
		const xmc_tensor_view *view;

		table[k] = xmc_tokenizer_layout[k];
		view = xmc_safetensors_tensor(file, table[k].name);
		if (!view || view->dtype != (table[k].is_bytes ? XMC_U8 : XMC_I32) || view->n_dimensions != 1)
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored encoder: there is no tensor \"%s\" of one dimension and type %s",
							table[k].name,
							table[k].is_bytes ? "U8" : "I32");
		table[k].n = view->n_values;
		table[k].data = view->data;
	}
	return XMC_OK;
}

static xmc_status
open_file(xmc_ctx *ctx, xmc_text_encoder *encoder, const void *file, size_t size)
{
	xmc_encoder_settings *settings = &encoder->transformer.settings;
	xmc_tokenizer_table table[XMC_TOKENIZER_TABLES];

	XMC_TRY(xmc_safetensors_parse(ctx, file, size, XMC_TENSORS_OF_ENCODER, &encoder->file));
	XMC_TRY(xmc_encoder_settings_read(ctx, &encoder->file, settings));
	XMC_TRY(xmc_encoder_match(ctx, &encoder->file, &encoder->transformer));
	XMC_TRY(read_tables(ctx, &encoder->file, table));
	if (encoder->file.n_tensors !=
		XMC_ENCODER_OWN_TENSORS + XMC_ENCODER_LAYER_TENSORS * settings->shape.layers + XMC_TOKENIZER_TABLES)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored encoder: there are %d tensors, more than the settings say",
						(int) encoder->file.n_tensors);
	XMC_TRY(xmc_tokenizer_open(ctx, table, settings->shape.vocabulary, &encoder->tokenizer));
	if (xmc_tokenizer_special_tokens(encoder->tokenizer) >= settings->shape.max_tokens)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored encoder: %d tokens of a text leave no room beside the special ones",
						(int) settings->shape.max_tokens);
	return XMC_OK;
}

xmc_status
xmc_text_encoder_open(xmc_ctx *ctx, const void *file, size_t size, xmc_text_encoder **out)
{
	xmc_text_encoder *encoder = xmc_zalloc(ctx, 1, sizeof *encoder);
	xmc_status	status;

	*out = NULL;
	XMC_NEED(encoder, ctx);
	status = open_file(ctx, encoder, file, size);
	if (status == XMC_OK)
		*out = encoder;
	else
		xmc_text_encoder_close(ctx, encoder);
	return status;
}

void
xmc_text_encoder_close(xmc_ctx *ctx, xmc_text_encoder *encoder)
{
	if (!encoder)
		return;
	if (encoder->tokenizer)
		xmc_tokenizer_close(ctx, encoder->tokenizer);
	xmc_safetensors_free(ctx, &encoder->file);
	xmc_release(ctx, encoder);
}

const xmc_text_encoder_shape *
xmc_text_encoder_get_shape(const xmc_text_encoder *encoder)
{
	return &encoder->transformer.settings.shape;
}

xmc_status
xmc_text_encoder_check_finite(xmc_ctx *ctx, const xmc_text_encoder *encoder)
{
	return xmc_safetensors_check_finite(ctx, &encoder->file);
}

xmc_status
xmc_text_encoder_tokens(xmc_ctx *ctx, xmc_text_encoder *encoder, const char *text, size_t length, int32_t *id, int32_t *n)
{
	return xmc_tokenizer_encode(ctx, encoder->tokenizer, text, length, encoder->transformer.settings.shape.max_tokens, id,
								n);
}

const xmc_transformer *
xmc_text_encoder_transformer(const xmc_text_encoder *encoder)
{
	return &encoder->transformer;
}

/* ---- vectors ---- */

/* The texts of one batch. */
typedef struct collector
{
	int32_t		n_texts;
	int32_t	   *row_start;		/* (BATCH_TEXTS + 1) */
	int32_t	   *token;			/* (BATCH_TOKENS + max_tokens) */
} collector;

/* The vectors of the texts that were collected. */
static xmc_status
compute(xmc_arena *arena, const xmc_text_encoder *encoder, const collector *texts, float *out)
{
	const xmc_text_encoder_shape *shape = &encoder->transformer.settings.shape;
	xmc_token_batch batch = {texts->n_texts, texts->row_start, texts->token};
	xmc_transformer_state *state = xmc_arena_alloc(arena, 1, sizeof *state);
	double	   *sum = xmc_arena_alloc(arena, (size_t) shape->dim, sizeof(double));

	XMC_NEED(state, arena->ctx);
	XMC_NEED(sum, arena->ctx);
	XMC_TRY(xmc_transformer_forward(arena, &encoder->transformer, NULL, &batch, NULL, state));
	for (int32_t t = 0; t < texts->n_texts; t++)
	{
		int64_t		first = texts->row_start[t];

		XMC_TRY(xmc_pool(arena->ctx, shape, texts->row_start[t + 1] - first, state->output + first * shape->dim, sum,
						 out + (int64_t) t * shape->dim, NULL));
	}
	return XMC_OK;
}

static xmc_status
embed(xmc_arena *arena, xmc_text_encoder *encoder, collector *texts, int32_t n, const xmc_encoder_text *text, float *out)
{
	int64_t		d = encoder->transformer.settings.shape.dim;

	texts->row_start[0] = 0;
	for (int32_t t = 0; t < n; t++)
	{
		int32_t		first = texts->row_start[texts->n_texts];
		int32_t		tokens = 0;

		XMC_TRY(xmc_text_encoder_tokens(arena->ctx, encoder, text[t].text, text[t].length, texts->token + first, &tokens));
		texts->row_start[++texts->n_texts] = first + tokens;
		if (first + tokens < BATCH_TOKENS && texts->n_texts < BATCH_TEXTS && t < n - 1)
			continue;
		XMC_TRY(compute(arena, encoder, texts, out + (t + 1 - texts->n_texts) * d));
		xmc_arena_reset(arena);
		texts->n_texts = 0;
	}
	return XMC_OK;
}

xmc_status
xmc_text_encoder_embed(xmc_ctx *ctx, xmc_text_encoder *encoder, int32_t n, const xmc_encoder_text *text, float *out)
{
	size_t		most = BATCH_TOKENS + (size_t) encoder->transformer.settings.shape.max_tokens;
	collector	texts = {
		.row_start = xmc_alloc(ctx, BATCH_TEXTS + 1, sizeof(int32_t)),
		.token = xmc_alloc(ctx, most, sizeof(int32_t))
	};
	xmc_arena	arena;
	xmc_status	status;

	xmc_arena_init(&arena, ctx);
	if (!texts.row_start || !texts.token)
		status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	else
		status = embed(&arena, encoder, &texts, n, text, out);
	xmc_arena_free(&arena);
	xmc_release(ctx, texts.row_start);
	xmc_release(ctx, texts.token);
	return status;
}
