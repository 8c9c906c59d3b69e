/*
 * model.c - the parameters of a model: which tensors the options require, their initial values, and the parameters of one
 * term; see model.h. Saving and opening is in model_file.c.
 */
#include "xmcoh/model.h"

#include "model/safetensors.h"
#include "model/dims.h"
#include "model/dtype.h"
#include "xmcoh/hash.h"
#include "xmcoh/random.h"
#include "xmcoh/results.h"
#include "xmcoh/seen.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ALIGN 64
#define STEP_VALUES ((int64_t) 1 << 18) /* initial values between two calls of the stop callback, a few milliseconds */

/* ---- layout ---- */

/* The initial values of a tensor. GLOROT_k: k stacked blocks, each initialised as a matrix of its own. */
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

/* The sizes that shapes consist of; their values depend on the options. */
typedef enum size_code
{
	NONE,						/* no such dimension */
	INPUT,						/* input_dim */
	EMBEDDING,					/* embedding_dim */
	MODEL,						/* d_model */
	MODEL_2,
	MODEL_3,
	INNER,						/* feed_forward */
	RANK,						/* adapter_rank */
	LAYER,						/* values of a layer of the text encoder, over embedding_dim */
	SIZES
} size_code;

/* A row of the tables below: one tensor of a network or a layer. */
typedef struct tensor_row
{
	const char *name;			/* after the prefix "text." or "text.layer.0." */
	size_t		offset;			/* of the pointer to the values, in xmc_network or xmc_layer */
	size_code	rows;
	size_code	columns;		/* NONE: a vector */
	recipe		start;
} tensor_row;

static const tensor_row network_fixed[] = {
	{"input.mean", offsetof(xmc_network, input_mean), INPUT, NONE, ZERO},
	{"input.scale", offsetof(xmc_network, input_scale), INPUT, NONE, ONE},
};

static const tensor_row network_linear[] = {
	{"linear.weight", offsetof(xmc_network, linear), EMBEDDING, NONE, ZERO},
};

static const tensor_row network_input[] = {
	{"input.weight", offsetof(xmc_network, input_w), MODEL, INPUT, GLOROT_1},
	{"input.bias", offsetof(xmc_network, input_b), MODEL, NONE, ZERO},
};

