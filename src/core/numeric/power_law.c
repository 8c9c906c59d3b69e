/* power_law.c - a learning curve by weighted least squares, for each exponent of a grid; see power_law.h */
#include "numeric/power_law.h"

#include <math.h>

#define PRIOR_EXPONENT 0.3
#define PRIOR_DEVIATION 0.5		/* of the logarithm */

/* The exponents of the grid are at equal ratios. */
static double
exponent(int k)
{
	return XMC_LEAST_EXPONENT * pow(XMC_MOST_EXPONENT / XMC_LEAST_EXPONENT, (double) k / (XMC_EXPONENTS - 1));
}

void
xmc_power_grid_init(int32_t n, const double *x, xmc_power_grid *out)
{
	out->n = n;
	out->unit = 0;
	for (int32_t i = 0; i < n; i++)
		out->unit = fmax(out->unit, x[i]);
	for (int k = 0; k < XMC_EXPONENTS; k++)
		for (int32_t i = 0; i < n; i++)
			out->power[k][i] = pow(x[i] / out->unit, -exponent(k));
}

/* a and b of y = a - b z that are best within their bounds, by the normal equations. Returns the weighted sum of squares. */
static double
fit_line(int32_t n, const double *z, const double *y, const double *weight, double most, double *a, double *b)
{
	double		w = 0;
	double		sum_z = 0;
	double		sum_y = 0;
	double		sum_zz = 0;
	double		sum_zy = 0;
	double		squares = 0;
	double		determinant;

	for (int32_t i = 0; i < n; i++)
	{
		w += weight[i];
		sum_z += weight[i] * z[i];
		sum_y += weight[i] * y[i];
		sum_zz += weight[i] * z[i] * z[i];
		sum_zy += weight[i] * z[i] * y[i];
	}
	determinant = w * sum_zz - sum_z * sum_z;
	*b = determinant > 0 ? fmax(0, (sum_z * sum_y - w * sum_zy) / determinant) : 0;
	*a = (sum_y + *b * sum_z) / w;
	if (*a > most)
	{
		*a = most;
		*b = fmax(0, (most * sum_z - sum_zy) / sum_zz);
	}
	for (int32_t i = 0; i < n; i++)
		squares += weight[i] * (y[i] - *a + *b * z[i]) * (y[i] - *a + *b * z[i]);
	return squares;
}

bool
xmc_fit_power_law(const xmc_power_grid *grid, const double *y, const double *weight, double most, xmc_power_law *out)
{
	double		best = INFINITY;
	int32_t		points = 0;

	*out = (xmc_power_law) {NAN, NAN, NAN, grid->unit};
	for (int32_t i = 0; i < grid->n; i++)
		points += weight[i] > 0;
	for (int k = 0; k < XMC_EXPONENTS && points >= XMC_POWER_LAW_LEAST; k++)
	{
		double		c = exponent(k);
		double		surprise = log(c / PRIOR_EXPONENT) / PRIOR_DEVIATION;
		double		a;
		double		b;
		double		loss = fit_line(grid->n, grid->power[k], y, weight, most, &a, &b) + surprise * surprise;

		if (loss < best)
		{
			best = loss;
			*out = (xmc_power_law) {a, b, c, grid->unit};
		}
	}
	return isfinite(best);
}

double
xmc_power_law_at(const xmc_power_law *law, double x)
{
	return law->a - law->b * pow(x / law->unit, -law->c);
}
