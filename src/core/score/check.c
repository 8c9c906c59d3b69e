/* check.c - see check.h */
#include "xmcoh/check.h"
#include "xmcoh/order.h"

#include <math.h>
#include <stdlib.h>

#define ROUNDING 1e-9			/* 1 - 0.9 is less than a tenth */

/* ---- the threshold ---- */

bool
xmc_has_reliability(const xmc_model *model)
{
	return model->reliability.n > 0;
}

double
xmc_check_threshold(const xmc_model *model, xmc_score_kind kind, double precision)
{
	double		least = log(precision / (1 - precision));
	double		threshold = INFINITY;

	if (!xmc_has_reliability(model))
		return least;
	for (int32_t r = 0; r < model->reliability.n; r++)
	{
		const float *row = model->reliability.row[r];

		/*
		 * Of G groups and one new one, which is like them, the new one is not likelier than the others to have a mistake. So
		 * the expected share of mistaken documents of the new group is at most (mistaken + 1) / (G + 1).
		 */
		if (row[XMC_RELIABILITY_KIND] == (float) kind &&
			row[XMC_RELIABILITY_MISTAKEN] + 1 <= (1 - precision + ROUNDING) * (row[XMC_RELIABILITY_GROUPS] + 1) &&
			row[XMC_RELIABILITY_LEVEL] < threshold)
			threshold = row[XMC_RELIABILITY_LEVEL];
	}
	return threshold > least ? threshold : least;
}

/* ---- pairs ---- */

/* An item in the stored order. */
typedef struct placed_item
{
	double		position;
	int32_t		item;
} placed_item;

static int
compare_placed(const void *a, const void *b)
{
	const placed_item *x = a;
	const placed_item *y = b;

	if (x->position != y->position)
		return x->position < y->position ? -1 : 1;
	return (x->item > y->item) - (x->item < y->item);
}

/* The items of one document while it is checked. */
typedef struct checked
{
	int32_t		n;
	const float *s;				/* (n, n) */
	const uint8_t *decided;		/* (n, n) or NULL */
	int32_t		m;				/* items with a position */
	placed_item *stored;		/* (m) the stored order */
	int32_t    *order;			/* (m) the recovered order */
	int32_t    *place;			/* (n) place of each item in the recovered order, from 0 */
	int32_t    *rank;			/* (n) place of each item in the stored order, from 0 */
	int32_t    *best;			/* (m) scratch of find_moves */
	int32_t    *before;			/* (m) scratch of find_moves */
} checked;

static xmc_decision
decision_of(const checked *c, int32_t a, int32_t b)
{
	return c->decided ? (xmc_decision) c->decided[(size_t) a * (size_t) c->n + (size_t) b] : XMC_UNDECIDED;
}

/* The probability that item a stands before item b. */
static double
probability_of(const checked *c, int32_t a, int32_t b)
{
	switch (decision_of(c, a, b))
	{
		case XMC_DECIDED_BEFORE:
			return 1;
		case XMC_DECIDED_AFTER:
			return 0;
		case XMC_DECIDED_EITHER:
			return 0.5;
		case XMC_UNDECIDED:
			break;
	}
	return xmc_probability(c->s[(size_t) a * (size_t) c->n + (size_t) b]);
}

/* Counts the pair of which item a is stored before item b. */
static void
add_pair(const checked *c, int32_t a, int32_t b, double threshold, double *stored, double *recovered, xmc_check *out)
{
	xmc_decision decision = decision_of(c, a, b);
	double		p = probability_of(c, a, b);
	double		agrees = 2 * p - 1;
	bool		confident = decision != XMC_UNDECIDED ||
		fabs((double) c->s[(size_t) a * (size_t) c->n + (size_t) b]) >= threshold;

	out->pairs++;
	out->decided_pairs += decision != XMC_UNDECIDED;
	out->confident_pairs += confident;
	if (decision == XMC_DECIDED_EITHER)
	{
		*stored += 1;
		*recovered += 1;
		return;
	}
	*stored += agrees;
	*recovered += c->place[a] < c->place[b] ? agrees : -agrees;
	if (confident && p < 0.5)
	{
		out->violated_pairs++;
		if (!(1 - p <= out->worst_probability))	/* NaN: the first one */
		{
			out->worst_probability = 1 - p;
			out->worst_before = b;
			out->worst_after = a;
		}
	}
}

