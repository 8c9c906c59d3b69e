/* results.c - the record of what a training measured: sorted rows, searched by bisection; see results.h */
#include "xmcoh/results.h"
#include "model/hash_halves.h"

#include "xmcoh/hash.h"

#include <stdlib.h>
#include <string.h>

#define SEED UINT64_C(0x726573756c740000)

enum column
{
	KEY = 0,					/* two halves */
	CONTENT = 2,				/* two halves */
	TAU = 4						/* one for each reported kind of score */
};

_Static_assert(TAU + XMC_RESULT_KINDS == XMC_RESULT_COLUMNS, "a row has a tau for each kind of score");

/* By key. */
static int
compare_rows(const void *a, const void *b)
{
	const float *x = a;
	const float *y = b;

	for (int c = KEY; c < CONTENT; c++)
		if (x[c] != y[c])
			return x[c] < y[c] ? -1 : 1;
	return 0;
}

static void
sort_rows(xmc_results *record)
{
	qsort(record->row, (size_t) record->n, XMC_RESULT_COLUMNS * sizeof(float), compare_rows);
}

void
xmc_results_forget(xmc_ctx *ctx, xmc_model *model)
{
	if (model->results.is_own)
		xmc_release(ctx, model->results.row);
	model->results = (xmc_results) {0};
	xmc_model_share(model);
}

static void
put_content(const xmc_options *options, const xmc_document *document, float half[2])
{
	xmc_checksum sum = {0};

	xmc_document_checksum(&sum, options, document);
	xmc_hash_halves(xmc_checksum_end(&sum), half);
}

xmc_status
xmc_results_fill(xmc_ctx *ctx, xmc_model *model, int32_t n, const xmc_document *document, const double *tau)
{
	const double *fused = tau + (int64_t) (XMC_RESULT_KINDS - 1) * n;
	xmc_results *record = &model->results;
	int32_t		measured = 0;

	xmc_results_forget(ctx, model);
	for (int32_t d = 0; d < n; d++)
		measured += fused[d] != XMC_NOT_MEASURED;
	measured = measured < XMC_MOST_RESULTS ? measured : XMC_MOST_RESULTS;
	record->row = xmc_alloc(ctx, (size_t) (measured > 0 ? measured : 1) * XMC_RESULT_COLUMNS, sizeof(float));
	XMC_NEED(record->row, ctx);
	record->is_own = true;
	for (int32_t d = 0; d < n && record->n < measured; d++)
	{
		float	   *row = record->row + (int64_t) record->n * XMC_RESULT_COLUMNS;

		if (fused[d] == XMC_NOT_MEASURED)
			continue;
		XMC_TRY(xmc_check_stop(ctx));
		row[KEY] = (float) (d >> XMC_HALF_BITS);
		row[KEY + 1] = (float) (d & (XMC_HALF - 1));
		put_content(&model->options, &document[d], row + CONTENT);
		for (int e = 0; e < XMC_RESULT_KINDS; e++)
			row[TAU + e] = (float) tau[(int64_t) e * n + d];
		record->n++;
	}
	xmc_model_share(model);
	return XMC_OK;
}

void
xmc_results_name(xmc_model *model, char *const *key)
{
	xmc_results *record = &model->results;

	for (int32_t r = 0; r < record->n; r++)
	{
		float	   *row = record->row + (int64_t) r * XMC_RESULT_COLUMNS;
		const char *name = key[((int32_t) row[KEY] << XMC_HALF_BITS) + (int32_t) row[KEY + 1]];

		xmc_hash_halves(xmc_hash_bytes(name, strlen(name), SEED), row + KEY);
	}
	sort_rows(record);
}

bool
xmc_results_find(const xmc_model *model, const char *key, const xmc_document *document, double tau[XMC_RESULT_KINDS])
{
	float		wanted[XMC_RESULT_COLUMNS] = {0};
	const float *found;

	xmc_hash_halves(xmc_hash_bytes(key, strlen(key), SEED), wanted + KEY);
	found = model->results.n == 0 ? NULL : bsearch(wanted, model->results.row, (size_t) model->results.n,
												  XMC_RESULT_COLUMNS * sizeof(float), compare_rows);
	if (!found)
		return false;
	put_content(&model->options, document, wanted + CONTENT);
	if (memcmp(found + CONTENT, wanted + CONTENT, 2 * sizeof(float)) != 0)
		return false;
	for (int e = 0; e < XMC_RESULT_KINDS; e++)
		tau[e] = found[TAU + e];
	return true;
}

xmc_status
xmc_results_check(xmc_ctx *ctx, const xmc_model *model)
{
	for (int32_t r = 0; r < model->results.n; r++)
	{
		const float *row = model->results.row + (int64_t) r * XMC_RESULT_COLUMNS;
		bool		valid = r == 0 || compare_rows(row - XMC_RESULT_COLUMNS, row) <= 0;

		if (r % 65536 == 0)
			XMC_TRY(xmc_check_stop(ctx));
		for (int c = KEY; c < TAU; c++)
			valid = valid && xmc_is_whole(row[c], XMC_HALF);
		for (int e = 0; e < XMC_RESULT_KINDS; e++)
			valid = valid && ((row[TAU + e] >= -1 && row[TAU + e] <= 1) || row[TAU + e] == XMC_NOT_MEASURED);
		if (!valid)
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: row %d of tensor \"results\" is invalid or out of order", r);
	}
	return XMC_OK;
}
