/*
 * hold_out.h - which documents a training holds out: whole groups, by the hash of the group's name and a threshold.
 */
#ifndef XMCOH_HOLD_OUT_H
#define XMCOH_HOLD_OUT_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/options.h"

/* A group is held out when xmc_held_out(name, length, seed, threshold) is true. */
typedef struct xmc_hold_out_rule
{
	int32_t		seed;
	double		threshold;
} xmc_hold_out_rule;

/*
 * Chooses the held-out documents among n: sets held_out[d] and the rule. name[d] is the zero-terminated name of the group
 * of document d; of a document that is a group of its own, its key.
 *
 * The threshold is option held_out. If there are documents enough, the threshold is raised until
 * XMC_MIN_HELD_OUT_DOCUMENTS documents, and as many groups, are held out; of fewer than three times as many groups, a
 * third. The seed is option seed. Where documents share groups, a large group can take too many documents: then seeds that
 * follow are tried until the held-out documents are at most half.
 *
 * A document without labelled pairs is held out if its group has labelled documents and is held out: such a document must
 * not teach either. Errors: XMC_BAD_INPUT (all labelled documents are one group), XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_hold_out(xmc_ctx *ctx, const xmc_options *options, int32_t n, const xmc_document *document,
							   char *const *name, uint8_t *held_out, xmc_hold_out_rule *rule);

#endif
