/* weigh.c - see weigh.h */
#include "train/weigh.h"
#include "network/term.h"
#include "numeric/group_calibrate.h"

#include <string.h>

/*
 * The precision of the prior of a weight, 1 / variance: a weight of a calibrated score is not expected to be far from its
 * prior's mean. Chosen on the guides (doc/method.md, "Weights of terms and modalities").
 */
#define TERM_PRECISION 8.0
#define FUSION_PRECISION 16.0

void
xmc_train_scale_term(xmc_model *model, xmc_term term, double by)
{
	const xmc_tensor *last = NULL;	/* that step: see xmc_model.tensor; what changes the text encoder comes behind it */

	for (int32_t k = 0; k < model->n_tensors; k++)
		if (model->tensor[k].term == term && !model->tensor[k].is_change)
			last = &model->tensor[k];
	for (int64_t k = 0; last && k < last->n_values; k++)
		(*last->slot)[k] = (float) ((*last->slot)[k] * by);
}

/* The number of the group of each labelled pair of l, into of_pair (l->n). */
static void
groups_of_pairs(const xmc_labels *l, int32_t *of_pair)
{
	for (int32_t d = 0, r = 0; d < l->n_documents; d++)
		for (int32_t k = 0; k < l->document[d]->n_pairs; k++, r++)
			of_pair[r] = l->group[d];
}

xmc_status
xmc_train_weigh_scores(xmc_trainer *t, const xmc_labels *l, int32_t k, const float *const *score, double *weight)
{
	float	   *x = xmc_arena_alloc(&t->term_arena, (size_t) l->n * (size_t) k, sizeof *x);	/* (n, k) calibrated scores */
	int32_t    *group = xmc_arena_alloc(&t->term_arena, (size_t) l->n, sizeof *group);
	xmc_group_rows rows = {.n = l->n,.k = k,.x = x,.weight = l->weight,.group = group,.n_groups = l->n_groups};
	double		scale[XMC_CALIBRATE_MAX];
	double		mean[XMC_CALIBRATE_MAX];

	if (!x || !group)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	groups_of_pairs(l, group);
	for (int32_t c = 0; c < k; c++)
	{
		XMC_TRY(xmc_calibrate_scale(t->ctx, l->n, score[c], l->weight, xmc_labels_groups(l), &scale[c]));
		for (int32_t r = 0; r < l->n; r++)
			x[(int64_t) r * k + c] = (float) (scale[c] * score[c][r]);
		mean[c] = 1.0 / k;
	}
	XMC_TRY(xmc_group_calibrate(&t->term_arena, &rows, mean, TERM_PRECISION, weight));
	for (int32_t c = 0; c < k; c++)
		weight[c] *= scale[c];
	return XMC_OK;
}

/* The weights of the terms' scores. */
static xmc_status
fit_terms(xmc_trainer *t, const xmc_labels *l, int32_t k, const xmc_term *term, double *weight)
{
	const float *score[XMC_CALIBRATE_MAX] = {NULL};

	for (int32_t c = 0; c < k; c++)
		score[c] = l->term_s[term[c]];
	return xmc_train_weigh_scores(t, l, k, score, weight);
}

/*
 * The weights for t->apart: by documents of the folds alone, where l has these and the held-out ones behind them. Without folds they are
 * `weight`, which many held-out documents have chosen.
 */
static xmc_status
fit_terms_apart(xmc_trainer *t, const xmc_labels *l, int32_t k, const xmc_term *term, const double *weight, double *apart)
{
	xmc_labels	folds = *l;

	memcpy(apart, weight, (size_t) k * sizeof *apart);
	if (t->apart.n == 0 || l != &t->out_of_fold)
		return XMC_OK;
	folds.n -= t->held_out.n;
	folds.n_documents -= t->held_out.n_documents;
	return fit_terms(t, &folds, k, term, apart);
}

static double
sum(int32_t k, const double *weight)
{
	double		all = 0;

	for (int32_t c = 0; c < k; c++)
		all += weight[c];
	return all;
}

