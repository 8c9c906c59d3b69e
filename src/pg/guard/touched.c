/*
 * touched.c - the documents that a transaction has changed and not checked; touched.h is the contract.
 *
 * Each change of the set is written to a log with its subtransaction. The abort of a subtransaction undoes the entries of
 * the log that are its own, last first. Its commit gives them to the parent. So a savepoint costs what was touched in it,
 * not what is in the set.
 */
#include "guard/touched.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "lib/ilist.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"

typedef struct TouchedKey
{
	int32		source_id;
	Oid			type;			/* whose bytes they are */
	uint32		size;
	const char *bytes;			/* (size) */
} TouchedKey;

/* The documents of one source that are in the set. */
typedef struct TouchedSource
{
	int32		source_id;
	int64		n;
	dlist_head	pending;		/* (n) in the order in which they were touched */
	struct TouchedSource *next;
} TouchedSource;

typedef struct Touched
{
	TouchedKey	key;			/* the first member, as dynahash wants */
	TouchedSource *source;
	int16		length;			/* of the type */
	bool		by_value;
	bool		pending;		/* in the set, and so in the list */
	CommandId	taken_from;		/* the commands whose changes were all made when it was last taken out: from this one, */
	CommandId	taken_before;	/* before this one; later ones have larger numbers */
	dlist_node	node;
} Touched;

/* The set changed: before, the entry was pending or not. */
typedef struct Change
{
	Touched    *entry;
	SubTransactionId by;
	bool		was_pending;
} Change;

/* All of it lives in the transaction's memory. */
typedef struct TouchedSet
{
	MemoryContext memory;
	HTAB	   *entries;
	TouchedSource *sources;		/* a list: a transaction changes few of them */
	int64		n_changes;
	int64		capacity;
	Change	   *change;			/* (n_changes) by subtransaction, outer ones first */
} TouchedSet;

static TouchedSet *set = NULL;	/* NULL: this transaction has touched nothing */

/* ---- the table of entries ---- */

static uint32
hash_key(const void *key, Size size)
{
	const TouchedKey *k = key;

	(void) size;
	return hash_bytes((const unsigned char *) k->bytes, (int) k->size) ^ hash_bytes_uint32((uint32) k->source_id);
}

static int
compare_keys(const void *a, const void *b, Size size)
{
	const TouchedKey *ka = a;
	const TouchedKey *kb = b;

	(void) size;
	return ka->source_id != kb->source_id || ka->type != kb->type || ka->size != kb->size ||
		memcmp(ka->bytes, kb->bytes, ka->size) != 0;
}

static void
forget_set(void *arg)
{
	(void) arg;
	set = NULL;
}

static void end_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg);

