/* evaluation.c - see evaluation.h */
#include "train/evaluation.h"
#include "train/checkpoint.h"
#include "train/choice.h"
#include "train/cross_modal.h"
#include "train/crossfit.h"
#include "train/figures.h"
#include "train/folds.h"
#include "train/text_order.h"
#include "train/weigh.h"
#include "xmcoh/group_mean.h"

#include <math.h>
#include <string.h>

#define FEW_DOCUMENTS 100		/* up to so many are divided into twice as many folds; doc/method.md says why */
#define LEAST_FOLDS 3			/* a model without two of them has something to learn from */
#define MOST_RATIO 4.0			/* of variances; more is the chance of a few folds */
#define LEAST_TAUGHT 4			/* documents that teach a model without two folds */

/* ---- folds ---- */

/* Lays out the documents fold by fold, in each by the order in which they were given. */
static xmc_status
lay_out(xmc_trainer *t, int32_t n, const xmc_document *const *document, const int32_t *fold)
{
	xmc_evaluation *e = &t->evaluation;
	xmc_labels *l = &e->labels;
	int32_t		pair = 0;

	l->document = xmc_arena_alloc(&t->run_arena, (size_t) n, sizeof *l->document);
	XMC_NEED(l->document, t->ctx);
	for (int32_t f = 0; f < e->n_folds; f++)
	{
		e->start[f] = l->n_documents;
		e->pair_start[f] = pair;
		for (int32_t d = 0; d < n; d++)
			if (fold[d] == f)
			{
				l->document[l->n_documents++] = document[d];
				pair += document[d]->n_pairs;
			}
	}
	e->start[e->n_folds] = l->n_documents;
	e->pair_start[e->n_folds] = pair;
	XMC_TRY(xmc_labels_init(t, l, false));
	e->inner = xmc_arena_zalloc(&t->run_arena, (size_t) e->n_folds * XMC_TERMS * (size_t) l->n, sizeof *e->inner);
	XMC_NEED(e->inner, t->ctx);
	return xmc_train_new_measures(t, l, &e->measures);
}

/* Whether each model without two folds has enough documents to learn from; in_fold (n_folds): documents of each. */
static bool
leave_enough(int32_t n, int32_t n_folds, const int32_t *fold)
{
	int32_t		in_fold[XMC_MAX_FOLDS] = {0};
	int32_t		largest = 0;
	int32_t		second = 0;

	for (int32_t d = 0; d < n; d++)
		in_fold[fold[d]]++;
	for (int32_t f = 0; f < n_folds; f++)
		if (in_fold[f] > largest)
		{
			second = largest;
			largest = in_fold[f];
		}
		else if (in_fold[f] > second)
			second = in_fold[f];
	return n - largest - second >= LEAST_TAUGHT;
}

xmc_status
xmc_train_plan_evaluation(xmc_trainer *t)
{
	int32_t		n = t->report->approved_documents;
	int32_t		n_folds = t->options->folds * (n <= FEW_DOCUMENTS ? 2 : 1);
	const xmc_document **all;
	int32_t    *fold;

	if (t->options->folds < LEAST_FOLDS || n > t->options->evaluation_documents)
		return XMC_OK;
	if (n_folds > XMC_MAX_FOLDS)
		n_folds = XMC_MAX_FOLDS;
	all = xmc_arena_alloc(&t->run_arena, (size_t) n, sizeof *all);
	fold = xmc_arena_alloc(&t->run_arena, (size_t) n, sizeof *fold);
	if (!all || !fold)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	memcpy(all, t->approved, (size_t) t->n_approved * sizeof *all);
	memcpy(all + t->n_approved, t->held_out.document, (size_t) t->held_out.n_documents * sizeof *all);
	xmc_train_sort_documents(n, all);
	if (n_folds > t->report->groups)
		n_folds = t->report->groups;
	XMC_TRY(xmc_deal_groups(t, n, all, &n_folds, fold));
	if (n_folds < LEAST_FOLDS || !leave_enough(n, n_folds, fold))
		return XMC_OK;
	t->evaluation.n_folds = n_folds;
	return lay_out(t, n, all, fold);
}

