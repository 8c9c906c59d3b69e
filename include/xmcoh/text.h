/*
 * text.h - from UTF-8 text to hashed features (design section 4, "Text features").
 *
 * Texts are normalised (NFKC, case fold) and cut into words by ICU. Features are words, word bigrams, the first word, the
 * first bigram, the beginnings of words, and each power of two that the number of words reaches. Scripts without spaces
 * (Han, Hiragana, Katakana, Thai, Lao, Khmer, Myanmar) give n-grams of 1 to 4 code points in place of beginnings of words.
 * A feature is hashed by kind and term. Features are binary: present or not, however often the term occurs.
 */
#ifndef XMCOH_TEXT_H
#define XMCOH_TEXT_H

#include "xmcoh/base.h"

/* Must change whenever the same text would give other features. Each model version stores this number. */
#define XMC_FEATURE_VERSION 3

#define XMC_STEM_CHARACTERS 5

typedef enum xmc_feature_kind
{
	XMC_FEATURE_WORD = 1,
	XMC_FEATURE_BIGRAM,
	XMC_FEATURE_FIRST_WORD,
	XMC_FEATURE_FIRST_BIGRAM,
	XMC_FEATURE_CHARACTERS,		/* n-gram of code points of a script without spaces */
	XMC_FEATURE_LENGTH,			/* the text has at least so many words, a power of two */
	XMC_FEATURE_STEM			/* the first XMC_STEM_CHARACTERS code points of a word of a script with spaces */
} xmc_feature_kind;

#define XMC_FEATURE_KINDS 8		/* numbers that the lowest three bits of a feature can have; 0 is not used */

/* Owns ICU objects, which ICU allocates itself; free it with xmc_tokeniser_free. One per session or thread. */
typedef struct xmc_tokeniser xmc_tokeniser;

extern xmc_status xmc_tokeniser_new(xmc_ctx *ctx, xmc_tokeniser **out);
extern void xmc_tokeniser_free(xmc_tokeniser *tokeniser);

/*
 * Calls `visit` for each occurrence of a feature, in reading order. Its arguments are the kind, the normalised term in
 * UTF-8 (the two words of a bigram are separated by one space) and the 64-bit hash. The beginning of a word is visited after the
 * word, and the rest of the word follows it in memory. A text with invalid UTF-8 is not
 * visited at all. Errors: XMC_BAD_INPUT (invalid UTF-8), XMC_NO_MEMORY, XMC_STOPPED.
 */
typedef void (*xmc_feature_visitor) (void *arg, xmc_feature_kind kind, const char *term, size_t term_length,
									 uint64_t hash);
extern xmc_status xmc_text_visit(xmc_ctx *ctx, xmc_tokeniser *tokeniser, const char *text, size_t length,
								 xmc_feature_visitor visit, void *arg);

/*
 * Calls `visit` for each word of a text where it stands: from byte `begin` to byte `end`, with its normalised term, which for
 * practically all texts is the term under which xmc_text_visit visits that word. Only the first XMC_SPOTTED_BYTES bytes are read,
 * or as many UTF-16 units. Errors: those of xmc_text_visit.
 */
#define XMC_SPOTTED_BYTES 32768
typedef void (*xmc_word_visitor) (void *arg, size_t begin, size_t end, const char *term, size_t term_length);
extern xmc_status xmc_text_words(xmc_ctx *ctx, xmc_tokeniser *tokeniser, const char *text, size_t length,
								 xmc_word_visitor visit, void *arg);

/*
 * The distinct features of a text as sorted 32-bit values. The upper bits are those of the hash; value >> (32 - bits) is
 * the row in a table of 2^bits rows. The lowest three bits are the kind. *word has the upper 32 bits of the hash of each word,
 * in reading order, which are never 0. *out and *word are allocated by ctx; word NULL: words are not wanted. *n_out and *n_words
 * may be 0, for an empty text or one of punctuation alone. Errors: XMC_LIMIT (too many), those of xmc_text_visit.
 */
#define XMC_FEATURE_KIND_MASK 7u
extern xmc_status xmc_text_features(xmc_ctx *ctx, xmc_tokeniser *tokeniser, const char *text, size_t length,
									uint32_t **out, int32_t *n_out, uint32_t **word, int32_t *n_words);

static inline xmc_feature_kind
xmc_feature_kind_of(uint32_t feature)
{
	return (xmc_feature_kind) (feature & XMC_FEATURE_KIND_MASK);
}

/* The value of a feature that was visited. */
static inline uint32_t
xmc_feature_value(xmc_feature_kind kind, uint64_t hash)
{
	return ((uint32_t) (hash >> 32) & ~XMC_FEATURE_KIND_MASK) | (uint32_t) kind;
}

/* The value of the feature of this kind with this normalised term. */
extern uint32_t xmc_feature_of(xmc_feature_kind kind, const char *term, size_t length);

#endif
