/*
 * challenge.h - comparison of a new version of a model, the challenger, with the deployed one, the champion (design section
 * 6, "Champion and challenger").
 */
#ifndef XMCOH_CHALLENGE_H
#define XMCOH_CHALLENGE_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/metrics.h"
#include "xmcoh/model.h"

typedef struct xmc_challenge
{
	int32_t		documents;
	int32_t		groups;			/* of these documents */
	/* Held-out Kendall tau of the fused order: means over documents, bootstrap 95% intervals over groups. */
	xmc_interval champion;
	xmc_interval challenger;
	xmc_interval difference;	/* challenger - champion, paired by document */
	bool		rejected;		/* the challenger is worse by more than the margin: difference.high < -margin */
} xmc_challenge;

/*
 * Compares two models on n documents with labelled pairs, on which neither was trained. Both must read the inputs that the
 * documents were built with. Ties within one document fall alike for both. A single group never rejects: it tells
 * nothing of others. Errors: XMC_BAD_INPUT (no documents; models that read different inputs), as xmc_score_documents and
 * xmc_bootstrap.
 */
extern xmc_status xmc_challenge_run(xmc_ctx *ctx, const xmc_model *champion, const xmc_model *challenger, int32_t n,
									const xmc_document *const *document, double margin, xmc_challenge *out);

/*
 * The same by what both have measured of these documents: tau[0] and tau[1] (n) of champion and challenger, group (n) and
 * n_groups by xmc_number_groups. Errors: as xmc_bootstrap.
 */
extern xmc_status xmc_challenge_measured(xmc_ctx *ctx, int32_t n, double *const tau[2], const int32_t *group,
										 int32_t n_groups, double margin, xmc_challenge *out);

/* Whether two models read the same inputs: raw words, and embeddings of the same widths. */
extern bool xmc_same_inputs(const xmc_options *a, const xmc_options *b);

#endif
