/* encoder_model.c - settings and parameters of a text encoder, in its file and in memory; see encoder_model.h */
#include "text_encoder/encoder_model.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "xmcoh text encoder 1"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const families[] = {"bert", "xlm-roberta"};

/* The whole numbers among the settings. */
static const struct
{
	const char *key;
	size_t		offset;			/* into xmc_encoder_settings */
	int32_t		least;
	int32_t		most;
}			numbers[] = {
	{"dim", offsetof(xmc_encoder_settings, shape.dim), 1, XMC_ENCODER_MAX_DIM},
	{"layers", offsetof(xmc_encoder_settings, shape.layers), 1, XMC_ENCODER_MAX_LAYERS},
	{"heads", offsetof(xmc_encoder_settings, shape.heads), 1, XMC_ENCODER_MAX_DIM},
	{"feed_forward", offsetof(xmc_encoder_settings, shape.feed_forward), 1, 16 * XMC_ENCODER_MAX_DIM},
	{"vocabulary", offsetof(xmc_encoder_settings, shape.vocabulary), 1, 1 << 21},
	{"max_tokens", offsetof(xmc_encoder_settings, shape.max_tokens), 1, XMC_ENCODER_MAX_TOKENS},
	{"positions", offsetof(xmc_encoder_settings, positions), 1, 2 * XMC_ENCODER_MAX_TOKENS},
	{"first_position", offsetof(xmc_encoder_settings, first_position), 0, XMC_ENCODER_MAX_TOKENS},
};

static int32_t
number_at(const xmc_encoder_settings *settings, size_t k)
{
	int32_t		value;

	memcpy(&value, (const char *) settings + numbers[k].offset, sizeof value);
	return value;
}

xmc_status
xmc_encoder_settings_check(xmc_ctx *ctx, const char *what, xmc_status bad, const xmc_encoder_settings *settings)
{
	const xmc_text_encoder_shape *shape = &settings->shape;

	for (size_t k = 0; k < COUNT(numbers); k++)
		if (number_at(settings, k) < numbers[k].least || number_at(settings, k) > numbers[k].most)
			return xmc_fail(ctx, bad, "%s: %s is %d, but must be in the range from %d to %d", what, numbers[k].key,
							(int) number_at(settings, k), (int) numbers[k].least, (int) numbers[k].most);
	if (shape->dim % shape->heads != 0)
		return xmc_fail(ctx, bad, "%s: %d heads do not divide %d dimensions", what, (int) shape->heads, (int) shape->dim);
	if (shape->max_tokens > settings->positions - settings->first_position)
		return xmc_fail(ctx, bad, "%s: %d positions from %d on are too few for %d tokens", what, (int) settings->positions,
						(int) settings->first_position, (int) shape->max_tokens);
	if (!(settings->epsilon > 0 && settings->epsilon <= 0.01))
		return xmc_fail(ctx, bad, "%s: the epsilon of layer normalization is %g, but must be above 0 and at most 0.01", what,
						settings->epsilon);
	return XMC_OK;
}

/* ---- tensors ---- */

int32_t
xmc_encoder_tensors(xmc_transformer *transformer, xmc_encoder_tensor tensor[XMC_ENCODER_MAX_TENSORS])
{
	const xmc_encoder_settings *settings = &transformer->settings;
	int64_t		d = settings->shape.dim;
	int64_t		wide = settings->shape.feed_forward;
	const struct
	{
		const char *name;
		int64_t		shape[2];	/* the second is 0: one dimension */
		float	  **slot;
	}			own[XMC_ENCODER_OWN_TENSORS] = {
		{"token", {settings->shape.vocabulary, d}, &transformer->token},
		{"position", {settings->positions, d}, &transformer->position},
		{"type", {d}, &transformer->type},
		{"norm.weight", {d}, &transformer->norm_w},
		{"norm.bias", {d}, &transformer->norm_b},
	};
	const struct
	{
		const char *name;
		int64_t		shape[2];
		size_t		slot;		/* in xmc_layer */
	}			of_layer[XMC_ENCODER_LAYER_TENSORS] = {
		{"qkv.weight", {3 * d, d}, offsetof(xmc_layer, qkv_w)},
		{"qkv.bias", {3 * d}, offsetof(xmc_layer, qkv_b)},
		{"out.weight", {d, d}, offsetof(xmc_layer, out_w)},
		{"out.bias", {d}, offsetof(xmc_layer, out_b)},
		{"norm1.weight", {d}, offsetof(xmc_layer, norm1_w)},
		{"norm1.bias", {d}, offsetof(xmc_layer, norm1_b)},
		{"ff1.weight", {wide, d}, offsetof(xmc_layer, ff1_w)},
		{"ff1.bias", {wide}, offsetof(xmc_layer, ff1_b)},
		{"ff2.weight", {d, wide}, offsetof(xmc_layer, ff2_w)},
		{"ff2.bias", {d}, offsetof(xmc_layer, ff2_b)},
		{"norm2.weight", {d}, offsetof(xmc_layer, norm2_w)},
		{"norm2.bias", {d}, offsetof(xmc_layer, norm2_b)},
	};
	int32_t		n = 0;

	for (size_t k = 0; k < COUNT(own); k++, n++)
	{
		snprintf(tensor[n].name, sizeof tensor[n].name, "%s", own[k].name);
		memcpy(tensor[n].shape, own[k].shape, sizeof tensor[n].shape);
		tensor[n].slot = own[k].slot;
	}
	for (int32_t l = 0; l < settings->shape.layers; l++)
		for (size_t k = 0; k < COUNT(of_layer); k++, n++)
		{
			snprintf(tensor[n].name, sizeof tensor[n].name, "layer.%d.%s", (int) l, of_layer[k].name);
			memcpy(tensor[n].shape, of_layer[k].shape, sizeof tensor[n].shape);
			tensor[n].slot = (float **) (void *) ((char *) &transformer->layer[l] + of_layer[k].slot);
		}
	transformer->settings.shape.parameters = 0;
	for (int32_t k = 0; k < n; k++)
	{
		tensor[k].n_dimensions = tensor[k].shape[1] ? 2 : 1;
		tensor[k].n_values = tensor[k].shape[0] * (tensor[k].shape[1] ? tensor[k].shape[1] : 1);
		transformer->settings.shape.parameters += tensor[k].n_values;
	}
	return n;
}

