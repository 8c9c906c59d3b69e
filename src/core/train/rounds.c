/*
 * rounds.c - see rounds.h
 *
 * The guide is the modality with the lower loss on documents on which it was not trained: on the guides data an image
 * model as the guide of a text model only cost time. A round is kept unless a paired bootstrap over the held-out
 * groups shows a drop of tau, of the pupil alone or of both modalities together. Then the pupil is put back and the
 * rounds end. Before and after a round, documents are measured at epochs that they have not chosen (xmc_trainer.apart).
 */
#include "train/rounds.h"
#include "train/checkpoint.h"
#include "train/cross_modal.h"
#include "train/crossfit.h"
#include "train/term_fit.h"
#include "train/weak_labels.h"
#include "train/weigh.h"
#include "xmcoh/groups.h"

#include <math.h>
#include <string.h>

#define VALIDATION_EVERY 7		/* one of so many weakly labelled documents validates the pupil, where there are folds */

static xmc_status
round_init(xmc_trainer *t, xmc_round *r)
{
	size_t		pairs = (size_t) t->held_out.n;
	xmc_snapshot *before = &r->before;
	float	   *score;

	before->values = xmc_arena_alloc(&t->run_arena, (size_t) t->model->n_parameters, sizeof(float));
	before->calibration = xmc_arena_alloc(&t->run_arena, 1, sizeof *before->calibration);
	before->known = xmc_arena_alloc(&t->run_arena, 1, sizeof *before->known);
	before->term_weight = xmc_arena_alloc(&t->run_arena, XMC_TERMS, sizeof(double));
	before->pupil_epoch = xmc_arena_alloc(&t->run_arena, XMC_TERMS, sizeof(int32_t));
	before->pupil_frozen = xmc_arena_alloc(&t->run_arena, 1, sizeof(int32_t));
	r->fused_tau = xmc_arena_alloc(&t->run_arena, (size_t) t->held_out.n_documents, sizeof(double));
	if (!before->values || !before->calibration || !before->known || !before->term_weight || !before->pupil_epoch ||
		!before->pupil_frozen || !r->fused_tau)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	/* All scores are one block. */
	score = xmc_arena_alloc(&t->run_arena, pairs * 2 * (XMC_TERMS + XMC_MODALITIES), sizeof *score);
	XMC_NEED(score, t->ctx);
	for (int p = 0; p < XMC_TERMS; p++)
	{
		before->term_s[p] = score;
		before->apart_term_s[p] = score + pairs;
		score += 2 * pairs;
	}
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		before->score[m] = score;
		before->apart_score[m] = score + pairs;
		score += 2 * pairs;
	}
	return XMC_OK;
}

static void
copy_snapshot(const xmc_trainer *t, const xmc_snapshot *from, const xmc_snapshot *to)
{
	size_t		pairs = (size_t) t->held_out.n * sizeof(float);

	memcpy(to->values, from->values, (size_t) t->model->n_parameters * sizeof(float));
	for (int p = 0; p < XMC_TERMS; p++)
	{
		memcpy(to->term_s[p], from->term_s[p], pairs);
		memcpy(to->apart_term_s[p], from->apart_term_s[p], pairs);
	}
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		memcpy(to->score[m], from->score[m], pairs);
		memcpy(to->apart_score[m], from->apart_score[m], pairs);
	}
	*to->calibration = *from->calibration;
	*to->known = *from->known;
	memcpy(to->term_weight, from->term_weight, XMC_TERMS * sizeof *to->term_weight);
	memcpy(to->pupil_epoch, from->pupil_epoch, XMC_TERMS * sizeof *to->pupil_epoch);
	*to->pupil_frozen = *from->pupil_frozen;
}

/* Whether the modality has a term that approved pairs can train, and the calibrated score of its guide is not 0. */
static bool
can_be_pupil(const xmc_trainer *t, xmc_modality modality)
{
	bool		has_term = false;

	for (int p = 0; p < XMC_TERMS; p++)
		has_term |= t->has_term[p] && xmc_term_modality((xmc_term) p) == modality;
	return has_term && t->model->calibration.solo[xmc_guide_of(modality)] != 0;
}

