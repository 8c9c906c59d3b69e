/*
 * tally.c - the figures of recovered orders over documents; tally.h is the contract.
 */
#include "query/tally.h"

#include <math.h>

#include "utils/memutils.h"

#include "base/xmcoh.h"
#include "query/metrics.h"

#include "xmcoh/group_mean.h"
#include "xmcoh/groups.h"

void
xmcoh_tally_add(Tally *tally, const TalliedDocument *document)
{
	if (tally->documents == tally->capacity)
	{
		Size		size = sizeof *document * (Size) (tally->capacity = Max(64, 2 * tally->capacity));

		tally->document = tally->document ? repalloc_huge(tally->document, size) : MemoryContextAllocHuge(tally->memory, size);
	}
	tally->document[tally->documents++] = *document;
}

xmc_reliability *
xmcoh_tally_reliability(Tally *tally, int32 by)
{
	if (by >= tally->n_reliability)
	{
		int32		n = Max(by + 1, Min(2 * tally->n_reliability, MOST_BY_GROUPS));

		tally->reliability = tally->reliability ? repalloc(tally->reliability, sizeof(xmc_reliability *) * (Size) n)
			: MemoryContextAlloc(tally->memory, sizeof(xmc_reliability *) * (Size) n);
		while (tally->n_reliability < n)
			tally->reliability[tally->n_reliability++] = NULL;
	}
	if (tally->reliability[by] == NULL)
	{
		tally->reliability[by] = MemoryContextAllocZero(tally->memory, sizeof(xmc_reliability));
		tally->reliability[by]->bins = XMC_CALIBRATION_BINS;
	}
	return tally->reliability[by];
}

/* ---- figures ---- */

/* The documents as arrays. */
typedef struct Arrays
{
	int32		n;
	int32		n_units;
	int32	   *unit;			/* (n) numbers of independent units, from 0 */
	int32	   *by;				/* (n) */
	double	   *value;			/* (n) of one measure */
	double	   *weight;			/* (n) */
} Arrays;

/* The mean of each group and its interval, out (groups). */
static void
find_intervals(const Tally *tally, const Arrays *a, int32 groups, bool by_column, const xmc_group_values *measure, xmc_interval *out)
{
	xmc_ctx		ctx = xmcoh_context();

	if (by_column)
		XMCOH_TRY(xmc_group_means(&ctx, measure, groups, out), &ctx);
	else
	{
		XMCOH_TRY(xmc_bootstrap_groups(&ctx, a->n, measure->value, measure->weight, a->unit, XMC_BOOTSTRAP_REPLICATES,
									   XMCOH_BOOTSTRAP_SEED, out), &ctx);
		if (a->n_units < a->n && a->n_units < XMC_MIN_INTERVAL_GROUPS)
			out->low = out->high = NAN;
	}
	for (int32 g = 0; g < groups && tally->widening > 1; g++)
		xmc_widen(&out[g], tally->widening, measure->lowest, measure->highest);
}

/* The columns of a measure, from number `first` on, of each group; the values are at `value`, weights at `weight` or NULL. */
static void
put_measure(const Tally *tally, const Arrays *a, int32 groups, bool by_column, int first, size_t value, bool has_weight,
			TallyRow *row)
{
	xmc_group_values measure = {.n = a->n,.value = a->value,.weight = has_weight ? a->weight : NULL,.unit = a->unit,
		.group = a->by,.lowest = first == TALLY_TAU ? -1 : 0,.highest = 1,.is_binary = first == TALLY_PMR};
	xmc_interval *out = palloc_extended(sizeof(xmc_interval) * (Size) Max(groups, 1), MCXT_ALLOC_HUGE);

	for (int32 d = 0; d < a->n; d++)
	{
		a->value[d] = *(const double *) ((const char *) &tally->document[d] + value);
		a->weight[d] = tally->document[d].items - (first == TALLY_NEIGHBOURS);
	}
	find_intervals(tally, a, groups, by_column, &measure, out);
	for (int32 g = 0; g < groups; g++)
	{
		Datum	   *values = &row[g].values[first];
		bool	   *nulls = &row[g].nulls[first];

		values[0] = Float8GetDatum(out[g].mean);
		values[1] = Float8GetDatum(out[g].low);
		values[2] = Float8GetDatum(out[g].high);
		nulls[0] = isnan(out[g].mean);
		nulls[1] = nulls[2] = nulls[0] || isnan(out[g].low);
	}
	pfree(out);
}

