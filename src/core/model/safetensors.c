/* safetensors.c - reading, checking and writing the file format of model versions and text encoders; see safetensors.h */
#include "model/safetensors.h"

#include "base/utf8.h"
#include "model/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(float) == 4, "F32 tensors are used in place as float");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian and used in place");

#define LENGTH_BYTES 8			/* of the header's length, which comes before the header */
#define DATA_ALIGN 64
#define METADATA_KEY "__metadata__"
#define MAX_VALUE_BYTES INT64_C(8)	/* of the widest dtype */
#define STEP_VALUES ((int64_t) 1 << 20)	/* values between two calls of the stop callback, less than a millisecond */

/* The dtypes that a file for each use may have. xmcoh writes those of its models and encoders. */
static const unsigned int allowed[] = {
	[XMC_TENSORS_OF_MODEL] = XMC_DTYPE_SET(XMC_F32) | XMC_DTYPE_SET(XMC_F16),
	[XMC_TENSORS_OF_ENCODER] = XMC_DTYPE_SET(XMC_F32) | XMC_DTYPE_SET(XMC_I32) | XMC_DTYPE_SET(XMC_U8),
	[XMC_TENSORS_PUBLISHED] = XMC_DTYPE_SET(XMC_DTYPES) - 1,
};

/* The product of a shape, 1 for no dimension. False: the product or its bytes overflow, even if a later dimension is 0. */
static bool
shape_values(int32_t n_dimensions, const int64_t *shape, int64_t *out)
{
	int64_t		values = 1;
	int64_t		bytes;

	for (int32_t k = 0; k < n_dimensions; k++)
		if (shape[k] < 0 || __builtin_mul_overflow(values, shape[k], &values))
			return false;
	*out = values;
	return !__builtin_mul_overflow(values, MAX_VALUE_BYTES, &bytes);
}

/* ---- reading ---- */

typedef struct reader
{
	xmc_ctx    *ctx;
	xmc_json	json;
	xmc_tensor_use use;
	const unsigned char *data;	/* (data_size) */
	int64_t		data_size;
	xmc_safetensors *st;
} reader;

/* Refuses a string with a zero byte, which would look shorter once it is zero-terminated. */
static xmc_status
check_no_nul(reader *r, const char *what)
{
	if (memchr(r->json.string, '\0', r->json.string_length))
		return xmc_fail(r->ctx, XMC_BAD_MODEL, "safetensors header, byte %zu: %s contains a zero byte",
						r->json.token_at, what);
	return XMC_OK;
}

/* Reads the value of "__metadata__", an object of strings. */
static xmc_status
read_metadata(reader *r)
{
	xmc_json   *json = &r->json;

	XMC_TRY(xmc_json_expect(json, XMC_JSON_OBJECT));
	for (;;)
	{
		xmc_metadata *entry;

		XMC_TRY(xmc_json_next(json));
		if (json->kind == XMC_JSON_OBJECT_END)
			return XMC_OK;
		if (r->st->n_metadata == XMC_SAFETENSORS_MAX_ENTRIES)
			return xmc_fail(r->ctx, XMC_BAD_MODEL, "safetensors header: more than %d metadata keys",
							XMC_SAFETENSORS_MAX_ENTRIES);
		entry = &r->st->metadata[r->st->n_metadata];
		XMC_TRY(check_no_nul(r, "metadata key"));
		entry->key = json->string;
		XMC_TRY(xmc_json_expect(json, XMC_JSON_STRING));
		XMC_TRY(check_no_nul(r, "metadata value"));
		entry->value = json->string;
		r->st->n_metadata++;
	}
}

/* Reads an array of at most `most` whole numbers. */
static xmc_status
read_numbers(reader *r, const char *name, const char *what, int32_t most, int64_t *number, int32_t *count)
{
	xmc_json   *json = &r->json;

	XMC_TRY(xmc_json_expect(json, XMC_JSON_ARRAY));
	*count = 0;
	for (;;)
	{
		XMC_TRY(xmc_json_next(json));
		if (json->kind == XMC_JSON_ARRAY_END)
			return XMC_OK;
		if (json->kind != XMC_JSON_INTEGER)
			return xmc_fail(r->ctx, XMC_BAD_MODEL, "tensor \"%s\": %s must hold whole numbers", name, what);
		if (*count == most)
			return xmc_fail(r->ctx, XMC_BAD_MODEL, "tensor \"%s\": %s has more than %d numbers", name, what, (int) most);
		number[(*count)++] = json->integer;
	}
}

