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

/* What xmc_find_groups found. */
typedef struct xmc_found_groups
{
	int32_t		documents;		/* whose group is larger than what was given */
	int32_t		limit;			/* an image or text of more documents than this joins none; INT32_MAX: each joins */
	int32_t		left_out;		/* images and texts that are of more documents than the limit */
	int32_t		near_images;	/* different images, less the sets that near ones make; 0 unless these were asked for */
	int32_t		near_texts;		/* the same of texts */
} xmc_found_groups;

/*
 * Joins documents that have an identical image embedding. With option find_groups XMC_FIND_TEXTS also documents with texts of
 * identical features and at least XMC_LONG_TEXT words (a letter of a script without spaces counts as a quarter of a word for
 * each feature). Documents of one group are joined, too. leader[d] is the first document of those that document d is joined
 * with, itself if there is none.
 *
 * With XMC_FIND_NEAR, images and texts that are nearly the same count as one (near_items.h): images whose
 * embeddings, less the mean of all, have a cosine of at least XMC_NEAR_IMAGE, and texts of which at least XMC_NEAR_TEXT of
 * the words are shared. If a resembles b and b resembles c, all three are one.
 *
 * An image or text of many documents, such as a placeholder or a warning, could join more than half of the documents, or of
 * the labelled ones. Then images and texts of the most documents are left out, until what they join is at most half, so that
 * groups are left to hold out and to teach. Memory: 16 bytes for each
 * image and long text, of at most XMC_MOST_COMPARED; of more than these a sample by hash is compared. Near ones take up to
 * 60 bytes more. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
#define XMC_FIND_IMAGES 1
#define XMC_FIND_TEXTS 2
#define XMC_FIND_NEAR 3
#define XMC_NEAR_IMAGE 0.98
#define XMC_NEAR_TEXT 0.8
#define XMC_LONG_TEXT 8
#define XMC_MOST_COMPARED (1 << 22)
extern xmc_status xmc_find_groups(xmc_ctx *ctx, const xmc_options *options, int32_t n, const xmc_document *document,
								  int32_t *leader, xmc_found_groups *found);

#endif
