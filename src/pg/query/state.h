/*
 * state.h - the state in which coherence and recover_order collect the items of one document.
 *
 * It holds no pointer into a query, so it can be written out, sent to another process or server and read back. What is
 * written holds no OID either: the items are then as of item.h.
 */
#ifndef XMCOH_STATE_H
#define XMCOH_STATE_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "query/evidence.h"

typedef struct StateItem
{
	double		position;		/* coherence only */
	Datum		item;			/* recover_order only: detoasted; unless it has come from another process: */
	int32		wire_length;
	const char *wire;			/* (wire_length) as of xmcoh_item_write, not yet checked; NULL: `item` is set */
	Evidence	evidence;
} StateItem;

typedef struct OrderState
{
	MemoryContext context;		/* where all of it lives */
	bool		by_position;	/* coherence, not recover_order */
	bool		takes_embedding;	/* the aggregate's form has an argument text_embedding */
	Oid			item_type;		/* recover_order; InvalidOid while all items have come from other processes */
	int16		item_length;	/* of that type */
	bool		item_by_value;
	xmc_score_kind evidence;		/* to go by */
	int32		model_length;
	const char *model;
	int32		n;
	int32		capacity;
	StateItem  *item;			/* (capacity) */
} OrderState;

/* An empty state in `context`. */
extern OrderState *xmcoh_state_new(MemoryContext context, bool by_position, xmc_score_kind evidence, const char *model,
								   int32 model_length);

/* Says of which type the items are that are added. */
extern void xmcoh_state_set_item_type(OrderState *state, Oid type);

/* Adds a copy of the item. ERROR program_limit_exceeded over xmcoh.max_document_items. */
extern void xmcoh_state_add(OrderState *state, const StateItem *item);

/* Adds copies of all items of `more`. ERROR invalid_parameter_value if it is of another model
 * or evidence. */
extern void xmcoh_state_merge(OrderState *state, const OrderState *more);

/* To bytes and back; reading takes nothing on trust. ERROR invalid_binary_representation, protocol_violation. */
extern bytea *xmcoh_state_write(const OrderState *state);
extern OrderState *xmcoh_state_read(MemoryContext context, StringInfo from);

#endif
