/* model.c - the parameters of a model: layout, initial values, to and from safetensors; see model.h */
#include "xmcoh/model.h"

#include "xmcoh/align.h"
#include "xmcoh/bilinear.h"
#include "xmcoh/json.h"
#include "xmcoh/memory.h"
#include "xmcoh/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN 64
#define STEP_VALUES ((int64_t) 1 << 18) /* initial values between two questions whether to stop: a few milliseconds */

/* ---- layout ---- */

/* How a tensor's values begin. GLOROT_k: k square blocks stacked, each a matrix of its own. */
typedef enum recipe
{
	ZERO,
	ONE,
	GLOROT_1,
	GLOROT_2,
	GLOROT_3,
	SMALL_GLOROT,
	SMALL_NORMAL
} recipe;

/* Sizes that shapes are made of; their values depend on the options. */
typedef enum size_code
{
	NONE,						/* no such dimension */
	INPUT,						/* input_dim */
	EMBEDDING,					/* embedding_dim */
	MODEL,						/* d_model */
	MODEL_2,
	MODEL_3,
	INNER,						/* feed_forward */
	SIZES
} size_code;

typedef struct part
{
	const char *name;			/* behind "text." or "text.layer.0." */
	size_t		offset;			/* of the float pointer, in xmc_network or xmc_layer */
	size_code	rows;
	size_code	columns;		/* NONE: a vector */
	recipe		start;
} part;

static const part network_fixed[] = {
	{"input.mean", offsetof(xmc_network, input_mean), INPUT, NONE, ZERO},
	{"input.scale", offsetof(xmc_network, input_scale), INPUT, NONE, ONE},
};

static const part network_linear[] = {
	{"linear.weight", offsetof(xmc_network, linear), EMBEDDING, NONE, ZERO},
};

static const part network_input[] = {
	{"input.weight", offsetof(xmc_network, input_w), MODEL, INPUT, GLOROT_1},
	{"input.bias", offsetof(xmc_network, input_b), MODEL, NONE, ZERO},
};

static const part layer_parts[] = {
	{"qkv.weight", offsetof(xmc_layer, qkv_w), MODEL_3, MODEL, GLOROT_3},
	{"qkv.bias", offsetof(xmc_layer, qkv_b), MODEL_3, NONE, ZERO},
	{"out.weight", offsetof(xmc_layer, out_w), MODEL, MODEL, GLOROT_1},
	{"out.bias", offsetof(xmc_layer, out_b), MODEL, NONE, ZERO},
	{"norm1.weight", offsetof(xmc_layer, norm1_w), MODEL, NONE, ONE},
	{"norm1.bias", offsetof(xmc_layer, norm1_b), MODEL, NONE, ZERO},
	{"ff1.weight", offsetof(xmc_layer, ff1_w), INNER, MODEL, GLOROT_1},
	{"ff1.bias", offsetof(xmc_layer, ff1_b), INNER, NONE, ZERO},
	{"ff2.weight", offsetof(xmc_layer, ff2_w), MODEL, INNER, GLOROT_1},
	{"ff2.bias", offsetof(xmc_layer, ff2_b), MODEL, NONE, ZERO},
	{"norm2.weight", offsetof(xmc_layer, norm2_w), MODEL, NONE, ONE},
	{"norm2.bias", offsetof(xmc_layer, norm2_b), MODEL, NONE, ZERO},
};

static const part network_head[] = {
	{"head.ab.weight", offsetof(xmc_network, head_ab_w), MODEL_2, MODEL, GLOROT_2},
	{"head.c", offsetof(xmc_network, head_c), MODEL, NONE, ZERO},
	{"head.v", offsetof(xmc_network, head_v), MODEL, NONE, SMALL_GLOROT},
};

#define COUNT(array) (sizeof (array) / sizeof (array)[0])
_Static_assert(7 + XMC_MODALITIES * (COUNT(network_fixed) + COUNT(network_linear) + COUNT(network_input) + COUNT(network_head)
									    + COUNT(layer_parts) * XMC_MAX_LAYERS)
			   <= XMC_MAX_TENSORS, "every tensor has a place");
_Static_assert(XMC_MAX_TENSORS <= XMC_SAFETENSORS_MAX_ENTRIES, "every model can be stored");

