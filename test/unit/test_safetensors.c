/* test_safetensors.c - reading and writing the file format of models, and refusing damaged files */
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <math.h>

#include "counting.h"
#include "model/safetensors.h"

/* A file from a header's text and `data_size` bytes of data (the floats 0, 1, 2, ...); the header gets no padding. */
static unsigned char *
make_file(const char *header, size_t data_size, size_t *size)
{
	uint64_t	length = strlen(header);
	unsigned char *file;

	*size = 8 + length + data_size;
	file = malloc(*size);
	memcpy(file, &length, 8);
	memcpy(file + 8, header, length);
	for (size_t k = 0; k < data_size; k += 4)
	{
		float		value = (float) (k / 4);

		memcpy(file + 8 + length + k, &value, data_size - k < 4 ? data_size - k : 4);
	}
	return file;
}

/* The same header, padded with spaces to a multiple of 4. */
static unsigned char *
make_padded(const char *header, size_t data_size, size_t *size)
{
	char	   *padded = malloc(strlen(header) + 4);
	unsigned char *file;

	strcpy(padded, header);
	while (strlen(padded) % 4)
		strcat(padded, " ");
	file = make_file(padded, data_size, size);
	free(padded);
	return file;
}

/* Parses and expects a message with this text ("" for success). Checks that nothing leaks. */
static void
expect_file(const void *file, size_t size, const char *expected)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_safetensors st;
	xmc_status	status = xmc_safetensors_parse(&ctx, file, size, XMC_TENSORS_OF_MODEL, &st);

	if (*expected == '\0' && status != XMC_OK)
		fail_msg("refused: %s", ctx.message);
	if (*expected && status != XMC_BAD_MODEL)
		fail_msg("status %d, expected: %s", (int) status, expected);
	if (*expected && !strstr(ctx.message, expected))
		fail_msg("message is \"%s\", not \"%s\"", ctx.message, expected);
	if (status == XMC_OK)
		xmc_safetensors_free(&ctx, &st);
	assert_null(st.memory);
	assert_int_equal(counts.live, 0);
}

static void
expect_header(const char *header, size_t data_size, const char *expected)
{
	size_t		size;
	unsigned char *file = make_padded(header, data_size, &size);

	expect_file(file, size, expected);
	free(file);
}

/* ---- valid files ---- */

static const float values[6] = {0.5f, -1, 2, 3.25f, -0.0f, 1e-40f};	/* with a negative zero and a denormal */

/* Two tensors not in the order of their names, an empty one, a scalar; names and values that need escaping. */
static const xmc_tensor_view tensors[4] = {
	{.name = "z.weight",.n_dimensions = 2,.shape = {2, 3},.n_values = 6,.data = values},
	{.name = "a \"quoted\"\n\\name/\xc3\xa9\xf0\x9f\x98\x80",.n_dimensions = 1,.shape = {3},.n_values = 3,.data = values + 1},
	{.name = "empty",.n_dimensions = 3,.shape = {4, 0, 2},.n_values = 0},
	{.name = "scalar",.n_dimensions = 0,.n_values = 1,.data = values + 5},
};
static const xmc_metadata metadata[3] = {{"format", "pt"}, {"", ""}, {"key\t\"", "value \x01\x7f\xe2\x82\xac"}};

static unsigned char *
write_sample(xmc_ctx *ctx, size_t *size)
{
	unsigned char *file;

	assert_int_equal(xmc_safetensors_write(ctx, 4, tensors, 3, metadata, NULL, size), XMC_OK);
	file = malloc(*size);
	assert_int_equal(xmc_safetensors_write(ctx, 4, tensors, 3, metadata, file, size), XMC_OK);
	return file;
}