/* Reads the value of "dtype". */
static xmc_status
read_dtype(reader *r, const char *name, xmc_dtype *out)
{
	xmc_json   *json = &r->json;
	char		shown[XMC_PRINTABLE];
	char		list[64] = "";
	int			n = 0;

	XMC_TRY(xmc_json_expect(json, XMC_JSON_STRING));
	if (xmc_dtype_find(json->string, json->string_length, out) && allowed[r->use] & XMC_DTYPE_SET(*out))
		return XMC_OK;
	for (int k = 0; k < XMC_DTYPES; k++)
		if (allowed[r->use] & XMC_DTYPE_SET(k))
			snprintf(list + strlen(list), sizeof list - strlen(list), "%s\"%s\"", n++ ? ", " : "",
					 xmc_dtype_name((xmc_dtype) k));
	return xmc_fail(r->ctx, XMC_BAD_MODEL, "tensor \"%s\" has dtype \"%s\"; only %s %s supported", name,
					xmc_printable(json->string, json->string_length, shown), list, n == 1 ? "is" : "are");
}

/* Checks shape and data_offsets of a tensor against each other and against the data, and sets where its values are. */
static xmc_status
place_tensor(reader *r, const char *name, const int64_t *offset, xmc_tensor_view *tensor)
{
	int64_t		value_bytes = xmc_dtype_bytes(tensor->dtype);

	if (offset[0] > offset[1] || offset[1] > r->data_size)
		return xmc_fail(r->ctx, XMC_BAD_MODEL,
						"tensor \"%s\": data_offsets %lld to %lld are outside the data of %lld bytes", name,
						(long long) offset[0], (long long) offset[1], (long long) r->data_size);
	if (!shape_values(tensor->n_dimensions, tensor->shape, &tensor->n_values))
		return xmc_fail(r->ctx, XMC_BAD_MODEL, "tensor \"%s\": its shape is too large", name);
	if (tensor->n_values * value_bytes != offset[1] - offset[0])
		return xmc_fail(r->ctx, XMC_BAD_MODEL, "tensor \"%s\": its shape needs %lld bytes, its data_offsets give %lld",
						name, (long long) (tensor->n_values * value_bytes), (long long) (offset[1] - offset[0]));
	if (r->use != XMC_TENSORS_PUBLISHED && offset[0] % value_bytes != 0)
		return xmc_fail(r->ctx, XMC_BAD_MODEL, "tensor \"%s\" begins at byte %lld of the data, not at a multiple of %lld",
						name, (long long) offset[0], (long long) value_bytes);
	tensor->data = r->data + offset[0];
	return XMC_OK;
}

