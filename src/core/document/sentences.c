/* sentences.c - see sentences.h */
#include "xmcoh/sentences.h"

#include <stdio.h>
#include <string.h>

#define LEAST_WORDS 2			/* of a sentence that tells of an order; fewer are numbers and remains of markup */

/* Marks of scripts without spaces, which end a sentence whatever follows: ideographic and full-width forms. */
static const char *const wide_mark[] = {"\u3002", "\uFF01", "\uFF1F", "\uFF1A", "\uFF1B"};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The bytes of the mark at the beginning of a text that ends a sentence there; 0: there is none. */
static size_t
end_mark(const char *text, size_t length)
{
	if (text[0] == '\n')
		return 1;
	if (strchr(".!?:;", text[0]) && text[0])
		return length == 1 || is_space(text[1]) ? 1 : 0;
	for (size_t k = 0; k < sizeof wide_mark / sizeof wide_mark[0]; k++)
		if (length >= 3 && memcmp(text, wide_mark[k], 3) == 0)
			return 3;
	return 0;
}

size_t
xmc_sentence_length(const char *text, size_t length)
{
	size_t		k = 0;
	size_t		mark = 0;

	while (k < length && (mark = end_mark(text + k, length - k)) == 0)
		k++;
	k += mark;
	while (k < length && is_space(text[k]))
		k++;
	return k;
}

/* No more of a text is looked at, however long it is: enough to see that a sentence ends too far behind. */
static size_t
read_length(size_t length)
{
	return length <= XMC_SENTENCE_BYTES ? length : XMC_SENTENCE_BYTES + 1;
}

bool
xmc_has_sentences(const char *text, size_t length)
{
	return xmc_sentence_length(text, read_length(length)) < read_length(length);
}

xmc_options
xmc_sentence_options(const xmc_options *options)
{
	xmc_options words = *options;

	words.words = 1;
	words.text_dim = words.image_dim = 0;
	return words;
}

/* Removes the labelled pairs with a sentence of too few words. */
static void
leave_out_short(xmc_document *document)
{
	int32_t		kept = 0;

	for (int32_t p = 0; p < document->n_pairs; p++)
	{
		const int32_t *before = document->word_start + document->pair[p].before;
		const int32_t *after = document->word_start + document->pair[p].after;

		if (before[1] - before[0] >= LEAST_WORDS && after[1] - after[0] >= LEAST_WORDS)
			document->pair[kept++] = document->pair[p];
	}
	document->n_pairs = kept;
}

xmc_status
xmc_document_of_sentences(xmc_ctx *ctx, const xmc_options *options, xmc_tokeniser *tokeniser, const char *text, size_t length,
						  xmc_document *out)
{
	xmc_options words = xmc_sentence_options(options);
	xmc_item	item[XMC_MOST_SENTENCES];
	char		key[XMC_MOST_SENTENCES][8];
	int32_t		order[XMC_MOST_SENTENCES];
	int32_t		n = 0;

	length = read_length(length);
	for (size_t at = 0, end; at < length && n < XMC_MOST_SENTENCES; at = end, n++)
	{
		int			key_length = snprintf(key[n], sizeof key[n], "%d", (int) n);

		end = at + xmc_sentence_length(text + at, length - at);
		if (end > XMC_SENTENCE_BYTES)
			break;
		item[n] = (xmc_item){.key = key[n],.key_length = (size_t) key_length,.text = text + at,.text_length = end - at};
		order[n] = n;
	}
	XMC_TRY(xmc_document_build(ctx, &words, tokeniser, n, item, out));
	XMC_TRY(xmc_document_label_order(ctx, out, order));
	leave_out_short(out);
	return XMC_OK;
}
