/*
 * state.c - the state of the aggregates: items are added, states are merged, written as bytes and read; state.h is the
 * contract.
 */
#include "query/state.h"

#include <math.h>

#include "libpq/pqformat.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/portable.h"
#include "query/item.h"
#include "query/wire.h"

/* The first byte of a written state: the version of the layout. */
#define STATE_VERSION 3

OrderState *
xmcoh_state_new(MemoryContext context, bool by_position, xmc_score_kind kind, const char *model, int32 model_length)
{
	OrderState *state = MemoryContextAllocZero(context, sizeof(OrderState));
	char	   *copy = MemoryContextAlloc(context, (Size) model_length + 1);

	memcpy(copy, model, model_length);
	state->context = context;
	state->by_position = by_position;
	state->score_kind = kind;
	state->model = copy;
	state->model_length = model_length;
	return state;
}

void
xmcoh_state_set_item_type(OrderState *state, Oid type)
{
	state->item_type = type;
	get_typlenbyval(type, &state->item_length, &state->item_by_value);
}

/* A copy of an item in one chunk of memory. What needs alignment comes first: the item, then the floats. */
static StateItem
copy_item(const OrderState *state, const StateItem *item)
{
	const ItemInput *from = &item->input;
	StateItem	copy = *item;
	Size		image_size = sizeof(float) * (Size) Max(from->image_length, 0);
	Size		embedding_size = sizeof(float) * (Size) Max(from->embedding_length, 0);
	Size		text_size = (Size) Max(from->text_length, 0);
	Size		wire_size = item->wire == NULL ? 0 : (Size) item->wire_length;
	bool		is_referenced = !state->by_position && item->wire == NULL && !state->item_by_value;
	Size		item_size = is_referenced ? datumGetSize(item->item, false, state->item_length) : 0;
	char	   *chunk = MemoryContextAllocHuge(state->context,
											   MAXALIGN(item_size) + image_size + embedding_size + text_size + wire_size + 1);

	if (is_referenced)
		copy.item = PointerGetDatum(memcpy(chunk, DatumGetPointer(item->item), item_size));
	chunk += MAXALIGN(item_size);
	copy.input.image = from->image_length < 0 ? NULL : memcpy(chunk, from->image, image_size);
	chunk += image_size;
	copy.input.embedding = from->embedding_length < 0 ? NULL : memcpy(chunk, from->embedding, embedding_size);
	chunk += embedding_size;
	copy.input.text = from->text_length < 0 ? NULL : memcpy(chunk, from->text, text_size);
	chunk += text_size;
	copy.wire = item->wire == NULL ? NULL : memcpy(chunk, item->wire, wire_size);
	return copy;
}

void
xmcoh_state_add(OrderState *state, const StateItem *item)
{
	xmcoh_check_item_count((int64) state->n + 1);
	if (state->n == state->capacity)
	{
		int32		capacity = Max(8, 2 * state->capacity);

		state->item = state->item == NULL
			? MemoryContextAlloc(state->context, sizeof(StateItem) * (Size) capacity)
			: repalloc(state->item, sizeof(StateItem) * (Size) capacity);
		state->capacity = capacity;
	}
	state->item[state->n] = copy_item(state, item);
	state->n++;
}

void
xmcoh_state_merge(OrderState *state, const OrderState *more)
{
	if (state->by_position != more->by_position || state->model_length != more->model_length
		|| memcmp(state->model, more->model, state->model_length) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model must be the same for all rows of a document")));
	if (state->score_kind != more->score_kind)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("evidence must be the same for all rows of a document")));
	if (OidIsValid(state->item_type) && OidIsValid(more->item_type) && state->item_type != more->item_type)
		elog(ERROR, "items of types %u and %u in one document", state->item_type, more->item_type);
	if (OidIsValid(more->item_type) && !OidIsValid(state->item_type))
		xmcoh_state_set_item_type(state, more->item_type);
	state->takes_embedding |= more->takes_embedding;
	for (int32 i = 0; i < more->n; i++)
		xmcoh_state_add(state, &more->item[i]);
}

