/*
 * by_groups.h - the groups that a caller's column (the argument `by`) makes of documents: numbers for their names.
 */
#ifndef XMCOH_PG_BY_GROUPS_H
#define XMCOH_PG_BY_GROUPS_H

#include "postgres.h"

#define MOST_BY_GROUPS 10000

typedef struct ByGroups
{
	MemoryContext memory;		/* where these are made */
	struct HTAB *table;
	int32		n;
	const char **name;			/* (n) by number; NULL: documents whose column is NULL */
} ByGroups;

extern ByGroups *xmcoh_by_groups(MemoryContext memory);

/* The number of the group with this name, which may be NULL. ERROR program_limit_exceeded: more than MOST_BY_GROUPS. */
extern int32 xmcoh_by_number(ByGroups *groups, const char *name);

/* The numbers (n) in the order of the names (bytes), NULL last. */
extern int32 *xmcoh_by_order(const ByGroups *groups);

#endif
