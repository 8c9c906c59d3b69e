/*
 * model_file.c - a model as a safetensors file in memory: saving, and opening with all checks; see model.h. Tensors hold
 * parameters, the table of reliability, gaps, anchors and the records of documents and groups; metadata holds options and
 * calibration. Of the terms as they were measured (xmc_model.measured) the file has those tensors that differ. Differences to a text
 * encoder are rounded to half precision, all else is F32.
 */
#include "xmcoh/model.h"

#include "model/dims.h"
#include "base/utf8.h"
#include "model/safetensors.h"
#include "xmcoh/results.h"
#include "xmcoh/seen.h"
#include "xmcoh/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof (array) / sizeof (array)[0])

/* ---- metadata ---- */

#define FORMAT "xmcoh"
#define HAS_MEASURED "has_measured"
#define MEASURED_PREFIX "measured."
#define MEASURED_NAME (sizeof MEASURED_PREFIX + sizeof ((xmc_tensor *) NULL)->name)
#define MAX_METADATA 80

typedef struct metadata_list
{
	int32_t		n;
	xmc_metadata entry[MAX_METADATA];
	char		key[MAX_METADATA][48];
	char		value[MAX_METADATA][XMC_ENCODER_NAME + 8];
} metadata_list;

static void
add_metadata(metadata_list *list, const char *prefix, const char *name, const char *format,...)
			__attribute__((format(printf, 4, 5)));

/* If there are more entries than the list has room for, keys are missing in the file, and the tests of opening fail. */
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

/* The names of all coefficients of a calibration. */
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
	{"crossed.text", offsetof(xmc_calibration, cross_modal[XMC_TEXT])},
	{"crossed.image", offsetof(xmc_calibration, cross_modal[XMC_IMAGE])},
	{"crossed.text.stored", offsetof(xmc_calibration, cross_modal[XMC_MODALITIES + XMC_TEXT])},
	{"crossed.image.stored", offsetof(xmc_calibration, cross_modal[XMC_MODALITIES + XMC_IMAGE])},
};

/* The first of them are stored a second time for documents of known groups, where groups are recorded. */
#define KNOWN_COEFFICIENTS (2 * XMC_MODALITIES + 1)

_Static_assert(COUNT(coefficients) * sizeof(double) == sizeof(xmc_calibration), "every coefficient is stored");

static const char *const encoder_name[XMC_MODALITIES] = {"encoder.text", "encoder.image"};

static double *
coefficient(const xmc_calibration *calibration, size_t k)
{
	return (double *) (void *) ((char *) (uintptr_t) calibration + coefficients[k].offset);
}

/*
 * Lists everything about a model that is no tensor. %.17g preserves a double exactly. Numbers are written and read in the C
 * locale, to which PostgreSQL sets LC_NUMERIC.
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
	if (model->measured)
		add_metadata(list, "", HAS_MEASURED, "1");
	for (int32_t k = 0; k < n_options; k++)
		if (!info[k].is_later || xmc_options_get(&model->options, &info[k]) != xmc_option_when_absent(&info[k]))
			add_metadata(list, "option.", info[k].name, "%.17g", xmc_options_get(&model->options, &info[k]));
	for (int m = 0; m < XMC_MODALITIES; m++)
		if (model->encoder[m][0] != '\0')
			add_metadata(list, "", encoder_name[m], "%s", model->encoder[m]);
	for (size_t k = 0; k < COUNT(coefficients); k++)
		add_metadata(list, "calibration.", coefficients[k].name, "%.17g", *coefficient(&model->calibration, k));
	for (size_t k = 0; k < KNOWN_COEFFICIENTS && model->seen_groups.n > 0; k++)
		add_metadata(list, "calibration.known.", coefficients[k].name, "%.17g", *coefficient(&model->known, k));
}

/* Reads a decimal number. strtod alone would also accept spaces, hexadecimal, NaN and infinity. */
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
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: metadata \"%s\" is %.15g, but must be 0 or 1", name, number);
	*out = number == 1;
	return XMC_OK;
}