static void
make_set(void)
{
	static bool registered = false;
	MemoryContext memory = AllocSetContextCreate(TopTransactionContext, "xmcoh touched documents", ALLOCSET_DEFAULT_SIZES);
	HASHCTL		control = {.keysize = sizeof(TouchedKey),.entrysize = sizeof(Touched),.hash = hash_key,.match = compare_keys,
	.hcxt = memory};
	MemoryContextCallback *callback = MemoryContextAllocZero(memory, sizeof(MemoryContextCallback));
	TouchedSet *made = MemoryContextAllocZero(memory, sizeof(TouchedSet));

	made->memory = memory;
	made->entries = hash_create("xmcoh touched documents", 64, &control,
								HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	if (!registered)
	{
		RegisterSubXactCallback(end_subtransaction, NULL);
		registered = true;
	}
	callback->func = forget_set;
	MemoryContextRegisterResetCallback(memory, callback);
	set = made;
}

/* ---- the log ---- */

static void
put(Touched *entry, bool pending)
{
	if (entry->pending == pending)
		return;
	entry->pending = pending;
	entry->source->n += pending ? 1 : -1;
	if (pending)
		dlist_push_tail(&entry->source->pending, &entry->node);
	else
		dlist_delete(&entry->node);
}

static void
change(Touched *entry, bool pending)
{
	if (entry->pending == pending)
		return;
	if (set->n_changes == set->capacity)
	{
		int64		capacity = Max(64, 2 * set->capacity);

		set->change = set->change ? repalloc_huge(set->change, capacity * sizeof(Change))
			: MemoryContextAllocHuge(set->memory, capacity * sizeof(Change));
		set->capacity = capacity;
	}
	set->change[set->n_changes++] = (Change) {entry, GetCurrentSubTransactionId(), entry->pending};
	put(entry, pending);
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	(void) arg;
	if (set == NULL)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		for (; set->n_changes > 0 && set->change[set->n_changes - 1].by == mine; set->n_changes--)
			put(set->change[set->n_changes - 1].entry, set->change[set->n_changes - 1].was_pending);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		for (int64 k = set->n_changes; k > 0 && set->change[k - 1].by == mine; k--)
			set->change[k - 1].by = parent;
}

/* ---- the set ---- */

/* NULL: no document of this source has been touched. */
static TouchedSource *
find_source(int32 source_id)
{
	TouchedSource *source = set ? set->sources : NULL;

	while (source != NULL && source->source_id != source_id)
		source = source->next;
	return source;
}

static TouchedSource *
find_or_make_source(int32 source_id)
{
	TouchedSource *source = find_source(source_id);

	if (source == NULL)
	{
		source = MemoryContextAllocZero(set->memory, sizeof(TouchedSource));
		source->source_id = source_id;
		dlist_init(&source->pending);
		source->next = set->sources;
		set->sources = source;
	}
	return source;
}

/* The bytes of a value, which may be detoasted for this. */
static TouchedKey
key_of(int32 source_id, DocumentKey *document)
{
	if (document->by_value)
		return (TouchedKey) {source_id, document->type, sizeof(Datum), (const char *) &document->value};
	if (document->length == -1)
	{
		struct varlena *value = PG_DETOAST_DATUM_PACKED(document->value);

		return (TouchedKey) {source_id, document->type, VARSIZE_ANY_EXHDR(value), VARDATA_ANY(value)};
	}
	return (TouchedKey) {source_id, document->type, datumGetSize(document->value, false, document->length),
		DatumGetPointer(document->value)};
}

void
xmcoh_touch(int32 source_id, DocumentKey document, CommandId command)
{
	TouchedKey	wanted = key_of(source_id, &document);
	TouchedSource *source;
	Touched    *entry;
	bool		found;

	if (set == NULL)
		make_set();
	source = find_or_make_source(source_id);
	entry = hash_search(set->entries, &wanted, HASH_FIND, NULL);
	if (entry == NULL)
	{
		/* the bytes first, so that no entry is without them after an error */
		wanted.bytes = memcpy(MemoryContextAlloc(set->memory, wanted.size + 1), wanted.bytes, wanted.size);
		entry = hash_search(set->entries, &wanted, HASH_ENTER, &found);
		entry->source = source;
		entry->length = document.length;
		entry->by_value = document.by_value;
		entry->pending = false;
		entry->taken_from = entry->taken_before = FirstCommandId;
	}
	if (command == InvalidCommandId || command < entry->taken_from || command >= entry->taken_before)
		change(entry, true);
}

int64
xmcoh_count_touched(int32 source_id)
{
	const TouchedSource *source = find_source(source_id);

	return source ? source->n : 0;
}

/* The value whose bytes an entry has. */
static Datum
value_of(const Touched *entry)
{
	const TouchedKey *key = &entry->key;
	char	   *copy;

	if (entry->by_value)
		return *(const Datum *) key->bytes;
	if (entry->length != -1)
		return PointerGetDatum(memcpy(palloc(key->size + 1), key->bytes, key->size));
	copy = palloc(key->size + VARHDRSZ);
	SET_VARSIZE(copy, key->size + VARHDRSZ);
	memcpy(VARDATA(copy), key->bytes, key->size);
	return PointerGetDatum(copy);
}

/*
 * A statement that has called the function in which this check happens is not done: it may change further rows of a
 * document that is taken out here. Its command is older than the active snapshot.
 */
DocumentKey *
xmcoh_take_touched(int32 source_id)
{
	TouchedSource *source = find_source(source_id);
	DocumentKey *taken = palloc_extended(sizeof(DocumentKey) * (xmcoh_count_touched(source_id) + 1), MCXT_ALLOC_HUGE);
	dlist_mutable_iter iterator;
	int64		n = 0;

	if (source != NULL)
		dlist_foreach_modify(iterator, &source->pending)
		{
			Touched    *entry = dlist_container(Touched, node, iterator.cur);

			taken[n++] = (DocumentKey) {value_of(entry), entry->key.type, entry->length, entry->by_value};
			change(entry, false);
			entry->taken_from = GetActiveSnapshot()->curcid;
			entry->taken_before = GetCurrentCommandId(false);
		}
	return taken;
}
