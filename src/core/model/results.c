/* results.c - the record of what a training measured: sorted rows, searched by bisection; see results.h */
#include "xmcoh/results.h"
#include "model/hash_halves.h"

#include "xmcoh/groups.h"
#include "xmcoh/hash.h"

#include <stdlib.h>
#include <string.h>

#define SEED UINT64_C(0x726573756c740000)

enum column
{
	KEY = 0,					/* two halves */
	CONTENT = 2,				/* two halves */
	GROUP = 4,
	FIRST = 5,					/* of the document's pairs, in log_odds */
	PAIRS = 6,
	RESULT = 7					/* an xmc_result */
};

#define MOST_WIDENING 100
#define RESULT_VALUES (sizeof(xmc_result) / sizeof(float))

_Static_assert(RESULT + RESULT_VALUES == XMC_RESULT_COLUMNS, "a row ends with a result");
_Static_assert(XMC_MOST_RESULT_PAIRS < XMC_HALF && XMC_MOST_RESULTS < XMC_HALF, "float32 represents these numbers exactly");

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
	{
		xmc_release(ctx, model->results.row);
		xmc_release(ctx, model->results.log_odds);
	}
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

static bool
is_measured(const xmc_result *result)
{
	return result->order[XMC_RESULT_KINDS - 1].items > 0;
}

/* Which documents are recorded, (n) into chosen, with their groups; returns their number in *measured. */
static xmc_status
choose(xmc_ctx *ctx, int32_t n, const xmc_document *document, const xmc_result *result, const xmc_document **chosen, int32_t *group,
	   int32_t *measured)
{
	int32_t		n_groups;

	*measured = 0;
	for (int32_t d = 0; d < n && *measured < XMC_MOST_RESULTS; d++)
		if (is_measured(&result[d]))
			chosen[(*measured)++] = &document[d];
	return xmc_number_document_groups(ctx, *measured, chosen, group, &n_groups);
}

/* Fills the rows, with the pairs of as many documents as there is room for. */
static xmc_status
fill(xmc_ctx *ctx, xmc_model *model, const xmc_document *document, const xmc_result *result, const float *log_odds,
	 const xmc_document *const *chosen, const int32_t *group, int32_t n)
{
	xmc_results *record = &model->results;
	int64_t		pair = 0;		/* of the next document in log_odds */
	int32_t		d = 0;			/* the next document */

	for (int32_t r = 0; r < n; r++)
	{
		float	   *row = record->row + (int64_t) r * XMC_RESULT_COLUMNS;
		int32_t		number = (int32_t) (chosen[r] - document);
		int32_t		n_pairs = chosen[r]->n_pairs;

		XMC_TRY(xmc_check_stop(ctx));
		for (; d < number; d++)
			pair += document[d].n_pairs;
		row[KEY] = (float) (number >> XMC_HALF_BITS);
		row[KEY + 1] = (float) (number & (XMC_HALF - 1));
		put_content(&model->options, chosen[r], row + CONTENT);
		row[GROUP] = (float) group[r];
		memcpy(row + RESULT, &result[number], sizeof *result);
		if (n_pairs > XMC_MOST_RESULT_PAIRS - record->n_pairs)
			n_pairs = 0;
		row[FIRST] = (float) record->n_pairs;
		row[PAIRS] = (float) n_pairs;
		memcpy(record->log_odds + record->n_pairs, log_odds + pair, (size_t) n_pairs * sizeof(float));
		record->n_pairs += n_pairs;
	}
	record->n = n;
	return XMC_OK;
}