xmc_modality
xmc_part_modality(xmc_part part)
{
	return part == XMC_PART_BILINEAR ? XMC_JOINT : part < XMC_PART_IMAGE_LINEAR ? XMC_TEXT : XMC_IMAGE;
}

static const char *const modality_name[XMC_MODALITIES] = {"text", "image"};

/* columns 0: a vector. Neither product nor sum can overflow within the bounds of the options. */
static xmc_tensor *
add_tensor(xmc_model *model, float **slot, int64_t rows, int64_t columns)
{
	xmc_tensor *tensor = &model->tensor[model->n_tensors++];

	tensor->n_dimensions = columns ? 2 : 1;
	tensor->shape[0] = rows;
	tensor->shape[1] = columns;
	tensor->n_values = columns ? rows * columns : rows;
	tensor->slot = slot;
	model->n_parameters += tensor->n_values;
	return tensor;
}

/* Parts of one struct (a network or a layer) that begins at `base`; their names begin with `prefix`. */
static void
add_parts(xmc_model *model, void *base, const char *prefix, const part *parts, size_t n, const int64_t size[SIZES],
		  xmc_part trained_as, recipe *start)
{
	for (size_t k = 0; k < n; k++)
	{
		float	  **slot = (float **) (void *) ((char *) base + parts[k].offset);
		xmc_tensor *tensor;

		start[model->n_tensors] = parts[k].start;
		tensor = add_tensor(model, slot, size[parts[k].rows], size[parts[k].columns]);
		tensor->part = trained_as;
		snprintf(tensor->name, sizeof tensor->name, "%s%s", prefix, parts[k].name);
	}
}

static void
add_network(xmc_model *model, xmc_modality modality, recipe *start)
{
	xmc_network *network = &model->network[modality];
	const xmc_options *options = &model->options;
	const int64_t size[SIZES] = {
		[INPUT] = network->input_dim,[EMBEDDING] = network->embedding_dim,[MODEL] = options->d_model,[MODEL_2] = 2 * (int64_t) options->d_model,
		[MODEL_3] = 3 * (int64_t) options->d_model,[INNER] = options->feed_forward
	};
	xmc_part	linear = modality == XMC_TEXT ? XMC_PART_TEXT_LINEAR : XMC_PART_IMAGE_LINEAR;
	xmc_part	deep = modality == XMC_TEXT ? XMC_PART_TEXT_NETWORK : XMC_PART_IMAGE_NETWORK;
	char		prefix[24];

	snprintf(prefix, sizeof prefix, "%s.", modality_name[modality]);
	add_parts(model, network, prefix, network_fixed, COUNT(network_fixed), size, XMC_PART_NONE, start);
	if (network->embedding_dim > 0)
		add_parts(model, network, prefix, network_linear, COUNT(network_linear), size, linear, start);
	add_parts(model, network, prefix, network_input, COUNT(network_input), size, deep, start);
	for (int32_t l = 0; l < options->layers; l++)
	{
		char		layer_prefix[48];

		snprintf(layer_prefix, sizeof layer_prefix, "%slayer.%d.", prefix, (int) l);
		add_parts(model, &network->layer[l], layer_prefix, layer_parts, COUNT(layer_parts), size, deep, start);
	}
	add_parts(model, network, prefix, network_head, COUNT(network_head), size, deep, start);
}

static void
add_bilinear(xmc_model *model, recipe *start)
{
	int64_t		rows = 2 * (int64_t) model->options.bilinear_dim;
	xmc_tensor *weight;
	xmc_tensor *bias;

	start[model->n_tensors] = GLOROT_2;
	weight = add_tensor(model, &model->bilinear_w, rows, xmc_bilinear_input_dim(&model->options));
	start[model->n_tensors] = ZERO;
	bias = add_tensor(model, &model->bilinear_b, rows, 0);
	snprintf(weight->name, sizeof weight->name, "bilinear.weight");
	snprintf(bias->name, sizeof bias->name, "bilinear.bias");
	weight->part = bias->part = XMC_PART_BILINEAR;
}