/* Reads one tensor: {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}, in any order, and no other keys. */
static xmc_status
read_tensor(reader *r)
{
	xmc_json   *json = &r->json;
	xmc_tensor_view *tensor;
	char		name[XMC_PRINTABLE];
	char		other[XMC_PRINTABLE];
	int64_t		offset[2] = {0, 0};
	int32_t		n_offsets = 0;
	bool		has_dtype = false;
	bool		has_shape = false;
	bool		has_offsets = false;

	if (r->st->n_tensors == XMC_SAFETENSORS_MAX_ENTRIES)
		return xmc_fail(r->ctx, XMC_BAD_MODEL, "safetensors header: more than %d tensors", XMC_SAFETENSORS_MAX_ENTRIES);
	XMC_TRY(check_no_nul(r, "tensor name"));
	tensor = &r->st->tensor[r->st->n_tensors];
	*tensor = (xmc_tensor_view){.name = json->string};
	xmc_printable(json->string, json->string_length, name);

	XMC_TRY(xmc_json_expect(json, XMC_JSON_OBJECT));
	for (;;)
	{
		XMC_TRY(xmc_json_next(json));
		if (json->kind == XMC_JSON_OBJECT_END)
			break;
		XMC_TRY(check_no_nul(r, "key"));
		if (strcmp(json->string, "dtype") == 0)
		{
			XMC_TRY(read_dtype(r, name, &tensor->dtype));
			has_dtype = true;
		}
		else if (strcmp(json->string, "shape") == 0)
		{
			XMC_TRY(read_numbers(r, name, "shape", XMC_TENSOR_MAX_DIMENSIONS, tensor->shape, &tensor->n_dimensions));
			has_shape = true;
		}
		else if (strcmp(json->string, "data_offsets") == 0)
		{
			XMC_TRY(read_numbers(r, name, "data_offsets", 2, offset, &n_offsets));
			has_offsets = true;
		}
		else
			return xmc_fail(r->ctx, XMC_BAD_MODEL, "tensor \"%s\" has an unrecognized key \"%s\"", name,
							xmc_printable(json->string, json->string_length, other));
	}
	if (!has_dtype || !has_shape || !has_offsets)
		return xmc_fail(r->ctx, XMC_BAD_MODEL, "tensor \"%s\" has no %s", name,
						!has_dtype ? "dtype" : !has_shape ? "shape" : "data_offsets");
	if (n_offsets != 2)
		return xmc_fail(r->ctx, XMC_BAD_MODEL, "tensor \"%s\": data_offsets must be two numbers", name);
	XMC_TRY(place_tensor(r, name, offset, tensor));
	r->st->n_tensors++;
	return XMC_OK;
}

static int
compare_place(const void *a, const void *b)
{
	const xmc_tensor_view *x = a;
	const xmc_tensor_view *y = b;

	if (x->data != y->data)
		return (const unsigned char *) x->data < (const unsigned char *) y->data ? -1 : 1;
	return (x->n_values > y->n_values) - (x->n_values < y->n_values);	/* an empty tensor sorts before its neighbour */
}

static int
compare_tensor_name(const void *a, const void *b)
{
	return strcmp(((const xmc_tensor_view *) a)->name, ((const xmc_tensor_view *) b)->name);
}

static int
compare_metadata_key(const void *a, const void *b)
{
	return strcmp(((const xmc_metadata *) a)->key, ((const xmc_metadata *) b)->key);
}

/* Checks that the tensors cover the data without gap or overlap. Leaves the tensors sorted by place. */
static xmc_status
check_cover(reader *r)
{
	xmc_safetensors *st = r->st;
	const unsigned char *place = r->data;
	char		name[XMC_PRINTABLE];

	qsort(st->tensor, (size_t) st->n_tensors, sizeof(xmc_tensor_view), compare_place);
	for (int32_t k = 0; k < st->n_tensors; k++)
	{
		const xmc_tensor_view *tensor = &st->tensor[k];
		const unsigned char *begin = tensor->data;

		if (begin != place)
			return xmc_fail(r->ctx, XMC_BAD_MODEL, begin < place ?
							"tensor \"%s\" overlaps another, at byte %lld of the data" :
							"gap in the data before tensor \"%s\", which begins at byte %lld of the data",
							xmc_printable(tensor->name, strlen(tensor->name), name), (long long) (begin - r->data));
		place = begin + tensor->n_values * xmc_dtype_bytes(tensor->dtype);
	}
	if (place != r->data + r->data_size)
		return xmc_fail(r->ctx, XMC_BAD_MODEL, "safetensors: the last %lld of %lld bytes of data belong to no tensor",
						(long long) (r->data + r->data_size - place), (long long) r->data_size);
	return XMC_OK;
}

static xmc_status
read_header(reader *r)
{
	xmc_json   *json = &r->json;

	XMC_TRY(xmc_json_expect(json, XMC_JSON_OBJECT));
	for (;;)
	{
		XMC_TRY(xmc_json_next(json));
		if (json->kind == XMC_JSON_OBJECT_END)
			break;
		if (json->string_length == strlen(METADATA_KEY) && memcmp(json->string, METADATA_KEY, strlen(METADATA_KEY)) == 0)
			XMC_TRY(read_metadata(r));
		else
			XMC_TRY(read_tensor(r));
	}
	XMC_TRY(xmc_json_expect(json, XMC_JSON_END));
	return check_cover(r);
}

