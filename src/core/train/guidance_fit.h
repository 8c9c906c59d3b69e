/*
 * guidance_fit.h - fitting how much a modality relies on guidance: the coefficients calibration.guided and .cross_modal
 * of a model (design section 4, "Guidance").
 */
#ifndef XMCOH_GUIDANCE_FIT_H
#define XMCOH_GUIDANCE_FIT_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "train/trainer.h"

/*
 * Fits both sets of coefficients of a model that has_alignment, by logistic regression on the labelled pairs of linked
 * items of these documents, on which its alignment was not trained. An item that holds both counts as a text-only and an
 * image-only item. A pair gives rows guided by scores, rows guided by the labelled order, and rows without guidance.
 *
 * The prior means are: 1 for the own score; reliability[guide], from 0 to 1, for the carried score of the guide, since
 * few documents would trade one weight for the other by chance; 2 for a carried order: if P is calibrated, (1 + P O P^T)
 * / 2 is the probability by an order O, and its log-odds is about 2 P O P^T. Documents without labelled pairs of linked
 * items do not count; as an order counts only a document of which every pair of linked items is labelled. Errors:
 * XMC_NO_MEMORY, XMC_STOPPED, XMC_LIMIT.
 */
extern xmc_status xmc_guidance_fit(xmc_ctx *ctx, xmc_model *model, const double reliability[XMC_MODALITIES], int32_t n_groups,
								   const xmc_scored_set *group);

#endif
