/* pre_tokenizer.c - cuts a normalized text into words; see pre_tokenizer.h */
#include "text_encoder/pre_tokenizer.h"

#include "text_encoder/character.h"
#include "text_encoder/pattern.h"

#include <string.h>

void
xmc_spans_free(xmc_spans *spans)
{
	if (spans->span)
		xmc_release(spans->ctx, spans->span);
	spans->span = NULL;
	spans->n = spans->room = 0;
}

xmc_status
xmc_spans_add(xmc_spans *spans, size_t begin, size_t end)
{
	if (begin == end)
		return XMC_OK;
	if (spans->n == spans->room)
	{
		size_t		wanted = spans->room ? 2 * spans->room : 64;
		xmc_span   *bigger = xmc_alloc(spans->ctx, wanted, sizeof(xmc_span));

		XMC_NEED(bigger, spans->ctx);
		if (spans->n)
			memcpy(bigger, spans->span, spans->n * sizeof(xmc_span));
		xmc_release(spans->ctx, spans->span);
		spans->span = bigger;
		spans->room = wanted;
	}
	spans->span[spans->n++] = (xmc_span){begin, end};
	return XMC_OK;
}

/* ---- one word is cut at the matches of a step ---- */

/* Where the matches go: the rules of a behavior, for matches and the text between them in order. */
typedef struct splitter
{
	const xmc_tables *tables;
	const xmc_tokenizer_step *step;
	const char *text;
	xmc_spans  *out;
	int			behavior;
	size_t		first_word;		/* number in `out` of the first word of this text */
	bool		previous;		/* the part before was a match */
	bool		held;			/* merged with next: a match waits for what follows */
	xmc_span	holding;
} splitter;

/* The next part of the text, which is a match or not. */
static xmc_status
add_part(splitter *s, size_t begin, size_t end, bool match)
{
	bool		merge = false;

	if (s->step->d)
		match = !match;
	switch (s->behavior)
	{
		case XMC_REMOVED:
			return match ? XMC_OK : xmc_spans_add(s->out, begin, end);
		case XMC_MERGED_WITH_PREVIOUS:
			merge = match && !s->previous;
			break;
		case XMC_CONTIGUOUS:
			merge = match == s->previous;
			break;
		case XMC_MERGED_WITH_NEXT:
			if (s->held && !match)
				begin = s->holding.begin;
			else if (s->held)
				XMC_TRY(xmc_spans_add(s->out, s->holding.begin, s->holding.end));
			s->held = match;
			s->holding = (xmc_span){begin, end};
			return match ? XMC_OK : xmc_spans_add(s->out, begin, end);
	}
	s->previous = match;
	if (merge && s->out->n > s->first_word)
	{
		s->out->span[s->out->n - 1].end = end;
		return XMC_OK;
	}
	return xmc_spans_add(s->out, begin, end);
}

/* Whether a step that looks at each character alone cuts at it. */
static bool
cuts_at(const xmc_tables *tables, const xmc_tokenizer_step *step, const char *text, size_t begin, size_t length, UChar32 c)
{
	switch (step->kind)
	{
		case XMC_STEP_SPACES:
			return xmc_character_is_space(c);
		case XMC_STEP_PUNCTUATION:
			return xmc_character_is_punctuation(c);
		case XMC_STEP_DIGITS:
			return xmc_character_is_numeric(c);
		default:				/* XMC_STEP_METASPACE */
			return length == (size_t) step->text.n && memcmp(text + begin, xmc_string(tables, step->text), length) == 0;
	}
}

static xmc_status
split_at_characters(splitter *s, xmc_span word)
{
	size_t		rest = word.begin;

	for (size_t at = word.begin; at < word.end;)
	{
		size_t		begin = at;
		UChar32		c = xmc_text_next(s->text, &at, word.end);

		if (!cuts_at(s->tables, s->step, s->text, begin, at - begin, c))
			continue;
		if (rest < begin)
			XMC_TRY(add_part(s, rest, begin, false));
		XMC_TRY(add_part(s, begin, at, true));
		rest = at;
	}
	return rest < word.end ? add_part(s, rest, word.end, false) : XMC_OK;
}

static xmc_status
split_at_pattern(splitter *s, xmc_span word)
{
	size_t		at = word.begin;
	size_t		begin;
	size_t		end;

	while (xmc_pattern_find(s->tables, s->step, s->text, at, word.end, &begin, &end))
	{
		if (at < begin)
			XMC_TRY(add_part(s, at, begin, false));
		XMC_TRY(add_part(s, begin, end, true));
		at = end;
	}
	return at < word.end ? add_part(s, at, word.end, false) : XMC_OK;
}

/* Runs of word characters, and runs of others but white space. */
static xmc_status
split_words(splitter *s, xmc_span word)
{
	size_t		rest = word.begin;
	int			last = 0;		/* 0: white space, 1: word, 2: other */

	for (size_t at = word.begin; at < word.end;)
	{
		size_t		begin = at;
		UChar32		c = xmc_text_next(s->text, &at, word.end);
		int			now = xmc_character_is_word(c) ? 1 : xmc_character_is_space(c) ? 0 : 2;

		if (now == last)
			continue;
		if (last != 0)
			XMC_TRY(xmc_spans_add(s->out, rest, begin));
		rest = begin;
		last = now;
	}
	return last != 0 ? xmc_spans_add(s->out, rest, word.end) : XMC_OK;
}

