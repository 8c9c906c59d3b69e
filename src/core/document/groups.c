/* groups.c - numbers of groups, by sorting the documents by group; see groups.h */
#include "xmcoh/groups.h"

#include "xmcoh/hash.h"

#include <stdlib.h>
#include <string.h>

#define GROUP_SEED UINT64_C(0x67726f7570000000)

/* A document that shares its group, for sorting. */
typedef struct member
{
	uint64_t	group;
	int32_t		document;
} member;

uint64_t
xmc_group_of(const char *name, size_t length)
{
	uint64_t	hash = xmc_hash_bytes(name, length, GROUP_SEED);

	return hash ? hash : 1;
}

/* By group, then by document. */
static int
compare_members(const void *a, const void *b)
{
	const member *x = a;
	const member *y = b;

	if (x->group != y->group)
		return x->group > y->group ? 1 : -1;
	return (x->document > y->document) - (x->document < y->document);
}

/* Sets number[d] to the first document of the group of document d; m is scratch for the documents whose group is not 0. */
static void
find_first_documents(int32_t n, const uint64_t *group, member *m, int32_t *number)
{
	int32_t		members = 0;

	for (int32_t d = 0; d < n; d++)
	{
		number[d] = d;
		if (group[d] != 0)
			m[members++] = (member){group[d], d};
	}
	if (members > 0)
		qsort(m, (size_t) members, sizeof *m, compare_members);
	for (int32_t k = 1; k < members; k++)
		if (m[k].group == m[k - 1].group)
			number[m[k].document] = number[m[k - 1].document];
}

xmc_status
xmc_number_groups(xmc_ctx *ctx, int32_t n, const uint64_t *group, int32_t *number, int32_t *n_groups)
{
	size_t		members = 0;
	member	   *m;

	*n_groups = 0;
	for (int32_t d = 0; d < n; d++)
		members += group[d] != 0;
	m = xmc_alloc(ctx, members, sizeof *m);
	XMC_NEED(m, ctx);
	find_first_documents(n, group, m, number);
	xmc_release(ctx, m);
	/* The first document of a group comes before the others, so its number is known when they need it. */
	for (int32_t d = 0; d < n; d++)
		number[d] = number[d] == d ? (*n_groups)++ : number[number[d]];
	return xmc_check_stop(ctx);
}

xmc_status
xmc_number_document_groups(xmc_ctx *ctx, int32_t n, const xmc_document *const *document, int32_t *number,
						   int32_t *n_groups)
{
	uint64_t   *group = xmc_alloc(ctx, (size_t) n, sizeof *group);
	xmc_status	status;

	*n_groups = 0;
	XMC_NEED(group, ctx);
	for (int32_t d = 0; d < n; d++)
		group[d] = document[d]->group;
	status = xmc_number_groups(ctx, n, group, number, n_groups);
	xmc_release(ctx, group);
	return status;
}

void
xmc_group_sizes(int32_t n, const int32_t *number, int32_t n_groups, int32_t *size)
{
	memset(size, 0, (size_t) n_groups * sizeof *size);
	for (int32_t d = 0; d < n; d++)
		size[number[d]]++;
}
