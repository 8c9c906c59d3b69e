/*
 * lookup_mark.c - when a look-up has to be made again; lookup_mark.h is the contract.
 *
 * A snapshot is identified by what had ended when it was taken (xmax, and how many transactions below xmax were running) and
 * by which commands of this session it sees (transaction, subtransaction, command). For one xmax the set of running
 * transactions can only shrink, so its size identifies the set. (snapXactCompletionCount would do, too, but active snapshots
 * are copies, which do not have it.) The subtransaction counts because rolling one back undoes a change of the tables and
 * changes nothing else here. The number of lost mappings counts because the lost file may be the answer's: an error that is
 * caught does not change the snapshot.
 */
#include "base/lookup_mark.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/mapping.h"

void
xmcoh_mark_lookup(LookupMark *mark)
{
	Snapshot	snapshot = GetActiveSnapshot();

	mark->user = GetUserId();
	mark->local_transaction = xmcoh_local_transaction();
	mark->subtransaction = GetCurrentSubTransactionId();
	mark->command = snapshot->curcid;
	mark->xmax = snapshot->xmax;
	mark->running = snapshot->xcnt;
	mark->running_subs = snapshot->subxcnt;
	mark->lost_mappings = xmcoh_lost_mappings();
}

bool
xmcoh_lookup_holds(const LookupMark *mark)
{
	LookupMark	now;

	if (!OidIsValid(mark->user))
		return false;
	xmcoh_mark_lookup(&now);
	return mark->user == now.user && mark->local_transaction == now.local_transaction
		&& mark->subtransaction == now.subtransaction && mark->command == now.command && mark->xmax == now.xmax
		&& mark->running == now.running && mark->running_subs == now.running_subs
		&& mark->lost_mappings == now.lost_mappings;
}
