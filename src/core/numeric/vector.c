/* vector.c - dot product, sum and product of plain arrays; see vector.h */
#include "numeric/vector.h"

XMC_FOR_THIS_PROCESSOR double
xmc_dot(int64_t n, const float *x, const float *y)
{
	double		sum = 0;

#pragma omp simd reduction(+:sum)
	for (int64_t k = 0; k < n; k++)
		sum += (double) x[k] * y[k];
	return sum;
}

XMC_FOR_THIS_PROCESSOR double
xmc_dot_double(int64_t n, const double *w, const float *x)
{
	double		sum = 0;

#pragma omp simd reduction(+:sum)
	for (int64_t k = 0; k < n; k++)
		sum += w[k] * x[k];
	return sum;
}

XMC_FOR_THIS_PROCESSOR void
xmc_add_times(int64_t n, double a, const float *x, double *y)
{
#pragma omp simd
	for (int64_t k = 0; k < n; k++)
		y[k] += a * x[k];
}

XMC_FOR_THIS_PROCESSOR void
xmc_add(int64_t n, const float *x, float *y)
{
#pragma omp simd
	for (int64_t k = 0; k < n; k++)
		y[k] += x[k];
}

XMC_FOR_THIS_PROCESSOR void
xmc_multiply(int64_t n, const float *x, float *y)
{
#pragma omp simd
	for (int64_t k = 0; k < n; k++)
		y[k] *= x[k];
}
