/*
 * json_tree.h - a whole file of JSON as a tree, for files whose members come in any order. The text may be hostile: the
 * number of values is limited, and so are time and memory.
 */
#ifndef XMCOH_JSON_TREE_H
#define XMCOH_JSON_TREE_H

#include "model/json.h"

#define XMC_JSON_MAX_NODES 4194304

typedef struct xmc_json_node
{
	xmc_json_kind kind;			/* of the value; never KEY or an end */
	int32_t		next;			/* number of the next member or element; 0: none */
	int32_t		first;			/* OBJECT, ARRAY: number of the first member or element; 0: none */
	int32_t		count;			/* OBJECT, ARRAY: members or elements */
	const char *key;			/* name of a member, zero-terminated; NULL: not a member */
	size_t		key_length;
	const char *string;			/* STRING, zero-terminated; may contain zero bytes */
	size_t		string_length;
	int64_t		integer;		/* INTEGER */
	double		number;			/* INTEGER, NUMBER */
} xmc_json_node;

typedef struct xmc_json_tree
{
	xmc_json_node *node;		/* node[0] is the outermost value */
	int32_t		n_nodes;
	int32_t		max_nodes;
	char	   *pool;			/* the strings */
} xmc_json_tree;

/* Errors: as xmc_json_next, and XMC_LIMIT. After an error there is nothing to free. */
extern xmc_status xmc_json_tree_read(xmc_ctx *ctx, const char *what, xmc_status bad, const void *text, size_t length,
									 xmc_json_tree *out);
extern void xmc_json_tree_free(xmc_ctx *ctx, xmc_json_tree *tree);

/* The member of an object; NULL: there is none, or object is NULL or no object. A value of null is a member. */
extern const xmc_json_node *xmc_json_member(const xmc_json_tree *tree, const xmc_json_node *object, const char *key);

/* For loops over members or elements; NULL: no more. `of` may be NULL. */
extern const xmc_json_node *xmc_json_first(const xmc_json_tree *tree, const xmc_json_node *of);
extern const xmc_json_node *xmc_json_after(const xmc_json_tree *tree, const xmc_json_node *node);

/* Whether a node is this string; false for NULL. */
extern bool xmc_json_is(const xmc_json_node *node, const char *string);

#endif
