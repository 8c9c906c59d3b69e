/*
 * power_law.h - the learning curve y = a - b x^-c, fitted by weighted least squares: the figure y of models that were taught x
 * documents rises from the few to the limit a, by a power law (Hestness et al. 2017; Figueroa et al. 2012).
 */
#ifndef XMCOH_POWER_LAW_H
#define XMCOH_POWER_LAW_H

#include <stdbool.h>
#include <stdint.h>

#define XMC_POWER_LAW_LEAST 3	/* points */
#define XMC_POWER_LAW_MOST 20

typedef struct xmc_power_law
{
	double		a;				/* the limit, at most `most` */
	double		b;				/* at least 0: the figure does not fall */
	double		c;				/* XMC_LEAST_EXPONENT .. XMC_MOST_EXPONENT */
	double		unit;			/* of x: the law is a - b (x / unit)^-c */
} xmc_power_law;

#define XMC_LEAST_EXPONENT 0.05
#define XMC_MOST_EXPONENT 2.0
#define XMC_EXPONENTS 61

/* The x of several fits. */
typedef struct xmc_power_grid
{
	int32_t		n;
	double		unit;			/* the largest x */
	double		power[XMC_EXPONENTS][XMC_POWER_LAW_MOST];	/* (x / unit)^-c for each exponent that is tried */
} xmc_power_grid;

/* n points at most XMC_POWER_LAW_MOST, all x > 0 and different. */
extern void xmc_power_grid_init(int32_t n, const double *x, xmc_power_grid *out);

/*
 * Fits y (n), each with the weight 1 / variance; a point of weight 0 does not count. The exponent has the prior
 * ln c ~ N(ln 0.3, 0.5^2): few noisy points do not tell the exponent; of measured learning curves it is 0.07 to 0.5 (Hestness et al.).
 * `most`: an upper bound of y. Returns false, and a law of NaN, with fewer than XMC_POWER_LAW_LEAST
 * points that count.
 */
extern bool xmc_fit_power_law(const xmc_power_grid *grid, const double *y, const double *weight, double most, xmc_power_law *out);

extern double xmc_power_law_at(const xmc_power_law *law, double x);

#endif
