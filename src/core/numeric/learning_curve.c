/* learning_curve.c - the bootstrap over samples and blocks, and the extrapolation; see xmcoh/learning_curve.h */
#include "xmcoh/learning_curve.h"
#include "numeric/power_law.h"
#include "xmcoh/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(XMC_CURVE_SIZES <= XMC_POWER_LAW_MOST, "a power law is fitted through all sizes");

#define REPLICATES XMC_BOOTSTRAP_REPLICATES
#define SEED 1
#define LEAST_VARIANCE 1e-4		/* of a mean: a smaller one is chance, as where no document passes */

/* A figure's bounds, and that of a curve's limit. */
static const double least[XMC_CURVE_FIGURES] = {-1, 0, 0, 0};
static const double most = 1;

typedef struct curve
{
	int32_t		n;				/* cells that count */
	xmc_curve_cell *cell;		/* (n) sorted by size and sample */
	int32_t		n_sizes;
	int32_t		first[XMC_CURVE_SIZES + 1];	/* (n_sizes + 1) into cell */
	double		size[XMC_CURVE_SIZES];	/* (n_sizes) */
	xmc_power_grid grid;		/* of the sizes */
	int32_t		n_samples;
	int32_t		sample[XMC_CURVE_SAMPLES];	/* (n_samples) their numbers */
	int32_t		n_blocks;
	int32_t		block[XMC_CURVE_BLOCKS];	/* (n_blocks) in which anything was measured */
	double	   *value;			/* (DRAWS, REPLICATES, XMC_CURVE_FIGURES, XMC_CURVE_SIZES) NaN: nothing was drawn */
} curve;

/* What a bootstrap draws. */
enum
{
	BLOCKS, BLOCKS_AND_SAMPLES, DRAWS
};

/* How often each sample, by its number, and each block is drawn. */
typedef struct draw
{
	double		sample[XMC_CURVE_SAMPLES + 1];
	double		block[XMC_CURVE_BLOCKS];
} draw;

/* ---- cells ---- */

static double
sum_of(const double *sum, int32_t block, xmc_curve_figure figure, int part)
{
	return sum[(block * XMC_CURVE_FIGURES + (int32_t) figure) * 2 + part];
}

double
xmc_curve_value(const xmc_curve_cell *cell, xmc_curve_figure figure)
{
	double		value = 0;
	double		weight = 0;

	for (int32_t b = 0; b < XMC_CURVE_BLOCKS; b++)
	{
		value += sum_of(cell->sum, b, figure, 0);
		weight += sum_of(cell->sum, b, figure, 1);
	}
	return weight > 0 ? value / weight : NAN;
}

static bool
is_sound(const xmc_curve_cell *cell)
{
	if (cell->size < 1 || cell->sample < 1 || cell->sample > XMC_CURVE_SAMPLES)
		return false;
	for (int32_t k = 0; k < XMC_CURVE_SUMS; k++)
		if (!isfinite(cell->sum[k]) || (k % 2 == 1 && cell->sum[k] < 0))
			return false;
	return true;
}

static int
compare_cells(const void *a, const void *b)
{
	const xmc_curve_cell *x = a;
	const xmc_curve_cell *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return (x->sample > y->sample) - (x->sample < y->sample);
}

/* Which samples and blocks there are. */
static void
find_units(curve *c)
{
	bool		has_sample[XMC_CURVE_SAMPLES + 1] = {false};

	for (int32_t k = 0; k < c->n; k++)
		has_sample[c->cell[k].sample] = true;
	for (int32_t s = 1; s <= XMC_CURVE_SAMPLES; s++)
		if (has_sample[s])
			c->sample[c->n_samples++] = s;
	for (int32_t b = 0; b < XMC_CURVE_BLOCKS; b++)
	{
		bool		any = false;

		for (int32_t k = 0; k < c->n && !any; k++)
			any = sum_of(c->cell[k].sum, b, XMC_CURVE_TAU, 1) > 0;
		if (any)
			c->block[c->n_blocks++] = b;
	}
}

