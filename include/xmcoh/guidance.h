/*
 * guidance.h - order scores of one modality carried through the alignment to the other (design section 4, "Guidance").
 *
 * One-shot and extrinsic: what is carried is the other modality's own score, never one that was itself guided, so no
 * evidence is counted twice.
 */
#ifndef XMCOH_GUIDANCE_H
#define XMCOH_GUIDANCE_H

#include "xmcoh/align.h"
#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

/* How one modality guides the other. Those in between the first and the last are for comparison. */
typedef enum xmc_guidance_mode
{
	XMC_GUIDANCE_SOFT = 0,		/* all counterparts by their probability, calibrated weights */
	XMC_GUIDANCE_HARD,			/* the same weights, but only the likeliest counterpart, or none if that is likelier */
	XMC_GUIDANCE_UNCALIBRATED,	/* raw scores, all with weight 1, solo ones too */
	XMC_GUIDANCE_PAPER,			/* the released rule (guidance_paper.h), from calibrated solo scores */
	XMC_GUIDANCE_STORED,		/* soft, but where the guide's items are labelled their order guides, not their scores */
	XMC_GUIDANCE_MODES
} xmc_guidance_mode;

typedef struct xmc_guidance_rule
{
	xmc_guidance_mode mode;
	bool		inferred;		/* rows that hold both count as if split into one of each kind, with nothing to link them */
	int32_t		rounds;			/* of XMC_GUIDANCE_PAPER; 1 .. XMC_GUIDANCE_MAX_ROUNDS */
} xmc_guidance_rule;

#define XMC_GUIDANCE_MAX_ROUNDS 10

/* Whether there is a fused score: not of items that are split, and the paper has none. */
extern bool xmc_guidance_has_fused(const xmc_guidance_rule *rule);

typedef struct xmc_guides
{
	float	   *image;			/* (n_image, n_image) P S_text P^T */
	float	   *text;			/* (n_text, n_text) P^T S_image P */
	float	   *cross_modal[XMC_MODALITIES];	/* (n_image, n_text) that image j stands before text i: P S_text, S_image P */
} xmc_guides;

/*
 * Carries text scores s_text (n_text, n_text) and image scores s_image (n_image, n_image) through P (n_image, n_text), p[m]
 * to guide modality m (one and the same unless each side has its own): the expected score of the counterparts, where no
 * counterpart has no opinion. Matrices in the arena. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_guidance(xmc_arena *arena, int32_t n_image, int32_t n_text,
							   const float *const p[XMC_MODALITIES], const float *s_text, const float *s_image, xmc_guides *out);

/*
 * The whole alignment of a document, p (n, n) over all its items, image item by text item: what was inferred (with `split`
 * or not, as of xmc_align_documents), and without split 1 for rows that hold both. In the arena. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_guidance_alignment(xmc_arena *arena, const xmc_document *document, bool split,
										 const xmc_alignment *inferred, const float **p);

/*
 * The order that a document's labels tell, (n, n): 1 where the row stands before the column, -1 where after, 0 where nobody
 * has said, or an item holds nothing of `has` (XMC_HAS_...). In the arena. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_guidance_stored(xmc_arena *arena, const xmc_document *document, int has, const float **stored);

/*
 * Brings those of `n` items in `order` (order[k] is the item at place k) that the document's labels speak of into the order
 * that these tell, in the places that they have together; the others stay. The labels are those of an order, with or
 * without equal places. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_guidance_keep_stored(xmc_ctx *ctx, const xmc_document *document, int32_t n, int32_t *order);

/*
 * counterpart[i] (n): the one likeliest counterpart of each item that stands on `side`, equals to the first of them; the
 * item itself for rows that hold both, unless split; -1 for an item that has none, that is not on this side, or, if
 * `or_none`, that is likelier to have none. Errors: XMC_STOPPED.
 */
extern xmc_status xmc_guidance_counterparts(xmc_ctx *ctx, const xmc_document *document, bool split,
											const xmc_alignment *inferred, xmc_modality side, bool or_none,
											int32_t *counterpart);

/* Documents, and the model whose scores of them count: one that was not trained on them. */
typedef struct xmc_guidance_group
{
	const xmc_model *scorer;
	int32_t		n;
	const xmc_document *const *document;	/* (n) */
} xmc_guidance_group;

/*
 * Fits calibration.guided and .crossed of a model that has_alignment, by logistic regression on the labelled pairs of these
 * documents, whose alignment it has not been trained on either, as if each row that holds both had been split into a
 * text-only and an image-only one: once guided by scores, once by the labelled order, and once as if the counterparts were
 * missing. What is believed before is that a modality's own weight is 1 and its guide's trust[guide], from 0 to 1 (few
 * documents would else trade one for the other on the strength of chance), and that P is calibrated: then half of 1 plus
 * P O P^T is the probability by an order O, and its log-odds some two times P O P^T. Documents without such rows do not count,
 * and as an order only those of which every pair is labelled. Errors: XMC_NO_MEMORY, XMC_STOPPED, XMC_LIMIT.
 */
extern xmc_status xmc_guidance_fit(xmc_ctx *ctx, xmc_model *model, const double trust[XMC_MODALITIES], int32_t n_groups,
								   const xmc_guidance_group *group);

#endif