/* Labels the whole pool for both modalities, by the models of approved pairs alone. */
static xmc_status
label_pool(xmc_trainer *t, xmc_round *r)
{
	xmc_weak_labels *w[XMC_MODALITIES] = {NULL};

	for (int m = 0; m < XMC_MODALITIES; m++)
		if (can_be_pupil(t, (xmc_modality) m))
		{
			w[m] = &r->weak[m];
			XMC_TRY(xmc_weak_labels_init(t, w[m]));
		}
	return w[XMC_TEXT] || w[XMC_IMAGE] ? xmc_weak_labels_give(t, w, 0, t->n_pool, true) : XMC_OK;
}

/* ---- one round ---- */

/* Documents of a group, as the choice of validation documents counts them. */
typedef struct counted_group
{
	int32_t		weak;			/* weakly labelled */
	int32_t		approved;
	bool		validates;
} counted_group;

/*
 * Lets groups validate: first those without approved documents, in the order 0, k, 2k, ..., 1, k + 1, ... where k is VALIDATION_EVERY.
 * Of both kinds of documents at most one in `share` validates. *marked: weakly labelled ones that do.
 */
static void
mark_groups(int32_t n_groups, counted_group *group, int32_t n_weak, int32_t n_approved, int32_t share, int32_t *marked)
{
	int32_t		taken = 0;		/* approved documents */

	for (int32_t g = 0; g < n_groups; g++)
		taken += group[g].validates ? group[g].approved : 0;
	for (int known = 0; known < 2; known++)
		for (int32_t first = 0; first < VALIDATION_EVERY; first++)
			for (int32_t g = first; g < n_groups; g += VALIDATION_EVERY)
			{
				counted_group *own = &group[g];

				if (own->validates || own->weak == 0 || (own->approved > 0) != known ||
					*marked + own->weak > (n_weak + share - 1) / share || (taken + own->approved) * share > n_approved)
					continue;
				own->validates = true;
				*marked += own->weak;
				taken += own->approved;
			}
}

xmc_status
xmc_rounds_choose_validation(xmc_trainer *t, const xmc_weak_labels *w, int32_t n_weak, uint8_t *validates, uint8_t *spared)
{
	size_t		n = (size_t) n_weak + (size_t) t->n_approved;
	uint64_t   *id = xmc_arena_alloc(&t->run_arena, n, sizeof *id);	/* weakly labelled documents, then approved ones */
	int32_t    *number = xmc_arena_alloc(&t->run_arena, n, sizeof *number);
	counted_group *group = xmc_arena_zalloc(&t->run_arena, n, sizeof *group);
	int32_t		n_groups;
	int32_t		marked = 0;

	if (!id || !number || !group)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t d = 0; d < n_weak; d++)
		id[d] = w->document[d].group;
	for (int32_t d = 0; d < t->n_approved; d++)
		id[n_weak + d] = t->approved[d]->group;
	/* The weakly labelled ones give the numbers: the order of the approved ones changes while terms are trained. */
	XMC_TRY(xmc_number_groups(t->ctx, (int32_t) n, id, number, &n_groups));
	for (int32_t d = 0; d < n_weak; d++)
		group[number[d]].weak++;
	for (int32_t d = 0; d < t->n_approved; d++)
		group[number[n_weak + d]].approved++;
	/* Where most groups are large, few fit at first. */
	for (int32_t share = VALIDATION_EVERY; share > 1 && 2 * VALIDATION_EVERY * (int64_t) marked < n_weak; share--)
		mark_groups(n_groups, group, n_weak, t->n_approved, share, &marked);
	for (int32_t d = 0; d < n_weak; d++)
		validates[d] = group[number[d]].validates;
	for (int32_t d = 0; d < t->n_approved; d++)
		spared[d] = group[number[n_weak + d]].validates;
	return XMC_OK;
}

