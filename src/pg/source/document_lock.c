/*
 * document_lock.c - locks on documents; document_lock.h is the contract.
 */
#include "source/document_lock.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/lsyscache.h"

#include "xmcoh/hash.h"

#define LOCKS_OF_MODEL 1024

static int
slot_of(const char *document)
{
	return (int) (xmc_hash_bytes(document, strlen(document), 0) % LOCKS_OF_MODEL);
}

void
xmcoh_lock_documents(int32 model_id, int64 n, const char *const *document)
{
	bool		wanted[LOCKS_OF_MODEL] = {false};
	Oid			class = get_relname_relid("source_record", get_namespace_oid("xmcoh", false));

	for (int64 k = 0; k < n; k++)
		wanted[slot_of(document[k])] = true;
	for (int slot = 0; slot < LOCKS_OF_MODEL; slot++)
	{
		LOCKTAG		tag;

		if (!wanted[slot])
			continue;
		SET_LOCKTAG_OBJECT(tag, MyDatabaseId, class, (Oid) model_id, (uint16) slot);
		(void) LockAcquire(&tag, ExclusiveLock, false, false);
	}
}
