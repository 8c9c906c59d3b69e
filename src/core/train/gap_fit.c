/*
 * gap_fit.c - see gap_fit.h
 *
 * A row is a place of a document out of which one step was taken: the place of that step is a gap, another place of the same
 * kind is none. Both kinds of rows are of documents of the same lengths, so a length tells nothing. Rows of gaps and of others
 * have equal weights within each document. Logistic regression with a ridge penalty tells them apart.
 */
#include "train/gap_fit.h"
#include "model/dims.h"
#include "numeric/beta.h"
#include "numeric/dense.h"
#include "numeric/lbfgs.h"
#include "numeric/vector.h"
#include "train/folds.h"
#include "xmcoh/calibrate.h"
#include "xmcoh/gap.h"
#include "xmcoh/groups.h"
#include "xmcoh/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DOCUMENTS 4000		/* more would hardly change the weights */
#define LEAST_STEPS 3			/* of a document */
#define LEAST_BETWEEN 4			/* of one that has a gap between two steps and another place between two */
#define PENALTIES 6
#define FIRST_PENALTY 0.1
#define PENALTY_RATIO 3
#define MAX_STEPS 40			/* of L-BFGS for one penalty */
#define TOLERANCE 1e-4

/* The rows of one kind of place. */
typedef struct gap_rows
{
	int32_t		n;
	int32_t		features;
	float	   *x;				/* (n, features) */
	float	   *weight;			/* (n) */
	int8_t	   *y;				/* (n) 1: a gap, -1: none */
	int32_t    *group;			/* (n) */
	int32_t    *part;			/* (n) a fold; the number of folds for held-out documents, or for all but these without folds */
} gap_rows;

/* All documents that are read. */
typedef struct gap_documents
{
	int32_t		n;
	const xmc_document **document;
	int32_t    *group;
	int32_t    *part;
	int32_t		n_groups;
	int32_t		parts;			/* the folds, or 1; number `parts` is that of the held-out documents */
} gap_documents;

/* One fit. */
typedef struct gap_fit
{
	xmc_ctx    *ctx;
	const gap_rows *rows;
	int32_t		left_out;		/* the part that does not teach, besides the held-out documents */
	int32_t		held_out;		/* their part */
	double		penalty;
	double		total;			/* weight of the rows that teach */
	float	   *w;				/* (features) */
} gap_fit;

/* ---- rows ---- */

/* Adds documents of one part: all, or evenly so many of them that no more than MOST_DOCUMENTS of `approved` are read. */
static void
add_part(gap_documents *to, int32_t n, const xmc_document *const *document, int32_t part, int32_t approved)
{
	int32_t		stride = (approved + MOST_DOCUMENTS - 1) / MOST_DOCUMENTS;

	for (int32_t d = 0; d < n; d += stride)
	{
		to->document[to->n] = document[d];
		to->part[to->n++] = part;
	}
}

static xmc_status
list_documents(xmc_trainer *t, gap_documents *out)
{
	int32_t		folds = t->report->folds;
	int32_t		approved = t->report->approved_documents;
	size_t		size = (size_t) approved;

	*out = (gap_documents) {.parts = folds > 0 ? folds : 1};
	out->document = xmc_arena_alloc(&t->run_arena, size, sizeof *out->document);
	out->group = xmc_arena_alloc(&t->run_arena, size, sizeof *out->group);
	out->part = xmc_arena_alloc(&t->run_arena, size, sizeof *out->part);
	if (!out->document || !out->group || !out->part)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t f = 0; f < folds; f++)
		add_part(out, t->fold_start[f + 1] - t->fold_start[f], t->out_of_fold.document + t->fold_start[f], f, approved);
	if (folds == 0)
	{
		const xmc_document **sorted = xmc_arena_alloc(&t->run_arena, (size_t) t->n_approved, sizeof *sorted);

		XMC_NEED(sorted, t->ctx);
		memcpy(sorted, t->approved, (size_t) t->n_approved * sizeof *sorted);
		xmc_train_sort_documents(t->n_approved, sorted);
		add_part(out, t->n_approved, sorted, 0, approved);
	}
	add_part(out, t->held_out.n_documents, t->held_out.document, out->parts, approved);
	return xmc_number_document_groups(t->ctx, out->n, out->document, out->group, &out->n_groups);
}

