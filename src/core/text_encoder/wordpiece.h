/* wordpiece.h - a word as pieces: the longest piece first, from the left (Schuster and Nakajima 2012; Devlin et al. 2019) */
#ifndef XMCOH_WORDPIECE_H
#define XMCOH_WORDPIECE_H

#include "text_encoder/token_list.h"
#include "text_encoder/trie.h"

typedef struct xmc_wordpiece
{
	xmc_trie	trie;
	int32_t		within;			/* the node from which pieces within a word begin; -1: there are none */
	int32_t		unknown;
	int32_t		max_characters;
} xmc_wordpiece;

extern xmc_wordpiece xmc_wordpiece_open(const xmc_tables *tables);

/* Appends the tokens of a word; a word that is too long, or that the pieces do not cover, is the unknown token. Errors: XMC_STOPPED. */
extern xmc_status xmc_wordpiece_encode(xmc_ctx *ctx, const xmc_wordpiece *model, const char *word, size_t length,
									   xmc_token_list *out);

#endif
