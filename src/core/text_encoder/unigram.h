/*
 * unigram.h - a text as the pieces of the highest sum of scores (Kudo 2018, arXiv:1804.10959), found by Viterbi's algorithm as the
 * reference implementation does, with its rules for ties and for what the vocabulary does not have.
 */
#ifndef XMCOH_UNIGRAM_H
#define XMCOH_UNIGRAM_H

#include "text_encoder/token_list.h"
#include "text_encoder/trie.h"

typedef struct xmc_unigram
{
	xmc_trie	trie;
	const int32_t *score;		/* (pieces, 2): doubles */
	const int32_t *fallback;	/* (256) id of each byte's token, or -1; NULL: unknown characters are the unknown token */
	int32_t		unknown;
	double		unknown_score;
	int32_t		root[256];		/* children of the root, for speed */
} xmc_unigram;

extern void xmc_unigram_open(const xmc_tables *tables, xmc_unigram *out);

/* Appends the tokens of a word. Errors: XMC_NO_MEMORY, XMC_STOPPED. */
extern xmc_status xmc_unigram_encode(xmc_ctx *ctx, const xmc_unigram *model, const char *word, size_t length,
									 xmc_token_list *out);

#endif
