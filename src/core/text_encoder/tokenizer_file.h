/*
 * tokenizer_file.h - from `tokenizer.json`, the file of Hugging Face's tokenizers in which published encoders come, to
 * the tables of a tokenizer.
 */
#ifndef XMCOH_TOKENIZER_FILE_H
#define XMCOH_TOKENIZER_FILE_H

#include "text_encoder/tokenizer_tables.h"

typedef struct xmc_tokenizer_tables
{
	xmc_tokenizer_table table[XMC_TOKENIZER_TABLES];
	int32_t		vocabulary;		/* every id is below this number */
	void	   *memory;			/* the one allocation of all tables */
} xmc_tokenizer_tables;

/*
 * Makes the tables of a tokenizer.json, which may be hostile. The same file gives the same tables. Errors: XMC_BAD_INPUT
 * (damaged, or something that is not supported: the message names the field, what was found and what is supported),
 * XMC_LIMIT, XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_tokenizer_compile(xmc_ctx *ctx, const void *json, size_t size, xmc_tokenizer_tables *out);
extern void xmc_tokenizer_tables_free(xmc_ctx *ctx, xmc_tokenizer_tables *tables);

#endif