/*
 * Divides the approved documents and the first n_weak of the weakly labelled ones into those that the pupil is trained on,
 * `all` (n_approved + n_weak), and, where there are folds, those that validate it, r->validation. Approved documents of the same
 * groups do neither; the refit learns from them.
 */
static xmc_status
divide_documents(xmc_trainer *t, xmc_round *r, int32_t n_weak, const xmc_document **all)
{
	const xmc_weak_labels *w = &r->weak[r->pupil];
	const xmc_document **validation = xmc_arena_alloc(&t->run_arena, (size_t) n_weak, sizeof *validation);
	uint8_t    *validates = xmc_arena_zalloc(&t->run_arena, (size_t) n_weak, 1);
	uint8_t    *spared = xmc_arena_zalloc(&t->run_arena, (size_t) t->n_approved, 1);
	int32_t		n_validation = 0;

	if (!validation || !validates || !spared)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	if (t->out_of_fold.n > 0)
		XMC_TRY(xmc_rounds_choose_validation(t, w, n_weak, validates, spared));
	for (int32_t d = 0; d < n_weak; d++)
	{
		XMC_TRY(xmc_check_stop(t->ctx));
		if (validates[d] && xmc_is_weakly_labelled(&w->document[d]))
			validation[n_validation++] = &w->document[d];
	}
	if (n_validation < XMC_MIN_HELD_OUT_DOCUMENTS)
	{
		memset(validates, 0, (size_t) n_weak);
		memset(spared, 0, (size_t) t->n_approved);
		n_validation = 0;
	}
	t->n_train = 0;
	for (int32_t d = 0; d < t->n_approved; d++)
		if (!spared[d])
			all[t->n_train++] = t->approved[d];
	for (int32_t d = 0; d < n_weak; d++)
	{
		XMC_TRY(xmc_check_stop(t->ctx));
		if (!validates[d] && xmc_is_weakly_labelled(&w->document[d]))
			all[t->n_train++] = &w->document[d];
	}
	t->train = all;
	r->validation = (xmc_labels){.n_documents = n_validation,.document = validation};
	return n_validation ? xmc_labels_init(t, &r->validation, true) : XMC_OK;
}

/* The pupil's scores of the held-out documents, where other documents have chosen its epochs. */
static void
take_scores(xmc_trainer *t, xmc_modality pupil)
{
	for (int p = 0; p < XMC_TERMS; p++)
		if (t->has_term[p] && xmc_term_modality((xmc_term) p) == pupil)
			memcpy(t->apart.term_s[p], t->held_out.term_s[p], (size_t) t->apart.n * sizeof(float));
	xmc_train_sum_terms(t, pupil, &t->apart);
}

/*
 * Trains the terms of the pupil from their initial values, on approved pairs and on the weak labels that are assigned to
 * this round and the rounds before. The best epochs and the scale of the pupil come from the validation documents where
 * there are any, since these are many and the held-out ones few. The terms get equal weights: weights that were fitted to
 * few documents were 0 by chance now and then. The held-out documents then evaluate the pupil.
 */