/* The encoders that made the embeddings, if there are any: each is named by a SHA-256. */
static xmc_status
read_encoders(xmc_ctx *ctx, const xmc_safetensors *st, xmc_model *model)
{
	const int32_t dim[XMC_MODALITIES] = {[XMC_TEXT] = model->options.text_dim,[XMC_IMAGE] = model->options.image_dim};

	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		const char *value = xmc_safetensors_metadata(st, encoder_name[m]);
		char		shown[XMC_PRINTABLE];

		if (!value)
			continue;
		if (strlen(value) != XMC_ENCODER_NAME || value[strspn(value, "0123456789abcdef")] != '\0')
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: metadata \"%s\" is \"%s\", not a SHA-256", encoder_name[m],
							xmc_printable(value, strlen(value), shown));
		if (dim[m] == 0)
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: metadata has \"%s\", but its options allow no embedding",
							encoder_name[m]);
		memcpy(model->encoder[m], value, XMC_ENCODER_NAME + 1);
	}
	return XMC_OK;
}

/* Coefficients must be >= 0: with p = sigmoid(c x) a negative c would reverse an order, see calibrate.h. */
static xmc_status
check_calibration(xmc_ctx *ctx, const xmc_calibration *calibration)
{
	for (size_t k = 0; k < COUNT(coefficients); k++)
	{
		double		value = *coefficient(calibration, k);

		if (!(isfinite(value) && value >= 0))
			return xmc_fail(ctx, XMC_BAD_MODEL, "calibration.%s is %g, but must be finite and not negative",
							coefficients[k].name, value);
	}
	return XMC_OK;
}

/* ---- opening ---- */

/* Errors that elsewhere are of the caller's data or of a limit mean here that the file is bad. */
static xmc_status
blame_file(xmc_ctx *ctx, xmc_status status)
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
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: its text features have version %.15g, but version %d is needed; "
						"train the model again", number, XMC_FEATURE_VERSION);
	XMC_TRY(read_flag(ctx, st, "has_bag", has_bag));
	XMC_TRY(read_flag(ctx, st, "has_alignment", has_alignment));
	xmc_options_default(options);
	for (int32_t k = 0; k < n_options; k++)
	{
		char		key[64];

		snprintf(key, sizeof key, "option.%s", info[k].name);
		number = xmc_option_when_absent(&info[k]);
		if (!info[k].is_later || xmc_safetensors_metadata(st, key))
			XMC_TRY(read_number(ctx, st, "option.", info[k].name, &number));
		XMC_TRY(blame_file(ctx, xmc_options_set(ctx, options, info[k].name, number)));
	}
	for (size_t k = 0; k < COUNT(coefficients); k++)
		XMC_TRY(read_number(ctx, st, "calibration.", coefficients[k].name, coefficient(calibration, k)));
	return check_calibration(ctx, calibration);
}

/* Refuses keys that are not expected. All expected keys have been read before. */
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
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: unrecognized metadata \"%s\"",
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

static const char *const anchors_name[XMC_MODALITIES] = {"align.text.memory", "align.image.memory"};

/* Sets the model's anchors to those in the file, if the file has any. */
static xmc_status
match_anchors(xmc_ctx *ctx, const xmc_safetensors *st, xmc_model *model)
{
	const xmc_tensor_view *view[XMC_MODALITIES];

	for (int m = 0; m < XMC_MODALITIES; m++)
		view[m] = xmc_safetensors_tensor(st, anchors_name[m]);
	if (!view[XMC_TEXT] && !view[XMC_IMAGE])
		return XMC_OK;
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		if (!view[m])
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: tensor \"%s\" is missing", anchors_name[m]);
		if (view[m]->n_dimensions != 2 || view[m]->shape[0] < 1 || view[m]->shape[0] != view[XMC_TEXT]->shape[0] ||
			view[m]->shape[0] > (model->has_alignment ? model->options.align_memory : 0) ||
			view[m]->shape[1] != xmc_align_space_dim(&model->options))
		{
			char		got[96];

			return xmc_fail(ctx, XMC_BAD_MODEL,
							"stored model: tensor \"%s\" has shape %s, which its alignment and options do not allow",
							anchors_name[m], shape_text(view[m]->n_dimensions, view[m]->shape, got));
		}
		model->anchors.z[m] = (float *) (uintptr_t) view[m]->data;	/* read-only, like the whole file */
	}
	model->anchors.n = (int32_t) view[XMC_TEXT]->shape[0];
	return XMC_OK;
}

#define SEEN_NAME "seen"
#define SEEN_GROUPS_NAME "seen.groups"

