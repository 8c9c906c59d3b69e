/* state.c - the aggregates' state: growing, merging, to bytes and back; see state.h */
#include "query/state.h"

#include <math.h>

#include "libpq/pqformat.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "query/item.h"
#include "base/portable.h"
#include "query/wire.h"

/* First byte of a written state; changes with its layout. */
#define STATE_VERSION 3

OrderState *
xmcoh_state_new(MemoryContext context, bool by_position, xmc_score_kind evidence, const char *model, int32 model_length)
{
	OrderState *state = MemoryContextAllocZero(context, sizeof(OrderState));
	char	   *copy = MemoryContextAlloc(context, (Size) model_length + 1);

	memcpy(copy, model, model_length);
	state->context = context;
	state->by_position = by_position;
	state->evidence = evidence;
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

/* Everything of one item in one chunk: the item and floats first, for their alignment. */
static StateItem
copy_item(const OrderState *state, const StateItem *item)
{
	const Evidence *from = &item->evidence;
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
	copy.evidence.image = from->image_length < 0 ? NULL : memcpy(chunk, from->image, image_size);
	chunk += image_size;
	copy.evidence.embedding = from->embedding_length < 0 ? NULL : memcpy(chunk, from->embedding, embedding_size);
	chunk += embedding_size;
	copy.evidence.text = from->text_length < 0 ? NULL : memcpy(chunk, from->text, text_size);
	chunk += text_size;
	copy.wire = item->wire == NULL ? NULL : memcpy(chunk, item->wire, wire_size);
	return copy;
}

void
xmcoh_state_add(OrderState *state, const StateItem *item)
{
	xmcoh_check_item_count((int64) state->n + 1, NULL);
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
	if (state->evidence != more->evidence)
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

/* The items of a document that are not bytes yet as such, in the current context. */
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
	pq_sendbyte(&to, (uint8) state->evidence);
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
		xmcoh_wire_bytes(&to, item->evidence.text, item->evidence.text_length);
		xmcoh_wire_floats(&to, item->evidence.image, item->evidence.image_length);
		xmcoh_wire_floats(&to, item->evidence.embedding, item->evidence.embedding_length);
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
	int			evidence;
	int32		model_length;
	int32		n;

	if (pq_getmsgbyte(from) != STATE_VERSION)
		xmcoh_wire_bad("Its version is unknown.");
	by_position = pq_getmsgbyte(from) != 0;
	takes_embedding = pq_getmsgbyte(from) != 0;
	evidence = pq_getmsgbyte(from);
	if (evidence >= XMC_EVIDENCES)
		xmcoh_wire_bad("Its evidence is unknown.");
	model = xmcoh_wire_read_text(from, 0, &model_length);
	state = xmcoh_state_new(context, by_position, (xmc_score_kind) evidence, model, model_length);
	state->takes_embedding = takes_embedding;
	n = xmcoh_wire_read_length(from, 0, 16);	/* an item takes at least its four lengths */
	for (int32 i = 0; i < n; i++)
	{
		StateItem	item = {0};

		if (by_position)
			item.position = pq_getmsgfloat8(from);
		else
			item.wire = xmcoh_wire_read_bytes(from, 0, &item.wire_length);
		if (isnan(item.position))
			xmcoh_wire_bad("A position is no number.");
		item.evidence.text = xmcoh_wire_read_text(from, -1, &item.evidence.text_length);
		item.evidence.image = xmcoh_wire_read_floats(from, &item.evidence.image_length);
		item.evidence.embedding = xmcoh_wire_read_floats(from, &item.evidence.embedding_length);
		xmcoh_state_add(state, &item);
	}
	pq_getmsgend(from);
	return state;
}