/* ---- models ---- */

/*
 * Trains a new model, t->model, on all documents but those of the folds j and k. What texts teach is not in it, since its weight in the
 * final model is chosen by these folds, too: fit_weights adds it.
 */
static xmc_status
train_without(xmc_trainer *t, int32_t j, int32_t k)
{
	const xmc_evaluation *e = &t->evaluation;
	const xmc_document **train = xmc_arena_alloc(&t->run_arena, (size_t) e->labels.n_documents, sizeof *train);
	double		by_texts = t->text_weight[1];
	int32_t		epochs[XMC_TERMS];
	int32_t		n = 0;
	xmc_status	status;

	XMC_NEED(train, t->ctx);
	xmc_train_choose_without(t, j, k, epochs);
	for (int32_t f = 0; f < e->n_folds; f++)
		for (int32_t d = e->start[f]; d < e->start[f + 1] && f != j && f != k; d++)
			train[n++] = e->labels.document[d];
	t->text_weight[1] = 0;
	status = xmc_train_terms_on(t, n, train, epochs);
	t->text_weight[1] = by_texts;
	return status;
}

/* The scores of fold j's pairs by a term of the model without the folds j and k. */
static float *
inner_scores(const xmc_evaluation *e, int32_t j, int32_t k, int term)
{
	return e->inner + ((int64_t) k * XMC_TERMS + term) * e->labels.n + e->pair_start[j];
}

/* Scores the pairs of both folds by t->model, which was trained without them. */
static xmc_status
score_two(xmc_trainer *t, int32_t j, int32_t k)
{
	const xmc_evaluation *e = &t->evaluation;
	xmc_labels	of_j = xmc_fold_labels(&e->labels, e->start, j);
	xmc_labels	of_k = xmc_fold_labels(&e->labels, e->start, k);

	for (int p = 0; p < XMC_TERMS; p++)
		if (t->has_term[p])
		{
			XMC_TRY(xmc_train_score_term(t, &of_j, (xmc_term) p, inner_scores(e, j, k, p)));
			XMC_TRY(xmc_train_score_term(t, &of_k, (xmc_term) p, inner_scores(e, k, j, p)));
		}
	return XMC_OK;
}

/* The documents of all folds but k, with their scores by models that were trained without their fold and fold k. */
static xmc_status
inner_labels(xmc_trainer *t, int32_t k, xmc_labels *out)
{
	const xmc_evaluation *e = &t->evaluation;
	int32_t		pair = 0;

	*out = (xmc_labels) {0};
	out->document = xmc_arena_alloc(&t->run_arena, (size_t) e->labels.n_documents, sizeof *out->document);
	XMC_NEED(out->document, t->ctx);
	for (int32_t f = 0; f < e->n_folds; f++)
		for (int32_t d = e->start[f]; d < e->start[f + 1] && f != k; d++)
			out->document[out->n_documents++] = e->labels.document[d];
	XMC_TRY(xmc_labels_init(t, out, false));
	for (int32_t f = 0; f < e->n_folds; f++)
	{
		int32_t		n = e->pair_start[f + 1] - e->pair_start[f];

		if (f == k)
			continue;
		for (int p = 0; p < XMC_TERMS; p++)
			memcpy(out->term_s[p] + pair, inner_scores(e, f, k, p), (size_t) n * sizeof(float));
		pair += n;
	}
	return XMC_OK;
}

/* The variance of the mean of the values of l's documents, if its groups are independent; sum (n_groups): scratch. */
static double
variance_of_mean(const xmc_labels *l, const double *value, double mean, double *sum)
{
	double		squares = 0;

	memset(sum, 0, (size_t) l->n_groups * sizeof *sum);
	for (int32_t d = 0; d < l->n_documents; d++)
		sum[l->group[d]] += (value[d] - mean) / l->n_documents;
	for (int32_t g = 0; g < l->n_groups; g++)
		squares += sum[g] * sum[g];
	return l->n_groups > 1 ? squares * l->n_groups / (l->n_groups - 1) : 0;
}

