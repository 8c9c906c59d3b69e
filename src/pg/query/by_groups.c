/*
 * by_groups.c - the groups that a caller's column makes of documents; by_groups.h is the contract.
 */
#include "query/by_groups.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "xmcoh/groups.h"

typedef struct ByGroup
{
	uint64		hash;			/* 0: no name */
	int32		number;
} ByGroup;

ByGroups *
xmcoh_by_groups(MemoryContext memory)
{
	ByGroups   *groups = MemoryContextAllocZero(memory, sizeof(ByGroups));

	groups->memory = memory;
	groups->name = MemoryContextAlloc(memory, sizeof(char *) * MOST_BY_GROUPS);
	groups->table = hash_create("xmcoh groups by a column", 64, &(HASHCTL) {
								.keysize = sizeof(uint64),.entrysize = sizeof(ByGroup),.hcxt = memory},
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return groups;
}

int32
xmcoh_by_number(ByGroups *groups, const char *name)
{
	uint64		hash = name ? xmc_group_of(name, strlen(name)) : 0;
	bool		found;
	ByGroup    *group = hash_search(groups->table, &hash, HASH_ENTER, &found);

	if (found)
		return group->number;
	if (groups->n == MOST_BY_GROUPS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the documents are of more than %d groups", MOST_BY_GROUPS),
				 errhint("Name with \"by\" a column that many documents have the same value of, such as their process.")));
	group->number = groups->n;
	groups->name[groups->n] = name ? MemoryContextStrdup(groups->memory, name) : NULL;
	return groups->n++;
}

static int
compare_names(const void *a, const void *b, void *arg)
{
	const char *const *name = arg;
	const char *x = name[*(const int32 *) a];
	const char *y = name[*(const int32 *) b];

	return x && y ? strcmp(x, y) : (x == NULL) - (y == NULL);
}

int32 *
xmcoh_by_order(const ByGroups *groups)
{
	int32	   *order = palloc(sizeof(int32) * (Size) Max(groups->n, 1));

	for (int32 g = 0; g < groups->n; g++)
		order[g] = g;
	qsort_arg(order, (size_t) groups->n, sizeof(int32), compare_names, (void *) groups->name);
	return order;
}
