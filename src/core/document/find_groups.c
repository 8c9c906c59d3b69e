/*
 * find_groups.c - documents that share an image or a long text, joined by union-find over hashes; see groups.h
 */
#include "xmcoh/groups.h"

#include "document/joined.h"
#include "document/near_items.h"
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
	int32_t		item;			/* whose image; ~item: whose text */
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
add(holdings *h, uint64_t hash, int32_t document, int32_t item)
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
		h->of[h->n++] = (holding){hash, document, item};
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
			int32_t		features;
			const uint32_t *feature = xmc_item_features(this, i, &features);

			if (this->has[i] & XMC_HAS_IMAGE)
				add(h, xmc_hash_bytes(this->image + (int64_t) i * options->image_dim,
									  (size_t) options->image_dim * sizeof(float), IMAGE_SEED), d, i);
			if (options->find_groups >= XMC_FIND_TEXTS && (this->has[i] & XMC_HAS_WORDS) && is_long(features, feature))
				add(h, xmc_hash_bytes(feature, (size_t) features * sizeof *feature, TEXT_SEED), d, ~i);
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

/* ---- near duplicates ---- */

/* The different images or texts among the holdings, in the order of their hashes. */
typedef struct different
{
	int32_t		n;
	const float **image;		/* (n) of the first holding of each, or */
	xmc_text_view *text;		/* (n) */
	int32_t    *first;			/* (n) the number of its first holding */
	int32_t    *leader;			/* (n) */
} different;

static xmc_status
list_different(xmc_arena *scratch, const xmc_options *options, const xmc_document *document, const holdings *h,
			   bool images, different *out)
{
	size_t		room = (size_t) h->n;

	*out = (different){.first = xmc_arena_alloc(scratch, room, sizeof *out->first),
		.leader = xmc_arena_alloc(scratch, room, sizeof *out->leader)};
	if (images)
		out->image = xmc_arena_alloc(scratch, room, sizeof *out->image);
	else
		out->text = xmc_arena_alloc(scratch, room, sizeof *out->text);
	if (!out->first || !out->leader || !(images ? (void *) out->image : (void *) out->text))
		return xmc_fail(scratch->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t k = 0; k < h->n; k++)
	{
		const xmc_document *of = &document[h->of[k].document];
		int32_t		item = h->of[k].item;

		if ((item >= 0) != images || (k > 0 && h->of[k - 1].hash == h->of[k].hash))
			continue;
		if (images)
			out->image[out->n] = of->image + (int64_t) item * options->image_dim;
		else
			out->text[out->n].feature = xmc_item_features(of, ~item, &out->text[out->n].n);
		out->first[out->n++] = k;
	}
	return XMC_OK;
}

/* Gives the holdings of each image or text the hash of its leader. Returns how many are joined with another one. */
static int32_t
share_hashes(const different *d, holdings *h, uint64_t *hash)
{
	int32_t		joined = 0;

	for (int32_t i = 0; i < d->n; i++)
		hash[i] = h->of[d->first[i]].hash;
	for (int32_t i = 0; i < d->n; i++)
	{
		int32_t		leader = xmc_leader_of(d->leader, i);

		joined += leader != i;
		for (int32_t k = d->first[i]; k < h->n && h->of[k].hash == hash[i]; k++)
			if (leader != i)
				h->of[k].hash = hash[leader];
	}
	return joined;
}

/* Near duplicates get one hash, so that they join like identical images and texts. */
static xmc_status
join_near(xmc_ctx *ctx, const xmc_options *options, const xmc_document *document, holdings *h, xmc_found_groups *found)
{
	xmc_arena	scratch;
	xmc_status	status = XMC_OK;

	xmc_arena_init(&scratch, ctx);
	for (int images = 0; images < 2 && status == XMC_OK; images++)
	{
		different	d;
		uint64_t   *hash;

		xmc_arena_reset(&scratch);
		sort_holdings(h);
		status = list_different(&scratch, options, document, h, images, &d);
		hash = xmc_arena_alloc(&scratch, (size_t) h->n, sizeof *hash);
		if (status == XMC_OK && !hash)
			status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
		if (status == XMC_OK)
			status = images ? xmc_join_near_images(&scratch, d.n, d.image, options->image_dim, d.leader)
				: xmc_join_near_texts(&scratch, d.n, d.text, d.leader);
		if (status == XMC_OK)
			*(images ? &found->near_images : &found->near_texts) = share_hashes(&d, h, hash);
	}
	xmc_arena_free(&scratch);
	return status;
}

/* ---- joining ---- */

/* The largest set of joined documents, and the most labelled documents of a set. */
typedef struct largest_sets
{
	int32_t		documents;
	int32_t		labelled;
} largest_sets;

/* size, labelled (n) are scratch: of each set, at its first document, which then is the leader of all others. */
static largest_sets
find_largest(int32_t n, const xmc_document *document, int32_t *leader, int32_t *size, int32_t *labelled)
{
	largest_sets largest = {0};

	for (int32_t d = 0; d < n; d++)
	{
		size[d] = labelled[d] = 0;
		leader[d] = xmc_leader_of(leader, d);
		labelled[leader[d]] += document[d].n_pairs > 0;
		if (++size[leader[d]] > largest.documents)
			largest.documents = size[leader[d]];
		if (labelled[leader[d]] > largest.labelled)
			largest.labelled = labelled[leader[d]];
	}
	return largest;
}

/* Half of the documents, and of the labelled ones, or what given groups have. */
static largest_sets
find_allowed(int32_t n, const xmc_document *document, int32_t *given, int32_t *size, int32_t *labelled)
{
	largest_sets allowed = find_largest(n, document, given, size, labelled);
	int32_t		n_labelled = 0;

	for (int32_t d = 0; d < n; d++)
		n_labelled += document[d].n_pairs > 0;
	if (allowed.documents < n / 2)
		allowed.documents = n / 2;
	if (allowed.labelled < n_labelled / 2)
		allowed.labelled = n_labelled / 2;
	return allowed;
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
			xmc_join(leader, h->of[k].document, h->of[i].document);
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
	int32_t    *labelled = xmc_arena_alloc(scratch, (size_t) n, sizeof *labelled);
	largest_sets allowed;

	if (!h.of || !given || !size || !labelled)
		return xmc_fail(scratch->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(gather(scratch->ctx, options, n, document, &h));
	if (options->find_groups == XMC_FIND_NEAR)
		XMC_TRY(join_near(scratch->ctx, options, document, &h, found));
	sort_holdings(&h);
	XMC_TRY(find_given(scratch, n, document, given));
	/* What was given is not cut. */
	allowed = find_allowed(n, document, given, size, labelled);
	for (found->limit = INT32_MAX;;)
	{
		largest_sets largest;
		int32_t		most;

		XMC_TRY(xmc_check_stop(scratch->ctx));
		memcpy(leader, given, (size_t) n * sizeof *leader);
		most = join_holders(&h, found->limit, leader, &found->left_out);
		largest = find_largest(n, document, leader, size, labelled);
		if (largest.documents <= allowed.documents && largest.labelled <= allowed.labelled)
			break;
		found->limit = (found->limit == INT32_MAX ? most : found->limit) / 2;
	}
	/* Sets of several given groups: `labelled` marks them. */
	memset(labelled, 0, (size_t) n * sizeof *labelled);
	for (int32_t d = 0; d < n; d++)
		labelled[leader[d]] |= leader[d] != given[d];
	for (int32_t d = 0; d < n; d++)
		found->documents += labelled[leader[d]];
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
