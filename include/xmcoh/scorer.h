/*
 * scorer.h - order scores of all pairs of items of documents under a model: of each modality, fused, and guided by the
 * other modality. What follows from scores (order, coherence) is in order.h.
 */
#ifndef XMCOH_SCORER_H
#define XMCOH_SCORER_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

#define XMC_STORED_LOG_ODDS 20.0	/* of a pair that a stored order decides: one mistake in 500 million */
#define XMC_SCORE_BATCH 64		/* documents that training scores together */

/* How one modality guides the other. The modes between the first and the last are for comparison. */
typedef enum xmc_guidance_mode
{
	XMC_GUIDANCE_SOFT = 0,		/* all counterparts with their probability, calibrated weights */
	XMC_GUIDANCE_HARD,			/* the same weights, but only the likeliest counterpart, or none if none is likelier */
	XMC_GUIDANCE_UNCALIBRATED,	/* raw scores, all with weight 1, the own scores too */
	XMC_GUIDANCE_PAPER,			/* the rule of the released code (guidance_paper.h), from calibrated own scores */
	XMC_GUIDANCE_STORED,		/* soft, but labels of the guide's items guide in place of their scores */
	XMC_GUIDANCE_MODES
} xmc_guidance_mode;

#define XMC_GUIDANCE_MAX_ROUNDS 10

typedef struct xmc_guidance_rule
{
	xmc_guidance_mode mode;
	bool		inferred;		/* items that hold both count as one of each kind that nothing links: `split` of align.h */
	bool		as_new;			/* a document of a known group is calibrated like one of a new group */
	int32_t		rounds;			/* of XMC_GUIDANCE_PAPER; 1 .. XMC_GUIDANCE_MAX_ROUNDS */
} xmc_guidance_rule;

/* Whether the rule has a fused score. Split items have none, nor has the rule of the paper. */
extern bool xmc_guidance_has_fused(const xmc_guidance_rule *rule);

/* The calibration of the scores of a document by a rule: of known groups, of new ones, or none. */
extern const xmc_calibration *xmc_calibration_of(const xmc_model *model, const xmc_guidance_rule *rule,
												 const xmc_document *document);

/*
 * The factors of the raw scores of text, image and bilinear term in the fused score of two items that hold these XMC_HAS_...
 * and that nothing guides. Where both items hold all that the model reads, they are those of the fusion. Elsewhere they are
 * those of the modalities alone; the raw score of a missing modality is 0.
 */
extern void xmc_fused_weights(const xmc_options *options, const xmc_calibration *c, uint8_t has_a, uint8_t has_b,
							  double weight[XMC_MODALITIES + 1]);

/*
 * Which scores to use: of one modality alone; fused, by all that both items of a pair hold; of one modality guided by the
 * other one. A training reports on the first XMC_REPORTED_SCORE_KINDS.
 */
typedef enum xmc_score_kind
{
	XMC_SCORE_TEXT = 0,
	XMC_SCORE_IMAGE = 1,
	XMC_SCORE_FUSED = 2,
	XMC_SCORE_TEXT_GUIDED = 3,
	XMC_SCORE_IMAGE_GUIDED = 4,
	XMC_SCORE_KINDS = 5
} xmc_score_kind;

#define XMC_REPORTED_SCORE_KINDS 3

/*
 * The scores of one document. raw[m] (n, n) is the uncalibrated score of modality m, raw[XMC_JOINT] the score of the
 * bilinear term. score[e] (n, n) is the calibrated log-odds of kind e, antisymmetric. The score of one modality, own or
 * guided, is 0 where an item of the pair lacks the modality.
 *
 * The fused score by the default rule:
 * - Both items hold all that the model reads: a weighted sum of text, image and bilinear term. The guided scores are equal.
 * - The document holds text-only and image-only items, and the model can align them: the guided score of the modality that
 *   both items hold; the score that was carried through the alignment for a text-only and an image-only item.
 * - Otherwise: the score of the modality that both items hold. The guided scores are equal.
 *
 * By XMC_GUIDANCE_STORED the labels of the document are its stored order. Labels of texts guide images, and the reverse.
 * Unless the alignment is inferred, labels also decide the fused score of their pairs (and the order: see
 * xmc_keep_stored_order, since many other pairs could still outvote a label). If the alignment is inferred, a pair
 * of items that hold both gets two guided scores, one per modality. Where a rule has no fused score, that is 0.
 */
typedef struct xmc_scores
{
	int32_t		n;
	float	   *raw[XMC_MODALITIES + 1];
	float	   *score[XMC_SCORE_KINDS];
} xmc_scores;

/*
 * Scores n documents; allocates the matrices by ctx. An item sees only the items of its own document. Scratch memory is
 * that of a few hundred items, or of one document, whatever n is, and is kept for the whole call: some 256 documents a call
 * use it best. Errors: XMC_BAD_INPUT (a score is not finite, from absurdly large numbers in an embedding), XMC_NO_MEMORY,
 * XMC_STOPPED.
 */
extern xmc_status xmc_score_documents(xmc_ctx *ctx, const xmc_model *model, int32_t n_documents,
									  const xmc_document *document, xmc_scores *out);

/* The same by a given rule; a rule of zeros is the default one. */
extern xmc_status xmc_score_documents_by(xmc_ctx *ctx, const xmc_model *model, const xmc_guidance_rule *rule,
										 int32_t n_documents, const xmc_document *document, xmc_scores *out);
extern void xmc_scores_free(xmc_ctx *ctx, xmc_scores *scores);

#endif
