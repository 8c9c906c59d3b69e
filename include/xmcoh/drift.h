/*
 * drift.h - how far two samples of a score lie apart: the Kolmogorov-Smirnov statistic of their histograms.
 */
#ifndef XMCOH_DRIFT_H
#define XMCOH_DRIFT_H

#include "xmcoh/base.h"

#define XMC_COHERENCE_BINS 200	/* of width 0.01 over [-1, 1] */

/* The number of the bin of a coherence. */
extern int32_t xmc_coherence_bin(double coherence);

/*
 * The largest difference of the two cumulative distributions at the edges of bins: 0, the same histograms, to 1. NaN where a
 * sample is empty. Counts must not be negative.
 */
extern double xmc_drift(int32_t bins, const int64_t *a, const int64_t *b);

/*
 * Above this, two samples of so many values differ: of samples of one population, one in a hundred drifts further (Smirnov's
 * asymptotic distribution). INFINITY where a sample is empty.
 */
extern double xmc_drift_by_chance(double n_a, double n_b);

#endif
