/* pre_tokenizer.h - cuts a normalized text into the words that the model reads: the steps of the reference implementation */
#ifndef XMCOH_PRE_TOKENIZER_H
#define XMCOH_PRE_TOKENIZER_H

#include "text_encoder/text_buffer.h"
#include "text_encoder/tokenizer_tables.h"

/* Bytes begin .. end - 1 of a text. */
typedef struct xmc_span
{
	size_t		begin;
	size_t		end;
} xmc_span;

typedef struct xmc_spans
{
	xmc_ctx    *ctx;
	xmc_span   *span;			/* (room), n of them */
	size_t		n;
	size_t		room;
} xmc_spans;

/* Appends a span, unless it is empty. Errors: XMC_NO_MEMORY. */
extern xmc_status xmc_spans_add(xmc_spans *spans, size_t begin, size_t end);
extern void xmc_spans_free(xmc_spans *spans);

/*
 * Cuts each of the words further. The text may be rewritten (Metaspace does), with *spare as the second buffer; *other: room for
 * words between the steps. Errors: XMC_NO_MEMORY, XMC_LIMIT, XMC_STOPPED.
 */
extern xmc_status xmc_pre_tokenize(xmc_ctx *ctx, const xmc_tables *tables, xmc_text_buffer *text, xmc_text_buffer *spare,
								   xmc_spans *words, xmc_spans *other);

#endif
