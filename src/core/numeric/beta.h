/*
 * beta.h - the incomplete beta function, its inverse and Student's quantiles: for exact intervals of shares and for intervals
 * of means of few values.
 */
#ifndef XMCOH_BETA_H
#define XMCOH_BETA_H

/*
 * The regularised incomplete beta function I_x(a, b), the distribution function of the beta distribution; a, b > 0. The
 * probability that a binomial variable of n trials reaches k is I_p(k, n - k + 1). Absolute error below 1e-8 for a + b up to 1e6.
 */
extern double xmc_beta(double x, double a, double b);

/* The x at which I_x(a, b) = p, for p in [0, 1]. */
extern double xmc_beta_quantile(double p, double a, double b);

#define XMC_NORMAL_975 1.959963984540054	/* 97.5% quantile of the normal distribution */

/* The quantile of Student's distribution with df > 0 degrees of freedom, for p in [0.5, 1). */
extern double xmc_student_quantile(double p, double df);

#endif