xmc_status
xmc_train_weigh_terms(xmc_trainer *t, xmc_modality modality, xmc_labels *l, bool equally)
{
	float	   *score = l->score[modality];
	double	   *scale = &t->model->calibration.solo[modality];
	xmc_term	term[XMC_CALIBRATE_MAX];
	double		weight[XMC_CALIBRATE_MAX];
	double		apart[XMC_CALIBRATE_MAX];
	int32_t		k = 0;

	/* The trained terms; the others are set to 0. */
	for (int p = 0; p < XMC_TERMS; p++)
		if (xmc_term_modality((xmc_term) p) == modality && xmc_has_term(t->model, (xmc_term) p))
		{
			if (t->has_term[p])
				term[k++] = (xmc_term) p;
			else
				xmc_train_scale_term(t->model, (xmc_term) p, 0);
		}
	memset(score, 0, (size_t) l->n * sizeof(float));
	*scale = 0;
	if (k == 0)
		return XMC_OK;
	xmc_arena_reset(&t->term_arena);
	if (equally)
		/* The raw scores have no common unit: a penalty makes those of a linear term small. */
		for (int32_t c = 0; c < k; c++)
			XMC_TRY(xmc_calibrate_scale(t->ctx, l->n, l->term_s[term[c]], l->weight, xmc_labels_groups(l), &weight[c]));
	else
	{
		XMC_TRY(fit_terms(t, l, k, term, weight));
		/* What is of no use in new groups may be in known ones, so it must not become 0 in the parameters. */
		if (t->probes.n > 0 && sum(k, weight) == 0)
			XMC_TRY(fit_terms(t, &t->probes, k, term, weight));
	}
	XMC_TRY(fit_terms_apart(t, l, k, term, weight, apart));
	/* The weights go into the parameters, so that the raw score is the plain sum of the terms. */
	for (int32_t c = 0; c < k; c++)
	{
		xmc_train_scale_term(t->model, term[c], weight[c]);
		t->term_weight[term[c]] = weight[c];
		for (int32_t f = 0; f < t->n_folds; f++)
			xmc_train_scale_term(t->fold[f], term[c], weight[c]);
		for (int32_t r = 0; r < l->n; r++)
		{
			l->term_s[term[c]][r] *= (float) weight[c];
			score[r] += l->term_s[term[c]][r];
		}
		for (int32_t r = 0; r < t->probes.n && !equally; r++)
			t->probes.term_s[term[c]][r] *= (float) weight[c];
		for (int32_t r = 0; r < t->apart.n; r++)
			t->apart.term_s[term[c]][r] *= (float) apart[c];
	}
	/* Calibration: one scale of the sum. */
	XMC_TRY(xmc_calibrate_scale(t->ctx, l->n, score, l->weight, xmc_labels_groups(l), scale));
	xmc_train_sum_terms(t, modality, &t->apart);
	for (int32_t r = 0; r < l->n; r++)
		score[r] *= (float) *scale;
	return l == &t->held_out ? XMC_OK : xmc_train_score_modality(t, modality, &t->held_out);
}

void
xmc_train_sum_terms(const xmc_trainer *t, xmc_modality modality, xmc_labels *l)
{
	double		scale = t->model->calibration.solo[modality];

	for (int32_t r = 0; r < l->n; r++)
		l->score[modality][r] = 0;
	for (int p = 0; p < XMC_TERMS; p++)
		if (t->has_term[p] && xmc_term_modality((xmc_term) p) == modality)
			for (int32_t r = 0; r < l->n; r++)
				l->score[modality][r] += (float) scale * l->term_s[p][r];
}

xmc_status
xmc_train_score_modality(xmc_trainer *t, xmc_modality modality, xmc_labels *l)
{
	for (int p = 0; p < XMC_TERMS; p++)
		if (t->has_term[p] && xmc_term_modality((xmc_term) p) == modality)
			XMC_TRY(xmc_train_score_term(t, l, (xmc_term) p, l->term_s[p]));
	xmc_train_sum_terms(t, modality, l);
	return XMC_OK;
}

