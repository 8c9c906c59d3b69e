/* group_mean.c - the mean of a measure for each group of documents, with its interval; see group_mean.h */
#include "xmcoh/group_mean.h"
#include "base/sort.h"
#include "numeric/beta.h"
#include "xmcoh/coverage.h"

#include <math.h>

/* The documents of one unit in one group; first of a document alone. */
typedef struct piece
{
	int32_t		group;
	int32_t		unit;
	int32_t		documents;
	double		value;			/* sums */
	double		weight;
} piece;

static int
compare_pieces(const void *a, const void *b)
{
	const piece *x = a;
	const piece *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return (x->unit > y->unit) - (x->unit < y->unit);
}

/* Adds up the sorted pieces of one unit in one group; returns how many remain. */
static int32_t
merge(int32_t n, piece *piece)
{
	int32_t		kept = 0;

	for (int32_t k = 0; k < n; k++)
		if (kept > 0 && compare_pieces(&piece[kept - 1], &piece[k]) == 0)
		{
			piece[kept - 1].documents++;
			piece[kept - 1].value += piece[k].value;
			piece[kept - 1].weight += piece[k].weight;
		}
		else
			piece[kept++] = piece[k];
	return kept;
}

/* What n pieces have together. */
typedef struct total
{
	int32_t		documents;
	double		mean;			/* sum(value) / sum(weight) */
	double		squares;		/* sum over pieces of their squared distance from the mean, in units of the mean weight of a piece */
} total;

static total
sum_up(int32_t n, const piece *piece)
{
	total		t = {0};
	double		value = 0;
	double		weight = 0;

	for (int32_t k = 0; k < n; k++)
	{
		t.documents += piece[k].documents;
		value += piece[k].value;
		weight += piece[k].weight;
	}
	t.mean = weight > 0 ? value / weight : NAN;
	for (int32_t k = 0; k < n && weight > 0; k++)
	{
		double		distance = (piece[k].value - t.mean * piece[k].weight) / (weight / n);

		t.squares += distance * distance;
	}
	return t;
}

/* The interval of a group of n pieces; whole: the variance of a piece over all groups. */
static xmc_interval
interval_of(const xmc_group_values *values, int32_t n, const piece *piece, double whole)
{
	total		t = sum_up(n, piece);
	double		freedom = n - 1 + XMC_GROUP_PRIOR;
	double		range = values->highest - values->lowest;
	double		half;

	if (isnan(t.mean) || n < 2 || (n < t.documents && n < XMC_MIN_INTERVAL_GROUPS))
		return (xmc_interval) {t.mean, NAN, NAN};
	if (values->is_binary && n == t.documents)
	{
		xmc_interval share = xmc_share_bounds((t.mean - values->lowest) / range, n);

		return (xmc_interval) {t.mean, values->lowest + range * share.low, values->lowest + range * share.high};
	}
	half = xmc_student_quantile(0.975, freedom) * sqrt((t.squares + XMC_GROUP_PRIOR * whole) / freedom / n);
	return (xmc_interval) {t.mean, fmax(t.mean - half, values->lowest), fmin(t.mean + half, values->highest)};
}

static xmc_status
find_means(xmc_ctx *ctx, const xmc_group_values *values, int32_t groups, int32_t n, piece *piece, xmc_interval *out)
{
	double		whole;

	for (int32_t g = 0; g < groups; g++)
		out[g] = (xmc_interval) {NAN, NAN, NAN};
	n = merge(n, piece);
	whole = n > 1 ? sum_up(n, piece).squares / (n - 1) : 0;
	for (int32_t first = 0, end; first < n; first = end)
	{
		for (end = first + 1; end < n && piece[end].group == piece[first].group; end++)
			;
		XMC_TRY(xmc_check_stop(ctx));
		out[piece[first].group] = interval_of(values, end - first, piece + first, whole);
	}
	return XMC_OK;
}

xmc_status
xmc_group_means(xmc_ctx *ctx, const xmc_group_values *values, int32_t groups, xmc_interval *out)
{
	piece	   *pieces = xmc_alloc(ctx, 2 * (size_t) values->n, sizeof *pieces);	/* pieces (n), then scratch of the sort (n) */
	xmc_status	status;
	int32_t		n = 0;

	XMC_NEED(pieces, ctx);
	for (int32_t d = 0; d < values->n; d++)
	{
		double		weight = values->weight ? values->weight[d] : 1;

		if (!isnan(values->value[d]) && !isnan(weight))
			pieces[n++] = (piece) {.group = values->group[d],.unit = values->unit ? values->unit[d] : d,.documents = 1,
				.value = values->value[d],.weight = weight};
	}
	status = xmc_sort(ctx, pieces, pieces + values->n, (size_t) n, sizeof *pieces, compare_pieces);
	if (status == XMC_OK)
		status = find_means(ctx, values, groups, n, pieces, out);
	xmc_release(ctx, pieces);
	return status;
}

void
xmc_widen(xmc_interval *interval, double factor, double lowest, double highest)
{
	if (isnan(interval->low) || isnan(interval->high))
		return;
	interval->low = fmax(interval->mean - factor * (interval->mean - interval->low), lowest);
	interval->high = fmin(interval->mean + factor * (interval->high - interval->mean), highest);
}
