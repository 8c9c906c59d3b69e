/*
 * vector_cache.c - vectors of texts that this session has computed lately: a hash table, and a list by last use; vector_cache.h
 * is the contract.
 *
 * The key is the encoder's file and the whole text, so that no text can get the vector of another one. All memory is in one
 * context. If an error interrupts a change, the next call empties the cache.
 */
#include "model/vector_cache.h"

#include "common/hashfn.h"
#include "lib/ilist.h"
#include "utils/memutils.h"

#include "base/settings.h"
#include "model/cachefile.h"

/* Chunks that AllocSet has freed are used again for chunks of about their size only. So much of them is tolerated. */
#define TOLERATED_WASTE ((size_t) 1 << 20)

typedef struct VectorKey
{
	const char *sha256;
	const char *text;
	size_t		length;
	uint32		hash;
} VectorKey;

typedef struct CachedVector
{
	dlist_node	node;			/* in by_use */
	VectorKey	key;			/* its strings stand after the vector */
	int32		dim;
	float		vector[FLEXIBLE_ARRAY_MEMBER];
} CachedVector;

typedef struct VectorSlot
{
	VectorKey	key;
	CachedVector *cached;
	char		status;
} VectorSlot;

static inline bool
same_key(const VectorKey *a, const VectorKey *b)
{
	return a->hash == b->hash && a->length == b->length && memcmp(a->text, b->text, a->length) == 0
		&& memcmp(a->sha256, b->sha256, SHA256_DIGITS) == 0;
}

#define SH_PREFIX slots
#define SH_ELEMENT_TYPE VectorSlot
#define SH_KEY_TYPE VectorKey
#define SH_KEY key
#define SH_HASH_KEY(table, k) ((k).hash)
#define SH_EQUAL(table, a, b) same_key(&(a), &(b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static MemoryContext context = NULL;
static slots_hash *slots = NULL;
static dlist_head by_use = DLIST_STATIC_INIT(by_use);	/* used last: first */
static size_t used = 0;			/* bytes of all cached vectors */
static bool changing = false;	/* true at the beginning of a call: an error has interrupted a change */

static size_t
limit(void)
{
	return (size_t) xmcoh_encoder_cache * 1024 * 1024;
}

static VectorKey
make_key(const char *sha256, const xmc_encoder_text *text)
{
	VectorKey	key = {.sha256 = sha256,.text = text->text,.length = text->length};

	key.hash = hash_bytes((const unsigned char *) text->text, (int) text->length)
		^ hash_bytes((const unsigned char *) sha256, SHA256_DIGITS);
	return key;
}

/* Empties the cache where no vectors shall be kept, after an interrupted change, and when freed chunks hold too much memory. */
static void
tidy(void)
{
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "xmcoh vectors", ALLOCSET_DEFAULT_SIZES);
	else if (changing || (xmcoh_encoder_cache == 0 && slots != NULL)
			 || MemoryContextMemAllocated(context, true) > 2 * limit() + TOLERATED_WASTE)
	{
		dlist_init(&by_use);
		slots = NULL;
		used = 0;
		MemoryContextReset(context);
	}
	changing = false;
}

/* Removes the vectors that were not used longest, until `room` more bytes fit. */
static void
make_room(size_t room)
{
	while (!dlist_is_empty(&by_use) && used + slots->size * sizeof(VectorSlot) + room > limit())
	{
		CachedVector *last = dlist_tail_element(CachedVector, node, &by_use);

		dlist_delete(&last->node);
		(void) slots_delete(slots, last->key);
		used -= GetMemoryChunkSpace(last);
		pfree(last);
	}
}

bool
xmcoh_cached_vector(const char *sha256, const xmc_encoder_text *text, int32 dim, float *out)
{
	VectorSlot *slot;

	tidy();
	if (slots == NULL || text->length > limit())
		return false;
	slot = slots_lookup(slots, make_key(sha256, text));
	if (slot == NULL || slot->cached->dim != dim)
		return false;
	dlist_move_head(&by_use, &slot->cached->node);
	memcpy(out, slot->cached->vector, (size_t) dim * sizeof(float));
	return true;
}

void
xmcoh_cache_vector(const char *sha256, const xmc_encoder_text *text, int32 dim, const float *vector)
{
	size_t		size = offsetof(CachedVector, vector) + (size_t) dim * sizeof(float) + SHA256_DIGITS + text->length;
	CachedVector *cached;
	VectorSlot *slot;
	char	   *strings;
	bool		found;

	tidy();
	if (size > limit() / 4)		/* a text of this size would push out most others */
		return;
	changing = true;
	if (slots == NULL)
		slots = slots_create(context, 128, NULL);
	make_room(size);
	cached = MemoryContextAlloc(context, size);
	strings = (char *) (cached->vector + dim);
	cached->key = make_key(sha256, text);
	cached->dim = dim;
	memcpy(cached->vector, vector, (size_t) dim * sizeof(float));
	cached->key.sha256 = memcpy(strings, sha256, SHA256_DIGITS);
	cached->key.text = memcpy(strings + SHA256_DIGITS, text->text, text->length);
	slot = slots_insert(slots, cached->key, &found);
	if (found)
		elog(ERROR, "a vector is in the cache already");
	slot->cached = cached;
	dlist_push_head(&by_use, &cached->node);
	used += GetMemoryChunkSpace(cached);
	changing = false;
}
