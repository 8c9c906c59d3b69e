/*
 * published.h - the published files of a text encoder with random weights, made in memory, of any shape: for unit tests, the fuzzer
 * and the benchmark. tiny_encoder.pl writes such files for tests with a server.
 *
 * The tokens are [PAD] [UNK] [CLS] [SEP], then the words w0, w1, ...; a text of n of these words has n + 2 tokens.
 */
#ifndef TEST_PUBLISHED_H
#define TEST_PUBLISHED_H

#include "model/dtype.h"
#include "xmcoh/random.h"
#include "xmcoh/text_encoder.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct published_shape
{
	int			dim;
	int			layers;
	int			heads;
	int			wide;
	int			words;
	int			positions;
	const char *prefix;			/* of the tensors' names */
	xmc_dtype	dtype;			/* F32, F16 or BF16 */
	bool		gamma_beta;		/* the older names of the layer norms' tensors */
	bool		with_others;	/* tensors that encoders have and xmcoh ignores */
	uint64_t	seed;
} published_shape;

static const published_shape published_tiny = {.dim = 16,.layers = 2,.heads = 2,.wide = 32,.words = 20,.positions = 40,
.prefix = "",.seed = 1};

typedef struct published_files
{
	char	   *config;
	char	   *tokenizer;
	char	   *modules;
	char	   *pooling;
	char	   *sentence;
	unsigned char *weights;
	size_t		weights_size;
} published_files;

/* A text that grows. */
typedef struct published_text
{
	char	   *at;
	size_t		used;
	size_t		room;
} published_text;

static inline __attribute__((format(printf, 2, 3))) void
published_put(published_text *text, const char *format,...)
{
	va_list		args;

	if (text->used + 1024 > text->room)
		text->at = realloc(text->at, text->room = 2 * text->room + 2048);
	va_start(args, format);
	text->used += (size_t) vsnprintf(text->at + text->used, text->room - text->used, format, args);
	va_end(args);
}

/* ---- weights ---- */

typedef struct published_writer
{
	const published_shape *shape;
	published_text header;
	size_t		data_size;
	unsigned char *data;		/* NULL: only the header is made */
	xmc_random	random;
} published_writer;

/* Adds a tensor; its values are `center` plus random ones of that spread, all of which BF16 and F16 hold exactly. */
static inline void
published_tensor(published_writer *w, const char *name, int rows, int columns, double center, double spread)
{
	size_t		n = (size_t) rows * (size_t) (columns ? columns : 1);
	size_t		bytes = n * (size_t) xmc_dtype_bytes(w->shape->dtype);

	if (!w->data)
	{
		published_put(&w->header, ",\"%s%s\":{\"dtype\":\"%s\",\"shape\":[%d", w->shape->prefix, name, xmc_dtype_name(w->shape->dtype), rows);
		if (columns)
			published_put(&w->header, ",%d", columns);
		published_put(&w->header, "],\"data_offsets\":[%zu,%zu]}", w->data_size, w->data_size + bytes);
	}
	for (size_t k = 0; w->data && k < n; k++)
	{
		double		drawn = spread * xmc_random_normal(&w->random);
		float		value = (float) (center + round(drawn * 64) / 64);	/* few bits */
		uint32_t	bits;

		if (w->shape->dim > 64)
			value = (float) (center + drawn);
		memcpy(&bits, &value, 4);
		if (w->shape->dtype == XMC_F32)
			memcpy(w->data + w->data_size + 4 * k, &bits, 4);
		else
		{
			uint16_t	half = (uint16_t) (bits >> 16);

			if (w->shape->dtype == XMC_F16)	/* no value is so small that it would be subnormal */
				half = bits == 0 ? 0 : (uint16_t) ((bits >> 16 & 0x8000) | ((bits >> 23 & 255) - 112) << 10 | (bits >> 13 & 1023));
			memcpy(w->data + w->data_size + 2 * k, &half, 2);
		}
	}
	w->data_size += bytes;
}

static inline void
published_linear(published_writer *w, const char *name, int outputs, int inputs)
{
	char		full[128];

	snprintf(full, sizeof full, "%s.weight", name);
	published_tensor(w, full, outputs, inputs, 0, 1 / sqrt(inputs));
	snprintf(full, sizeof full, "%s.bias", name);
	published_tensor(w, full, outputs, 0, 0, 0.2);
}

static inline void
published_norm(published_writer *w, const char *name)
{
	char		full[128];

	snprintf(full, sizeof full, "%s.%s", name, w->shape->gamma_beta ? "gamma" : "weight");
	published_tensor(w, full, w->shape->dim, 0, 1, 0.1);
	snprintf(full, sizeof full, "%s.%s", name, w->shape->gamma_beta ? "beta" : "bias");
	published_tensor(w, full, w->shape->dim, 0, 0, 0.2);
}

