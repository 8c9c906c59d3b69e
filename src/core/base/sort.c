/* sort.c - merge sort, bottom up; see sort.h */
#include "base/sort.h"

#include <string.h>

#define COMPARE_CELLS 16		/* a comparison takes as long as so many cells of xmc_spend */

/* Merges the sorted runs from[begin..middle) and from[middle..end) into to[begin..end). */
static void
merge(const char *from, char *to, size_t begin, size_t middle, size_t end, size_t size,
	  int (*compare) (const void *a, const void *b))
{
	size_t		left = begin;
	size_t		right = middle;

	for (size_t k = begin; k < end; k++)
	{
		bool		take_left = left < middle &&
			(right == end || compare(from + left * size, from + right * size) <= 0);

		memcpy(to + k * size, from + (take_left ? left++ : right++) * size, size);
	}
}

xmc_status
xmc_sort(xmc_ctx *ctx, void *values, void *scratch, size_t n, size_t size, int (*compare) (const void *a, const void *b))
{
	char	   *from = values;
	char	   *to = scratch;
	int64_t		work = 0;

	for (size_t run = 1; run < n; run *= 2)
	{
		char	   *swap = from;

		for (size_t begin = 0; begin < n; begin += 2 * run)
		{
			size_t		middle = n - begin < run ? n : begin + run;
			size_t		end = n - begin < 2 * run ? n : begin + 2 * run;

			merge(from, to, begin, middle, end, size, compare);
			XMC_TRY(xmc_spend(ctx, &work, (int64_t) (end - begin) * COMPARE_CELLS));
		}
		from = to;
		to = swap;
	}
	if (from != values)
		memcpy(values, from, n * size);
	return XMC_OK;
}