static const tensor_row layer_tensors[] = {
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

static const tensor_row network_head[] = {
	{"head.ab.weight", offsetof(xmc_network, head_ab_w), MODEL_2, MODEL, GLOROT_2},
	{"head.c", offsetof(xmc_network, head_c), MODEL, NONE, ZERO},
	{"head.v", offsetof(xmc_network, head_v), MODEL, NONE, SMALL_GLOROT},
};

static const tensor_row adapter_tensors[] = {
	{"query.a", offsetof(xmc_change, query_a), RANK, EMBEDDING, GLOROT_1},
	{"query.b", offsetof(xmc_change, query_b), EMBEDDING, RANK, ZERO},
	{"value.a", offsetof(xmc_change, value_a), RANK, EMBEDDING, GLOROT_1},
	{"value.b", offsetof(xmc_change, value_b), EMBEDDING, RANK, ZERO},
};

/* Where all parameters of the layer change. */
static const tensor_row difference_tensors[] = {
	{"difference", offsetof(xmc_change, difference), LAYER, EMBEDDING, ZERO},
};

#define COUNT(array) (sizeof (array) / sizeof (array)[0])
_Static_assert(11 + XMC_MODALITIES * (COUNT(network_fixed) + COUNT(network_linear) + COUNT(network_input) +
									 COUNT(network_head) + COUNT(layer_tensors) * XMC_MAX_LAYERS) + COUNT(adapter_tensors) * XMC_MAX_CHANGES
			   <= XMC_MAX_TENSORS, "every tensor has a place");
_Static_assert(2 * XMC_MAX_TENSORS <= XMC_SAFETENSORS_MAX_ENTRIES, "every model can be stored");

xmc_modality
xmc_term_modality(xmc_term term)
{
	return term == XMC_TERM_BILINEAR ? XMC_JOINT : term < XMC_TERM_IMAGE_LINEAR ? XMC_TEXT : XMC_IMAGE;
}

static const char *const modality_name[XMC_MODALITIES] = {"text", "image"};

/* Appends a tensor; columns 0: a vector. Within the bounds of the options neither product nor sum can overflow. */
static xmc_tensor *
add_tensor(xmc_model *model, float **slot, int64_t rows, int64_t columns, recipe start)
{
	xmc_tensor *tensor = &model->tensor[model->n_tensors++];

	tensor->n_dimensions = columns ? 2 : 1;
	tensor->shape[0] = rows;
	tensor->shape[1] = columns;
	tensor->n_values = columns ? rows * columns : rows;
	tensor->slot = slot;
	tensor->start = start;
	model->n_parameters += tensor->n_values;
	return tensor;
}

/* Appends the tensors of one struct, a network or a layer, that begins at `base`. Their names begin with `prefix`. */
static void
add_tensors(xmc_model *model, void *base, const char *prefix, const tensor_row *rows, size_t n, const int64_t size[SIZES],
			xmc_term trained_as)
{
	for (size_t k = 0; k < n; k++)
	{
		float	  **slot = (float **) (void *) ((char *) base + rows[k].offset);
		xmc_tensor *tensor = add_tensor(model, slot, size[rows[k].rows], size[rows[k].columns], rows[k].start);

		tensor->term = trained_as;
		snprintf(tensor->name, sizeof tensor->name, "%s%s", prefix, rows[k].name);
	}
}

static void
add_network(xmc_model *model, xmc_modality modality)
{
	xmc_network *network = &model->network[modality];
	const xmc_options *options = &model->options;
	const int64_t size[SIZES] = {
		[INPUT] = network->input_dim,[EMBEDDING] = network->embedding_dim,[MODEL] = options->d_model,
		[MODEL_2] = 2 * (int64_t) options->d_model,[MODEL_3] = 3 * (int64_t) options->d_model,
		[INNER] = options->feed_forward,[RANK] = options->adapter_rank,
		/* three projections, the output, two matrices of the feed-forward network; their biases, and two normalisations */
		[LAYER] = (4 + 2 * XMC_WIDENING) * (int64_t) network->embedding_dim + 4 + XMC_WIDENING + 1 + 4
	};
	xmc_term	linear_term = modality == XMC_TEXT ? XMC_TERM_TEXT_LINEAR : XMC_TERM_IMAGE_LINEAR;
	xmc_term	network_term = modality == XMC_TEXT ? XMC_TERM_TEXT_NETWORK : XMC_TERM_IMAGE_NETWORK;
	char		prefix[24];

	snprintf(prefix, sizeof prefix, "%s.", modality_name[modality]);
	add_tensors(model, network, prefix, network_fixed, COUNT(network_fixed), size, XMC_TERM_NONE);
	if (network->embedding_dim > 0)
		add_tensors(model, network, prefix, network_linear, COUNT(network_linear), size, linear_term);
	add_tensors(model, network, prefix, network_input, COUNT(network_input), size, network_term);
	for (int32_t l = 0; l < options->layers; l++)
	{
		char		layer_prefix[48];

		snprintf(layer_prefix, sizeof layer_prefix, "%slayer.%d.", prefix, (int) l);
		add_tensors(model, &network->layer[l], layer_prefix, layer_tensors, COUNT(layer_tensors), size, network_term);
	}
	add_tensors(model, network, prefix, network_head, COUNT(network_head), size, network_term);
	network->n_changes = modality == XMC_TEXT && options->text_dim > 0 ? options->fine_tune : 0;
	for (int32_t k = 0; k < network->n_changes; k++)
	{
		bool		is_whole = options->adapter_rank == 0;
		char		change_prefix[48];
		int32_t		before = model->n_tensors;

		snprintf(change_prefix, sizeof change_prefix, "%s%s.%d.", prefix, is_whole ? "encoder" : "adapter", (int) k);
		if (is_whole)
			add_tensors(model, &network->change[k], change_prefix, difference_tensors, COUNT(difference_tensors), size, network_term);
		else
			add_tensors(model, &network->change[k], change_prefix, adapter_tensors, COUNT(adapter_tensors), size, network_term);
		for (int32_t t = before; t < model->n_tensors; t++)
		{
			model->tensor[t].is_change = true;
			model->tensor[t].half = is_whole ? &network->change[k].half : NULL;
			model->tensor[t].layers_above = network->n_changes - 1 - k;
		}
	}
}

static void
add_bilinear(xmc_model *model)
{
	int64_t		rows = 2 * (int64_t) model->options.bilinear_dim;
	xmc_tensor *weight = add_tensor(model, &model->bilinear_w, rows, xmc_bilinear_input_dim(&model->options), GLOROT_2);
	xmc_tensor *bias = add_tensor(model, &model->bilinear_b, rows, 0, ZERO);

	snprintf(weight->name, sizeof weight->name, "bilinear.weight");
	snprintf(bias->name, sizeof bias->name, "bilinear.bias");
	weight->term = bias->term = XMC_TERM_BILINEAR;
}

/* Appends the tensors of the terms that read words alone. */
static void
add_word_terms(xmc_model *model)
{
	const struct
	{
		const char *name;
		float	  **slot;
		int64_t		rows;
		xmc_term	term;
	}			tensors[] = {
		{"sparse.weight", &model->sparse, INT64_C(1) << model->options.hash_bits, XMC_TERM_SPARSE},
		{"mentions.weight", &model->mentions, XMC_CONTEXTS, XMC_TERM_MENTIONS},
		{"mentions.idf", &model->mention_idf, XMC_MENTION_WORDS, XMC_TERM_NONE},
	};

	for (size_t k = 0; k < COUNT(tensors); k++)
	{
		xmc_tensor *tensor = add_tensor(model, tensors[k].slot, tensors[k].rows, 0, ZERO);

		snprintf(tensor->name, sizeof tensor->name, "%s", tensors[k].name);
		tensor->term = tensors[k].term;
		tensor->hashed = true;
	}
}

static void
add_alignment(xmc_model *model)
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
		xmc_tensor *tensor = add_tensor(model, tensors[k].slot, tensors[k].rows, tensors[k].columns,
										tensors[k].columns ? GLOROT_1 : ZERO);

		snprintf(tensor->name, sizeof tensor->name, "%s", tensors[k].name);
		tensor->term = XMC_TERM_ALIGNMENT;
	}
}