xmc_status
xmc_safetensors_parse(xmc_ctx *ctx, const void *file, size_t size, xmc_tensor_use use, xmc_safetensors *out)
{
	const unsigned char *bytes = file;
	reader		r = {.ctx = ctx, .use = use, .st = out};
	uint64_t	length;
	size_t		tables = XMC_SAFETENSORS_MAX_ENTRIES * (sizeof(xmc_tensor_view) + sizeof(xmc_metadata));
	xmc_status	status;

	*out = (xmc_safetensors){0};
	if (size < LENGTH_BYTES)
		return xmc_fail(ctx, XMC_BAD_MODEL, "safetensors: %zu bytes are too few for a header", size);
	memcpy(&length, bytes, LENGTH_BYTES);
	if (length > XMC_SAFETENSORS_MAX_HEADER)
		return xmc_fail(ctx, XMC_BAD_MODEL, "safetensors: header of %llu bytes exceeds the limit of %d",
						(unsigned long long) length, XMC_SAFETENSORS_MAX_HEADER);
	if (length > size - LENGTH_BYTES)
		return xmc_fail(ctx, XMC_BAD_MODEL, "safetensors: header must have %llu bytes, but only %zu follow its length",
						(unsigned long long) length, size - LENGTH_BYTES);
	if (length == 0 || bytes[LENGTH_BYTES] != '{')
		return xmc_fail(ctx, XMC_BAD_MODEL, "safetensors: header does not begin with '{'");
	r.data = bytes + LENGTH_BYTES + length;
	if (size - LENGTH_BYTES - length > INT64_MAX)
		return xmc_fail(ctx, XMC_BAD_MODEL, "safetensors: the data are too large");
	r.data_size = (int64_t) (size - LENGTH_BYTES - length);
	if (use != XMC_TENSORS_PUBLISHED && (uintptr_t) r.data % sizeof(float) != 0)
		return xmc_fail(ctx, XMC_BAD_MODEL, "safetensors: the data begin at byte %zu, not on a 4-byte boundary; "
						"the header must be padded with spaces", (size_t) (LENGTH_BYTES + length));

	/* One allocation: tables of the largest size, then the strings. A hostile header cannot make it larger. */
	out->memory = xmc_alloc(ctx, tables + length, 1);
	XMC_NEED(out->memory, ctx);
	out->tensor = out->memory;
	out->metadata = (xmc_metadata *) (out->tensor + XMC_SAFETENSORS_MAX_ENTRIES);
	xmc_json_open(&r.json, ctx, "safetensors header", XMC_BAD_MODEL, bytes + LENGTH_BYTES, length,
				  (char *) out->memory + tables);
	status = read_header(&r);
	xmc_json_close(&r.json);
	if (status != XMC_OK)
	{
		xmc_safetensors_free(ctx, out);
		return status;
	}
	qsort(out->tensor, (size_t) out->n_tensors, sizeof(xmc_tensor_view), compare_tensor_name);
	qsort(out->metadata, (size_t) out->n_metadata, sizeof(xmc_metadata), compare_metadata_key);
	return XMC_OK;
}

void
xmc_safetensors_free(xmc_ctx *ctx, xmc_safetensors *st)
{
	xmc_release(ctx, st->memory);
	*st = (xmc_safetensors){0};
}

/*
 * Whether one of n values is NaN or infinite. All bits of such a value's exponent are set, and only then does adding 1 to
 * the exponent carry into the sign bit. Two values are checked at once, four pairs per iteration: as fast as memory can be
 * read.
 */
static bool
any_not_finite(const float *value, int64_t n)
{
	const uint64_t exponents = UINT64_C(0x7f8000007f800000);
	const uint64_t ones = UINT64_C(0x0080000000800000);
	uint64_t	any[4] = {0};
	uint64_t	pair[4];
	int64_t		k = 0;

	for (; k + 8 <= n; k += 8)
	{
		memcpy(pair, value + k, sizeof pair);
		for (int p = 0; p < 4; p++)
			any[p] |= (pair[p] & exponents) + ones;
	}
	memset(pair, 0, sizeof pair);
	if (k < n)
		memcpy(pair, value + k, (size_t) (n - k) * sizeof(float));
	for (int p = 0; p < 4; p++)
		any[p] |= (pair[p] & exponents) + ones;
	return ((any[0] | any[1] | any[2] | any[3]) & UINT64_C(0x8000000080000000)) != 0;
}

