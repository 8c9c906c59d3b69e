/* study.c - which documents a cell of a learning curve is taught and measured on, and its figures; see xmcoh/study.h */
#include "xmcoh/study.h"
#include "train/figures.h"
#include "xmcoh/coverage.h"
#include "xmcoh/hash.h"
#include "xmcoh/hold_out.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DRAW_SEED UINT64_C(0x7374756479000000)
#define BLOCK_SEED UINT64_C(0x626c6f636b000000)

/* An approved document. */
typedef struct member
{
	uint64_t	drawn;			/* the place of its group in the draw */
	uint64_t	group;			/* hash of the group's name */
	int32_t		number;			/* of the document */
} member;

/* The documents of one cell. */
typedef struct cell_documents
{
	xmc_arena	scratch;
	int32_t		n_members;
	member	   *member;			/* (n_members) by group as drawn, and in a group by number */
	int32_t		n_taught;		/* the first of them teach */
	int32_t		n;
	xmc_document *document;		/* (n) that teach, and the pool, in the order in which they were given */
	char	  **name;			/* (n) */
	uint8_t    *held_out;		/* (n) */
} cell_documents;

/* ---- sizes ---- */

int32_t
xmc_study_sizes(int32_t approved, int32_t size[XMC_STUDY_DEFAULT_SIZES])
{
	int32_t		largest = (int32_t) ((int64_t) approved * 4 / 5);
	double		ratio = 2;
	int32_t		most = XMC_STUDY_DEFAULT_SIZES;
	int32_t		n = 0;

	if (largest < XMC_STUDY_LEAST || approved - largest < XMC_STUDY_LEAST_MEASURED)
		return 0;
	if (largest < 4 * XMC_STUDY_LEAST)
	{
		ratio = sqrt((double) largest / XMC_STUDY_LEAST);
		most = 3;
	}
	for (int32_t k = most - 1; k >= 0; k--)
	{
		int32_t		next = (int32_t) (largest / pow(ratio, k) + 0.5);

		if (next >= XMC_STUDY_LEAST && (n == 0 || next > size[n - 1]))
			size[n++] = next;
	}
	return n;
}

/* ---- documents ---- */