/* Sets the tau of the inner scores l of fold k, and its variance, by each kind of score. */
static xmc_status
measure_inner(xmc_trainer *t, int32_t k, xmc_labels *l)
{
	xmc_evaluation *e = &t->evaluation;
	double	   *tau = xmc_arena_alloc(&t->term_arena, (size_t) l->n_documents, sizeof *tau);
	double	   *sum = xmc_arena_alloc(&t->term_arena, (size_t) l->n_groups, sizeof *sum);

	if (!tau || !sum)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	xmc_train_fused_scores(t, l, l->s);
	for (int kind = 0; kind < XMC_REPORTED_SCORE_KINDS; kind++)
	{
		const float *s = kind == XMC_SCORE_FUSED ? l->s : l->score[kind];
		double		loss;

		xmc_labels_evaluate(l, s, 1, &loss, &e->inner_tau[kind][k], NULL, tau);
		e->inner_variance[kind][k] = variance_of_mean(l, tau, e->inner_tau[kind][k], sum);
	}
	return XMC_OK;
}

/*
 * Adds what texts teach to t->model, which was trained without fold k, weighs and calibrates it, all by t->held_out, which are the inner
 * scores.
 */
static xmc_status
fit_weights(xmc_trainer *t, int32_t k)
{
	if (t->has_term[XMC_TERM_SPARSE])
	{
		xmc_arena_reset(&t->term_arena);
		XMC_TRY(xmc_train_weigh_texts(t, &t->held_out, t->held_out.term_s[XMC_TERM_SPARSE]));
		xmc_train_add_texts(t);
	}
	for (int m = 0; m < XMC_MODALITIES; m++)
		XMC_TRY(xmc_train_weigh_terms(t, (xmc_modality) m, &t->held_out, false));
	XMC_TRY(xmc_train_fit_fusion(t, &t->held_out));
	return measure_inner(t, k, &t->held_out);
}

/* The same without `final`, the model of all documents, being changed; what guides is as there. */
static xmc_status
weigh_without(xmc_trainer *t, int32_t k, const xmc_model *final)
{
	xmc_labels	held_out = t->held_out;
	xmc_labels	probes = t->probes;
	int32_t		apart = t->apart.n;
	double		term_weight[XMC_TERMS];
	double		text_weight[2] = {t->text_weight[0], t->text_weight[1]};
	xmc_status	status = inner_labels(t, k, &t->held_out);

	memcpy(term_weight, t->term_weight, sizeof term_weight);
	t->probes.n = t->apart.n = 0;
	if (status == XMC_OK)
		status = fit_weights(t, k);
	memcpy(t->term_weight, term_weight, sizeof term_weight);
	memcpy(t->text_weight, text_weight, sizeof text_weight);
	t->probes = probes;
	t->apart.n = apart;
	t->held_out = held_out;
	memcpy(t->model->calibration.guided, final->calibration.guided, sizeof final->calibration.guided);
	memcpy(t->model->calibration.cross_modal, final->calibration.cross_modal, sizeof final->calibration.cross_modal);
	return status;
}

/* Gives t->model the alignment of `final`, which learned from links between texts and images, not from orders. */
static void
borrow_alignment(xmc_trainer *t, const xmc_model *final)
{
	xmc_model  *model = t->model;

	for (int32_t k = 0; k < model->n_tensors; k++)
		if (model->tensor[k].term == XMC_TERM_ALIGNMENT)
			memcpy(*model->tensor[k].slot, *final->tensor[k].slot, (size_t) model->tensor[k].n_values * sizeof(float));
	model->has_alignment = final->has_alignment;
	model->anchors = final->anchors;
	model->anchors.is_own = false;
}

/* Measures the documents of fold k by t->model, which was trained without it. */
static xmc_status
measure_fold(xmc_trainer *t, int32_t k, const xmc_model *final)
{
	xmc_evaluation *e = &t->evaluation;
	xmc_scored_set set;

	XMC_TRY(weigh_without(t, k, final));
	borrow_alignment(t, final);
	set = (xmc_scored_set) {t->model, e->start[k + 1] - e->start[k], e->labels.document + e->start[k]};
	return xmc_train_measure_documents(t, &set, e->start[k], e->pair_start[k], &e->labels, &e->measures);
}

