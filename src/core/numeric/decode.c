/*
 * decode.c - the linear ordering problem: dynamic programming over subsets for up to XMC_EXACT_ITEMS items, local search
 * and annealing for more. See decode.h (design section 4, "Decode").
 *
 * Scores are first rounded to whole multiples of XMC_SCORE_GRID ("units", int64_t). So every sum and comparison below is
 * exact, and ties are the same on every machine and in every order of summation.
 */
#include "numeric/decode.h"
#include "xmcoh/decided.h"
#include "xmcoh/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Larger log-odds are cut to this, so that no sum overflows: 2^22 (limit) * 2^16 (units) * 2^23 (pairs) = 2^61. A
 * probability is 1 in double long before.
 */
#define SCORE_LIMIT 4194304.0
#define ITEM_LIMIT 4096

#define STACK_ITEMS 8			/* up to here the exact method does not call the allocator */
#define STOP_SETS 4096			/* subsets between two calls of the stop callback */

/* Rounds to nearest, ties to even. The rounding of -x is minus that of x, so the units are antisymmetric, too. */
static inline int64_t
score_units(float score)
{
	double		value = score;

	if (value > SCORE_LIMIT)
		value = SCORE_LIMIT;
	else if (value < -SCORE_LIMIT)
		value = -SCORE_LIMIT;
	return llrint(value / XMC_SCORE_GRID);
}

/* Checks n and that all scores off the diagonal are finite. */
static xmc_status
check_scores(xmc_ctx *ctx, int32_t n, const float *s)
{
	int64_t		work = 0;

	if (n < 0)
		return xmc_fail(ctx, XMC_BAD_INPUT, "number of items is %d, but must not be negative", n);
	if (n > ITEM_LIMIT)
		return xmc_fail(ctx, XMC_LIMIT, "cannot order %d items: the limit is %d", n, ITEM_LIMIT);
	for (int32_t i = 0; i < n; i++)
	{
		for (int32_t j = 0; j < n; j++)
			if (i != j && !isfinite(s[(size_t) i * n + j]))
				return xmc_fail(ctx, XMC_BAD_INPUT, "order score of items %d and %d is not finite", i, j);
		XMC_TRY(xmc_spend(ctx, &work, n));
	}
	return XMC_OK;
}

xmc_status
xmc_decode_shuffled(xmc_ctx *ctx, int32_t n, const float *s, const uint8_t *decided, uint64_t seed, int32_t *order)
{
	size_t		cells = (size_t) n * (size_t) n;
	int32_t    *item = xmc_alloc(ctx, (size_t) n, sizeof(int32_t));	/* (n): the item that gets number i */
	float	   *shuffled = xmc_alloc(ctx, cells, sizeof(float));	/* (n, n) */
	uint8_t    *renumbered = decided ? xmc_alloc(ctx, cells, 1) : NULL;	/* (n, n) */
	xmc_status	status = XMC_OK;
	xmc_random	random;
	int64_t		work = 0;

	if (item && shuffled && (renumbered || !decided))
	{
		/* Renumber the items at random (Fisher and Yates), decode, and translate back. */
		xmc_random_seed(&random, seed);
		for (int32_t i = 0; i < n; i++)
		{
			int32_t		j = (int32_t) xmc_random_below(&random, (uint32_t) i + 1);

			item[i] = item[j];
			item[j] = i;
		}
		for (int64_t i = 0; i < n && status == XMC_OK; i++)
		{
			for (int64_t j = 0; j < n; j++)
				shuffled[i * n + j] = s[(int64_t) item[i] * n + item[j]];
			for (int64_t j = 0; decided && j < n; j++)
				renumbered[i * n + j] = decided[(int64_t) item[i] * n + item[j]];
			status = xmc_spend(ctx, &work, n);
		}
		if (status == XMC_OK)
			status = xmc_decode(ctx, n, shuffled, renumbered, order, NULL);
		for (int32_t k = 0; k < n && status == XMC_OK; k++)
			order[k] = item[order[k]];
	}
	else
		status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	xmc_release(ctx, item);
	xmc_release(ctx, shuffled);
	xmc_release(ctx, renumbered);
	return status;
}

/* ---- exact: dynamic programming over subsets (Held and Karp 1962; Lawler 1964) ---- */

