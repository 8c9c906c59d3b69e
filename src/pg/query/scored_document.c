/*
 * scored_document.c - one document scored and ordered; scored_document.h is the contract.
 */
#include "query/scored_document.h"

#include "base/xmcoh.h"
#include "query/encoded.h"

#include "xmcoh/order.h"

void
xmcoh_score_items(const DeployedModel *deployed, int32 n, xmc_item *item, ScoredDocument *out)
{
	const xmc_model *model = deployed->model;
	xmc_ctx		ctx = xmcoh_context();

	xmcoh_encode_items(deployed, n, item);
	XMCOH_TRY(xmc_document_build(&ctx, &model->options, xmcoh_tokeniser(), n, item, &out->document), &ctx);
	XMCOH_TRY(xmc_score_documents(&ctx, model, 1, &out->document, &out->scores), &ctx);
}

int32
xmcoh_decode_scores(const xmc_document *document, const xmc_scores *scores, xmc_score_kind kind, const uint8 *decided,
					int32 *order)
{
	xmc_ctx		ctx = xmcoh_context();
	int32		m;

	XMCOH_TRY(xmc_recover_order(&ctx, document, scores, kind, decided, NULL, order, &m), &ctx);
	return m;
}
