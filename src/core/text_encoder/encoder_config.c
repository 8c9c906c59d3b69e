/* encoder_config.c - the settings of a published text encoder; see encoder_config.h */
#include "text_encoder/encoder_config.h"
#include "base/utf8.h"
#include "model/json_tree.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* One file as a tree. */
typedef struct config_file
{
	xmc_ctx    *ctx;
	const char *name;
	xmc_json_tree tree;
} config_file;

/* A value as it is shown in messages. */
static const char *
show(const xmc_json_node *node, char shown[XMC_PRINTABLE])
{
	switch (node->kind)
	{
		case XMC_JSON_STRING:
			return xmc_printable(node->string, node->string_length, shown);
		case XMC_JSON_TRUE:
			return "true";
		case XMC_JSON_FALSE:
			return "false";
		case XMC_JSON_NULL:
			return "null";
		case XMC_JSON_INTEGER:
		case XMC_JSON_NUMBER:
			snprintf(shown, XMC_PRINTABLE, "%.15g", node->number);
			return shown;
		default:
			return node->kind == XMC_JSON_ARRAY ? "an array" : "an object";
	}
}

/* "config.json: hidden_act is "relu", but only ... is supported" */
static xmc_status
refuse(const config_file *file, const char *field, const xmc_json_node *node, const char *supported)
{
	char		shown[XMC_PRINTABLE];

	return xmc_fail(file->ctx, XMC_BAD_INPUT, "%s: %s is \"%s\", but must be %s", file->name, field, show(node, shown), supported);
}

/* A member of the outermost object; NULL: there is none, or it is null. */
static const xmc_json_node *
member(const config_file *file, const char *field)
{
	const xmc_json_node *found = xmc_json_member(&file->tree, &file->tree.node[0], field);

	return found && found->kind != XMC_JSON_NULL ? found : NULL;
}

/* A whole number from 0 to most. `missing` is taken where there is none; if that is negative, the number is needed. */
static xmc_status
read_count(const config_file *file, const char *field, int32_t most, int32_t missing, int32_t *out)
{
	const xmc_json_node *found = member(file, field);

	*out = missing;
	if (!found && missing < 0)
		return xmc_fail(file->ctx, XMC_BAD_INPUT, "%s: there is no %s", file->name, field);
	if (!found)
		return XMC_OK;
	if (found->kind != XMC_JSON_INTEGER || found->integer > most)
	{
		char		supported[64];

		snprintf(supported, sizeof supported, "a whole number up to %d", (int) most);
		return refuse(file, field, found, supported);
	}
	*out = (int32_t) found->integer;
	return XMC_OK;
}

/* A setting that must have one value, which is also what its absence means. */
static xmc_status
expect_false(const config_file *file, const char *field)
{
	const xmc_json_node *found = member(file, field);

	return found && found->kind != XMC_JSON_FALSE ? refuse(file, field, found, "false") : XMC_OK;
}

static xmc_status
expect_string(const config_file *file, const char *field, const char *only)
{
	const xmc_json_node *found = member(file, field);
	char		supported[64];

	snprintf(supported, sizeof supported, "\"%s\"", only);
	return found && !xmc_json_is(found, only) ? refuse(file, field, found, supported) : XMC_OK;
}

/* ---- config.json ---- */

