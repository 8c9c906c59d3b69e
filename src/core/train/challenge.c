/* challenge.c - see challenge.h */
#include "xmcoh/challenge.h"

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
		status = xmc_decoded_tau(ctx, document[d], scores.score[XMC_EVIDENCE_FUSED], (uint64_t) d, &tau[d]);
		xmc_scores_free(ctx, &scores);
		XMC_TRY(status);
	}
	return XMC_OK;
}

static xmc_status
mean(xmc_ctx *ctx, int32_t n, const double *value, xmc_interval *out)
{
	return xmc_bootstrap(ctx, n, value, NULL, XMC_BOOTSTRAP_REPLICATES, BOOTSTRAP_SEED, out);
}

/* tau (3, n): champion, challenger, their difference. */
static xmc_status
compare(xmc_ctx *ctx, const xmc_model *champion, const xmc_model *challenger, int32_t n,
		const xmc_document *const *document, double *tau, xmc_challenge *out)
{
	XMC_TRY(all_taus(ctx, champion, n, document, tau));
	XMC_TRY(all_taus(ctx, challenger, n, document, tau + n));
	for (int32_t d = 0; d < n; d++)
		tau[2 * (int64_t) n + d] = tau[n + d] - tau[d];
	XMC_TRY(mean(ctx, n, tau, &out->champion));
	XMC_TRY(mean(ctx, n, tau + n, &out->challenger));
	return mean(ctx, n, tau + 2 * (int64_t) n, &out->difference);
}

xmc_status
xmc_challenge_run(xmc_ctx *ctx, const xmc_model *champion, const xmc_model *challenger, int32_t n,
				  const xmc_document *const *document, double margin, xmc_challenge *out)
{
	double	   *tau;			/* (3, n) */
	xmc_status	status;

	*out = (xmc_challenge){.documents = n};
	if (n < 1)
		return xmc_fail(ctx, XMC_BAD_INPUT, "no document to compare two models on");
	if (!xmc_same_inputs(&champion->options, &challenger->options))
		return xmc_fail(ctx, XMC_BAD_INPUT, "two models that read different inputs cannot be compared");
	tau = xmc_alloc(ctx, 3 * (size_t) n, sizeof(double));
	XMC_NEED(tau, ctx);
	status = compare(ctx, champion, challenger, n, document, tau, out);
	xmc_release(ctx, tau);
	out->rejected = status == XMC_OK && n > 1 && out->difference.high < -margin;
	return status;
}
