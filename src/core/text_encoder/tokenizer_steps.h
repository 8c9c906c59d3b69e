/* tokenizer_steps.h - the normalizer and the pre-tokenizer of a tokenizer.json as steps; see tokenizer_tables.h */
#ifndef XMCOH_TOKENIZER_STEPS_H
#define XMCOH_TOKENIZER_STEPS_H

#include "model/json_tree.h"
#include "text_encoder/table_builder.h"

/*
 * Reads the normalizer into builder->settings.normalizer, the pre-tokenizer into .pre_tokenizer. A node of NULL or null: there is
 * none. Errors: XMC_BAD_INPUT (the message names what is not supported), XMC_LIMIT, XMC_NO_MEMORY.
 */
extern xmc_status xmc_tokenizer_read_normalizer(xmc_table_builder *builder, const xmc_json_tree *tree,
												const xmc_json_node *node);
extern xmc_status xmc_tokenizer_read_pre_tokenizer(xmc_table_builder *builder, const xmc_json_tree *tree,
												   const xmc_json_node *node);

/* true or false of a member, or a default if the member is missing or null. Errors: XMC_BAD_INPUT. */
extern xmc_status xmc_tokenizer_read_flag(xmc_ctx *ctx, const xmc_json_tree *tree, const xmc_json_node *object, const char *key,
										  bool otherwise, bool *out);

#endif
