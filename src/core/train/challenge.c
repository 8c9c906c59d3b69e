/* challenge.c - see challenge.h */
#include "xmcoh/challenge.h"

#include "xmcoh/groups.h"
#include "xmcoh/order.h"
#include "xmcoh/scorer.h"

#define BOOTSTRAP_SEED 1

bool
xmc_same_inputs(const xmc_options *a, const xmc_options *b)
{
	return a->image_dim == b->image_dim && a->text_dim == b->text_dim && a->words == b->words;
}

/* The tau of each document by one model, into tau (n). */
static xmc_status
all_taus(xmc_ctx *ctx, const xmc_model *model, int32_t n, const xmc_document *const *document, double *tau)
{
	for (int32_t d = 0; d < n; d++)
	{
		xmc_scores	scores;
		xmc_status	status;

		XMC_TRY(xmc_check_stop(ctx));
		XMC_TRY(xmc_score_documents(ctx, model, 1, document[d], &scores));
		status = xmc_decoded_tau(ctx, document[d], scores.score[XMC_SCORE_FUSED], (uint64_t) d, &tau[d]);
		xmc_scores_free(ctx, &scores);
		XMC_TRY(status);
	}
	return XMC_OK;
}

static xmc_status
mean(xmc_ctx *ctx, int32_t n, const double *value, const int32_t *group, xmc_interval *out)
{
	return xmc_bootstrap_groups(ctx, n, value, NULL, group, XMC_BOOTSTRAP_REPLICATES, BOOTSTRAP_SEED, out);
}

/* Means and intervals of both, and of their difference (n), which is scratch. */
static xmc_status
compare(xmc_ctx *ctx, int32_t n, double *const tau[2], const int32_t *group, double *difference, double margin,
		xmc_challenge *out)
{
	for (int32_t d = 0; d < n; d++)
		difference[d] = tau[1][d] - tau[0][d];
	XMC_TRY(mean(ctx, n, tau[0], group, &out->champion));
	XMC_TRY(mean(ctx, n, tau[1], group, &out->challenger));
	XMC_TRY(mean(ctx, n, difference, group, &out->difference));
	out->rejected = out->groups > 1 && out->difference.high < -margin;
	return XMC_OK;
}

xmc_status
xmc_challenge_measured(xmc_ctx *ctx, int32_t n, double *const tau[2], const int32_t *group, int32_t n_groups, double margin,
					   xmc_challenge *out)
{
	double	   *difference = xmc_alloc(ctx, (size_t) (n > 0 ? n : 1), sizeof *difference);
	xmc_status	status;

	*out = (xmc_challenge){.documents = n,.groups = n_groups};
	XMC_NEED(difference, ctx);
	status = compare(ctx, n, tau, group, difference, margin, out);
	xmc_release(ctx, difference);
	return status;
}

/* tau (2, n): champion, challenger. group (n) is scratch. */
static xmc_status
measure_and_compare(xmc_ctx *ctx, const xmc_model *champion, const xmc_model *challenger, int32_t n,
					const xmc_document *const *document, double margin, double *tau, int32_t *group, xmc_challenge *out)
{
	int32_t		n_groups;

	XMC_TRY(xmc_number_document_groups(ctx, n, document, group, &n_groups));
	XMC_TRY(all_taus(ctx, champion, n, document, tau));
	XMC_TRY(all_taus(ctx, challenger, n, document, tau + n));
	return xmc_challenge_measured(ctx, n, (double *[]) {tau, tau + n}, group, n_groups, margin, out);
}

xmc_status
xmc_challenge_run(xmc_ctx *ctx, const xmc_model *champion, const xmc_model *challenger, int32_t n,
				  const xmc_document *const *document, double margin, xmc_challenge *out)
{
	double	   *tau;			/* (2, n) */
	int32_t    *group;
	xmc_status	status;

	*out = (xmc_challenge){.documents = n};
	if (n < 1)
		return xmc_fail(ctx, XMC_BAD_INPUT, "no document to compare two models on");
	if (!xmc_same_inputs(&champion->options, &challenger->options))
		return xmc_fail(ctx, XMC_BAD_INPUT, "two models that read different inputs cannot be compared");
	tau = xmc_alloc(ctx, 2 * (size_t) n, sizeof(double));
	group = xmc_alloc(ctx, (size_t) n, sizeof *group);
	if (tau && group)
		status = measure_and_compare(ctx, champion, challenger, n, document, margin, tau, group, out);
	else
		status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	xmc_release(ctx, group);
	xmc_release(ctx, tau);
	return status;
}