static xmc_status
train_pupil(xmc_trainer *t, xmc_round *r, int32_t round)
{
	int32_t		n_weak = xmc_weak_labels_assigned(t, &r->weak[r->pupil], round);
	const xmc_document **all = xmc_arena_alloc(&t->run_arena, (size_t) (t->n_approved + n_weak), sizeof *all);
	xmc_labels *validation;
	xmc_status	status = XMC_OK;

	XMC_NEED(all, t->ctx);
	for (int p = 0; p < XMC_TERMS; p++)
		if (t->has_term[p] && xmc_term_modality((xmc_term) p) == r->pupil)
			XMC_TRY(xmc_model_renew_term(t->ctx, t->model, (xmc_term) p));
	XMC_TRY(divide_documents(t, r, n_weak, all));
	t->validation = validation = r->validation.n ? &r->validation : &t->held_out;
	for (int p = 0; p < XMC_TERMS && status == XMC_OK; p++)
		if (t->has_term[p] && xmc_term_modality((xmc_term) p) == r->pupil)
		{
			t->progress.total += (int64_t) xmc_most_epochs(t->options, (xmc_term) p) * t->n_train;
			status = xmc_train_term_to_best(t, (xmc_term) p);
		}
	t->train = t->approved;
	t->n_train = t->n_approved;
	t->validation = &t->held_out;
	XMC_TRY(status);
	if (xmc_is_resuming(t))
		return xmc_checkpoint_missed(t);
	/* All terms are scored: a training that was resumed has not scored the earlier ones. */
	XMC_TRY(xmc_train_score_modality(t, r->pupil, validation));
	XMC_TRY(xmc_train_weigh_terms(t, r->pupil, validation, true));
	if (validation != &t->held_out)
		take_scores(t, r->pupil);
	return XMC_OK;
}

/* The share of pairs that two scores order alike, of the pairs that have both scores; NaN: there are none. */
static double
agreement(const xmc_labels *l, const float *a, const float *b)
{
	double		same = 0;
	double		all = 0;

	for (int32_t r = 0; r < l->n; r++)
		if (a[r] != 0 && b[r] != 0)
		{
			same += ((a[r] > 0) == (b[r] > 0)) * l->weight[r];
			all += l->weight[r];
		}
	return all > 0 ? same / all : NAN;
}

/* Whether documents with weak labels are assigned to this round. */
static bool
has_new_documents(const xmc_trainer *t, const xmc_weak_labels *w, int32_t round)
{
	int32_t		end = xmc_weak_labels_assigned(t, w, round);

	for (int32_t d = xmc_weak_labels_assigned(t, w, round - 1); d < end; d++)
		if (xmc_is_weakly_labelled(&w->document[d]))
			return true;
	return false;
}

/* The tau of each held-out document by the fused score, into tau (n_documents); returns the mean. */
static double
fused_tau(xmc_trainer *t, double *tau)
{
	double		mean_loss;
	double		mean_tau;

	xmc_train_fused_scores(t, &t->apart, t->apart.s);
	xmc_labels_evaluate(&t->apart, t->apart.s, 1, &mean_loss, &mean_tau, NULL, tau);
	return mean_tau;
}

/*
 * The 95% interval of the change of tau over the held-out groups, by a paired bootstrap, and whether all of it is
 * below 0. after, before (n_documents); after becomes the change.
 */
static xmc_status
compare(xmc_trainer *t, double *after, const double *before, double *low, double *high, bool *lost)
{
	xmc_interval difference;

	for (int32_t d = 0; d < t->apart.n_documents; d++)
		after[d] -= before[d];
	XMC_TRY(xmc_labels_interval(t, &t->apart, after, &difference));
	*low = difference.low;
	*high = difference.high;
	*lost = difference.high < 0;
	return XMC_OK;
}

/*
 * The pupil is the modality with the higher loss on documents on which it was not trained. Where there are folds, that is
 * decided once, on all approved documents: a handful of held-out ones would decide by chance, and a round makes the pupil
 * no better than its guide.
 */
static xmc_modality
choose_pupil(xmc_trainer *t, int32_t round, const xmc_round *r)
{
	const xmc_labels *l = xmc_fit_labels(t);
	double		own_loss[XMC_MODALITIES];
	double		tau;

	if (t->out_of_fold.n > 0 && round > 1)
		return r->pupil;
	for (int m = 0; m < XMC_MODALITIES; m++)
		xmc_labels_evaluate(l, l->score[m], 1, &own_loss[m], &tau, NULL, NULL);
	return own_loss[XMC_TEXT] > own_loss[XMC_IMAGE] ? XMC_TEXT : XMC_IMAGE;
}

