/*
 * words.h - a sum over the features of the two texts of a pair, each named as it stands in a text: that of the sparse term, or
 * any other.
 */
#ifndef XMCOH_WORDS_H
#define XMCOH_WORDS_H

#include "xmcoh/explain.h"

/* Names are short and many, and an allocation of the arena takes 64 bytes at least: so they share blocks. */
typedef struct xmc_names
{
	xmc_arena  *arena;
	char	   *room;			/* (n_room) */
	size_t		n_room;
} xmc_names;

/* A copy of a name; NULL: out of memory. */
extern char *xmc_name_copy(xmc_names *names, const char *term, size_t length);

/* What a feature of the first (side 0) or second item of a pair adds to its score. */
typedef double (*xmc_feature_effect) (const void *arg, int side, uint32_t feature);

/*
 * Appends a part of this kind for each feature of items a and b of the document that adds anything: to part, from *n on, which
 * has room for as many as both items have features. A feature of both items is one part. Errors: those of xmc_text_visit,
 * XMC_NO_MEMORY.
 */
extern xmc_status xmc_feature_parts(xmc_arena *arena, xmc_tokeniser *tokeniser, const xmc_document *document,
									const xmc_item *item, int32_t a, int32_t b, xmc_part_kind kind,
									xmc_feature_effect effect, const void *arg, int32_t *n, xmc_part *part);

/* The same for `factor` times the sparse score of the pair. A feature of both items adds the difference. */
extern xmc_status xmc_word_parts(xmc_arena *arena, const xmc_model *model, xmc_tokeniser *tokeniser,
								 const xmc_document *document, const xmc_item *item, int32_t a, int32_t b, double factor,
								 int32_t *n, xmc_part *part);

#endif