static xmc_status
gather(xmc_ctx *ctx, int32_t n, const xmc_curve_cell *cell, curve *c)
{
	for (int32_t k = 0; k < n; k++)
		if (is_sound(&cell[k]))
			c->cell[c->n++] = cell[k];
	qsort(c->cell, (size_t) c->n, sizeof *c->cell, compare_cells);
	for (int32_t k = 0; k < c->n; k++)
		if (k == 0 || c->cell[k].size != c->cell[k - 1].size)
		{
			if (c->n_sizes == XMC_CURVE_SIZES)
				return xmc_fail(ctx, XMC_LIMIT, "a learning curve has more than %d sizes", XMC_CURVE_SIZES);
			c->size[c->n_sizes] = c->cell[k].size;
			c->first[c->n_sizes++] = k;
		}
	c->first[c->n_sizes] = c->n;
	xmc_power_grid_init(c->n_sizes, c->size, &c->grid);
	find_units(c);
	return XMC_OK;
}

/* ---- the bootstrap ---- */

/* The figures of all sizes (XMC_CURVE_FIGURES, XMC_CURVE_SIZES), where samples and blocks count as often as they were drawn. */
static void
compute_values(const curve *c, const draw *d, double *to)
{
	for (int32_t i = 0; i < c->n_sizes; i++)
	{
		double		value[XMC_CURVE_FIGURES] = {0};
		double		weight[XMC_CURVE_FIGURES] = {0};

		for (int32_t k = c->first[i]; k < c->first[i + 1]; k++)
			for (int32_t b = 0; b < c->n_blocks && d->sample[c->cell[k].sample] > 0; b++)
				for (int f = 0; f < XMC_CURVE_FIGURES; f++)
				{
					double		times = d->sample[c->cell[k].sample] * d->block[c->block[b]];

					value[f] += times * sum_of(c->cell[k].sum, c->block[b], (xmc_curve_figure) f, 0);
					weight[f] += times * sum_of(c->cell[k].sum, c->block[b], (xmc_curve_figure) f, 1);
				}
		for (int f = 0; f < XMC_CURVE_FIGURES; f++)
			to[f * XMC_CURVE_SIZES + i] = weight[f] > 0 ? value[f] / weight[f] : NAN;
	}
}

static double *
replicate(const curve *c, int what, int32_t r, int figure)
{
	return c->value + (((int64_t) what * REPLICATES + r) * XMC_CURVE_FIGURES + figure) * XMC_CURVE_SIZES;
}

/* Draws blocks; then with the same blocks samples, too. */
static xmc_status
resample(xmc_ctx *ctx, curve *c)
{
	xmc_random	random;
	int64_t		work = 0;

	xmc_random_seed(&random, SEED);
	for (int32_t r = 0; r < REPLICATES; r++)
	{
		draw		d = {{0}, {0}};

		for (int32_t k = 0; k < c->n_blocks; k++)
			d.block[c->block[xmc_random_below(&random, (uint32_t) c->n_blocks)]]++;
		for (int32_t k = 0; k < c->n_samples; k++)
			d.sample[c->sample[k]] = 1;
		compute_values(c, &d, replicate(c, BLOCKS, r, 0));
		memset(d.sample, 0, sizeof d.sample);
		for (int32_t k = 0; k < c->n_samples; k++)
			d.sample[c->sample[xmc_random_below(&random, (uint32_t) c->n_samples)]]++;
		compute_values(c, &d, replicate(c, BLOCKS_AND_SAMPLES, r, 0));
		XMC_TRY(xmc_spend(ctx, &work, c->n * XMC_CURVE_BLOCKS));
	}
	return XMC_OK;
}

/* The interval of a figure from its replicates (n), which are scratch. */
static void
bound(const curve *c, int32_t n, double *value, xmc_interval *out)
{
	out->low = out->high = NAN;
	if (c->n_blocks >= XMC_MIN_INTERVAL_GROUPS)
		xmc_replicate_interval(n, value, c->n_blocks, out);
}

/* ---- the extrapolation ---- */

/* 1 / variance of a figure at each size over replicates; 0: the size does not have the figure. */
static void
weigh(const curve *c, int figure, const double *mean, double *weight)
{
	double		largest = 0;

	for (int32_t i = 0; i < c->n_sizes; i++)
	{
		double		squares = 0;
		int32_t		n = 0;

		for (int32_t r = 0; r < REPLICATES; r++)
		{
			double		difference = replicate(c, BLOCKS_AND_SAMPLES, r, figure)[i] - mean[i];

			if (isnan(difference))
				continue;
			squares += difference * difference;
			n++;
		}
		weight[i] = n > 0 ? squares / n : NAN;
		largest = fmax(largest, weight[i]);
	}
	for (int32_t i = 0; i < c->n_sizes; i++)
		weight[i] = isnan(weight[i]) ? 0 : 1 / fmax(weight[i], fmax(LEAST_VARIANCE, largest / 100));
}

