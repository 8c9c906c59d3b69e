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

/* The lock of documents of a model, of the class that this table of the extension stands for. */
static LOCKTAG
lock_tag(const char *table, int32 model_id, int slot)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, get_relname_relid(table, get_namespace_oid("xmcoh", false)), (Oid) model_id,
					   (uint16) slot);
	return tag;
}

void
xmcoh_lock_documents(int32 model_id, int64 n, const char *const *document)
{
	bool		wanted[LOCKS_OF_MODEL] = {false};

	for (int64 k = 0; k < n; k++)
		wanted[slot_of(document[k])] = true;
	for (int slot = 0; slot < LOCKS_OF_MODEL; slot++)
	{
		LOCKTAG		tag;

		if (!wanted[slot])
			continue;
		tag = lock_tag("source_record", model_id, slot);
		(void) LockAcquire(&tag, ExclusiveLock, false, false);
	}
}

bool
xmcoh_try_lock_claims(int32 model_id, const char *document)
{
	LOCKTAG		tag = lock_tag("review_claim_record", model_id, slot_of(document));

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}
