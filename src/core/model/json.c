/* json.c - a strict pull parser and a string writer for the JSON of safetensors headers; see json.h */
#include "model/json.h"

#include "base/utf8.h"
#include "xmcoh/hash.h"

#include <string.h>

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

/* Adds the key just read to the keys of its object; refuses a key that the object already has. */
static xmc_status
add_key(xmc_json *json)
{
	uint64_t	hash = xmc_hash_bytes(json->string, json->string_length, 0);
	int32_t		first = json->first_key[json->depth - 1];

	for (int32_t k = first; k < json->n_keys; k++)
		if (json->key[k].hash == hash && json->key[k].length == json->string_length &&
			memcmp(json->key[k].string, json->string, json->string_length) == 0)
		{
			char		shown[XMC_PRINTABLE];

			return xmc_fail(json->ctx, json->bad, "%s, byte %zu: key \"%s\" occurs twice", json->what, json->token_at,
							xmc_printable(json->string, json->string_length, shown));
		}
	if (json->n_keys - first >= XMC_JSON_MAX_MEMBERS)
		return bad_json(json, json->token_at, "too many members in one object");
	if (json->n_keys == json->max_keys)
	{
		int32_t		wanted = json->max_keys ? 2 * json->max_keys : 64;
		xmc_json_key *bigger = xmc_alloc(json->ctx, (size_t) wanted, sizeof(xmc_json_key));

		XMC_NEED(bigger, json->ctx);
		if (json->n_keys)
			memcpy(bigger, json->key, (size_t) json->n_keys * sizeof(xmc_json_key));
		xmc_release(json->ctx, json->key);
		json->key = bigger;
		json->max_keys = wanted;
	}
	json->key[json->n_keys++] = (xmc_json_key){hash, json->string, json->string_length};
	return XMC_OK;
}

/* ---- tokens ---- */

static void
skip_space(xmc_json *json)
{
	while (json->at < json->length)
	{
		unsigned char c = json->text[json->at];

		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			break;
		json->at++;
	}
}

static void
after_value(xmc_json *json)
{
	json->expect = json->depth ? EXPECT_COMMA_OR_END : EXPECT_NOTHING;
}

static xmc_status
begin_nested(xmc_json *json, bool object)
{
	if (json->depth == XMC_JSON_MAX_DEPTH)
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
	skip_space(json);
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
	json->kind = XMC_JSON_INTEGER;
	after_value(json);
	return XMC_OK;
}

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
	if (c >= '0' && c <= '9')
		return read_integer(json);
	return bad_json(json, json->at, "expected an object, an array, a string or a whole number that is not negative");
}

xmc_status
xmc_json_next(xmc_json *json)
{
	if (json->expect == EXPECT_NOTHING)
	{
		while (json->at < json->length && json->text[json->at] == ' ')
			json->at++;
		json->token_at = json->at;
		if (json->at < json->length)
			return bad_json(json, json->at, "only spaces may follow the value");
		json->kind = XMC_JSON_END;
		return XMC_OK;
	}
	skip_space(json);
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
		skip_space(json);
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
	"a key", "a string", "a whole number"};

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
