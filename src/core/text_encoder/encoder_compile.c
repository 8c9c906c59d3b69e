/*
 * encoder_compile.c - from the published files of a text encoder to the one file that xmcoh stores (declared in
 * xmcoh/text_encoder.h)
 */
#include "base/utf8.h"
#include "text_encoder/encoder_config.h"
#include "text_encoder/tokenizer.h"
#include "text_encoder/tokenizer_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define STEP_VALUES ((int64_t) 1 << 20)	/* values that are converted between two calls of the stop callback */
#define MAX_PARTS 3

/*
 * What the tensors are called in published files, without a prefix such as "bert."; %d is the number of the layer. The queries',
 * keys' and values' matrices become one.
 */
static const struct
{
	const char *own;			/* without "layer.%d." */
	bool		in_layer;
	const char *published[MAX_PARTS];
}			names[] = {
	{"token", false, {"embeddings.word_embeddings.weight"}},
	{"position", false, {"embeddings.position_embeddings.weight"}},
	{"type", false, {"embeddings.token_type_embeddings.weight"}},
	{"norm.weight", false, {"embeddings.LayerNorm.weight"}},
	{"norm.bias", false, {"embeddings.LayerNorm.bias"}},
	{"qkv.weight", true, {"encoder.layer.%d.attention.self.query.weight", "encoder.layer.%d.attention.self.key.weight",
	"encoder.layer.%d.attention.self.value.weight"}},
	{"qkv.bias", true, {"encoder.layer.%d.attention.self.query.bias", "encoder.layer.%d.attention.self.key.bias",
	"encoder.layer.%d.attention.self.value.bias"}},
	{"out.weight", true, {"encoder.layer.%d.attention.output.dense.weight"}},
	{"out.bias", true, {"encoder.layer.%d.attention.output.dense.bias"}},
	{"norm1.weight", true, {"encoder.layer.%d.attention.output.LayerNorm.weight"}},
	{"norm1.bias", true, {"encoder.layer.%d.attention.output.LayerNorm.bias"}},
	{"ff1.weight", true, {"encoder.layer.%d.intermediate.dense.weight"}},
	{"ff1.bias", true, {"encoder.layer.%d.intermediate.dense.bias"}},
	{"ff2.weight", true, {"encoder.layer.%d.output.dense.weight"}},
	{"ff2.bias", true, {"encoder.layer.%d.output.dense.bias"}},
	{"norm2.weight", true, {"encoder.layer.%d.output.LayerNorm.weight"}},
	{"norm2.bias", true, {"encoder.layer.%d.output.LayerNorm.bias"}},
};

static const char *const prefixes[] = {"", "bert.", "roberta.", "model."};

typedef struct compiler
{
	xmc_ctx    *ctx;
	xmc_transformer transformer;
	xmc_encoder_tensor tensor[XMC_ENCODER_MAX_TENSORS];
	int32_t		n_tensors;
	xmc_safetensors published;
	const char *prefix;			/* of the published names */
	const xmc_tensor_view *part[XMC_ENCODER_MAX_TENSORS][MAX_PARTS];	/* what each tensor is made of; NULL: no more */
	bool		used[XMC_SAFETENSORS_MAX_ENTRIES];	/* published tensors that are part of one */
	xmc_tokenizer_tables tables;
} compiler;

/* ---- finding the published tensors ---- */

#define NAME_BYTES 128

