/* table_builder.h - the tables of a tokenizer while they are made; see tokenizer_tables.h */
#ifndef XMCOH_TABLE_BUILDER_H
#define XMCOH_TABLE_BUILDER_H

#include "text_encoder/trie.h"

typedef struct xmc_table_builder
{
	xmc_ctx    *ctx;
	xmc_tokenizer_settings settings;
	int32_t    *index;			/* (index_room), n_index of them */
	int32_t		n_index;
	int32_t		index_room;
	unsigned char *bytes;		/* (bytes_room), n_bytes of them */
	int32_t		n_bytes;
	int32_t		bytes_room;
} xmc_table_builder;

/* Each appends values to a table and says where they stand. Errors: XMC_NO_MEMORY, XMC_LIMIT, and xmc_builder_trie XMC_STOPPED. */
extern xmc_status xmc_builder_bytes(xmc_table_builder *builder, const void *bytes, size_t n, xmc_place *place);
extern xmc_status xmc_builder_index(xmc_table_builder *builder, const int32_t *value, size_t n, xmc_place *place);
/* string (n) becomes sorted. */
extern xmc_status xmc_builder_trie(xmc_table_builder *builder, xmc_trie_string *string, size_t n, xmc_trie_place *place);

/* The tables as they are now; they move when the next values are appended. */
extern xmc_tables xmc_builder_tables(const xmc_table_builder *builder);
extern void xmc_builder_free(xmc_table_builder *builder);

#endif
