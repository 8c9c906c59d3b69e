/*
 * seen.c - the records of the documents and groups that a model was trained on: sorted rows of hashes, searched by
 * bisection; see seen.h
 */
#include "xmcoh/seen.h"
#include "model/hash_halves.h"

#include "xmcoh/hash.h"

#include <stdlib.h>
#include <string.h>

#define SEED UINT64_C(0x7365656e00000000)

/* The row of one document or group: 48 bits of its hash in two halves, and what the document was used for. */
static void
make_row(uint64_t hash, xmc_seen_as seen_as, float row[XMC_SEEN_COLUMNS])
{
	xmc_hash_halves(hash, row);
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

static void
forget(xmc_ctx *ctx, xmc_seen *record)
{
	if (record->is_own)
		xmc_release(ctx, record->row);
	*record = (xmc_seen) {0};
}

void
xmc_seen_forget(xmc_ctx *ctx, xmc_model *model)
{
	forget(ctx, &model->seen);
	forget(ctx, &model->seen_groups);
	xmc_model_share(model);
}

/* Empties a record and allocates room for n rows. */
static xmc_status
begin(xmc_ctx *ctx, int32_t n, xmc_seen *record)
{
	float	   *row;			/* (n, XMC_SEEN_COLUMNS) */

	forget(ctx, record);
	row = xmc_alloc(ctx, (size_t) (n > 0 ? n : 1) * XMC_SEEN_COLUMNS, sizeof(float));
	XMC_NEED(row, ctx);
	*record = (xmc_seen) {.is_own = true,.row = row};
	return XMC_OK;
}

static void
add_row(xmc_seen *record, uint64_t hash, xmc_seen_as seen_as)
{
	make_row(hash, seen_as, record->row + (int64_t) record->n++ * XMC_SEEN_COLUMNS);
}

static void
sort_rows(xmc_seen *record)
{
	qsort(record->row, (size_t) record->n, XMC_SEEN_COLUMNS * sizeof(float), compare_rows);
}

xmc_status
xmc_seen_fill(xmc_ctx *ctx, xmc_model *model, int32_t n, const xmc_document *document, char *const *key,
			  const uint8_t *held_out)
{
	XMC_TRY(begin(ctx, n, &model->seen));
	for (int32_t d = 0; d < n; d++)
		if (!held_out[d] || (model->measured && document[d].n_pairs > 0))
			add_row(&model->seen, xmc_hash_bytes(key[d], strlen(key[d]), SEED),
					held_out[d] ? XMC_UNSEEN : document[d].n_pairs > 0 ? XMC_SEEN_LABELLED : XMC_SEEN_UNLABELLED);
	sort_rows(&model->seen);
	xmc_model_share(model);
	return XMC_OK;
}

xmc_status
xmc_seen_fill_groups(xmc_ctx *ctx, xmc_model *model, int32_t n, const xmc_document *document, const uint64_t *group,
					 const uint8_t *held_out)
{
	xmc_seen   *record = &model->seen_groups;
	int32_t		different = 0;

	XMC_TRY(begin(ctx, n, record));
	for (int32_t d = 0; d < n; d++)
		if (group[d] != 0 && document[d].n_pairs > 0 && (!held_out[d] || model->measured))
			add_row(record, group[d], held_out[d] ? XMC_UNSEEN : XMC_SEEN_LABELLED);
	sort_rows(record);
	/* Each group once. */
	for (int32_t r = 0; r < record->n; r++)
	{
		const float *row = record->row + (int64_t) r * XMC_SEEN_COLUMNS;
		float	   *to = record->row + (int64_t) different * XMC_SEEN_COLUMNS;

		if (different > 0 && compare_rows(to - XMC_SEEN_COLUMNS, row) == 0)
			continue;
		memmove(to, row, XMC_SEEN_COLUMNS * sizeof(float));
		different++;
	}
	record->n = different;
	xmc_model_share(model);
	return XMC_OK;
}

static xmc_seen_as
find(const xmc_model *model, const xmc_seen *record, uint64_t hash)
{
	float		wanted[XMC_SEEN_COLUMNS];
	int32_t		low = 0;		/* rows before `low` are <= wanted, rows from `high` on are larger */
	int32_t		high = record->n;
	const float *last;

	/*
	 * `wanted` is the largest possible row of this hash. So the last row <= wanted is the strongest use of the hash, if
	 * any.
	 */
	make_row(hash, XMC_SEEN_LABELLED, wanted);
	while (low < high)
	{
		int32_t		middle = low + (high - low) / 2;

		if (compare_rows(record->row + (int64_t) middle * XMC_SEEN_COLUMNS, wanted) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return XMC_UNSEEN;
	last = record->row + (int64_t) (low - 1) * XMC_SEEN_COLUMNS;
	if (last[0] != wanted[0] || last[1] != wanted[1])
		return XMC_UNSEEN;
	if (last[2] == (float) XMC_UNSEEN)
		return model->is_measured ? XMC_UNSEEN : XMC_SEEN_LABELLED;
	return last[2] == (float) XMC_SEEN_LABELLED ? XMC_SEEN_LABELLED : XMC_SEEN_UNLABELLED;
}

xmc_seen_as
xmc_seen_find(const xmc_model *model, const char *key, size_t key_length)
{
	return find(model, &model->seen, xmc_hash_bytes(key, key_length, SEED));
}

bool
xmc_seen_group(const xmc_model *model, uint64_t group)
{
	return group != 0 && find(model, &model->seen_groups, group) != XMC_UNSEEN;
}

static xmc_status
check(xmc_ctx *ctx, const xmc_seen *record, const char *name)
{
	for (int32_t r = 0; r < record->n; r++)
	{
		const float *row = record->row + (int64_t) r * XMC_SEEN_COLUMNS;

		if (r % 65536 == 0)
			XMC_TRY(xmc_check_stop(ctx));
		if (!xmc_is_whole(row[0], XMC_HALF) || !xmc_is_whole(row[1], XMC_HALF) || !xmc_is_whole(row[2], XMC_SEEN_LABELLED + 1) ||
			(r > 0 && compare_rows(row - XMC_SEEN_COLUMNS, row) > 0))
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: row %d of tensor \"%s\" is invalid or out of order",
							r, name);
	}
	return XMC_OK;
}

xmc_status
xmc_seen_check(xmc_ctx *ctx, const xmc_model *model)
{
	XMC_TRY(check(ctx, &model->seen, "seen"));
	return check(ctx, &model->seen_groups, "seen.groups");
}