/*
 * The steps of a document in their labelled order, if all pairs of them are labelled: a step has as many steps behind it as
 * it is labelled before. Else 0 steps.
 */
static xmc_status
read_labelled(xmc_trainer *t, const xmc_document *document, xmc_steps *out)
{
	int32_t    *behind = xmc_arena_zalloc(&t->batch_arena, (size_t) document->n, sizeof *behind);
	int32_t    *order = xmc_arena_alloc(&t->batch_arena, (size_t) document->n, sizeof *order);
	int32_t		n = 0;
	int64_t		pairs = 0;

	*out = (xmc_steps) {0};
	if (!behind || !order)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t i = 0; i < document->n; i++)
		n += xmc_gap_is_step(t->options, document->has[i]);
	for (int32_t k = 0; k < document->n_pairs; k++)
	{
		const xmc_pair *pair = &document->pair[k];

		if (!xmc_gap_is_step(t->options, document->has[pair->before]) ||
			!xmc_gap_is_step(t->options, document->has[pair->after]))
			continue;
		behind[pair->before]++;
		pairs++;
	}
	if (n < LEAST_STEPS || pairs != (int64_t) n * (n - 1) / 2)
		return XMC_OK;
	/* The labels are the pairs of one order, so no two steps have equally many behind them. */
	for (int32_t k = 0; k < n; k++)
		order[k] = -1;
	for (int32_t i = 0; i < document->n; i++)
		if (xmc_gap_is_step(t->options, document->has[i]) && behind[i] < n)
			order[n - 1 - behind[i]] = i;
	for (int32_t k = 0; k < n; k++)
		if (order[k] < 0)
			return XMC_OK;
	return xmc_steps_read(&t->batch_arena, t->model, document, n, order, out);
}

static void
add_row(gap_rows *rows, const gap_documents *from, int32_t d, const xmc_steps *steps, int32_t left_out, int32_t place,
		bool is_gap, double weight)
{
	int32_t		r = rows->n++;

	xmc_gap_read(steps, left_out, place, rows->x + (int64_t) r * rows->features);
	rows->y[r] = is_gap ? 1 : -1;
	rows->weight[r] = (float) weight;
	rows->group[r] = from->group[d];
	rows->part[r] = from->part[d];
}

/* Rows (XMC_GAP_KINDS): those of document number d. */
static void
add_document(gap_rows *rows, const gap_documents *from, int32_t d, const xmc_steps *steps)
{
	int32_t		n = steps->n;
	int32_t		between = n - 2;	/* places between two steps, of the n - 1 that stay */

	/* An end: the gap where the first or last step was taken; and the true end, where another step was taken. */
	add_row(&rows[XMC_GAP_FIRST], from, d, steps, 0, 0, true, 0.5);
	add_row(&rows[XMC_GAP_FIRST], from, d, steps, n - 1, 0, false, 0.5);
	add_row(&rows[XMC_GAP_LAST], from, d, steps, n - 1, n - 1, true, 0.5);
	add_row(&rows[XMC_GAP_LAST], from, d, steps, 0, n - 1, false, 0.5);
	if (n < LEAST_BETWEEN)
		return;
	for (int32_t k = 1; k < n - 1; k++)
	{
		/* Another place, which runs through all of them as k does. */
		int32_t		other = 1 + (k - 1 + (between + 1) / 2) % between;

		add_row(&rows[XMC_GAP_BETWEEN], from, d, steps, k, k, true, 0.5 / between);
		add_row(&rows[XMC_GAP_BETWEEN], from, d, steps, k, other, false, 0.5 / between);
	}
}