/* ---- bytes ---- */

/* The bytes of the items that are still values, in the current context. */
static void
write_items(const OrderState *state, StringInfoData *wire)
{
	ItemType	type;
	int			level;

	if (!OidIsValid(state->item_type))
		return;
	xmcoh_item_type(state->item_type, CurrentMemoryContext, &type);
	level = xmcoh_portable_begin(true);
	for (int32 i = 0; i < state->n; i++)
	{
		initStringInfo(&wire[i]);
		if (state->item[i].wire == NULL)
			xmcoh_item_write(&wire[i], &type, state->item[i].item);
	}
	xmcoh_portable_end(level);
}

bytea *
xmcoh_state_write(const OrderState *state)
{
	StringInfoData to;
	StringInfoData *wire = palloc0(sizeof(StringInfoData) * (Size) (state->n + 1));

	write_items(state, wire);
	pq_begintypsend(&to);
	pq_sendbyte(&to, STATE_VERSION);
	pq_sendbyte(&to, state->by_position ? 1 : 0);
	pq_sendbyte(&to, state->takes_embedding ? 1 : 0);
	pq_sendbyte(&to, (uint8) state->score_kind);
	xmcoh_wire_bytes(&to, state->model, state->model_length);
	pq_sendint32(&to, (uint32) state->n);
	for (int32 i = 0; i < state->n; i++)
	{
		const StateItem *item = &state->item[i];

		if (state->by_position)
			pq_sendfloat8(&to, item->position);
		else if (item->wire != NULL)
			xmcoh_wire_bytes(&to, item->wire, item->wire_length);
		else
			xmcoh_wire_bytes(&to, wire[i].data, wire[i].len);
		xmcoh_wire_bytes(&to, item->input.text, item->input.text_length);
		xmcoh_wire_floats(&to, item->input.image, item->input.image_length);
		xmcoh_wire_floats(&to, item->input.embedding, item->input.embedding_length);
	}
	return pq_endtypsend(&to);
}

OrderState *
xmcoh_state_read(MemoryContext context, StringInfo from)
{
	OrderState *state;
	const char *model;
	bool		by_position;
	bool		takes_embedding;
	int			kind;
	int32		model_length;
	int32		n;

	/* what all items have in common */
	if (pq_getmsgbyte(from) != STATE_VERSION)
		xmcoh_wire_bad("The version of the layout is unknown.");
	by_position = pq_getmsgbyte(from) != 0;
	takes_embedding = pq_getmsgbyte(from) != 0;
	kind = pq_getmsgbyte(from);
	if (kind >= XMC_SCORE_KINDS)
		xmcoh_wire_bad("The kind of score is unknown.");
	model = xmcoh_wire_read_text(from, 0, &model_length);
	state = xmcoh_state_new(context, by_position, (xmc_score_kind) kind, model, model_length);
	state->takes_embedding = takes_embedding;
	/* the items */
	n = xmcoh_wire_read_length(from, 0, 16);	/* an item has at least four lengths of 4 bytes */
	for (int32 i = 0; i < n; i++)
	{
		StateItem	item = {0};

		if (by_position)
			item.position = pq_getmsgfloat8(from);
		else
			item.wire = xmcoh_wire_read_bytes(from, 0, &item.wire_length);
		if (isnan(item.position))
			xmcoh_wire_bad("A position is NaN.");
		item.input.text = xmcoh_wire_read_text(from, -1, &item.input.text_length);
		item.input.image = xmcoh_wire_read_floats(from, &item.input.image_length);
		item.input.embedding = xmcoh_wire_read_floats(from, &item.input.embedding_length);
		xmcoh_state_add(state, &item);
	}
	pq_getmsgend(from);
	return state;
}