/* Sets a record of documents or groups to that in the file, if the file has one. */
static xmc_status
match_seen(xmc_ctx *ctx, const xmc_safetensors *st, const char *name, xmc_seen *seen)
{
	const xmc_tensor_view *view = xmc_safetensors_tensor(st, name);
	char		got[96];

	if (!view)
		return XMC_OK;
	if (view->n_dimensions != 2 || view->shape[0] < 1 || view->shape[0] > INT32_MAX || view->shape[1] != XMC_SEEN_COLUMNS)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: tensor \"%s\" has shape %s, but must have %d columns", name,
						shape_text(view->n_dimensions, view->shape, got), XMC_SEEN_COLUMNS);
	/* read-only, like the whole file */
	*seen = (xmc_seen) {.n = (int32_t) view->shape[0],.row = (float *) (uintptr_t) view->data};
	return XMC_OK;
}

/* The record of groups, with the calibration for documents of these. Without the record there is none of its own. */
static xmc_status
match_seen_groups(xmc_ctx *ctx, const xmc_safetensors *st, xmc_model *model)
{
	model->known = model->calibration;
	XMC_TRY(match_seen(ctx, st, SEEN_GROUPS_NAME, &model->seen_groups));
	for (size_t k = 0; k < KNOWN_COEFFICIENTS && model->seen_groups.n > 0; k++)
		XMC_TRY(read_number(ctx, st, "calibration.known.", coefficients[k].name, coefficient(&model->known, k)));
	return check_calibration(ctx, &model->known);
}

#define RESULTS_NAME "results"
#define RESULT_PAIRS_NAME "results.pairs"
#define RESULT_WIDENING_NAME "results.widening"
#define OLD_RESULT_COLUMNS 7	/* of versions that recorded tau alone; such a record is not read */

static bool
is_old_results(const xmc_tensor_view *view)
{
	return view->n_dimensions == 2 && view->shape[1] == OLD_RESULT_COLUMNS;
}

/* Sets the record of what was measured to that in the file, if the file has one. */
static xmc_status
match_results(xmc_ctx *ctx, const xmc_safetensors *st, xmc_results *results)
{
	const xmc_tensor_view *view = xmc_safetensors_tensor(st, RESULTS_NAME);
	const xmc_tensor_view *pairs = xmc_safetensors_tensor(st, RESULT_PAIRS_NAME);
	const xmc_tensor_view *widening = xmc_safetensors_tensor(st, RESULT_WIDENING_NAME);
	char		got[96];

	if (!view || is_old_results(view))
		return XMC_OK;
	if (view->n_dimensions != 2 || view->shape[0] < 1 || view->shape[0] > XMC_MOST_RESULTS || view->shape[1] != XMC_RESULT_COLUMNS)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: tensor \"%s\" has shape %s, but must have at most %d rows of %d",
						RESULTS_NAME, shape_text(view->n_dimensions, view->shape, got), XMC_MOST_RESULTS, XMC_RESULT_COLUMNS);
	/* read-only, like the whole file */
	*results = (xmc_results) {.n = (int32_t) view->shape[0],.row = (float *) (uintptr_t) view->data};
	if (!widening)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: tensor \"%s\" is missing", RESULT_WIDENING_NAME);
	if (widening->n_dimensions != 1 || widening->shape[0] != XMC_RESULT_KINDS)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: tensor \"%s\" has shape %s, but must have %d values",
						RESULT_WIDENING_NAME, shape_text(widening->n_dimensions, widening->shape, got), XMC_RESULT_KINDS);
	memcpy(results->widening, widening->data, sizeof results->widening);
	if (!pairs)
		return XMC_OK;
	if (pairs->n_dimensions != 1 || pairs->shape[0] < 1 || pairs->shape[0] > XMC_MOST_RESULT_PAIRS)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: tensor \"%s\" has shape %s, but must have at most %d values",
						RESULT_PAIRS_NAME, shape_text(pairs->n_dimensions, pairs->shape, got), XMC_MOST_RESULT_PAIRS);
	results->n_pairs = (int32_t) pairs->shape[0];
	results->log_odds = (float *) (uintptr_t) pairs->data;
	return XMC_OK;
}

#define RELIABILITY_NAME "reliability"
#define GAPS_NAME "gaps"