static xmc_status
make_rows(xmc_trainer *t, gap_documents *from, gap_rows *rows)
{
	for (int kind = 0; kind < XMC_GAP_KINDS; kind++)
	{
		gap_rows   *r = &rows[kind];
		size_t		most = 0;

		for (int32_t d = 0; d < from->n; d++)
			most += kind == XMC_GAP_BETWEEN ? 2 * (size_t) from->document[d]->n : 2;
		*r = (gap_rows) {.features = xmc_gap_features(t->options, (xmc_gap_kind) kind)};
		r->x = xmc_arena_alloc(&t->term_arena, most * (size_t) r->features, sizeof *r->x);
		r->weight = xmc_arena_alloc(&t->term_arena, most, sizeof *r->weight);
		r->y = xmc_arena_alloc(&t->term_arena, most, sizeof *r->y);
		r->group = xmc_arena_alloc(&t->term_arena, most, sizeof *r->group);
		r->part = xmc_arena_alloc(&t->term_arena, most, sizeof *r->part);
		if (!r->x || !r->weight || !r->y || !r->group || !r->part)
			return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	}
	for (int32_t d = 0; d < from->n; d++)
	{
		xmc_steps	steps;

		XMC_TRY(xmc_check_stop(t->ctx));
		xmc_arena_reset(&t->batch_arena);
		XMC_TRY(read_labelled(t, from->document[d], &steps));
		if (steps.n >= LEAST_STEPS)
			add_document(rows, from, d, &steps);
	}
	return XMC_OK;
}

/* ---- the fit ---- */

static double
score_row(const gap_rows *rows, int32_t r, const float *w, double intercept)
{
	return xmc_dot(rows->features, w, rows->x + (int64_t) r * rows->features) + intercept;
}

static bool
teaches(const gap_fit *fit, int32_t r)
{
	return fit->rows->part[r] != fit->left_out && fit->rows->part[r] != fit->held_out;
}

/* Mean loss and penalty at v (features + 1), for xmc_lbfgs_minimise. The intercept has no penalty. */
static xmc_status
objective(void *arg, const double *v, double *value, double *gradient)
{
	gap_fit    *fit = arg;
	const gap_rows *rows = fit->rows;
	int32_t		n = rows->features;
	int64_t		work = 0;

	*value = 0;
	for (int32_t k = 0; k < n; k++)
	{
		fit->w[k] = (float) v[k];
		*value += fit->penalty / 2 * v[k] * v[k];
		gradient[k] = fit->penalty * v[k];
	}
	gradient[n] = 0;
	for (int32_t r = 0; r < rows->n; r++)
	{
		const float *x = rows->x + (int64_t) r * n;
		double		y = rows->y[r];
		double		weight = rows->weight[r] / fit->total;
		double		s;
		double		slope;

		if (!teaches(fit, r))
			continue;
		XMC_TRY(xmc_spend(fit->ctx, &work, n));
		s = y * score_row(rows, r, fit->w, v[n]);
		*value += weight * xmc_softplus_slope(-s, &slope);
		slope *= -weight * y;
		xmc_add_times(n, slope, x, gradient);
		gradient[n] += slope;
	}
	return XMC_OK;
}

static double
penalty_of(int32_t step)
{
	return FIRST_PENALTY * pow(PENALTY_RATIO, -step);
}

/*
 * Scores the rows of each part that some weights did not learn from, s (PENALTIES, rows->n), by those weights. v (PENALTIES,
 * features + 1): the weights that all parts but the held-out documents taught.
 */
