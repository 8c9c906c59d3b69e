/*
 * scorer.h - pair scores of documents under a model, and what follows from them: probability, coherence, order.
 */
#ifndef XMCOH_SCORER_H
#define XMCOH_SCORER_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/guidance.h"
#include "xmcoh/model.h"

#define XMC_STORED_LOG_ODDS 20.0	/* of a pair that a stored order decides, by XMC_GUIDANCE_STORED: a mistake in 500 million */
#define XMC_SCORE_BATCH 64		/* documents that training scores together */

/*
 * Which scores to use: of one modality alone; all the evidence that both items of a pair have (fused); of one modality with
 * the other one's guidance. Training reports on the first XMC_REPORTED_EVIDENCES.
 */
typedef enum xmc_score_kind
{
	XMC_EVIDENCE_TEXT = 0,
	XMC_EVIDENCE_IMAGE = 1,
	XMC_EVIDENCE_FUSED = 2,
	XMC_EVIDENCE_TEXT_GUIDED = 3,
	XMC_EVIDENCE_IMAGE_GUIDED = 4,
	XMC_EVIDENCES = 5
} xmc_score_kind;

#define XMC_REPORTED_EVIDENCES 3

/*
 * Calibrated log-odds of one document: score[e] is (n, n), antisymmetric; those of a modality, solo or guided, are 0 where
 * an item lacks it. raw[m] is the modality's uncalibrated score, (n, n), raw[XMC_JOINT] the bilinear term's.
 *
 * Both items have all that the model reads: fused weighs text, image and bilinear term, and guided is the same. A document
 * that holds text-only and image-only items, under a model that can align them (align.h): the fused score of a pair that
 * shares one modality is that one's guided score, and that of a text-only and an image-only item goes through the
 * alignment. Without such items or such a model, a pair's fused and guided score is that of the modality it shares.
 *
 * That is the rule by default; others are in guidance.h, the paper's in guidance_paper.h. By XMC_GUIDANCE_STORED the document's labels
 * are its stored order: what they say of texts guides photos and the other way round, and unless the alignment is to be
 * inferred they decide the fused score of the pairs that they speak of (and the order: xmc_guidance_keep_stored, since many
 * other pairs together could still outvote it). If the alignment is to be inferred, pairs
 * of which both items have both get two guided scores, one a modality, like all others. Where a rule has no fused score,
 * that is 0.
 */
typedef struct xmc_scores
{
	int32_t		n;
	float	   *raw[XMC_MODALITIES + 1];
	float	   *score[XMC_EVIDENCES];
} xmc_scores;

/*
 * Scores a batch of documents together; allocates the matrices by ctx. The items of one document see only each other.
 * Scratch memory is that of a few hundred items at most (or of one document), however many documents there are, and is
 * kept from the first to the last: some 256 documents a call are the best use of it. Errors: XMC_BAD_INPUT when a score is
 * not finite, which takes embeddings of absurdly large numbers; XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_score_documents(xmc_ctx *ctx, const xmc_model *model, int32_t n_documents,
									  const xmc_document *document, xmc_scores *out);

/* The same by another rule than the default one, which is all zeros. */
extern xmc_status xmc_score_documents_by(xmc_ctx *ctx, const xmc_model *model, const xmc_guidance_rule *rule,
										 int32_t n_documents, const xmc_document *document, xmc_scores *out);
extern void xmc_scores_free(xmc_ctx *ctx, xmc_scores *scores);

/* sigmoid in double */
extern double xmc_probability(double log_odds);

/*
 * The items that a score of this evidence speaks of, in their order, into item (document->n): those that hold its modality;
 * for fused all. Returns how many.
 */
extern int32_t xmc_score_kind_items(const xmc_document *document, xmc_score_kind evidence, int32_t *item);

/* The scores among m of n items: to (m, m) from s (n, n). Errors: XMC_STOPPED. */
extern xmc_status xmc_submatrix(xmc_ctx *ctx, int32_t n, const float *s, int32_t m, const int32_t *item, float *to);

/*
 * Coherence of the order `order` (order[k] = item at place k) of m of the n items under scores s (n, n): the mean over
 * their pairs of 2p - 1, the expected Kendall tau, in [-1, 1]. NaN for m < 2. Errors: XMC_STOPPED.
 */
extern xmc_status xmc_coherence(xmc_ctx *ctx, int32_t n, const float *s, int32_t m, const int32_t *order, double *coherence);

#endif
