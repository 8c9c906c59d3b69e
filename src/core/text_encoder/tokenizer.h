/*
 * tokenizer.h - from a text to the tokens of an encoder, exactly as the reference implementation (Hugging Face's tokenizers)
 * does: added tokens, normalizer, pre-tokenizer, model (WordPiece or Unigram), truncation, special tokens.
 */
#ifndef XMCOH_TOKENIZER_H
#define XMCOH_TOKENIZER_H

#include "text_encoder/tokenizer_tables.h"

typedef struct xmc_tokenizer xmc_tokenizer;

/*
 * Opens a tokenizer over its tables, which must outlive it and may be hostile: every offset is checked. Takes milliseconds.
 * table: in the order of the enum in tokenizer_tables.h. vocabulary: the rows of the encoder's table of tokens; every id is below
 * this number. Errors: XMC_BAD_MODEL (the message says what is wrong), XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_tokenizer_open(xmc_ctx *ctx, const xmc_tokenizer_table table[XMC_TOKENIZER_TABLES], int32_t vocabulary,
									 xmc_tokenizer **out);
extern void xmc_tokenizer_close(xmc_ctx *ctx, xmc_tokenizer *tokenizer);

/* The special tokens that every text gets; max_tokens of xmc_tokenizer_encode must not be smaller. */
extern int32_t xmc_tokenizer_special_tokens(const xmc_tokenizer *tokenizer);

/*
 * The tokens of a text in UTF-8, special ones included: at most max_tokens of them, because tokens beyond are cut off before the
 * special ones are added. id (max_tokens) is filled to *n. Errors: XMC_BAD_INPUT (invalid UTF-8; max_tokens is too small),
 * XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_tokenizer_encode(xmc_ctx *ctx, const xmc_tokenizer *tokenizer, const char *text, size_t length,
									   int32_t max_tokens, int32_t *id, int32_t *n);

#endif