/*
 * The pairs that all k regressors score, as rows: a pair that one of them cannot score has the score of a modality alone.
 */
static xmc_status
fusion_rows(xmc_trainer *t, const xmc_labels *l, int32_t k, const int32_t *regressor, xmc_group_rows *rows)
{
	const float *score[XMC_MODALITIES + 1] = {l->score[XMC_TEXT], l->score[XMC_IMAGE], l->term_s[XMC_TERM_BILINEAR]};
	float	   *x = xmc_arena_alloc(&t->term_arena, (size_t) l->n * (size_t) k, sizeof *x);
	int32_t    *group = xmc_arena_alloc(&t->term_arena, (size_t) l->n, sizeof *group);
	int32_t		n = 0;

	if (!x || !group)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	groups_of_pairs(l, group);
	for (int32_t r = 0; r < l->n; r++)
	{
		int32_t		n_scores = 0;

		for (int32_t e = 0; e < k; e++)
			n_scores += (x[(int64_t) n * k + e] = score[regressor[e]][r]) != 0;
		if (n_scores < k)
			continue;
		group[n] = group[r];
		l->s[n++] = l->weight[r];
	}
	*rows = (xmc_group_rows){.n = n,.k = k,.x = x,.weight = l->s,.group = group,.n_groups = l->n_groups};
	return XMC_OK;
}

/*
 * The weights before the data are asked what both modalities are worth together: the better modality alone, as far as that
 * is reliable in new groups. Where the groups do not tell which modality is better, the weight of each is the probability
 * that it is. The bilinear term has no weight.
 */
static xmc_status
better_modality(xmc_trainer *t, const xmc_group_rows *rows, const int32_t *regressor, double *mean)
{
	double		probability = 1;	/* that the first modality is the better one */

	if (rows->k > 1 && regressor[1] != XMC_JOINT)
		XMC_TRY(xmc_group_better(&t->term_arena, rows, 0, 1, &probability));
	for (int32_t e = 0; e < rows->k; e++)
	{
		mean[e] = 0;
		if (regressor[e] == XMC_JOINT)
			continue;
		XMC_TRY(xmc_group_reliability(&t->term_arena, rows, e, &mean[e]));
		mean[e] *= e == 0 ? probability : 1 - probability;
	}
	return XMC_OK;
}

/*
 * Sets c->fused: the weights of what c->solo calibrates, and of the bilinear term, by the pairs of l that all of them score.
 * prior: the weights before the data are asked; NULL: those of better_modality.
 */
static xmc_status
fuse(xmc_trainer *t, const xmc_labels *l, const double prior[XMC_MODALITIES + 1], xmc_calibration *c)
{
	double		weight[XMC_MODALITIES + 1] = {1, 1, 0};
	double		mean[XMC_MODALITIES + 1];	/* (k) */
	double		fitted[XMC_MODALITIES + 1];	/* (k) */
	int32_t		regressor[XMC_MODALITIES + 1];	/* (k) what takes part: calibrated modalities, and the bilinear term */
	int32_t		k = 0;
	bool		joint = t->has_term[XMC_TERM_BILINEAR];

	for (int e = 0; e <= XMC_JOINT; e++)
		if (e == XMC_JOINT ? joint : c->solo[e] > 0)
			regressor[k++] = e;
	if (k > 1 || joint)
	{
		xmc_group_rows rows;

		xmc_arena_reset(&t->term_arena);
		XMC_TRY(fusion_rows(t, l, k, regressor, &rows));
		for (int32_t e = 0; e < k && prior; e++)
			mean[e] = weight[regressor[e]] = prior[regressor[e]];
		if (rows.n > 0)
		{
			if (!prior)
				XMC_TRY(better_modality(t, &rows, regressor, mean));
			XMC_TRY(xmc_group_calibrate(&t->term_arena, &rows, mean, FUSION_PRECISION, fitted));
			for (int32_t e = 0; e < k; e++)
				weight[regressor[e]] = fitted[e];
		}
	}
	for (int m = 0; m < XMC_MODALITIES; m++)
		c->fused[m] = weight[m] * c->solo[m];
	c->fused[XMC_JOINT] = weight[XMC_JOINT];
	return XMC_OK;
}

