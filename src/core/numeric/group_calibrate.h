/*
 * group_calibrate.h - logistic regression without intercept, as in xmcoh/calibrate.h, where rows of one group depend on each
 * other: its coefficients are drawn to a prior as strongly as the number of groups and their disagreement ask for.
 */
#ifndef XMCOH_GROUP_CALIBRATE_H
#define XMCOH_GROUP_CALIBRATE_H

#include "xmcoh/calibrate.h"

/* The rows of a regression, each in its true orientation, and the groups that they belong to. */
typedef struct xmc_group_rows
{
	int32_t		n;
	int32_t		k;				/* columns, 1 .. XMC_CALIBRATE_MAX */
	const float *x;				/* (n, k) */
	const float *weight;		/* (n) */
	const int32_t *group;		/* (n) from 0 to n_groups - 1; a group may have no row */
	int32_t		n_groups;
} xmc_group_rows;

/*
 * How far a calibrated score can be relied on in new groups: 1 / (1 + v), where v is the variance over groups of the scale
 * of column `column`, which is fitted as 1. The variance is the sandwich estimate with whole groups (Liang and Zeger 1986).
 * In (0, 1]; 0 if the column is all 0. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_group_reliability(xmc_arena *scratch, const xmc_group_rows *rows, int32_t column, double *reliability);

/*
 * The probability that column a, as a log-odds, has a lower loss in new groups than column b, by a normal approximation of
 * the mean difference over groups; 0.5 if the data do not tell. Errors: as above.
 */
extern xmc_status xmc_group_better(xmc_arena *scratch, const xmc_group_rows *rows, int32_t a, int32_t b, double *probability);

/*
 * Fits coefficient (k) as xmc_calibrate does, with the prior N(mean[a], 1 / precision) of each. Rows count as much as
 * independent ones would: the loss is divided by the design effect, which is the variance of the gradient over groups
 * divided by the variance that the model states, at the prior's mean, on average over columns. Groups that disagree, and
 * few groups, let the prior decide. Errors: as xmc_calibrate, and XMC_NO_MEMORY.
 */
extern xmc_status xmc_group_calibrate(xmc_arena *scratch, const xmc_group_rows *rows, const double *mean, double precision,
									  double *coefficient);

#endif
