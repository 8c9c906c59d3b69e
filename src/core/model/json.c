/* json.c - a strict pull parser and a string writer; see json.h */
#include "model/json.h"

#include "base/sort.h"
#include "base/utf8.h"
#include "xmcoh/hash.h"

#include <math.h>
#include <string.h>

#define STOP_BYTES 65536		/* of a file, between two calls of the stop callback */

/* What the next token may be. */
enum
{
	EXPECT_VALUE,				/* at the start, after ':', after ',' in an array */
	EXPECT_VALUE_OR_END,		/* after '[' */
	EXPECT_KEY,					/* after ',' in an object */
	EXPECT_KEY_OR_END,			/* after '{' */
	EXPECT_COMMA_OR_END,		/* after a value inside something */
	EXPECT_NOTHING				/* after the outermost value */
};

void
xmc_json_open(xmc_json *json, xmc_ctx *ctx, const char *what, xmc_status bad, const void *text, size_t length, char *pool)
{
	*json = (xmc_json){.ctx = ctx, .what = what, .bad = bad, .text = text, .length = length, .pool = pool,
		.expect = EXPECT_VALUE};
}

void
xmc_json_open_file(xmc_json *json, xmc_ctx *ctx, const char *what, xmc_status bad, const void *text, size_t length,
				   char *pool)
{
	xmc_json_open(json, ctx, what, bad, text, length, pool);
	json->is_file = true;
	json->next_stop = STOP_BYTES;
}

void
xmc_json_close(xmc_json *json)
{
	xmc_release(json->ctx, json->key);
	json->key = NULL;
	json->n_keys = json->max_keys = 0;
}

static xmc_status
bad_json(xmc_json *json, size_t at, const char *problem)
{
	return xmc_fail(json->ctx, json->bad, "%s, byte %zu: %s", json->what, at, problem);
}

static inline xmc_status
maybe_stop(xmc_json *json)
{
	if (!json->is_file || json->at < json->next_stop)
		return XMC_OK;
	json->next_stop = json->at + STOP_BYTES;
	return xmc_check_stop(json->ctx);
}

/* ---- strings ---- */

