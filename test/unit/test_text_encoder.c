/* test_text_encoder.c - published files of a text encoder to one file, that file to vectors; what is refused, and how */
#define _GNU_SOURCE				/* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "../encoder/published.h"
#include "counting.h"
#include "model/safetensors.h"
#include "plain_transformer.h"

static void *
compile(const published_files *files, size_t *size)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_published_encoder published = published_encoder(files);
	void	   *file;

	if (xmc_text_encoder_compile(&ctx, &published, &file, size) != XMC_OK)
		fail_msg("refused: %s", ctx.message);
	return file;
}

static xmc_text_encoder *
open_encoder(xmc_ctx *ctx, const void *file, size_t size)
{
	xmc_text_encoder *encoder;

	if (xmc_text_encoder_open(ctx, file, size, &encoder) != XMC_OK)
		fail_msg("not opened: %s", ctx->message);
	return encoder;
}

static xmc_encoder_text
text_of(const char *text)
{
	return (xmc_encoder_text){text, strlen(text)};
}

/* Words w0 to w19 in an order that follows from `seed`. */
static char *
make_text(int words, uint64_t seed)
{
	char	   *text = malloc((size_t) words * 8 + 1);
	size_t		used = 0;
	xmc_random	random;

	xmc_random_seed(&random, seed);
	text[0] = '\0';
	for (int k = 0; k < words; k++)
		used += (size_t) sprintf(text + used, "w%d ", (int) xmc_random_below(&random, 20));
	return text;
}

/* ---- the way from published files to vectors ---- */

static void
test_shape(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	published_files files;
	size_t		size;
	void	   *file;
	xmc_text_encoder *encoder;
	const xmc_text_encoder_shape *shape;
	int32_t		id[40];
	int32_t		n;

	(void) state;
	published_make(&published_tiny, &files);
	file = compile(&files, &size);
	encoder = open_encoder(&ctx, file, size);
	shape = xmc_text_encoder_get_shape(encoder);
	assert_string_equal(shape->family, "bert");
	assert_int_equal(shape->dim, 16);
	assert_int_equal(shape->layers, 2);
	assert_int_equal(shape->heads, 2);
	assert_int_equal(shape->feed_forward, 32);
	assert_int_equal(shape->vocabulary, 24);
	assert_int_equal(shape->max_tokens, 36);
	assert_int_equal(shape->parameters, 24 * 16 + 40 * 16 + 3 * 16 + 2 * (48 * 16 + 48 + 16 * 16 + 16 + 2 * 512 + 32 + 16 + 4 * 16));
	assert_false(shape->first_token);
	assert_true(shape->normalised);
	assert_int_equal(xmc_text_encoder_check_finite(&ctx, encoder), XMC_OK);
	assert_int_equal(xmc_text_encoder_tokens(&ctx, encoder, "w3 W19 x", 8, id, &n), XMC_OK);
	assert_int_equal(n, 5);
	assert_memory_equal(id, ((int32_t[]) {2, 7, 23, 1, 3}), sizeof(int32_t) * 5);
	xmc_text_encoder_close(&ctx, encoder);
	published_free(&files);
	free(file);
}

static const float *
published_values(const xmc_safetensors *st, const char *prefix, const char *pattern, int layer)
{
	char		name[128];
	size_t		length = (size_t) snprintf(name, sizeof name, "%s", prefix);
	const xmc_tensor_view *view;

	snprintf(name + length, sizeof name - length, pattern, layer);
	view = xmc_safetensors_tensor(st, name);
	assert_non_null(view);
	return view->data;
}