/* The same of values of half precision. */
static xmc_status
check_halves(xmc_ctx *ctx, const xmc_tensor_view *tensor)
{
	const uint16_t *half = tensor->data;
	char		name[XMC_PRINTABLE];

	for (int64_t begin = 0; begin < tensor->n_values; begin += STEP_VALUES)
	{
		int64_t		end = begin + STEP_VALUES < tensor->n_values ? begin + STEP_VALUES : tensor->n_values;

		XMC_TRY(xmc_check_stop(ctx));
		for (int64_t k = begin; k < end; k++)
			if ((half[k] & 0x7c00) == 0x7c00)
				return xmc_fail(ctx, XMC_BAD_MODEL, "tensor \"%s\": value %lld is not finite in half precision",
								xmc_printable(tensor->name, strlen(tensor->name), name), (long long) k);
	}
	return XMC_OK;
}

xmc_status
xmc_safetensors_check_finite(xmc_ctx *ctx, const xmc_safetensors *st)
{
	char		name[XMC_PRINTABLE];

	for (int32_t t = 0; t < st->n_tensors; t++)
	{
		const xmc_tensor_view *tensor = &st->tensor[t];
		const float *value = tensor->data;

		if (tensor->dtype == XMC_F16)
			XMC_TRY(check_halves(ctx, tensor));
		if (tensor->dtype != XMC_F32)
			continue;
		for (int64_t begin = 0; begin < tensor->n_values; begin += STEP_VALUES)
		{
			int64_t		left = tensor->n_values - begin;
			int64_t		bad = begin;

			XMC_TRY(xmc_check_stop(ctx));
			if (!any_not_finite(value + begin, left < STEP_VALUES ? left : STEP_VALUES))
				continue;
			while (isfinite(value[bad]))
				bad++;
			return xmc_fail(ctx, XMC_BAD_MODEL, "tensor \"%s\": value %lld is %s",
							xmc_printable(tensor->name, strlen(tensor->name), name), (long long) bad,
							isnan(value[bad]) ? "not a number" : "infinite");
		}
	}
	return XMC_OK;
}

const xmc_tensor_view *
xmc_safetensors_tensor(const xmc_safetensors *st, const char *name)
{
	xmc_tensor_view wanted = {.name = name};

	if (st->n_tensors == 0)
		return NULL;
	return bsearch(&wanted, st->tensor, (size_t) st->n_tensors, sizeof wanted, compare_tensor_name);
}

const char *
xmc_safetensors_metadata(const xmc_safetensors *st, const char *key)
{
	xmc_metadata wanted = {.key = key};
	const xmc_metadata *found = NULL;

	if (st->n_metadata)
		found = bsearch(&wanted, st->metadata, (size_t) st->n_metadata, sizeof wanted, compare_metadata_key);
	return found ? found->value : NULL;
}

/* ---- writing ---- */

/* Where the header is written; with out NULL it is only measured, so that size and bytes come from the same code. */
typedef struct sink
{
	char	   *out;
	size_t		used;
} sink;

static void
put_bytes(sink *to, const char *bytes, size_t length)
{
	if (to->out)
		memcpy(to->out + to->used, bytes, length);
	to->used += length;
}

static void
put(sink *to, const char *string)
{
	put_bytes(to, string, strlen(string));
}

static void
put_quoted(sink *to, const char *string)
{
	to->used += xmc_json_quote(string, strlen(string), to->out ? to->out + to->used : NULL);
}

static void
put_integer(sink *to, int64_t value)
{
	char		digits[20];
	size_t		begin = sizeof digits;

	do
		digits[--begin] = (char) ('0' + value % 10);
	while ((value /= 10) != 0);
	put_bytes(to, digits + begin, sizeof digits - begin);
}

