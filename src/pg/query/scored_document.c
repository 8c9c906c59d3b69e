/*
 * scored_document.c - one document scored and ordered; scored_document.h is the contract.
 */
#include "query/scored_document.h"

#include "base/xmcoh.h"

#include "xmcoh/decode.h"

void
xmcoh_score_items(const xmc_model *model, int32 n, const xmc_item *item, ScoredDocument *out)
{
	xmc_ctx		ctx = xmcoh_context();

	XMCOH_TRY(xmc_document_build(&ctx, &model->options, xmcoh_tokeniser(), n, item, &out->document), &ctx);
	XMCOH_TRY(xmc_score_documents(&ctx, model, 1, &out->document, &out->scores), &ctx);
}

int32
xmcoh_decode_scores(const xmc_document *document, const xmc_scores *scores, xmc_score_kind kind, int32 *order)
{
	xmc_ctx		ctx = xmcoh_context();
	int32	   *item = palloc(sizeof(int32) * (Size) (document->n + 1));
	int32		m = xmc_score_kind_items(document, kind, item);
	float	   *s = palloc_extended(sizeof(float) * ((Size) m * m + 1), MCXT_ALLOC_HUGE);

	/* the scores among the items that this kind covers, decoded; then back to the document's numbers */
	XMCOH_TRY(xmc_submatrix(&ctx, document->n, scores->score[kind], m, item, s), &ctx);
	XMCOH_TRY(xmc_decode(&ctx, m, s, order, NULL), &ctx);
	for (int32 k = 0; k < m; k++)
		order[k] = item[order[k]];
	/* guided by a stored order, the fused order keeps that order */
	if (kind == XMC_EVIDENCE_FUSED && document->n_pairs > 0)
		XMCOH_TRY(xmc_guidance_keep_stored(&ctx, document, m, order), &ctx);
	pfree(s);
	pfree(item);
	return m;
}
