/*
 * mention_fit.h - the convex fit of the mention term (network/mentions.h): as additive_fit.h, of scores that belong to pairs of
 * items, with one scale for all weights.
 */
#ifndef XMCOH_MENTION_FIT_H
#define XMCOH_MENTION_FIT_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

/* Fits to the same documents, one penalty after the other. */
typedef struct xmc_mention_fit xmc_mention_fit;

/*
 * Prepares fits to n documents, which begin from model->mentions; model->mention_idf is set. All memory is in the arena, until
 * this is reset; the documents must last as long. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_mention_begin(xmc_arena *arena, xmc_model *model, int32_t n_documents, const xmc_document *const *document,
									xmc_mention_fit **out);

/*
 * Fits with the penalty of `step` (xmc_penalty), beginning from the last fit, and sets model->mentions. *loss is the documents'
 * mean loss without the penalty. Errors: XMC_STOPPED.
 */
extern xmc_status xmc_mention_step(xmc_mention_fit *fit, int32_t step, double *loss);

#endif
