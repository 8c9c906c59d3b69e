/*
 * added_tokens.h - tokens that are found in a text before it is cut: special ones, such as [MASK], and others that were added to a
 * vocabulary. At each place the longest wins, and matches do not overlap.
 */
#ifndef XMCOH_ADDED_TOKENS_H
#define XMCOH_ADDED_TOKENS_H

#include "text_encoder/trie.h"

/* Where the next added token is looked for in a text. */
typedef struct xmc_added_scan
{
	const xmc_tables *tables;
	xmc_trie	trie;
	const char *text;			/* (length) */
	size_t		length;
	size_t		at;				/* where the search goes on */
	size_t		done;			/* the text before has been given out */
	int64_t		work;
} xmc_added_scan;

extern xmc_added_scan xmc_added_scan_begin(const xmc_tables *tables, xmc_trie_place trie, const char *text, size_t length);

/*
 * Finds the next added token: *id, and the text before it, text[*begin..*end-1], which may be empty. *id is -1 if there is none;
 * then the text is the rest. Errors: XMC_STOPPED.
 */
extern xmc_status xmc_added_scan_next(xmc_ctx *ctx, xmc_added_scan *scan, size_t *begin, size_t *end, int32_t *id);

#endif