xmc_status
xmc_model_layout(xmc_ctx *ctx, const xmc_options *options, bool has_bag, xmc_model *out)
{
	XMC_TRY(xmc_options_check(ctx, options));
	memset(out, 0, sizeof *out);
	out->options = *options;
	for (int m = 0; m < XMC_MODALITIES; m++)
		out->calibration.solo[m] = out->calibration.fused[m] = out->calibration.guided[m][0] = 1;
	out->calibration.fused[XMC_JOINT] = 1;
	out->known = out->calibration;
	/* The widths of the inputs. */
	out->has_bag = has_bag && options->words && options->bag_dim > 0;
	out->network[XMC_TEXT].input_dim = (out->has_bag ? options->bag_dim : 0) + options->text_dim;
	out->network[XMC_TEXT].embedding_dim = options->text_dim;
	out->network[XMC_IMAGE].input_dim = out->network[XMC_IMAGE].embedding_dim = options->image_dim;

	/* The tensors, in storage order. */
	if (options->words)
		add_word_terms(out);
	if (out->has_bag)
	{
		xmc_tensor *tensor = add_tensor(out, &out->bag, INT64_C(1) << options->bag_bits, options->bag_dim, SMALL_NORMAL);

		snprintf(tensor->name, sizeof tensor->name, "text.bag.weight");
		tensor->term = XMC_TERM_TEXT_NETWORK;
		tensor->hashed = true;
	}
	for (int m = 0; m < XMC_MODALITIES; m++)
		if (out->network[m].input_dim > 0)
			add_network(out, (xmc_modality) m);
	if (options->bilinear_dim > 0)
		add_bilinear(out);
	if (options->image_dim > 0 && (options->words || options->text_dim > 0))
		add_alignment(out);
	if (out->n_parameters > XMC_MODEL_MAX_BYTES / (int64_t) sizeof(float))
		return xmc_fail(ctx, XMC_LIMIT, "a model with these options has %lld parameters of 4 bytes each, "
						"but at most %d bytes can be stored", (long long) out->n_parameters, XMC_MODEL_MAX_BYTES);
	return XMC_OK;
}

