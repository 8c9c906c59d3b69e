/* tokenizer_steps.c - the normalizer and the pre-tokenizer of a tokenizer.json as steps; see tokenizer_steps.h */
#include "text_encoder/tokenizer_steps.h"

#include "base/utf8.h"
#include "text_encoder/charsmap.h"
#include "text_encoder/pattern.h"

#include <string.h>

#define NORMALIZERS "BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Precompiled, Prepend, Replace, Sequence, Strip, StripAccents"
#define PRE_TOKENIZERS "BertPreTokenizer, Digits, Metaspace, Punctuation, Sequence, Split, Whitespace, WhitespaceSplit"

/* What is read: where it stands in the file, and the steps so far. */
typedef struct reader
{
	xmc_ctx    *ctx;
	xmc_table_builder *builder;
	const xmc_json_tree *tree;
	const char *where;			/* "normalizer" or "pre_tokenizer" */
	xmc_tokenizer_step step[XMC_TOKENIZER_MAX_STEPS];
	int32_t		n;
} reader;

xmc_status
xmc_tokenizer_read_flag(xmc_ctx *ctx, const xmc_json_tree *tree, const xmc_json_node *object, const char *key, bool otherwise,
						bool *out)
{
	const xmc_json_node *node = xmc_json_member(tree, object, key);

	*out = otherwise;
	if (!node || node->kind == XMC_JSON_NULL)
		return XMC_OK;
	if (node->kind != XMC_JSON_TRUE && node->kind != XMC_JSON_FALSE)
		return xmc_fail(ctx, XMC_BAD_INPUT, "tokenizer.json: \"%s\" must be true or false", key);
	*out = node->kind == XMC_JSON_TRUE;
	return XMC_OK;
}

static xmc_status
read_flag(reader *r, const xmc_json_node *object, const char *key, bool otherwise, int32_t *out)
{
	bool		flag = false;
	xmc_status	status = xmc_tokenizer_read_flag(r->ctx, r->tree, object, key, otherwise, &flag);

	*out = flag;
	return status;
}

static xmc_status
refuse(reader *r, const char *what, const xmc_json_node *found, const char *supported)
{
	char		shown[XMC_PRINTABLE];

	return xmc_fail(r->ctx, XMC_BAD_INPUT, "tokenizer.json: %s %s \"%s\" is not supported, only %s", r->where, what,
					found && found->kind == XMC_JSON_STRING ? xmc_printable(found->string, found->string_length, shown) : "",
					supported);
}

/* Appends a step. */
static xmc_status
add_step(reader *r, xmc_tokenizer_step step)
{
	if (r->n == XMC_TOKENIZER_MAX_STEPS)
		return xmc_fail(r->ctx, XMC_LIMIT, "tokenizer.json: %s has more than %d steps", r->where, XMC_TOKENIZER_MAX_STEPS);
	r->step[r->n++] = step;
	return XMC_OK;
}

static xmc_status
add_plain(reader *r, xmc_step_kind kind)
{
	return add_step(r, (xmc_tokenizer_step){.kind = kind});
}

/* A string of limited length, for the tables. */
static xmc_status
read_string(reader *r, const xmc_json_node *node, const char *key, size_t most, xmc_place *place)
{
	if (!node || node->kind != XMC_JSON_STRING)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, "tokenizer.json: %s needs \"%s\", a string", r->where, key);
	if (node->string_length > most)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, "tokenizer.json: %s: \"%s\" has %zu bytes, more than %zu", r->where, key,
						node->string_length, most);
	return xmc_builder_bytes(r->builder, node->string, node->string_length, place);
}

