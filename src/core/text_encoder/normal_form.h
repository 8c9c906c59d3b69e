/*
 * normal_form.h - Unicode's normal forms NFC, NFD, NFKC, NFKD (UAX #15) in the version of Unicode that the reference implementation
 * has, 9.0. ICU gives decompositions, combining classes and compositions; the order of marks is sorted here, because ICU's own
 * functions take time quadratic in the number of marks that follow each other.
 */
#ifndef XMCOH_NORMAL_FORM_H
#define XMCOH_NORMAL_FORM_H

#include "text_encoder/text_buffer.h"

/* Appends the normal form of `in` to `out`. Errors: XMC_NO_MEMORY, XMC_LIMIT, XMC_STOPPED. */
extern xmc_status xmc_normal_form(xmc_ctx *ctx, bool compatibility, bool compose, const xmc_text_buffer *in,
								  xmc_text_buffer *out);

#endif
