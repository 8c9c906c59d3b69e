/*
 * near_items.c - see near_items.h
 *
 * Each table hashes all items so that similar ones probably get the same bucket: texts by the smallest hash values of their
 * words (MinHash, Broder 1997), images by the sides of random hyperplanes on which they lie (Charikar 2002). Within a bucket
 * items are sorted by one more such value, so similar ones are neighbours there; neighbours are compared.
 */
#include "document/near_items.h"

#include "document/joined.h"
#include "xmcoh/groups.h"
#include "xmcoh/hash.h"
#include "xmcoh/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEIGHBOURS 16			/* of an item that are compared with it, in each table */
#define IMAGE_TABLES 12
#define IMAGE_BITS 16			/* hyperplanes of a table: two images at the threshold share a bucket with probability .35 */
#define TEXT_TABLES 16
#define TEXT_VALUES 5			/* MinHash values of a table: two texts at the threshold share a bucket with probability .33 */
#define SEED UINT64_C(0x6e65617200000000)

/* An item in a table. The upper 32 bits of the key are the bucket; the lower ones sort it. */
typedef struct place
{
	uint64_t	key;
	int32_t		item;
} place;

static int
compare_places(const void *a, const void *b)
{
	const place *x = a;
	const place *y = b;

	if (x->key != y->key)
		return x->key > y->key ? 1 : -1;
	return (x->item > y->item) - (x->item < y->item);
}

/* The items of one kind. */
typedef struct items
{
	int32_t		n;
	const xmc_text_view *text;	/* (n); NULL: these are images */
	const float *const *image;	/* (n) of `dim` numbers */
	int32_t		dim;
	const double *mean;			/* (dim) of all images */
} items;

/* ---- similarity ---- */

static bool
is_word(uint32_t feature)
{
	return xmc_feature_kind_of(feature) == XMC_FEATURE_WORD || xmc_feature_kind_of(feature) == XMC_FEATURE_CHARACTERS;
}

/* Whether the words that two texts share are at least XMC_NEAR_TEXT of the words that either has. */
static bool
are_near_texts(const xmc_text_view *a, const xmc_text_view *b)
{
	int32_t		shared = 0;
	int32_t		all = 0;

	for (int32_t i = 0, j = 0; i < a->n || j < b->n;)
	{
		bool		in_a = j == b->n || (i < a->n && a->feature[i] <= b->feature[j]);
		bool		in_b = i == a->n || (j < b->n && b->feature[j] <= a->feature[i]);
		bool		counts = is_word(in_a ? a->feature[i] : b->feature[j]);

		all += counts;
		shared += counts && in_a && in_b;
		i += in_a;
		j += in_b;
	}
	return all > 0 && shared >= XMC_NEAR_TEXT * all;
}

static bool
are_near_images(const items *of, const float *a, const float *b)
{
	double		product = 0;
	double		square_a = 0;
	double		square_b = 0;

	#pragma omp simd reduction(+:product, square_a, square_b)
	for (int32_t k = 0; k < of->dim; k++)
	{
		double		x = a[k] - of->mean[k];
		double		y = b[k] - of->mean[k];

		product += x * y;
		square_a += x * x;
		square_b += y * y;
	}
	return product > 0 && product >= XMC_NEAR_IMAGE * sqrt(square_a * square_b);
}

/* ---- tables ---- */

/* Mixes the bits of a number (the finaliser of SplitMix64). */
static uint64_t
mix(uint64_t x)
{
	return xmc_splitmix64(&x);
}

/* The least hash of the text's words under hash function `function`; all bits 1: the text has no word. */
static uint64_t
least_hash(const xmc_text_view *text, uint64_t function)
{
	uint64_t	least = UINT64_MAX;

	for (int32_t k = 0; k < text->n; k++)
		if (is_word(text->feature[k]))
		{
			uint64_t	hash = mix(function ^ text->feature[k]);

			least = hash < least ? hash : least;
		}
	return least;
}

static xmc_status
place_texts(xmc_ctx *ctx, const items *of, int32_t table, place *at)
{
	int64_t		work = 0;

	for (int32_t i = 0; i < of->n; i++)
	{
		uint64_t	bucket = 0;
		uint64_t	value = 0;

		for (int v = 0; v <= TEXT_VALUES; v++)
		{
			value = least_hash(&of->text[i], SEED + ((uint64_t) (table * (TEXT_VALUES + 1) + v) << 32));
			if (v < TEXT_VALUES)
				bucket = mix(bucket ^ value);
		}
		at[i] = (place){(bucket & UINT64_C(0xffffffff00000000)) | value >> 32, i};
		XMC_TRY(xmc_spend(ctx, &work, (int64_t) of->text[i].n * TEXT_VALUES));
	}
	return XMC_OK;
}