/*
 * best[R] is the largest value of an order of the items of set R alone. If j stands first,
 * best[R] = max over j in R of (sum of s(j, i) over i in R \ j) + best[R \ j].
 * The inner sum takes two table look-ups, one for each half of R's bits.
 */
typedef struct subset_table
{
	int32_t		n;
	int32_t		half;			/* bits in the low half */
	int64_t    *low;			/* (2^half, n): sum of s(j, i) over i in the subset of the low items */
	int64_t    *high;			/* (2^(n - half), n): the same over the high items */
	int64_t    *best;			/* (2^n) */
	const uint32_t *before;		/* (n) the items that must stand before each item; NULL: none must */
	int64_t    *heap;			/* what subset_release frees, or NULL */
	int64_t		stack[(1 << STACK_ITEMS) + 2 * (1 << (STACK_ITEMS / 2)) * STACK_ITEMS];
} subset_table;

static inline int64_t
subset_sum(const subset_table *table, uint32_t set, int32_t j)
{
	return table->low[(set & ((1u << table->half) - 1)) * table->n + j] +
		table->high[(set >> table->half) * table->n + j];
}

/* The sums of one half, items first .. first + bits - 1, into sums (2^bits, n): each bit doubles the filled part. */
static void
fill_half(int32_t n, const float *s, int32_t first, int32_t bits, int64_t *sums)
{
	int64_t		column[XMC_EXACT_ITEMS];	/* s(j, i) over j, for the item i that a subset adds */

	memset(sums, 0, sizeof(int64_t) * n);
	for (int32_t bit = 0; bit < bits; bit++)
	{
		int32_t		i = first + bit;
		int64_t    *target = sums + ((size_t) n << bit);

		for (int32_t j = 0; j < n; j++)
			column[j] = i == j ? 0 : score_units(s[j * n + i]);
		for (size_t k = 0; k < (size_t) 1 << bit; k++)
			for (int32_t j = 0; j < n; j++)
				target[k * n + j] = sums[k * n + j] + column[j];
	}
}

static void
subset_release(xmc_ctx *ctx, subset_table *table)
{
	xmc_release(ctx, table->heap);
}

/*
 * Whether item j may stand first of the items of a set, by what was decided. Decisions without a cycle leave at least one
 * such item in each set.
 */
static inline bool
may_be_first(const uint32_t *before, uint32_t set, int32_t j)
{
	return !before || !(before[j] & set);
}

/* The largest value of an order of the set, low and high: the rows of its halves. Inlined for NULL and for decisions. */
static inline int64_t
best_of_set(const int64_t *best, const int64_t *low, const int64_t *high, const uint32_t *before, uint32_t set)
{
	int64_t		top = INT64_MIN;

	/* s(j, j) is 0 in the tables, so the sum over `set` is that over set \ j. */
	for (uint32_t rest = set; rest; rest &= rest - 1)
	{
		int32_t		j = __builtin_ctz(rest);
		int64_t		value;

		if (!may_be_first(before, set, j))
			continue;
		value = best[set ^ (rest & -rest)] + low[j] + high[j];
		top = value > top ? value : top;
	}
	return top;
}

/*
 * Fills the table. s has been checked and n <= XMC_EXACT_ITEMS; before (n) or NULL has no cycle. On success the caller must
 * call subset_release.
 */
static xmc_status
subset_solve(xmc_ctx *ctx, int32_t n, const float *s, const uint32_t *before, subset_table *table)
{
	uint32_t	sets = 1u << n;
	int32_t		half = n / 2;
	size_t		low_size = (size_t) n << half;
	size_t		high_size = (size_t) n << (n - half);
	int64_t    *tables = table->stack;	/* best, low and high */
	int64_t    *best;

	table->heap = NULL;
	table->before = before;
	if (n > STACK_ITEMS)
	{
		tables = table->heap = xmc_alloc(ctx, sets + low_size + high_size, sizeof(int64_t));
		XMC_NEED(tables, ctx);
	}
	table->n = n;
	table->half = half;
	table->best = best = tables;
	table->low = tables + sets;
	table->high = table->low + low_size;
	fill_half(n, s, 0, half, table->low);
	fill_half(n, s, half, n - half, table->high);

	best[0] = 0;
	for (uint32_t set = 1; set < sets; set++)
	{
		const int64_t *low = table->low + (set & ((1u << half) - 1)) * n;
		const int64_t *high = table->high + (set >> half) * n;

		best[set] = before ? best_of_set(best, low, high, before, set) : best_of_set(best, low, high, NULL, set);
		if (set % STOP_SETS == 0)
		{
			xmc_status	status = xmc_check_stop(ctx);

			if (status != XMC_OK)
			{
				subset_release(ctx, table);
				return status;
			}
		}
	}
	return XMC_OK;
}

