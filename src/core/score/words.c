/* words.c - the sparse term of a pair as a sum over named features; see words.h */
#include "score/words.h"
#include "network/sparse.h"

#include <string.h>

/* The distinct features of both items of a pair, ascending. */
typedef struct named_features
{
	xmc_arena  *arena;
	int32_t		n;
	uint32_t   *feature;		/* (n) */
	xmc_part   *part;			/* (n) */
	bool	   *is_cut;			/* (n) the beginning of a longer word */
	size_t		word_length;	/* of the last word that was visited */
	char	   *room;			/* (n_room) for names */
	size_t		n_room;
	xmc_status	status;			/* the error so far: the visitor cannot return one */
} named_features;

/* The number of a feature; -1: neither item has it. */
static int32_t
find_feature(const named_features *named, uint32_t feature)
{
	int32_t		low = 0;
	int32_t		high = named->n;

	while (low < high)
	{
		int32_t		middle = low + (high - low) / 2;

		if (named->feature[middle] < feature)
			low = middle + 1;
		else
			high = middle;
	}
	return low < named->n && named->feature[low] == feature ? low : -1;
}

/* Names are short and many, and an allocation of the arena takes 64 bytes at least: so they share blocks. */
#define NAME_BLOCK 16384

/* A copy of a name; NULL: out of memory. */
static char *
copy_name(named_features *named, const char *term, size_t length)
{
	char	   *copy;

	if (length > named->n_room)
	{
		named->n_room = length > NAME_BLOCK ? length : NAME_BLOCK;
		named->room = xmc_arena_alloc(named->arena, named->n_room, 1);
		if (!named->room)
			return NULL;
	}
	copy = memcpy(named->room, term, length);
	named->room += length;
	named->n_room -= length;
	return copy;
}

/* A visitor that gives a feature the name under which it comes first. */
static void
name_feature(void *arg, xmc_feature_kind kind, const char *term, size_t term_length, uint64_t hash)
{
	named_features *named = arg;
	int32_t		k;
	char	   *copy;

	if (kind == XMC_FEATURE_WORD)
		named->word_length = term_length;
	if (named->status != XMC_OK)
		return;
	k = find_feature(named, xmc_feature_value(kind, hash));
	if (k < 0 || named->part[k].term)
		return;
	named->is_cut[k] = kind == XMC_FEATURE_STEM && term_length < named->word_length;
	named->part[k].word_length = named->is_cut[k] ? named->word_length : term_length;
	copy = copy_name(named, term, named->part[k].word_length);	/* the rest of the word follows its beginning */
	if (!copy)
	{
		named->status = xmc_fail(named->arena->ctx, XMC_NO_MEMORY, "out of memory");
		return;
	}
	named->part[k].term = copy;
	named->part[k].term_length = term_length;
}

/* Merges the features of the two items and adds up what each of them contributes. */
static xmc_status
merge_features(const xmc_model *model, const xmc_document *document, const int32_t pair[2], double factor,
			   named_features *named)
{
	int			shift = 32 - model->options.hash_bits;
	const uint32_t *feature[2];
	int32_t		count[2];
	int32_t		k[2] = {0, 0};
	double		share[2][XMC_FEATURE_KINDS];
	int64_t		work = 0;

	for (int side = 0; side < 2; side++)
	{
		feature[side] = xmc_item_features(document, pair[side], &count[side]);
		xmc_sparse_shares(feature[side], count[side], share[side]);
	}
	while (k[0] < count[0] || k[1] < count[1])
	{
		bool		first = k[1] == count[1] || (k[0] < count[0] && feature[0][k[0]] < feature[1][k[1]]);
		uint32_t	next = feature[!first][k[!first]];
		xmc_feature_kind kind = xmc_feature_kind_of(next);
		xmc_part   *part = &named->part[named->n];

		*part = (xmc_part){.kind = XMC_PART_WORD,.modality = XMC_TEXT,.feature_kind = kind};
		/* s(a, b) = u(b) - u(a) */
		for (int side = 0; side < 2; side++)
			if (k[side] < count[side] && feature[side][k[side]] == next)
			{
				part->in[side] = true;
				part->contribution += (side ? 1 : -1) * factor * share[side][kind] * model->sparse[next >> shift];
				k[side]++;
			}
		named->is_cut[named->n] = false;
		named->feature[named->n++] = next;
		XMC_TRY(xmc_spend(named->arena->ctx, &work, 1));
	}
	return XMC_OK;
}

/* Adds the n-gram of all characters of a word, and the beginning that is all of the word, to the word. */
static xmc_status
join_words(named_features *named)
{
	int64_t		work = 0;

	for (int32_t k = 0; k < named->n; k++)
	{
		xmc_part   *part = &named->part[k];
		bool		may_be_word = part->feature_kind == XMC_FEATURE_CHARACTERS ||
			(part->feature_kind == XMC_FEATURE_STEM && !named->is_cut[k]);
		int32_t		word = may_be_word && part->term
			? find_feature(named, xmc_feature_of(XMC_FEATURE_WORD, part->term, part->term_length)) : -1;

		XMC_TRY(xmc_spend(named->arena->ctx, &work, 1));
		if (word < 0)
			continue;
		named->part[word].contribution += part->contribution;
		for (int side = 0; side < 2; side++)
			named->part[word].in[side] |= part->in[side];
		part->contribution = 0;
	}
	return XMC_OK;
}

xmc_status
xmc_word_parts(xmc_arena *arena, const xmc_model *model, xmc_tokeniser *tokeniser, const xmc_document *document,
			   const xmc_item *item, int32_t a, int32_t b, double factor, int32_t *n, xmc_part *part)
{
	named_features named = {.arena = arena,.part = part + *n};
	const int32_t pair[2] = {a, b};
	size_t		most = 0;

	for (int side = 0; side < 2; side++)
		most += (size_t) (document->feature_start[pair[side] + 1] - document->feature_start[pair[side]]);
	named.feature = xmc_arena_alloc(arena, most, sizeof(uint32_t));
	named.is_cut = xmc_arena_alloc(arena, most, sizeof(bool));
	if (!named.feature || !named.is_cut)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(merge_features(model, document, pair, factor, &named));
	for (int side = 0; side < 2; side++)
	{
		const xmc_item *of = &item[pair[side]];

		if (of->text)
			XMC_TRY(xmc_text_visit(arena->ctx, tokeniser, of->text, of->text_length, name_feature, &named));
		XMC_TRY(named.status);
	}
	XMC_TRY(join_words(&named));
	/* only the parts that are not 0 */
	for (int32_t k = 0; k < named.n; k++)
		if (named.part[k].contribution != 0)
			part[(*n)++] = named.part[k];
	return XMC_OK;
}

void
xmc_word_effects(const xmc_model *model, int32_t count, const uint32_t *feature, double *effect)
{
	int			shift = 32 - model->options.hash_bits;
	double		share[XMC_FEATURE_KINDS];

	xmc_sparse_shares(feature, count, share);
	for (int32_t k = 0; k < count; k++)
		effect[k] = model->calibration.solo[XMC_TEXT] * share[xmc_feature_kind_of(feature[k])] * model->sparse[feature[k] >> shift];
}