static void
test_round_trip(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	size_t		size;
	unsigned char *file = write_sample(&ctx, &size);
	uint64_t	length;
	xmc_safetensors st;

	(void) state;
	memcpy(&length, file, 8);
	assert_int_equal((8 + length) % 64, 0);
	assert_int_equal(size, 8 + length + 4 * (6 + 3 + 0 + 1));
	assert_int_equal(xmc_safetensors_parse(&ctx, file, size, XMC_TENSORS_OF_MODEL, &st), XMC_OK);
	assert_int_equal(st.n_tensors, 4);
	assert_int_equal(st.n_metadata, 3);
	for (int32_t k = 1; k < st.n_tensors; k++)
		assert_true(strcmp(st.tensor[k - 1].name, st.tensor[k].name) < 0);
	for (int32_t k = 0; k < 4; k++)
	{
		const xmc_tensor_view *got = xmc_safetensors_tensor(&st, tensors[k].name);

		assert_non_null(got);
		assert_string_equal(got->name, tensors[k].name);
		assert_int_equal(got->n_dimensions, tensors[k].n_dimensions);
		assert_memory_equal(got->shape, tensors[k].shape, sizeof got->shape);
		assert_int_equal(got->n_values, tensors[k].n_values);
		if (got->n_values)
			assert_memory_equal(got->data, tensors[k].data, (size_t) got->n_values * sizeof(float));
		assert_true((const unsigned char *) got->data >= file + 8 + length && (const unsigned char *) got->data <= file + size);
	}
	for (int32_t k = 0; k < 3; k++)
		assert_string_equal(xmc_safetensors_metadata(&st, metadata[k].key), metadata[k].value);
	assert_null(xmc_safetensors_tensor(&st, "z"));
	assert_null(xmc_safetensors_tensor(&st, "zz"));
	assert_null(xmc_safetensors_metadata(&st, "none"));
	assert_int_equal(xmc_safetensors_check_finite(&ctx, &st), XMC_OK);
	xmc_safetensors_free(&ctx, &st);
	assert_int_equal(counts.live, 0);
	free(file);
}

/* The exact bytes: old versions must stay readable, and equal models must have equal hashes. */
static void
test_bytes(void **state)
{
	const char *header = "{\"__metadata__\":{\"k\":\"v\"},\"w\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
		"\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}";
	const xmc_tensor_view two[2] = {
		{.name = "w",.n_dimensions = 2,.shape = {2, 1},.n_values = 2,.data = values},
		{.name = "b",.n_dimensions = 1,.shape = {1},.n_values = 1,.data = values + 3},
	};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	unsigned char expected[8 + 184 + 12];
	unsigned char file[sizeof expected];
	size_t		size = 0;
	uint64_t	length = 184;

	(void) state;
	memset(expected, ' ', sizeof expected);
	memcpy(expected, &length, 8);
	memcpy(expected + 8, header, strlen(header));
	memcpy(expected + 8 + 184, values, 8);
	memcpy(expected + 8 + 184 + 8, values + 3, 4);
	assert_int_equal(xmc_safetensors_write(&ctx, 2, two, 1, &(xmc_metadata){"k", "v"}, NULL, &size), XMC_OK);
	assert_int_equal(size, sizeof expected);
	for (int fill = 0; fill < 256; fill += 255)
	{
		memset(file, fill, sizeof file);
		assert_int_equal(xmc_safetensors_write(&ctx, 2, two, 1, &(xmc_metadata){"k", "v"}, file, &size), XMC_OK);
		assert_memory_equal(file, expected, sizeof expected);
	}
}

static void
test_empty(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	_Alignas(64) unsigned char file[64];
	size_t		size = sizeof file;
	xmc_safetensors st;

	(void) state;
	expect_header("{}", 0, "");
	expect_header("{\"__metadata__\":{}}", 0, "");
	assert_int_equal(xmc_safetensors_write(&ctx, 0, NULL, 0, NULL, file, &size), XMC_OK);
	assert_int_equal(size, 64);
	assert_int_equal(xmc_safetensors_parse(&ctx, file, size, XMC_TENSORS_OF_MODEL, &st), XMC_OK);
	assert_null(xmc_safetensors_tensor(&st, ""));
	assert_null(xmc_safetensors_metadata(&st, ""));
	assert_int_equal(xmc_safetensors_check_finite(&ctx, &st), XMC_OK);
	xmc_safetensors_free(&ctx, &st);
}

/* Files as other programs write them: other spacing, other order of keys, tensors not listed in the order of their data. */
static void
test_foreign_but_right(void **state)
{
	(void) state;
	expect_header("{ \"b\" : {\"data_offsets\":[4,12],\"shape\":[2],\"dtype\":\"F32\"},\n\t\"a\":{\"shape\":[],"
				  "\"data_offsets\":[0,4],\"dtype\":\"F32\"}, \"__metadata__\":{}}    ", 12, "");
	/* empty tensors at the beginning, in between, at the end */
	expect_header("{\"e1\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
				  "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
				  "\"e2\":{\"dtype\":\"F32\",\"shape\":[2,0],\"data_offsets\":[4,4]},"
				  "\"b\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1],\"data_offsets\":[4,8]},"
				  "\"e3\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[8,8]}}", 8, "");
}

