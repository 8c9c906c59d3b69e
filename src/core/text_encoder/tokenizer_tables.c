/* tokenizer_tables.c - the check of a tokenizer's tables, which may be hostile; see tokenizer_tables.h */
#include "text_encoder/tokenizer_tables.h"

#include "base/utf8.h"
#include "text_encoder/charsmap.h"

#include <math.h>
#include <string.h>

const xmc_tokenizer_table xmc_tokenizer_layout[XMC_TOKENIZER_TABLES] =
{
	{.name = "tokenizer.settings"},
	{.name = "tokenizer.bytes",.is_bytes = true},
	{.name = "tokenizer.index"}
};

typedef struct checker
{
	xmc_ctx    *ctx;
	const xmc_tables *tables;
	int32_t		vocabulary;
} checker;

static xmc_status
bad(checker *c, const char *what)
{
	return xmc_fail(c->ctx, XMC_BAD_MODEL, "tokenizer tables: %s", what);
}

/* Whether `n` things of `size` values from `at` on are within a table of `values`. */
static bool
is_within(int64_t values, int32_t at, int64_t n, int64_t size)
{
	return at >= 0 && n >= 0 && n <= values / size && at <= values - n * size;
}

static bool
is_string(checker *c, xmc_place place, int32_t most)
{
	return place.n <= most && is_within(c->tables->n_bytes, place.at, place.n, 1) &&
		xmc_utf8_valid(xmc_string(c->tables, place), (size_t) place.n);
}

/* A trie whose values are from -1 to `values` - 1. Both loops have no branch, so that the compiler can vectorise them. */
static xmc_status
check_trie(checker *c, xmc_trie_place place, int32_t values)
{
	const int32_t *first;
	const int32_t *value;

	if (place.n == 0)
		return XMC_OK;
	if (!is_within(c->tables->n_index, place.first, (int64_t) place.n + 1, 1) ||
		!is_within(c->tables->n_index, place.value, place.n, 1) || !is_within(c->tables->n_bytes, place.label, place.n, 1))
		return bad(c, "a trie lies outside");
	first = c->tables->index + place.first;
	value = c->tables->index + place.value;
	if (first[0] < 0 || first[place.n] > place.n)
		return bad(c, "a node of a trie lies outside");
	for (int32_t begin = 0; begin < place.n; begin += 65536)
	{
		int32_t		end = place.n - begin < 65536 ? place.n : begin + 65536;
		int			wrong = 0;

		for (int32_t k = begin; k < end; k++)
			wrong |= (first[k + 1] < first[k]) | (value[k] < -1) | (value[k] >= values);
		if (wrong)
			return bad(c, "a node or a value of a trie is out of range");
		XMC_TRY(xmc_check_stop(c->ctx));
	}
	return XMC_OK;
}

static bool
has_pattern(checker *c, const xmc_tokenizer_step *step)
{
	bool		is_text = step->a == XMC_PATTERN_TEXT || step->a == XMC_PATTERN_CHARACTER;

	return step->a >= 0 && step->a < XMC_PATTERNS && is_string(c, step->text, XMC_TOKENIZER_MAX_STRING) &&
		(!is_text || step->text.n > 0);
}

static xmc_status
check_step(checker *c, const xmc_tokenizer_step *step, bool pre_tokenizer)
{
	bool		has_behavior = step->c >= 0 && step->c < XMC_BEHAVIORS;
	bool		good = true;

	if (step->kind < 0 || step->kind >= XMC_STEP_KINDS || (step->kind >= XMC_FIRST_PRE_TOKENIZER) != pre_tokenizer)
		return bad(c, "a step is of no known kind");
	switch (step->kind)
	{
		case XMC_STEP_REPLACE:
			good = has_pattern(c, step) && is_string(c, step->other, XMC_TOKENIZER_MAX_STRING);
			break;
		case XMC_STEP_PREPEND:
			good = is_string(c, step->text, XMC_TOKENIZER_MAX_STRING);
			break;
		case XMC_STEP_CHARSMAP:
			if (!is_within(c->tables->n_bytes, step->text.at, step->text.n, 1))
				return bad(c, "a character map lies outside");
			return xmc_charsmap_check(c->ctx, XMC_BAD_MODEL, c->tables->bytes + step->text.at, (size_t) step->text.n);
		case XMC_STEP_PUNCTUATION:
		case XMC_STEP_DIGITS:
			good = has_behavior;
			break;
		case XMC_STEP_SPLIT:
			good = has_behavior && has_pattern(c, step);
			break;
		case XMC_STEP_METASPACE:
			good = step->a >= 0 && step->a < XMC_PREPENDS && is_string(c, step->text, 4) && step->text.n > 0;
			break;
	}
	return good ? XMC_OK : bad(c, "a step is damaged");
}