/* The published tensor of that name, which is set; layer norms may have the older names gamma and beta. */
static const xmc_tensor_view *
find_published(const compiler *c, const char *pattern, int32_t layer, char name[NAME_BYTES])
{
	static const char *const older[][2] = {{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}};
	size_t		length = strlen(c->prefix);
	const xmc_tensor_view *found;

	memcpy(name, c->prefix, length);
	if (layer >= 0)
	{
		const char *number = strstr(pattern, "%d");

		snprintf(name + length, NAME_BYTES - length, "%.*s%d%s", (int) (number - pattern), pattern, (int) layer, number + 2);
	}
	else
		snprintf(name + length, NAME_BYTES - length, "%s", pattern);
	found = xmc_safetensors_tensor(&c->published, name);
	for (size_t k = 0; !found && k < COUNT(older); k++)
	{
		char	   *end = strstr(name, older[k][0]);

		if (end)
		{
			char		other[NAME_BYTES];

			snprintf(other, sizeof other, "%.*s%s", (int) (end - name), name, older[k][1]);
			found = xmc_safetensors_tensor(&c->published, other);
		}
	}
	return found;
}

/*
 * Finds the parts of one tensor and checks their types and shapes. The rows of all parts together are the rows of the tensor; of
 * the table of token types only the first row is read.
 */
static xmc_status
find_parts(compiler *c, int32_t t)
{
	const xmc_encoder_tensor *tensor = &c->tensor[t];
	int32_t		layer = -1;
	const char *own = tensor->name;
	size_t		k = 0;

	if (strncmp(own, "layer.", 6) == 0)
	{
		layer = (t - XMC_ENCODER_OWN_TENSORS) / XMC_ENCODER_LAYER_TENSORS;
		own = strchr(own + 6, '.') + 1;
	}
	while (k < COUNT(names) && !(names[k].in_layer == (layer >= 0) && strcmp(names[k].own, own) == 0))
		k++;
	for (int p = 0; k < COUNT(names) && p < MAX_PARTS && names[k].published[p]; p++)
	{
		char		name[NAME_BYTES];
		const xmc_tensor_view *view = find_published(c, names[k].published[p], layer, name);
		int			parts = names[k].published[1] ? MAX_PARTS : 1;
		bool		is_type = strcmp(own, "type") == 0;

		if (!view)
			return xmc_fail(c->ctx, XMC_BAD_INPUT, "model.safetensors: there is no tensor \"%s\"", name);
		if (!(XMC_DTYPES_OF_FLOATS & XMC_DTYPE_SET(view->dtype)))
			return xmc_fail(c->ctx, XMC_BAD_INPUT, "model.safetensors: tensor \"%s\" has dtype \"%s\", but must be F32, F16 or BF16",
							view->name, xmc_dtype_name(view->dtype));
		if (view->n_dimensions != tensor->n_dimensions + is_type || view->shape[0] < 1 ||
			(is_type ? view->shape[1] != tensor->shape[0] : view->shape[0] != tensor->shape[0] / parts) ||
			(tensor->n_dimensions == 2 && view->shape[1] != tensor->shape[1]))
			return xmc_fail(c->ctx, XMC_BAD_INPUT,
							"model.safetensors: tensor \"%s\" is %lld by %lld, which is not what config.json says", view->name,
							(long long) (view->n_dimensions ? view->shape[0] : 1),
							(long long) (view->n_dimensions > 1 ? view->shape[1] : 1));
		c->part[t][p] = view;
		c->used[view - c->published.tensor] = true;
	}
	return XMC_OK;
}

/* Refuses a tensor of the embeddings or the layers that has no place: it would change the vectors. */
static xmc_status
check_all_used(const compiler *c)
{
	size_t		length = strlen(c->prefix);

	for (int32_t k = 0; k < c->published.n_tensors; k++)
	{
		const char *name = c->published.tensor[k].name;
		char		shown[XMC_PRINTABLE];

		if (c->used[k] || strncmp(name, c->prefix, length) != 0 ||
			(strncmp(name + length, "embeddings.", 11) != 0 && strncmp(name + length, "encoder.", 8) != 0) ||
			strcmp(name + length, "embeddings.position_ids") == 0 || strcmp(name + length, "embeddings.token_type_ids") == 0)
			continue;
		return xmc_fail(c->ctx, XMC_BAD_INPUT, "model.safetensors: tensor \"%s\" belongs to no part of an encoder that config.json describes",
						xmc_printable(name, strlen(name), shown));
	}
	return XMC_OK;
}