static int
compare_members(const void *a, const void *b)
{
	const member *x = a;
	const member *y = b;

	if (x->drawn != y->drawn)
		return x->drawn < y->drawn ? -1 : 1;
	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

static int
compare_numbers(const void *a, const void *b)
{
	int32_t		x = *(const int32_t *) a;
	int32_t		y = *(const int32_t *) b;

	return (x > y) - (x < y);
}

static int
compare_hashes(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

static uint64_t
hash_name(const char *name, uint64_t seed)
{
	return xmc_hash_bytes(name, strlen(name), seed);
}

/* Sorts the approved documents by the draw of the sample. */
static xmc_status
draw(cell_documents *c, const xmc_options *options, int32_t n, const xmc_document *document, char *const *name, int32_t sample)
{
	uint64_t	seed = DRAW_SEED + ((uint64_t) options->seed << 8) + (uint64_t) sample;

	c->member = xmc_arena_alloc(&c->scratch, (size_t) n, sizeof *c->member);
	XMC_NEED(c->member, c->scratch.ctx);
	for (int32_t d = 0; d < n; d++)
		if (document[d].n_pairs > 0)
			c->member[c->n_members++] = (member) {hash_name(name[d], seed), hash_name(name[d], BLOCK_SEED), d};
	qsort(c->member, (size_t) c->n_members, sizeof *c->member, compare_members);
	return xmc_check_stop(c->scratch.ctx);
}

/* How many of the members teach: whole groups, as near to the size as groups allow, and at least XMC_STUDY_LEAST. */
static int32_t
count_taught(const cell_documents *c, int32_t size)
{
	int32_t		taught = 0;

	for (int32_t k = 1; k <= c->n_members; k++)
	{
		bool		ends = k == c->n_members || c->member[k].group != c->member[k - 1].group;

		if (ends && (taught < XMC_STUDY_LEAST || abs(k - size) < abs(taught - size)))
			taught = k;
	}
	return taught;
}

/* Whether documents of this group are measured; measured (n): hashes of groups, sorted. */
static bool
is_measured(const uint64_t *measured, int32_t n, const char *name)
{
	uint64_t	group = hash_name(name, BLOCK_SEED);

	return n > 0 && bsearch(&group, measured, (size_t) n, sizeof *measured, compare_hashes) != NULL;
}

/* Lays out the documents that teach and the pool. */
static xmc_status
lay_out(cell_documents *c, int32_t n, const xmc_document *document, char *const *name)
{
	int32_t		n_measured = c->n_members - c->n_taught;
	int32_t    *taught = xmc_arena_alloc(&c->scratch, (size_t) c->n_taught, sizeof *taught);
	uint64_t   *measured = xmc_arena_alloc(&c->scratch, (size_t) n_measured, sizeof *measured);
	int32_t		next = 0;

	c->document = xmc_arena_alloc(&c->scratch, (size_t) n, sizeof *c->document);
	c->name = xmc_arena_alloc(&c->scratch, (size_t) n, sizeof *c->name);
	c->held_out = xmc_arena_zalloc(&c->scratch, (size_t) n, 1);
	if (!taught || !measured || !c->document || !c->name || !c->held_out)
		return xmc_fail(c->scratch.ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t k = 0; k < c->n_taught; k++)
		taught[k] = c->member[k].number;
	for (int32_t k = 0; k < n_measured; k++)
		measured[k] = c->member[c->n_taught + k].group;
	qsort(taught, (size_t) c->n_taught, sizeof *taught, compare_numbers);
	qsort(measured, (size_t) n_measured, sizeof *measured, compare_hashes);
	for (int32_t d = 0; d < n; d++)
	{
		bool		teaches = next < c->n_taught && taught[next] == d;

		next += teaches;
		if (!teaches && (document[d].n_pairs > 0 || is_measured(measured, n_measured, name[d])))
			continue;
		c->document[c->n] = document[d];
		c->name[c->n++] = name[d];
	}
	return xmc_check_stop(c->scratch.ctx);
}

/* ---- figures ---- */

static void
add(double *sum, xmc_curve_figure figure, double value, double weight)
{
	sum[2 * (int) figure] += value;
	sum[2 * (int) figure + 1] += weight;
}

/* The sums of the block that a group belongs to. */
static double *
block_of(xmc_study_cell *cell, uint64_t group)
{
	return cell->sum + (int64_t) (group % XMC_CURVE_BLOCKS) * XMC_CURVE_FIGURES * 2;
}

/* Adds the figures of one document, and judges its order. */
static xmc_status
measure_document(xmc_ctx *ctx, const xmc_model *model, const xmc_document *document, uint64_t seed, double *sum, xmc_judged *judged)
{
	xmc_scores	scores;
	xmc_recovered found;
	xmc_status	status;

	XMC_TRY(xmc_score_documents(ctx, model, 1, document, &scores));
	status = xmc_measure_recovered(ctx, document, &scores, XMC_SCORE_FUSED, seed, &found);
	xmc_scores_free(ctx, &scores);
	XMC_TRY(status);
	judged->confidence = found.confidence;
	if (found.labelled == 0 || isnan(found.quality.tau))
		return XMC_OK;
	judged->right = found.quality.perfect;
	add(sum, XMC_CURVE_TAU, found.quality.tau, 1);
	add(sum, XMC_CURVE_ACC, found.quality.matches, found.labelled);
	add(sum, XMC_CURVE_PMR, found.quality.perfect, 1);
	return XMC_OK;
}

/* Adds which of the measured documents pass. judged (measured) is by member; sorted (measured) is scratch. */
static xmc_status
add_coverage(const cell_documents *c, const xmc_judged *judged, xmc_judged *sorted, xmc_study_cell *cell)
{
	const member *measured = c->member + c->n_taught;
	xmc_coverage coverage;

	memcpy(sorted, judged, (size_t) cell->measured * sizeof *sorted);
	XMC_TRY(xmc_coverage_find(c->scratch.ctx, cell->measured, sorted, XMC_STUDY_PRECISION, &coverage));
	if (coverage.state == XMC_COVERAGE_TOO_FEW)
		return XMC_OK;
	for (int32_t first = 0, end; first < cell->measured; first = end)
	{
		double		passing = 0;

		for (end = first; end < cell->measured && judged[end].group == judged[first].group; end++)
			passing += judged[end].confidence >= coverage.threshold;
		add(block_of(cell, measured[first].group), XMC_CURVE_COVERAGE, passing / (end - first), 1);
	}
	return XMC_OK;
}

static xmc_status
measure(cell_documents *c, const xmc_model *model, const xmc_document *document, xmc_study_cell *cell)
{
	const member *measured = c->member + c->n_taught;
	int32_t		n = c->n_members - c->n_taught;
	xmc_judged *judged = xmc_arena_zalloc(&c->scratch, (size_t) n, sizeof *judged);
	xmc_judged *sorted = xmc_arena_alloc(&c->scratch, (size_t) n, sizeof *sorted);
	xmc_ctx    *ctx = c->scratch.ctx;

	if (!judged || !sorted)
		return xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	cell->measured = n;
	for (int32_t k = 0; k < n; k++)
	{
		int32_t		d = measured[k].number;

		judged[k].group = k == 0 ? 0 : judged[k - 1].group + (measured[k].group != measured[k - 1].group);
		XMC_TRY(measure_document(ctx, model, &document[d], (uint64_t) d, block_of(cell, measured[k].group), &judged[k]));
		XMC_TRY(xmc_check_stop(ctx));
	}
	return add_coverage(c, judged, sorted, cell);
}

/* ---- the cell ---- */

/* Trains on the cell's documents; *model is NULL if they are of too few groups, or hold nothing that the model reads. */
static xmc_status
train(cell_documents *c, const xmc_options *options, const xmc_train_hooks *hooks, xmc_model **model)
{
	xmc_options cheap = *options;
	xmc_train_report report;
	xmc_hold_out_rule rule;
	xmc_status	status;

	cheap.rounds = 0;
	cheap.evaluation_documents = 0;
	*model = NULL;
	status = xmc_hold_out(c->scratch.ctx, &cheap, c->n, c->document, c->name, c->held_out, &rule);
	if (status == XMC_OK)
		status = xmc_train(c->scratch.ctx, &cheap, c->n, c->document, c->held_out, hooks, model, &report);
	return status == XMC_BAD_INPUT ? XMC_OK : status;
}

static xmc_status
run_cell(cell_documents *c, const xmc_options *options, int32_t n, const xmc_document *document, char *const *name,
		 const xmc_train_hooks *hooks, xmc_study_cell *cell)
{
	xmc_model  *model;
	xmc_status	status = XMC_OK;

	XMC_TRY(draw(c, options, n, document, name, cell->sample));
	c->n_taught = cell->taught = count_taught(c, cell->size);
	if (c->n_members - c->n_taught < XMC_STUDY_LEAST_MEASURED)
	{
		(void) xmc_fail(c->scratch.ctx, XMC_BAD_INPUT, "%d approved documents of other groups are left, %d are needed",
						c->n_members - c->n_taught, XMC_STUDY_LEAST_MEASURED);
		return XMC_OK;
	}
	XMC_TRY(lay_out(c, n, document, name));
	XMC_TRY(train(c, options, hooks, &model));
	if (model)
	{
		status = measure(c, model, document, cell);
		xmc_model_free(c->scratch.ctx, model);
	}
	return status;
}

xmc_status
xmc_study_run_cell(xmc_ctx *ctx, const xmc_options *options, int32_t n_documents, const xmc_document *document, char *const *name,
				   const xmc_train_hooks *hooks, xmc_study_cell *cell)
{
	cell_documents c = {0};
	xmc_status	status;

	cell->taught = cell->measured = 0;
	memset(cell->sum, 0, sizeof cell->sum);
	xmc_arena_init(&c.scratch, ctx);
	status = run_cell(&c, options, n_documents, document, name, hooks, cell);
	xmc_arena_free(&c.scratch);
	return status;
}

xmc_status
xmc_study_fingerprint(xmc_ctx *ctx, const xmc_options *options, int32_t n_documents, const xmc_document *document,
					  char *const *name, uint64_t *out)
{
	xmc_checksum sum = {0};

	xmc_options_checksum(&sum, options);
	for (int32_t d = 0; d < n_documents; d++)
	{
		xmc_document_checksum(&sum, options, &document[d]);
		xmc_checksum_add(&sum, name[d], strlen(name[d]) + 1);
		XMC_TRY(xmc_check_stop(ctx));
	}
	*out = xmc_checksum_end(&sum);
	return XMC_OK;
}
