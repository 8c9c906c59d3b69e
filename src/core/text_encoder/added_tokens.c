/* added_tokens.c - tokens that are found in a text before it is cut; see added_tokens.h */
#include "text_encoder/added_tokens.h"

#include "text_encoder/character.h"
#include "text_encoder/text_buffer.h"

xmc_added_scan
xmc_added_scan_begin(const xmc_tables *tables, xmc_trie_place trie, const char *text, size_t length)
{
	return (xmc_added_scan){.tables = tables, .trie = xmc_trie_at(tables, trie), .text = text, .length = length};
}

/* The character before `at`; precondition: at > 0. */
static UChar32
character_before(const char *text, size_t at, size_t *begin)
{
	size_t		end = at;

	do
		at--;
	while (at > 0 && ((unsigned char) text[at] & 0xc0) == 0x80);
	*begin = at;
	return xmc_text_next(text, &at, end);
}

/* Whether word characters stand neither before nor behind a match. */
static bool
is_single_word(const xmc_added_scan *scan, size_t begin, size_t end)
{
	size_t		other = end;

	if (end < scan->length && xmc_character_is_word(xmc_text_next(scan->text, &other, scan->length)))
		return false;
	return begin == 0 || !xmc_character_is_word(character_before(scan->text, begin, &other));
}

/* Where white space begins that ends at `at`, but not before `least`. */
static size_t
space_before(const char *text, size_t at, size_t least)
{
	while (at > least)
	{
		size_t		begin;

		if (!xmc_character_is_space(character_before(text, at, &begin)))
			break;
		at = begin;
	}
	return at > least ? at : least;
}

static size_t
space_behind(const char *text, size_t at, size_t length)
{
	while (at < length)
	{
		size_t		next = at;

		if (!xmc_character_is_space(xmc_text_next(text, &next, length)))
			break;
		at = next;
	}
	return at;
}

/*
 * A match that is refused as no single word is passed over as a whole. White space behind a token may hold a match of another
 * token, which is then found all the same.
 */
xmc_status
xmc_added_scan_next(xmc_ctx *ctx, xmc_added_scan *scan, size_t *begin, size_t *end, int32_t *id)
{
	while (scan->at < scan->length)
	{
		size_t		found = 0;
		size_t		start = scan->at;
		int32_t		number = xmc_trie_longest(&scan->trie, 0, scan->text + start, scan->length - start, &found);
		const xmc_added_token *token;

		XMC_TRY(xmc_spend(ctx, &scan->work, 4));
		if (number < 0)
		{
			if (scan->trie.n == 0)
				scan->at = scan->length;
			else
				xmc_text_next(scan->text, &scan->at, scan->length);
			continue;
		}
		token = (const xmc_added_token *) (scan->tables->index + scan->tables->settings->added.at) + number;
		scan->at += found;
		if (token->single_word && !is_single_word(scan, start, scan->at))
			continue;
		if (token->lstrip)
			start = space_before(scan->text, start, scan->done);
		*begin = scan->done;
		*end = start > scan->done ? start : scan->done;
		*id = token->id;
		scan->done = token->rstrip ? space_behind(scan->text, scan->at, scan->length) : scan->at;
		return XMC_OK;
	}
	*begin = scan->done < scan->length ? scan->done : scan->length;
	*end = scan->length;
	*id = -1;
	return XMC_OK;
}