static void
add_alignment(xmc_model *model, recipe *start)
{
	const xmc_options *options = &model->options;
	const struct
	{
		const char *name;
		float	  **slot;
		int64_t		rows;
		int64_t		columns;
	}			tensors[] = {
		{"align.text.weight", &model->align_text_w, options->align_dim, xmc_align_input_dim(options, XMC_TEXT)},
		{"align.image.weight", &model->align_image_w, options->align_dim, options->image_dim},
		{"align.scale", &model->align_scale, XMC_ALIGN_SCALES, 0},
	};

	for (int k = options->shared_space ? 2 : 0; k < 3; k++)
	{
		xmc_tensor *tensor = add_tensor(model, tensors[k].slot, tensors[k].rows, tensors[k].columns);

		snprintf(tensor->name, sizeof tensor->name, "%s", tensors[k].name);
		tensor->part = XMC_PART_ALIGNMENT;
		start[model->n_tensors - 1] = tensors[k].columns ? GLOROT_1 : ZERO;
	}
}

/* xmc_model_layout; start[k] (XMC_MAX_TENSORS) says how tensor k begins. */
static xmc_status
lay_out(xmc_ctx *ctx, const xmc_options *options, bool has_bag, xmc_model *out, recipe *start)
{
	XMC_TRY(xmc_options_check(ctx, options));
	memset(out, 0, sizeof *out);
	out->options = *options;
	for (int m = 0; m < XMC_MODALITIES; m++)
		out->calibration.solo[m] = out->calibration.fused[m] = out->calibration.guided[m][0] = 1;
	out->calibration.fused[XMC_JOINT] = 1;
	out->has_bag = has_bag && options->words && options->bag_dim > 0;
	out->network[XMC_TEXT].input_dim = (out->has_bag ? options->bag_dim : 0) + options->text_dim;
	out->network[XMC_TEXT].embedding_dim = options->text_dim;
	out->network[XMC_IMAGE].input_dim = out->network[XMC_IMAGE].embedding_dim = options->image_dim;

	if (options->words)
	{
		xmc_tensor *tensor = add_tensor(out, &out->sparse, INT64_C(1) << options->hash_bits, 0);

		snprintf(tensor->name, sizeof tensor->name, "sparse.weight");
		tensor->part = XMC_PART_SPARSE;
		tensor->hashed = true;
		start[out->n_tensors - 1] = ZERO;
	}
	if (out->has_bag)
	{
		xmc_tensor *tensor = add_tensor(out, &out->bag, INT64_C(1) << options->bag_bits, options->bag_dim);

		snprintf(tensor->name, sizeof tensor->name, "text.bag.weight");
		tensor->part = XMC_PART_TEXT_NETWORK;
		tensor->hashed = true;
		start[out->n_tensors - 1] = SMALL_NORMAL;
	}
	for (int m = 0; m < XMC_MODALITIES; m++)
		if (out->network[m].input_dim > 0)
			add_network(out, (xmc_modality) m, start);
	if (options->bilinear_dim > 0)
		add_bilinear(out, start);
	if (options->image_dim > 0 && (options->words || options->text_dim > 0))
		add_alignment(out, start);
	if (out->n_parameters > XMC_MODEL_MAX_BYTES / (int64_t) sizeof(float))
		return xmc_fail(ctx, XMC_LIMIT, "a model with these options has %lld parameters of 4 bytes each, "
						"at most %d bytes can be stored", (long long) out->n_parameters, XMC_MODEL_MAX_BYTES);
	return XMC_OK;
}

xmc_status
xmc_model_layout(xmc_ctx *ctx, const xmc_options *options, bool has_bag, xmc_model *out)
{
	recipe		start[XMC_MAX_TENSORS];

	return lay_out(ctx, options, has_bag, out, start);
}

/* ---- initial values ---- */

/*
 * Glorot and Bengio 2010, equation 16: uniform in +-sqrt(6 / (inputs + outputs)). A vector counts as a matrix with one
 * output. Constants are written as the same loop: value = offset + scale * draw.
 */
