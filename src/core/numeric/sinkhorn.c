/* sinkhorn.c - see sinkhorn.h */
#include "numeric/sinkhorn.h"

#include <math.h>

#define ITERATIONS 200
#define TOLERANCE 1e-9

/* log(exp(dustbin) + sum_k exp(x[k * stride] + y[k])) over n terms; the largest exponent is taken out of the sum. */
static double
log_sum(int64_t n, const double *x, int64_t stride, const double *y, double dustbin)
{
	double		most = dustbin;
	double		sum;

	for (int64_t k = 0; k < n; k++)
		most = fmax(most, x[k * stride] + y[k]);
	sum = exp(dustbin - most);
	for (int64_t k = 0; k < n; k++)
		sum += exp(x[k * stride] + y[k] - most);
	return most + log(sum);
}

/* Finds u (rows) and v (columns). */
static xmc_status
find_scalings(xmc_ctx *ctx, int64_t rows, int64_t columns, const double *score, double dustbin, double *u, double *v)
{
	int64_t		work = 0;

	/*
	 * v[c] starts at half of minus the best score of the column: at the solution a certain pair shares its score equally
	 * between u and v. From another start the scalings would move there the more slowly, the more certain the pair is.
	 */
	for (int64_t c = 0; c < columns; c++)
	{
		v[c] = -dustbin;
		for (int64_t r = 0; r < rows; r++)
			v[c] = fmin(v[c], -score[r * columns + c] / 2);
		XMC_TRY(xmc_spend(ctx, &work, rows));
	}
	for (int iteration = 0; iteration < ITERATIONS && rows > 0 && columns > 0; iteration++)
	{
		double		worst = 0;	/* largest change of a v[c]: the relative error of the mass of column c */

		/* u[r] = -log(exp(dustbin) + sum_c exp(score[r, c] + v[c])): each row gets mass 1. */
		for (int64_t r = 0; r < rows; r++)
		{
			u[r] = -log_sum(columns, score + r * columns, 1, v, dustbin);
			XMC_TRY(xmc_spend(ctx, &work, columns));
		}
		/* The same for the columns. */
		for (int64_t c = 0; c < columns; c++)
		{
			double		scale = -log_sum(rows, score + c, columns, u, dustbin);

			worst = fmax(worst, fabs(scale - v[c]));
			v[c] = scale;
			XMC_TRY(xmc_spend(ctx, &work, rows));
		}
		if (worst < TOLERANCE)
			break;
	}
	return XMC_OK;
}

/*
 * Sets the cells between items from the scalings. Rows of a mass above 1 are scaled down: the last step scaled the
 * columns.
 */
static xmc_status
fill_rows(xmc_ctx *ctx, int64_t rows, int64_t columns, const double *score, const double *u, const double *v, double *p)
{
	int64_t		width = columns + 1;
	int64_t		work = 0;

	for (int64_t r = 0; r < rows; r++)
	{
		double		sum = 0;

		for (int64_t c = 0; c < columns; c++)
			sum += p[r * width + c] = exp(score[r * columns + c] + u[r] + v[c]);
		for (int64_t c = 0; c < columns && sum > 1; c++)
			p[r * width + c] /= sum;
		XMC_TRY(xmc_spend(ctx, &work, columns));
	}
	return XMC_OK;
}

/* Scales columns of a mass above 1 down, and gives the mass that is missing in columns and rows to the dustbins. */
static xmc_status
fill_dustbins(xmc_ctx *ctx, int64_t rows, int64_t columns, double *p)
{
	int64_t		width = columns + 1;
	int64_t		work = 0;

	for (int64_t c = 0; c < columns; c++)
	{
		double		sum = 0;

		for (int64_t r = 0; r < rows; r++)
			sum += p[r * width + c];
		for (int64_t r = 0; r < rows && sum > 1; r++)
			p[r * width + c] /= sum;
		p[rows * width + c] = sum < 1 ? 1 - sum : 0;
		XMC_TRY(xmc_spend(ctx, &work, rows));
	}
	for (int64_t r = 0; r < rows; r++)
	{
		double		sum = 0;

		for (int64_t c = 0; c < columns; c++)
			sum += p[r * width + c];
		p[r * width + columns] = sum < 1 ? 1 - sum : 0;
		XMC_TRY(xmc_spend(ctx, &work, columns));
	}
	p[rows * width + columns] = 0;
	return XMC_OK;
}

xmc_status
xmc_sinkhorn(xmc_arena *arena, int32_t rows, int32_t columns, const double *score, double dustbin, double *p)
{
	double	   *u = xmc_arena_alloc(arena, (size_t) rows, sizeof(double));	/* (rows) logarithms of the scalings */
	double	   *v = xmc_arena_alloc(arena, (size_t) columns, sizeof(double));	/* (columns) */

	if (!u || !v)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(find_scalings(arena->ctx, rows, columns, score, dustbin, u, v));
	XMC_TRY(fill_rows(arena->ctx, rows, columns, score, u, v, p));
	return fill_dustbins(arena->ctx, rows, columns, p);
}