/* {"String": ...} or {"Regex": ...} */
static xmc_status
read_pattern(reader *r, const xmc_json_node *object, xmc_tokenizer_step *step)
{
	const xmc_json_node *pattern = xmc_json_member(r->tree, object, "pattern");
	const xmc_json_node *text = xmc_json_member(r->tree, pattern, "String");
	const xmc_json_node *regex = xmc_json_member(r->tree, pattern, "Regex");
	char		literal[XMC_TOKENIZER_MAX_STRING];
	size_t		length = 0;

	if (text && text->kind == XMC_JSON_STRING && !regex)
	{
		if (text->string_length == 0)
			return refuse(r, "pattern", text, "a pattern that is not empty");
		step->a = XMC_PATTERN_TEXT;
		return read_string(r, text, "String", XMC_TOKENIZER_MAX_STRING, &step->text);
	}
	if (!regex || regex->kind != XMC_JSON_STRING || text)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, "tokenizer.json: %s needs \"pattern\" with a \"String\" or a \"Regex\"", r->where);
	if (!xmc_pattern_read(regex->string, regex->string_length, step, literal, &length))
		return refuse(r, "regular expression", regex,
					  "a text, or one of \\s, . and a single character, alone or followed by + or {n,}");
	return xmc_builder_bytes(r->builder, literal, length, &step->text);
}

/* ---- normalizers ---- */

static xmc_status
read_bert(reader *r, const xmc_json_node *object)
{
	int32_t		clean;
	int32_t		chinese;
	int32_t		lowercase;
	int32_t		strip;

	XMC_TRY(read_flag(r, object, "clean_text", true, &clean));
	XMC_TRY(read_flag(r, object, "handle_chinese_chars", true, &chinese));
	XMC_TRY(read_flag(r, object, "lowercase", true, &lowercase));
	XMC_TRY(read_flag(r, object, "strip_accents", lowercase, &strip));
	if (clean)
		XMC_TRY(add_plain(r, XMC_STEP_CLEAN));
	if (chinese)
		XMC_TRY(add_plain(r, XMC_STEP_CHINESE));
	if (strip)
	{
		XMC_TRY(add_plain(r, XMC_STEP_NFD));
		XMC_TRY(add_plain(r, XMC_STEP_STRIP_NONSPACING));
	}
	return lowercase ? add_plain(r, XMC_STEP_LOWERCASE) : XMC_OK;
}

/* The value of a base64 digit; -1: it is none. */
static int
base64_value(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c ? strchr(digits, c) : NULL;

	return found ? (int) (found - digits) : -1;
}

/* Decodes into out (length / 4 * 3), *n bytes. False: it is not base64. */
static bool
base64_decode(const char *text, size_t length, unsigned char *out, size_t *n)
{
	*n = 0;
	if (length % 4 != 0)
		return false;
	for (size_t k = 0; k < length; k += 4)
	{
		int			padding = k + 4 < length || text[k + 3] != '=' ? 0 : text[k + 2] == '=' ? 2 : 1;
		uint32_t	bits = 0;

		for (int digit = 0; digit < 4; digit++)
		{
			int			value = digit >= 4 - padding ? 0 : base64_value(text[k + digit]);

			if (value < 0)
				return false;
			bits = bits << 6 | (uint32_t) value;
		}
		if ((padding == 1 && bits & 0xff) || (padding == 2 && bits & 0xffff))
			return false;		/* bits that are not part of a byte must be 0 */
		for (int byte = 0; byte < 3 - padding; byte++)
			out[(*n)++] = (unsigned char) (bits >> (16 - 8 * byte));
	}
	return true;
}

static xmc_status
read_precompiled(reader *r, const xmc_json_node *object)
{
	const xmc_json_node *map = xmc_json_member(r->tree, object, "precompiled_charsmap");
	xmc_tokenizer_step step = {.kind = XMC_STEP_CHARSMAP};
	unsigned char *decoded;
	size_t		n;
	xmc_status	status;

	if (!map || map->kind != XMC_JSON_STRING)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, "tokenizer.json: normalizer of type Precompiled needs \"precompiled_charsmap\"");
	decoded = xmc_alloc(r->ctx, map->string_length / 4 * 3, 1);
	XMC_NEED(decoded, r->ctx);
	if (base64_decode(map->string, map->string_length, decoded, &n))
		status = xmc_charsmap_check(r->ctx, XMC_BAD_INPUT, decoded, n);
	else
		status = xmc_fail(r->ctx, XMC_BAD_INPUT, "tokenizer.json: \"precompiled_charsmap\" is not valid base64");
	if (status == XMC_OK)
		status = xmc_builder_bytes(r->builder, decoded, n, &step.text);
	xmc_release(r->ctx, decoded);
	XMC_TRY(status);
	return add_step(r, step);
}