static xmc_status
fill(xmc_ctx *ctx, const xmc_tensor *tensor, recipe start, int32_t seed)
{
	xmc_random	random;
	float	   *value = *tensor->slot;	/* (n_values) */
	bool		vector = tensor->n_dimensions == 1;
	int64_t		blocks = start == GLOROT_3 ? 3 : start == GLOROT_2 ? 2 : 1;
	double		inputs = (double) (vector ? tensor->shape[0] : tensor->shape[1]);
	double		outputs = vector ? 1.0 : (double) (tensor->shape[0] / blocks);
	double		bound = sqrt(6.0 / (inputs + outputs)) * (start == SMALL_GLOROT ? 0.1 : 1.0);

	xmc_random_seed(&random, xmc_hash_bytes(tensor->name, strlen(tensor->name), (uint64_t) seed));
	for (int64_t k = 0; k < tensor->n_values; k++)
	{
		if (k % STEP_VALUES == 0)
			XMC_TRY(xmc_check_stop(ctx));
		switch (start)
		{
			case ZERO:
				value[k] = 0.0f;
				break;
			case ONE:
				value[k] = 1.0f;
				break;
			case SMALL_NORMAL:
				value[k] = (float) (0.1 * xmc_random_normal(&random));
				break;
			default:
				value[k] = (float) (bound * (2.0 * xmc_random_uniform(&random) - 1.0));
		}
	}
	return XMC_OK;
}

/* A model whose parameters have a place, but no values yet; start[k] (XMC_MAX_TENSORS) says how tensor k begins. */
static xmc_status
allocate(xmc_ctx *ctx, const xmc_options *options, bool has_bag, recipe *start, xmc_model **out)
{
	xmc_model  *layout = xmc_alloc(ctx, 1, sizeof(xmc_model));	/* only to learn the size: too large for a stack */
	xmc_model  *model = NULL;
	xmc_status	status;

	*out = NULL;
	XMC_NEED(layout, ctx);
	status = lay_out(ctx, options, has_bag, layout, start);
	if (status == XMC_OK)
	{
		model = xmc_alloc(ctx, sizeof(xmc_model) + ALIGN + (size_t) layout->n_parameters * sizeof(float), 1);
		if (!model)
			status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
		else
			status = lay_out(ctx, options, has_bag, model, start);	/* again, because slots point into their model */
	}
	xmc_release(ctx, layout);
	if (status != XMC_OK)
	{
		xmc_release(ctx, model);
		return status;
	}
	xmc_model_lead(model, xmc_model_own_block(model));
	*out = model;
	return XMC_OK;
}

xmc_status
xmc_model_new(xmc_ctx *ctx, const xmc_options *options, bool has_bag, xmc_model **out)
{
	recipe		start[XMC_MAX_TENSORS];
	xmc_model  *model;
	xmc_status	status = XMC_OK;

	*out = NULL;
	XMC_TRY(allocate(ctx, options, has_bag, start, &model));
	for (int32_t t = 0; t < model->n_tensors && status == XMC_OK; t++)
		status = fill(ctx, &model->tensor[t], start[t], options->seed);
	if (status == XMC_OK)
		*out = model;
	else
		xmc_release(ctx, model);
	return status;
}

xmc_status
xmc_model_new_zero(xmc_ctx *ctx, const xmc_options *options, bool has_bag, xmc_model **out)
{
	recipe		start[XMC_MAX_TENSORS];

	XMC_TRY(allocate(ctx, options, has_bag, start, out));
	memset(*(*out)->tensor[0].slot, 0, (size_t) (*out)->n_parameters * sizeof(float));	/* one block */
	return XMC_OK;
}

int64_t
xmc_model_copy_part(const xmc_model *model, xmc_part part, float *buffer, bool save)
{
	int64_t		at = 0;

	for (int32_t k = 0; k < model->n_tensors; k++)
	{
		const xmc_tensor *tensor = &model->tensor[k];

		if (tensor->part != part)
			continue;
		if (buffer)
			memcpy(save ? buffer + at : *tensor->slot, save ? *tensor->slot : buffer + at,
				   (size_t) tensor->n_values * sizeof(float));
		at += tensor->n_values;
	}
	return at;
}

int64_t
xmc_model_part_values(const xmc_model *model, xmc_part part)
{
	int64_t		values = 0;

	for (int32_t k = 0; k < model->n_tensors; k++)
		if (model->tensor[k].part == part && !model->tensor[k].hashed)
			values += model->tensor[k].n_values;
	return values;
}

