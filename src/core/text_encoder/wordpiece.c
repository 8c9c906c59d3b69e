/* wordpiece.c - a word as pieces, the longest first; see wordpiece.h */
#include "text_encoder/wordpiece.h"

xmc_wordpiece
xmc_wordpiece_open(const xmc_tables *tables)
{
	const xmc_tokenizer_settings *settings = tables->settings;
	xmc_wordpiece model = {.trie = xmc_trie_at(tables, settings->pieces), .unknown = settings->unknown,
		.max_characters = settings->max_characters};

	model.within = xmc_trie_walk(&model.trie, 0, xmc_string(tables, settings->prefix), (size_t) settings->prefix.n);
	return model;
}

/* Whether a word has more than `most` characters. */
static bool
is_longer(const char *word, size_t length, int32_t most)
{
	int64_t		characters = 0;

	if (length <= (size_t) most)
		return false;
	for (size_t k = 0; k < length && characters <= most; k++)
		characters += ((unsigned char) word[k] & 0xc0) != 0x80;
	return characters > most;
}

/*
 * If the word turns out to be unknown, the tokens so far are taken back. A word whose tokens do not all fit is read to its end
 * nevertheless, because only then its first tokens are certain.
 */
xmc_status
xmc_wordpiece_encode(xmc_ctx *ctx, const xmc_wordpiece *model, const char *word, size_t length, xmc_token_list *out)
{
	int32_t		before = out->n;
	int64_t		work = 0;
	bool		known = !is_longer(word, length, model->max_characters);

	for (size_t at = 0, found = 0; known && at < length; at += found)
	{
		int32_t		from = at == 0 ? 0 : model->within;
		int32_t		id = from < 0 ? -1 : xmc_trie_longest(&model->trie, from, word + at, length - at, &found);

		known = id >= 0;
		if (known)
			xmc_token_list_add(out, id);
		XMC_TRY(xmc_spend(ctx, &work, XMC_TOKENIZER_MAX_STRING));
	}
	if (!known)
	{
		out->n = before;
		xmc_token_list_add(out, model->unknown);
	}
	return XMC_OK;
}