/* The parameters from the published tensors, without xmcoh's table of names. */
static void
read_published(const xmc_safetensors *st, const published_shape *s, xmc_transformer *out)
{
	const char *norm_w = s->gamma_beta ? "gamma" : "weight";
	const char *norm_b = s->gamma_beta ? "beta" : "bias";
	size_t		d = (size_t) s->dim;
	char		name[96];
	char		norm[96];

#define SET(slot, name) (out->slot = (float *) (uintptr_t) published_values(st, s->prefix, name, l))
#define SET_NORM(slot, of, w) (snprintf(norm, sizeof norm, "%s.LayerNorm.%s", of, w), SET(slot, norm))
	*out = (xmc_transformer){.settings = {.shape = {.dim = s->dim,.layers = s->layers,.heads = s->heads,.feed_forward = s->wide},
		.positions = s->positions,.epsilon = 1e-12}};
	for (int l = 0; l < s->layers; l++)
	{
		float	   *qkv_w = malloc(3 * d * d * sizeof(float));
		float	   *qkv_b = malloc(3 * d * sizeof(float));
		static const char *const part[3] = {"query", "key", "value"};

		for (size_t p = 0; p < 3; p++)
		{
			snprintf(name, sizeof name, "encoder.layer.%%d.attention.self.%s.weight", part[p]);
			memcpy(qkv_w + p * d * d, published_values(st, s->prefix, name, l), d * d * sizeof(float));
			snprintf(name, sizeof name, "encoder.layer.%%d.attention.self.%s.bias", part[p]);
			memcpy(qkv_b + p * d, published_values(st, s->prefix, name, l), d * sizeof(float));
		}
		out->layer[l].qkv_w = qkv_w;
		out->layer[l].qkv_b = qkv_b;
		SET(token, "embeddings.word_embeddings.weight");
		SET(position, "embeddings.position_embeddings.weight");
		SET(type, "embeddings.token_type_embeddings.weight");
		SET_NORM(norm_w, "embeddings", norm_w);
		SET_NORM(norm_b, "embeddings", norm_b);
		SET(layer[l].out_w, "encoder.layer.%d.attention.output.dense.weight");
		SET(layer[l].out_b, "encoder.layer.%d.attention.output.dense.bias");
		SET_NORM(layer[l].norm1_w, "encoder.layer.%d.attention.output", norm_w);
		SET_NORM(layer[l].norm1_b, "encoder.layer.%d.attention.output", norm_b);
		SET(layer[l].ff1_w, "encoder.layer.%d.intermediate.dense.weight");
		SET(layer[l].ff1_b, "encoder.layer.%d.intermediate.dense.bias");
		SET(layer[l].ff2_w, "encoder.layer.%d.output.dense.weight");
		SET(layer[l].ff2_b, "encoder.layer.%d.output.dense.bias");
		SET_NORM(layer[l].norm2_w, "encoder.layer.%d.output", norm_w);
		SET_NORM(layer[l].norm2_b, "encoder.layer.%d.output", norm_b);
	}
#undef SET
#undef SET_NORM
}

/* The vector of a text by the plain forward pass. */
static void
plain_vector(const xmc_transformer *t, const xmc_text_encoder_shape *shape, int32_t n, const int32_t *id, double *out)
{
	double	   *x = plain_forward(t, n, id);
	double		squares = 0;

	for (int k = 0; k < shape->dim; k++)
	{
		out[k] = 0;
		for (int r = 0; r < (shape->first_token ? 1 : n); r++)
			out[k] += x[r * shape->dim + k] / (shape->first_token ? 1 : n);
		squares += out[k] * out[k];
	}
	for (int k = 0; k < shape->dim && shape->normalised; k++)
		out[k] /= sqrt(squares);
	free(x);
}

/*
 * Vectors against the plain forward pass from the published tensors: prefixes, older names, other tensors, pooling, without
 * normalisation, positions that start after the padding token.
 */
