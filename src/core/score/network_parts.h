/*
 * network_parts.h - the score of a pair by a network as a sum over the inputs of the document, by integrated gradients
 * (attribution.h).
 */
#ifndef XMCOH_NETWORK_PARTS_H
#define XMCOH_NETWORK_PARTS_H

#include "xmcoh/explain.h"

/* The parts of the embeddings of a pair. */
typedef struct xmc_embedding_parts
{
	xmc_part   *part[2];		/* of each item; NULL: it has none */
	const double *gradient[2];	/* (embedding_dim) the mean gradient of the network's score by that embedding, in the arena */
} xmc_embedding_parts;

/*
 * Appends the parts of `factor` times `score`, the score of items a and b by the network of a modality: one for each word of
 * their texts that the network reads, one for the embedding of each of the two, one for all inputs of the other items. What the
 * quadrature leaves is spread over the parts by their size, so they sum to factor times score. To part, from *n on, which has
 * room for as many as both items have features, and XMC_NETWORK_PARTS more. *embeddings: which of them the embeddings have. Errors:
 * those of xmc_text_visit, XMC_NO_MEMORY.
 */
#define XMC_NETWORK_PARTS 3
extern xmc_status xmc_network_parts(xmc_arena *arena, const xmc_model *model, xmc_modality modality, xmc_tokeniser *tokeniser,
									const xmc_document *document, const xmc_item *item, int32_t a, int32_t b, double factor,
									double score, int32_t *n, xmc_part *part, xmc_embedding_parts *embeddings);

#endif
