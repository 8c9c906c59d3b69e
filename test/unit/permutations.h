/* permutations.h - for tests: random orders, all orders, comparing in double */
#ifndef PERMUTATIONS_H
#define PERMUTATIONS_H

#include "xmcoh/base.h"
#include "xmcoh/random.h"

#include <math.h>

/* In double: cmocka's assert_float_equal compares floats. */
#define assert_near(got, want, tolerance) assert_true(fabs((got) - (want)) <= (tolerance))

/* A random order of 0..n-1. */
static inline void
shuffle(xmc_random *random, int32_t n, int32_t *order)
{
	for (int32_t k = 0; k < n; k++)
	{
		int32_t		j = (int32_t) xmc_random_below(random, k + 1);

		order[k] = k;
		order[k] = order[j];
		order[j] = k;
	}
}

/* The next permutation in lexicographic order; false behind the last. */
static inline bool
next_permutation(int32_t n, int32_t *p)
{
	int32_t		i = n - 2;
	int32_t		j = n - 1;
	int32_t		t;

	while (i >= 0 && p[i] > p[i + 1])
		i--;
	if (i < 0)
		return false;
	while (p[j] < p[i])
		j--;
	t = p[i];
	p[i] = p[j];
	p[j] = t;
	for (int32_t a = i + 1, b = n - 1; a < b; a++, b--)
	{
		t = p[a];
		p[a] = p[b];
		p[b] = t;
	}
	return true;
}

#endif