static xmc_status
add_pairs(xmc_ctx *ctx, const checked *c, double threshold, xmc_check *out)
{
	double		stored = 0;		/* sums of 2p - 1 */
	double		recovered = 0;
	int64_t		work = 0;

	for (int32_t k = 0; k < c->m; k++)
	{
		for (int32_t l = k + 1; l < c->m; l++)
			if (c->stored[k].position < c->stored[l].position)
				add_pair(c, c->stored[k].item, c->stored[l].item, threshold, &stored, &recovered, out);
		XMC_TRY(xmc_spend(ctx, &work, c->m - k));
	}
	if (out->pairs > 0)
	{
		out->coherence = stored / (double) out->pairs;
		/* The recovered order maximises the sum of log-odds, which is not always the order of the largest coherence. */
		out->best_coherence = fmax(stored, recovered) / (double) out->pairs;
		out->gain = out->best_coherence - out->coherence;
	}
	if (out->violated_pairs > 0)
		out->verdict = XMC_VERDICT_SUSPECT;
	else if (out->pairs > 0 && 2 * out->confident_pairs >= out->pairs)
		out->verdict = XMC_VERDICT_OK;
	return XMC_OK;
}

/* ---- moves ---- */

/* The surest pair that the move of an item turns round: stored one way, recovered the other. */
static double
surest_turn(const checked *c, int32_t item)
{
	double		surest = 0;

	for (int32_t k = 0; k < c->m; k++)
	{
		int32_t		other = c->stored[k].item;
		bool		is_before = c->stored[k].position < c->stored[c->rank[item]].position;	/* in the stored order */
		bool		stays_before = c->place[other] < c->place[item];
		double		p;

		if (c->stored[k].position == c->stored[c->rank[item]].position || is_before == stays_before)
			continue;
		p = is_before ? probability_of(c, item, other) : probability_of(c, other, item);
		surest = p > surest ? p : surest;
	}
	return surest;
}

/*
 * The items outside a longest subsequence of the recovered order along which stored positions do not fall (Schensted 1961):
 * best[l] is the end of such a subsequence of length l + 1 with the lowest last position, as a place in the recovered
 * order; before[k] the place before k in its subsequence, or -1. Items with the same position stay together.
 */
static xmc_status
find_moves(xmc_ctx *ctx, checked *c, xmc_check *out)
{
	int32_t		length = 0;
	int32_t		n_moves = 0;
	int64_t		work = 0;

	for (int32_t k = 0; k < c->m; k++)
	{
		double		position = c->stored[c->rank[c->order[k]]].position;
		int32_t		low = 0;
		int32_t		high = length;

		/* the first length whose end lies behind this item */
		while (low < high)
		{
			int32_t		middle = low + (high - low) / 2;

			if (c->stored[c->rank[c->order[c->best[middle]]]].position <= position)
				low = middle + 1;
			else
				high = middle;
		}
		c->before[k] = low > 0 ? c->best[low - 1] : -1;
		c->best[low] = k;
		length += low == length;
	}
	if (length == c->m)
		return XMC_OK;
	/* before[l] from here on: whether the item at place l of the recovered order stays */
	for (int32_t k = c->best[length - 1], l = c->m - 1; l >= 0; l--)
	{
		bool		stays = l == k;

		k = stays ? c->before[l] : k;
		c->before[l] = stays;
	}
	out->move = xmc_alloc(ctx, (size_t) (c->m - length), sizeof(xmc_move));
	XMC_NEED(out->move, ctx);
	for (int32_t r = 0; r < c->m; r++)
	{
		int32_t		item = c->stored[r].item;

		if (c->before[c->place[item]])
			continue;
		out->move[n_moves++] = (xmc_move){item, r + 1, c->place[item] + 1, surest_turn(c, item)};
		XMC_TRY(xmc_spend(ctx, &work, c->m));
	}
	out->n_moves = n_moves;
	return XMC_OK;
}

/* ---- a document ---- */

