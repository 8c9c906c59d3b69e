/* agreement.c - the share of answers that agreed, and its interval over documents; see agreement.h */
#include "xmcoh/agreement.h"
#include "numeric/beta.h"

#include <math.h>

#define Z XMC_NORMAL_975

void
xmc_answers_add(xmc_answers *sums, double n, double agreed)
{
	if (n <= 0)
		return;
	sums->documents++;
	sums->n += n;
	sums->agreed += agreed;
	sums->n_squared += n * n;
	sums->agreed_squared += agreed * agreed;
	sums->product += n * agreed;
}

/* How many independent answers say as much. */
static double
effective_answers(const xmc_answers *sums, double share)
{
	double		documents = (double) sums->documents;
	double		variance;

	if (sums->documents < XMC_FEW_ANSWERED || share <= 0 || share >= 1)
		return documents;
	/* sum over documents of (agreed - share n)^2, as a variance of the share */
	variance = (sums->agreed_squared - 2 * share * sums->product + share * share * sums->n_squared) / (sums->n * sums->n);
	return share * (1 - share) < sums->n * variance ? share * (1 - share) / variance : sums->n;
}

void
xmc_agreement(const xmc_answers *sums, double *share, double *low, double *high)
{
	double		n;
	double		centre;
	double		half;

	*share = *low = *high = NAN;
	if (sums->documents == 0)
		return;
	*share = sums->agreed / sums->n;
	if (sums->documents == 1)
		return;
	n = effective_answers(sums, *share);
	centre = (*share + Z * Z / (2 * n)) / (1 + Z * Z / n);
	half = Z / (1 + Z * Z / n) * sqrt(*share * (1 - *share) / n + Z * Z / (4 * n * n));
	*low = fmax(0, centre - half);
	*high = fmin(1, centre + half);
}