static xmc_status
check_steps(checker *c, xmc_place steps, bool pre_tokenizer)
{
	if (steps.n > XMC_TOKENIZER_MAX_STEPS || !is_within(c->tables->n_index, steps.at, steps.n, XMC_STEP_VALUES))
		return bad(c, "steps lie outside");
	for (int32_t k = 0; k < steps.n; k++)
		XMC_TRY(check_step(c, xmc_step(c->tables, steps, k), pre_tokenizer));
	return XMC_OK;
}

/* Ids from `least` to the vocabulary. */
static xmc_status
check_ids(checker *c, xmc_place place, int32_t most, int32_t least)
{
	if (place.n > most || !is_within(c->tables->n_index, place.at, place.n, 1))
		return bad(c, "ids lie outside");
	for (int32_t k = 0; k < place.n; k++)
		if (c->tables->index[place.at + k] < least || c->tables->index[place.at + k] >= c->vocabulary)
			return bad(c, "an id is out of range");
	return XMC_OK;
}

static xmc_status
check_added(checker *c)
{
	xmc_place	added = c->tables->settings->added;

	if (added.n > XMC_TOKENIZER_MAX_ADDED || !is_within(c->tables->n_index, added.at, added.n, XMC_ADDED_VALUES))
		return bad(c, "added tokens lie outside");
	for (int32_t k = 0; k < added.n; k++)
	{
		const int32_t *token = c->tables->index + added.at + k * XMC_ADDED_VALUES;

		if (token[0] < 0 || token[0] >= c->vocabulary)
			return bad(c, "the id of an added token is out of range");
	}
	XMC_TRY(check_trie(c, c->tables->settings->raw_added, added.n));
	return check_trie(c, c->tables->settings->normalized_added, added.n);
}

static xmc_status
check_model(checker *c)
{
	const xmc_tokenizer_settings *settings = c->tables->settings;

	if (settings->model != XMC_WORDPIECE && settings->model != XMC_UNIGRAM)
		return bad(c, "no known model");
	if (settings->unknown < 0 || settings->unknown >= c->vocabulary)
		return bad(c, "the unknown token is out of range");
	if (settings->max_characters < 0 || !is_string(c, settings->prefix, XMC_TOKENIZER_MAX_STRING))
		return bad(c, "a setting is out of range");
	if (settings->model == XMC_WORDPIECE)
		return check_trie(c, settings->pieces, c->vocabulary);
	if (settings->scores.n > XMC_TOKENIZER_MAX_PIECES || settings->scores.n > c->vocabulary ||
		!is_within(c->tables->n_index, settings->scores.at, settings->scores.n, 2))
		return bad(c, "scores lie outside");
	for (int32_t k = 0; k < settings->scores.n; k++)
	{
		double		score;

		memcpy(&score, c->tables->index + settings->scores.at + 2 * (size_t) k, sizeof score);
		if (!isfinite(score))
			return bad(c, "a score is not a number");
	}
	if (settings->fallback.n != 0 && settings->fallback.n != 256)
		return bad(c, "the tokens of bytes are not 256");
	XMC_TRY(check_ids(c, settings->fallback, 256, -1));
	return check_trie(c, settings->pieces, settings->scores.n);
}

xmc_status
xmc_tables_check(xmc_ctx *ctx, const xmc_tokenizer_table table[XMC_TOKENIZER_TABLES], int32_t vocabulary, xmc_tables *out)
{
	checker		c = {.ctx = ctx, .tables = out, .vocabulary = vocabulary};

	*out = (xmc_tables){.settings = table[XMC_TOKENIZER_SETTINGS].data, .bytes = table[XMC_TOKENIZER_BYTES].data,
		.n_bytes = table[XMC_TOKENIZER_BYTES].n, .index = table[XMC_TOKENIZER_INDEX].data,
		.n_index = table[XMC_TOKENIZER_INDEX].n};
	for (int k = 0; k < XMC_TOKENIZER_TABLES; k++)
		if (!table[k].data || table[k].n < 0 || (!table[k].is_bytes && (uintptr_t) table[k].data % sizeof(int32_t) != 0))
			return bad(&c, "a table is missing or not aligned");
	if (table[XMC_TOKENIZER_SETTINGS].n != XMC_SETTINGS_VALUES)
		return bad(&c, "the settings are of another length");
	if (out->settings->version != XMC_TOKENIZER_VERSION)
		return xmc_fail(ctx, XMC_BAD_MODEL, "tokenizer tables: version %d is not supported, only %d",
						(int) out->settings->version, XMC_TOKENIZER_VERSION);
	XMC_TRY(check_model(&c));
	XMC_TRY(check_steps(&c, out->settings->normalizer, false));
	XMC_TRY(check_steps(&c, out->settings->pre_tokenizer, true));
	XMC_TRY(check_added(&c));
	XMC_TRY(check_ids(&c, out->settings->before, XMC_TOKENIZER_MAX_SPECIAL, 0));
	return check_ids(&c, out->settings->after, XMC_TOKENIZER_MAX_SPECIAL, 0);
}
