/* table_builder.c - the tables of a tokenizer while they are made; see table_builder.h */
#include "text_encoder/table_builder.h"

#include <string.h>

#define MAX_VALUES 268435456	/* of a table */

/* Room for n more values of `size` bytes in an array. */
static xmc_status
make_room(xmc_ctx *ctx, void **array, int32_t used, int32_t *room, size_t n, size_t size)
{
	size_t		wanted = *room ? (size_t) *room : 1024;
	void	   *bigger;

	if (n > MAX_VALUES || (size_t) used + n > MAX_VALUES)
		return xmc_fail(ctx, XMC_LIMIT, "tokenizer.json: a table of the tokenizer has more than %d values", MAX_VALUES);
	if (*array && (size_t) (*room - used) >= n)
		return XMC_OK;
	while (wanted < (size_t) used + n)
		wanted *= 2;
	bigger = xmc_alloc(ctx, wanted, size);
	XMC_NEED(bigger, ctx);
	if (used)
		memcpy(bigger, *array, (size_t) used * size);
	xmc_release(ctx, *array);
	*array = bigger;
	*room = (int32_t) wanted;
	return XMC_OK;
}

static xmc_status
index_room(xmc_table_builder *builder, size_t n)
{
	void	   *array = builder->index;

	XMC_TRY(make_room(builder->ctx, &array, builder->n_index, &builder->index_room, n, sizeof(int32_t)));
	builder->index = array;
	return XMC_OK;
}

static xmc_status
bytes_room(xmc_table_builder *builder, size_t n)
{
	void	   *array = builder->bytes;

	XMC_TRY(make_room(builder->ctx, &array, builder->n_bytes, &builder->bytes_room, n, 1));
	builder->bytes = array;
	return XMC_OK;
}

xmc_status
xmc_builder_bytes(xmc_table_builder *builder, const void *bytes, size_t n, xmc_place *place)
{
	XMC_TRY(bytes_room(builder, n));
	*place = (xmc_place){builder->n_bytes, (int32_t) n};
	if (n)
		memcpy(builder->bytes + builder->n_bytes, bytes, n);
	builder->n_bytes += (int32_t) n;
	return XMC_OK;
}

xmc_status
xmc_builder_index(xmc_table_builder *builder, const int32_t *value, size_t n, xmc_place *place)
{
	XMC_TRY(index_room(builder, n));
	*place = (xmc_place){builder->n_index, (int32_t) n};
	if (n)
		memcpy(builder->index + builder->n_index, value, n * sizeof(int32_t));
	builder->n_index += (int32_t) n;
	return XMC_OK;
}

static xmc_status
build_trie(xmc_table_builder *builder, xmc_trie_string *string, xmc_trie_string *scratch, size_t n, xmc_trie_place *place)
{
	int64_t		nodes;

	XMC_TRY(xmc_trie_sort(builder->ctx, string, scratch, n));
	nodes = xmc_trie_count(string, n);
	if (nodes > MAX_VALUES / 4)
		return xmc_fail(builder->ctx, XMC_LIMIT, "tokenizer.json: the pieces need a trie of %lld nodes, more than %d",
						(long long) nodes, MAX_VALUES / 4);
	XMC_TRY(index_room(builder, 2 * (size_t) nodes + 1));
	XMC_TRY(bytes_room(builder, (size_t) nodes));
	*place = (xmc_trie_place){(int32_t) nodes, builder->n_index, builder->n_index + (int32_t) nodes + 1, builder->n_bytes};
	builder->n_index += 2 * (int32_t) nodes + 1;
	builder->n_bytes += (int32_t) nodes;
	return xmc_trie_build(builder->ctx, string, n, (int32_t) nodes, builder->index + place->first,
						  builder->index + place->value, builder->bytes + place->label);
}

xmc_status
xmc_builder_trie(xmc_table_builder *builder, xmc_trie_string *string, size_t n, xmc_trie_place *place)
{
	xmc_trie_string *scratch;
	xmc_status	status;

	*place = (xmc_trie_place){0};
	if (n == 0)
		return XMC_OK;
	scratch = xmc_alloc(builder->ctx, n, sizeof *scratch);
	XMC_NEED(scratch, builder->ctx);
	status = build_trie(builder, string, scratch, n, place);
	xmc_release(builder->ctx, scratch);
	return status;
}

xmc_tables
xmc_builder_tables(const xmc_table_builder *builder)
{
	return (xmc_tables){.settings = &builder->settings, .bytes = builder->bytes, .n_bytes = builder->n_bytes,
		.index = builder->index, .n_index = builder->n_index};
}

void
xmc_builder_free(xmc_table_builder *builder)
{
	xmc_release(builder->ctx, builder->index);
	xmc_release(builder->ctx, builder->bytes);
	builder->index = NULL;
	builder->bytes = NULL;
}