/* ---- invalid files ---- */

static void
test_length(void **state)
{
	static const uint64_t wrong[] = {0, 1, 3, 5, 1048577, (uint64_t) 1 << 32, INT64_MAX, (uint64_t) 1 << 63,
	UINT64_MAX - 8, UINT64_MAX - 7, UINT64_MAX};
	size_t		size;
	unsigned char *file = make_padded("{}", 0, &size);

	(void) state;
	for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++)
	{
		memcpy(file, &wrong[k], 8);
		expect_file(file, size, "safetensors");
	}
	for (uint64_t length = 5; length < 20; length++)
	{
		memcpy(file, &length, 8);
		expect_file(file, size, "but only 4 follow");
	}
	memcpy(file, &(uint64_t){4}, 8);
	expect_file(file, SIZE_MAX, "too large");	/* refused before any of the data are read */
	free(file);
	file = make_file("   {}   ", 0, &size);
	expect_file(file, size, "does not begin with '{'");
	free(file);
	file = make_file("[]  ", 0, &size);
	expect_file(file, size, "does not begin with '{'");
	free(file);
	file = exact_copy("", 0);
	expect_file(file, 0, "too few");
	free(file);
	file = make_file("", 0, &size);	/* only the length: the header has no first byte */
	expect_file(file, size, "does not begin with '{'");
	free(file);
}

