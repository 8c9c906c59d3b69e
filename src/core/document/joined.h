/* joined.h - disjoint sets of numbers (union-find): each set is known by its smallest number, in any order of joining */
#ifndef XMCOH_JOINED_H
#define XMCOH_JOINED_H

#include <stdint.h>

/* The smallest number of those that d is joined with; halves the path to it. At first leader[d] is d. */
static inline int32_t
xmc_leader_of(int32_t *leader, int32_t d)
{
	while (leader[d] != d)
		d = leader[d] = leader[leader[d]];
	return d;
}

static inline void
xmc_join(int32_t *leader, int32_t a, int32_t b)
{
	a = xmc_leader_of(leader, a);
	b = xmc_leader_of(leader, b);
	if (a < b)
		leader[b] = a;
	else
		leader[a] = b;
}

#endif