float *
xmc_model_lead_part(xmc_model *model, xmc_part part, float *values)
{
	float	   *before = NULL;

	for (int32_t k = 0; k < model->n_tensors; k++)
		if (model->tensor[k].part == part && !model->tensor[k].hashed)
		{
			before = before ? before : *model->tensor[k].slot;
			*model->tensor[k].slot = values;
			values += model->tensor[k].n_values;
		}
	return before;
}

void
xmc_model_lead(xmc_model *model, float *block)
{
	for (int32_t k = 0; k < model->n_tensors; k++)
	{
		*model->tensor[k].slot = block;
		block += model->tensor[k].n_values;
	}
}

float *
xmc_model_own_block(xmc_model *model)
{
	return (float *) (((uintptr_t) (model + 1) + ALIGN - 1) & ~(uintptr_t) (ALIGN - 1));
}

void
xmc_model_free(xmc_ctx *ctx, xmc_model *model)
{
	xmc_memory_forget(ctx, model);
	xmc_release(ctx, model);	/* the parameters are in the same allocation */
}

/* ---- metadata ---- */

#define FORMAT "xmcoh"
#define MAX_METADATA 64

typedef struct metadata_list
{
	int32_t		n;
	xmc_metadata entry[MAX_METADATA];
	char		key[MAX_METADATA][48];
	char		value[MAX_METADATA][32];
} metadata_list;

static void
add_metadata(metadata_list *list, const char *prefix, const char *name, const char *format,...)
			__attribute__((format(printf, 4, 5)));

/* A table of options that has outgrown the list gives a blob that misses keys, which no test of saving and opening passes. */
static void
add_metadata(metadata_list *list, const char *prefix, const char *name, const char *format,...)
{
	va_list		args;
	int32_t		k = list->n;

	if (k == MAX_METADATA)
		return;
	list->n++;
	snprintf(list->key[k], sizeof list->key[k], "%s%s", prefix, name);
	va_start(args, format);
	vsnprintf(list->value[k], sizeof list->value[k], format, args);
	va_end(args);
	list->entry[k] = (xmc_metadata){list->key[k], list->value[k]};
}

/* Every coefficient of a calibration. */
static const struct
{
	const char *name;
	size_t		offset;
}			coefficients[] = {
	{"solo.text", offsetof(xmc_calibration, solo[XMC_TEXT])},
	{"solo.image", offsetof(xmc_calibration, solo[XMC_IMAGE])},
	{"fused.text", offsetof(xmc_calibration, fused[XMC_TEXT])},
	{"fused.image", offsetof(xmc_calibration, fused[XMC_IMAGE])},
	{"fused.bilinear", offsetof(xmc_calibration, fused[XMC_JOINT])},
	{"guided.text.own", offsetof(xmc_calibration, guided[XMC_TEXT][0])},
	{"guided.text.other", offsetof(xmc_calibration, guided[XMC_TEXT][1])},
	{"guided.text.stored", offsetof(xmc_calibration, guided[XMC_TEXT][2])},
	{"guided.image.own", offsetof(xmc_calibration, guided[XMC_IMAGE][0])},
	{"guided.image.other", offsetof(xmc_calibration, guided[XMC_IMAGE][1])},
	{"guided.image.stored", offsetof(xmc_calibration, guided[XMC_IMAGE][2])},
	{"crossed.text", offsetof(xmc_calibration, crossed[XMC_TEXT])},
	{"crossed.image", offsetof(xmc_calibration, crossed[XMC_IMAGE])},
	{"crossed.text.stored", offsetof(xmc_calibration, crossed[XMC_MODALITIES + XMC_TEXT])},
	{"crossed.image.stored", offsetof(xmc_calibration, crossed[XMC_MODALITIES + XMC_IMAGE])},
};

_Static_assert(COUNT(coefficients) * sizeof(double) == sizeof(xmc_calibration), "every coefficient is stored");

static double *
coefficient(const xmc_calibration *calibration, size_t k)
{
	return (double *) (void *) ((char *) (uintptr_t) calibration + coefficients[k].offset);
}

/*
 * Everything about a model that is no tensor. %.17g gives a double back exactly; numbers are written and read in the C
 * locale, in which PostgreSQL keeps LC_NUMERIC.
 */
