/*
 * find_groups.c - documents that share an image or a long text, joined by union-find over hashes; see groups.h
 */
#include "xmcoh/groups.h"

#include "xmcoh/hash.h"

#include <stdlib.h>
#include <string.h>

#define IMAGE_SEED UINT64_C(0x696d616765000000)
#define TEXT_SEED UINT64_C(0x7465787400000000)

/* That a document has an image or a long text. */
typedef struct holding
{
	uint64_t	hash;
	int32_t		document;
} holding;

typedef struct holdings
{
	int32_t		n;
	holding    *of;				/* (n), XMC_MOST_COMPARED at most */
	uint64_t	mask;			/* only hashes that have none of these bits are kept */
} holdings;

/* ---- what documents hold ---- */

/* Whether a text is long enough for a coincidence to be unlikely. feature (n): its distinct features. */
static bool
is_long(int32_t n, const uint32_t *feature)
{
	int32_t		quarters = 0;

	for (int32_t k = 0; k < n && quarters < 4 * XMC_LONG_TEXT; k++)
	{
		quarters += 4 * (xmc_feature_kind_of(feature[k]) == XMC_FEATURE_WORD);
		quarters += xmc_feature_kind_of(feature[k]) == XMC_FEATURE_CHARACTERS;
	}
	return quarters >= 4 * XMC_LONG_TEXT;
}

/* Adds a holding. When there is no room, half of all hashes are left out from then on. */
static void
add(holdings *h, uint64_t hash, int32_t document)
{
	while (h->n == XMC_MOST_COMPARED)
	{
		int32_t		kept = 0;

		h->mask = 2 * h->mask + 1;
		for (int32_t k = 0; k < h->n; k++)
			if ((h->of[k].hash & h->mask) == 0)
				h->of[kept++] = h->of[k];
		h->n = kept;
	}
	if ((hash & h->mask) == 0)
		h->of[h->n++] = (holding){hash, document};
}

/* The largest number of holdings that the documents can have, at most XMC_MOST_COMPARED. */
static int64_t
count_holdings(int32_t n, const xmc_document *document)
{
	int64_t		count = 0;

	for (int32_t d = 0; d < n && count < XMC_MOST_COMPARED; d++)
		count += 2 * (int64_t) document[d].n;
	return count < XMC_MOST_COMPARED ? count : XMC_MOST_COMPARED;
}

static xmc_status
gather(xmc_ctx *ctx, const xmc_options *options, int32_t n, const xmc_document *document, holdings *h)
{
	for (int32_t d = 0; d < n; d++)
	{
		const xmc_document *this = &document[d];

		XMC_TRY(xmc_check_stop(ctx));
		for (int32_t i = 0; i < this->n; i++)
		{
			const uint32_t *feature = this->feature + this->feature_start[i];
			int32_t		features = this->feature_start[i + 1] - this->feature_start[i];

			if (this->has[i] & XMC_HAS_IMAGE)
				add(h, xmc_hash_bytes(this->image + (int64_t) i * options->image_dim,
									  (size_t) options->image_dim * sizeof(float), IMAGE_SEED), d);
			if ((this->has[i] & XMC_HAS_WORDS) && is_long(features, feature))
				add(h, xmc_hash_bytes(feature, (size_t) features * sizeof *feature, TEXT_SEED), d);
		}
	}
	return XMC_OK;
}

/* By hash, then by document. */
static int
compare_holdings(const void *a, const void *b)
{
	const holding *x = a;
	const holding *y = b;

	if (x->hash != y->hash)
		return x->hash > y->hash ? 1 : -1;
	return (x->document > y->document) - (x->document < y->document);
}

/* Sorts the holdings and removes those of a document that has the same image or text in several items. */
static void
sort_holdings(holdings *h)
{
	int32_t		kept = 0;

	if (h->n > 0)
		qsort(h->of, (size_t) h->n, sizeof *h->of, compare_holdings);
	for (int32_t k = 0; k < h->n; k++)
		if (kept == 0 || compare_holdings(&h->of[kept - 1], &h->of[k]) != 0)
			h->of[kept++] = h->of[k];
	h->n = kept;
}

/* ---- joining ---- */

/* The first document of those that d is joined with; halves the path to it. */
static int32_t
find(int32_t *leader, int32_t d)
{
	while (leader[d] != d)
		d = leader[d] = leader[leader[d]];
	return d;
}

