/* normalizer.h - the steps that change a text before it is cut: those of the reference implementation, see tokenizer_tables.h */
#ifndef XMCOH_NORMALIZER_H
#define XMCOH_NORMALIZER_H

#include "text_encoder/text_buffer.h"
#include "text_encoder/tokenizer_tables.h"

/*
 * Applies the steps of the normalizer to *text, with *spare as the second buffer; the two may be swapped. The text must be valid
 * UTF-8, and stays so. Errors: XMC_NO_MEMORY, XMC_LIMIT (the text has become too long), XMC_STOPPED.
 */
extern xmc_status xmc_normalize(xmc_ctx *ctx, const xmc_tables *tables, xmc_text_buffer *text, xmc_text_buffer *spare);

#endif
