/*
 * mention_fit.h - the convex fit of the mention term (network/mentions.h): as additive_fit.h, of scores that belong to pairs of
 * items, with one scale for all weights.
 */
#ifndef XMCOH_MENTION_FIT_H
#define XMCOH_MENTION_FIT_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

/*
 * Fits model->mentions to n documents with the penalty of `step` (xmc_penalty), beginning from the weights that are there;
 * model->mention_idf is set. Scratch memory is in the arena, which is not reset. *loss is the documents' mean loss without the
 * penalty. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_mention_fit(xmc_arena *arena, xmc_model *model, int32_t n_documents, const xmc_document *const *document,
								  int32_t step, double *loss);

#endif
