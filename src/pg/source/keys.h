/*
 * keys.h - which documents a query over a user's relation reads: the keys of the wanted ones.
 */
#ifndef XMCOH_PG_KEYS_H
#define XMCOH_PG_KEYS_H

#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"

#include "source/rows.h"

/* The wanted documents by key, which is the text of the document column; a NULL pointer: all documents. */
typedef struct DocumentKeys
{
	int			n;
	const char **key;			/* (n) */
	bool		keep_plan;		/* other keys are wanted soon: the session keeps the plan (rows.h) */
} DocumentKeys;

/* The keys of an argument of type text[]; NULL for NULL. ERROR null_value_not_allowed for a NULL among them. */
extern const DocumentKeys *xmcoh_document_keys(NullableDatum argument);

/*
 * Appends WHERE with the condition that column `column` of the relation AS t holds one of the keys, which are parameters of
 * the query. An index on the column can be used if its type is text, varchar, an integer or uuid, or a domain over one of
 * these.
 */
extern void xmcoh_append_key_filter(StringInfo query, Oid relation, const char *column, const DocumentKeys *keys);

/* The parameters of such a query; NULL: keys is NULL, so the query has none. */
extern const RowsParameters *xmcoh_key_parameters(Oid relation, const char *column, const DocumentKeys *keys);

#endif