static void
put_header(sink *to, int32_t n_tensors, const xmc_tensor_view *tensor, int32_t n_metadata, const xmc_metadata *metadata)
{
	int64_t		offset = 0;
	const char *separator = "";

	put(to, "{");
	if (n_metadata)
	{
		put_quoted(to, METADATA_KEY);
		put(to, ":{");
		for (int32_t k = 0; k < n_metadata; k++)
		{
			put(to, k ? "," : "");
			put_quoted(to, metadata[k].key);
			put(to, ":");
			put_quoted(to, metadata[k].value);
		}
		put(to, "}");
		separator = ",";
	}
	for (int32_t t = 0; t < n_tensors; t++)
	{
		put(to, separator);
		put_quoted(to, tensor[t].name);
		put(to, ":{\"dtype\":\"");
		put(to, xmc_dtype_name(tensor[t].dtype));
		put(to, "\",\"shape\":[");
		for (int32_t k = 0; k < tensor[t].n_dimensions; k++)
		{
			put(to, k ? "," : "");
			put_integer(to, tensor[t].shape[k]);
		}
		put(to, "],\"data_offsets\":[");
		put_integer(to, offset);
		offset += tensor[t].n_values * xmc_dtype_bytes(tensor[t].dtype);
		put(to, ",");
		put_integer(to, offset);
		put(to, "]}");
		separator = ",";
	}
	put(to, "}");
	while ((LENGTH_BYTES + to->used) % DATA_ALIGN != 0)
		put(to, " ");
}

static xmc_status
check_strings(xmc_ctx *ctx, const char *what, const char *string)
{
	char		shown[XMC_PRINTABLE];

	if (!xmc_utf8_valid(string, strlen(string)))
		return xmc_fail(ctx, XMC_BAD_INPUT, "safetensors: %s \"%s\" is not valid UTF-8", what,
						xmc_printable(string, strlen(string), shown));
	return XMC_OK;
}

/*
 * Checks everything that could make the file unreadable. Entries are few, so they are compared one by one. *data_bytes is
 * set to the size of all tensors.
 */
static xmc_status
check_entries(xmc_ctx *ctx, int32_t n_tensors, const xmc_tensor_view *tensor, int32_t n_metadata,
			  const xmc_metadata *metadata, int64_t *data_bytes)
{
	char		shown[XMC_PRINTABLE];

	if (n_tensors < 0 || n_tensors > XMC_SAFETENSORS_MAX_ENTRIES || n_metadata < 0 ||
		n_metadata > XMC_SAFETENSORS_MAX_ENTRIES)
		return xmc_fail(ctx, XMC_BAD_INPUT,
						"safetensors: %d tensors and %d metadata keys are not in the range from 0 to %d", (int) n_tensors,
						(int) n_metadata, XMC_SAFETENSORS_MAX_ENTRIES);
	*data_bytes = 0;
	for (int32_t t = 0; t < n_tensors; t++)
	{
		int64_t		values;

		XMC_TRY(check_strings(ctx, "tensor name", tensor[t].name));
		xmc_printable(tensor[t].name, strlen(tensor[t].name), shown);
		if (strcmp(tensor[t].name, METADATA_KEY) == 0)
			return xmc_fail(ctx, XMC_BAD_INPUT, "safetensors: a tensor cannot be named \"%s\"", shown);
		for (int32_t k = 0; k < t; k++)
			if (strcmp(tensor[k].name, tensor[t].name) == 0)
				return xmc_fail(ctx, XMC_BAD_INPUT, "safetensors: two tensors are named \"%s\"", shown);
		if (tensor[t].n_dimensions < 0 || tensor[t].n_dimensions > XMC_TENSOR_MAX_DIMENSIONS)
			return xmc_fail(ctx, XMC_BAD_INPUT, "tensor \"%s\" has %d dimensions, but at most %d are supported", shown,
							(int) tensor[t].n_dimensions, XMC_TENSOR_MAX_DIMENSIONS);
		if (!shape_values(tensor[t].n_dimensions, tensor[t].shape, &values) || values != tensor[t].n_values)
			return xmc_fail(ctx, XMC_BAD_INPUT, "tensor \"%s\": its shape does not match its %lld values", shown,
							(long long) tensor[t].n_values);
		if (!((allowed[XMC_TENSORS_OF_MODEL] | allowed[XMC_TENSORS_OF_ENCODER]) & XMC_DTYPE_SET(tensor[t].dtype)))
			return xmc_fail(ctx, XMC_BAD_INPUT, "tensor \"%s\": dtype \"%s\" cannot be written", shown,
							xmc_dtype_name(tensor[t].dtype));
		if (*data_bytes % xmc_dtype_bytes(tensor[t].dtype) != 0)
			return xmc_fail(ctx, XMC_BAD_INPUT, "tensor \"%s\" would begin at byte %lld of the data, which is not aligned",
							shown, (long long) *data_bytes);
		if (__builtin_add_overflow(*data_bytes, values * xmc_dtype_bytes(tensor[t].dtype), data_bytes) ||
			*data_bytes > INT64_C(1) << 53)	/* the largest number that json.c reads */
			return xmc_fail(ctx, XMC_BAD_INPUT, "tensor \"%s\": the data are too large", shown);
		for (int32_t k = 0; k < tensor[t].n_dimensions; k++)
			if (tensor[t].shape[k] > INT64_C(1) << 53)
				return xmc_fail(ctx, XMC_BAD_INPUT, "tensor \"%s\": its shape is too large", shown);
	}
	for (int32_t m = 0; m < n_metadata; m++)
	{
		XMC_TRY(check_strings(ctx, "metadata key", metadata[m].key));
		XMC_TRY(check_strings(ctx, "metadata value", metadata[m].value));
		for (int32_t k = 0; k < m; k++)
			if (strcmp(metadata[k].key, metadata[m].key) == 0)
				return xmc_fail(ctx, XMC_BAD_INPUT, "safetensors: metadata key \"%s\" occurs twice",
								xmc_printable(metadata[m].key, strlen(metadata[m].key), shown));
	}
	return XMC_OK;
}