static void
test_header(void **state)
{
#define W "\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"
	(void) state;
	expect_header("{" W "}", 4, "");
	expect_header("{" W "}\n", 4, "may follow");
	expect_header("{" W "}x", 4, "may follow");
	expect_header("{" W "," W "}", 4, "\"w\" occurs twice");
	expect_header("{" W ",\"\\u0077\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 4, "occurs twice");
	expect_header("{\"__metadata__\":{},\"__metadata__\":{}," W "}", 4, "occurs twice");
	expect_header("{\"__metadata__\":{\"a\":\"1\",\"a\":\"1\"}," W "}", 4, "occurs twice");
	expect_header("{\"__metadata__\":{\"a\":1}," W "}", 4, "expected a string");
	expect_header("{\"__metadata__\":{\"a\":{}}," W "}", 4, "expected a string");
	expect_header("{\"__metadata__\":[]," W "}", 4, "expected an object");
	expect_header("{\"__metadata__\":\"x\"," W "}", 4, "expected an object");
	expect_header("{\"__metadata__\":{\"a\\u0000b\":\"x\"}," W "}", 4, "zero byte");
	expect_header("{\"__metadata__\":{\"a\":\"x\\u0000y\"}," W "}", 4, "zero byte");
	expect_header("{\"w\\u0000\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "zero byte");
	expect_header("{\"w\":[]}", 0, "expected an object");
	expect_header("{\"w\":{}}", 0, "\"w\" has no dtype");
	expect_header("{\"w\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "\"w\" has no shape");
	expect_header("{\"w\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "\"w\" has no data_offsets");
	expect_header("{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "occurs twice");
	expect_header("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4, "unrecognized key \"x\"");
	expect_header("{\"w\":{\"dtype\":\"F32\\u0000\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype");
	expect_header("{\"w\":{\"dtype\":\"F32\",\"shape\":{},\"data_offsets\":[0,4]}}", 4, "expected an array");
	expect_header("{\"w\":{\"dtype\":\"F32\",\"shape\":[\"1\"],\"data_offsets\":[0,4]}}", 4, "shape must hold whole numbers");
	expect_header("{\"w\":{\"dtype\":\"F32\",\"shape\":[[1]],\"data_offsets\":[0,4]}}", 4, "shape must hold whole numbers");
	expect_header("{\"w\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "expected");
	expect_header("{\"w\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, "whole number");
	expect_header("{\"w\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "more than 4 numbers");
	expect_header("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "must be two numbers");
	expect_header("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[]}}", 4, "must be two numbers");
	expect_header("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4, "more than 2 numbers");
	expect_header("{\"w\xff\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "invalid UTF-8");
	expect_header("{\"w\":{\"dtype\":\"F32\",\"shape\":[[[[[[[[[[[]]]]]]]]]]],\"data_offsets\":[0,4]}}", 4, "must hold");
#undef W
}

static void
test_dtype(void **state)
{
	static const char *const dtypes[] = {"F64", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "F8_E4M3", "f32", "F3",
	"F32 ", ""};
	char		header[256];

	(void) state;
	for (size_t k = 0; k < sizeof dtypes / sizeof dtypes[0]; k++)
	{
		snprintf(header, sizeof header, "{\"w\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[0,4]}}", dtypes[k]);
		expect_header(header, 4, "tensor \"w\" has dtype");
	}
}

/* What a file may hold depends on its use; published tensors need no alignment. */
static void
test_uses(void **state)
{
	static const struct
	{
		const char *dtype;
		int			bytes;
		bool		own;		/* allowed in xmcoh's file of an encoder */
	}			types[] = {{"F32", 4, true}, {"F16", 2, false}, {"BF16", 2, false}, {"I64", 8, false}, {"I32", 4, true},
	{"U8", 1, true}};
	xmc_ctx		ctx = xmc_ctx_malloc();
	char		header[256];
	size_t		size;
	unsigned char *file;
	xmc_safetensors st;

	(void) state;
	for (size_t k = 0; k < sizeof types / sizeof types[0]; k++)
	{
		snprintf(header, sizeof header, "{\"w\":{\"dtype\":\"%s\",\"shape\":[3,1],\"data_offsets\":[0,%d]}}", types[k].dtype,
				 3 * types[k].bytes);
		file = make_padded(header, 3 * (size_t) types[k].bytes, &size);
		assert_int_equal(xmc_safetensors_parse(&ctx, file, size, XMC_TENSORS_PUBLISHED, &st), XMC_OK);
		assert_int_equal(st.tensor[0].dtype, k);
		assert_string_equal(xmc_dtype_name(st.tensor[0].dtype), types[k].dtype);
		assert_int_equal(xmc_dtype_bytes(st.tensor[0].dtype), types[k].bytes);
		xmc_safetensors_free(&ctx, &st);
		assert_int_equal(xmc_safetensors_parse(&ctx, file, size, XMC_TENSORS_OF_ENCODER, &st),
						 types[k].own ? XMC_OK : XMC_BAD_MODEL);
		if (!types[k].own)
			assert_non_null(strstr(ctx.message, "only \"F32\", \"I32\", \"U8\" are supported"));
		xmc_safetensors_free(&ctx, &st);
		free(file);
	}

	/* U8 before F32: the second tensor is not aligned. */
	file = make_padded("{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
					   "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[3,7]}}", 7, &size);
	assert_int_equal(xmc_safetensors_parse(&ctx, file, size, XMC_TENSORS_PUBLISHED, &st), XMC_OK);
	xmc_safetensors_free(&ctx, &st);
	assert_int_equal(xmc_safetensors_parse(&ctx, file, size, XMC_TENSORS_OF_ENCODER, &st), XMC_BAD_MODEL);
	assert_non_null(strstr(ctx.message, "begins at byte 3 of the data, not at a multiple of 4"));
	free(file);
	file = make_file("{} ", 0, &size);
	assert_int_equal(xmc_safetensors_parse(&ctx, file, 11, XMC_TENSORS_OF_ENCODER, &st), XMC_BAD_MODEL);
	assert_int_equal(xmc_safetensors_parse(&ctx, file, 11, XMC_TENSORS_PUBLISHED, &st), XMC_OK);
	xmc_safetensors_free(&ctx, &st);
	free(file);
}

/* A model of F32 reads halves only after conversion: all 65536 values of F16 and BF16, against ldexp. */
static void
test_to_float(void **state)
{
	(void) state;
	for (uint32_t k = 0; k < 65536; k++)
	{
		unsigned char bytes[5] = {0, (unsigned char) k, (unsigned char) (k >> 8)};	/* not aligned */
		int			exponent = (int) (k >> 10 & 31);
		int			fraction = (int) (k & 1023);
		double		magnitude = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
		float		half;
		float		brain;
		uint32_t	bits;

		xmc_dtype_to_float(XMC_F16, 1, bytes + 1, &half);
		xmc_dtype_to_float(XMC_BF16, 1, bytes + 1, &brain);
		if (exponent == 31)
			assert_true(fraction ? isnan(half) : isinf(half));
		else
			assert_true(half == (k & 0x8000 ? -magnitude : magnitude));
		assert_int_equal(signbit(half) != 0, k >> 15);
		memcpy(&bits, &brain, sizeof bits);
		assert_int_equal(bits, k << 16);
	}
	xmc_dtype_to_float(XMC_F16, 0, NULL, NULL);
}

/* The half that a value is rounded to, which xmc_add_rounded adds. */
static uint16_t
rounded(float value)
{
	uint16_t	half;
	float		expected;
	float		sum = 0;

	xmc_dtype_to_half(1, &value, &half);
	xmc_dtype_to_float(XMC_F16, 1, &half, &expected);
	xmc_add_rounded(1, &sum, &value, &sum);
	assert_true(sum == expected || (isnan(sum) && isnan(expected)));
	return half;
}

/* Every half is itself; what lies between two is rounded to the nearer one, in the middle to the even one; too much is infinite. */
static void
test_to_half(void **state)
{
	(void) state;
	for (int sign = 0; sign < 2; sign++)
		for (uint32_t k = 0; k < 0x7c00; k++)
		{
			uint16_t	half[2] = {(uint16_t) (k | (uint32_t) sign << 15), (uint16_t) ((k + 1) | (uint32_t) sign << 15)};
			float		value[2];
			float		middle;

			xmc_dtype_to_float(XMC_F16, 2, half, value);
			assert_int_equal(rounded(value[0]), half[0]);
			if (k == 0x7bff)	/* the next one would be 65536 */
				value[1] = sign ? -65536 : 65536;
			middle = value[0] / 2 + value[1] / 2;
			assert_int_equal(rounded(nextafterf(middle, value[0])), half[0]);
			assert_int_equal(rounded(nextafterf(middle, value[1])), half[1]);
			assert_int_equal(rounded(middle), k % 2 ? half[1] : half[0]);
		}
	assert_int_equal(rounded(INFINITY), 0x7c00);
	assert_int_equal(rounded(-FLT_MAX), 0xfc00);
	assert_true((rounded(NAN) & 0x7fff) > 0x7c00);
}

/* I32 and U8 are written and read back; narrow tensors come last. */
static void
test_write_types(void **state)
{
	const int32_t numbers[3] = {-1, 0, INT32_MAX};
	const uint8_t bytes[5] = {1, 2, 3, 254, 255};
	xmc_tensor_view three[3] = {
		{.name = "f",.n_dimensions = 1,.shape = {2},.n_values = 2,.data = values},
		{.name = "i",.n_dimensions = 1,.shape = {3},.n_values = 3,.dtype = XMC_I32,.data = numbers},
		{.name = "u",.n_dimensions = 1,.shape = {5},.n_values = 5,.dtype = XMC_U8,.data = bytes},
	};
	xmc_ctx		ctx = xmc_ctx_malloc();
	_Alignas(64) unsigned char file[512];
	size_t		size = sizeof file;
	xmc_safetensors st;

	(void) state;
	assert_int_equal(xmc_safetensors_write(&ctx, 3, three, 0, NULL, file, &size), XMC_OK);
	assert_int_equal(xmc_safetensors_parse(&ctx, file, size, XMC_TENSORS_OF_MODEL, &st), XMC_BAD_MODEL);
	assert_int_equal(xmc_safetensors_parse(&ctx, file, size, XMC_TENSORS_OF_ENCODER, &st), XMC_OK);
	assert_memory_equal(xmc_safetensors_tensor(&st, "f")->data, values, 8);
	assert_memory_equal(xmc_safetensors_tensor(&st, "i")->data, numbers, 12);
	assert_memory_equal(xmc_safetensors_tensor(&st, "u")->data, bytes, 5);
	assert_int_equal(xmc_safetensors_check_finite(&ctx, &st), XMC_OK);	/* bytes that would be NaN as floats */
	xmc_safetensors_free(&ctx, &st);
	three[0].dtype = XMC_U8;
	three[0].data = bytes;
	assert_int_equal(xmc_safetensors_write(&ctx, 3, three, 0, NULL, NULL, &size), XMC_BAD_INPUT);
	assert_non_null(strstr(ctx.message, "\"i\" would begin at byte 2 of the data, which is not aligned"));
	three[0].dtype = XMC_BF16;
	assert_int_equal(xmc_safetensors_write(&ctx, 3, three, 0, NULL, NULL, &size), XMC_BAD_INPUT);
	assert_non_null(strstr(ctx.message, "dtype \"BF16\" cannot be written"));
}

static void
test_offsets(void **state)
{
#define T(name, shape, begin, end) "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"
	(void) state;
	expect_header("{" T("a", "[2]", 0, 8) "," T("b", "[1]", 8, 12) "}", 12, "");
	expect_header("{" T("a", "[2]", 0, 8) "," T("b", "[1]", 4, 8) "}", 8, "\"b\" overlaps");
	expect_header("{" T("a", "[2]", 0, 8) "," T("b", "[2]", 4, 12) "}", 12, "overlaps");
	expect_header("{" T("a", "[2]", 0, 8) "," T("b", "[2]", 0, 8) "}", 8, "overlaps");
	expect_header("{" T("a", "[2]", 0, 8) "," T("e", "[0]", 4, 4) "}", 8, "overlaps");
	expect_header("{" T("a", "[1]", 0, 4) "," T("b", "[1]", 8, 12) "}", 12, "gap");
	expect_header("{" T("b", "[1]", 4, 8) "}", 8, "gap");
	expect_header("{" T("a", "[1]", 0, 4) "}", 8, "belong to no tensor");
	expect_header("{" T("a", "[1]", 0, 4) "}", 5, "belong to no tensor");
	expect_header("{}", 4, "belong to no tensor");
	expect_header("{" T("e", "[0]", 0, 0) "}", 4, "belong to no tensor");
	expect_header("{" T("a", "[2]", 0, 8) "}", 4, "outside the data");
	expect_header("{" T("a", "[0]", 8, 8) "}", 4, "outside the data");
	expect_header("{" T("a", "[1]", 4, 0) "}", 4, "outside the data");
	expect_header("{" T("a", "[1]", 0, 9007199254740992) "}", 4, "outside the data");
	expect_header("{" T("a", "[1]", 9007199254740988, 9007199254740992) "}", 4, "outside the data");
	expect_header("{" T("a", "[1]", 1, 5) "}", 8, "not at a multiple of 4");
	expect_header("{" T("a", "[1]", 0, 8) "}", 8, "needs 4 bytes");
	expect_header("{" T("a", "[3]", 0, 8) "}", 8, "needs 12 bytes");
	expect_header("{" T("a", "[1]", 0, 3) "}", 3, "needs 4 bytes");
	expect_header("{" T("a", "[]", 0, 0) "}", 0, "needs 4 bytes");
	/* products that overflow: to 0 in 64 bits, in the bytes only, and with a 0 behind */
	expect_header("{" T("a", "[4294967296,4294967296]", 0, 0) "}", 0, "too large");
	expect_header("{" T("a", "[9007199254740992,1024,2]", 0, 0) "}", 0, "too large");
	expect_header("{" T("a", "[4503599627370496,1024]", 0, 0) "}", 0, "too large");
	expect_header("{" T("a", "[9007199254740992,9007199254740992,0]", 0, 0) "}", 0, "too large");
	expect_header("{" T("a", "[2305843009213693952]", 0, 0) "}", 0, "exceeds 2^53");
#undef T
}

/* Data are read in place, so they must be aligned in memory, even if the file itself is not. */
static void
test_alignment(void **state)
{
	const char *header = "{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
	size_t		size;
	unsigned char *file;
	char		padded[128];

	(void) state;
	for (int spaces = 0; spaces < 8; spaces++)
	{
		snprintf(padded, sizeof padded, "%s%*s", header, spaces, "");
		file = make_file(padded, 4, &size);
		expect_file(file, size, strlen(padded) % 4 ? "4-byte boundary" : "");
		for (int shift = 1; shift < 8; shift++)
		{
			unsigned char *moved = malloc(size + (size_t) shift);

			memcpy(moved + shift, file, size);
			expect_file(moved + shift, size, (strlen(padded) + (size_t) shift) % 4 ? "4-byte boundary" : "");
			free(moved);
		}
		free(file);
	}
}

static void
test_limits(void **state)
{
	size_t		room = (size_t) 1 << 20;
	char	   *header = malloc(room + 1);

	(void) state;
	for (int n = 1000; n <= 1001; n++)
	{
		size_t		used = (size_t) sprintf(header, "{");

		for (int k = 0; k < n; k++)
			used += (size_t) sprintf(header + used, "%s\"%d\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
									 k ? "," : "", k, 4 * k, 4 * k + 4);
		strcpy(header + used, "}");
		expect_header(header, 4 * (size_t) n, n == 1000 ? "" : "more than 1000 tensors");
		used = (size_t) sprintf(header, "{\"__metadata__\":{");
		for (int k = 0; k < n; k++)
			used += (size_t) sprintf(header + used, "%s\"%d\":\"\"", k ? "," : "", k);
		strcpy(header + used, "}}");
		expect_header(header, 0, n == 1000 ? "" : "more than 1000 metadata keys");
	}
	memset(header, ' ', room);	/* the largest header, nearly all of it padding */
	header[0] = '{';
	header[1] = '}';
	header[room] = '\0';
	expect_header(header, 0, "");
	free(header);
}

/* Cut at every length: a prefix of a file is no file. */
static void
test_truncated(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	size_t		size;
	unsigned char *file = write_sample(&ctx, &size);

	(void) state;
	for (size_t length = 0; length < size; length++)
	{
		unsigned char *cut = exact_copy(file, length);

		expect_file(cut, length, " ");
		free(cut);
	}
	free(file);
}

/*
 * Every byte before the data is set to every other value. There is no crash and no leak. If the file is still accepted, the
 * tensors still cover the data exactly and can all be read.
 */
static void
test_flipped(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	size_t		size;
	unsigned char *file = write_sample(&ctx, &size);
	uint64_t	length;
	long		taken = 0;
	long		refused = 0;

	(void) state;
	memcpy(&length, file, 8);
	for (size_t at = 0; at < 8 + length; at++)
	{
		unsigned char original = file[at];

		for (int change = 1; change < 256; change++)
		{
			xmc_safetensors st;
			int64_t		covered = 0;

			file[at] = original ^ (unsigned char) change;
			if (xmc_safetensors_parse(&ctx, file, size, XMC_TENSORS_OF_MODEL, &st) != XMC_OK)
			{
				assert_int_not_equal(ctx.message[0], 0);
				refused++;
				continue;
			}
			taken++;
			for (int32_t t = 0; t < st.n_tensors; t++)
				covered += st.tensor[t].n_values * 4;
			assert_int_equal(covered, size - 8 - length);
			xmc_safetensors_check_finite(&ctx, &st);
			xmc_safetensors_free(&ctx, &st);
		}
		file[at] = original;
	}
	assert_int_equal(counts.live, 0);
	assert_true(refused > taken);
	assert_true(taken > 0);		/* another name is as good a name */
	free(file);
}

static void
test_not_finite(void **state)
{
	static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
	int64_t		n = ((int64_t) 1 << 20) + 3;	/* more than one step of the check */
	const int64_t places[] = {0, 1, ((int64_t) 1 << 20) - 1, (int64_t) 1 << 20, n - 1};
	float	   *big = calloc((size_t) n, sizeof(float));
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_tensor_view two[2] = {
		{.name = "fine",.n_dimensions = 1,.shape = {6},.n_values = 6,.data = values},
		{.name = "layer.\xc3\xa9",.n_dimensions = 1,.shape = {n},.n_values = n,.data = big},
	};
	xmc_safetensors st = {.n_tensors = 2,.tensor = two};

	(void) state;
	assert_int_equal(xmc_safetensors_check_finite(&ctx, &st), XMC_OK);
	assert_int_equal(counts.questions, 3);
	for (size_t p = 0; p < sizeof places / sizeof places[0]; p++)
		for (size_t b = 0; b < sizeof bad / sizeof bad[0]; b++)
		{
			char		expected[64];

			big[places[p]] = bad[b];
			snprintf(expected, sizeof expected, "tensor \"layer.?\": value %lld is %s", (long long) places[p],
					 isnan(bad[b]) ? "not a number" : "infinite");
			assert_int_equal(xmc_safetensors_check_finite(&ctx, &st), XMC_BAD_MODEL);
			assert_string_equal(ctx.message, expected);
			big[places[p]] = 3.4028235e38f;
		}
	assert_int_equal(xmc_safetensors_check_finite(&ctx, &st), XMC_OK);
	counts = (counting){.stop_at = 2};
	assert_int_equal(xmc_safetensors_check_finite(&ctx, &st), XMC_STOPPED);
	counts = (counting){0};
	st.n_tensors = 1;
	/* each place in each length, for a check that looks at several at once */
	for (int64_t length = 0; length < 40; length++)
		for (int64_t place = 0; place < 40; place++)
		{
			two[0] = (xmc_tensor_view){.name = "short",.n_dimensions = 1,.shape = {length},.n_values = length,.data = big};
			big[place] = place % 2 ? NAN : -INFINITY;
			assert_int_equal(xmc_safetensors_check_finite(&ctx, &st), place < length ? XMC_BAD_MODEL : XMC_OK);
			big[place] = place % 2 ? -3.4028235e38f : 3.4028235e38f;
		}
	free(big);
}

static void
test_write_refuses(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	size_t		size = 0;
	xmc_tensor_view two[2] = {tensors[0], tensors[1]};
	const xmc_metadata twice[2] = {{"k", "1"}, {"k", "2"}};
	unsigned char *file;

#define REFUSED(n, t, m, md, expected) do { \
		assert_int_equal(xmc_safetensors_write(&ctx, (n), (t), (m), (md), NULL, &size), XMC_BAD_INPUT); \
		assert_non_null(strstr(ctx.message, (expected))); } while (0)
	(void) state;
	REFUSED(0, NULL, 2, twice, "occurs twice");
	REFUSED(0, NULL, 1, (&(xmc_metadata){"\xff", ""}), "not valid UTF-8");
	REFUSED(0, NULL, 1, (&(xmc_metadata){"", "\xc0\x80"}), "not valid UTF-8");
	two[1].name = two[0].name;
	REFUSED(2, two, 0, NULL, "two tensors are named \"z.weight\"");
	two[1].name = "__metadata__";
	REFUSED(2, two, 0, NULL, "cannot be named");
	two[1].name = "\xed\xa0\x80";
	REFUSED(2, two, 0, NULL, "not valid UTF-8");
	two[1] = tensors[1];
	two[1].n_values = 2;
	REFUSED(2, two, 0, NULL, "does not match its 2 values");
	two[1].shape[0] = -3;
	two[1].n_values = -3;
	REFUSED(2, two, 0, NULL, "does not match");
	two[1].n_dimensions = 5;
	REFUSED(2, two, 0, NULL, "5 dimensions");
	two[1] = (xmc_tensor_view){.name = "huge",.n_dimensions = 2,.shape = {INT64_C(1) << 40, INT64_C(1) << 40}};
	REFUSED(2, two, 0, NULL, "does not match");
	two[1] = (xmc_tensor_view){.name = "huge",.n_dimensions = 1,.shape = {INT64_C(1) << 52},.n_values = INT64_C(1) << 52};
	REFUSED(2, two, 0, NULL, "too large");
	two[1] = (xmc_tensor_view){.name = "huge",.n_dimensions = 2,.shape = {INT64_C(1) << 54, 0}};
	REFUSED(2, two, 0, NULL, "too large");
	REFUSED(1001, two, 0, NULL, "from 0 to 1000");
	REFUSED(-1, two, 0, NULL, "from 0 to 1000");
	REFUSED(0, NULL, 1001, twice, "from 0 to 1000");
#undef REFUSED

	file = malloc((size_t) 2 << 20);	/* a metadata value that makes the header too long */
	memset(file, 'x', ((size_t) 2 << 20) - 1);
	file[((size_t) 2 << 20) - 1] = '\0';
	assert_int_equal(xmc_safetensors_write(&ctx, 0, NULL, 1, &(xmc_metadata){"k", (char *) file}, NULL, &size),
					 XMC_BAD_INPUT);
	assert_non_null(strstr(ctx.message, "exceeds the limit"));
	free(file);

	assert_int_equal(xmc_safetensors_write(&ctx, 4, tensors, 3, metadata, NULL, &size), XMC_OK);
	size--;
	file = malloc(size);
	assert_int_equal(xmc_safetensors_write(&ctx, 4, tensors, 3, metadata, file, &size), XMC_BAD_INPUT);
	assert_non_null(strstr(ctx.message, "are needed"));
	free(file);
}

static void
test_no_memory(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_safetensors st;
	size_t		size;
	unsigned char *file = write_sample(&ctx, &size);
	long		needed;

	(void) state;
	counts = (counting){0};
	assert_int_equal(xmc_safetensors_parse(&ctx, file, size, XMC_TENSORS_OF_MODEL, &st), XMC_OK);
	xmc_safetensors_free(&ctx, &st);
	needed = counts.calls;
	assert_true(needed >= 2);
	for (long k = 1; k <= needed; k++)
	{
		counts = (counting){.fail_at = k};
		assert_int_equal(xmc_safetensors_parse(&ctx, file, size, XMC_TENSORS_OF_MODEL, &st), XMC_NO_MEMORY);
		assert_int_equal(counts.live, 0);
	}
	free(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_foreign_but_right),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_dtype),
		cmocka_unit_test(test_uses),
		cmocka_unit_test(test_to_float),
		cmocka_unit_test(test_to_half),
		cmocka_unit_test(test_write_types),
		cmocka_unit_test(test_offsets),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_not_finite),
		cmocka_unit_test(test_write_refuses),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