static xmc_status
read_normalizer(reader *r, const xmc_json_node *object)
{
	static const struct
	{
		const char *type;
		xmc_step_kind kind;
	}			plain[] =
	{
		{"NFC", XMC_STEP_NFC}, {"NFD", XMC_STEP_NFD}, {"NFKC", XMC_STEP_NFKC}, {"NFKD", XMC_STEP_NFKD},
		{"Lowercase", XMC_STEP_LOWERCASE}, {"StripAccents", XMC_STEP_STRIP_MARKS}, {"Nmt", XMC_STEP_NMT}
	};
	const xmc_json_node *type = xmc_json_member(r->tree, object, "type");
	xmc_tokenizer_step step = {0};

	for (size_t k = 0; k < sizeof plain / sizeof plain[0]; k++)
		if (xmc_json_is(type, plain[k].type))
			return add_plain(r, plain[k].kind);
	if (xmc_json_is(type, "BertNormalizer"))
		return read_bert(r, object);
	if (xmc_json_is(type, "Precompiled"))
		return read_precompiled(r, object);
	if (xmc_json_is(type, "Strip"))
	{
		step.kind = XMC_STEP_STRIP;
		XMC_TRY(read_flag(r, object, "strip_left", true, &step.a));
		XMC_TRY(read_flag(r, object, "strip_right", true, &step.b));
	}
	else if (xmc_json_is(type, "Replace"))
	{
		step.kind = XMC_STEP_REPLACE;
		XMC_TRY(read_pattern(r, object, &step));
		XMC_TRY(read_string(r, xmc_json_member(r->tree, object, "content"), "content", XMC_TOKENIZER_MAX_STRING, &step.other));
	}
	else if (xmc_json_is(type, "Prepend"))
	{
		step.kind = XMC_STEP_PREPEND;
		XMC_TRY(read_string(r, xmc_json_member(r->tree, object, "prepend"), "prepend", XMC_TOKENIZER_MAX_STRING, &step.text));
	}
	else
		return refuse(r, "of type", type, NORMALIZERS);
	return add_step(r, step);
}

/* ---- pre-tokenizers ---- */

static xmc_status
read_behavior(reader *r, const xmc_json_node *object, int32_t *out)
{
	static const char *const name[XMC_BEHAVIORS] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
	const xmc_json_node *behavior = xmc_json_member(r->tree, object, "behavior");

	*out = XMC_ISOLATED;
	if (!behavior)
		return XMC_OK;
	for (*out = 0; *out < XMC_BEHAVIORS; (*out)++)
		if (xmc_json_is(behavior, name[*out]))
			return XMC_OK;
	return refuse(r, "behavior", behavior, "Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous");
}

static xmc_status
read_metaspace(reader *r, const xmc_json_node *object, xmc_tokenizer_step *step)
{
	static const char *const name[XMC_PREPENDS] = {"always", "first", "never"};
	const xmc_json_node *scheme = xmc_json_member(r->tree, object, "prepend_scheme");
	const xmc_json_node *mark = xmc_json_member(r->tree, object, "replacement");
	int32_t		prefix;

	step->kind = XMC_STEP_METASPACE;
	XMC_TRY(read_string(r, mark, "replacement", 4, &step->text));
	if (mark->string_length == 0 ||
		xmc_utf8_character((const unsigned char *) mark->string, (const unsigned char *) mark->string + mark->string_length) !=
		mark->string_length)
		return refuse(r, "replacement", mark, "a single character");
	if (scheme)
	{
		for (step->a = 0; step->a < XMC_PREPENDS; step->a++)
			if (xmc_json_is(scheme, name[step->a]))
				break;
		if (step->a == XMC_PREPENDS)
			return refuse(r, "prepend_scheme", scheme, "always, first, never");
	}
	XMC_TRY(read_flag(r, object, "add_prefix_space", true, &prefix));
	if (!prefix && scheme && step->a != XMC_PREPEND_NEVER)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, "tokenizer.json: add_prefix_space false contradicts prepend_scheme \"%s\"",
						name[step->a]);
	if (!prefix)
		step->a = XMC_PREPEND_NEVER;
	return read_flag(r, object, "split", true, &step->b);
}