static xmc_status
read_config(const config_file *file, xmc_encoder_settings *out)
{
	xmc_text_encoder_shape *shape = &out->shape;
	const xmc_json_node *type = member(file, "model_type");
	const xmc_json_node *epsilon = member(file, "layer_norm_eps");
	const xmc_json_node *pruned = member(file, "pruned_heads");
	int32_t		padding;
	bool		is_bert = xmc_json_is(type, "bert");

	if (!type)
		return xmc_fail(file->ctx, XMC_BAD_INPUT, "%s: there is no model_type", file->name);
	if (!is_bert && !xmc_json_is(type, "xlm-roberta"))
		return refuse(file, "model_type", type, "\"bert\" or \"xlm-roberta\"");
	shape->family = is_bert ? "bert" : "xlm-roberta";
	XMC_TRY(expect_string(file, "hidden_act", "gelu"));
	XMC_TRY(expect_string(file, "position_embedding_type", "absolute"));
	XMC_TRY(expect_false(file, "is_decoder"));
	XMC_TRY(expect_false(file, "add_cross_attention"));
	XMC_TRY(expect_false(file, "is_encoder_decoder"));
	if (pruned && pruned->count > 0)
		return refuse(file, "pruned_heads", pruned, "empty");
	if (member(file, "quantization_config"))
		return refuse(file, "quantization_config", member(file, "quantization_config"), "absent");
	XMC_TRY(read_count(file, "hidden_size", XMC_ENCODER_MAX_DIM, -1, &shape->dim));
	XMC_TRY(read_count(file, "num_hidden_layers", XMC_ENCODER_MAX_LAYERS, -1, &shape->layers));
	XMC_TRY(read_count(file, "num_attention_heads", XMC_ENCODER_MAX_DIM, -1, &shape->heads));
	XMC_TRY(read_count(file, "intermediate_size", INT32_MAX, -1, &shape->feed_forward));
	XMC_TRY(read_count(file, "vocab_size", INT32_MAX, -1, &shape->vocabulary));
	XMC_TRY(read_count(file, "max_position_embeddings", 2 * XMC_ENCODER_MAX_TOKENS, -1, &out->positions));
	XMC_TRY(read_count(file, "pad_token_id", XMC_ENCODER_MAX_TOKENS, is_bert ? 0 : 1, &padding));
	out->first_position = is_bert ? 0 : padding + 1;
	if (out->first_position >= out->positions)
		return xmc_fail(file->ctx, XMC_BAD_INPUT, "%s: %d positions are too few: the first text token has position %d", file->name,
						(int) out->positions, (int) out->first_position);
	out->epsilon = epsilon ? epsilon->number : 1e-12;
	if (epsilon && epsilon->kind != XMC_JSON_NUMBER && epsilon->kind != XMC_JSON_INTEGER)
		return refuse(file, "layer_norm_eps", epsilon, "a number");
	return XMC_OK;
}

/* ---- the files of sentence-transformers ---- */

/* modules.json: Transformer, Pooling and perhaps Normalize, in this order. */
static xmc_status
read_modules(const config_file *file, xmc_encoder_settings *out)
{
	static const char *const order[] = {"Transformer", "Pooling", "Normalize"};
	const xmc_json_node *module = xmc_json_first(&file->tree, &file->tree.node[0]);
	size_t		n = 0;

	if (file->tree.node[0].kind != XMC_JSON_ARRAY)
		return xmc_fail(file->ctx, XMC_BAD_INPUT, "%s: expected an array of modules", file->name);
	for (; module; module = xmc_json_after(&file->tree, module), n++)
	{
		const xmc_json_node *type = xmc_json_member(&file->tree, module, "type");
		char		shown[XMC_PRINTABLE];
		const char *name;

		if (!type || type->kind != XMC_JSON_STRING)
			return xmc_fail(file->ctx, XMC_BAD_INPUT, "%s: module %zu has no type", file->name, n);
		name = strrchr(type->string, '.') ? strrchr(type->string, '.') + 1 : type->string;
		if (n >= COUNT(order) || strcmp(name, order[n]) != 0)
			return xmc_fail(file->ctx, XMC_BAD_INPUT,
							"%s: module %zu is \"%s\", but only Transformer, Pooling and Normalize in this order are supported",
							file->name, n, xmc_printable(type->string, type->string_length, shown));
	}
	if (n < 2)
		return xmc_fail(file->ctx, XMC_BAD_INPUT, "%s: there is no module \"Pooling\"", file->name);
	out->shape.normalised = n == 3;
	return XMC_OK;
}