xmc_status
xmc_safetensors_write(xmc_ctx *ctx, int32_t n_tensors, const xmc_tensor_view *tensor, int32_t n_metadata,
					  const xmc_metadata *metadata, void *file, size_t *size)
{
	int64_t		data_bytes = 0;
	sink		header = {0};
	uint64_t	length;
	size_t		needed;
	char	   *place;

	XMC_TRY(check_entries(ctx, n_tensors, tensor, n_metadata, metadata, &data_bytes));
	put_header(&header, n_tensors, tensor, n_metadata, metadata);
	if (header.used > XMC_SAFETENSORS_MAX_HEADER)
		return xmc_fail(ctx, XMC_BAD_INPUT, "safetensors: header of %zu bytes exceeds the limit of %d", header.used,
						XMC_SAFETENSORS_MAX_HEADER);
	needed = LENGTH_BYTES + header.used + (size_t) data_bytes;
	if (!file)
	{
		*size = needed;
		return XMC_OK;
	}
	if (*size < needed)
		return xmc_fail(ctx, XMC_BAD_INPUT, "safetensors: buffer has %zu bytes, but %zu are needed", *size, needed);
	*size = needed;

	length = header.used;
	memcpy(file, &length, LENGTH_BYTES);
	header = (sink){.out = (char *) file + LENGTH_BYTES};
	put_header(&header, n_tensors, tensor, n_metadata, metadata);
	place = header.out + header.used;
	for (int32_t t = 0; t < n_tensors; t++)
		for (int64_t begin = 0; begin < tensor[t].n_values; begin += STEP_VALUES)
		{
			size_t		value_bytes = (size_t) xmc_dtype_bytes(tensor[t].dtype);
			int64_t		left = tensor[t].n_values - begin;
			size_t		bytes = (size_t) (left < STEP_VALUES ? left : STEP_VALUES) * value_bytes;

			XMC_TRY(xmc_check_stop(ctx));
			if (tensor[t].data)
				memcpy(place, (const unsigned char *) tensor[t].data + (size_t) begin * value_bytes, bytes);
			place += bytes;
		}
	return XMC_OK;
}