/* Chooses the pupil and labels its documents of this round; *go_on is false if there are none. */
static xmc_status
begin_round(xmc_trainer *t, int32_t round, xmc_round *r, bool *go_on)
{
	xmc_round_report *report = &t->report->round[t->report->n_rounds];
	xmc_snapshot now = xmc_train_snapshot(t);
	xmc_weak_labels *w;

	*go_on = false;
	r->pupil = choose_pupil(t, round, r);
	w = &r->weak[r->pupil];
	t->progress.round = round;
	/* A guide that was a pupil labels the documents of this round anew: it was trained on those of earlier rounds. */
	if (r->taught[xmc_guide_of(r->pupil)] > 0)
	{
		xmc_weak_labels *again[XMC_MODALITIES] = {NULL};
		int32_t		first = xmc_weak_labels_assigned(t, w, round - 1);
		int32_t		end = xmc_weak_labels_assigned(t, w, round);

		again[r->pupil] = w;
		if (first < end)
			XMC_TRY(xmc_weak_labels_give(t, again, first, end, false));
	}
	if (!has_new_documents(t, w, round))
		return XMC_OK;
	*report = (xmc_round_report){.round = round,.pupil = r->pupil,.weak = w->figures,
		.documents = xmc_weak_labels_assigned(t, w, round),
		.fused_tau_before = fused_tau(t, r->fused_tau),
		.agreement_before = agreement(&t->apart, t->apart.score[XMC_TEXT], t->apart.score[XMC_IMAGE])};
	XMC_TRY(xmc_train_guided_tau(t, r->pupil, &report->guided_tau_before));
	t->report->n_rounds++;
	copy_snapshot(t, &now, &r->before);
	*go_on = true;
	return XMC_OK;
}

/*
 * Fuses the pupil with its guide and fits the guidance. Where there are folds, the cross-fitted weights stay: the pupil
 * repeats its guide, so few held-out documents would weigh both too high.
 */
static xmc_status
fuse_again(xmc_trainer *t, const xmc_round *r)
{
	const xmc_calibration *before = r->before.calibration;
	xmc_calibration *c = &t->model->calibration;
	xmc_calibration *known = &t->model->known;
	double		scaled = before->solo[r->pupil] > 0 ? c->solo[r->pupil] / before->solo[r->pupil] : 0;

	if (t->out_of_fold.n == 0)
	{
		XMC_TRY(xmc_train_fit_fusion(t, &t->held_out));
		XMC_TRY(xmc_train_fit_guidance(t));
		return xmc_train_fit_known(t);
	}
	c->fused[r->pupil] = before->solo[r->pupil] > 0 ? before->fused[r->pupil] / before->solo[r->pupil] * c->solo[r->pupil]
		: c->solo[r->pupil];
	if (t->probes.n == 0)
		return xmc_train_fit_known(t);
	/* No probe has been scored by the new pupil: what it is worth more in known groups stays. */
	known->solo[r->pupil] = scaled > 0 ? scaled * known->solo[r->pupil] : c->solo[r->pupil];
	known->fused[r->pupil] = scaled > 0 ? scaled * known->fused[r->pupil] : c->fused[r->pupil];
	return XMC_OK;
}

