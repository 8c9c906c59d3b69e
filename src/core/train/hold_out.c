/* hold_out.c - which documents a training holds out; see hold_out.h */
#include "xmcoh/hold_out.h"

#include "xmcoh/groups.h"
#include "xmcoh/train.h"

#include <string.h>

#define THRESHOLD_BITS 52		/* of a double's fraction */
#define SEEDS 32				/* that are tried where groups have several documents */

/* The groups of the labelled documents. */
typedef struct labelled_groups
{
	int32_t		n;
	int32_t		documents;		/* labelled ones of all groups */
	const char **name;			/* (n) */
	int32_t    *size;			/* (n) labelled documents */
} labelled_groups;

/* What a rule holds out. */
typedef struct held_out_count
{
	int32_t		groups;
	int32_t		documents;
} held_out_count;

static held_out_count
count(const labelled_groups *g, xmc_hold_out_rule rule)
{
	held_out_count c = {0};

	for (int32_t k = 0; k < g->n; k++)
		if (xmc_held_out(g->name[k], strlen(g->name[k]), rule.seed, rule.threshold))
		{
			c.groups++;
			c.documents += g->size[k];
		}
	return c;
}

/* Whether as much is held out as the report needs. */
static bool
is_enough(const labelled_groups *g, xmc_hold_out_rule rule)
{
	int32_t		third = g->n / 3;
	int32_t		least = third < XMC_MIN_HELD_OUT_DOCUMENTS ? third : XMC_MIN_HELD_OUT_DOCUMENTS;
	held_out_count c = count(g, rule);

	return c.documents >= XMC_MIN_HELD_OUT_DOCUMENTS && c.groups >= least && c.groups > 0;
}

/* The rule of one seed: the lowest threshold from `share` on that holds out enough. */
static xmc_hold_out_rule
rule_of_seed(const labelled_groups *g, int32_t seed, double share)
{
	xmc_hold_out_rule rule = {seed, share};
	double		low = share;
	double		high = 1;

	if (g->documents < XMC_MIN_APPROVED_DOCUMENTS || is_enough(g, rule))
		return rule;
	/* Bisection to the last bit. */
	for (int step = 0; step < THRESHOLD_BITS; step++)
	{
		rule.threshold = low + (high - low) / 2;
		if (is_enough(g, rule))
			high = rule.threshold;
		else
			low = rule.threshold;
	}
	rule.threshold = high;
	return rule;
}

/* The first seed that holds out at most half of the documents; if there is none, the seed that holds out fewest. */
static xmc_status
choose_rule(xmc_ctx *ctx, const labelled_groups *g, const xmc_options *options, xmc_hold_out_rule *rule)
{
	int32_t		fewest;

	*rule = rule_of_seed(g, options->seed, options->held_out);
	fewest = count(g, *rule).documents;
	for (int32_t k = 1; k < SEEDS && g->n < g->documents && fewest > g->documents / 2; k++)
	{
		xmc_hold_out_rule next = rule_of_seed(g, (int32_t) ((uint32_t) options->seed + (uint32_t) k), options->held_out);
		int32_t		documents = count(g, next).documents;

		XMC_TRY(xmc_check_stop(ctx));
		if (documents < fewest)
		{
			*rule = next;
			fewest = documents;
		}
	}
	return XMC_OK;
}

/*
 * Collects the groups that have labelled documents. number (n): of the group of each document among all groups; place
 * (n): of that group among those with labelled documents, -1: it has none.
 */
static void
collect(int32_t n, const xmc_document *document, char *const *name, const int32_t *number, int32_t *place,
		labelled_groups *g)
{
	for (int32_t k = 0; k < n; k++)
		place[k] = -1;
	for (int32_t d = 0; d < n; d++)
	{
		int32_t    *at = &place[number[d]];

		if (document[d].n_pairs == 0)
			continue;
		if (*at < 0)
		{
			*at = g->n;
			g->name[g->n] = name[d];
			g->size[g->n++] = 0;
		}
		g->size[*at]++;
		g->documents++;
	}
}

static xmc_status
hold_out(xmc_arena *scratch, const xmc_options *options, int32_t n, const xmc_document *document, char *const *name,
		 uint8_t *held_out, xmc_hold_out_rule *rule)
{
	uint64_t   *group = xmc_arena_alloc(scratch, (size_t) n, sizeof *group);
	int32_t    *number = xmc_arena_alloc(scratch, (size_t) n, sizeof *number);
	int32_t    *place = xmc_arena_alloc(scratch, (size_t) n, sizeof *place);
	labelled_groups g = {.name = xmc_arena_alloc(scratch, (size_t) n, sizeof *g.name),
	.size = xmc_arena_alloc(scratch, (size_t) n, sizeof *g.size)};
	int32_t		n_groups;

	if (!group || !number || !place || !g.name || !g.size)
		return xmc_fail(scratch->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t d = 0; d < n; d++)
		group[d] = document[d].group;
	XMC_TRY(xmc_number_groups(scratch->ctx, n, group, number, &n_groups));
	collect(n, document, name, number, place, &g);
	if (g.n == 1 && g.documents >= XMC_MIN_APPROVED_DOCUMENTS)
		return xmc_fail(scratch->ctx, XMC_BAD_INPUT, "all %d approved documents are one group, so there is no other group"
						" to hold out", g.documents);
	XMC_TRY(choose_rule(scratch->ctx, &g, options, rule));
	for (int32_t d = 0; d < n; d++)
		held_out[d] = place[number[d]] >= 0 && xmc_held_out(name[d], strlen(name[d]), rule->seed, rule->threshold);
	return XMC_OK;
}

xmc_status
xmc_hold_out(xmc_ctx *ctx, const xmc_options *options, int32_t n, const xmc_document *document, char *const *name,
			 uint8_t *held_out, xmc_hold_out_rule *rule)
{
	xmc_arena	scratch;
	xmc_status	status;

	*rule = (xmc_hold_out_rule){options->seed, options->held_out};
	xmc_arena_init(&scratch, ctx);
	status = hold_out(&scratch, options, n, document, name, held_out, rule);
	xmc_arena_free(&scratch);
	return status;
}