static xmc_status
fit_all(xmc_trainer *t, const gap_documents *from, const gap_rows *rows, double *s, double *v)
{
	int64_t		n = rows->features + 1;
	gap_fit		fit = {.ctx = t->ctx,.rows = rows,.held_out = from->parts};
	double	   *x = xmc_arena_alloc(&t->term_arena, (size_t) n, sizeof *x);
	xmc_lbfgs	lbfgs;
	int32_t		first = t->report->folds > 0 ? 0 : from->parts;

	fit.w = xmc_arena_alloc(&t->term_arena, (size_t) n, sizeof *fit.w);
	if (!x || !fit.w)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(xmc_lbfgs_init(&t->term_arena, n, &lbfgs));
	for (fit.left_out = first; fit.left_out <= from->parts; fit.left_out++)
	{
		memset(x, 0, (size_t) n * sizeof *x);
		fit.total = 0;
		for (int32_t r = 0; r < rows->n; r++)
			fit.total += teaches(&fit, r) ? rows->weight[r] : 0;
		for (int32_t step = 0; step < PENALTIES && fit.total > 0; step++)
		{
			double		value;

			fit.penalty = penalty_of(step);
			XMC_TRY(xmc_lbfgs_minimise(&lbfgs, objective, &fit, MAX_STEPS, TOLERANCE, x, &value));
			XMC_TRY(xmc_train_report_progress(t));
			for (int64_t k = 0; k < n - 1; k++)
				fit.w[k] = (float) x[k];
			for (int32_t r = 0; r < rows->n; r++)
				if (rows->part[r] == fit.left_out)
					s[(int64_t) step * rows->n + r] = score_row(rows, r, fit.w, x[n - 1]);
			if (fit.left_out == from->parts)
				memcpy(v + step * n, x, (size_t) n * sizeof *x);
		}
	}
	return XMC_OK;
}

/* ---- what the scores are worth ---- */

typedef struct ranked_row
{
	double		s;
	int32_t		row;
} ranked_row;

static int
compare_scores(const void *a, const void *b)
{
	const ranked_row *x = a;
	const ranked_row *y = b;

	if (x->s != y->s)
		return x->s < y->s ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

/*
 * The AUROC of scored rows (n), the probability that a gap has a higher score than another place, with its 95% interval. Each
 * row of one class has a mean over the rows of the other, and the variance of the AUROC is that of the sums of these over
 * groups (DeLong et al. 1988; Obuchowski 1997, "Nonparametric analysis of clustered ROC curve data"). influence (groups):
 * scratch.
 */
static void
measure(const gap_rows *rows, int32_t n, const ranked_row *ranked, double *influence, int32_t n_groups, xmc_interval *out)
{
	double		weight[2] = {0, 0};	/* of others, of gaps */
	double		below[2] = {0, 0};	/* of those with lower scores */
	double		auroc = 0;
	double		variance = 0;

	memset(influence, 0, (size_t) n_groups * sizeof *influence);
	for (int32_t k = 0; k < n; k++)
		weight[rows->y[ranked[k].row] > 0] += rows->weight[ranked[k].row];
	/* Twice: the AUROC, then each row's deviation from it. */
	for (int pass = 0; pass < 2; pass++)
	{
		below[0] = below[1] = 0;
		for (int32_t first = 0, end; first < n; first = end)
		{
			double		tied[2] = {0, 0};

			for (end = first; end < n && ranked[end].s == ranked[first].s; end++)
				tied[rows->y[ranked[end].row] > 0] += rows->weight[ranked[end].row];
			for (int32_t k = first; k < end; k++)
			{
				int32_t		r = ranked[k].row;
				bool		is_gap = rows->y[r] > 0;
				double		share = (below[!is_gap] + tied[!is_gap] / 2) / weight[!is_gap];

				if (pass == 0 && is_gap)
					auroc += rows->weight[r] / weight[1] * share;
				else if (pass == 1)
					influence[rows->group[r]] += rows->weight[r] / weight[is_gap] * ((is_gap ? share : 1 - share) - auroc);
			}
			below[0] += tied[0];
			below[1] += tied[1];
		}
	}
	for (int32_t g = 0; g < n_groups; g++)
		variance += influence[g] * influence[g];
	*out = (xmc_interval) {auroc, auroc - XMC_NORMAL_975 * sqrt(variance), auroc + XMC_NORMAL_975 * sqrt(variance)};
}

/* Chooses the penalty with the lowest loss of the scored rows (n), each penalty with its own scale; *scale is that. */
static xmc_status
choose_penalty(xmc_trainer *t, const gap_rows *rows, int32_t n, const ranked_row *ranked, const double *s, int32_t n_groups,
			   int32_t *chosen, double *scale)
{
	float	   *oriented = xmc_arena_alloc(&t->term_arena, (size_t) n, sizeof *oriented);
	float	   *weight = xmc_arena_alloc(&t->term_arena, (size_t) n, sizeof *weight);
	double		least = INFINITY;

	if (!oriented || !weight)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t step = 0; step < PENALTIES; step++)
	{
		double		loss = 0;
		double		fitted;

		for (int32_t k = 0; k < n; k++)
		{
			int32_t		r = ranked[k].row;

			oriented[k] = (float) (rows->y[r] * s[(int64_t) step * rows->n + r]);
			weight[k] = rows->weight[r];
		}
		XMC_TRY(xmc_calibrate_scale(t->ctx, n, oriented, weight, n_groups, &fitted));
		for (int32_t k = 0; k < n; k++)
			loss += weight[k] * xmc_softplus(-fitted * oriented[k]);
		if (loss < least)
		{
			least = loss;
			*chosen = step;
			*scale = fitted;
		}
	}
	return XMC_OK;
}