static void
test_vectors(void **state)
{
	static const char *const prefix[] = {"", "bert.", "roberta.", "model."};

	(void) state;
	for (int way = 0; way < 4; way++)
	{
		published_shape shape = published_tiny;
		xmc_ctx		ctx = xmc_ctx_malloc();
		published_files files;
		xmc_safetensors st;
		xmc_transformer *plain = malloc(sizeof *plain);
		xmc_text_encoder *encoder;
		const xmc_text_encoder_shape *read;
		size_t		size;
		void	   *file;

		shape.prefix = prefix[way];
		shape.gamma_beta = way % 2;
		shape.with_others = way > 1;
		shape.seed = (uint64_t) way;
		published_make(&shape, &files);
		assert_int_equal(xmc_safetensors_parse(&ctx, files.weights, files.weights_size, XMC_TENSORS_PUBLISHED, &st), XMC_OK);
		read_published(&st, &shape, plain);
		if (way == 1)
			memcpy(strstr(files.pooling, "cls_token\":false"), "cls_token\":true ", 16);
		if (way == 1)
			memcpy(strstr(files.pooling, "mean_tokens\":true"), "mean_tokens\":null", 17);
		if (way == 2)
		{
			free(files.config);
			files.config = malloc(1024);
			sprintf(files.config, "{\"model_type\":\"xlm-roberta\",\"hidden_size\":16,\"num_hidden_layers\":2,\"num_attention_heads\":2,"
					"\"intermediate_size\":32,\"vocab_size\":24,\"max_position_embeddings\":40,\"pad_token_id\":3}");
			plain->settings.first_position = 4;
		}
		if (way == 3)
		{
			free(files.modules);	/* without modules vectors are not normalised; without pooling it is the mean */
			free(files.pooling);
			files.modules = files.pooling = NULL;
		}
		file = compile(&files, &size);
		encoder = open_encoder(&ctx, file, size);
		read = xmc_text_encoder_get_shape(encoder);
		assert_int_equal(read->first_token, way == 1);
		assert_int_equal(read->normalised, way != 3);
		assert_string_equal(read->family, way == 2 ? "xlm-roberta" : "bert");
		for (int words = 0; words < 40; words++)	/* the last texts are cut off */
		{
			char	   *text = make_text(words, (uint64_t) words);
			float		vector[16];
			double		exact[16];
			int32_t		id[40];
			int32_t		n;
			xmc_encoder_text one = text_of(text);

			assert_int_equal(xmc_text_encoder_tokens(&ctx, encoder, text, strlen(text), id, &n), XMC_OK);
			assert_int_equal(n, words < 34 ? words + 2 : 36);
			assert_int_equal(xmc_text_encoder_embed(&ctx, encoder, 1, &one, vector), XMC_OK);
			plain_vector(plain, read, n, id, exact);
			for (int k = 0; k < 16; k++)
				assert_true(fabs(vector[k] - exact[k]) < 1e-5);
			free(text);
		}
		xmc_text_encoder_close(&ctx, encoder);
		for (int l = 0; l < shape.layers; l++)
		{
			free(plain->layer[l].qkv_w);
			free(plain->layer[l].qkv_b);
		}
		free(plain);
		free(file);
		xmc_safetensors_free(&ctx, &st);
		published_free(&files);
	}
}

/* Half precision gives the same file as F32, because the values are the same; the same input gives the same bytes. */
static void
test_bytes(void **state)
{
	published_shape shape = published_tiny;
	published_files files;
	size_t		expected_size;
	size_t		size;
	void	   *expected;
	void	   *file;

	(void) state;
	published_make(&shape, &files);
	expected = compile(&files, &expected_size);
	for (int k = 0; k < 2; k++)
	{
		published_free(&files);
		shape.dtype = k ? XMC_F16 : XMC_F32;
		published_make(&shape, &files);
		file = compile(&files, &size);
		assert_int_equal(size, expected_size);
		assert_memory_equal(file, expected, size);
		free(file);
	}
	published_free(&files);
	free(expected);
}