static xmc_status
find_tensors(compiler *c)
{
	char		name[NAME_BYTES];

	for (size_t k = 0; k < COUNT(prefixes); k++)
	{
		c->prefix = prefixes[k];
		if (find_published(c, names[0].published[0], -1, name))
			break;
	}
	if (!find_published(c, names[0].published[0], -1, name))
		return xmc_fail(c->ctx, XMC_BAD_INPUT, "model.safetensors: there is no tensor \"%s\", with or without the prefix \"bert.\", "
						"\"roberta.\" or \"model.\"", names[0].published[0]);
	c->n_tensors = xmc_encoder_tensors(&c->transformer, c->tensor);
	for (int32_t t = 0; t < c->n_tensors; t++)
		XMC_TRY(find_parts(c, t));
	return check_all_used(c);
}

/* ---- writing ---- */

/* Converts the parts of a tensor to its place in the file. */
static xmc_status
convert(const compiler *c, int32_t t, float *out)
{
	int64_t		values = c->tensor[t].n_values;

	for (int p = 0; p < MAX_PARTS && c->part[t][p]; p++)
	{
		const xmc_tensor_view *view = c->part[t][p];
		int64_t		n = c->part[t][1] ? values / MAX_PARTS : values;
		int64_t		bytes = xmc_dtype_bytes(view->dtype);

		for (int64_t begin = 0; begin < n; begin += STEP_VALUES)
		{
			int64_t		count = n - begin < STEP_VALUES ? n - begin : STEP_VALUES;

			XMC_TRY(xmc_check_stop(c->ctx));
			xmc_dtype_to_float(view->dtype, count, (const char *) view->data + begin * bytes, out + begin);
			for (int64_t k = begin; k < begin + count; k++)
				if (!isfinite(out[k]))
					return xmc_fail(c->ctx, XMC_BAD_INPUT, "model.safetensors: tensor \"%s\": value %lld is %s", view->name,
									(long long) k, isnan(out[k]) ? "not a number" : "infinite");
		}
		out += n;
	}
	return XMC_OK;
}

/* Writes the file: the weights first, whose places are left empty and then filled. */
static xmc_status
write_file(compiler *c, void **out, size_t *out_size)
{
	xmc_tensor_view view[XMC_ENCODER_MAX_TENSORS + XMC_TOKENIZER_TABLES] = {{0}};
	xmc_metadata entry[XMC_ENCODER_MAX_METADATA];
	char		text[XMC_ENCODER_MAX_METADATA][32];
	int32_t		n_metadata = xmc_encoder_metadata(&c->transformer.settings, entry, text);
	int32_t		n = 0;
	xmc_safetensors file;
	xmc_status	status = XMC_OK;

	for (int32_t t = 0; t < c->n_tensors; t++, n++)
	{
		view[n] = (xmc_tensor_view){.name = c->tensor[t].name,.n_dimensions = c->tensor[t].n_dimensions,.n_values = c->tensor[t].n_values};
		memcpy(view[n].shape, c->tensor[t].shape, sizeof c->tensor[t].shape);
	}
	for (int bytes = 0; bytes < 2; bytes++)	/* tables of bytes come last, so that all others are aligned */
		for (int k = 0; k < XMC_TOKENIZER_TABLES; k++)
			if (c->tables.table[k].is_bytes == bytes)
				view[n++] = (xmc_tensor_view){.name = c->tables.table[k].name,.n_dimensions = 1,.shape = {c->tables.table[k].n},
					.n_values = c->tables.table[k].n,.dtype = bytes ? XMC_U8 : XMC_I32,.data = c->tables.table[k].data};
	XMC_TRY(xmc_safetensors_write(c->ctx, n, view, n_metadata, entry, NULL, out_size));
	*out = xmc_alloc(c->ctx, *out_size, 1);
	XMC_NEED(*out, c->ctx);
	status = xmc_safetensors_write(c->ctx, n, view, n_metadata, entry, *out, out_size);
	if (status == XMC_OK)
		status = xmc_safetensors_parse(c->ctx, *out, *out_size, XMC_TENSORS_OF_ENCODER, &file);
	if (status == XMC_OK)
	{
		for (int32_t t = 0; status == XMC_OK && t < c->n_tensors; t++)
			status = convert(c, t, (float *) (uintptr_t) xmc_safetensors_tensor(&file, c->tensor[t].name)->data);
		xmc_safetensors_free(c->ctx, &file);
	}
	if (status != XMC_OK)
	{
		xmc_release(c->ctx, *out);
		*out = NULL;
	}
	return status;
}

