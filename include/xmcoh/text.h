/*
 * text.h - from UTF-8 text to hashed features (design section 4, "Text features").
 *
 * NFKC and case fold (ICU), word segmentation by ICU's break iterator. Features: words, word bigrams, the first
 * word and the first bigram, the number of words in steps of powers of two; for scripts without spaces (Han, Hiragana,
 * Katakana, Thai, Lao, Khmer, Myanmar) also code-point 1..4-grams. Each feature is hashed by kind and term; binary: a
 * feature is there or not.
 */
#ifndef XMCOH_TEXT_H
#define XMCOH_TEXT_H

#include "xmcoh/base.h"

/* Changes whenever the same text would give other features; stored with each model version. */
#define XMC_FEATURE_VERSION 1

typedef enum xmc_feature_kind
{
	XMC_FEATURE_WORD = 1,
	XMC_FEATURE_BIGRAM,
	XMC_FEATURE_FIRST_WORD,
	XMC_FEATURE_FIRST_BIGRAM,
	XMC_FEATURE_CHARACTERS,		/* code-point n-gram of a script without spaces */
	XMC_FEATURE_LENGTH			/* how many words, in steps of powers of two */
} xmc_feature_kind;

/* Owns ICU objects; one per session or thread. ICU allocates them itself, so it must be freed by xmc_tokeniser_free. */
typedef struct xmc_tokeniser xmc_tokeniser;

extern xmc_status xmc_tokeniser_new(xmc_ctx *ctx, xmc_tokeniser **out);
extern void xmc_tokeniser_free(xmc_tokeniser *tokeniser);

/*
 * Calls `visit` once per feature occurrence in reading order: its kind, its term in UTF-8 (normalised; the two words
 * of a bigram separated by one space) and its 64-bit hash. For explanations, which name the words.
 * Errors: XMC_BAD_INPUT for invalid UTF-8; XMC_NO_MEMORY.
 */
typedef void (*xmc_feature_visitor) (void *arg, xmc_feature_kind kind, const char *term, size_t term_length,
									 uint64_t hash);
extern xmc_status xmc_text_visit(xmc_ctx *ctx, xmc_tokeniser *tokeniser, const char *text, size_t length,
								 xmc_feature_visitor visit, void *arg);

/*
 * The distinct features of a text as sorted 32-bit values: the hash's upper bits, which consumers fold to their table's
 * size by `value >> (32 - bits)`, and in the lowest three bits the kind. *out is allocated by ctx; *n_out may be 0 (empty
 * text, only punctuation). Errors: as xmc_text_visit.
 */
#define XMC_FEATURE_KIND_MASK 7u
extern xmc_status xmc_text_features(xmc_ctx *ctx, xmc_tokeniser *tokeniser, const char *text, size_t length,
									uint32_t **out, int32_t *n_out);

static inline xmc_feature_kind
xmc_feature_kind_of(uint32_t feature)
{
	return (xmc_feature_kind) (feature & XMC_FEATURE_KIND_MASK);
}

#endif
