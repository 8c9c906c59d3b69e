/*
 * vector.h - loops over plain arrays, compiled for several generations of processors; the loader chooses the fitting one.
 * Floats are summed in double, in as many partial sums as the processor has lanes. So the same machine always computes the
 * same sum; another machine may differ in the last bits.
 */
#ifndef XMCOH_VECTOR_H
#define XMCOH_VECTOR_H

#include "xmcoh/base.h"

/* Not with sanitizers: the loader makes its choice before they are initialised. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define XMC_FOR_THIS_PROCESSOR __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define XMC_FOR_THIS_PROCESSOR
#endif

/* Sum of x[k] y[k]. */
extern double xmc_dot(int64_t n, const float *x, const float *y);

/* The same for weights in double, and y += a x, in double too: what a convex fit computes with. */
extern double xmc_dot_double(int64_t n, const double *w, const float *x);
extern void xmc_add_times(int64_t n, double a, const float *x, double *y);

extern void xmc_add(int64_t n, const float *x, float *y);	/* y += x */
extern void xmc_multiply(int64_t n, const float *x, float *y);	/* y *= x */

#endif
