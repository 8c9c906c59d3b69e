/*
 * item.h - the items of recover_order, of whatever type.
 *
 * In one process an item stays the value that it is. Its text tells items apart, orders them and names them, and is what
 * travels to another process or server; so it is made and read under settings that are the same everywhere (portable.h).
 * Types are sent by no number, for these differ between servers: an item's type is that of the aggregate's argument, and an
 * anonymous record (ROW(...)), which has none, brings the names and types of its columns along.
 */
#ifndef XMCOH_PG_ITEM_H
#define XMCOH_PG_ITEM_H

#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"

typedef struct ItemType
{
	Oid			type;			/* InvalidOid: not looked up yet */
	int16		length;
	bool		by_value;
	char		alignment;
	bool		is_plain;		/* no setting changes its text */
	FmgrInfo	output;
} ItemType;

/* Looks a type up; what that allocates lives in `context`. */
extern void xmcoh_item_type(Oid type, MemoryContext context, ItemType *out);

/* The text of `n` items, zero-terminated, into text (n), in the current context. */
extern void xmcoh_item_texts(ItemType *type, int32 n, const Datum *item, char **text);

/*
 * Items as bytes and back. Writing wants xmcoh_portable_begin(true) around it. Reading checks everything, domains too.
 * ERROR feature_not_supported for an anonymous record that holds an array of such; invalid_binary_representation, and those
 * of the types' input functions.
 */
extern void xmcoh_item_write(StringInfo to, ItemType *type, Datum item);
extern void xmcoh_item_read(const ItemType *type, int32 n, StringInfo *from, Datum *item);

#endif