/* before[j] (n): the set of the items that must stand before item j. Errors: XMC_BAD_INPUT for a cycle. */
static xmc_status
find_before(xmc_ctx *ctx, int32_t n, const uint8_t *decided, uint32_t *before)
{
	uint32_t	placed = 0;

	memset(before, 0, sizeof(uint32_t) * (size_t) n);
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = 0; j < n; j++)
			if (decided[i * n + j] == XMC_DECIDED_BEFORE)
				before[j] |= 1u << i;
	/* Items whose predecessors are placed, again and again: n rounds place all items, unless there is a cycle. */
	for (int32_t round = 0; round < n; round++)
		for (int32_t j = 0; j < n; j++)
			if (!(before[j] & ~placed))
				placed |= 1u << j;
	return placed == (1u << n) - 1 ? XMC_OK : xmc_decided_cycle(ctx);
}

xmc_status
xmc_decode_exact(xmc_ctx *ctx, int32_t n, const float *s, const uint8_t *decided, int32_t *order, double *value)
{
	uint32_t	before[XMC_EXACT_ITEMS];
	subset_table table;
	uint32_t	set;

	if (n > XMC_EXACT_ITEMS)
		return xmc_fail(ctx, XMC_LIMIT, "cannot order %d items exactly: the limit is %d", n, XMC_EXACT_ITEMS);
	XMC_TRY(check_scores(ctx, n, s));
	if (decided)
		XMC_TRY(find_before(ctx, n, decided, before));
	XMC_TRY(subset_solve(ctx, n, s, decided ? before : NULL, &table));

	/* At each place the smallest item that attains the maximum: this gives the lexicographically smallest optimal order. */
	set = (1u << n) - 1;
	for (int32_t k = 0; k < n; k++)
	{
		for (uint32_t rest = set; rest; rest &= rest - 1)
		{
			int32_t		j = __builtin_ctz(rest);

			if (may_be_first(table.before, set, j) &&
				table.best[set ^ (1u << j)] + subset_sum(&table, set, j) == table.best[set])
			{
				order[k] = j;
				break;
			}
		}
		set ^= 1u << order[k];
	}
	if (value)
		*value = (double) table.best[(1u << n) - 1] * XMC_SCORE_GRID;
	subset_release(ctx, &table);
	return XMC_OK;
}

/* ---- search: insertion moves, annealed ---- */

/*
 * A move is an insertion: an item leaves its place and enters another, and the items between shift by one. One walk over
 * the order gives the gains of all targets of one item (Schiavinotto and Stuetzle 2004), so a pass of the local search
 * takes O(n^2) time. Annealing (Kirkpatrick et al. 1983) leaves local optima by heat-bath steps: a random item goes to a
 * place drawn with probability proportional to exp(gain / temperature).
 *
 * The temperature falls geometrically from ANNEAL_HOT to ANNEAL_COLD, in units of the mean gain of the pairs that the first
 * local optimum leaves violated. Only these pairs are in doubt, so the unit does not depend on how large the other scores
 * are. Small instances are cooled several times, because one cooling is cheap and may end in a poor local optimum. Most
 * steps consider targets at most ANNEAL_WINDOW places away, where nearly all accepted moves end; every ANNEAL_FULL-th step
 * considers all. The budget is a number of steps, not a time, so the result is the same on every machine.
 */
#define ANNEAL_SWEEPS_PER_ITEM 100	/* sweeps of n steps each, */
#define ANNEAL_STEPS 270000		/* but at most so many steps in total */
#define ANNEAL_COOLING 500		/* least number of sweeps of one cooling, if there are as many */
#define ANNEAL_HOT 3.0
#define ANNEAL_COLD 0.1
#define ANNEAL_WINDOW 40
#define ANNEAL_FULL 3
#define ANNEAL_CUT 6.0			/* targets this many temperatures below the best gain (probability e^-6) are left out */
#define SEARCH_SEED 1