/* A text has the same vector to the bit alone, in pairs, and in calls of hundreds in any order. */
static void
test_company(void **state)
{
	enum
	{
		TEXTS = 500
	};
	xmc_ctx		ctx = xmc_ctx_malloc();
	published_shape shape = published_tiny;
	published_files files;
	size_t		size;
	void	   *file;
	xmc_text_encoder *encoder;
	static char *text[TEXTS];
	static xmc_encoder_text call[TEXTS];
	static float vector[TEXTS][20];
	static float other[TEXTS][20];

	(void) state;
	shape.dim = 20;
	shape.heads = 5;
	shape.wide = 33;
	published_make(&shape, &files);
	file = compile(&files, &size);
	encoder = open_encoder(&ctx, file, size);
	for (int t = 0; t < TEXTS; t++)
		call[t] = text_of(text[t] = make_text(t % 37, (uint64_t) t));
	assert_int_equal(xmc_text_encoder_embed(&ctx, encoder, TEXTS, call, vector[0]), XMC_OK);
	for (int t = 0; t < TEXTS; t++)
	{
		const xmc_encoder_text pair[2] = {call[(t + 1) % TEXTS], call[t]};

		assert_int_equal(xmc_text_encoder_embed(&ctx, encoder, 1, &call[t], other[0]), XMC_OK);
		assert_memory_equal(other[0], vector[t], sizeof vector[t]);
		assert_int_equal(xmc_text_encoder_embed(&ctx, encoder, 2, pair, other[0]), XMC_OK);
		assert_memory_equal(other[1], vector[t], sizeof vector[t]);
	}
	for (int step = 7; step < 100; step += 20)
	{
		xmc_encoder_text permuted[TEXTS];

		for (int t = 0; t < TEXTS; t++)
			permuted[t] = call[t * step % TEXTS];
		assert_int_equal(xmc_text_encoder_embed(&ctx, encoder, TEXTS, permuted, other[0]), XMC_OK);
		for (int t = 0; t < TEXTS; t++)
			assert_memory_equal(other[t], vector[t * step % TEXTS], sizeof vector[0]);
	}
	assert_int_equal(xmc_text_encoder_embed(&ctx, encoder, 0, NULL, other[0]), XMC_OK);
	for (int t = 0; t < TEXTS; t++)
		free(text[t]);
	xmc_text_encoder_close(&ctx, encoder);
	published_free(&files);
	free(file);
}

/* ---- refusals ---- */

typedef struct change
{
	int			file;			/* 0 config, 1 tokenizer, 2 modules, 3 pooling, 4 sentence */
	const char *find;			/* replaced once; NULL: the file is absent */
	const char *replace;
	const char *expected;		/* part of the message; "": accepted */
} change;

static void
check_change(const change *what)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	published_files files;
	xmc_published_encoder published;
	char	  **slot[5] = {&files.config, &files.tokenizer, &files.modules, &files.pooling, &files.sentence};
	size_t		size;
	void	   *file;
	xmc_status	status;

	published_make(&published_tiny, &files);
	if (!what->find)
	{
		free(*slot[what->file]);
		*slot[what->file] = NULL;
	}
	else
	{
		char	   *text = *slot[what->file];
		char	   *place = strstr(text, what->find);
		char	   *changed = malloc(strlen(text) + strlen(what->replace) + 1);

		assert_non_null(place);
		sprintf(changed, "%.*s%s%s", (int) (place - text), text, what->replace, place + strlen(what->find));
		free(text);
		*slot[what->file] = changed;
	}
	published = published_encoder(&files);
	status = xmc_text_encoder_compile(&ctx, &published, &file, &size);
	if (status != (*what->expected ? XMC_BAD_INPUT : XMC_OK) || !strstr(*what->expected ? ctx.message : "", what->expected))
		fail_msg("status %d, \"%s\", expected \"%s\"", (int) status, ctx.message, what->expected);
	xmc_release(&ctx, file);
	assert_int_equal(counts.live, 0);
	published_free(&files);
}

