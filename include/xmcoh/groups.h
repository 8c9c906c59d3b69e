/*
 * groups.h - groups of documents that are not independent of each other, such as the manuals of one product line. No group
 * is ever on both sides of a split, and intervals are over groups.
 */
#ifndef XMCOH_GROUPS_H
#define XMCOH_GROUPS_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"

/* The group of a document, from the group's name; never 0. Two names are taken for one with probability 2^-64. */
extern uint64_t xmc_group_of(const char *name, size_t length);

/*
 * Numbers the groups of n documents in the order in which they first occur: number[d], from 0. Equal groups get one
 * number; a document with group 0 is a group of its own. *n_groups is how many there are. Without groups number[d] is d.
 * Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_number_groups(xmc_ctx *ctx, int32_t n, const uint64_t *group, int32_t *number, int32_t *n_groups);

/* The same of documents. */
extern xmc_status xmc_number_document_groups(xmc_ctx *ctx, int32_t n, const xmc_document *const *document, int32_t *number,
											 int32_t *n_groups);

/* How many documents each group has, into size (n_groups). */
extern void xmc_group_sizes(int32_t n, const int32_t *number, int32_t n_groups, int32_t *size);

#endif
