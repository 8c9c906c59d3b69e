/*
 * seen.c - the record of the documents that a model was trained on: sorted rows of hashes, searched by bisection; see
 * seen.h
 */
#include "xmcoh/seen.h"

#include "xmcoh/hash.h"

#include <stdlib.h>
#include <string.h>

#define SEED UINT64_C(0x7365656e00000000)
#define HALF_BITS 24			/* a float represents whole numbers of so many bits exactly */
#define HALF (1 << HALF_BITS)

/* The row of one document: a hash of 48 bits in two halves, and what the document was used for. */
static void
make_row(const char *key, size_t key_length, xmc_seen_as seen_as, float row[XMC_SEEN_COLUMNS])
{
	uint64_t	hash = xmc_hash_bytes(key, key_length, SEED);

	row[0] = (float) (hash >> (64 - HALF_BITS));
	row[1] = (float) (hash >> (64 - 2 * HALF_BITS) & (HALF - 1));
	row[2] = (float) seen_as;
}

/* By hash, then by use. */
static int
compare_rows(const void *a, const void *b)
{
	const float *x = a;
	const float *y = b;

	for (int c = 0; c < XMC_SEEN_COLUMNS; c++)
		if (x[c] != y[c])
			return x[c] < y[c] ? -1 : 1;
	return 0;
}

void
xmc_seen_forget(xmc_ctx *ctx, xmc_model *model)
{
	if (model->seen.is_own)
		xmc_release(ctx, model->seen.row);
	model->seen = (xmc_seen) {0};
}

xmc_status
xmc_seen_fill(xmc_ctx *ctx, xmc_model *model, int32_t n, const xmc_document *document, char *const *key,
			  const uint8_t *held_out)
{
	float	   *row;			/* (rows, XMC_SEEN_COLUMNS) */
	int32_t		rows = 0;

	xmc_seen_forget(ctx, model);
	row = xmc_alloc(ctx, (size_t) (n > 0 ? n : 1) * XMC_SEEN_COLUMNS, sizeof(float));
	XMC_NEED(row, ctx);
	for (int32_t d = 0; d < n; d++)
		if (!held_out[d])
			make_row(key[d], strlen(key[d]), document[d].n_pairs > 0 ? XMC_SEEN_LABELLED : XMC_SEEN_UNLABELLED,
					 row + (int64_t) rows++ * XMC_SEEN_COLUMNS);
	qsort(row, (size_t) rows, XMC_SEEN_COLUMNS * sizeof(float), compare_rows);
	model->seen = (xmc_seen) {.n = rows,.is_own = true,.row = row};
	return XMC_OK;
}

xmc_seen_as
xmc_seen_find(const xmc_model *model, const char *key, size_t key_length)
{
	float		wanted[XMC_SEEN_COLUMNS];
	int32_t		low = 0;		/* rows before `low` are <= wanted, rows from `high` on are larger */
	int32_t		high = model->seen.n;
	const float *last;

	/*
	 * `wanted` is the largest possible row of this hash. So the last row <= wanted is the strongest use of the hash, if
	 * any.
	 */
	make_row(key, key_length, XMC_SEEN_LABELLED, wanted);
	while (low < high)
	{
		int32_t		middle = low + (high - low) / 2;

		if (compare_rows(model->seen.row + (int64_t) middle * XMC_SEEN_COLUMNS, wanted) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return XMC_UNSEEN;
	last = model->seen.row + (int64_t) (low - 1) * XMC_SEEN_COLUMNS;
	if (last[0] != wanted[0] || last[1] != wanted[1])
		return XMC_UNSEEN;
	return last[2] == (float) XMC_SEEN_LABELLED ? XMC_SEEN_LABELLED : XMC_SEEN_UNLABELLED;
}

static bool
is_whole(float value, int32_t below)
{
	return value >= 0 && value < (float) below && value == (float) (int32_t) value;
}

xmc_status
xmc_seen_check(xmc_ctx *ctx, const xmc_model *model)
{
	for (int32_t r = 0; r < model->seen.n; r++)
	{
		const float *row = model->seen.row + (int64_t) r * XMC_SEEN_COLUMNS;

		if (r % 65536 == 0)
			XMC_TRY(xmc_check_stop(ctx));
		if (!is_whole(row[0], HALF) || !is_whole(row[1], HALF) || !is_whole(row[2], XMC_SEEN_LABELLED + 1) ||
			(r > 0 && compare_rows(row - XMC_SEEN_COLUMNS, row) > 0))
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: row %d of tensor \"seen\" is invalid or out of order",
							r);
	}
	return XMC_OK;
}
