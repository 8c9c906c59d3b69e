/* trie.c - a trie of byte strings in flat arrays; see trie.h */
#include "text_encoder/trie.h"

#include "base/sort.h"

#include <string.h>

xmc_trie
xmc_trie_at(const xmc_tables *tables, xmc_trie_place place)
{
	return (xmc_trie){.n = place.n, .first = tables->index + place.first, .value = tables->index + place.value,
		.label = tables->bytes + place.label};
}

int32_t
xmc_trie_walk(const xmc_trie *trie, int32_t node, const char *string, size_t length)
{
	if (trie->n == 0)
		return -1;
	for (size_t k = 0; k < length && node >= 0; k++)
		node = xmc_trie_child(trie, node, (unsigned char) string[k]);
	return node;
}

int32_t
xmc_trie_longest(const xmc_trie *trie, int32_t node, const char *text, size_t length, size_t *found)
{
	int32_t		value = -1;

	if (trie->n == 0)
		return -1;
	for (size_t k = 0; k < length; k++)
	{
		node = xmc_trie_child(trie, node, (unsigned char) text[k]);
		if (node < 0)
			break;
		if (trie->value[node] >= 0)
		{
			value = trie->value[node];
			*found = k + 1;
		}
	}
	return value;
}

static int
compare_strings(const void *a, const void *b)
{
	const xmc_trie_string *x = a;
	const xmc_trie_string *y = b;
	int			order = memcmp(x->string, y->string, x->length < y->length ? x->length : y->length);

	return order ? order : (x->length > y->length) - (x->length < y->length);
}

xmc_status
xmc_trie_sort(xmc_ctx *ctx, xmc_trie_string *string, xmc_trie_string *scratch, size_t n)
{
	return xmc_sort(ctx, string, scratch, n, sizeof *string, compare_strings);
}

int64_t
xmc_trie_count(const xmc_trie_string *string, size_t n)
{
	int64_t		nodes = 1;

	for (size_t k = 0; k < n; k++)
	{
		size_t		common = 0;

		if (k > 0)
			while (common < string[k - 1].length && common < string[k].length &&
				   string[k - 1].string[common] == string[k].string[common])
				common++;
		nodes += (int64_t) (string[k].length - common);
	}
	return nodes;
}

/* The strings below a node, while the trie is made. */
typedef struct span
{
	int32_t		begin;
	int32_t		end;
} span;

/* Makes the children of a node at a depth; returns the number of nodes then. */
static int32_t
add_children(const xmc_trie_string *string, span *below, int32_t node, size_t depth, int32_t nodes, int32_t *value,
			 unsigned char *label)
{
	int32_t		k = below[node].begin;

	/* Strings that end here sort before longer ones. */
	value[node] = -1;
	for (; k < below[node].end && string[k].length == depth; k++)
		value[node] = string[k].value;
	while (k < below[node].end)
	{
		unsigned char next = (unsigned char) string[k].string[depth];
		int32_t		begin = k;

		while (k < below[node].end && (unsigned char) string[k].string[depth] == next)
			k++;
		label[nodes] = next;
		below[nodes++] = (span){begin, k};
	}
	return nodes;
}

xmc_status
xmc_trie_build(xmc_ctx *ctx, const xmc_trie_string *string, size_t n, int32_t nodes, int32_t *first, int32_t *value,
			   unsigned char *label)
{
	span	   *below = xmc_alloc(ctx, (size_t) nodes, sizeof(span));
	size_t		depth = 0;
	int32_t		made = 1;
	int32_t		level_end = 1;
	int64_t		work = 0;
	xmc_status	status = XMC_OK;

	XMC_NEED(below, ctx);
	below[0] = (span){0, (int32_t) n};
	label[0] = 0;
	for (int32_t node = 0; node < nodes && status == XMC_OK; node++)
	{
		if (node == level_end)
		{
			depth++;
			level_end = made;
		}
		first[node] = made;
		made = add_children(string, below, node, depth, made, value, label);
		status = xmc_spend(ctx, &work, 4 + below[node].end - below[node].begin);
	}
	first[nodes] = made;
	xmc_release(ctx, below);
	return status;
}
