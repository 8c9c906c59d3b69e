/*
 * align.h - the alignment of a document: which image item shows the same step as which text item (design section 4,
 * "Alignment"). The alignment is known for items that hold both; between image-only and text-only items it is inferred.
 */
#ifndef XMCOH_ALIGN_H
#define XMCOH_ALIGN_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

/*
 * The inferred alignment of one document: its image-only items with its text-only items. With `split`, items that hold both
 * count as one image-only and one text-only item that nothing links: all items with an image with all items with a text.
 */
typedef struct xmc_alignment
{
	int32_t		n_image;
	int32_t    *image;			/* (n_image) item numbers */
	int32_t		n_text;
	int32_t    *text;			/* (n_text) item numbers */

	/*
	 * (n_image + 1, n_text + 1): p[r, c] is the probability that image r and text c belong together; p[r, n_text] and
	 * p[n_image, c] are the probabilities that image r and text c have no counterpart. Rows and columns of items sum to 1.
	 */
	double	   *p;
} xmc_alignment;

/* Whether there is anything to infer: the document has an item on the image side and one on the text side. */
extern bool xmc_align_is_open(const xmc_document *document, bool split);

/*
 * Infers the alignments of n documents, out (n), whose arrays are allocated in the arena. One call for several documents
 * costs less than a call for each. Where a document has no item on one side, no item of the other side has a counterpart.
 * The model must have has_alignment, unless one side of each document is empty. Errors: XMC_BAD_INPUT (embeddings so large
 * that a similarity is not finite), XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_align_documents(xmc_arena *arena, const xmc_model *model, int32_t n, const xmc_document *document,
									  bool split, xmc_alignment *out);

/*
 * counterpart[i] (n): the likeliest counterpart of each item on `side`, of equals the first one; the item itself for items
 * that hold both, unless split; -1 for an item that is not on this side or has no counterpart. With `or_none` also for an
 * item whose likeliest counterpart is less likely than none. Errors: XMC_STOPPED.
 */
extern xmc_status xmc_align_counterparts(xmc_ctx *ctx, const xmc_document *document, bool split,
										 const xmc_alignment *inferred, xmc_modality side, bool or_none, int32_t *counterpart);

#endif
