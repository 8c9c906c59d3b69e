/* group_calibrate.c - see group_calibrate.h */
#include "numeric/group_calibrate.h"
#include "numeric/dense.h"

#include <math.h>

#define K XMC_CALIBRATE_MAX
#define STOP_ROWS 262144		/* rows between two calls of the stop callback */

/* The number of groups that have rows. The scratch array `seen` has n_groups bytes, all 0. */
static int32_t
count_groups(const xmc_group_rows *rows, uint8_t *seen)
{
	int32_t		count = 0;

	for (int32_t r = 0; r < rows->n; r++)
	{
		count += !seen[rows->group[r]];
		seen[rows->group[r]] = 1;
	}
	return count;
}

/*
 * By how much a variance that was estimated from n groups is raised: n / (n - 1) removes the bias; (n - 1) / (n - 3) is the
 * variance of a t distribution with n - 1 degrees of freedom, since the estimate is uncertain itself. That has no variance
 * below four groups, which are taken for four.
 */
static double
small_sample(int32_t n)
{
	double		unbiased = n > 1 ? n / (n - 1.0) : 2;

	return unbiased * (n > 4 ? (n - 1.0) / (n - 3) : 3);
}

/*
 * The gradient (n_groups, K) of the log-likelihood at coefficients c, summed in each group, and the diagonal of the
 * information (K) that the model states. Both are all 0 before.
 */
static xmc_status
gradients(xmc_ctx *ctx, const xmc_group_rows *rows, const double *c, double (*gradient)[K], double *information)
{
	for (int32_t r = 0; r < rows->n; r++)
	{
		const float *x = rows->x + (size_t) r * rows->k;
		double		z = 0;
		double		p;

		if ((r + 1) % STOP_ROWS == 0)
			XMC_TRY(xmc_check_stop(ctx));
		for (int32_t a = 0; a < rows->k; a++)
			z += c[a] * x[a];
		p = xmc_sigmoid(z);
		for (int32_t a = 0; a < rows->k; a++)
		{
			gradient[rows->group[r]][a] += rows->weight[r] * (1 - p) * x[a];
			information[a] += rows->weight[r] * p * (1 - p) * x[a] * x[a];
		}
	}
	return XMC_OK;
}

/* The sum over groups of the squares of column a of `gradient`, about `centre`. */
static double
squares(const xmc_group_rows *rows, const uint8_t *seen, double (*gradient)[K], int32_t a, double centre)
{
	double		sum = 0;

	for (int32_t g = 0; g < rows->n_groups; g++)
		if (seen[g])
			sum += (gradient[g][a] - centre) * (gradient[g][a] - centre);
	return sum;
}

xmc_status
xmc_group_reliability(xmc_arena *scratch, const xmc_group_rows *rows, int32_t column, double *reliability)
{
	double		(*gradient)[K] = xmc_arena_zalloc(scratch, (size_t) rows->n_groups, sizeof *gradient);
	uint8_t    *seen = xmc_arena_zalloc(scratch, (size_t) rows->n_groups, 1);
	double		information[K] = {0};
	double		c[K] = {0};
	double		variance;
	double		square;

	if (!gradient || !seen)
		return xmc_fail(scratch->ctx, XMC_NO_MEMORY, "out of memory");
	c[column] = 1;
	XMC_TRY(gradients(scratch->ctx, rows, c, gradient, information));
	variance = small_sample(count_groups(rows, seen)) * squares(rows, seen, gradient, column, 0);
	square = information[column] * information[column];
	*reliability = square > 0 ? square / (square + variance) : 0;
	return XMC_OK;
}

xmc_status
xmc_group_better(xmc_arena *scratch, const xmc_group_rows *rows, int32_t a, int32_t b, double *probability)
{
	double	   *gain = xmc_arena_zalloc(scratch, (size_t) rows->n_groups, sizeof *gain);	/* of a over b, in each group */
	uint8_t    *seen = xmc_arena_zalloc(scratch, (size_t) rows->n_groups, 1);
	int32_t		n;
	double		sum = 0;
	double		variance = 0;

	if (!gain || !seen)
		return xmc_fail(scratch->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t r = 0; r < rows->n; r++)
	{
		const float *x = rows->x + (size_t) r * rows->k;

		if ((r + 1) % STOP_ROWS == 0)
			XMC_TRY(xmc_check_stop(scratch->ctx));
		gain[rows->group[r]] += rows->weight[r] * (xmc_softplus(-(double) x[b]) - xmc_softplus(-(double) x[a]));
	}
	n = count_groups(rows, seen);
	for (int32_t g = 0; g < rows->n_groups; g++)
		sum += gain[g];
	for (int32_t g = 0; g < rows->n_groups; g++)
		if (seen[g])
			variance += (gain[g] - sum / n) * (gain[g] - sum / n);
	variance *= small_sample(n);
	*probability = n > 1 && variance > 0 ? erfc(-sum / sqrt(2 * variance)) / 2 : 0.5;
	return XMC_OK;
}

xmc_status
xmc_group_calibrate(xmc_arena *scratch, const xmc_group_rows *rows, const double *mean, double precision,
					double *coefficient)
{
	double		(*gradient)[K] = xmc_arena_zalloc(scratch, (size_t) rows->n_groups, sizeof *gradient);
	uint8_t    *seen = xmc_arena_zalloc(scratch, (size_t) rows->n_groups, 1);
	double		information[K] = {0};
	double		effect = 0;		/* the design effect */
	int32_t		columns = 0;	/* that are not all 0 */
	int32_t		n;
	xmc_prior	prior[K];

	if (!gradient || !seen)
		return xmc_fail(scratch->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(gradients(scratch->ctx, rows, mean, gradient, information));
	n = count_groups(rows, seen);
	for (int32_t a = 0; a < rows->k; a++)
	{
		double		sum = 0;

		for (int32_t g = 0; g < rows->n_groups; g++)
			sum += gradient[g][a];
		if (information[a] > 0)
		{
			effect += small_sample(n) * squares(rows, seen, gradient, a, sum / n) / information[a];
			columns++;
		}
	}
	/* To divide the loss is to multiply the precision. A single group has no variance; its rows are not independent. */
	effect = columns > 0 && n > 1 ? effect / columns : 1;
	for (int32_t a = 0; a < rows->k; a++)
		prior[a] = (xmc_prior){mean[a], fmax(precision * effect, XMC_CALIBRATION_RIDGE)};
	return xmc_calibrate(scratch->ctx, rows->n, rows->k, rows->x, rows->weight, prior, coefficient);
}
