/*
 * beta.c - see beta.h; the continued fraction is formula 8.17.22 of the NIST Digital Library of Mathematical Functions, computed
 * by the modified algorithm of Lentz (Thompson and Barnett 1986, J. Comput. Phys. 64)
 */
#include "numeric/beta.h"

#include <float.h>
#include <math.h>

#define MOST_TERMS 20000		/* about 5 sqrt(max(a, b)) are needed */
#define TINY 1e-300				/* in place of a denominator of 0 */

/* The coefficient d_m of the continued fraction 1 / (1 + d_1 / (1 + d_2 / (1 + ...))). */
static double
coefficient(int m, double x, double a, double b)
{
	double		k = m / 2;

	if (m % 2)
		return -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1));
	return k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k));
}

/* The continued fraction; it converges fast for x < (a + 1) / (a + b + 2). */
static double
fraction(double x, double a, double b)
{
	double		c = 1;
	double		d = 0;
	double		value = 1;		/* of 1 + d_1 / (1 + ...) */

	for (int m = 1; m <= MOST_TERMS; m++)
	{
		double		next = coefficient(m, x, a, b);
		double		step;

		d = 1 + next * d;
		d = 1 / (fabs(d) < TINY ? TINY : d);
		c = 1 + next / c;
		c = fabs(c) < TINY ? TINY : c;
		step = c * d;
		value *= step;
		if (fabs(step - 1) < 4 * DBL_EPSILON)
			break;
	}
	return 1 / value;
}

double
xmc_beta(double x, double a, double b)
{
	double		front;

	if (x <= 0)
		return 0;
	if (x >= 1)
		return 1;
	if (x > (a + 1) / (a + b + 2))
		return 1 - xmc_beta(1 - x, b, a);
	front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a;
	return front * fraction(x, a, b);
}

double
xmc_beta_quantile(double p, double a, double b)
{
	double		low = 0;
	double		high = 1;

	/* bisection, until no number lies between; at most 1,074 halvings of [0, 1] for a quantile near 0, mostly 60 */
	for (;;)
	{
		double		middle = low + (high - low) / 2;

		if (middle <= low || middle >= high || high < DBL_MIN)
			return high < DBL_MIN ? 0 : middle;
		if (xmc_beta(middle, a, b) < p)
			low = middle;
		else
			high = middle;
	}
}

double
xmc_student_quantile(double p, double df)
{
	/* T^2 / (df + T^2) has the beta distribution with 1/2 and df/2 */
	double		x = xmc_beta_quantile(2 * p - 1, 0.5, df / 2);

	return x < 1 ? sqrt(df * x / (1 - x)) : INFINITY;
}