/* How many documents and units each group has; and its baselines, which are sums over documents. */
static void
put_counts(const Tally *tally, const Arrays *a, int32 groups, TallyRow *row)
{
	double	   *sum = palloc0(sizeof(double) * 3 * (Size) Max(groups, 1));	/* of each group: items, random matches, random perfect */
	uint64	   *pair = palloc_extended(sizeof(uint64) * (Size) Max(a->n, 1), MCXT_ALLOC_HUGE);
	int32	   *number = palloc_extended(sizeof(int32) * (Size) Max(a->n, 1), MCXT_ALLOC_HUGE);
	xmc_ctx		ctx = xmcoh_context();
	int32		n_pairs;
	int32		met = 0;		/* distinct pairs of a group and a unit so far */

	for (int32 d = 0; d < a->n; d++)
	{
		const TalliedDocument *document = &tally->document[d];

		row[document->by].documents++;
		sum[3 * document->by] += document->items;
		sum[3 * document->by + 1] += document->random_matches;
		sum[3 * document->by + 2] += document->random_perfect;
		pair[d] = (uint64) document->by << 32 | (uint64) (a->unit[d] + 1);
	}
	/* numbers are given in the order in which pairs first occur */
	XMCOH_TRY(xmc_number_groups(&ctx, a->n, pair, number, &n_pairs), &ctx);
	for (int32 d = 0; d < a->n; d++)
		if (number[d] == met)
		{
			met++;
			row[tally->document[d].by].units++;
		}
	for (int32 g = 0; g < groups; g++)
	{
		bool		is_empty = row[g].documents == 0;
		const xmc_reliability *reliability = g < tally->n_reliability ? tally->reliability[g] : NULL;

		row[g].values[TALLY_ITEMS] = Int64GetDatum((int64) sum[3 * g]);
		row[g].values[TALLY_RANDOM_ACC] = Float8GetDatum(is_empty ? 0 : sum[3 * g + 1] / sum[3 * g]);
		row[g].values[TALLY_RANDOM_PMR] = Float8GetDatum(is_empty ? 0 : sum[3 * g + 2] / row[g].documents);
		row[g].values[TALLY_RANDOM_TAU] = Float8GetDatum(0);
		row[g].nulls[TALLY_RANDOM_ACC] = row[g].nulls[TALLY_RANDOM_PMR] = is_empty;
		row[g].nulls[TALLY_RANDOM_TAU] = row[g].nulls[TALLY_TAU];
		row[g].nulls[TALLY_CALIBRATION_ERROR] = reliability == NULL || reliability->n == 0;
		if (!row[g].nulls[TALLY_CALIBRATION_ERROR])
			row[g].values[TALLY_CALIBRATION_ERROR] = Float8GetDatum(xmc_reliability_error(reliability));
	}
	pfree(sum);
	pfree(pair);
	pfree(number);
}

void
xmcoh_tally_rows(const Tally *tally, int32 groups, bool by_column, TallyRow *row)
{
	Size		n = (Size) Max(tally->documents, 1);
	Arrays		a = {.n = tally->documents,
		.unit = palloc_extended(sizeof(int32) * n, MCXT_ALLOC_HUGE),
		.by = palloc_extended(sizeof(int32) * n, MCXT_ALLOC_HUGE),
		.value = palloc_extended(sizeof(double) * n, MCXT_ALLOC_HUGE),
	.weight = palloc_extended(sizeof(double) * n, MCXT_ALLOC_HUGE)};
	uint64	   *unit = palloc_extended(sizeof(uint64) * n, MCXT_ALLOC_HUGE);
	xmc_ctx		ctx = xmcoh_context();

	memset(row, 0, sizeof(TallyRow) * (Size) groups);
	for (int32 d = 0; d < a.n; d++)
	{
		unit[d] = tally->document[d].unit;
		a.by[d] = tally->document[d].by;
	}
	XMCOH_TRY(xmc_number_groups(&ctx, a.n, unit, a.unit, &a.n_units), &ctx);
	put_measure(tally, &a, groups, by_column, TALLY_ACC, offsetof(TalliedDocument, matches), true, row);
	put_measure(tally, &a, groups, by_column, TALLY_PMR, offsetof(TalliedDocument, perfect), false, row);
	put_measure(tally, &a, groups, by_column, TALLY_NEIGHBOURS, offsetof(TalliedDocument, neighbours), true, row);
	put_measure(tally, &a, groups, by_column, TALLY_TAU, offsetof(TalliedDocument, tau), false, row);
	put_counts(tally, &a, groups, row);
	pfree(unit);
	pfree(a.unit);
	pfree(a.by);
	pfree(a.value);
	pfree(a.weight);
}
