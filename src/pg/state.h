/*
 * state.h - the state in which coherence and recover_order collect the items of one document.
 *
 * It holds no OID and no pointer into a query, so it can be written out, sent to another process or server and read
 * back.
 */
#ifndef XMCOH_STATE_H
#define XMCOH_STATE_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "evidence.h"

typedef struct StateItem
{
	double		position;		/* coherence only */
	int32		key_length;
	const char *key;			/* in the server's encoding, not zero-terminated: the item, or its position in digits */
	Evidence	evidence;
} StateItem;

typedef struct OrderState
{
	MemoryContext context;		/* where all of it lives */
	bool		by_position;	/* coherence, not recover_order */
	xmc_evidence evidence;		/* to go by */
	int32		model_length;
	const char *model;
	int32		n;
	int32		capacity;
	StateItem  *item;			/* (capacity) */
} OrderState;

/* An empty state in `context`. */
extern OrderState *xmcoh_state_new(MemoryContext context, bool by_position, xmc_evidence evidence, const char *model,
								   int32 model_length);

/* Adds a copy of the item. ERROR program_limit_exceeded over xmcoh.max_document_items. */
extern void xmcoh_state_add(OrderState *state, const StateItem *item);

/* Adds copies of all items of `more`. ERROR invalid_parameter_value if it is of another model
 * or evidence. */
extern void xmcoh_state_merge(OrderState *state, const OrderState *more);

/* To bytes and back; reading takes nothing on trust. ERROR invalid_binary_representation, protocol_violation. */
extern bytea *xmcoh_state_write(const OrderState *state);
extern OrderState *xmcoh_state_read(MemoryContext context, StringInfo from);

#endif