/* 1_Pooling/config.json: one flag for each mode, or the name of the mode. */
static xmc_status
read_pooling(const config_file *file, xmc_encoder_settings *out)
{
	const xmc_json_node *field = xmc_json_first(&file->tree, &file->tree.node[0]);
	const xmc_json_node *named = member(file, "pooling_mode");
	int			modes = 0;
	int32_t		width;

	for (; field; field = xmc_json_after(&file->tree, field))
	{
		static const char prefix[] = "pooling_mode_";
		char		shown[XMC_PRINTABLE];

		if (!field->key || strncmp(field->key, prefix, strlen(prefix)) != 0 || field->kind != XMC_JSON_TRUE)
			continue;
		modes++;
		if (strcmp(field->key, "pooling_mode_cls_token") == 0)
			out->shape.first_token = true;
		else if (strcmp(field->key, "pooling_mode_mean_tokens") != 0)
			return xmc_fail(file->ctx, XMC_BAD_INPUT,
							"%s: %s is true, but only pooling_mode_mean_tokens and pooling_mode_cls_token are supported", file->name,
							xmc_printable(field->key, field->key_length, shown));
	}
	if (named)
	{
		modes++;
		out->shape.first_token = xmc_json_is(named, "cls");
		if (!out->shape.first_token && !xmc_json_is(named, "mean"))
			return refuse(file, "pooling_mode", named, "\"mean\" or \"cls\"");
	}
	if (modes != 1)
		return xmc_fail(file->ctx, XMC_BAD_INPUT, "%s: there are %d pooling modes, but one is needed", file->name, modes);
	XMC_TRY(read_count(file, "word_embedding_dimension", INT32_MAX, out->shape.dim, &width));
	if (width != out->shape.dim)
		return xmc_fail(file->ctx, XMC_BAD_INPUT, "%s: word_embedding_dimension is %d, but the encoder has %d dimensions", file->name,
						(int) width, (int) out->shape.dim);
	return XMC_OK;
}

/* sentence_bert_config.json */
static xmc_status
read_sentence(const config_file *file, xmc_encoder_settings *out)
{
	int32_t		tokens;

	XMC_TRY(expect_false(file, "do_lower_case"));
	XMC_TRY(read_count(file, "max_seq_length", INT32_MAX, INT32_MAX, &tokens));
	if (tokens < out->shape.max_tokens)
		out->shape.max_tokens = tokens;
	return XMC_OK;
}

/* ---- all files ---- */

static xmc_status
read_file(xmc_ctx *ctx, const char *name, const xmc_published_file *published,
		  xmc_status (*read) (const config_file *file, xmc_encoder_settings *out), xmc_encoder_settings *out)
{
	config_file file = {.ctx = ctx, .name = name};
	xmc_status	status;

	if (!published->bytes)
		return XMC_OK;
	XMC_TRY(xmc_json_tree_read(ctx, name, XMC_BAD_INPUT, published->bytes, published->size, &file.tree));
	if (file.tree.node[0].kind != XMC_JSON_OBJECT && file.tree.node[0].kind != XMC_JSON_ARRAY)
		status = xmc_fail(ctx, XMC_BAD_INPUT, "%s: expected an object or an array", name);
	else
		status = read(&file, out);
	xmc_json_tree_free(ctx, &file.tree);
	return status;
}

xmc_status
xmc_encoder_config_read(xmc_ctx *ctx, const xmc_published_encoder *published, xmc_encoder_settings *out)
{
	int32_t		available;

	*out = (xmc_encoder_settings){0};
	if (!published->config.bytes)
		return xmc_fail(ctx, XMC_BAD_INPUT, "config.json is missing");
	XMC_TRY(read_file(ctx, "config.json", &published->config, read_config, out));
	available = out->positions - out->first_position;
	out->shape.max_tokens = available < XMC_ENCODER_MAX_TOKENS ? available : XMC_ENCODER_MAX_TOKENS;
	XMC_TRY(read_file(ctx, "modules.json", &published->modules, read_modules, out));
	XMC_TRY(read_file(ctx, "1_Pooling/config.json", &published->pooling, read_pooling, out));
	XMC_TRY(read_file(ctx, "sentence_bert_config.json", &published->sentence, read_sentence, out));
	return xmc_encoder_settings_check(ctx, "config.json", XMC_BAD_INPUT, out);
}