/*
 * Items are renumbered by their rank in the Borda start; the search sees only `gain` in that numbering. So if no two Borda
 * sums tie, the caller's numbering cannot change the order that is found.
 */
typedef struct search
{
	int32_t		n;
	const uint8_t *decided;		/* (n, n) by the caller's numbers, or NULL */
	/* (n, n): s(a, b) - s(b, a), by how much the value is larger if a stands before b; 0 where that is decided */
	int64_t    *gain;
	int64_t    *running;		/* (n): the gains of the item last examined, by target place */
	double	   *weight;			/* (n): cumulative unnormalised probabilities of the targets */
	int32_t    *target;			/* (n): the places that `weight` is of */
	int32_t    *item;			/* (n): the caller's number of each Borda rank */
	int32_t    *order;			/* (n): the item at a place */
	int32_t    *place;			/* (n): its inverse; only the local search keeps it up to date */
	int32_t    *best;			/* (n): the best order so far */
	int32_t    *queue;			/* (n): ring buffer of items that the local search must examine */
	bool	   *queued;			/* (n) */
	int32_t		queue_head;
	int32_t		queue_length;
	/* sum of abs(gain) over violated pairs, whose order contradicts their score; 0 is optimal */
	int64_t		lost;
	int64_t		work;			/* cells since the last call of the stop callback */
	xmc_random	random;
} search;

typedef struct ranked
{
	int64_t		sum;
	int32_t		item;
} ranked;

static int
compare_ranked(const void *left, const void *right)
{
	const ranked *a = left;
	const ranked *b = right;

	if (a->sum != b->sum)
		return a->sum > b->sum ? -1 : 1;
	return a->item < b->item ? -1 : a->item > b->item;
}

/* Whether the item of Borda rank a must stand before that of rank b. */
static inline bool
must_precede(const search *sr, int32_t a, int32_t b)
{
	return sr->decided && sr->decided[(size_t) sr->item[a] * sr->n + sr->item[b]] == XMC_DECIDED_BEFORE;
}

static void
search_release(xmc_ctx *ctx, search *sr)
{
	xmc_release(ctx, sr->gain);
	xmc_release(ctx, sr->weight);
	xmc_release(ctx, sr->item);
	xmc_release(ctx, sr->queued);
}

/* The Borda start: items in falling order of the sum of their gains, ties to the smaller number. */
static xmc_status
rank_items(xmc_ctx *ctx, int32_t n, const float *s, ranked *rank)
{
	int64_t		work = 0;

	for (int32_t i = 0; i < n; i++)
	{
		rank[i].item = i;
		for (int32_t j = i + 1; j < n; j++)
		{
			int64_t		gain = score_units(s[(size_t) i * n + j]) - score_units(s[(size_t) j * n + i]);

			rank[i].sum += gain;
			rank[j].sum -= gain;
		}
		XMC_TRY(xmc_spend(ctx, &work, n - i));
	}
	qsort(rank, n, sizeof(ranked), compare_ranked);
	return XMC_OK;
}

/* The gains, in the numbering of the Borda start. */
static xmc_status
fill_gains(xmc_ctx *ctx, const float *s, search *sr)
{
	int32_t		n = sr->n;
	int64_t		work = 0;

	for (int32_t a = 0; a < n; a++)
	{
		sr->gain[(size_t) a * n + a] = 0;
		for (int32_t b = a + 1; b < n; b++)
		{
			size_t		i = sr->item[a];
			size_t		j = sr->item[b];
			int64_t		gain = score_units(s[i * n + j]) - score_units(s[j * n + i]);

			if (must_precede(sr, a, b) || must_precede(sr, b, a))
				gain = 0;
			sr->gain[(size_t) a * n + b] = gain;
			sr->gain[(size_t) b * n + a] = -gain;
			sr->lost += gain < 0 ? -gain : 0;
		}
		XMC_TRY(xmc_spend(ctx, &work, n - a));
	}
	return XMC_OK;
}

/*
 * Makes the start fulfil the decisions: the order of that kind which is nearest to the Borda start. Sets lost to what
 * contradicts its score in this order.
 */