static void
join(int32_t *leader, int32_t a, int32_t b)
{
	a = find(leader, a);
	b = find(leader, b);
	if (a < b)
		leader[b] = a;
	else
		leader[a] = b;
}

/* The documents of the largest set of joined ones; size (n) is scratch. Each leader then is the first document. */
static int32_t
largest_set(int32_t n, int32_t *leader, int32_t *size)
{
	int32_t		largest = 0;

	for (int32_t d = 0; d < n; d++)
	{
		size[d] = 0;
		leader[d] = find(leader, d);
		if (++size[leader[d]] > largest)
			largest = size[leader[d]];
	}
	return largest;
}

/* Joins the documents of each image and text that at most `limit` documents have. Returns the most documents of one. */
static int32_t
join_holders(const holdings *h, int32_t limit, int32_t *leader, int32_t *left_out)
{
	int32_t		most = 0;

	*left_out = 0;
	for (int32_t k = 0, end; k < h->n; k = end)
	{
		for (end = k + 1; end < h->n && h->of[end].hash == h->of[k].hash; end++)
			;
		for (int32_t i = k + 1; i < end && end - k <= limit; i++)
			join(leader, h->of[k].document, h->of[i].document);
		*left_out += end - k > limit;
		if (end - k > most)
			most = end - k;
	}
	return most;
}

/* The first document of each document's given group, into given (n). */
static xmc_status
find_given(xmc_arena *scratch, int32_t n, const xmc_document *document, int32_t *given)
{
	uint64_t   *group = xmc_arena_alloc(scratch, (size_t) n, sizeof *group);
	int32_t    *first = xmc_arena_alloc(scratch, (size_t) n, sizeof *first);	/* (groups) */
	int32_t		n_groups;
	int32_t		known = 0;

	if (!group || !first)
		return xmc_fail(scratch->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t d = 0; d < n; d++)
		group[d] = document[d].group;
	XMC_TRY(xmc_number_groups(scratch->ctx, n, group, given, &n_groups));
	for (int32_t d = 0; d < n; d++)
	{
		if (given[d] == known)
			first[known++] = d;
		given[d] = first[given[d]];
	}
	return XMC_OK;
}

static xmc_status
find_groups(xmc_arena *scratch, const xmc_options *options, int32_t n, const xmc_document *document, int32_t *leader,
			xmc_found_groups *found)
{
	holdings	h = {.of = xmc_arena_alloc(scratch, (size_t) count_holdings(n, document), sizeof *h.of)};
	int32_t    *given = xmc_arena_alloc(scratch, (size_t) n, sizeof *given);
	int32_t    *size = xmc_arena_alloc(scratch, (size_t) n, sizeof *size);
	int32_t		allowed = n / 2;	/* documents of the largest set */
	int32_t		largest;

	if (!h.of || !given || !size)
		return xmc_fail(scratch->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(gather(scratch->ctx, options, n, document, &h));
	sort_holdings(&h);
	XMC_TRY(find_given(scratch, n, document, given));
	/* What was given is not cut. */
	memcpy(leader, given, (size_t) n * sizeof *leader);
	largest = largest_set(n, leader, size);
	if (largest > allowed)
		allowed = largest;
	for (found->limit = INT32_MAX;;)
	{
		int32_t		most;

		XMC_TRY(xmc_check_stop(scratch->ctx));
		memcpy(leader, given, (size_t) n * sizeof *leader);
		most = join_holders(&h, found->limit, leader, &found->left_out);
		if (largest_set(n, leader, size) <= allowed)
			break;
		found->limit = (found->limit == INT32_MAX ? most : found->limit) / 2;
	}
	for (int32_t d = 0; d < n; d++)
		found->documents += size[leader[d]] > 1;
	return XMC_OK;
}

xmc_status
xmc_find_groups(xmc_ctx *ctx, const xmc_options *options, int32_t n, const xmc_document *document, int32_t *leader,
				xmc_found_groups *found)
{
	xmc_arena	scratch;
	xmc_status	status;

	*found = (xmc_found_groups){0};
	xmc_arena_init(&scratch, ctx);
	status = find_groups(&scratch, options, n, document, leader, found);
	xmc_arena_free(&scratch);
	return status;
}