/* The groups that have a scored row; marks (groups): scratch. */
static int32_t
count_groups(const gap_rows *rows, int32_t n, const ranked_row *ranked, double *mark, int32_t n_groups)
{
	int32_t		count = 0;

	memset(mark, 0, (size_t) n_groups * sizeof *mark);
	for (int32_t k = 0; k < n; k++)
		count += mark[rows->group[ranked[k].row]]++ == 0;
	return count;
}

static xmc_status
fit_kind(xmc_trainer *t, const gap_documents *from, const gap_rows *rows, float *row)
{
	int32_t		n = rows->features + 1;
	double	   *s = xmc_arena_zalloc(&t->term_arena, (size_t) rows->n * PENALTIES, sizeof *s);
	double	   *v = xmc_arena_zalloc(&t->term_arena, (size_t) n * PENALTIES, sizeof *v);
	ranked_row *ranked = xmc_arena_alloc(&t->term_arena, (size_t) rows->n, sizeof *ranked);
	double	   *of_group = xmc_arena_alloc(&t->term_arena, (size_t) from->n_groups, sizeof *of_group);
	int32_t		n_scored = 0;
	int32_t		n_groups;
	int32_t		step = 0;
	double		scale = 0;
	xmc_interval auroc;

	if (!s || !v || !ranked || !of_group)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(fit_all(t, from, rows, s, v));
	for (int32_t r = 0; r < rows->n; r++)
		if (t->report->folds > 0 || rows->part[r] == from->parts)
			ranked[n_scored++].row = r;
	n_groups = count_groups(rows, n_scored, ranked, of_group, from->n_groups);
	if (n_groups < XMC_MIN_INTERVAL_GROUPS)
		return XMC_OK;
	XMC_TRY(choose_penalty(t, rows, n_scored, ranked, s, n_groups, &step, &scale));
	for (int32_t k = 0; k < n_scored; k++)
		ranked[k].s = s[(int64_t) step * rows->n + ranked[k].row];
	qsort(ranked, (size_t) n_scored, sizeof *ranked, compare_scores);
	measure(rows, n_scored, ranked, of_group, from->n_groups, &auroc);
	row[XMC_GAP_AUROC] = (float) auroc.mean;
	row[XMC_GAP_LOW] = (float) (auroc.low > 0 ? auroc.low : 0);
	row[XMC_GAP_HIGH] = (float) (auroc.high < 1 ? auroc.high : 1);
	for (int32_t k = 0; k < n; k++)
		row[XMC_GAP_WEIGHTS + k] = (float) (scale * v[(int64_t) step * n + k]);
	return XMC_OK;
}

xmc_status
xmc_train_fit_gaps(xmc_trainer *t)
{
	gap_documents documents;
	gap_rows	rows[XMC_GAP_KINDS];

	XMC_TRY(xmc_model_new_gaps(t->ctx, t->model));
	XMC_TRY(list_documents(t, &documents));
	xmc_arena_reset(&t->term_arena);
	XMC_TRY(make_rows(t, &documents, rows));
	for (int kind = 0; kind < XMC_GAP_KINDS; kind++)
		if (rows[kind].n > 0)
			XMC_TRY(fit_kind(t, &documents, &rows[kind], t->model->gaps.row + (int64_t) kind * xmc_gap_columns(t->options)));
	xmc_arena_reset(&t->term_arena);
	return XMC_OK;
}
