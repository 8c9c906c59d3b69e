/* words.c - the score of a pair as a sum over named features; see words.h */
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
	xmc_names	names;
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

#define NAME_BLOCK 16384

char *
xmc_name_copy(xmc_names *names, const char *term, size_t length)
{
	char	   *copy;

	if (length > names->n_room)
	{
		names->n_room = length > NAME_BLOCK ? length : NAME_BLOCK;
		names->room = xmc_arena_alloc(names->arena, names->n_room, 1);
		if (!names->room)
			return NULL;
	}
	copy = memcpy(names->room, term, length);
	names->room += length;
	names->n_room -= length;
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
	copy = xmc_name_copy(&named->names, term, named->part[k].word_length);	/* the rest of the word follows its beginning */
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
merge_features(const xmc_document *document, const int32_t pair[2], xmc_part_kind part_kind, xmc_feature_effect effect,
			   const void *arg, named_features *named)
{
	const uint32_t *feature[2];
	int32_t		count[2];
	int32_t		k[2] = {0, 0};
	int64_t		work = 0;

	for (int side = 0; side < 2; side++)
		feature[side] = xmc_item_features(document, pair[side], &count[side]);
	while (k[0] < count[0] || k[1] < count[1])
	{
		bool		first = k[1] == count[1] || (k[0] < count[0] && feature[0][k[0]] < feature[1][k[1]]);
		uint32_t	next = feature[!first][k[!first]];
		xmc_part   *part = &named->part[named->n];

		*part = (xmc_part){.kind = part_kind,.modality = XMC_TEXT,.feature_kind = xmc_feature_kind_of(next)};
		for (int side = 0; side < 2; side++)
			if (k[side] < count[side] && feature[side][k[side]] == next)
			{
				part->in[side] = true;
				part->contribution += effect(arg, side, next);
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
xmc_feature_parts(xmc_arena *arena, xmc_tokeniser *tokeniser, const xmc_document *document, const xmc_item *item, int32_t a,
				  int32_t b, xmc_part_kind kind, xmc_feature_effect effect, const void *arg, int32_t *n, xmc_part *part)
{
	named_features named = {.arena = arena,.part = part + *n,.names = {.arena = arena}};
	const int32_t pair[2] = {a, b};
	size_t		most = 0;

	for (int side = 0; side < 2; side++)
		most += (size_t) (document->feature_start[pair[side] + 1] - document->feature_start[pair[side]]);
	named.feature = xmc_arena_alloc(arena, most, sizeof(uint32_t));
	named.is_cut = xmc_arena_alloc(arena, most, sizeof(bool));
	if (!named.feature || !named.is_cut)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(merge_features(document, pair, kind, effect, arg, &named));
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

/* What xmc_word_parts knows of a pair. */
typedef struct sparse_pair
{
	const xmc_model *model;
	double		factor;
	double		share[2][XMC_FEATURE_KINDS];
} sparse_pair;

/* s(a, b) = u(b) - u(a) */
static double
sparse_effect(const void *arg, int side, uint32_t feature)
{
	const sparse_pair *pair = arg;

	return (side ? 1 : -1) * pair->factor * pair->share[side][xmc_feature_kind_of(feature)] *
		pair->model->sparse[feature >> (32 - pair->model->options.hash_bits)];
}

xmc_status
xmc_word_parts(xmc_arena *arena, const xmc_model *model, xmc_tokeniser *tokeniser, const xmc_document *document,
			   const xmc_item *item, int32_t a, int32_t b, double factor, int32_t *n, xmc_part *part)
{
	sparse_pair pair = {.model = model,.factor = factor};

	for (int side = 0; side < 2; side++)
	{
		int32_t		count;
		const uint32_t *feature = xmc_item_features(document, side ? b : a, &count);

		xmc_sparse_shares(feature, count, pair.share[side]);
	}
	return xmc_feature_parts(arena, tokeniser, document, item, a, b, XMC_PART_WORD, sparse_effect, &pair, n, part);
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