xmc_status
xmc_encoder_match(xmc_ctx *ctx, const xmc_safetensors *file, xmc_transformer *transformer)
{
	xmc_encoder_tensor tensor[XMC_ENCODER_MAX_TENSORS];
	int32_t		n = xmc_encoder_tensors(transformer, tensor);

	for (int32_t k = 0; k < n; k++)
	{
		const xmc_tensor_view *view = xmc_safetensors_tensor(file, tensor[k].name);

		if (!view)
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored encoder: there is no tensor \"%s\"", tensor[k].name);
		if (view->dtype != XMC_F32 || view->n_dimensions != tensor[k].n_dimensions || view->n_values != tensor[k].n_values ||
			view->shape[0] != tensor[k].shape[0])
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored encoder: tensor \"%s\" is of another type or shape than the settings say",
							tensor[k].name);
		*tensor[k].slot = (float *) (uintptr_t) view->data;	/* read-only */
	}
	return XMC_OK;
}

/* ---- metadata ---- */

int32_t
xmc_encoder_metadata(const xmc_encoder_settings *settings, xmc_metadata entry[XMC_ENCODER_MAX_METADATA],
					 char text[XMC_ENCODER_MAX_METADATA][32])
{
	int32_t		n = 0;

	entry[n++] = (xmc_metadata){"format", FORMAT};
	entry[n++] = (xmc_metadata){"family", settings->shape.family};
	entry[n++] = (xmc_metadata){"pooling", settings->shape.first_token ? "first" : "mean"};
	entry[n++] = (xmc_metadata){"normalised", settings->shape.normalised ? "1" : "0"};
	snprintf(text[n], sizeof text[n], "%.17g", settings->epsilon);
	entry[n] = (xmc_metadata){"epsilon", text[n]};
	n++;
	for (size_t k = 0; k < COUNT(numbers); k++, n++)
	{
		snprintf(text[n], sizeof text[n], "%d", (int) number_at(settings, k));
		entry[n] = (xmc_metadata){numbers[k].key, text[n]};
	}
	return n;
}

/* Which of the words the metadata's value is. */
static xmc_status
read_word(xmc_ctx *ctx, const xmc_safetensors *file, const char *key, int n, const char *const *word, int *out)
{
	const char *value = xmc_safetensors_metadata(file, key);
	char		shown[XMC_PRINTABLE];

	if (!value)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored encoder: metadata has no \"%s\"", key);
	for (*out = 0; *out < n; (*out)++)
		if (strcmp(value, word[*out]) == 0)
			return XMC_OK;
	return xmc_fail(ctx, XMC_BAD_MODEL, "stored encoder: metadata \"%s\" is \"%s\"", key,
					xmc_printable(value, strlen(value), shown));
}

/* A decimal number without sign. strtod alone would also accept spaces, hexadecimal, NaN and infinity. */
static xmc_status
read_number(xmc_ctx *ctx, const xmc_safetensors *file, const char *key, double *out)
{
	const char *value = xmc_safetensors_metadata(file, key);
	char		shown[XMC_PRINTABLE];
	char	   *end;

	if (!value)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored encoder: metadata has no \"%s\"", key);
	*out = strtod(value, &end);
	if (*value < '0' || *value > '9' || *end || value[strspn(value, "0123456789-.e")] || !(*out <= 1e9))
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored encoder: metadata \"%s\" is \"%s\"", key,
						xmc_printable(value, strlen(value), shown));
	return XMC_OK;
}

xmc_status
xmc_encoder_settings_read(xmc_ctx *ctx, const xmc_safetensors *file, xmc_encoder_settings *out)
{
	int			word;

	*out = (xmc_encoder_settings){0};
	XMC_TRY(read_word(ctx, file, "format", 1, (const char *const[]) {FORMAT}, &word));
	XMC_TRY(read_word(ctx, file, "family", COUNT(families), families, &word));
	out->shape.family = families[word];
	XMC_TRY(read_word(ctx, file, "pooling", 2, (const char *const[]) {"mean", "first"}, &word));
	out->shape.first_token = word == 1;
	XMC_TRY(read_word(ctx, file, "normalised", 2, (const char *const[]) {"0", "1"}, &word));
	out->shape.normalised = word == 1;
	XMC_TRY(read_number(ctx, file, "epsilon", &out->epsilon));
	for (size_t k = 0; k < COUNT(numbers); k++)
	{
		double		number = 0;
		int32_t		value;

		XMC_TRY(read_number(ctx, file, numbers[k].key, &number));
		value = (int32_t) number;
		if (value != number)
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored encoder: metadata \"%s\" is %g, not a whole number", numbers[k].key, number);
		memcpy((char *) out + numbers[k].offset, &value, sizeof value);
	}
	return xmc_encoder_settings_check(ctx, "stored encoder", XMC_BAD_MODEL, out);
}