xmc_status
xmc_train_fit_fusion(xmc_trainer *t, const xmc_labels *l)
{
	xmc_model  *model = t->model;

	XMC_TRY(fuse(t, l, NULL, &model->calibration));
	if (model->bilinear_w && !t->has_term[XMC_TERM_BILINEAR])	/* weights and bias are one block: see xmc_model_new */
		memset(model->bilinear_w, 0, (size_t) xmc_model_term_values(model, XMC_TERM_BILINEAR) * sizeof(float));
	return XMC_OK;
}

/*
 * The scale of a modality in known groups, and the modality's scores of the probes. The prior is the scale in new groups, in
 * units of what the probes alone ask for, so that it does not hold back a modality that is worth far more in known groups.
 */
static xmc_status
fit_known_scale(xmc_trainer *t, xmc_modality modality)
{
	xmc_labels *l = &t->probes;
	float	   *score = l->score[modality];
	double		in_new = t->model->calibration.solo[modality];
	double	   *scale = &t->model->known.solo[modality];
	int32_t    *group;
	double		unit;
	double		mean;
	double		weight;

	xmc_arena_reset(&t->term_arena);
	group = xmc_arena_alloc(&t->term_arena, (size_t) l->n, sizeof *group);
	XMC_NEED(group, t->ctx);
	groups_of_pairs(l, group);
	memset(score, 0, (size_t) l->n * sizeof(float));
	for (int p = 0; p < XMC_TERMS; p++)
		if (t->has_term[p] && xmc_term_modality((xmc_term) p) == modality)
			for (int32_t r = 0; r < l->n; r++)
				score[r] += l->term_s[p][r];
	XMC_TRY(xmc_calibrate_scale(t->ctx, l->n, score, l->weight, xmc_labels_groups(l), &unit));
	unit = unit > in_new ? unit : in_new;
	for (int32_t r = 0; r < l->n; r++)
		score[r] *= (float) unit;
	*scale = 0;
	if (unit > 0)
	{
		xmc_group_rows rows = {.n = l->n,.k = 1,.x = score,.weight = l->weight,.group = group,.n_groups = l->n_groups};

		mean = in_new / unit;
		XMC_TRY(xmc_group_calibrate(&t->term_arena, &rows, &mean, TERM_PRECISION, &weight));
		for (int32_t r = 0; r < l->n; r++)
			score[r] *= (float) weight;
		*scale = weight * unit;
	}
	return XMC_OK;
}

xmc_status
xmc_train_fit_known(xmc_trainer *t)
{
	const xmc_calibration *c = &t->model->calibration;
	double		in_new[XMC_MODALITIES + 1];	/* the weights in new groups */

	t->model->known = *c;
	if (t->probes.n == 0)
		return XMC_OK;
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		XMC_TRY(fit_known_scale(t, (xmc_modality) m));
		in_new[m] = c->solo[m] > 0 ? c->fused[m] / c->solo[m] : 0;
	}
	in_new[XMC_JOINT] = c->fused[XMC_JOINT];
	return fuse(t, &t->probes, in_new, &t->model->known);
}

void
xmc_train_fused_scores(const xmc_trainer *t, const xmc_labels *l, float *fused)
{
	const xmc_calibration *c = &t->model->calibration;

	for (int32_t r = 0; r < l->n; r++)
	{
		double		text = l->score[XMC_TEXT][r];
		double		image = l->score[XMC_IMAGE][r];
		double		joint = l->term_s[XMC_TERM_BILINEAR][r];

		if (joint != 0 || (text != 0 && image != 0))
		{
			text *= text != 0 ? c->fused[XMC_TEXT] / c->solo[XMC_TEXT] : 0;
			image *= image != 0 ? c->fused[XMC_IMAGE] / c->solo[XMC_IMAGE] : 0;
		}
		fused[r] = (float) (text + image + c->fused[XMC_JOINT] * joint);
	}
}