/* Copies the table of reliability from the file, if the file has one. Checks that its numbers can be such a table. */
static xmc_status
match_reliability(xmc_ctx *ctx, const xmc_safetensors *st, xmc_model *model)
{
	const xmc_tensor_view *view = xmc_safetensors_tensor(st, RELIABILITY_NAME);
	char		got[96];

	if (!view)
		return XMC_OK;
	if (view->n_dimensions != 2 || view->shape[0] < 1 || view->shape[0] > XMC_RELIABILITY_MAX_ROWS ||
		view->shape[1] != XMC_RELIABILITY_COLUMNS)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: tensor \"%s\" has shape %s, but must have at most %d rows of %d",
						RELIABILITY_NAME, shape_text(view->n_dimensions, view->shape, got), XMC_RELIABILITY_MAX_ROWS,
						XMC_RELIABILITY_COLUMNS);
	model->reliability.n = (int32_t) view->shape[0];
	memcpy(model->reliability.row, view->data, (size_t) view->n_values * sizeof(float));
	return XMC_OK;
}

static xmc_status
check_reliability(xmc_ctx *ctx, const xmc_model *model)
{
	for (int32_t r = 0; r < model->reliability.n; r++)
	{
		const float *row = model->reliability.row[r];

		/* So written that NaN fails, too. */
		if (!(row[XMC_RELIABILITY_KIND] >= 0 && row[XMC_RELIABILITY_LEVEL] >= 0 && row[XMC_RELIABILITY_GROUPS] >= 0 &&
			  row[XMC_RELIABILITY_MISTAKEN] >= 0 && row[XMC_RELIABILITY_MISTAKEN] <= row[XMC_RELIABILITY_GROUPS] &&
			  row[XMC_RELIABILITY_CONFIDENT] >= 0 && row[XMC_RELIABILITY_CONFIDENT] <= 1 &&
			  row[XMC_RELIABILITY_RIGHT] >= 0 && row[XMC_RELIABILITY_RIGHT] <= 1))
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: row %d of tensor \"%s\" is invalid", r, RELIABILITY_NAME);
	}
	return XMC_OK;
}

/* Whether a model has a tensor of its own as it was measured. */
static bool
is_of_measured(const xmc_tensor *tensor)
{
	return tensor->term < XMC_TERMS;
}

/* The tensor of parameters that has this name in a file, of the model or of the model as it was measured; NULL: there is none. */
static const xmc_tensor *
find_tensor(const xmc_model *model, const char *name)
{
	size_t		prefix = sizeof MEASURED_PREFIX - 1;
	bool		measured = model->measured && strncmp(name, MEASURED_PREFIX, prefix) == 0;

	for (int32_t t = 0; t < model->n_tensors; t++)
		if (measured ? is_of_measured(&model->tensor[t]) && strcmp(model->tensor[t].name, name + prefix) == 0
			: strcmp(model->tensor[t].name, name) == 0)
			return &model->tensor[t];
	return NULL;
}

static xmc_dtype
dtype_of(const xmc_tensor *tensor)
{
	return tensor && tensor->half ? XMC_F16 : XMC_F32;
}

static xmc_status
check_dtypes(xmc_ctx *ctx, const xmc_safetensors *st, const xmc_model *model)
{
	char		shown[XMC_PRINTABLE];

	for (int32_t k = 0; k < st->n_tensors; k++)
	{
		const xmc_tensor_view *view = &st->tensor[k];
		xmc_dtype	wanted = dtype_of(find_tensor(model, view->name));

		if (view->dtype != wanted)
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: tensor \"%s\" has dtype \"%s\", but must have \"%s\"",
							xmc_printable(view->name, strlen(view->name), shown), xmc_dtype_name(view->dtype), xmc_dtype_name(wanted));
	}
	return XMC_OK;
}

static bool
has_tensor(const xmc_model *model, const xmc_tensor_view *view)
{
	const char *name = view->name;

	if (find_tensor(model, name))
		return true;
	if (model->seen.n > 0 && strcmp(name, SEEN_NAME) == 0)
		return true;
	if (model->seen_groups.n > 0 && strcmp(name, SEEN_GROUPS_NAME) == 0)
		return true;
	if (strcmp(name, RESULTS_NAME) == 0 && (model->results.n > 0 || is_old_results(view)))
		return true;
	if (model->results.n > 0 && strcmp(name, RESULT_WIDENING_NAME) == 0)
		return true;
	if (model->results.n_pairs > 0 && strcmp(name, RESULT_PAIRS_NAME) == 0)
		return true;
	if (model->reliability.n > 0 && strcmp(name, RELIABILITY_NAME) == 0)
		return true;
	if (model->gaps.row && strcmp(name, GAPS_NAME) == 0)
		return true;
	return model->anchors.n > 0 &&
		(strcmp(name, anchors_name[XMC_TEXT]) == 0 || strcmp(name, anchors_name[XMC_IMAGE]) == 0);
}

