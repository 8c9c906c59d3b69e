/*
 * lookup_mark.h - whether a look-up in the extension's tables would still give the answer that it gave before.
 *
 * The answer holds as long as user and snapshot are the same. A later command of the same transaction may see other rows.
 */
#ifndef XMCOH_PG_LOOKUP_MARK_H
#define XMCOH_PG_LOOKUP_MARK_H

#include "postgres.h"

typedef struct LookupMark
{
	Oid			user;			/* InvalidOid: nothing looked up yet */
	uint32		local_transaction;
	SubTransactionId subtransaction;
	CommandId	command;
	TransactionId xmax;
	uint32		running;		/* transactions and subtransactions below xmax that were running */
	int32		running_subs;
	uint32		lost_mappings;
} LookupMark;

/* Marks a look-up that was made just now. Needs an active snapshot. */
extern void xmcoh_mark_lookup(LookupMark *mark);

/* Whether the marked look-up would give the same answer now. Needs an active snapshot. */
extern bool xmcoh_lookup_holds(const LookupMark *mark);

#endif