/* ---- initial values ---- */

/*
 * Sets the initial values of a tensor. Glorot and Bengio 2010, equation 16: uniform in +-sqrt(6 / (inputs + outputs)). A
 * vector counts as a matrix with one output.
 */
static xmc_status
fill(xmc_ctx *ctx, const xmc_tensor *tensor, int32_t seed)
{
	recipe		start = (recipe) tensor->start;
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

/* Allocates a model with its parameters, but sets no values. */
static xmc_status
allocate(xmc_ctx *ctx, const xmc_options *options, bool has_bag, xmc_model **out)
{
	xmc_model  *layout = xmc_alloc(ctx, 1, sizeof(xmc_model));	/* only to compute the size; too large for the stack */
	xmc_model  *model = NULL;
	xmc_status	status;

	*out = NULL;
	XMC_NEED(layout, ctx);
	status = xmc_model_layout(ctx, options, has_bag, layout);
	if (status == XMC_OK)
	{
		model = xmc_alloc(ctx, sizeof(xmc_model) + ALIGN + (size_t) layout->n_parameters * sizeof(float), 1);
		if (!model)
			status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
		else
			status = xmc_model_layout(ctx, options, has_bag, model);	/* once more, because slots point into their model */
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
	xmc_model  *model;
	xmc_status	status = XMC_OK;

	*out = NULL;
	XMC_TRY(allocate(ctx, options, has_bag, &model));
	for (int32_t t = 0; t < model->n_tensors && status == XMC_OK; t++)
		status = fill(ctx, &model->tensor[t], options->seed);
	if (status == XMC_OK)
		*out = model;
	else
		xmc_release(ctx, model);
	return status;
}

xmc_status
xmc_model_new_zero(xmc_ctx *ctx, const xmc_options *options, bool has_bag, xmc_model **out)
{
	XMC_TRY(allocate(ctx, options, has_bag, out));
	memset(*(*out)->tensor[0].slot, 0, (size_t) (*out)->n_parameters * sizeof(float));	/* one block */
	return XMC_OK;
}

int64_t
xmc_model_copy_term(const xmc_model *model, xmc_term term, float *buffer, bool save)
{
	int64_t		at = 0;

	for (int32_t k = 0; k < model->n_tensors; k++)
	{
		const xmc_tensor *tensor = &model->tensor[k];

		if (tensor->term != term)
			continue;
		if (buffer)
			memcpy(save ? buffer + at : *tensor->slot, save ? *tensor->slot : buffer + at,
				   (size_t) tensor->n_values * sizeof(float));
		at += tensor->n_values;
	}
	return at;
}

/* Whether the tensor changes the text encoder. It does not while it has its initial values: 0, but for A of an adapter. */
static bool
changes_encoder(const xmc_tensor *tensor)
{
	if (!tensor->is_change || tensor->start != ZERO)
		return false;
	if (xmc_tensor_halves(tensor))
		return xmc_has_halves(tensor->n_values, xmc_tensor_halves(tensor));
	for (int64_t k = 0; k < tensor->n_values; k++)
		if ((*tensor->slot)[k] != 0)
			return true;
	return false;
}

void
xmc_model_note_changes(xmc_model *model)
{
	bool	   *uses_changes = &model->network[XMC_TEXT].uses_changes;

	*uses_changes = false;
	for (int32_t t = 0; t < model->n_tensors && !*uses_changes; t++)
		*uses_changes = changes_encoder(&model->tensor[t]);
	if (model->measured)
		xmc_model_note_changes(model->measured);
}

xmc_status
xmc_model_renew_term(xmc_ctx *ctx, xmc_model *model, xmc_term term)
{
	for (int32_t k = 0; k < model->n_tensors; k++)
		if (model->tensor[k].term == term)
			XMC_TRY(fill(ctx, &model->tensor[k], model->options.seed));
	xmc_model_note_changes(model);
	return XMC_OK;
}

int64_t
xmc_model_term_values(const xmc_model *model, xmc_term term)
{
	int64_t		values = 0;

	for (int32_t k = 0; k < model->n_tensors; k++)
		if (model->tensor[k].term == term && !model->tensor[k].hashed)
			values += model->tensor[k].n_values;
	return values;
}

int64_t
xmc_model_learning_values(const xmc_model *model, xmc_term term)
{
	int64_t		values = xmc_model_term_values(model, term);

	/* The differences are the last tensors of their term. */
	for (int32_t k = 0; k < model->n_tensors && !model->network[XMC_TEXT].uses_changes; k++)
		if (model->tensor[k].term == term && model->tensor[k].half)
			values -= model->tensor[k].n_values;
	return values;
}

float *
xmc_model_lead_term(xmc_model *model, xmc_term term, float *values)
{
	float	   *before = NULL;

	for (int32_t k = 0; k < model->n_tensors; k++)
		if (model->tensor[k].term == term && !model->tensor[k].hashed)
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
xmc_model_forget_anchors(xmc_ctx *ctx, xmc_model *model)
{
	if (model->anchors.is_own)
		xmc_release(ctx, model->anchors.z[XMC_TEXT]);	/* the block holds both modalities */
	model->anchors = (xmc_anchors) {0};
	xmc_model_share(model);
}

xmc_status
xmc_model_keep_measured(xmc_ctx *ctx, xmc_model *model)
{
	xmc_model  *measured;

	XMC_TRY(xmc_model_new_zero(ctx, &model->options, model->has_bag, &measured));
	for (int32_t k = 0; k < model->n_tensors; k++)
		memcpy(*measured->tensor[k].slot, *model->tensor[k].slot, (size_t) model->tensor[k].n_values * sizeof(float));
	xmc_model_note_changes(measured);
	model->measured = measured;
	xmc_model_share(model);
	return XMC_OK;
}

void
xmc_model_forget_gaps(xmc_ctx *ctx, xmc_model *model)
{
	if (model->gaps.is_own)
		xmc_release(ctx, model->gaps.row);
	model->gaps = (xmc_gaps) {0};
}

xmc_status
xmc_model_new_gaps(xmc_ctx *ctx, xmc_model *model)
{
	xmc_model_forget_gaps(ctx, model);
	model->gaps.row = xmc_zalloc(ctx, XMC_GAP_KINDS * (size_t) xmc_gap_columns(&model->options), sizeof(float));
	XMC_NEED(model->gaps.row, ctx);
	model->gaps.is_own = true;
	return XMC_OK;
}

void
xmc_model_free(xmc_ctx *ctx, xmc_model *model)
{
	if (model->measured)
		xmc_model_free(ctx, model->measured);
	model->measured = NULL;
	xmc_model_forget_anchors(ctx, model);
	xmc_model_forget_gaps(ctx, model);
	xmc_results_forget(ctx, model);
	xmc_seen_forget(ctx, model);
	xmc_release(ctx, model);	/* the parameters are in the same allocation */
}