/* Sets the pointer of a tensor to its values in the file, whose name there is `name`. Checks the shape. */
static xmc_status
match_tensor(xmc_ctx *ctx, const char *name, const xmc_tensor_view *view, const xmc_tensor *tensor)
{
	if (view->n_dimensions != tensor->n_dimensions ||
		memcmp(view->shape, tensor->shape, (size_t) tensor->n_dimensions * sizeof tensor->shape[0]) != 0)
	{
		char		got[96];
		char		wanted[96];

		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: tensor \"%s\" has shape %s, but its options require %s",
						name, shape_text(view->n_dimensions, view->shape, got),
						shape_text(tensor->n_dimensions, tensor->shape, wanted));
	}
	if (tensor->half)
		*tensor->half = view->data;
	else
		*tensor->slot = (float *) (uintptr_t) view->data;	/* read-only: see xmc_model_open */
	return XMC_OK;
}

/* The rows of the model's gaps as a tensor. */
static xmc_tensor
gaps_tensor(const xmc_model *model)
{
	int32_t		columns = xmc_gap_columns(&model->options);

	return (xmc_tensor) {.n_dimensions = 2,.shape = {XMC_GAP_KINDS, columns},.n_values = (int64_t) XMC_GAP_KINDS * columns,
		.slot = (float **) (uintptr_t) &model->gaps.row};
}

/* Sets the model's gaps to those in the file, if the file has any. */
static xmc_status
match_gaps(xmc_ctx *ctx, const xmc_safetensors *st, xmc_model *model)
{
	const xmc_tensor_view *view = xmc_safetensors_tensor(st, GAPS_NAME);
	xmc_tensor	gaps = gaps_tensor(model);

	return view ? match_tensor(ctx, GAPS_NAME, view, &gaps) : XMC_OK;
}

/* Sets the slots of the model as it was measured: tensors that the file does not have are those of the model. */
static xmc_status
match_measured(xmc_ctx *ctx, const xmc_safetensors *st, xmc_model *model)
{
	xmc_model  *measured = model->measured;

	XMC_TRY(xmc_model_layout(ctx, &model->options, model->has_bag, measured));
	for (int32_t t = 0; t < model->n_tensors; t++)
	{
		char		name[MEASURED_NAME];
		const xmc_tensor_view *view;

		snprintf(name, sizeof name, "%s%s", MEASURED_PREFIX, model->tensor[t].name);
		view = xmc_safetensors_tensor(st, name);
		if (view)
			XMC_TRY(match_tensor(ctx, name, view, &measured->tensor[t]));
		else if (model->tensor[t].half)
			*measured->tensor[t].half = *model->tensor[t].half;
		else
			*measured->tensor[t].slot = *model->tensor[t].slot;
	}
	xmc_model_share(model);
	return XMC_OK;
}

/* Sets every slot to its values in the file. Checks names and shapes. */
static xmc_status
match_tensors(xmc_ctx *ctx, const xmc_safetensors *st, xmc_model *model)
{
	char		shown[XMC_PRINTABLE];

	XMC_TRY(match_anchors(ctx, st, model));
	XMC_TRY(match_seen(ctx, st, SEEN_NAME, &model->seen));
	XMC_TRY(match_results(ctx, st, &model->results));
	XMC_TRY(match_reliability(ctx, st, model));
	XMC_TRY(match_gaps(ctx, st, model));
	for (int32_t t = 0; t < model->n_tensors; t++)
	{
		xmc_tensor *tensor = &model->tensor[t];
		const xmc_tensor_view *view = xmc_safetensors_tensor(st, tensor->name);

		if (!view)
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: tensor \"%s\" is missing", tensor->name);
		XMC_TRY(match_tensor(ctx, tensor->name, view, tensor));
	}
	if (model->measured)
		XMC_TRY(match_measured(ctx, st, model));
	for (int32_t k = 0; k < st->n_tensors; k++)
		if (!has_tensor(model, &st->tensor[k]))
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: unrecognized tensor \"%s\"",
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
	bool		has_measured = false;

	XMC_TRY(read_metadata(ctx, st, &options, &calibration, &has_bag, &has_alignment));
	if (xmc_safetensors_metadata(st, HAS_MEASURED))
		XMC_TRY(read_flag(ctx, st, HAS_MEASURED, &has_measured));
	XMC_TRY(blame_file(ctx, xmc_model_layout(ctx, &options, has_bag, model)));
	if (model->has_bag != has_bag)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: metadata \"has_bag\" is 1, but its options allow no bag");
	model->has_alignment = has_alignment;
	model->calibration = calibration;
	model->measured = has_measured ? model + 1 : NULL;	/* see xmc_model_open */
	XMC_TRY(check_dtypes(ctx, st, model));
	XMC_TRY(read_encoders(ctx, st, model));
	XMC_TRY(match_seen_groups(ctx, st, model));
	XMC_TRY(refuse_unknown_metadata(ctx, st, model));
	XMC_TRY(match_tensors(ctx, st, model));
	if (has_alignment && !model->align_scale)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: metadata \"has_alignment\" is 1, but its options allow none");
	return XMC_OK;
}