/* ---- all of it ---- */

/* A message of the reader of safetensors files, about a file that comes from outside. */
static xmc_status
blame_weights(xmc_ctx *ctx, xmc_status status)
{
	char		message[sizeof ctx->message];

	if (status != XMC_BAD_MODEL)
		return status;
	memcpy(message, ctx->message, sizeof message);
	return xmc_fail(ctx, XMC_BAD_INPUT, "model.safetensors: %s", message);
}

/* Every id that the tokenizer gives must have a row in the table of tokens, and a text's special tokens must leave room. */
static xmc_status
check_tokenizer(const compiler *c)
{
	const xmc_text_encoder_shape *shape = &c->transformer.settings.shape;
	xmc_tokenizer *tokenizer;
	int32_t		special;

	if (c->tables.vocabulary > shape->vocabulary)
		return xmc_fail(c->ctx, XMC_BAD_INPUT, "tokenizer.json has tokens up to %d, but config.json has a vocab_size of %d",
						(int) c->tables.vocabulary - 1, (int) shape->vocabulary);
	XMC_TRY(xmc_tokenizer_open(c->ctx, c->tables.table, shape->vocabulary, &tokenizer));
	special = xmc_tokenizer_special_tokens(tokenizer);
	xmc_tokenizer_close(c->ctx, tokenizer);
	if (special >= shape->max_tokens)
		return xmc_fail(c->ctx, XMC_BAD_INPUT, "texts have at most %d tokens, which %d special tokens leave no room for others",
						(int) shape->max_tokens, (int) special);
	return XMC_OK;
}

static xmc_status
compile(compiler *c, const xmc_published_encoder *published, void **out, size_t *out_size)
{
	xmc_ctx    *ctx = c->ctx;

	XMC_TRY(xmc_encoder_config_read(ctx, published, &c->transformer.settings));
	XMC_TRY(blame_weights(ctx, xmc_safetensors_parse(ctx, published->weights.bytes, published->weights.size, XMC_TENSORS_PUBLISHED,
													 &c->published)));
	XMC_TRY(find_tensors(c));
	XMC_TRY(xmc_tokenizer_compile(ctx, published->tokenizer.bytes, published->tokenizer.size, &c->tables));
	XMC_TRY(check_tokenizer(c));
	return write_file(c, out, out_size);
}

xmc_status
xmc_text_encoder_compile(xmc_ctx *ctx, const xmc_published_encoder *published, void **out, size_t *out_size)
{
	compiler   *c = xmc_zalloc(ctx, 1, sizeof *c);
	xmc_status	status;

	*out = NULL;
	*out_size = 0;
	XMC_NEED(c, ctx);
	c->ctx = ctx;
	if (!published->weights.bytes)
		status = xmc_fail(ctx, XMC_BAD_INPUT, "model.safetensors is missing");
	else if (!published->tokenizer.bytes)
		status = xmc_fail(ctx, XMC_BAD_INPUT, "tokenizer.json is missing");
	else
		status = compile(c, published, out, out_size);
	xmc_tokenizer_tables_free(ctx, &c->tables);
	xmc_safetensors_free(ctx, &c->published);
	xmc_release(ctx, c);
	return status;
}
