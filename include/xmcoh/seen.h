/*
 * seen.h - the documents that taught a model: hashes of their keys, kept with the model.
 *
 * A model scores documents that taught it better than any that it meets later, so who judges it must tell them apart. That
 * a document is approved and not held out today does not say that it was so at the training: approvals are withdrawn, pairs
 * deleted, sources attached in another way. So the model itself records what it was taught.
 */
#ifndef XMCOH_SEEN_H
#define XMCOH_SEEN_H

#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

typedef enum xmc_seen_as
{
	XMC_UNSEEN,
	XMC_SEEN_UNLABELLED,		/* of the pool: it taught the alignment and, in rounds, by weak labels */
	XMC_SEEN_LABELLED			/* its approved order or pairs taught */
} xmc_seen_as;

/*
 * Records in model->seen n documents by their keys (zero-terminated), all but the held out ones; what was recorded before is
 * forgotten. Errors: XMC_NO_MEMORY.
 */
extern xmc_status xmc_seen_fill(xmc_ctx *ctx, xmc_model *model, int32_t n, const xmc_document *document, char *const *key,
								const uint8_t *held_out);
extern void xmc_seen_forget(xmc_ctx *ctx, xmc_model *model);

/* What the model recorded of a document. A key that is not recorded is taken for one that is with probability n / 2^48. */
extern xmc_seen_as xmc_seen_find(const xmc_model *model, const char *key, size_t key_length);

/* Whether a record from a stored model is one: whole numbers in bounds, rows in order. Errors: XMC_BAD_MODEL, XMC_STOPPED. */
extern xmc_status xmc_seen_check(xmc_ctx *ctx, const xmc_model *model);

#endif