xmc_status
xmc_model_open(xmc_ctx *ctx, const void *file, size_t size, bool check_finite, xmc_model **out)
{
	xmc_safetensors st;
	xmc_model  *model;
	xmc_status	status;

	*out = NULL;
	XMC_TRY(xmc_safetensors_parse(ctx, file, size, XMC_TENSORS_OF_MODEL, &st));
	/* The second model is the first as it was measured, if the file has that. */
	model = xmc_alloc(ctx, 2, sizeof(xmc_model));
	if (!model)
		status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	else
		status = open_parsed(ctx, &st, model);
	if (status == XMC_OK && check_finite)
		status = xmc_safetensors_check_finite(ctx, &st);
	if (status == XMC_OK && check_finite)
		status = xmc_seen_check(ctx, model);
	if (status == XMC_OK && check_finite)
		status = xmc_results_check(ctx, model);
	if (status == XMC_OK)
		status = check_reliability(ctx, model);
	if (status == XMC_OK)
		xmc_model_note_changes(model);
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

static xmc_tensor_view
view_matrix(const char *name, int64_t rows, int64_t columns, const void *data)
{
	return (xmc_tensor_view) {.name = name,.n_dimensions = 2,.shape = {rows, columns},.n_values = rows * columns,.data = data};
}

/* The values of a tensor: float, or F16 if the model was opened and the tensor is of half precision. */
static const void *
values_of(const xmc_tensor *tensor)
{
	return xmc_tensor_halves(tensor) ? xmc_tensor_halves(tensor) : *tensor->slot;
}

static bool
are_same(const xmc_tensor *a, const xmc_tensor *b)
{
	size_t		bytes = xmc_tensor_halves(a) ? sizeof(uint16_t) : sizeof(float);

	return memcmp(values_of(a), values_of(b), (size_t) a->n_values * bytes) == 0;
}

static xmc_tensor_view
view_tensor(const char *name, const xmc_tensor *tensor)
{
	xmc_tensor_view view = {.name = name,.n_dimensions = tensor->n_dimensions,.n_values = tensor->n_values,
		.dtype = dtype_of(tensor),.data = values_of(tensor)};

	memcpy(view.shape, tensor->shape, sizeof tensor->shape);
	return view;
}

/* The parameters, those of half precision or all others; then those as measured, if they are others. Returns their number. */
static int32_t
view_parameters(const xmc_model *model, bool is_half, char (*measured_name)[MEASURED_NAME], xmc_tensor_view *view)
{
	int32_t		n = 0;

	for (int32_t t = 0; t < model->n_tensors; t++)
		if ((model->tensor[t].half != NULL) == is_half)
			view[n++] = view_tensor(model->tensor[t].name, &model->tensor[t]);
	for (int32_t t = 0; t < model->n_tensors && model->measured; t++)
	{
		const xmc_tensor *tensor = &model->measured->tensor[t];

		if ((tensor->half != NULL) != is_half || !is_of_measured(tensor) || are_same(tensor, &model->tensor[t]))
			continue;
		snprintf(measured_name[t], MEASURED_NAME, "%s%s", MEASURED_PREFIX, tensor->name);
		view[n++] = view_tensor(measured_name[t], tensor);
	}
	return n;
}

/* Rounds the values of these tensors to half precision, in new memory. */
static xmc_status
round_views(xmc_ctx *ctx, int32_t n, xmc_tensor_view *view, uint16_t **memory)
{
	uint16_t   *half;
	int64_t		values = 0;

	for (int32_t k = 0; k < n; k++)
		values += view[k].n_values;
	*memory = half = xmc_alloc(ctx, (size_t) values, sizeof *half);
	XMC_NEED(half, ctx);
	for (int32_t k = 0; k < n; k++)
	{
		XMC_TRY(xmc_check_stop(ctx));
		xmc_dtype_to_half(view[k].n_values, view[k].data, half);
		view[k].data = half;
		half += view[k].n_values;
	}
	return XMC_OK;
}

xmc_status
xmc_model_save(xmc_ctx *ctx, const xmc_model *model, void *file, size_t *size)
{
	metadata_list list;
	char		measured_name[XMC_MAX_TENSORS][MEASURED_NAME];
	xmc_tensor_view *view;
	uint16_t   *halves = NULL;
	int32_t		n;
	int32_t		n_halves;
	xmc_status	status = XMC_OK;

	XMC_TRY(xmc_options_check(ctx, &model->options));
	XMC_TRY(check_calibration(ctx, &model->calibration));
	XMC_TRY(check_calibration(ctx, &model->known));
	/* Parameters, those as measured, results, the table of reliability, gaps, anchors, the records of documents and groups. */
	view = xmc_zalloc(ctx, 2 * (size_t) model->n_tensors + XMC_MODALITIES + 7, sizeof(xmc_tensor_view));
	XMC_NEED(view, ctx);
	n = view_parameters(model, false, measured_name, view);
	if (model->results.n > 0)
		view[n++] = view_matrix(RESULTS_NAME, model->results.n, XMC_RESULT_COLUMNS, model->results.row);
	if (model->results.n > 0)
		view[n++] = (xmc_tensor_view) {.name = RESULT_WIDENING_NAME,.n_dimensions = 1,.shape = {XMC_RESULT_KINDS},
			.n_values = XMC_RESULT_KINDS,.data = (float *) (uintptr_t) model->results.widening};
	if (model->results.n_pairs > 0)
		view[n++] = (xmc_tensor_view) {.name = RESULT_PAIRS_NAME,.n_dimensions = 1,.shape = {model->results.n_pairs},
			.n_values = model->results.n_pairs,.data = model->results.log_odds};
	if (model->reliability.n > 0)
		view[n++] = view_matrix(RELIABILITY_NAME, model->reliability.n, XMC_RELIABILITY_COLUMNS, model->reliability.row[0]);
	if (model->gaps.row)
	{
		xmc_tensor	gaps = gaps_tensor(model);

		view[n++] = view_tensor(GAPS_NAME, &gaps);
	}
	for (int m = 0; m < XMC_MODALITIES && model->anchors.n > 0; m++)
		view[n++] = view_matrix(anchors_name[m], model->anchors.n, xmc_align_space_dim(&model->options), model->anchors.z[m]);
	if (model->seen.n > 0)
		view[n++] = view_matrix(SEEN_NAME, model->seen.n, XMC_SEEN_COLUMNS, model->seen.row);
	if (model->seen_groups.n > 0)
		view[n++] = view_matrix(SEEN_GROUPS_NAME, model->seen_groups.n, XMC_SEEN_COLUMNS, model->seen_groups.row);
	/* Last, so that the others are aligned. */
	n_halves = view_parameters(model, true, measured_name, view + n);
	list_metadata(model, &list);
	if (file && n_halves > 0 && !model->network[XMC_TEXT].change[0].half)
		status = round_views(ctx, n_halves, view + n, &halves);
	n += n_halves;
	/* Refuse what xmc_model_open would refuse. */
	if (file && status == XMC_OK)
	{
		xmc_safetensors all = {.n_tensors = n,.tensor = view};

		status = xmc_safetensors_check_finite(ctx, &all);
		if (status == XMC_OK)
			status = xmc_seen_check(ctx, model);
		if (status == XMC_OK)
			status = xmc_results_check(ctx, model);
		if (status == XMC_OK)
			status = check_reliability(ctx, model);
	}
	if (status == XMC_OK)
		status = xmc_safetensors_write(ctx, n, view, list.n, list.entry, file, size);
	xmc_release(ctx, halves);
	xmc_release(ctx, view);
	return status;
}