static void
test_refused(void **state)
{
	static const change changes[] = {
		{0, NULL, NULL, "config.json is missing"},
		{1, NULL, NULL, "tokenizer.json is missing"},
		{2, NULL, NULL, ""},
		{3, NULL, NULL, ""},
		{4, NULL, NULL, ""},
		{0, "{", "[", "config.json"},
		{0, "\"bert\"", "\"gpt2\"", "config.json: model_type is \"gpt2\", but must be \"bert\" or \"xlm-roberta\""},
		{0, "\"model_type\":\"bert\",", "", "config.json: there is no model_type"},
		{0, "\"gelu\"", "\"relu\"", "config.json: hidden_act is \"relu\", but must be \"gelu\""},
		{0, "\"gelu\"", "\"gelu_new\"", "hidden_act"},
		{0, "\"hidden_act\":\"gelu\",", "", ""},
		{0, "\"absolute\"", "\"relative_key\"", "position_embedding_type is \"relative_key\", but must be \"absolute\""},
		{0, "\"use_cache\":true", "\"is_decoder\":true", "is_decoder is \"true\", but must be false"},
		{0, "\"use_cache\":true", "\"is_decoder\":false", ""},
		{0, "\"use_cache\":true", "\"add_cross_attention\":1", "add_cross_attention is \"1\""},
		{0, "\"use_cache\":true", "\"is_encoder_decoder\":true", "is_encoder_decoder"},
		{0, "\"use_cache\":true", "\"pruned_heads\":{\"0\":[1]}", "pruned_heads is \"an object\", but must be empty"},
		{0, "\"use_cache\":true", "\"pruned_heads\":{}", ""},
		{0, "\"use_cache\":true", "\"quantization_config\":{\"bits\":4}", "quantization_config"},
		{0, "\"hidden_size\":16", "\"hidden_size\":32", "word_embedding_dimension is 16, but the encoder has 32 dimensions"},
		{0, "\"hidden_size\":16", "\"hidden_size\":16.5", "hidden_size is \"16.5\", but must be a whole number"},
		{0, "\"hidden_size\":16", "\"hidden_size\":99999", "hidden_size is \"99999\""},
		{0, "\"hidden_size\":16,", "", "config.json: there is no hidden_size"},
		{0, "\"hidden_size\":16,", "\"hidden_size\":null,", "config.json: there is no hidden_size"},
		{0, "\"num_attention_heads\":2", "\"num_attention_heads\":3", "3 heads do not divide 16 dimensions"},
		{0, "\"num_attention_heads\":2", "\"num_attention_heads\":0", "heads is 0"},
		{0, "\"num_hidden_layers\":2", "\"num_hidden_layers\":3", "there is no tensor \"encoder.layer.2.attention.self.query.weight\""},
		{0, "\"num_hidden_layers\":2", "\"num_hidden_layers\":1", "\"encoder.layer.1.attention.output.LayerNorm.bias\" belongs to no part"},
		{0, "\"num_hidden_layers\":2", "\"num_hidden_layers\":49", "num_hidden_layers is \"49\""},
		{0, "\"vocab_size\":24", "\"vocab_size\":23", "which is not what config.json says"},
		{0, "1e-12", "0", "epsilon"},
		{0, "1e-12", "\"x\"", "layer_norm_eps is \"x\", but must be a number"},
		{0, "\"bert\"", "\"xlm-roberta\",\"x\":0", ""},
		{0, "\"bert\"", "\"xlm-roberta\",\"pad_token_id\":39,\"x\":0", "occurs twice"},
		{0, "\"pad_token_id\":0", "\"pad_token_id\":9999999", "pad_token_id"},
		{1, "\"w18\":22,\"w19\":23", "\"w18\":23,\"w19\":24", "tokenizer.json"},
		{2, "Transformer", "CLIPModel", "modules.json: module 0 is \"sentence_transformers.models.CLIPModel\""},
		{2, "Normalize", "Dense", "modules.json: module 2 is \"sentence_transformers.models.Dense\", but only"},
		{2, "Pooling", "Asym", "module 1 is"},
		{2, "}]", "},{\"type\":\"sentence_transformers.models.Normalize\"}]", "module 3 is"},
		{2, "},{\"idx\":2,\"type\":\"sentence_transformers.models.Normalize\"}", "}", ""},
		{2, "\"type\"", "\"kind\"", "module 0 has no type"},
		{3, "\"pooling_mode_max_tokens\":false", "\"pooling_mode_max_tokens\":true", "pooling_mode_max_tokens is true, but only"},
		{3, "\"pooling_mode_max_tokens\":false", "\"pooling_mode_lasttoken\":true", "pooling_mode_lasttoken is true, but only"},
		{3, "\"pooling_mode_mean_tokens\":true", "\"pooling_mode_mean_tokens\":false", "there are 0 pooling modes"},
		{3, "\"pooling_mode_cls_token\":false", "\"pooling_mode_cls_token\":true", "there are 2 pooling modes"},
		{3, "\"pooling_mode_mean_tokens\":true", "\"pooling_mode\":\"cls\"", ""},
		{3, "\"pooling_mode_mean_tokens\":true", "\"pooling_mode\":\"max\"", "pooling_mode is \"max\", but must be \"mean\" or \"cls\""},
		{3, ":16", ":17", "word_embedding_dimension is 17, but the encoder has 16 dimensions"},
		{4, ":36", ":null", ""},
		{4, ":36", ":512", ""},
		{4, ":36", ":2", "leave no room"},
		{4, ":36", ":0", "max_tokens is 0"},
		{4, "\"do_lower_case\":false", "\"do_lower_case\":true", "do_lower_case is \"true\", but must be false"},
	};

	(void) state;
	for (size_t k = 0; k < sizeof changes / sizeof changes[0]; k++)
		check_change(&changes[k]);
}