static xmc_status
start_from_extension(xmc_ctx *ctx, search *sr)
{
	int32_t		n = sr->n;
	int64_t		work = 0;

	XMC_TRY(xmc_decided_extend(ctx, n, sr->decided, n, sr->item, sr->best));
	/* place[i]: the Borda rank of the caller's item i */
	for (int32_t a = 0; a < n; a++)
		sr->place[sr->item[a]] = a;
	for (int32_t k = 0; k < n; k++)
		sr->order[k] = sr->place[sr->best[k]];
	sr->lost = 0;
	for (int32_t k = 0; k < n; k++)
	{
		const int64_t *row = sr->gain + (size_t) sr->order[k] * n;

		for (int32_t l = k + 1; l < n; l++)
			sr->lost -= row[sr->order[l]] < 0 ? row[sr->order[l]] : 0;
		XMC_TRY(xmc_spend(ctx, &work, n - k));
	}
	return XMC_OK;
}

/*
 * Allocates and fills everything for a search from the Borda start. On success the caller must call search_release.
 */
static xmc_status
search_start(xmc_ctx *ctx, int32_t n, const float *s, const uint8_t *decided, search *sr)
{
	ranked	   *rank = xmc_zalloc(ctx, n, sizeof(ranked));
	xmc_status	status;

	*sr = (search){.n = n,.decided = decided};
	sr->gain = xmc_alloc(ctx, (size_t) n * n + n, sizeof(int64_t));
	sr->weight = xmc_alloc(ctx, n, sizeof(double));
	sr->item = xmc_alloc(ctx, (size_t) n * 6, sizeof(int32_t));
	sr->queued = xmc_zalloc(ctx, n, sizeof(bool));
	if (!rank || !sr->gain || !sr->weight || !sr->item || !sr->queued)
	{
		xmc_release(ctx, rank);
		search_release(ctx, sr);
		return xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	}
	sr->running = sr->gain + (size_t) n * n;
	sr->order = sr->item + n;
	sr->place = sr->order + n;
	sr->best = sr->place + n;
	sr->queue = sr->best + n;
	sr->target = sr->queue + n;

	status = rank_items(ctx, n, s, rank);
	for (int32_t a = 0; a < n && status == XMC_OK; a++)
	{
		sr->item[a] = rank[a].item;
		sr->order[a] = a;
	}
	xmc_release(ctx, rank);
	if (status == XMC_OK)
		status = fill_gains(ctx, s, sr);
	if (status == XMC_OK && decided)
		status = start_from_extension(ctx, sr);
	if (status != XMC_OK)
		search_release(ctx, sr);
	return status;
}

/* Narrows the targets low .. high of the item at place `from` to those that pass no item which decisions hold on its side. */
static inline void
allowed_targets(const search *sr, int32_t from, int32_t *low, int32_t *high)
{
	int32_t		first = from;
	int32_t		last = from;

	if (!sr->decided)
		return;
	while (first > *low && !must_precede(sr, sr->order[first - 1], sr->order[from]))
		first--;
	while (last < *high && !must_precede(sr, sr->order[from], sr->order[last + 1]))
		last++;
	*low = first;
	*high = last;
}

/*
 * Sets running[k], for low <= k <= high, to the gain of moving the item at place `from` to place k. Returns the largest;
 * the gain at `from` is 0. The item passes its neighbours one by one, and each adds one entry of the item's row of gains.
 */
static inline int64_t
insertion_gains(search *sr, int32_t from, int32_t low, int32_t high)
{
	const int32_t *order = sr->order;
	const int64_t *row = sr->gain + (size_t) order[from] * sr->n;
	int64_t    *running = sr->running;
	int64_t		sum = 0;
	int64_t		top = 0;

	running[from] = 0;
	for (int32_t k = from - 1; k >= low; k--)
	{
		running[k] = sum += row[order[k]];
		top = sum > top ? sum : top;
	}
	sum = 0;
	for (int32_t k = from + 1; k <= high; k++)
	{
		running[k] = sum -= row[order[k]];
		top = sum > top ? sum : top;
	}
	return top;
}

/* Moves the item at place `from` to place `to`; running holds its gains. */
static inline void
insert(search *sr, int32_t from, int32_t to)
{
	int32_t		item = sr->order[from];

	if (from < to)
		memmove(sr->order + from, sr->order + from + 1, sizeof(int32_t) * (to - from));
	else
		memmove(sr->order + to + 1, sr->order + to, sizeof(int32_t) * (from - to));
	sr->order[to] = item;
	sr->lost -= sr->running[to];
}

