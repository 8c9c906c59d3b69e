/*
 * seen.h - the record of the documents that a model was trained on, and of their groups: hashes of keys and of the names of
 * groups, stored with the model.
 *
 * A model scores its training documents better than new ones, so an evaluation must tell them apart. What is approved today
 * does not say what was approved at the training, because approvals are withdrawn and sources change. So the model itself
 * keeps the record. For the same reason new documents of known groups are told from those of new groups.
 */
#ifndef XMCOH_SEEN_H
#define XMCOH_SEEN_H

#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

/* In a record: what the model as it was measured used a document for. The model itself has learned from all of a record. */
typedef enum xmc_seen_as
{
	XMC_UNSEEN,					/* in a record: held out, and labelled */
	XMC_SEEN_UNLABELLED,		/* from the pool: trained on for the alignment and, in rounds, with weak labels */
	XMC_SEEN_LABELLED			/* trained on with its approved order or pairs */
} xmc_seen_as;

/*
 * Records in model->seen those of n documents from which the model has learned, by their zero-terminated keys: all but the
 * held-out ones, and these too, where they have labels, if there is a model->measured. An earlier record is replaced.
 * Errors: XMC_NO_MEMORY.
 */
extern xmc_status xmc_seen_fill(xmc_ctx *ctx, xmc_model *model, int32_t n, const xmc_document *document, char *const *key,
								const uint8_t *held_out);
/*
 * Records in model->seen_groups the groups (groups.h) of those of n documents that have labelled pairs and from which the
 * model has learned. group[d] is the group that document d was given, 0: none. An earlier record is replaced. Errors:
 * XMC_NO_MEMORY.
 */
extern xmc_status xmc_seen_fill_groups(xmc_ctx *ctx, xmc_model *model, int32_t n, const xmc_document *document,
									   const uint64_t *group, const uint8_t *held_out);

/* Gives back both records. */
extern void xmc_seen_forget(xmc_ctx *ctx, xmc_model *model);

/*
 * What the model used a document for. A key that is not recorded is taken for a recorded one with probability n / 2^48.
 */
extern xmc_seen_as xmc_seen_find(const xmc_model *model, const char *key, size_t key_length);

/* Whether documents of this group taught the model. Group 0 is never recorded. */
extern bool xmc_seen_group(const xmc_model *model, uint64_t group);

/* Checks the records of a stored model: whole numbers in bounds, rows in order. Errors: XMC_BAD_MODEL, XMC_STOPPED. */
extern xmc_status xmc_seen_check(xmc_ctx *ctx, const xmc_model *model);

#endif
