/*
 * guidance_paper.h - the guidance of the paper's released code at inference, for comparison only (design section 4,
 * "Guidance"): Bin et al., "Leveraging Weak Cross-Modal Guidance for Coherence Modelling via Iterative Learning" (ACM MM
 * 2024, arXiv:2408.00305), eval.py.
 */
#ifndef XMCOH_GUIDANCE_PAPER_H
#define XMCOH_GUIDANCE_PAPER_H

#include "xmcoh/base.h"

/*
 * T and I are text scores and image scores as log-odds, the difference of the two logits there. a(i) is the likeliest
 * image of text i, b(j) the likeliest text of image j; each always exists there. In each of `rounds` rounds:
 *
 *     I[a(i), a(j)] += 1    * T[i, j]   for all texts i, j of which one stands before the other with probability > 0.8
 *     T[b(i), b(j)] += 0.25 * I[i, j]   for all images i, j likewise with probability > 0.9, with the new I
 *
 * in place: a round starts from the guided scores of the round before. Where a(i) = a(j) the guidance of the pair is
 * lost. The thresholds are those of the paper and of its training; eval.py has 0.8 for images too.
 *
 * text and image (n, n) are antisymmetric, 0 for items without that modality: own scores in, guided scores out. image_of
 * and text_of (n) give a and b; -1: the item has no text, no image, or no counterpart. Errors: XMC_STOPPED.
 */
extern xmc_status xmc_guidance_paper(xmc_ctx *ctx, int32_t n, const int32_t *image_of, const int32_t *text_of, int32_t rounds,
									 float *text, float *image);

#endif
