/*
 * words.h - the sparse term of a pair as a sum over the features of its two texts, each named as it stands in a text.
 */
#ifndef XMCOH_WORDS_H
#define XMCOH_WORDS_H

#include "xmcoh/explain.h"

/*
 * Appends a part for each feature of items a and b of the document that adds anything to `factor` times their sparse score:
 * to part, from *n on, which has room for as many as both items have features. A feature of both items is one part, with
 * the difference. Errors: those of xmc_text_visit, XMC_NO_MEMORY.
 */
extern xmc_status xmc_word_parts(xmc_arena *arena, const xmc_model *model, xmc_tokeniser *tokeniser,
								 const xmc_document *document, const xmc_item *item, int32_t a, int32_t b, double factor,
								 int32_t *n, xmc_part *part);

#endif
