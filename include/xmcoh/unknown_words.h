/*
 * unknown_words.h - which words of a document taught a model nothing: no labelled pair of its training had them.
 *
 * A model holds hashed weights and no words. The weights of the sparse term begin at 0, and a training moves those of all
 * features that tell the items of some labelled pair apart. So a weight of exactly 0 is that of a word of no such pair. A word
 * that shares its row of the table with a feature that has a weight counts as known, by chance; xmc_used_rows says how often.
 */
#ifndef XMCOH_UNKNOWN_WORDS_H
#define XMCOH_UNKNOWN_WORDS_H

#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

/* The share of the rows of the sparse term that have a weight; 0: the model reads no words, or weighs them 0. */
extern double xmc_used_rows(const xmc_model *model);

/* Adds the words of all items of a document, and how many of them have the weight 0. The model must read words. */
extern void xmc_count_unknown_words(const xmc_model *model, const xmc_document *document, int64_t *words, int64_t *unknown);

/*
 * The share of words that the model has never seen, of so many words of which so many have the weight 0: unknown / words,
 * divided by the share of the rows without a weight, but at most 1. NaN where that cannot be told: no words, no row in use, or
 * more than XMC_MOST_USED_ROWS of them.
 */
#define XMC_MOST_USED_ROWS 0.95
extern double xmc_unknown_share(double used_rows, double words, double unknown);

#endif