/* Damaged weights: named with the tensor. */
static void
test_weights_refused(void **state)
{
	static const struct
	{
		const char *find;
		const char *replace;	/* of the same length */
		const char *expected;
	}			changes[] = {
		{"encoder.layer.1.output.dense.bias", "encoder.layer.1.output.dense.bies", "no tensor \"encoder.layer.1.output.dense.bias\""},
		{"embeddings.word_embeddings.weight", "embeddings.word_embeddings.height", "there is no tensor \"embeddings.word_embeddings.weight\", with"},
		{"\"F32\"", "\"I32\"", "has dtype \"I32\", but must be F32, F16 or BF16"},
		{"\"F32\"", "\"F99\"", "model.safetensors: tensor \"embeddings.word_embeddings.weight\" has dtype \"F99\"; only"},
		{"[24,16]", "[16,24]", "is 16 by 24, which is not what config.json says"},
		{"{\"__meta", "[\"__meta", "model.safetensors: safetensors: header does not begin"},
	};
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_published_encoder published;
	published_files files;
	size_t		size;
	void	   *file;
	float		infinite = INFINITY;

	(void) state;
	for (size_t k = 0; k < sizeof changes / sizeof changes[0]; k++)
	{
		published_make(&published_tiny, &files);
		memcpy(memmem(files.weights, files.weights_size, changes[k].find, strlen(changes[k].find)), changes[k].replace,
			   strlen(changes[k].replace));
		published = published_encoder(&files);
		assert_int_equal(xmc_text_encoder_compile(&ctx, &published, &file, &size), XMC_BAD_INPUT);
		if (!strstr(ctx.message, changes[k].expected))
			fail_msg("\"%s\", expected \"%s\"", ctx.message, changes[k].expected);
		assert_null(file);
		published_free(&files);
	}
	published_make(&published_tiny, &files);
	memcpy(files.weights + files.weights_size - 4, &infinite, 4);
	published = published_encoder(&files);
	assert_int_equal(xmc_text_encoder_compile(&ctx, &published, &file, &size), XMC_BAD_INPUT);
	assert_non_null(strstr(ctx.message, "tensor \"encoder.layer.1.output.LayerNorm.bias\": value 15 is infinite"));
	published_free(&files);
}

