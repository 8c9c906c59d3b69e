/* drift.c - the Kolmogorov-Smirnov statistic of two histograms; see drift.h */
#include "xmcoh/drift.h"

#include <math.h>

int32_t
xmc_coherence_bin(double coherence)
{
	int32_t		bin = (int32_t) floor((coherence + 1) / 2 * XMC_COHERENCE_BINS);

	return bin < 0 ? 0 : bin >= XMC_COHERENCE_BINS ? XMC_COHERENCE_BINS - 1 : bin;
}

static double
sum(int32_t bins, const int64_t *count)
{
	double		all = 0;

	for (int32_t k = 0; k < bins; k++)
		all += (double) count[k];
	return all;
}

double
xmc_drift(int32_t bins, const int64_t *a, const int64_t *b)
{
	double		n_a = sum(bins, a);
	double		n_b = sum(bins, b);
	double		below_a = 0;
	double		below_b = 0;
	double		largest = 0;

	if (n_a == 0 || n_b == 0)
		return NAN;
	for (int32_t k = 0; k < bins; k++)
	{
		below_a += (double) a[k];
		below_b += (double) b[k];
		largest = fmax(largest, fabs(below_a / n_a - below_b / n_b));
	}
	return largest;
}

double
xmc_drift_by_chance(double n_a, double n_b)
{
	return n_a > 0 && n_b > 0 ? sqrt(-0.5 * log(0.01 / 2)) * sqrt(1 / n_a + 1 / n_b) : INFINITY;
}