static void
list_metadata(const xmc_model *model, metadata_list *list)
{
	int32_t		n_options;
	const xmc_option_info *info = xmc_option_table(&n_options);

	list->n = 0;
	add_metadata(list, "", "format", FORMAT);
	add_metadata(list, "", "feature_version", "%d", XMC_FEATURE_VERSION);
	add_metadata(list, "", "has_bag", "%d", (int) model->has_bag);
	add_metadata(list, "", "has_alignment", "%d", (int) model->has_alignment);
	for (int32_t k = 0; k < n_options; k++)
		add_metadata(list, "option.", info[k].name, "%.17g", xmc_options_get(&model->options, &info[k]));
	for (size_t k = 0; k < COUNT(coefficients); k++)
		add_metadata(list, "calibration.", coefficients[k].name, "%.17g", *coefficient(&model->calibration, k));
}

/* A decimal number and nothing else: strtod alone would also take spaces, hexadecimal, names of NaN and infinity. */
static xmc_status
read_number(xmc_ctx *ctx, const xmc_safetensors *st, const char *prefix, const char *name, double *out)
{
	char		key[64];
	char		shown[XMC_PRINTABLE];
	const char *value;
	char	   *end;

	snprintf(key, sizeof key, "%s%s", prefix, name);
	value = xmc_safetensors_metadata(st, key);
	if (!value)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: metadata has no \"%s\"", key);
	*out = strtod(value, &end);
	if (*value == '\0' || *end != '\0' || value[strspn(value, "0123456789+-.eE")] != '\0' || !isfinite(*out))
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: metadata \"%s\" is \"%s\", not a finite decimal number", key,
						xmc_printable(value, strlen(value), shown));
	return XMC_OK;
}

static xmc_status
read_flag(xmc_ctx *ctx, const xmc_safetensors *st, const char *name, bool *out)
{
	double		number = 0;

	XMC_TRY(read_number(ctx, st, "", name, &number));
	if (number != 0 && number != 1)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: metadata \"%s\" is %.15g, must be 0 or 1", name, number);
	*out = number == 1;
	return XMC_OK;
}

/* A calibration's coefficient may not turn an order round: p = sigmoid(c x) with c >= 0, see calibrate.h. */
static xmc_status
check_calibration(xmc_ctx *ctx, const xmc_calibration *calibration)
{
	for (size_t k = 0; k < COUNT(coefficients); k++)
	{
		double		value = *coefficient(calibration, k);

		if (!(isfinite(value) && value >= 0))
			return xmc_fail(ctx, XMC_BAD_MODEL, "calibration.%s is %g, must be finite and not negative",
							coefficients[k].name, value);
	}
	return XMC_OK;
}

/* ---- opening ---- */

/* What is the caller's fault elsewhere is the blob's fault here. */
static xmc_status
blame_blob(xmc_ctx *ctx, xmc_status status)
{
	char		message[sizeof ctx->message];

	if (status != XMC_BAD_INPUT && status != XMC_LIMIT)
		return status;
	memcpy(message, ctx->message, sizeof message);
	return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: %s", message);
}

static xmc_status
read_metadata(xmc_ctx *ctx, const xmc_safetensors *st, xmc_options *options, xmc_calibration *calibration, bool *has_bag,
			  bool *has_alignment)
{
	const char *format = xmc_safetensors_metadata(st, "format");
	char		shown[XMC_PRINTABLE];
	int32_t		n_options;
	const xmc_option_info *info = xmc_option_table(&n_options);
	double		number = 0;

	if (!format)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: metadata has no \"format\"; it was not written by xmcoh");
	if (strcmp(format, FORMAT) != 0)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: metadata \"format\" is \"%s\", not \"%s\"",
						xmc_printable(format, strlen(format), shown), FORMAT);
	XMC_TRY(read_number(ctx, st, "", "feature_version", &number));
	if (number != XMC_FEATURE_VERSION)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: its text features have version %.15g, this program's have %d: "
						"train it again", number, XMC_FEATURE_VERSION);
	XMC_TRY(read_flag(ctx, st, "has_bag", has_bag));
	XMC_TRY(read_flag(ctx, st, "has_alignment", has_alignment));
	xmc_options_default(options);
	for (int32_t k = 0; k < n_options; k++)
	{
		XMC_TRY(read_number(ctx, st, "option.", info[k].name, &number));
		XMC_TRY(blame_blob(ctx, xmc_options_set(ctx, options, info[k].name, number)));
	}
	for (size_t k = 0; k < COUNT(coefficients); k++)
		XMC_TRY(read_number(ctx, st, "calibration.", coefficients[k].name, coefficient(calibration, k)));
	return check_calibration(ctx, calibration);
}

