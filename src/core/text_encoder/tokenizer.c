/* tokenizer.c - from a text to the tokens of an encoder; see tokenizer.h */
#include "text_encoder/tokenizer.h"

#include "base/utf8.h"
#include "text_encoder/added_tokens.h"
#include "text_encoder/normalizer.h"
#include "text_encoder/pre_tokenizer.h"
#include "text_encoder/unigram.h"
#include "text_encoder/wordpiece.h"

#include <string.h>

#define STOP_BYTES 262144		/* of validation, between two calls of the stop callback */

struct xmc_tokenizer
{
	xmc_tables	tables;
	xmc_wordpiece wordpiece;
	xmc_unigram unigram;
};

xmc_status
xmc_tokenizer_open(xmc_ctx *ctx, const xmc_tokenizer_table table[XMC_TOKENIZER_TABLES], int32_t vocabulary,
				   xmc_tokenizer **out)
{
	xmc_tables	tables;
	xmc_tokenizer *tokenizer;

	*out = NULL;
	XMC_TRY(xmc_tables_check(ctx, table, vocabulary, &tables));
	tokenizer = xmc_zalloc(ctx, 1, sizeof *tokenizer);
	XMC_NEED(tokenizer, ctx);
	tokenizer->tables = tables;
	if (tables.settings->model == XMC_WORDPIECE)
		tokenizer->wordpiece = xmc_wordpiece_open(&tables);
	else
		xmc_unigram_open(&tables, &tokenizer->unigram);
	*out = tokenizer;
	return XMC_OK;
}

void
xmc_tokenizer_close(xmc_ctx *ctx, xmc_tokenizer *tokenizer)
{
	xmc_release(ctx, tokenizer);
}

int32_t
xmc_tokenizer_special_tokens(const xmc_tokenizer *tokenizer)
{
	return tokenizer->tables.settings->before.n + tokenizer->tables.settings->after.n;
}

/* What one text needs while it is cut. */
typedef struct encoding
{
	xmc_ctx    *ctx;
	const xmc_tokenizer *tokenizer;
	xmc_token_list tokens;
	xmc_text_buffer text;		/* the part between two added tokens, normalized */
	xmc_text_buffer spare;
	xmc_text_buffer part;		/* of it, the part between two added tokens of the normalized text */
	xmc_spans	words;
	xmc_spans	other;
} encoding;

/* A part of the normalized text without added tokens. */
static xmc_status
encode_words(encoding *e)
{
	const xmc_tokenizer *tokenizer = e->tokenizer;
	int64_t		work = 0;

	e->words.n = 0;
	XMC_TRY(xmc_spans_add(&e->words, 0, e->part.used));
	XMC_TRY(xmc_pre_tokenize(e->ctx, &tokenizer->tables, &e->part, &e->spare, &e->words, &e->other));
	for (size_t k = 0; k < e->words.n && !xmc_token_list_is_full(&e->tokens); k++)
	{
		const char *word = e->part.bytes + e->words.span[k].begin;
		size_t		length = e->words.span[k].end - e->words.span[k].begin;

		if (tokenizer->tables.settings->model == XMC_WORDPIECE)
			XMC_TRY(xmc_wordpiece_encode(e->ctx, &tokenizer->wordpiece, word, length, &e->tokens));
		else
			XMC_TRY(xmc_unigram_encode(e->ctx, &tokenizer->unigram, word, length, &e->tokens));
		XMC_TRY(xmc_spend(e->ctx, &work, 64 + 16 * (int64_t) length));
	}
	return XMC_OK;
}

