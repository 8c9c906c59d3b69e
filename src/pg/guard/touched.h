/*
 * touched.h - the documents whose rows this transaction has changed and that have not been checked yet.
 *
 * The set follows savepoints: a document that only a rolled-back subtransaction touched leaves the set, and one that a
 * rolled-back subtransaction checked comes back.
 */
#ifndef XMCOH_PG_TOUCHED_H
#define XMCOH_PG_TOUCHED_H

#include "postgres.h"

/* The value of a document column, and the type that says how it is stored. */
typedef struct DocumentKey
{
	Datum		value;
	int16		length;			/* pg_type.typlen */
	bool		by_value;		/* pg_type.typbyval */
} DocumentKey;

/*
 * Adds the document of a source, of which a command of this transaction changed a row. Values whose bytes differ are
 * different documents here, even if they are equal. A document that was taken out since that command stays out: the check
 * saw the row. InvalidCommandId: the command is not known.
 */
extern void xmcoh_touch(int32 source_id, DocumentKey key, CommandId command);

/* How many documents of the source are in the set. */
extern int64 xmcoh_count_touched(int32 source_id);

/*
 * Takes all documents of the source out of the set, to be checked with all that commands before the present one did: their
 * values, in CurrentMemoryContext, as many as xmcoh_count_touched said.
 */
extern Datum *xmcoh_take_touched(int32 source_id, int16 length, bool by_value);

#endif