static inline void
enqueue(search *sr, int32_t item)
{
	int32_t		tail = sr->queue_head + sr->queue_length;

	if (sr->queued[item])
		return;
	sr->queued[item] = true;
	sr->queue[tail < sr->n ? tail : tail - sr->n] = item;
	sr->queue_length++;
}

/*
 * Local search: each item moves to its best place as long as that gains. Of equally good places the nearest is taken, then
 * the left one. An item is examined again after a move has passed it. The last round over all items moves nothing, so the
 * result is a local optimum.
 */
static xmc_status
improve(xmc_ctx *ctx, search *sr)
{
	bool		moved;

	for (int32_t k = 0; k < sr->n; k++)
		sr->place[sr->order[k]] = k;
	do
	{
		moved = false;
		for (int32_t k = 0; k < sr->n; k++)
			enqueue(sr, sr->order[k]);
		while (sr->queue_length > 0)
		{
			int32_t		item = sr->queue[sr->queue_head];
			int32_t		from = sr->place[item];
			int32_t		to = from;
			int32_t		low = 0;
			int32_t		high = sr->n - 1;
			int64_t		best;

			allowed_targets(sr, from, &low, &high);
			best = insertion_gains(sr, from, low, high);
			sr->queue_head = sr->queue_head + 1 < sr->n ? sr->queue_head + 1 : 0;
			sr->queue_length--;
			sr->queued[item] = false;
			for (int32_t d = 1; best > 0 && to == from; d++)
			{
				if (from - d >= low && sr->running[from - d] == best)
					to = from - d;
				else if (from + d <= high && sr->running[from + d] == best)
					to = from + d;
			}
			if (to != from)
			{
				insert(sr, from, to);
				moved = true;
				for (int32_t k = from < to ? from : to; k <= (from < to ? to : from); k++)
				{
					sr->place[sr->order[k]] = k;
					enqueue(sr, sr->order[k]);
				}
			}
			XMC_TRY(xmc_spend(ctx, &sr->work, sr->n));
		}
	} while (moved);
	return XMC_OK;
}

/*
 * One heat-bath step: the item at a random place moves to a place within `window` of it, drawn with probability
 * proportional to exp(gain * beta). Targets whose exponent is more than ANNEAL_CUT below the largest are left out.
 */
static xmc_status
heat_bath(xmc_ctx *ctx, search *sr, double beta, int32_t window)
{
	int32_t		from = (int32_t) xmc_random_below(&sr->random, sr->n);
	int32_t		low = from > window ? from - window : 0;
	int32_t		high = from < sr->n - 1 - window ? from + window : sr->n - 1;
	int32_t		targets = 0;
	int32_t		chosen = 0;
	int64_t		top;
	double		least;
	int64_t		threshold;

	allowed_targets(sr, from, &low, &high);
	top = insertion_gains(sr, from, low, high);
	least = (double) top - ANNEAL_CUT / beta;
	threshold = least > -0x1p62 ? (int64_t) least : INT64_MIN;
	/* Collect the targets whose probability is not negligible. */
	for (int32_t k = low; k <= high; k++)
	{
		sr->target[targets] = k;
		targets += sr->running[k] >= threshold;
	}
	/* Draw one of them by its cumulative probability. */
	if (targets > 1)
	{
		double		sum = 0;
		double		drawn;

		for (int32_t q = 0; q < targets; q++)
			sr->weight[q] = sum += exp((double) (sr->running[sr->target[q]] - top) * beta);
		drawn = xmc_random_uniform(&sr->random) * sum;
		while (chosen < targets - 1 && sr->weight[chosen] <= drawn)
			chosen++;
	}
	if (sr->target[chosen] != from)
		insert(sr, from, sr->target[chosen]);
	return xmc_spend(ctx, &sr->work, high - low + 1);
}

