/*
 * encoder_config.h - the settings of a published text encoder, from its files config.json, modules.json, 1_Pooling/config.json and
 * sentence_bert_config.json, as the libraries transformers and sentence-transformers write them.
 */
#ifndef XMCOH_ENCODER_CONFIG_H
#define XMCOH_ENCODER_CONFIG_H

#include "text_encoder/encoder_model.h"

/*
 * Reads and checks the files. Whatever would change the vectors and is not supported is refused by name. Errors: XMC_BAD_INPUT,
 * XMC_LIMIT, XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_encoder_config_read(xmc_ctx *ctx, const xmc_published_encoder *published, xmc_encoder_settings *out);

#endif
