/*
 * charsmap.h - the character map of a SentencePiece model (Kudo and Richardson 2018, arXiv:1808.06226), which XLM-RoBERTa uses:
 * the length of a double-array trie in bytes, the trie in units of 4 bytes, and zero-terminated replacements. The trie maps a
 * character or a cluster of characters to the place of its replacement.
 */
#ifndef XMCOH_CHARSMAP_H
#define XMCOH_CHARSMAP_H

#include "text_encoder/text_buffer.h"

/* Checks a map that may be hostile: lengths, UTF-8 of the replacements. Errors: `bad`. */
extern xmc_status xmc_charsmap_check(xmc_ctx *ctx, xmc_status bad, const unsigned char *map, size_t size);

/*
 * Appends the mapped form of `in` to `out`, cluster by cluster as the reference implementation does: a cluster of at most 5 bytes
 * is replaced as a whole if the map has it or a beginning of it; else each of its characters is looked up.
 */
extern xmc_status xmc_charsmap_apply(xmc_ctx *ctx, const unsigned char *map, size_t size, const xmc_text_buffer *in,
									 xmc_text_buffer *out);

#endif