/* Annealing from the order as it is; leaves the best order that was met. */
static xmc_status
anneal(xmc_ctx *ctx, search *sr)
{
	int32_t		n = sr->n;
	int64_t		violated = 0;
	int64_t		least_lost = sr->lost;
	int32_t		enough = ANNEAL_SWEEPS_PER_ITEM * n;
	int32_t		sweeps = enough < ANNEAL_STEPS / n ? enough : ANNEAL_STEPS / n;
	int32_t		cooling = sweeps / (sweeps > ANNEAL_COOLING ? sweeps / ANNEAL_COOLING : 1);
	double		scale;

	/* The unit of temperature: the mean gain of the violated pairs. */
	for (int32_t a = 0; a < n; a++)
	{
		for (int32_t b = a + 1; b < n; b++)
			violated += sr->gain[(size_t) sr->order[a] * n + sr->order[b]] < 0;
		XMC_TRY(xmc_spend(ctx, &sr->work, n - a));
	}
	scale = (double) sr->lost / (double) (violated ? violated : 1);
	/* Sweeps of n steps; the temperature falls within each cooling and starts again at the next. */
	memcpy(sr->best, sr->order, sizeof(int32_t) * n);
	for (int32_t sweep = 0; sweep < sweeps && least_lost > 0; sweep++)
	{
		double		share = (double) (sweep % cooling) / cooling;
		double		beta = 1 / (scale * ANNEAL_HOT * pow(ANNEAL_COLD / ANNEAL_HOT, share));

		for (int32_t step = 0; step < n; step++)
			XMC_TRY(heat_bath(ctx, sr, beta, step % ANNEAL_FULL ? ANNEAL_WINDOW : n));
		if (sr->lost < least_lost)
		{
			least_lost = sr->lost;
			memcpy(sr->best, sr->order, sizeof(int32_t) * n);
		}
	}
	memcpy(sr->order, sr->best, sizeof(int32_t) * n);
	sr->lost = least_lost;
	return XMC_OK;
}

/* Local search, annealing if pairs are still violated, and local search again. */
static xmc_status
search_run(xmc_ctx *ctx, search *sr)
{
	bool		moved = true;

	xmc_random_seed(&sr->random, SEARCH_SEED);
	XMC_TRY(improve(ctx, sr));
	if (sr->lost > 0)
	{
		XMC_TRY(anneal(ctx, sr));
		XMC_TRY(improve(ctx, sr));
	}
	/*
	 * Neighbours whose order does not change the value, copies of one step for instance, are sorted by the caller's number.
	 */
	while (moved)
	{
		moved = false;
		for (int32_t k = 1; k < sr->n; k++)
		{
			int32_t		a = sr->order[k - 1];
			int32_t		b = sr->order[k];

			if (sr->gain[(size_t) a * sr->n + b] == 0 && sr->item[a] > sr->item[b] && !must_precede(sr, a, b))
			{
				sr->order[k - 1] = b;
				sr->order[k] = a;
				moved = true;
			}
		}
		XMC_TRY(xmc_spend(ctx, &sr->work, sr->n));
	}
	return XMC_OK;
}

/* The sum of the rounded scores over all pairs of the order. */
static xmc_status
order_value(xmc_ctx *ctx, int32_t n, const float *s, const int32_t *order, double *value)
{
	int64_t		sum = 0;
	int64_t		work = 0;

	for (int32_t a = 0; a < n; a++)
	{
		const float *row = s + (size_t) order[a] * n;

		for (int32_t b = a + 1; b < n; b++)
			sum += score_units(row[order[b]]);
		XMC_TRY(xmc_spend(ctx, &work, n - a));
	}
	*value = (double) sum * XMC_SCORE_GRID;
	return XMC_OK;
}

xmc_status
xmc_decode_search(xmc_ctx *ctx, int32_t n, const float *s, const uint8_t *decided, int32_t *order, double *value)
{
	search		sr;
	xmc_status	status;

	XMC_TRY(check_scores(ctx, n, s));
	XMC_TRY(search_start(ctx, n, s, decided, &sr));
	status = search_run(ctx, &sr);
	if (status == XMC_OK)
	{
		for (int32_t k = 0; k < n; k++)
			order[k] = sr.item[sr.order[k]];
		if (value)
			status = order_value(ctx, n, s, order, value);
	}
	search_release(ctx, &sr);
	return status;
}

xmc_status
xmc_decode(xmc_ctx *ctx, int32_t n, const float *s, const uint8_t *decided, int32_t *order, double *value)
{
	if (n <= XMC_EXACT_ITEMS)
		return xmc_decode_exact(ctx, n, s, decided, order, value);
	return xmc_decode_search(ctx, n, s, decided, order, value);
}