/* Reports what the round did, and whether it is kept; if not, why the rounds end. */
static xmc_status
evaluate_round(xmc_trainer *t, const xmc_round *r)
{
	xmc_round_report *report = &t->report->round[t->report->n_rounds - 1];
	int32_t		n = t->apart.n_documents;
	double	   *before = xmc_arena_alloc(&t->run_arena, (size_t) n, sizeof(double));
	double	   *after = xmc_arena_alloc(&t->run_arena, (size_t) n, sizeof(double));
	const float *score = t->apart.score[r->pupil];
	bool		pupil_lost;
	bool		fused_lost;

	if (!before || !after)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	xmc_labels_evaluate(&t->apart, r->before.apart_score[r->pupil], 1, &report->loss_before, &report->tau_before, NULL, before);
	xmc_labels_evaluate(&t->apart, score, 1, &report->loss_after, &report->tau_after, NULL, after);
	XMC_TRY(compare(t, after, before, &report->difference_low, &report->difference_high, &pupil_lost));
	/* A pupil that is not worse alone may still repeat mistakes of its guide, which then count twice in the fused score. */
	XMC_TRY(fuse_again(t, r));
	report->fused_tau_after = fused_tau(t, after);
	XMC_TRY(xmc_train_guided_tau(t, r->pupil, &report->guided_tau_after));
	XMC_TRY(compare(t, after, r->fused_tau, &report->fused_low, &report->fused_high, &fused_lost));
	report->flips = 1 - agreement(&t->apart, r->before.apart_score[r->pupil], score);
	report->agreement_after = agreement(&t->apart, t->apart.score[XMC_TEXT], t->apart.score[XMC_IMAGE]);
	report->kept = !pupil_lost && !fused_lost;
	if (pupil_lost)
		t->report->rounds_end = XMC_ROUNDS_PUPIL_LOST;
	else if (fused_lost)
		t->report->rounds_end = report->agreement_after > report->agreement_before ? XMC_ROUNDS_REINFORCED : XMC_ROUNDS_FUSED_LOST;
	return XMC_OK;
}

/* One round, or the rest of it if the training is resumed in it. *go_on: the round was kept. */
static xmc_status
one_round(xmc_trainer *t, int32_t round, xmc_round *r, bool *go_on)
{
	xmc_snapshot now = xmc_train_snapshot(t);

	if (xmc_is_resuming(t))
	{
		t->progress.round = round;
		XMC_TRY(xmc_checkpoint_load_round(t));
	}
	else
	{
		XMC_TRY(begin_round(t, round, r, go_on));
		if (!*go_on)
		{
			t->report->rounds_end = XMC_ROUNDS_NOTHING_TO_SAY;
			return XMC_OK;
		}
	}
	XMC_TRY(train_pupil(t, r, round));
	XMC_TRY(evaluate_round(t, r));
	*go_on = t->report->round[t->report->n_rounds - 1].kept;
	if (*go_on)
		r->taught[r->pupil] = xmc_weak_labels_assigned(t, &r->weak[r->pupil], round);
	else
	{
		copy_snapshot(t, &r->before, &now);
		xmc_model_note_changes(t->model);
	}
	return XMC_OK;
}

/*
 * Leaves in r what the refit needs: the weak labels of pupils. Of a training that is resumed after the rounds these are in the
 * checkpoint, until the refit has ended.
 */
static xmc_status
end_rounds(xmc_trainer *t, xmc_round *r)
{
	r->is_over = true;
	if (xmc_is_resuming(t))
		return xmc_leaves_out(t, XMC_STAGE_EVALUATION - 1) ? XMC_OK : xmc_checkpoint_load_round(t);
	for (int m = 0; m < XMC_MODALITIES; m++)
		if (r->taught[m] == 0)
			r->weak[m] = (xmc_weak_labels){0};
	return XMC_OK;
}

xmc_status
xmc_train_run_rounds(xmc_trainer *t)
{
	xmc_round  *r;
	bool		go_on = true;

	t->report->pool_documents = t->n_pool;
	if (t->options->rounds == 0)
		return XMC_OK;
	if (t->n_pool == 0)
	{
		t->report->rounds_end = XMC_ROUNDS_NOTHING_TO_SAY;
		return XMC_OK;
	}
	r = xmc_arena_zalloc(&t->run_arena, 1, sizeof *r);
	XMC_NEED(r, t->ctx);
	XMC_TRY(round_init(t, r));
	if (!xmc_is_resuming(t))	/* else the labels are in the checkpoint, if its stage is in a round or needs them */
	{
		t->progress.round = 1;
		XMC_TRY(label_pool(t, r));
	}
	xmc_train_free_folds(t);
	t->round = r;
	for (int32_t round = 1; round <= t->options->rounds && go_on; round++)
		if (!xmc_leaves_out(t, xmc_stage(round, XMC_TERMS - 1)))
			XMC_TRY(one_round(t, round, r, &go_on));
	return end_rounds(t, r);
}