static inline void
published_tensors(published_writer *w)
{
	static const char *const projection[3] = {"query", "key", "value"};
	const published_shape *s = w->shape;
	char		name[96];

	xmc_random_seed(&w->random, s->seed);
	w->data_size = 0;
	published_tensor(w, "embeddings.word_embeddings.weight", s->words + 4, s->dim, 0, 1);
	published_tensor(w, "embeddings.position_embeddings.weight", s->positions, s->dim, 0, 0.5);
	published_tensor(w, "embeddings.token_type_embeddings.weight", 2, s->dim, 0, 0.5);
	published_norm(w, "embeddings.LayerNorm");
	for (int l = 0; l < s->layers; l++)
	{
		for (int p = 0; p < 3; p++)
		{
			snprintf(name, sizeof name, "encoder.layer.%d.attention.self.%s", l, projection[p]);
			published_linear(w, name, s->dim, s->dim);
		}
		snprintf(name, sizeof name, "encoder.layer.%d.attention.output.dense", l);
		published_linear(w, name, s->dim, s->dim);
		snprintf(name, sizeof name, "encoder.layer.%d.attention.output.LayerNorm", l);
		published_norm(w, name);
		snprintf(name, sizeof name, "encoder.layer.%d.intermediate.dense", l);
		published_linear(w, name, s->wide, s->dim);
		snprintf(name, sizeof name, "encoder.layer.%d.output.dense", l);
		published_linear(w, name, s->dim, s->wide);
		snprintf(name, sizeof name, "encoder.layer.%d.output.LayerNorm", l);
		published_norm(w, name);
	}
	if (s->with_others)
	{
		published_linear(w, "pooler.dense", s->dim, s->dim);
		published_linear(w, "lm_head.dense", s->dim, s->dim);
		published_tensor(w, "embeddings.position_ids", 1, s->positions, 0, 1);
	}
}

static inline void
published_weights(const published_shape *shape, published_files *out)
{
	published_writer w = {.shape = shape};
	uint64_t	length;

	published_put(&w.header, "{\"__metadata__\":{\"format\":\"pt\"}");
	published_tensors(&w);
	published_put(&w.header, "}");
	while (w.header.used % 8)
		published_put(&w.header, " ");
	length = w.header.used;
	out->weights_size = 8 + length + w.data_size;
	out->weights = malloc(out->weights_size);
	memcpy(out->weights, &length, 8);
	memcpy(out->weights + 8, w.header.at, length);
	w.data = out->weights + 8 + length;
	published_tensors(&w);
	free(w.header.at);
}

/* ---- the other files ---- */

static inline char *
published_tokenizer(const published_shape *shape)
{
	static const char *const special[4] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"};
	published_text text = {0};

	published_put(&text, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[");
	for (int k = 0; k < 4; k++)
		published_put(&text, "%s{\"id\":%d,\"content\":\"%s\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"
					  "\"special\":true}", k ? "," : "", k, special[k]);
	published_put(&text, "],\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"
				  "\"strip_accents\":null,\"lowercase\":true},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"post_processor\":"
				  "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},"
				  "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":0}}],");
	published_put(&text, "\"pair\":[{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
				  "{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}},"
				  "{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":1}}],\"special_tokens\":{\"[CLS]\":{\"id\":\"[CLS]\",\"ids\":[2],"
				  "\"tokens\":[\"[CLS]\"]},\"[SEP]\":{\"id\":\"[SEP]\",\"ids\":[3],\"tokens\":[\"[SEP]\"]}}},");
	published_put(&text, "\"decoder\":null,\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","
				  "\"max_input_chars_per_word\":100,\"vocab\":{");
	for (int k = 0; k < 4; k++)
		published_put(&text, "%s\"%s\":%d", k ? "," : "", special[k], k);
	for (int k = 0; k < shape->words; k++)
		published_put(&text, ",\"w%d\":%d", k, k + 4);
	published_put(&text, "}}}");
	return text.at;
}

static inline void
published_make(const published_shape *shape, published_files *out)
{
	published_text config = {0};
	published_text pooling = {0};
	published_text sentence = {0};

	published_weights(shape, out);
	out->tokenizer = published_tokenizer(shape);
	published_put(&config, "{\"model_type\":\"bert\",\"hidden_act\":\"gelu\",\"hidden_size\":%d,\"num_hidden_layers\":%d,"
				  "\"num_attention_heads\":%d,\"intermediate_size\":%d,\"vocab_size\":%d,\"max_position_embeddings\":%d,"
				  "\"layer_norm_eps\":1e-12,\"position_embedding_type\":\"absolute\",\"pad_token_id\":0,\"use_cache\":true}",
				  shape->dim, shape->layers, shape->heads, shape->wide, shape->words + 4, shape->positions);
	out->config = config.at;
	out->modules = strdup("[{\"idx\":0,\"type\":\"sentence_transformers.models.Transformer\"},{\"idx\":1,\"type\":"
						  "\"sentence_transformers.models.Pooling\"},{\"idx\":2,\"type\":\"sentence_transformers.models.Normalize\"}]");
	published_put(&pooling, "{\"word_embedding_dimension\":%d,\"pooling_mode_cls_token\":false,\"pooling_mode_mean_tokens\":true,"
				  "\"pooling_mode_max_tokens\":false}", shape->dim);
	out->pooling = pooling.at;
	published_put(&sentence, "{\"max_seq_length\":%d,\"do_lower_case\":false}", shape->positions - 4);
	out->sentence = sentence.at;
}

static inline xmc_published_file
published_file(const char *text)
{
	return (xmc_published_file){text, text ? strlen(text) : 0};
}

/* The files as xmc_text_encoder_compile takes them; one that was set to NULL is absent. */
static inline xmc_published_encoder
published_encoder(const published_files *files)
{
	return (xmc_published_encoder){
		.weights = {files->weights, files->weights_size},
		.config = published_file(files->config),
		.tokenizer = published_file(files->tokenizer),
		.modules = published_file(files->modules),
		.pooling = published_file(files->pooling),
		.sentence = published_file(files->sentence)
	};
}

static inline void
published_free(published_files *files)
{
	free(files->config);
	free(files->tokenizer);
	free(files->modules);
	free(files->pooling);
	free(files->sentence);
	free(files->weights);
	*files = (published_files){0};
}

#endif
