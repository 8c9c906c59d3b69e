/*
 * shared_words.h - the mention term of a pair as a sum over the words that its two texts share.
 */
#ifndef XMCOH_SHARED_WORDS_H
#define XMCOH_SHARED_WORDS_H

#include "xmcoh/explain.h"

/*
 * Appends a part for each shared word of items a and b that adds anything to `factor` times their score by the mention term: to
 * part, from *n on, which has room for as many as one of the texts has words. Errors: those of xmc_text_visit, XMC_NO_MEMORY.
 */
extern xmc_status xmc_shared_word_parts(xmc_arena *arena, const xmc_model *model, xmc_tokeniser *tokeniser,
										const xmc_document *document, const xmc_item *item, int32_t a, int32_t b,
										double factor, int32_t *n, xmc_part *part);

/* The number of words of an item. */
static inline int32_t
xmc_item_words(const xmc_document *document, int32_t item)
{
	return document->word_start ? document->word_start[item + 1] - document->word_start[item] : 0;
}

#endif