static xmc_status
read_pre_tokenizer(reader *r, const xmc_json_node *object)
{
	const xmc_json_node *type = xmc_json_member(r->tree, object, "type");
	xmc_tokenizer_step step = {0};

	if (xmc_json_is(type, "BertPreTokenizer"))
	{
		XMC_TRY(add_plain(r, XMC_STEP_SPACES));
		step.kind = XMC_STEP_PUNCTUATION;
		step.c = XMC_ISOLATED;
	}
	else if (xmc_json_is(type, "Whitespace"))
		step.kind = XMC_STEP_WORDS;
	else if (xmc_json_is(type, "WhitespaceSplit"))
		step.kind = XMC_STEP_SPACES;
	else if (xmc_json_is(type, "Punctuation"))
	{
		step.kind = XMC_STEP_PUNCTUATION;
		XMC_TRY(read_behavior(r, object, &step.c));
	}
	else if (xmc_json_is(type, "Digits"))
	{
		step.kind = XMC_STEP_DIGITS;
		XMC_TRY(read_flag(r, object, "individual_digits", false, &step.c));
		step.c = step.c ? XMC_ISOLATED : XMC_CONTIGUOUS;
	}
	else if (xmc_json_is(type, "Split"))
	{
		step.kind = XMC_STEP_SPLIT;
		XMC_TRY(read_pattern(r, object, &step));
		XMC_TRY(read_behavior(r, object, &step.c));
		XMC_TRY(read_flag(r, object, "invert", false, &step.d));
	}
	else if (xmc_json_is(type, "Metaspace"))
		XMC_TRY(read_metaspace(r, object, &step));
	else
		return refuse(r, "of type", type, PRE_TOKENIZERS);
	return add_step(r, step);
}

/* ---- both ---- */

typedef xmc_status (*read_one) (reader *r, const xmc_json_node *object);

/* A normalizer or pre-tokenizer, or a sequence of them; sequences may hold sequences, as deep as the JSON may be. */
static xmc_status
read_sequence(reader *r, const xmc_json_node *node, const char *members, read_one read)
{
	const xmc_json_node *list = xmc_json_member(r->tree, node, members);

	if (!xmc_json_is(xmc_json_member(r->tree, node, "type"), "Sequence"))
		return read(r, node);
	if (!list || list->kind != XMC_JSON_ARRAY)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, "tokenizer.json: %s of type Sequence needs \"%s\"", r->where, members);
	for (const xmc_json_node *one = xmc_json_first(r->tree, list); one; one = xmc_json_after(r->tree, one))
		XMC_TRY(read_sequence(r, one, members, read));
	return XMC_OK;
}

static xmc_status
read_steps(xmc_table_builder *builder, const xmc_json_tree *tree, const xmc_json_node *node, const char *where,
		   const char *members, read_one read, xmc_place *place)
{
	reader		r = {.ctx = builder->ctx, .builder = builder, .tree = tree, .where = where};

	if (node && node->kind != XMC_JSON_NULL)
		XMC_TRY(read_sequence(&r, node, members, read));
	XMC_TRY(xmc_builder_index(builder, (const int32_t *) r.step, (size_t) (r.n * XMC_STEP_VALUES), place));
	place->n = r.n;
	return XMC_OK;
}

xmc_status
xmc_tokenizer_read_normalizer(xmc_table_builder *builder, const xmc_json_tree *tree, const xmc_json_node *node)
{
	return read_steps(builder, tree, node, "normalizer", "normalizers", read_normalizer, &builder->settings.normalizer);
}

xmc_status
xmc_tokenizer_read_pre_tokenizer(xmc_table_builder *builder, const xmc_json_tree *tree, const xmc_json_node *node)
{
	return read_steps(builder, tree, node, "pre_tokenizer", "pretokenizers", read_pre_tokenizer,
					  &builder->settings.pre_tokenizer);
}
