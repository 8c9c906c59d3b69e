/*
 * trie.h - a trie of byte strings in three flat arrays. Nodes are numbered breadth first, so the children of a node are neighbours:
 * those of node v are first[v] .. first[v + 1] - 1, sorted by label. Node 0 is the root. value[v] is -1, or the value of the string
 * that ends at v. The arrays are made from sorted strings in time linear in their bytes, whatever the strings are.
 */
#ifndef XMCOH_TRIE_H
#define XMCOH_TRIE_H

#include "text_encoder/tokenizer_tables.h"

typedef struct xmc_trie
{
	int32_t		n;				/* nodes; 0: an empty trie */
	const int32_t *first;		/* (n + 1) */
	const int32_t *value;		/* (n) */
	const unsigned char *label; /* (n) */
} xmc_trie;

extern xmc_trie xmc_trie_at(const xmc_tables *tables, xmc_trie_place place);

/* The child of a node; -1: none. */
static inline int32_t
xmc_trie_child(const xmc_trie *trie, int32_t node, unsigned char label)
{
	int32_t		low = trie->first[node];
	int32_t		high = trie->first[node + 1];

	while (low < high)
	{
		int32_t		middle = low + (high - low) / 2;

		if (trie->label[middle] < label)
			low = middle + 1;
		else
			high = middle;
	}
	return low < trie->first[node + 1] && trie->label[low] == label ? low : -1;
}

/* The node that a string leads to, from `node` on; -1: none. */
extern int32_t xmc_trie_walk(const xmc_trie *trie, int32_t node, const char *string, size_t length);

/* The value of the longest string that begins text[0..length-1], and its length; -1: none. */
extern int32_t xmc_trie_longest(const xmc_trie *trie, int32_t node, const char *text, size_t length, size_t *found);

/* A string to put into a trie. */
typedef struct xmc_trie_string
{
	const char *string;
	size_t		length;
	int32_t		value;
	int32_t		order;			/* free for the caller */
} xmc_trie_string;

/* Sorts strings by bytes; equal ones keep their order. scratch (n). Errors: XMC_STOPPED. */
extern xmc_status xmc_trie_sort(xmc_ctx *ctx, xmc_trie_string *string, xmc_trie_string *scratch, size_t n);

/* The nodes that n sorted strings need. */
extern int64_t xmc_trie_count(const xmc_trie_string *string, size_t n);

/*
 * Fills first (nodes + 1), value (nodes) and label (nodes) from n sorted strings, where nodes is xmc_trie_count. Of equal strings
 * the last one's value stays. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_trie_build(xmc_ctx *ctx, const xmc_trie_string *string, size_t n, int32_t nodes, int32_t *first,
								 int32_t *value, unsigned char *label);

#endif
