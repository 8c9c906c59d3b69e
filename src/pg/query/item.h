/*
 * item.h - the items of recover_order, values of any SQL type: their text, and bytes for another process or server.
 *
 * The text of an item is its key: it identifies, sorts and names the item. The bytes hold that text, so it is written and
 * read under settings that are the same everywhere (base/portable.h). The bytes hold no OID of a type, because OIDs differ
 * between servers: the type is that of the aggregate's argument. An anonymous record (ROW(...)) has no named type, so its
 * bytes hold the names and types of its columns.
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
	bool		is_plain;		/* no setting changes the text of such a value */
	FmgrInfo	output;
} ItemType;

/* Looks a type up, with allocations in `context`. */
extern void xmcoh_item_type(Oid type, MemoryContext context, ItemType *out);

/* The text of `n` items, zero-terminated, into text (n), in the current context. */
extern void xmcoh_item_texts(ItemType *type, int32 n, const Datum *item, char **text);

/*
 * Items to bytes and back. Writing must be between xmcoh_portable_begin(true) and xmcoh_portable_end. Reading checks
 * everything, constraints of domains included. Errors: feature_not_supported for an anonymous record with a column of a
 * pseudo-type, such as an array of records; invalid_binary_representation; errors of the types' input functions.
 */
extern void xmcoh_item_write(StringInfo to, ItemType *type, Datum item);
extern void xmcoh_item_read(const ItemType *type, int32 n, StringInfo *from, Datum *item);

#endif