/* All expected keys have been read by now; here none may be left over. */
static xmc_status
refuse_unknown_metadata(xmc_ctx *ctx, const xmc_safetensors *st, const xmc_model *model)
{
	metadata_list list;
	char		shown[XMC_PRINTABLE];

	list_metadata(model, &list);
	for (int32_t k = 0; k < st->n_metadata; k++)
	{
		int32_t		known = 0;

		while (known < list.n && strcmp(list.key[known], st->metadata[k].key) != 0)
			known++;
		if (known == list.n)
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: unknown metadata \"%s\"",
							xmc_printable(st->metadata[k].key, strlen(st->metadata[k].key), shown));
	}
	return XMC_OK;
}

static const char *
shape_text(int32_t n_dimensions, const int64_t *shape, char out[96])
{
	int			used = snprintf(out, 96, "(");

	for (int32_t k = 0; k < n_dimensions; k++)
		used += snprintf(out + used, 96 - (size_t) used, k ? ", %lld" : "%lld", (long long) shape[k]);
	snprintf(out + used, 96 - (size_t) used, ")");
	return out;
}

static const char *const memory_name[XMC_MODALITIES] = {"align.text.memory", "align.image.memory"};

/* Leads the model's memory to where it is in the blob, if it is. */
static xmc_status
match_memory(xmc_ctx *ctx, const xmc_safetensors *st, xmc_model *model)
{
	const xmc_tensor_view *view[XMC_MODALITIES];

	for (int m = 0; m < XMC_MODALITIES; m++)
		view[m] = xmc_safetensors_tensor(st, memory_name[m]);
	if (!view[XMC_TEXT] && !view[XMC_IMAGE])
		return XMC_OK;
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		if (!view[m])
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: tensor \"%s\" is missing", memory_name[m]);
		if (view[m]->n_dimensions != 2 || view[m]->shape[0] < 1 || view[m]->shape[0] != view[XMC_TEXT]->shape[0] ||
			view[m]->shape[0] > (model->has_alignment ? model->options.align_memory : 0) ||
			view[m]->shape[1] != xmc_align_space_dim(&model->options))
		{
			char		got[96];

			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: tensor \"%s\" has shape %s, which its alignment and options do not allow",
							memory_name[m], shape_text(view[m]->n_dimensions, view[m]->shape, got));
		}
		model->memory.z[m] = (float *) (uintptr_t) view[m]->data;	/* never written through, as all of the blob */
	}
	model->memory.n = (int32_t) view[XMC_TEXT]->shape[0];
	return XMC_OK;
}

static bool
has_tensor(const xmc_model *model, const char *name)
{
	for (int32_t t = 0; t < model->n_tensors; t++)
		if (strcmp(model->tensor[t].name, name) == 0)
			return true;
	return model->memory.n > 0 && (strcmp(name, memory_name[XMC_TEXT]) == 0 || strcmp(name, memory_name[XMC_IMAGE]) == 0);
}