xmc_status
xmc_results_fill(xmc_ctx *ctx, xmc_model *model, int32_t n, const xmc_document *document, const xmc_result *result,
				 const float *log_odds, const float *widening)
{
	const xmc_document **chosen = xmc_alloc(ctx, (size_t) n, sizeof *chosen);
	int32_t    *group = xmc_alloc(ctx, (size_t) n, sizeof *group);
	xmc_results *record = &model->results;
	xmc_status	status = XMC_OK;
	int32_t		measured = 0;
	int64_t		pairs = 0;

	xmc_results_forget(ctx, model);
	if (!chosen || !group)
		status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	if (status == XMC_OK)
		status = choose(ctx, n, document, result, chosen, group, &measured);
	for (int32_t r = 0; r < measured; r++)
		pairs += chosen[r]->n_pairs;
	if (pairs > XMC_MOST_RESULT_PAIRS)
		pairs = XMC_MOST_RESULT_PAIRS;
	record->is_own = true;
	for (int e = 0; e < XMC_RESULT_KINDS; e++)
		record->widening[e] = widening && widening[e] > 1 ? widening[e] : 1;
	record->row = xmc_alloc(ctx, (size_t) measured * XMC_RESULT_COLUMNS, sizeof(float));
	record->log_odds = xmc_alloc(ctx, (size_t) pairs, sizeof(float));
	if (status == XMC_OK && (!record->row || !record->log_odds))
		status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	if (status == XMC_OK)
		status = fill(ctx, model, document, result, log_odds, chosen, group, measured);
	xmc_release(ctx, chosen);
	xmc_release(ctx, group);
	xmc_model_share(model);
	return status;
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

/* So written that NaN fails, too. */
static bool
is_order(const xmc_recorded_order *order)
{
	return xmc_is_whole(order->items, XMC_HALF) && xmc_is_whole(order->matches, XMC_HALF) && order->matches <= order->items &&
		xmc_is_whole(order->neighbours, XMC_HALF) && (order->neighbours < order->items || order->neighbours == 0) &&
		(order->perfect == 0 || order->perfect == 1) &&
		((order->tau >= -1 && order->tau <= 1) || order->tau == XMC_NOT_MEASURED) &&
		order->random_matches >= 0 && order->random_matches <= order->items &&
		order->random_perfect >= 0 && order->random_perfect <= 1;
}

static bool
is_row(const xmc_results *record, const float *row)
{
	xmc_result	result;
	bool		valid = true;

	memcpy(&result, row + RESULT, sizeof result);
	for (int c = KEY; c < GROUP; c++)
		valid = valid && xmc_is_whole(row[c], XMC_HALF);
	valid = valid && xmc_is_whole(row[GROUP], record->n) &&
		xmc_is_whole(row[FIRST], record->n_pairs + 1) && xmc_is_whole(row[PAIRS], record->n_pairs + 1) &&
		(int32_t) row[PAIRS] <= record->n_pairs - (int32_t) row[FIRST];
	for (int e = 0; e < XMC_RESULT_KINDS; e++)
		valid = valid && is_order(&result.order[e]);
	return valid && result.confidence <= 0 && result.confidence >= XMC_LEAST_CONFIDENCE;
}

/* false: the row is damaged, since an opened file has not always been checked as a whole, or says nothing. */
static bool
read_row(const xmc_results *record, const float *row, xmc_found_result *out)
{
	if (!is_row(record, row))
		return false;
	memcpy(&out->result, row + RESULT, sizeof out->result);
	if (!is_measured(&out->result))
		return false;
	out->group = (int32_t) row[GROUP];
	out->n_pairs = (int32_t) row[PAIRS];
	out->log_odds = out->n_pairs > 0 ? record->log_odds + (int32_t) row[FIRST] : NULL;
	return true;
}

bool
xmc_results_get(const xmc_model *model, int32_t r, xmc_found_result *out)
{
	return read_row(&model->results, model->results.row + (int64_t) r * XMC_RESULT_COLUMNS, out);
}

/* The row of the document with this key; NULL: there is none. */
static const float *
find_row(const xmc_results *record, const char *key)
{
	float		wanted[CONTENT];

	if (record->n == 0)
		return NULL;
	xmc_hash_halves(xmc_hash_bytes(key, strlen(key), SEED), wanted + KEY);
	return bsearch(wanted, record->row, (size_t) record->n, XMC_RESULT_COLUMNS * sizeof(float), compare_rows);
}

bool
xmc_results_has(const xmc_model *model, const char *key)
{
	return find_row(&model->results, key) != NULL;
}

bool
xmc_results_find(const xmc_model *model, const char *key, const xmc_document *document, xmc_found_result *out)
{
	const float *found = find_row(&model->results, key);
	float		content[2];

	if (!found)
		return false;
	put_content(&model->options, document, content);
	if (memcmp(found + CONTENT, content, sizeof content) != 0)
		return false;
	return read_row(&model->results, found, out);
}

xmc_status
xmc_results_check(xmc_ctx *ctx, const xmc_model *model)
{
	const xmc_results *record = &model->results;
	int64_t		pairs = 0;

	for (int32_t r = 0; r < record->n; r++)
	{
		const float *row = record->row + (int64_t) r * XMC_RESULT_COLUMNS;

		if (r % 65536 == 0)
			XMC_TRY(xmc_check_stop(ctx));
		if (!is_row(record, row) || (r > 0 && compare_rows(row - XMC_RESULT_COLUMNS, row) > 0))
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: row %d of tensor \"results\" is invalid or out of order", r);
		pairs += (int32_t) row[PAIRS];
	}
	for (int e = 0; e < XMC_RESULT_KINDS && record->n > 0; e++)
		if (!(record->widening[e] >= 0 && record->widening[e] <= MOST_WIDENING))
			return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: value %d of tensor \"results.widening\" is invalid", e);
	if (pairs > record->n_pairs)
		return xmc_fail(ctx, XMC_BAD_MODEL, "stored model: tensor \"results\" has %lld pairs, but tensor \"results.pairs\" has %d",
						(long long) pairs, record->n_pairs);
	return XMC_OK;
}
