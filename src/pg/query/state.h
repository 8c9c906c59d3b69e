/*
 * state.h - the state of the aggregates coherence and recover_order: the items of one document.
 *
 * A state holds no pointer into a query, so another process or server can read it as bytes. The bytes hold no OID, because
 * OIDs differ between servers; items are written as item.h says.
 */
#ifndef XMCOH_STATE_H
#define XMCOH_STATE_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "query/item_input.h"

typedef struct StateItem
{
	double		position;		/* coherence only */
	Datum		item;			/* recover_order only: detoasted; not set while `wire` is */
	int32		wire_length;
	const char *wire;			/* (wire_length) bytes from another process, not checked yet; or NULL */
	ItemInput	input;
} StateItem;

typedef struct OrderState
{
	MemoryContext context;		/* of all of the state */
	bool		by_position;	/* true: of coherence; false: of recover_order */
	bool		takes_embedding;	/* the aggregate's form has an argument text_embedding */
	Oid			item_type;		/* recover_order only; InvalidOid while all items are bytes from other processes */
	int16		item_length;	/* of that type */
	bool		item_by_value;
	xmc_score_kind score_kind;	/* which scores to use */
	int32		model_length;
	const char *model;
	int32		n;
	int32		capacity;
	StateItem  *item;			/* (capacity) */
} OrderState;

/* An empty state in `context`. */
extern OrderState *xmcoh_state_new(MemoryContext context, bool by_position, xmc_score_kind kind, const char *model,
								   int32 model_length);

/* Sets the type of the items that are added as values. */
extern void xmcoh_state_set_item_type(OrderState *state, Oid type);

/* Adds a copy of the item. ERROR program_limit_exceeded over xmcoh.max_document_items. */
extern void xmcoh_state_add(OrderState *state, const StateItem *item);

/* Adds copies of all items of `more`. ERROR invalid_parameter_value if that state is of another model or kind of score. */
extern void xmcoh_state_merge(OrderState *state, const OrderState *more);

/* To bytes and back; reading checks everything. ERROR invalid_binary_representation, protocol_violation. */
extern bytea *xmcoh_state_write(const OrderState *state);
extern OrderState *xmcoh_state_read(MemoryContext context, StringInfo from);

#endif