/* Files of our own that are damaged, and weights that are no numbers. */
static void
test_open_refused(void **state)
{
	static const struct
	{
		const char *find;
		const char *replace;	/* of the same length */
		const char *expected;
	}			changes[] = {
		{"xmcoh text encoder 1", "xmcoh text encoder 2", "metadata \"format\" is \"xmcoh text encoder 2\""},
		{"\"dim\":\"16\"", "\"dim\":\"17\"", "2 heads do not divide 17 dimensions"},
		{"\"dim\":\"16\"", "\"dim\":\"18\"", "of another type or shape"},
		{"\"dim\":\"16\"", "\"dim\":\"1x\"", "metadata \"dim\" is \"1x\""},
		{"\"dim\":\"16\"", "\"dom\":\"16\"", "metadata has no \"dim\""},
		{"\"layers\":\"2\"", "\"layers\":\"1\"", "more than the settings say"},
		{"\"layers\":\"2\"", "\"layers\":\"3\"", "there is no tensor \"layer.2.qkv.weight\""},
		{"\"max_tokens\":\"36\"", "\"max_tokens\":\"99\"", "too few for 99 tokens"},
		{"\"max_tokens\":\"36\"", "\"max_tokens\":\"02\"", "leave no room"},
		{"\"mean\"", "\"last\"", "metadata \"pooling\""},
		{"tokenizer.settings", "tokenizer.sattings", "there is no tensor \"tokenizer.settings\""},
	};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_text_encoder *encoder;
	published_files files;
	size_t		size;
	unsigned char *file;
	float		nan = NAN;
	uint64_t	length;
	float		vector[16];
	xmc_encoder_text one = text_of("w0");

	(void) state;
	published_make(&published_tiny, &files);
	for (size_t k = 0; k < sizeof changes / sizeof changes[0]; k++)
	{
		file = compile(&files, &size);
		memcpy(memmem(file, size, changes[k].find, strlen(changes[k].find)), changes[k].replace, strlen(changes[k].replace));
		assert_int_equal(xmc_text_encoder_open(&ctx, file, size, &encoder), XMC_BAD_MODEL);
		if (!strstr(ctx.message, changes[k].expected))
			fail_msg("\"%s\", expected \"%s\"", ctx.message, changes[k].expected);
		assert_null(encoder);
		assert_int_equal(counts.live, 0);
		free(file);
	}
	file = compile(&files, &size);
	memcpy(&length, file, 8);
	memcpy(file + 8 + length + 4 * (24 * 16 + 3 * 16), &nan, 4);	/* a position that every text has */
	assert_int_equal(xmc_text_encoder_open(&ctx, file, size, &encoder), XMC_OK);
	assert_int_equal(xmc_text_encoder_check_finite(&ctx, encoder), XMC_BAD_MODEL);
	assert_non_null(strstr(ctx.message, "not a number"));
	one = text_of("w0 w1 w2");
	assert_int_equal(xmc_text_encoder_embed(&ctx, encoder, 1, &one, vector), XMC_BAD_MODEL);
	assert_non_null(strstr(ctx.message, "not finite"));
	xmc_text_encoder_close(&ctx, encoder);
	assert_int_equal(counts.live, 0);
	free(file);
	published_free(&files);
}

/* Every allocation fails once; and invalid UTF-8. */
static void
test_no_memory(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	published_files files;
	xmc_published_encoder published;
	xmc_text_encoder *encoder;
	xmc_status	status = XMC_NO_MEMORY;
	size_t		size;
	void	   *file;
	float		vector[16];
	xmc_encoder_text one = text_of("w0 w1");

	(void) state;
	published_make(&published_tiny, &files);
	published = published_encoder(&files);
	for (long k = 1; status != XMC_OK; k++)
	{
		counts = (counting){.fail_at = k};
		status = xmc_text_encoder_compile(&ctx, &published, &file, &size);
		assert_true(status == XMC_OK || status == XMC_NO_MEMORY);
		if (status != XMC_OK)
			assert_int_equal(counts.live, 0);
	}
	status = XMC_NO_MEMORY;
	for (long k = 1; status != XMC_OK; k++)
	{
		counts = (counting){.fail_at = k};
		status = xmc_text_encoder_open(&ctx, file, size, &encoder);
		if (status == XMC_OK)
		{
			status = xmc_text_encoder_embed(&ctx, encoder, 1, &one, vector);
			xmc_text_encoder_close(&ctx, encoder);
		}
		assert_true(status == XMC_OK || status == XMC_NO_MEMORY);
		assert_int_equal(counts.live, 0);
	}
	counts = (counting){0};
	encoder = open_encoder(&ctx, file, size);
	one = text_of("w0 \xff");
	assert_int_equal(xmc_text_encoder_embed(&ctx, encoder, 1, &one, vector), XMC_BAD_INPUT);
	xmc_text_encoder_close(&ctx, encoder);
	free(file);
	published_free(&files);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_company),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_weights_refused),
		cmocka_unit_test(test_open_refused),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
