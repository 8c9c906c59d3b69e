/*
 * group_mean.h - the mean of a measure for each group of documents, such as the documents of one process, with intervals that
 * hold for groups of two documents, too (doc/method.md, "Measures for a process").
 */
#ifndef XMCOH_GROUP_MEAN_H
#define XMCOH_GROUP_MEAN_H

#include "xmcoh/metrics.h"

/* A measure of n documents. */
typedef struct xmc_group_values
{
	int32_t		n;
	const double *value;		/* (n) NaN: the document is left out */
	const double *weight;		/* (n) the mean of a group is sum(value) / sum(weight); NULL: 1 each */
	const int32_t *unit;		/* (n) documents with one number depend on each other; from 0 to n - 1; NULL: each on its own */
	const int32_t *group;		/* (n) from 0 to groups - 1 */
	double		lowest;			/* bounds of the measure */
	double		highest;
	bool		is_binary;		/* each value is `lowest` or `highest`, and weight is NULL */
} xmc_group_values;

/* Weight of the variance of all documents in that of a group, in documents (degrees of freedom). */
#define XMC_GROUP_PRIOR 2

/*
 * The mean of each group and its 95% interval, out (groups). Units, of which a group has k, are taken as independent:
 * documents, or the documents of a group that depend on each other.
 *
 * Student's interval with a variance that is drawn towards the variance over all documents (Smyth 2004): (k - 1) times that
 * of the group and XMC_GROUP_PRIOR times that of the whole, with k - 1 + XMC_GROUP_PRIOR degrees of freedom. Two documents that
 * happen to agree do not get a narrow interval. Of a binary measure, where each unit is one document, the exact interval of Clopper and
 * Pearson (1934). One unit: no interval, its bounds are NaN; so too where units are fewer than documents and than
 * XMC_MIN_INTERVAL_GROUPS. No document: all three are NaN. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_group_means(xmc_ctx *ctx, const xmc_group_values *values, int32_t groups, xmc_interval *out);

/* Makes an interval wider by a factor >= 1, on both sides of its mean, as far as the bounds allow. Bounds of NaN stay. */
extern void xmc_widen(xmc_interval *interval, double factor, double lowest, double highest);

#endif
