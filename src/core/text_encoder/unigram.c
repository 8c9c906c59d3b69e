/* unigram.c - a text as the pieces of the highest sum of scores; see unigram.h */
#include "text_encoder/unigram.h"

#include <math.h>
#include <string.h>

#define UNKNOWN_PENALTY 10.0	/* an unknown character costs so much more than the piece of the lowest score */
#define FEW_BYTES 128			/* a word of at most so many bytes needs no allocation */

static double
score_of(const xmc_unigram *model, int32_t id)
{
	double		score;

	memcpy(&score, model->score + 2 * (size_t) id, sizeof score);
	return score;
}

void
xmc_unigram_open(const xmc_tables *tables, xmc_unigram *out)
{
	const xmc_tokenizer_settings *settings = tables->settings;
	double		lowest = INFINITY;

	*out = (xmc_unigram){.trie = xmc_trie_at(tables, settings->pieces), .score = tables->index + settings->scores.at,
		.fallback = settings->fallback.n ? tables->index + settings->fallback.at : NULL, .unknown = settings->unknown};
	for (int32_t id = 0; id < settings->scores.n; id++)
		lowest = score_of(out, id) < lowest ? score_of(out, id) : lowest;
	out->unknown_score = lowest - UNKNOWN_PENALTY;
	for (int label = 0; label < 256; label++)
		out->root[label] = out->trie.n ? xmc_trie_child(&out->trie, 0, (unsigned char) label) : -1;
}

/* The best path that ends behind a byte of the word. */
typedef struct best
{
	double		score;
	uint32_t	length;			/* bytes of the last piece; 0: no path ends here yet */
	int32_t		id;
} best;

/* A path of this score that ends with this piece replaces a worse one; of equal ones the first stays. */
static inline void
offer(best *at, double score, size_t length, int32_t id)
{
	if (at->length == 0 || score > at->score)
		*at = (best){score, (uint32_t) length, id};
}

static size_t
character_length(const char *text)
{
	unsigned char c = (unsigned char) *text;

	return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* Fills at (length + 1), which is zeroed, from the left. */
static xmc_status
find_paths(xmc_ctx *ctx, const xmc_unigram *model, const char *word, size_t length, best *at)
{
	int64_t		work = 0;

	for (size_t begin = 0, step; begin < length; begin += step)
	{
		double		so_far = at[begin].score;
		bool		has_single = false;
		int32_t		node = model->root[(unsigned char) word[begin]];
		size_t		end = begin;

		step = character_length(word + begin);
		if (step > length - begin)
			step = length - begin;
		while (node >= 0)
		{
			int32_t		id = model->trie.value[node];

			end++;
			if (id >= 0)
			{
				offer(&at[end], score_of(model, id) + so_far, end - begin, id);
				has_single = has_single || end - begin == step;
			}
			node = end < length ? xmc_trie_child(&model->trie, node, (unsigned char) word[end]) : -1;
		}
		if (!has_single)
			offer(&at[begin + step], model->unknown_score + so_far, step, model->unknown);
		XMC_TRY(xmc_spend(ctx, &work, 8 + 4 * (int64_t) (end - begin)));
	}
	return XMC_OK;
}

/* The tokens of consecutive unknown characters: a piece, or the tokens of their bytes, or the unknown token. */
static void
add_unknown(const xmc_unigram *model, const char *text, size_t length, xmc_token_list *out)
{
	int32_t		node = xmc_trie_walk(&model->trie, 0, text, length);
	bool		has_bytes = model->fallback != NULL;

	if (node >= 0 && model->trie.value[node] >= 0)
	{
		xmc_token_list_add(out, model->trie.value[node]);
		return;
	}
	for (size_t k = 0; k < length && has_bytes; k++)
		has_bytes = model->fallback[(unsigned char) text[k]] >= 0;
	if (!has_bytes)
		xmc_token_list_add(out, model->unknown);
	else
		for (size_t k = 0; k < length; k++)
			xmc_token_list_add(out, model->fallback[(unsigned char) text[k]]);
}

/*
 * Turns the path around, so that at[begin].length is the length of the piece that begins there, and reads it from the left. The
 * entry at `begin` is free, because all later pieces have been read.
 */
static void
read_path(const xmc_unigram *model, const char *word, size_t length, best *at, xmc_token_list *out)
{
	size_t		begin = length;
	uint32_t	piece = at[length].length;
	int32_t		id = at[length].id;

	while (begin > 0)
	{
		uint32_t	next_piece = at[begin - piece].length;
		int32_t		next_id = at[begin - piece].id;

		begin -= piece;
		at[begin].length = piece;
		at[begin].id = id;
		piece = next_piece;
		id = next_id;
	}
	while (begin < length && !xmc_token_list_is_full(out))
	{
		size_t		end = begin + at[begin].length;

		if (at[begin].id != model->unknown)
			xmc_token_list_add(out, at[begin].id);
		else
		{
			while (end < length && at[end].id == model->unknown)
				end += at[end].length;
			add_unknown(model, word + begin, end - begin, out);
		}
		begin = end;
	}
}

xmc_status
xmc_unigram_encode(xmc_ctx *ctx, const xmc_unigram *model, const char *word, size_t length, xmc_token_list *out)
{
	best		few[FEW_BYTES + 1];
	best	   *at = few;
	xmc_status	status;

	if (length == 0)
		return XMC_OK;
	if (length > FEW_BYTES)
	{
		at = xmc_alloc(ctx, length + 1, sizeof(best));
		XMC_NEED(at, ctx);
	}
	status = xmc_clear(ctx, at, (length + 1) * sizeof(best));
	if (status == XMC_OK)
		status = find_paths(ctx, model, word, length, at);
	if (status == XMC_OK)
		read_path(model, word, length, at, out);
	if (at != few)
		xmc_release(ctx, at);
	return status;
}