/* ---- steps ---- */

/* Writes the word with every space replaced, and with a replacement before it as the step says. */
static xmc_status
put_metaspace(const xmc_tables *tables, const xmc_tokenizer_step *step, const xmc_text_buffer *in, xmc_span word,
			  xmc_text_buffer *out)
{
	const char *mark = xmc_string(tables, step->text);
	size_t		length = (size_t) step->text.n;
	bool		from_start = word.begin < in->start;
	bool		has = in->bytes[word.begin] == ' ' ||
		(word.end - word.begin >= length && memcmp(in->bytes + word.begin, mark, length) == 0);

	if (!has && (step->a == XMC_PREPEND_ALWAYS || (step->a == XMC_PREPEND_FIRST && from_start)))
		XMC_TRY(xmc_text_put(out, mark, length, from_start));
	for (size_t at = word.begin; at < word.end;)
	{
		const char *space = memchr(in->bytes + at, ' ', word.end - at);
		size_t		end = space ? (size_t) (space - in->bytes) : word.end;
		size_t		middle = in->start < at ? at : in->start < end ? in->start : end;

		XMC_TRY(xmc_text_put(out, in->bytes + at, middle - at, true));
		XMC_TRY(xmc_text_put(out, in->bytes + middle, end - middle, false));
		if (space)
			XMC_TRY(xmc_text_put(out, mark, length, end < in->start));
		at = end + (space != NULL);
	}
	return XMC_OK;
}

/* All words with Metaspace: the text is rewritten into *spare and swapped with it. */
static xmc_status
apply_metaspace(xmc_ctx *ctx, const xmc_tables *tables, const xmc_tokenizer_step *step, xmc_text_buffer *text,
				xmc_text_buffer *spare, const xmc_spans *words, xmc_spans *out)
{
	xmc_text_buffer swap;
	int64_t		work = 0;

	spare->used = spare->start = 0;
	for (size_t k = 0; k < words->n; k++)
	{
		size_t		begin = spare->used;
		splitter	s = {.tables = tables, .step = step, .out = out, .behavior = XMC_MERGED_WITH_NEXT, .first_word = out->n};

		XMC_TRY(put_metaspace(tables, step, text, words->span[k], spare));
		s.text = spare->bytes;
		if (!step->b)
			XMC_TRY(xmc_spans_add(out, begin, spare->used));
		else
		{
			XMC_TRY(split_at_characters(&s, (xmc_span){begin, spare->used}));
			if (s.held)
				XMC_TRY(xmc_spans_add(out, s.holding.begin, s.holding.end));
		}
		XMC_TRY(xmc_spend(ctx, &work, 16 + 4 * (int64_t) (spare->used - begin)));
	}
	swap = *text;
	*text = *spare;
	*spare = swap;
	return XMC_OK;
}

static xmc_status
apply(xmc_ctx *ctx, const xmc_tables *tables, const xmc_tokenizer_step *step, const xmc_text_buffer *text,
	  const xmc_spans *words, xmc_spans *out)
{
	int64_t		work = 0;

	for (size_t k = 0; k < words->n; k++)
	{
		xmc_span	word = words->span[k];
		splitter	s = {.tables = tables, .step = step, .text = text->bytes, .out = out, .first_word = out->n};

		s.behavior = step->kind == XMC_STEP_SPACES ? XMC_REMOVED : step->c;
		if (step->kind == XMC_STEP_WORDS)
			XMC_TRY(split_words(&s, word));
		else if (step->kind == XMC_STEP_SPLIT)
			XMC_TRY(split_at_pattern(&s, word));
		else
			XMC_TRY(split_at_characters(&s, word));
		if (s.held)
			XMC_TRY(xmc_spans_add(out, s.holding.begin, s.holding.end));
		XMC_TRY(xmc_spend(ctx, &work, 16 + 4 * (int64_t) (word.end - word.begin)));
	}
	return XMC_OK;
}

xmc_status
xmc_pre_tokenize(xmc_ctx *ctx, const xmc_tables *tables, xmc_text_buffer *text, xmc_text_buffer *spare, xmc_spans *words,
				 xmc_spans *other)
{
	xmc_place	steps = tables->settings->pre_tokenizer;

	for (int32_t k = 0; k < steps.n; k++)
	{
		const xmc_tokenizer_step *step = xmc_step(tables, steps, k);
		xmc_spans	swap = *words;

		other->n = 0;
		if (step->kind == XMC_STEP_METASPACE)
			XMC_TRY(apply_metaspace(ctx, tables, step, text, spare, words, other));
		else
			XMC_TRY(apply(ctx, tables, step, text, words, other));
		*words = *other;
		*other = swap;
	}
	return XMC_OK;
}