/* What the power law through y (n_sizes) says of the target; NaN: there are too few sizes. */
static double
extrapolate(const curve *c, int figure, const double *y, const double *weight, int32_t target)
{
	double		used[XMC_CURVE_SIZES];
	double		at[XMC_CURVE_SIZES];
	xmc_power_law law;
	double		result;

	for (int32_t i = 0; i < c->n_sizes; i++)
	{
		used[i] = isnan(y[i]) ? 0 : weight[i];
		at[i] = isnan(y[i]) ? 0 : y[i];
	}
	if (!xmc_fit_power_law(&c->grid, at, used, most, &law))
		return NAN;
	result = xmc_power_law_at(&law, target);
	return result < least[figure] ? least[figure] : result > most ? most : result;
}

static void
extrapolate_figure(const curve *c, int figure, const double *mean, int32_t target, double *scratch, xmc_interval *out)
{
	double		weight[XMC_CURVE_SIZES];
	int32_t		n = 0;

	weigh(c, figure, mean, weight);
	out->mean = extrapolate(c, figure, mean, weight, target);
	for (int32_t r = 0; r < REPLICATES && !isnan(out->mean); r++)
	{
		double		value = extrapolate(c, figure, replicate(c, BLOCKS_AND_SAMPLES, r, figure), weight, target);

		if (!isnan(value))
			scratch[n++] = value;
	}
	bound(c, n, scratch, out);
}

/* ---- the curve ---- */

static xmc_status
fill_points(xmc_ctx *ctx, curve *c, int32_t target, double *scratch, xmc_curve_point *point, int32_t *n_points)
{
	draw		once;
	double		mean[XMC_CURVE_FIGURES * XMC_CURVE_SIZES];
	xmc_curve_point *beyond = &point[c->n_sizes];

	for (int k = 0; k <= XMC_CURVE_SAMPLES; k++)
		once.sample[k] = 1;
	for (int k = 0; k < XMC_CURVE_BLOCKS; k++)
		once.block[k] = 1;
	compute_values(c, &once, mean);
	XMC_TRY(resample(ctx, c));
	*beyond = (xmc_curve_point) {.size = target,.samples = c->n_samples,.extrapolated = true};
	for (int32_t i = 0; i < c->n_sizes; i++)
		point[i] = (xmc_curve_point) {.size = (int32_t) c->size[i],.samples = c->first[i + 1] - c->first[i]};
	for (int f = 0; f < XMC_CURVE_FIGURES; f++)
	{
		for (int32_t i = 0; i < c->n_sizes; i++)
		{
			int32_t		n = 0;

			point[i].figure[f].mean = mean[f * XMC_CURVE_SIZES + i];
			for (int32_t r = 0; r < REPLICATES; r++)
				if (!isnan(replicate(c, BLOCKS, r, f)[i]))
					scratch[n++] = replicate(c, BLOCKS, r, f)[i];
			bound(c, n, scratch, &point[i].figure[f]);
		}
		XMC_TRY(xmc_check_stop(ctx));
		extrapolate_figure(c, f, mean + f * XMC_CURVE_SIZES, target, scratch, &beyond->figure[f]);
	}
	*n_points = c->n_sizes + !isnan(beyond->figure[XMC_CURVE_TAU].mean);
	return XMC_OK;
}

xmc_status
xmc_learning_curve(xmc_ctx *ctx, int32_t n, const xmc_curve_cell *cell, int32_t target, xmc_curve_point *point, int32_t *n_points)
{
	curve		c = {.cell = xmc_alloc(ctx, (size_t) (n > 0 ? n : 1), sizeof *cell),
	.value = xmc_alloc(ctx, (size_t) DRAWS * REPLICATES * XMC_CURVE_FIGURES * XMC_CURVE_SIZES, sizeof(double))};
	double	   *scratch = xmc_alloc(ctx, REPLICATES, sizeof(double));
	xmc_status	status = XMC_OK;

	*n_points = 0;
	if (!c.cell || !c.value || !scratch)
		status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	if (status == XMC_OK)
		status = gather(ctx, n, cell, &c);
	if (status == XMC_OK && c.n > 0)
		status = fill_points(ctx, &c, target, scratch, point, n_points);
	xmc_release(ctx, scratch);
	xmc_release(ctx, c.value);
	xmc_release(ctx, c.cell);
	return status;
}