/* One model: without the folds j and k, or, if both are the same, without one. */
static xmc_status
run_model(xmc_trainer *t, int32_t j, int32_t k)
{
	xmc_model  *final = t->model;
	xmc_status	status = train_without(t, j, k);

	if (status == XMC_OK)
		status = j == k ? measure_fold(t, k, final) : score_two(t, j, k);
	if (t->model != final)
		xmc_model_free(t->ctx, t->model);
	t->model = final;
	t->train = t->approved;
	t->n_train = t->n_approved;
	return status;
}

/*
 * By how much the variance of a figure exceeds that of independent documents. Each document has taught the models that score the
 * others, so an easy sample counts twice. The jackknife that leaves out one fold and all that was learned from it (Quenouille
 * 1956, Kott 2001) has this in its variance: the inner scores of fold k are those of such a sample.
 */
static double
variance_ratio(const xmc_evaluation *e, int kind)
{
	double		n = e->n_folds;
	double		mean = 0;
	double		jackknife = 0;
	double		independent = 0;

	for (int32_t k = 0; k < e->n_folds; k++)
	{
		mean += e->inner_tau[kind][k] / n;
		independent += e->inner_variance[kind][k] / n * (n - 1) / n;
	}
	for (int32_t k = 0; k < e->n_folds; k++)
		jackknife += (n - 1) / n * (e->inner_tau[kind][k] - mean) * (e->inner_tau[kind][k] - mean);
	if (!(jackknife > independent))
		return 1;
	return jackknife < MOST_RATIO * independent ? jackknife / independent : MOST_RATIO;
}

/* The intervals of the bootstrap, widened. */
static void
widen(xmc_trainer *t, xmc_figures *figures)
{
	for (int kind = 0; kind < XMC_REPORTED_SCORE_KINDS; kind++)
	{
		xmc_interval *tau = &figures->tau[kind];

		t->widening[kind] = (float) sqrt(variance_ratio(&t->evaluation, kind));
		xmc_widen(tau, t->widening[kind], -1, 1);
	}
}

/* The work of all models, for the progress: the documents that teach each model, as often as its terms have epochs. */
static int64_t
work(const xmc_trainer *t)
{
	const xmc_evaluation *e = &t->evaluation;
	int64_t		sum = 0;

	for (int32_t j = 0; j < e->n_folds; j++)
		for (int32_t k = j; k < e->n_folds; k++)
		{
			int64_t		n = e->labels.n_documents - (e->start[j + 1] - e->start[j]) - (j < k ? e->start[k + 1] - e->start[k] : 0);
			int32_t		epochs[XMC_TERMS];

			xmc_train_choose_without(t, j, k, epochs);
			for (int p = 0; p < XMC_TERMS; p++)
				sum += t->has_term[p] ? n * epochs[p] : 0;
		}
	return sum;
}

xmc_status
xmc_train_evaluate(xmc_trainer *t)
{
	xmc_evaluation *e = &t->evaluation;
	int32_t		stage = XMC_STAGE_EVALUATION;

	if (e->n_folds == 0)
		return XMC_OK;
	t->progress.total += work(t);
	t->progress.phase = "evaluating";
	/* The models without two folds first, then those without one. */
	for (int32_t apart = 1; apart <= e->n_folds; apart++)
		for (int32_t j = 0; j < e->n_folds; j++)
		{
			int32_t		k = j + apart % e->n_folds;

			if (k >= e->n_folds)
				continue;
			if (!xmc_leaves_out(t, stage))
			{
				XMC_TRY(xmc_checkpoint_load_or_save(t, stage, NULL));
				XMC_TRY(xmc_train_fill_anchors(t));
				XMC_TRY(run_model(t, j, k));
			}
			stage++;
		}
	if (xmc_is_resuming(t))
		return xmc_checkpoint_missed(t);
	XMC_TRY(xmc_train_sum_up(t, &e->labels, &e->measures, &t->report->new_groups));
	widen(t, &t->report->new_groups);
	return XMC_OK;
}