/* The bits of a float, so that unsigned numbers have the order of the floats. */
static uint32_t
ordered_bits(float value)
{
	uint32_t	bits;

	memcpy(&bits, &value, sizeof bits);
	return bits & 0x80000000 ? ~bits : bits | 0x80000000;
}

/* plane (IMAGE_BITS + 1, dim) is scratch. The last plane sorts the bucket. */
static xmc_status
place_images(xmc_ctx *ctx, const items *of, int32_t table, float *plane, place *at)
{
	double		offset[IMAGE_BITS + 1] = {0};	/* the projection of the mean */
	int64_t		work = 0;
	xmc_random	random;

	xmc_random_seed(&random, SEED + (uint64_t) table);
	for (int p = 0; p <= IMAGE_BITS; p++)
		for (int32_t k = 0; k < of->dim; k++)
		{
			float	   *value = &plane[(int64_t) p * of->dim + k];

			*value = (float) xmc_random_normal(&random);
			offset[p] += *value * of->mean[k];
		}
	for (int32_t i = 0; i < of->n; i++)
	{
		uint32_t	bucket = 0;
		float		last = 0;

		for (int p = 0; p <= IMAGE_BITS; p++)
		{
			const float *normal = plane + (int64_t) p * of->dim;
			double		side = -offset[p];

			#pragma omp simd reduction(+:side)
			for (int32_t k = 0; k < of->dim; k++)
				side += (double) normal[k] * of->image[i][k];
			if (p < IMAGE_BITS)
				bucket = 2 * bucket + (side > 0);
			last = (float) side;
		}
		at[i] = (place){(uint64_t) bucket << 32 | ordered_bits(last), i};
		XMC_TRY(xmc_spend(ctx, &work, (int64_t) of->dim * (IMAGE_BITS + 1)));
	}
	return XMC_OK;
}

/* Compares neighbours within the buckets of a table, and joins those that are near. */
static xmc_status
join_neighbours(xmc_ctx *ctx, const items *of, place *at, int32_t *leader)
{
	int64_t		work = 0;

	qsort(at, (size_t) of->n, sizeof *at, compare_places);
	for (int32_t i = 0; i < of->n; i++)
		for (int32_t j = i + 1; j < of->n && j <= i + NEIGHBOURS && at[j].key >> 32 == at[i].key >> 32; j++)
		{
			int32_t		a = at[i].item;
			int32_t		b = at[j].item;

			if (xmc_leader_of(leader, a) == xmc_leader_of(leader, b))
				continue;
			if (of->text ? are_near_texts(&of->text[a], &of->text[b]) : are_near_images(of, of->image[a], of->image[b]))
				xmc_join(leader, a, b);
			XMC_TRY(xmc_spend(ctx, &work, of->text ? of->text[a].n + of->text[b].n : of->dim));
		}
	return XMC_OK;
}

static void
join_none(int32_t n, int32_t *leader)
{
	for (int32_t i = 0; i < n; i++)
		leader[i] = i;
}

xmc_status
xmc_join_near_texts(xmc_arena *scratch, int32_t n, const xmc_text_view *text, int32_t *leader)
{
	const items of = {.n = n,.text = text};
	place	   *at = xmc_arena_alloc(scratch, (size_t) n, sizeof *at);

	XMC_NEED(at, scratch->ctx);
	join_none(n, leader);
	for (int32_t table = 0; table < TEXT_TABLES && n > 1; table++)
	{
		XMC_TRY(place_texts(scratch->ctx, &of, table, at));
		XMC_TRY(join_neighbours(scratch->ctx, &of, at, leader));
	}
	return XMC_OK;
}

xmc_status
xmc_join_near_images(xmc_arena *scratch, int32_t n, const float *const *image, int32_t dim, int32_t *leader)
{
	place	   *at = xmc_arena_alloc(scratch, (size_t) n, sizeof *at);
	float	   *plane = xmc_arena_alloc(scratch, (size_t) dim * (IMAGE_BITS + 1), sizeof *plane);
	double	   *mean = xmc_arena_zalloc(scratch, (size_t) dim, sizeof *mean);
	const items of = {.n = n,.image = image,.dim = dim,.mean = mean};
	int64_t		work = 0;

	if (!at || !plane || !mean)
		return xmc_fail(scratch->ctx, XMC_NO_MEMORY, "out of memory");
	join_none(n, leader);
	for (int32_t i = 0; i < n; i++)
	{
		for (int32_t k = 0; k < dim; k++)
			mean[k] += (double) image[i][k] / n;
		XMC_TRY(xmc_spend(scratch->ctx, &work, dim));
	}
	for (int32_t table = 0; table < IMAGE_TABLES && n > 1; table++)
	{
		XMC_TRY(place_images(scratch->ctx, &of, table, plane, at));
		XMC_TRY(join_neighbours(scratch->ctx, &of, at, leader));
	}
	return XMC_OK;
}