static xmc_status
check(xmc_ctx *ctx, checked *c, const double *position, double threshold, xmc_check *out)
{
	for (int32_t i = 0; i < c->n; i++)
		if (!isnan(position[i]))
			c->stored[c->m++] = (placed_item){position[i], i};
	qsort(c->stored, (size_t) c->m, sizeof *c->stored, compare_placed);
	out->items = c->m;
	if (c->m == 0)
		return XMC_OK;
	for (int32_t k = 0; k < c->m; k++)
		c->rank[c->stored[k].item] = k;
	/* best: the items with a position, by number, since ties go to the smaller number */
	for (int32_t i = 0, k = 0; i < c->n; i++)
		if (!isnan(position[i]))
			c->best[k++] = i;
	XMC_TRY(xmc_order_items(ctx, c->n, c->s, c->decided, NULL, c->m, c->best, c->order));
	for (int32_t k = 0; k < c->m; k++)
		c->place[c->order[k]] = k;
	XMC_TRY(add_pairs(ctx, c, threshold, out));
	return find_moves(ctx, c, out);
}

xmc_status
xmc_check_order(xmc_ctx *ctx, int32_t n, const float *s, const uint8_t *decided, const double *position, double threshold,
				xmc_check *out)
{
	checked		c = {.n = n,.s = s,.decided = decided};
	xmc_status	status;

	*out = (xmc_check){.coherence = NAN,.best_coherence = NAN,.gain = NAN,.worst_before = -1,.worst_after = -1,
		.worst_probability = NAN,.verdict = XMC_VERDICT_UNSURE};
	c.stored = xmc_alloc(ctx, (size_t) n, sizeof *c.stored);
	c.order = xmc_alloc(ctx, 5 * (size_t) n, sizeof(int32_t));
	if (c.stored && c.order)
	{
		c.place = c.order + n;
		c.rank = c.place + n;
		c.best = c.rank + n;
		c.before = c.best + n;
		status = check(ctx, &c, position, threshold, out);
	}
	else
		status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	xmc_release(ctx, c.stored);
	xmc_release(ctx, c.order);
	if (status != XMC_OK)
	{
		xmc_release(ctx, out->move);
		out->move = NULL;
	}
	return status;
}

/* ---- violated pairs alone ---- */

/* Whether pair x comes before pair y in the list: the surer one; then the one whose wrongly first item stands first. */
static bool
is_worse(const xmc_violated_pair *x, const xmc_violated_pair *y, const double *position)
{
	if (x->probability != y->probability)
		return x->probability > y->probability;
	if (position[x->after] != position[y->after])
		return position[x->after] < position[y->after];
	return position[x->before] < position[y->before];
}

/* Inserts a pair into a list of *n of at most `most`, from which the least sure one falls out. */
static void
insert_violated(xmc_violated_pair new, const double *position, int32_t most, xmc_violated_pair *pair, int32_t *n)
{
	int32_t		k = *n < most ? *n : most - 1;

	if (most == 0 || (*n == most && !is_worse(&new, &pair[k], position)))
		return;
	for (; k > 0 && is_worse(&new, &pair[k - 1], position); k--)
		pair[k] = pair[k - 1];
	pair[k] = new;
	*n += *n < most;
}

xmc_status
xmc_list_violated(xmc_ctx *ctx, int32_t n, const float *s, const uint8_t *decided, const double *position, double threshold,
				  int32_t most, xmc_violated_pair *pair, int64_t *violated)
{
	checked		c = {.n = n,.s = s,.decided = decided};
	int32_t		listed = 0;
	int64_t		work = 0;

	*violated = 0;
	for (int32_t i = 0; i < n; i++)
	{
		for (int32_t j = 0; j < n; j++)
		{
			double		p;

			/* i is stored after j, and surely belongs before it; false where a position is NaN */
			if (!(position[i] > position[j]) ||
				(decision_of(&c, i, j) == XMC_UNDECIDED && !(s[(size_t) i * (size_t) n + (size_t) j] >= threshold)))
				continue;
			p = probability_of(&c, i, j);
			if (p <= 0.5)
				continue;
			++*violated;
			insert_violated((xmc_violated_pair){i, j, p}, position, most, pair, &listed);
		}
		XMC_TRY(xmc_spend(ctx, &work, n));
	}
	return XMC_OK;
}
