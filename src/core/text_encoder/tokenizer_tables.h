/*
 * tokenizer_tables.h - the tables of a tokenizer: flat arrays without pointers, which are stored as tensors of the encoder's file
 * and read in place. tokenizer_file.c makes them, tokenizer.c checks and reads them.
 */
#ifndef XMCOH_TOKENIZER_TABLES_H
#define XMCOH_TOKENIZER_TABLES_H

#include "xmcoh/base.h"

/* Each table is a tensor of one dimension. */
enum
{
	XMC_TOKENIZER_SETTINGS,		/* I32 */
	XMC_TOKENIZER_BYTES,		/* U8 */
	XMC_TOKENIZER_INDEX,		/* I32 */
	XMC_TOKENIZER_TABLES
};

typedef struct xmc_tokenizer_table
{
	const char *name;			/* of the tensor: "tokenizer.settings" and so on */
	bool		is_bytes;		/* U8; else I32 */
	int64_t		n;				/* values */
	const void *data;			/* (n) */
} xmc_tokenizer_table;

/* Names and types, in the order of the enum; n and data are not set. */
extern const xmc_tokenizer_table xmc_tokenizer_layout[XMC_TOKENIZER_TABLES];

#endif