/* Reads the four hexadecimal digits of \u at json->at. */
static xmc_status
read_hex4(xmc_json *json, uint32_t *out)
{
	uint32_t	value = 0;

	if (json->length - json->at < 4)
		return bad_json(json, json->at, "\\u without four hexadecimal digits");
	for (int k = 0; k < 4; k++)
	{
		unsigned char c = json->text[json->at];

		if (c >= '0' && c <= '9')
			value = value * 16 + (uint32_t) (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value * 16 + (uint32_t) ((c | 0x20) - 'a' + 10);
		else
			return bad_json(json, json->at, "\\u without four hexadecimal digits");
		json->at++;
	}
	*out = value;
	return XMC_OK;
}

/* Reads an escape whose "\u" has been read. A character above U+FFFF is written as two escapes, a surrogate pair. */
static xmc_status
read_unicode_escape(xmc_json *json, uint32_t *out)
{
	size_t		begin = json->at - 2;
	uint32_t	first;
	uint32_t	second;

	XMC_TRY(read_hex4(json, &first));
	if (first >= 0xdc00 && first <= 0xdfff)
		return bad_json(json, begin, "second half of a surrogate pair without the first");
	if (first >= 0xd800 && first <= 0xdbff)
	{
		if (json->length - json->at < 2 || json->text[json->at] != '\\' || json->text[json->at + 1] != 'u')
			return bad_json(json, begin, "first half of a surrogate pair without the second");
		json->at += 2;
		XMC_TRY(read_hex4(json, &second));
		if (second < 0xdc00 || second > 0xdfff)
			return bad_json(json, begin, "first half of a surrogate pair without the second");
		first = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
	}
	*out = first;
	return XMC_OK;
}

/*
 * Reads a string into the pool; json->at is at its opening quote. A character takes at most as many bytes in the pool as in
 * the text, and the terminator takes the place of a quote, so the pool cannot overflow.
 */
static xmc_status
read_string(xmc_json *json)
{
	static const char escape[] = "\"\\/bfnrt";
	static const char escaped[] = "\"\\/\b\f\n\r\t";
	char	   *begin = json->pool + json->pool_used;
	char	   *out = begin;
	const unsigned char *end = json->text + json->length;

	json->at++;
	for (;;)
	{
		unsigned char c;

		if (json->at >= json->length)
			return bad_json(json, json->token_at, "unterminated string");
		c = json->text[json->at];
		if (c == '"')
			break;
		if (c < 0x20)
			return bad_json(json, json->at, "control character in a string");
		if (c != '\\')
		{
			size_t		step = xmc_utf8_character(json->text + json->at, end);

			if (step == 0)
				return bad_json(json, json->at, "invalid UTF-8");
			memcpy(out, json->text + json->at, step);
			out += step;
			json->at += step;
			XMC_TRY(maybe_stop(json));
			continue;
		}
		json->at++;
		if (json->at >= json->length)
			return bad_json(json, json->token_at, "unterminated string");
		c = json->text[json->at++];
		if (c == 'u')
		{
			uint32_t	character = 0;

			XMC_TRY(read_unicode_escape(json, &character));
			out += xmc_utf8_put(out, character);
		}
		else
		{
			const char *found = c ? strchr(escape, c) : NULL;

			if (!found)
				return bad_json(json, json->at - 2, "invalid escape sequence");
			*out++ = escaped[found - escape];
		}
	}
	json->at++;
	*out = '\0';
	json->string = begin;
	json->string_length = (size_t) (out - begin);
	json->pool_used += json->string_length + 1;
	return XMC_OK;
}

/* Adds the key just read to the keys of its object. */
static xmc_status
add_key(xmc_json *json)
{
	if (json->n_keys - json->first_key[json->depth - 1] >= (json->is_file ? XMC_JSON_FILE_MEMBERS : XMC_JSON_MAX_MEMBERS))
		return bad_json(json, json->token_at, "too many members in one object");
	if (json->n_keys == json->max_keys)
	{
		int32_t		wanted = json->max_keys ? 2 * json->max_keys : 64;
		xmc_json_key *bigger = xmc_alloc(json->ctx, 2 * (size_t) wanted, sizeof(xmc_json_key));

		XMC_NEED(bigger, json->ctx);
		if (json->n_keys)
			memcpy(bigger, json->key, (size_t) json->n_keys * sizeof(xmc_json_key));
		xmc_release(json->ctx, json->key);
		json->key = bigger;
		json->max_keys = wanted;
	}
	json->key[json->n_keys++] = (xmc_json_key){xmc_hash_bytes(json->string, json->string_length, 0), json->string,
		json->string_length, json->token_at};
	return XMC_OK;
}

static int
compare_keys(const void *a, const void *b)
{
	const xmc_json_key *x = a;
	const xmc_json_key *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return memcmp(x->string, y->string, x->length);
}

/*
 * Refuses an object that has a key twice. The keys are sorted, not put into a hash table, because whoever made the text can
 * choose keys of equal hashes.
 */
static xmc_status
check_keys(xmc_json *json)
{
	int32_t		first = json->first_key[json->depth - 1];
	size_t		n = (size_t) (json->n_keys - first);
	xmc_json_key *key;

	if (n < 2)
		return XMC_OK;
	key = json->key + first;
	XMC_TRY(xmc_sort(json->ctx, key, json->key + json->max_keys, n, sizeof *key, compare_keys));
	for (size_t k = 1; k < n; k++)
		if (compare_keys(key + k - 1, key + k) == 0)
		{
			char		shown[XMC_PRINTABLE];

			return xmc_fail(json->ctx, json->bad, "%s, byte %zu: key \"%s\" occurs twice", json->what, key[k].at,
							xmc_printable(key[k].string, key[k].length, shown));
		}
	return XMC_OK;
}

/* ---- tokens ---- */

static xmc_status
skip_space(xmc_json *json)
{
	while (json->at < json->length)
	{
		unsigned char c = json->text[json->at];

		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			break;
		json->at++;
		XMC_TRY(maybe_stop(json));
	}
	return XMC_OK;
}

static void
after_value(xmc_json *json)
{
	json->expect = json->depth ? EXPECT_COMMA_OR_END : EXPECT_NOTHING;
}

static xmc_status
begin_nested(xmc_json *json, bool object)
{
	if (json->depth == (json->is_file ? XMC_JSON_FILE_DEPTH : XMC_JSON_MAX_DEPTH))
		return bad_json(json, json->at, "nested too deeply");
	json->is_object[json->depth] = object;
	json->first_key[json->depth] = json->n_keys;
	json->depth++;
	json->at++;
	json->kind = object ? XMC_JSON_OBJECT : XMC_JSON_ARRAY;
	json->expect = object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
	return XMC_OK;
}

static xmc_status
end_nested(xmc_json *json)
{
	if (json->is_object[json->depth - 1])
		XMC_TRY(check_keys(json));
	json->depth--;
	json->n_keys = json->first_key[json->depth];
	json->at++;
	json->kind = json->is_object[json->depth] ? XMC_JSON_OBJECT_END : XMC_JSON_ARRAY_END;
	after_value(json);
	return XMC_OK;
}

static xmc_status
read_key(xmc_json *json)
{
	if (json->text[json->at] != '"')
		return bad_json(json, json->at, "expected a key in quotes");
	XMC_TRY(read_string(json));
	XMC_TRY(add_key(json));
	XMC_TRY(skip_space(json));
	if (json->at >= json->length || json->text[json->at] != ':')
		return bad_json(json, json->at, "expected ':'");
	json->at++;
	json->kind = XMC_JSON_KEY;
	json->expect = EXPECT_VALUE;
	return XMC_OK;
}

static xmc_status
read_integer(xmc_json *json)
{
	const int64_t most = INT64_C(1) << 53;	/* readers of JSON that use double lose larger numbers' last digits */
	int64_t		value = 0;
	size_t		begin = json->at;

	while (json->at < json->length && json->text[json->at] >= '0' && json->text[json->at] <= '9')
	{
		value = value * 10 + (json->text[json->at] - '0');
		if (value > most)
			return bad_json(json, begin, "number exceeds 2^53");
		json->at++;
	}
	if (json->text[begin] == '0' && json->at - begin > 1)
		return bad_json(json, begin, "number with a leading zero");
	if (json->at < json->length && (json->text[json->at] == '.' || (json->text[json->at] | 0x20) == 'e'))
		return bad_json(json, begin, "expected a whole number");
	json->integer = value;
	json->number = (double) value;
	json->kind = XMC_JSON_INTEGER;
	after_value(json);
	return XMC_OK;
}

/* ---- numbers of files ---- */

/* Whether the byte at json->at is a digit. */
static bool
at_digit(const xmc_json *json)
{
	return json->at < json->length && json->text[json->at] >= '0' && json->text[json->at] <= '9';
}

/* Reads digits: *value takes *taken of them, until it is full; *dropped counts those that found no room. */
static xmc_status
read_digits(xmc_json *json, uint64_t *value, int64_t *taken, int64_t *dropped)
{
	if (!at_digit(json))
		return bad_json(json, json->at, "expected a digit");
	for (; at_digit(json); json->at++)
	{
		uint64_t	digit = (uint64_t) (json->text[json->at] - '0');

		XMC_TRY(maybe_stop(json));
		if (*dropped > 0 || *value > (UINT64_MAX - digit) / 10)
			(*dropped)++;
		else
		{
			*value = *value * 10 + digit;
			(*taken)++;
		}
	}
	return XMC_OK;
}

/* 10^k, 0 to 308, each the nearest double. */
static const double power_of_ten[] =
{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
	1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37,
	1e38, 1e39, 1e40, 1e41, 1e42, 1e43, 1e44, 1e45, 1e46, 1e47, 1e48, 1e49, 1e50, 1e51, 1e52, 1e53, 1e54, 1e55,
	1e56, 1e57, 1e58, 1e59, 1e60, 1e61, 1e62, 1e63, 1e64, 1e65, 1e66, 1e67, 1e68, 1e69, 1e70, 1e71, 1e72, 1e73,
	1e74, 1e75, 1e76, 1e77, 1e78, 1e79, 1e80, 1e81, 1e82, 1e83, 1e84, 1e85, 1e86, 1e87, 1e88, 1e89, 1e90, 1e91,
	1e92, 1e93, 1e94, 1e95, 1e96, 1e97, 1e98, 1e99, 1e100, 1e101, 1e102, 1e103, 1e104, 1e105, 1e106, 1e107, 1e108,
	1e109, 1e110, 1e111, 1e112, 1e113, 1e114, 1e115, 1e116, 1e117, 1e118, 1e119, 1e120, 1e121, 1e122, 1e123,
	1e124, 1e125, 1e126, 1e127, 1e128, 1e129, 1e130, 1e131, 1e132, 1e133, 1e134, 1e135, 1e136, 1e137, 1e138,
	1e139, 1e140, 1e141, 1e142, 1e143, 1e144, 1e145, 1e146, 1e147, 1e148, 1e149, 1e150, 1e151, 1e152, 1e153,
	1e154, 1e155, 1e156, 1e157, 1e158, 1e159, 1e160, 1e161, 1e162, 1e163, 1e164, 1e165, 1e166, 1e167, 1e168,
	1e169, 1e170, 1e171, 1e172, 1e173, 1e174, 1e175, 1e176, 1e177, 1e178, 1e179, 1e180, 1e181, 1e182, 1e183,
	1e184, 1e185, 1e186, 1e187, 1e188, 1e189, 1e190, 1e191, 1e192, 1e193, 1e194, 1e195, 1e196, 1e197, 1e198,
	1e199, 1e200, 1e201, 1e202, 1e203, 1e204, 1e205, 1e206, 1e207, 1e208, 1e209, 1e210, 1e211, 1e212, 1e213,
	1e214, 1e215, 1e216, 1e217, 1e218, 1e219, 1e220, 1e221, 1e222, 1e223, 1e224, 1e225, 1e226, 1e227, 1e228,
	1e229, 1e230, 1e231, 1e232, 1e233, 1e234, 1e235, 1e236, 1e237, 1e238, 1e239, 1e240, 1e241, 1e242, 1e243,
	1e244, 1e245, 1e246, 1e247, 1e248, 1e249, 1e250, 1e251, 1e252, 1e253, 1e254, 1e255, 1e256, 1e257, 1e258,
	1e259, 1e260, 1e261, 1e262, 1e263, 1e264, 1e265, 1e266, 1e267, 1e268, 1e269, 1e270, 1e271, 1e272, 1e273,
	1e274, 1e275, 1e276, 1e277, 1e278, 1e279, 1e280, 1e281, 1e282, 1e283, 1e284, 1e285, 1e286, 1e287, 1e288,
	1e289, 1e290, 1e291, 1e292, 1e293, 1e294, 1e295, 1e296, 1e297, 1e298, 1e299, 1e300, 1e301, 1e302, 1e303,
	1e304, 1e305, 1e306, 1e307, 1e308
};

/* value * 10^exponent, with one rounding for each factor; infinite if it is too large. */
static double
scaled(uint64_t value, int64_t exponent)
{
	double		result = (double) value;

	if (value == 0)
		return 0;
	if (exponent > 308)
		return INFINITY;
	for (; exponent < -308 && result != 0; exponent += 308)
		result /= 1e308;
	if (exponent < -308)
		return 0;
	return exponent >= 0 ? result * power_of_ten[exponent] : result / power_of_ten[-exponent];
}

static xmc_status
read_exponent(xmc_json *json, int64_t *exponent)
{
	bool		negative = false;
	uint64_t	value = 0;
	int64_t		taken = 0;
	int64_t		dropped = 0;

	json->at++;
	if (json->at < json->length && (json->text[json->at] == '-' || json->text[json->at] == '+'))
		negative = json->text[json->at++] == '-';
	XMC_TRY(read_digits(json, &value, &taken, &dropped));
	if (dropped > 0 || value > INT32_MAX)
		value = INT32_MAX;
	*exponent += negative ? -(int64_t) value : (int64_t) value;
	return XMC_OK;
}

/* A number of a file. A whole number from 0 to 2^53 is an INTEGER. */
static xmc_status
read_number(xmc_json *json)
{
	size_t		begin = json->at;
	bool		negative = json->text[json->at] == '-';
	bool		whole = !negative;
	uint64_t	value = 0;
	int64_t		taken = 0;
	int64_t		dropped = 0;
	int64_t		exponent;

	json->at += negative;
	if (json->length - json->at >= 2 && json->text[json->at] == '0' && json->text[json->at + 1] >= '0' &&
		json->text[json->at + 1] <= '9')
		return bad_json(json, begin, "number with a leading zero");
	XMC_TRY(read_digits(json, &value, &taken, &dropped));
	exponent = dropped;
	if (json->at < json->length && json->text[json->at] == '.')
	{
		whole = false;
		taken = 0;
		json->at++;
		XMC_TRY(read_digits(json, &value, &taken, &dropped));
		exponent -= taken;
	}
	if (json->at < json->length && (json->text[json->at] | 0x20) == 'e')
	{
		whole = false;
		XMC_TRY(read_exponent(json, &exponent));
	}
	json->number = scaled(value, exponent);
	if (isinf(json->number))
		return bad_json(json, begin, "number is too large");
	if (negative)
		json->number = -json->number;
	json->kind = whole && dropped == 0 && value <= UINT64_C(1) << 53 ? XMC_JSON_INTEGER : XMC_JSON_NUMBER;
	json->integer = json->kind == XMC_JSON_INTEGER ? (int64_t) value : 0;
	after_value(json);
	return XMC_OK;
}

static xmc_status
read_word(xmc_json *json, const char *word, xmc_json_kind kind)
{
	size_t		length = strlen(word);

	if (json->length - json->at < length || memcmp(json->text + json->at, word, length) != 0)
		return bad_json(json, json->at, "expected a value");
	json->at += length;
	json->kind = kind;
	after_value(json);
	return XMC_OK;
}

/* ---- values ---- */

static xmc_status
read_value(xmc_json *json)
{
	unsigned char c = json->text[json->at];

	if (c == '{' || c == '[')
		return begin_nested(json, c == '{');
	if (c == '"')
	{
		XMC_TRY(read_string(json));
		json->kind = XMC_JSON_STRING;
		after_value(json);
		return XMC_OK;
	}
	if (json->is_file)
	{
		if (c == '-' || (c >= '0' && c <= '9'))
			return read_number(json);
		return c == 't' ? read_word(json, "true", XMC_JSON_TRUE) : c == 'f' ? read_word(json, "false", XMC_JSON_FALSE) :
			read_word(json, "null", XMC_JSON_NULL);
	}
	if (c >= '0' && c <= '9')
		return read_integer(json);
	return bad_json(json, json->at, "expected an object, an array, a string or a whole number that is not negative");
}

xmc_status
xmc_json_next(xmc_json *json)
{
	if (json->expect == EXPECT_NOTHING)
	{
		if (json->is_file)
			XMC_TRY(skip_space(json));
		while (json->at < json->length && json->text[json->at] == ' ')
			json->at++;
		json->token_at = json->at;
		if (json->at < json->length)
			return bad_json(json, json->at, json->is_file ? "only white space may follow the value" :
							"only spaces may follow the value");
		json->kind = XMC_JSON_END;
		return XMC_OK;
	}
	XMC_TRY(skip_space(json));
	json->token_at = json->at;
	if (json->at >= json->length)
		return bad_json(json, json->at, "unexpected end");
	if (json->expect == EXPECT_COMMA_OR_END)
	{
		bool		object = json->is_object[json->depth - 1];

		if (json->text[json->at] == (object ? '}' : ']'))
			return end_nested(json);
		if (json->text[json->at] != ',')
			return bad_json(json, json->at, object ? "expected ',' or '}'" : "expected ',' or ']'");
		json->at++;
		XMC_TRY(skip_space(json));
		json->token_at = json->at;
		if (json->at >= json->length)
			return bad_json(json, json->at, "unexpected end");
		json->expect = object ? EXPECT_KEY : EXPECT_VALUE;
	}
	switch (json->expect)
	{
		case EXPECT_KEY_OR_END:
			if (json->text[json->at] == '}')
				return end_nested(json);
			return read_key(json);
		case EXPECT_KEY:
			return read_key(json);
		case EXPECT_VALUE_OR_END:
			if (json->text[json->at] == ']')
				return end_nested(json);
			return read_value(json);
		default:
			return read_value(json);
	}
}

xmc_status
xmc_json_expect(xmc_json *json, xmc_json_kind kind)
{
	static const char *const name[] = {"the end", "an object", "the end of an object", "an array", "the end of an array",
	"a key", "a string", "a whole number", "a number", "true", "false", "null"};

	XMC_TRY(xmc_json_next(json));
	if (json->kind != kind)
		return xmc_fail(json->ctx, json->bad, "%s, byte %zu: expected %s, but found %s", json->what, json->token_at,
						name[kind], name[json->kind]);
	return XMC_OK;
}

/* ---- writing ---- */

size_t
xmc_json_quote(const char *string, size_t length, char *out)
{
	static const char digits[] = "0123456789abcdef";
	size_t		used = 0;

#define PUT(c) do { if (out) out[used] = (c); used++; } while (0)
	PUT('"');
	for (size_t k = 0; k < length; k++)
	{
		unsigned char c = (unsigned char) string[k];

		if (c == '"' || c == '\\')
		{
			PUT('\\');
			PUT((char) c);
		}
		else if (c < 0x20)
		{
			PUT('\\');
			PUT('u');
			PUT('0');
			PUT('0');
			PUT(digits[c >> 4]);
			PUT(digits[c & 15]);
		}
		else
			PUT((char) c);
	}
	PUT('"');
#undef PUT
	return used;
}