/* A part of the text without added tokens that are found in the text as it is; it begins at `at`. */
static xmc_status
encode_part(encoding *e, const char *text, size_t length, size_t at)
{
	const xmc_tables *tables = &e->tokenizer->tables;
	xmc_added_scan scan;
	size_t		begin;
	size_t		end;
	size_t		first = 0;
	int32_t		id = 0;

	if (length == 0)
		return XMC_OK;
	if (at == 0)
		xmc_text_next(text, &first, length);
	e->text.used = e->text.start = 0;
	XMC_TRY(xmc_text_put(&e->text, text, first, true));
	XMC_TRY(xmc_text_put(&e->text, text + first, length - first, false));
	XMC_TRY(xmc_normalize(e->ctx, tables, &e->text, &e->spare));
	scan = xmc_added_scan_begin(tables, tables->settings->normalized_added, e->text.bytes, e->text.used);
	while (id >= 0 && !xmc_token_list_is_full(&e->tokens))
	{
		XMC_TRY(xmc_added_scan_next(e->ctx, &scan, &begin, &end, &id));
		if (begin < end)
		{
			e->part.used = 0;
			XMC_TRY(xmc_text_put(&e->part, e->text.bytes + begin, end - begin, false));
			e->part.start = e->text.start < begin ? 0 : e->text.start < end ? e->text.start - begin : end - begin;
			XMC_TRY(encode_words(e));
		}
		if (id >= 0)
			xmc_token_list_add(&e->tokens, id);
	}
	return XMC_OK;
}

static xmc_status
encode_text(encoding *e, const char *text, size_t length)
{
	const xmc_tables *tables = &e->tokenizer->tables;
	xmc_added_scan scan = xmc_added_scan_begin(tables, tables->settings->raw_added, text, length);
	size_t		begin;
	size_t		end;
	int32_t		id = 0;

	while (id >= 0 && !xmc_token_list_is_full(&e->tokens))
	{
		XMC_TRY(xmc_added_scan_next(e->ctx, &scan, &begin, &end, &id));
		XMC_TRY(encode_part(e, text + begin, end - begin, begin));
		if (id >= 0)
			xmc_token_list_add(&e->tokens, id);
	}
	return XMC_OK;
}

static xmc_status
check_utf8(xmc_ctx *ctx, const char *text, size_t length)
{
	const unsigned char *begin = (const unsigned char *) text;
	const unsigned char *end = begin + length;
	const unsigned char *next_stop = begin;

	for (const unsigned char *p = begin; p < end;)
	{
		size_t		step = xmc_utf8_character(p, end);

		if (step == 0)
			return xmc_fail(ctx, XMC_BAD_INPUT, "invalid UTF-8 at byte %zu of %zu: 0x%02x does not begin a valid sequence",
							(size_t) (p - begin), length, *p);
		if (p >= next_stop)
		{
			XMC_TRY(xmc_check_stop(ctx));
			next_stop = (size_t) (end - p) > STOP_BYTES ? p + STOP_BYTES : end;
		}
		p += step;
	}
	return XMC_OK;
}

xmc_status
xmc_tokenizer_encode(xmc_ctx *ctx, const xmc_tokenizer *tokenizer, const char *text, size_t length, int32_t max_tokens,
					 int32_t *id, int32_t *n)
{
	const xmc_tokenizer_settings *settings = tokenizer->tables.settings;
	int32_t		special = xmc_tokenizer_special_tokens(tokenizer);
	encoding	e = {.ctx = ctx, .tokenizer = tokenizer, .text.ctx = ctx, .spare.ctx = ctx, .part.ctx = ctx,
		.words.ctx = ctx, .other.ctx = ctx};
	xmc_status	status;

	*n = 0;
	if (max_tokens < special)
		return xmc_fail(ctx, XMC_BAD_INPUT, "at most %d tokens have no room for %d special ones", (int) max_tokens,
						(int) special);
	XMC_TRY(check_utf8(ctx, text, length));
	memcpy(id, tokenizer->tables.index + settings->before.at, (size_t) settings->before.n * sizeof(int32_t));
	e.tokens = (xmc_token_list){.id = id + settings->before.n, .room = max_tokens - special};
	status = encode_text(&e, text, length);
	xmc_text_buffer_free(&e.text);
	xmc_text_buffer_free(&e.spare);
	xmc_text_buffer_free(&e.part);
	xmc_spans_free(&e.words);
	xmc_spans_free(&e.other);
	XMC_TRY(status);
	memcpy(id + settings->before.n + e.tokens.n, tokenizer->tables.index + settings->after.at,
		   (size_t) settings->after.n * sizeof(int32_t));
	*n = e.tokens.n + special;
	return XMC_OK;
}
