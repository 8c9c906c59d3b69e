/* json_tree.c - a whole file of JSON as a tree; see json_tree.h */
#include "model/json_tree.h"

#include <string.h>

typedef struct reader
{
	xmc_ctx    *ctx;
	xmc_json	json;
	xmc_json_tree *tree;
	int32_t		open[XMC_JSON_FILE_DEPTH];	/* numbers of the objects and arrays that are not yet closed */
	int32_t		last[XMC_JSON_FILE_DEPTH];	/* number of the last member or element of each; 0: none */
	int32_t		depth;
	const char *key;			/* of the value that comes next */
	size_t		key_length;
} reader;

/* Appends a node for the token just read. */
static xmc_status
add_node(reader *r)
{
	xmc_json_tree *tree = r->tree;
	const xmc_json *json = &r->json;

	if (tree->n_nodes == XMC_JSON_MAX_NODES)
		return xmc_fail(r->ctx, XMC_LIMIT, "%s: more than %d values", json->what, XMC_JSON_MAX_NODES);
	if (tree->n_nodes == tree->max_nodes)
	{
		int32_t		wanted = tree->max_nodes ? 2 * tree->max_nodes : 256;
		xmc_json_node *bigger = xmc_alloc(r->ctx, (size_t) wanted, sizeof(xmc_json_node));

		XMC_NEED(bigger, r->ctx);
		if (tree->n_nodes)
			memcpy(bigger, tree->node, (size_t) tree->n_nodes * sizeof(xmc_json_node));
		xmc_release(r->ctx, tree->node);
		tree->node = bigger;
		tree->max_nodes = wanted;
	}
	tree->node[tree->n_nodes] = (xmc_json_node){.kind = json->kind, .key = r->key, .key_length = r->key_length,
		.string = json->string, .string_length = json->string_length, .integer = json->integer, .number = json->number};
	r->key = NULL;
	r->key_length = 0;
	if (r->depth > 0)
	{
		xmc_json_node *parent = &tree->node[r->open[r->depth - 1]];
		int32_t		last = r->last[r->depth - 1];

		if (last)
			tree->node[last].next = tree->n_nodes;
		else
			parent->first = tree->n_nodes;
		parent->count++;
		r->last[r->depth - 1] = tree->n_nodes;
	}
	tree->n_nodes++;
	return XMC_OK;
}

static xmc_status
read_all(reader *r)
{
	for (;;)
	{
		XMC_TRY(xmc_json_next(&r->json));
		switch (r->json.kind)
		{
			case XMC_JSON_END:
				return XMC_OK;
			case XMC_JSON_KEY:
				r->key = r->json.string;
				r->key_length = r->json.string_length;
				break;
			case XMC_JSON_OBJECT_END:
			case XMC_JSON_ARRAY_END:
				r->depth--;
				break;
			case XMC_JSON_OBJECT:
			case XMC_JSON_ARRAY:
				XMC_TRY(add_node(r));
				r->open[r->depth] = r->tree->n_nodes - 1;
				r->last[r->depth++] = 0;
				break;
			default:
				XMC_TRY(add_node(r));
		}
	}
}

xmc_status
xmc_json_tree_read(xmc_ctx *ctx, const char *what, xmc_status bad, const void *text, size_t length, xmc_json_tree *out)
{
	reader		r = {.ctx = ctx, .tree = out};
	xmc_status	status;

	*out = (xmc_json_tree){0};
	out->pool = xmc_alloc(ctx, length, 1);
	XMC_NEED(out->pool, ctx);
	xmc_json_open_file(&r.json, ctx, what, bad, text, length, out->pool);
	status = read_all(&r);
	xmc_json_close(&r.json);
	if (status != XMC_OK)
		xmc_json_tree_free(ctx, out);
	return status;
}

void
xmc_json_tree_free(xmc_ctx *ctx, xmc_json_tree *tree)
{
	xmc_release(ctx, tree->node);
	xmc_release(ctx, tree->pool);
	*tree = (xmc_json_tree){0};
}

const xmc_json_node *
xmc_json_first(const xmc_json_tree *tree, const xmc_json_node *of)
{
	return of && of->first ? &tree->node[of->first] : NULL;
}

const xmc_json_node *
xmc_json_after(const xmc_json_tree *tree, const xmc_json_node *node)
{
	return node->next ? &tree->node[node->next] : NULL;
}

const xmc_json_node *
xmc_json_member(const xmc_json_tree *tree, const xmc_json_node *object, const char *key)
{
	size_t		length = strlen(key);
	const xmc_json_node *member = xmc_json_first(tree, object);

	while (member && !(member->key_length == length && member->key && memcmp(member->key, key, length) == 0))
		member = xmc_json_after(tree, member);
	return member;
}

bool
xmc_json_is(const xmc_json_node *node, const char *string)
{
	return node && node->kind == XMC_JSON_STRING && node->string_length == strlen(string) &&
		memcmp(node->string, string, node->string_length) == 0;
}