/* Leads every slot to its values in the blob. */
static xmc_status
match_tensors(xmc_ctx *ctx, const xmc_safetensors *st, xmc_model *model)
{
	char		shown[XMC_PRINTABLE];

	XMC_TRY(match_memory(ctx, st, model));
	for (int32_t t = 0; t < model->n_tensors; t++)
	{
		xmc_tensor *tensor = &model->tensor[t];
		const xmc_tensor_view *view = xmc_safetensors_tensor(st, tensor->name);

		if (!view)
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: tensor \"%s\" is missing", tensor->name);
		if (view->n_dimensions != tensor->n_dimensions ||
			memcmp(view->shape, tensor->shape, (size_t) tensor->n_dimensions * sizeof tensor->shape[0]) != 0)
		{
			char		got[96];
			char		wanted[96];

			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: tensor \"%s\" has shape %s, its options ask for %s",
							tensor->name, shape_text(view->n_dimensions, view->shape, got),
							shape_text(tensor->n_dimensions, tensor->shape, wanted));
		}
		*tensor->slot = (float *) (uintptr_t) view->data;	/* never written through: see xmc_model_open */
	}
	for (int32_t k = 0; k < st->n_tensors; k++)
		if (!has_tensor(model, st->tensor[k].name))
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: unknown tensor \"%s\"",
							xmc_printable(st->tensor[k].name, strlen(st->tensor[k].name), shown));
	return XMC_OK;
}

static xmc_status
open_parsed(xmc_ctx *ctx, const xmc_safetensors *st, xmc_model *model)
{
	xmc_options options;
	xmc_calibration calibration;
	bool		has_bag = false;
	bool		has_alignment = false;

	XMC_TRY(read_metadata(ctx, st, &options, &calibration, &has_bag, &has_alignment));
	XMC_TRY(blame_blob(ctx, xmc_model_layout(ctx, &options, has_bag, model)));
	if (model->has_bag != has_bag)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: metadata \"has_bag\" is 1, but its options allow no bag");
	model->has_alignment = has_alignment;
	model->calibration = calibration;
	XMC_TRY(refuse_unknown_metadata(ctx, st, model));
	XMC_TRY(match_tensors(ctx, st, model));
	if (has_alignment && !model->align_scale)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: metadata \"has_alignment\" is 1, but its options allow none");
	return XMC_OK;
}

xmc_status
xmc_model_open(xmc_ctx *ctx, const void *blob, size_t size, bool check_finite, xmc_model **out)
{
	xmc_safetensors st;
	xmc_model  *model;
	xmc_status	status;

	*out = NULL;
	XMC_TRY(xmc_safetensors_parse(ctx, blob, size, &st));
	model = xmc_alloc(ctx, 1, sizeof(xmc_model));
	if (!model)
		status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	else
		status = open_parsed(ctx, &st, model);
	if (status == XMC_OK && check_finite)
		status = xmc_safetensors_check_finite(ctx, &st);
	xmc_safetensors_free(ctx, &st);
	if (status != XMC_OK)
	{
		xmc_release(ctx, model);
		return status;
	}
	*out = model;
	return XMC_OK;
}

/* ---- saving ---- */

xmc_status
xmc_model_save(xmc_ctx *ctx, const xmc_model *model, void *blob, size_t *size)
{
	metadata_list list;
	xmc_tensor_view *view;
	int32_t		n = 0;
	xmc_status	status = XMC_OK;

	XMC_TRY(xmc_options_check(ctx, &model->options));
	XMC_TRY(check_calibration(ctx, &model->calibration));
	view = xmc_zalloc(ctx, (size_t) model->n_tensors + XMC_MODALITIES, sizeof(xmc_tensor_view));
	XMC_NEED(view, ctx);
	for (; n < model->n_tensors; n++)
	{
		const xmc_tensor *tensor = &model->tensor[n];

		view[n] = (xmc_tensor_view) {.name = tensor->name,.n_dimensions = tensor->n_dimensions,.n_values = tensor->n_values,
			.data = *tensor->slot};
		memcpy(view[n].shape, tensor->shape, sizeof tensor->shape);
	}
	for (int m = 0; m < XMC_MODALITIES && model->memory.n > 0; m++)
	{
		int64_t		dim = xmc_align_space_dim(&model->options);

		view[n++] = (xmc_tensor_view) {.name = memory_name[m],.n_dimensions = 2,.shape = {model->memory.n, dim},
			.n_values = model->memory.n * dim,.data = model->memory.z[m]};
	}
	list_metadata(model, &list);
	if (blob)
	{
		xmc_safetensors all = {.n_tensors = n,.tensor = view};

		status = xmc_safetensors_check_finite(ctx, &all);
	}
	if (status == XMC_OK)
		status = xmc_safetensors_write(ctx, n, view, list.n, list.entry, blob, size);
	xmc_release(ctx, view);
	return status;
}
