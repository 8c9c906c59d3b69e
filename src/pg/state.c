/* state.c - the aggregates' state: growing, merging, to bytes and back; see state.h */
#include "state.h"

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

/* First byte of a written state; changes with its layout. */
#define STATE_VERSION 2

OrderState *
xmcoh_state_new(MemoryContext context, bool by_position, xmc_evidence evidence, const char *model, int32 model_length)
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

/* Everything of one item in one chunk: floats first, for their alignment. */
static StateItem
copy_item(MemoryContext context, const StateItem *item)
{
	const Evidence *from = &item->evidence;
	StateItem	copy = *item;
	Size		image_size = sizeof(float) * (Size) Max(from->image_length, 0);
	Size		embedding_size = sizeof(float) * (Size) Max(from->embedding_length, 0);
	Size		text_size = (Size) Max(from->text_length, 0);
	char	   *chunk = MemoryContextAllocHuge(context, image_size + embedding_size + text_size + item->key_length + 1);

	copy.evidence.image = from->image_length < 0 ? NULL : memcpy(chunk, from->image, image_size);
	chunk += image_size;
	copy.evidence.embedding = from->embedding_length < 0 ? NULL : memcpy(chunk, from->embedding, embedding_size);
	chunk += embedding_size;
	copy.evidence.text = from->text_length < 0 ? NULL : memcpy(chunk, from->text, text_size);
	chunk += text_size;
	copy.key = memcpy(chunk, item->key, item->key_length);
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
	state->item[state->n] = copy_item(state->context, item);
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
	for (int32 i = 0; i < more->n; i++)
		xmcoh_state_add(state, &more->item[i]);
}

/* ---- bytes: network byte order; a length of -1 stands for NULL ---- */

static void
write_bytes(StringInfo to, const char *bytes, int32 length)
{
	pq_sendint32(to, (uint32) length);
	if (length > 0)
		pq_sendbytes(to, bytes, length);
}

static void
write_floats(StringInfo to, const float *values, int32 length)
{
	pq_sendint32(to, (uint32) length);
	if (length <= 0)
		return;
	enlargeStringInfo(to, length * (int) sizeof(float));
	for (int32 k = 0; k < length; k++)
	{
		uint32		bits;

		memcpy(&bits, &values[k], sizeof bits);
		pq_writeint32(to, bits);
	}
}

bytea *
xmcoh_state_write(const OrderState *state)
{
	StringInfoData to;

	pq_begintypsend(&to);
	pq_sendbyte(&to, STATE_VERSION);
	pq_sendbyte(&to, state->by_position ? 1 : 0);
	pq_sendbyte(&to, (uint8) state->evidence);
	write_bytes(&to, state->model, state->model_length);
	pq_sendint32(&to, (uint32) state->n);
	for (int32 i = 0; i < state->n; i++)
	{
		const StateItem *item = &state->item[i];

		if (state->by_position)
			pq_sendfloat8(&to, item->position);
		write_bytes(&to, item->key, item->key_length);
		write_bytes(&to, item->evidence.text, item->evidence.text_length);
		write_floats(&to, item->evidence.image, item->evidence.image_length);
		write_floats(&to, item->evidence.embedding, item->evidence.embedding_length);
	}
	return pq_endtypsend(&to);
}

static void
not_a_state(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("not an aggregate state of xmcoh"),
			 errdetail_internal("%s", detail)));
}

/* A length, at least `least`, of things of `width` bytes each that must all be there. */
static int32
read_length(StringInfo from, int32 least, int32 width)
{
	int32		length = (int32) pq_getmsgint(from, 4);

	if (length < least || length > (from->len - from->cursor) / width)
		not_a_state("A length is out of bounds.");
	return length;
}

/* Text in the server's encoding, for text and keys go back into values of the database. */
static const char *
read_text(StringInfo from, int32 least, int32 *length)
{
	const char *bytes;

	*length = read_length(from, least, 1);
	if (*length < 0)
		return NULL;
	bytes = pq_getmsgbytes(from, *length);
	if (memchr(bytes, 0, *length) != NULL)
		not_a_state("A text has a zero byte.");
	(void) pg_verify_mbstr(GetDatabaseEncoding(), bytes, *length, false);
	return bytes;
}

static const float *
read_floats(StringInfo from, int32 *length)
{
	float	   *values;

	*length = read_length(from, -1, (int32) sizeof(float));
	if (*length < 0)
		return NULL;
	values = palloc(sizeof(float) * (Size) *length + 1);
	for (int32 k = 0; k < *length; k++)
		values[k] = pq_getmsgfloat4(from);
	return values;
}

OrderState *
xmcoh_state_read(MemoryContext context, StringInfo from)
{
	OrderState *state;
	const char *model;
	bool		by_position;
	int			evidence;
	int32		model_length;
	int32		n;

	if (pq_getmsgbyte(from) != STATE_VERSION)
		not_a_state("Its version is unknown.");
	by_position = pq_getmsgbyte(from) != 0;
	evidence = pq_getmsgbyte(from);
	if (evidence >= XMC_EVIDENCES)
		not_a_state("Its evidence is unknown.");
	model = read_text(from, 0, &model_length);
	state = xmcoh_state_new(context, by_position, (xmc_evidence) evidence, model, model_length);
	n = read_length(from, 0, 16);	/* an item takes at least its four lengths */
	for (int32 i = 0; i < n; i++)
	{
		StateItem	item = {0};

		if (by_position)
			item.position = pq_getmsgfloat8(from);
		item.key = read_text(from, 0, &item.key_length);
		item.evidence.text = read_text(from, -1, &item.evidence.text_length);
		item.evidence.image = read_floats(from, &item.evidence.image_length);
		item.evidence.embedding = read_floats(from, &item.evidence.embedding_length);
		xmcoh_state_add(state, &item);
	}
	pq_getmsgend(from);
	return state;
}
