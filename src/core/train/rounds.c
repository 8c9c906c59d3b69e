/*
 * rounds.c - the two modalities teach each other (design section 4, "Iterative training"); see trainer.h
 *
 * In a round the guide, one modality, labels the pool for the pupil, the other: each pair of items with the guide's
 * calibrated probability p, as a soft target (weight p for the one order, 1 - p for the other), which leaves pairs that the
 * guide is unsure of without much say.
 *
 * Nobody is labelled by what was taught on it. Phase 0 has seen nothing of the pool, so its guides, where there are folds
 * the average of their models, label all of it before the first round. The pool is dealt to the rounds: a guide that has
 * been a pupil itself labels those of the present round anew, since it has seen at most the documents of rounds before;
 * earlier labels stay as they are.
 *
 * The guide is the modality with the lower loss on documents that it has not seen: on the guides data an image model that
 * taught a text model only cost time.
 * The pupil keeps what it learned unless a paired bootstrap over held-out documents shows a drop of tau, of its own or of
 * both together: then it is put back, and the rounds end. (Loss would not do for this: phase 0 has chosen its best epoch by
 * it, and so looks better than it is.)
 */
#include "train/trainer.h"
#include "xmcoh/order.h"

#include <math.h>
#include <string.h>

#define CHECK 7					/* one of so many documents of the pool is kept from the pupil, to tell its best epoch */
#define BINS 2000				/* of confidence, from 0.5 to 1 */

static xmc_status
round_init(xmc_trainer *t, xmc_round *r)
{
	size_t		pairs = (size_t) t->held_out.n;
	xmc_snapshot *before = &r->before;

	before->values = xmc_arena_alloc(&t->run_arena, (size_t) t->model->n_parameters, sizeof(float));
	before->calibration = xmc_arena_alloc(&t->run_arena, 1, sizeof *before->calibration);
	r->fused_tau = xmc_arena_alloc(&t->run_arena, (size_t) t->held_out.n_documents, sizeof(double));
	if (!before->values || !before->calibration || !r->fused_tau)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	for (int p = 0; p < XMC_TERMS; p++)
	{
		before->term_s[p] = xmc_arena_alloc(&t->run_arena, pairs, sizeof(float));
		XMC_NEED(before->term_s[p], t->ctx);
	}
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		before->score[m] = xmc_arena_alloc(&t->run_arena, pairs, sizeof(float));
		XMC_NEED(before->score[m], t->ctx);
	}
	return XMC_OK;
}

static void
copy_learned(const xmc_trainer *t, const xmc_snapshot *from, const xmc_snapshot *to)
{
	size_t		pairs = (size_t) t->held_out.n * sizeof(float);

	memcpy(to->values, from->values, (size_t) t->model->n_parameters * sizeof(float));
	for (int p = 0; p < XMC_TERMS; p++)
		memcpy(to->term_s[p], from->term_s[p], pairs);
	for (int m = 0; m < XMC_MODALITIES; m++)
		memcpy(to->score[m], from->score[m], pairs);
	*to->calibration = *from->calibration;
}

/* ---- weak labels ---- */

/* In which round the d-th document of the pool is taught: they are dealt in turn. */
static int32_t
round_of(const xmc_trainer *t, int32_t d)
{
	return 1 + d % t->options->rounds;
}

/* How many of the weakly labelled documents are dealt to this round and those before it. */
static int32_t
dealt_to(const xmc_trainer *t, const xmc_weak *w, int32_t round)
{
	int32_t		n = 0;

	while (n < w->n && round_of(t, w->from[n]) <= round)
		n++;
	return n;
}

/* How many ordered pairs the pool has of items that have both modalities. */
static size_t
count_pairs(const xmc_trainer *t)
{
	size_t		pairs = 0;

	for (int32_t d = 0; d < t->n_pool; d++)
	{
		size_t		both = 0;

		for (int32_t i = 0; i < t->pool[d]->n; i++)
			both += xmc_has_both(t->pool[d]->has[i]);
		pairs += both * (both - 1);	/* at least 2: see xmc_can_be_guided */
	}
	return pairs;
}

/* Copies of the pool's documents, with all pairs of items that have both modalities, either way round, weight 0. */
static xmc_status
add_pool(xmc_trainer *t, xmc_weak *w)
{
	xmc_pair   *pair = xmc_train_spill(t, count_pairs(t), sizeof *pair);

	w->document = xmc_arena_alloc(&t->run_arena, (size_t) t->n_pool, sizeof(xmc_document));
	w->from = xmc_arena_alloc(&t->run_arena, (size_t) t->n_pool, sizeof(int32_t));
	if (!pair || !w->document || !w->from)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t round = 1; round <= t->options->rounds; round++)
		for (int32_t d = 0; d < t->n_pool; d++)
			if (round_of(t, d) == round)
			{
				xmc_document *copy = &w->document[w->n];

				XMC_TRY(xmc_check_stop(t->ctx));
				*copy = *t->pool[d];
				copy->pair = pair;
				for (int32_t i = 0; i < copy->n; i++)
					for (int32_t j = i + 1; j < copy->n && xmc_has_both(copy->has[i]); j++)
						if (xmc_has_both(copy->has[j]))
						{
							*pair++ = (xmc_pair){i, j, 0};
							*pair++ = (xmc_pair){j, i, 0};
						}
				copy->n_pairs = (int32_t) (pair - copy->pair);
				w->n_pairs += copy->n_pairs;
				w->from[w->n++] = d;
			}
	return XMC_OK;
}

static xmc_modality
guide_of(xmc_modality pupil)
{
	return pupil == XMC_TEXT ? XMC_IMAGE : XMC_TEXT;
}

/* Unordered pairs that were labelled, by how sure the guide is: how many there are in each bin, and the sum of max(p, 1 - p). */
typedef struct tally
{
	int64_t		pairs;
	int64_t		agreeing;
	int64_t		count[BINS];
	double		confidence[BINS];
} tally;

static int
bin_of(double confidence)
{
	int			bin = (int) ((confidence - 0.5) * 2 * BINS);

	return bin < BINS ? bin : BINS - 1;
}

/* Labels one document. guide, own (n, n): raw scores of guide and pupil; `scale` makes log-odds of the guide's. */
static void
label(xmc_document *document, const float *guide, double scale, const float *own, tally *count)
{
	for (int32_t k = 0; k < document->n_pairs; k += 2)
	{
		xmc_pair   *pair = &document->pair[k];
		int64_t		at = (int64_t) pair->before * document->n + pair->after;
		double		p = xmc_probability(scale * guide[at]);
		int			bin = bin_of(fmax(p, 1 - p));

		pair[0].weight = (float) p;
		pair[1].weight = (float) (1 - p);
		count->pairs++;
		count->agreeing += (p > 0.5) == (own[at] > 0);
		count->count[bin]++;
		count->confidence[bin] += fmax(p, 1 - p);
	}
}

/* Scores up to XMC_SCORE_BATCH documents by the model; sum[d][m] (n, n): its raw scores or, if `by_folds`, the sum of the folds'. */
static xmc_status
score_batch(xmc_trainer *t, int32_t n, const xmc_document *document, bool by_folds, xmc_scores *own, float *sum[][XMC_MODALITIES])
{
	xmc_status	status = XMC_OK;

	XMC_TRY(xmc_score_documents(t->ctx, t->model, n, document, own));
	xmc_arena_reset(&t->arena);
	for (int32_t d = 0; d < n && status == XMC_OK; d++)
		for (int m = 0; m < XMC_MODALITIES && status == XMC_OK; m++)
		{
			size_t		cells = (size_t) document[d].n * (size_t) document[d].n;

			sum[d][m] = by_folds ? xmc_arena_zalloc(&t->arena, cells, sizeof(float)) : own[d].raw[m];
			if (!sum[d][m])
				status = xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
		}
	for (int32_t f = 0; by_folds && f < t->n_folds && status == XMC_OK; f++)
	{
		xmc_scores	scores[XMC_SCORE_BATCH];

		status = xmc_score_documents(t->ctx, t->fold[f], n, document, scores);
		for (int32_t d = 0; d < n && status == XMC_OK; d++)
		{
			for (int m = 0; m < XMC_MODALITIES; m++)
				for (int64_t k = 0; k < (int64_t) document[d].n * document[d].n; k++)
					sum[d][m][k] += scores[d].raw[m][k];
			xmc_scores_free(t->ctx, &scores[d]);
		}
	}
	if (status != XMC_OK)
		for (int32_t d = 0; d < n; d++)
			xmc_scores_free(t->ctx, &own[d]);
	return status;
}

/*
 * Selects the most pairs that are right often enough (option precision) by both estimates: their own mean confidence, and
 * how often the guide, not having seen them, is right about approved pairs that it is as confident of. The others weigh
 * less from now on, if so told.
 */
static xmc_status
select_pairs(const xmc_trainer *t, xmc_weak *w, const xmc_labels *approved, xmc_modality guide, int32_t first, int32_t end,
			 const tally *count)
{
	xmc_weak_figures *figures = &w->figures;
	double		right[BINS] = {0};	/* of the approved pairs' weight */
	double		all[BINS] = {0};
	int64_t		pairs = 0;
	double		confidence = 0;
	double		sum_right = 0;
	double		sum_all = 0;
	int			lowest = BINS;	/* bin that is selected */

	for (int32_t r = 0; r < approved->n; r++)
	{
		double		p = xmc_probability(approved->score[guide][r]);
		int			bin = bin_of(fmax(p, 1 - p));

		if (approved->score[guide][r] == 0)	/* it says nothing of this pair */
			continue;
		all[bin] += approved->weight[r];
		right[bin] += (p > 0.5) * approved->weight[r];
	}
	*figures = (xmc_weak_figures){.threshold = 1,.selected_precision = NAN,
		.agreement = count->pairs ? (double) count->agreeing / (double) count->pairs : NAN};
	for (int bin = BINS - 1; bin >= 0; bin--)
	{
		pairs += count->count[bin];
		confidence += count->confidence[bin];
		sum_all += all[bin];
		sum_right += right[bin];
		if (pairs > 0 && confidence >= t->options->precision * (double) pairs && sum_all > 0 &&
			sum_right >= t->options->precision * sum_all)
		{
			lowest = bin;
			figures->threshold = 0.5 + 0.5 * bin / BINS;
			figures->selected = (double) pairs / (double) count->pairs;
			figures->selected_precision = sum_right / sum_all;
		}
	}
	for (int32_t d = first; d < end && t->options->unselected < 1; d++)
	{
		XMC_TRY(xmc_check_stop(t->ctx));
		for (int32_t k = 0; k < w->document[d].n_pairs; k++)
		{
			xmc_pair   *pair = &w->document[d].pair[k];

			if (bin_of(fmax(pair->weight, 1 - pair->weight)) < lowest)
				pair->weight *= (float) t->options->unselected;
		}
	}
	return XMC_OK;
}

/*
 * Labels the documents from `first` to `end` for each pupil, w[m] (NULL: not this one): by the models of the folds, if
 * there are any and they know as much as the model.
 */
static xmc_status
label_documents(xmc_trainer *t, xmc_weak *const w[XMC_MODALITIES], int32_t first, int32_t end, bool by_folds)
{
	tally	   *count = xmc_arena_zalloc(&t->run_arena, XMC_MODALITIES, sizeof *count);
	const xmc_document *document = w[XMC_TEXT] ? w[XMC_TEXT]->document : w[XMC_IMAGE]->document;

	XMC_NEED(count, t->ctx);
	by_folds = by_folds && t->n_folds > 0;
	t->progress.phase = "labelling";
	t->progress.total += end - first;
	for (int32_t at = first; at < end; at += XMC_SCORE_BATCH)
	{
		int32_t		n = end - at < XMC_SCORE_BATCH ? end - at : XMC_SCORE_BATCH;
		xmc_scores	own[XMC_SCORE_BATCH];
		float	   *sum[XMC_SCORE_BATCH][XMC_MODALITIES];

		XMC_TRY(score_batch(t, n, document + at, by_folds, own, sum));
		for (int m = 0; m < XMC_MODALITIES; m++)
			for (int32_t d = 0; d < n && w[m]; d++)
			{
				xmc_modality guide = guide_of((xmc_modality) m);

				label(&w[m]->document[at + d], sum[d][guide],
					  t->model->calibration.solo[guide] / (by_folds ? t->n_folds : 1), own[d].raw[m], &count[m]);
			}
		for (int32_t d = 0; d < n; d++)
			xmc_scores_free(t->ctx, &own[d]);
		t->progress.done += n;
		XMC_TRY(xmc_train_report_progress(t));
	}
	for (int m = 0; m < XMC_MODALITIES; m++)
		if (w[m])
			XMC_TRY(select_pairs(t, w[m], by_folds ? &t->out_of_fold : &t->held_out, guide_of((xmc_modality) m), first, end,
								 &count[m]));
	return XMC_OK;
}

/* Whether the modality has a part that approved pairs can judge, and the other one knows anything. */
static bool
can_be_taught(const xmc_trainer *t, xmc_modality modality)
{
	bool		can_learn = false;

	for (int p = 0; p < XMC_TERMS; p++)
		can_learn |= t->has_term[p] && xmc_term_modality((xmc_term) p) == modality;
	return can_learn && t->model->calibration.solo[guide_of(modality)] != 0;
}

/* Labels the whole pool by phase 0, for both. */
static xmc_status
label_pool(xmc_trainer *t, xmc_round *r)
{
	xmc_weak   *w[XMC_MODALITIES] = {NULL};

	for (int m = 0; m < XMC_MODALITIES; m++)
		if (can_be_taught(t, (xmc_modality) m))
		{
			w[m] = &r->weak[m];
			XMC_TRY(add_pool(t, w[m]));
		}
	return w[XMC_TEXT] || w[XMC_IMAGE] ? label_documents(t, w, 0, t->n_pool, true) : XMC_OK;
}

static xmc_status
stream_weak(xmc_checkpoint *c, xmc_trainer *t, xmc_weak *w)
{
	int64_t		n = w->n;

	XMC_TRY(xmc_stream_integer(c, "the pool's labels", &n, 0, t->n_pool));
	if (n == 0)
		return XMC_OK;
	if (!c->is_saving)
		XMC_TRY(add_pool(t, w));
	if (n != w->n)
		return xmc_checkpoint_damaged(c, "it labels another pool");
	XMC_TRY(xmc_stream_weak_figures(c, &w->figures));
	for (int64_t k = 0; k < n; k++)
	{
		XMC_TRY(xmc_check_stop(t->ctx));
		for (int32_t p = 0; p < w->document[k].n_pairs; p++)
		{
			float	   *weight = &w->document[k].pair[p].weight;

			XMC_TRY(xmc_stream(c, weight, sizeof *weight));
			if (!c->is_saving && !(*weight >= 0 && *weight <= 1))
				return xmc_checkpoint_damaged(c, "a weak label is no probability");
		}
	}
	return XMC_OK;
}

xmc_status
xmc_stream_round(xmc_checkpoint *c, xmc_trainer *t)
{
	xmc_round  *r = t->round;
	int64_t		pupil = r->pupil;

	XMC_TRY(xmc_stream_integer(c, "a pupil", &pupil, 0, XMC_MODALITIES - 1));
	r->pupil = (xmc_modality) pupil;
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		int64_t		was_pupil = r->was_pupil[m];

		XMC_TRY(xmc_stream_integer(c, "a pupil", &was_pupil, 0, 1));
		r->was_pupil[m] = was_pupil != 0;
		XMC_TRY(stream_weak(c, t, &r->weak[m]));
	}
	XMC_TRY(xmc_stream_snapshot(c, t, &r->before));
	return xmc_stream_doubles(c, "a round", r->fused_tau, t->held_out.n_documents);
}

/* ---- one round ---- */

/* Puts a modality's parts back to how they began. */
static xmc_status
forget(xmc_trainer *t, xmc_modality modality)
{
	xmc_model  *fresh;
	xmc_status	status = xmc_model_new(t->ctx, t->options, t->model->has_bag, &fresh);

	for (int p = 0; p < XMC_TERMS && status == XMC_OK; p++)
		if (t->has_term[p] && xmc_term_modality((xmc_term) p) == modality)
		{
			int64_t		n = xmc_model_copy_term(t->model, (xmc_term) p, NULL, true);
			float	   *values;	/* (n) */

			xmc_arena_reset(&t->term_arena);
			values = xmc_arena_alloc(&t->term_arena, (size_t) n, sizeof(float));
			if (values)
			{
				xmc_model_copy_term(fresh, (xmc_term) p, values, true);
				xmc_model_copy_term(t->model, (xmc_term) p, values, false);
			}
			else
				status = xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
		}
	if (fresh)
		xmc_model_free(t->ctx, fresh);
	return status;
}

/* Whether anything is labelled in a document: not if option unselected is 0 and nothing of it is selected. */
static bool
is_labelled(const xmc_document *document)
{
	for (int32_t k = 0; k < document->n_pairs; k++)
		if (document->pair[k].weight > 0)
			return true;
	return false;
}

/*
 * Deals the approved documents and the labelled ones of this round and those before to those that are trained on, into
 * `all` (n_approved + n_weak), and, where few are held out, those that check it, r->check.
 */
static xmc_status
deal(xmc_trainer *t, xmc_round *r, int32_t n_weak, const xmc_document **all)
{
	const xmc_weak *w = &r->weak[r->pupil];
	const xmc_document **check = xmc_arena_alloc(&t->run_arena, (size_t) n_weak, sizeof *check);
	int32_t		n_check = 0;

	XMC_NEED(check, t->ctx);
	memcpy(all, t->approved, (size_t) t->n_approved * sizeof *all);
	t->n_train = t->n_approved;
	for (int32_t d = 0; d < n_weak; d++)
	{
		XMC_TRY(xmc_check_stop(t->ctx));
		if (!is_labelled(&w->document[d]))
			continue;
		if (t->out_of_fold.n > 0 && d % CHECK == 0)
			check[n_check++] = &w->document[d];
		else
			all[t->n_train++] = &w->document[d];
	}
	if (n_check < XMC_MIN_HELD_OUT_DOCUMENTS)
	{
		memcpy(all + t->n_train, check, (size_t) n_check * sizeof *all);
		t->n_train += n_check;
		n_check = 0;
	}
	t->train = all;
	r->check = (xmc_labels){.n_documents = n_check,.document = check};
	return n_check ? xmc_train_labels(t, &r->check, true) : XMC_OK;
}

/*
 * Trains the pupil's parts from the beginning, on approved pairs and on the weak ones that are dealt to this round and
 * those before. Where few documents are held out, part of the weakly labelled ones tell its best epochs and its scale: they
 * are many. Its parts are added as they are: weights that are fitted to few documents were 0 by chance now and then. The
 * held-out ones judge it.
 */
static xmc_status
teach(xmc_trainer *t, xmc_round *r, int32_t round)
{
	int32_t		n_weak = dealt_to(t, &r->weak[r->pupil], round);
	const xmc_document **all = xmc_arena_alloc(&t->run_arena, (size_t) (t->n_approved + n_weak), sizeof *all);
	xmc_labels *check;
	xmc_status	status = XMC_OK;

	XMC_NEED(all, t->ctx);
	XMC_TRY(forget(t, r->pupil));
	XMC_TRY(deal(t, r, n_weak, all));
	t->validation = check = r->check.n ? &r->check : &t->held_out;
	for (int p = 0; p < XMC_TERMS && status == XMC_OK; p++)
		if (t->has_term[p] && xmc_term_modality((xmc_term) p) == r->pupil)
		{
			t->progress.total += (int64_t) t->options->epochs * t->n_train;
			status = xmc_train_term(t, (xmc_term) p);
		}
	t->train = t->approved;
	t->n_train = t->n_approved;
	t->validation = &t->held_out;
	XMC_TRY(status);
	if (t->resume.stage != 0)
		return xmc_checkpoint_missed(&t->resume);
	XMC_TRY(xmc_train_score(t, r->pupil, check));	/* all parts: training may have been continued in the last one */
	return xmc_train_weigh(t, r->pupil, check, true);
}

/* Share of the held-out pairs on which two scores say the same, of those of which both say anything; NaN: there are none. */
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

/* Whether documents are dealt to the round that teach anything. */
static bool
is_news(const xmc_trainer *t, const xmc_weak *w, int32_t round)
{
	int32_t		end = dealt_to(t, w, round);

	for (int32_t d = dealt_to(t, w, round - 1); d < end; d++)
		if (is_labelled(&w->document[d]))
			return true;
	return false;
}

/* Each held-out document's tau by the fused score, into tau (n_documents); gives the mean. */
static double
fused_tau(xmc_trainer *t, double *tau)
{
	double		mean_loss;
	double		mean_tau;

	xmc_train_fused_scores(t, &t->held_out, t->held_out.s);
	xmc_train_evaluate(&t->held_out, t->held_out.s, 1, &mean_loss, &mean_tau, NULL, tau);
	return mean_tau;
}

/* How the held-out documents' tau has changed, and whether it has beyond doubt become less. after, before (n_documents). */
static xmc_status
compare(xmc_trainer *t, double *after, const double *before, double *low, double *high, bool *lost)
{
	xmc_interval difference;

	for (int32_t d = 0; d < t->held_out.n_documents; d++)
		after[d] -= before[d];
	XMC_TRY(xmc_bootstrap(t->ctx, t->held_out.n_documents, after, NULL, XMC_BOOTSTRAP_REPLICATES, 1, &difference));
	*low = difference.low;
	*high = difference.high;
	*lost = difference.high < 0;
	return XMC_OK;
}

/*
 * The modality with the higher loss, in phase 0 where folds have scored all approved documents: a handful of held-out ones
 * would choose by chance, and a round makes the pupil no better than its guide.
 */
static xmc_modality
choose_pupil(xmc_trainer *t, int32_t round, const xmc_round *r)
{
	const xmc_labels *l = t->out_of_fold.n > 0 ? &t->out_of_fold : &t->held_out;
	double		own_loss[XMC_MODALITIES];
	double		tau;

	if (t->out_of_fold.n > 0 && round > 1)
		return r->pupil;
	for (int m = 0; m < XMC_MODALITIES; m++)
		xmc_train_evaluate(l, l->score[m], 1, &own_loss[m], &tau, NULL, NULL);
	return own_loss[XMC_TEXT] > own_loss[XMC_IMAGE] ? XMC_TEXT : XMC_IMAGE;
}

/* Chooses the pupil and labels its documents; *go_on is false if there is nobody to teach, or nothing. */
static xmc_status
begin_round(xmc_trainer *t, int32_t round, xmc_round *r, bool *go_on)
{
	xmc_round_report *report = &t->report->round[t->report->n_rounds];
	xmc_snapshot now = xmc_train_snapshot(t);
	xmc_weak   *w;

	*go_on = false;
	r->pupil = choose_pupil(t, round, r);
	w = &r->weak[r->pupil];
	t->progress.round = round;
	if (r->was_pupil[guide_of(r->pupil)])
	{
		xmc_weak   *again[XMC_MODALITIES] = {NULL};
		int32_t		first = dealt_to(t, w, round - 1);
		int32_t		end = dealt_to(t, w, round);

		again[r->pupil] = w;
		if (first < end)
			XMC_TRY(label_documents(t, again, first, end, false));
	}
	if (!is_news(t, w, round))
		return XMC_OK;
	*report = (xmc_round_report){.round = round,.pupil = r->pupil,.documents = dealt_to(t, w, round),.weak = w->figures,
		.fused_tau_before = fused_tau(t, r->fused_tau),
		.agreement_before = agreement(&t->held_out, t->held_out.score[XMC_TEXT], t->held_out.score[XMC_IMAGE])};
	XMC_TRY(xmc_train_guided_tau(t, r->pupil, &report->guided_tau_before));
	t->report->n_rounds++;
	copy_learned(t, &now, &r->before);
	*go_on = true;
	return XMC_OK;
}

/*
 * Fuses what the pupil is now with its guide, and weighs its guidance. Cross-fitted weights stay: what few held-out
 * documents would make of both trusts, on the guides, the pupil's echo of its guide too much.
 */
static xmc_status
fuse_again(xmc_trainer *t, const xmc_round *r)
{
	const xmc_calibration *before = r->before.calibration;
	xmc_calibration *c = &t->model->calibration;

	if (t->out_of_fold.n == 0)
	{
		XMC_TRY(xmc_train_fuse(t, &t->held_out));
		return xmc_train_guidance(t);
	}
	c->fused[r->pupil] = before->solo[r->pupil] > 0 ? before->fused[r->pupil] / before->solo[r->pupil] * c->solo[r->pupil]
		: c->solo[r->pupil];
	return XMC_OK;
}

/* What the round has done, and whether it is kept; else why the rounds end. */
static xmc_status
judge_round(xmc_trainer *t, const xmc_round *r)
{
	xmc_round_report *report = &t->report->round[t->report->n_rounds - 1];
	int32_t		n = t->held_out.n_documents;
	double	   *before = xmc_arena_alloc(&t->run_arena, (size_t) n, sizeof(double));
	double	   *after = xmc_arena_alloc(&t->run_arena, (size_t) n, sizeof(double));
	const float *score = t->held_out.score[r->pupil];
	bool		pupil_lost;
	bool		fused_lost;

	if (!before || !after)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	xmc_train_evaluate(&t->held_out, r->before.score[r->pupil], 1, &report->loss_before, &report->tau_before, NULL, before);
	xmc_train_evaluate(&t->held_out, score, 1, &report->loss_after, &report->tau_after, NULL, after);
	XMC_TRY(compare(t, after, before, &report->difference_low, &report->difference_high, &pupil_lost));
	/* Even if the pupil did not lose alone, it may have learned the guide's mistakes, which then count twice. */
	XMC_TRY(fuse_again(t, r));
	report->fused_tau_after = fused_tau(t, after);
	XMC_TRY(xmc_train_guided_tau(t, r->pupil, &report->guided_tau_after));
	XMC_TRY(compare(t, after, r->fused_tau, &report->fused_low, &report->fused_high, &fused_lost));
	report->flips = 1 - agreement(&t->held_out, r->before.score[r->pupil], score);
	report->agreement_after = agreement(&t->held_out, t->held_out.score[XMC_TEXT], t->held_out.score[XMC_IMAGE]);
	report->kept = !pupil_lost && !fused_lost;
	if (pupil_lost)
		t->report->rounds_end = XMC_ROUNDS_PUPIL_LOST;
	else if (fused_lost)
		t->report->rounds_end = report->agreement_after > report->agreement_before ? XMC_ROUNDS_REINFORCED : XMC_ROUNDS_FUSED_LOST;
	return XMC_OK;
}

/* One round, from where it stands if training is being continued in it; *go_on: its pupil kept something. */
static xmc_status
one_round(xmc_trainer *t, int32_t round, xmc_round *r, bool *go_on)
{
	xmc_snapshot now = xmc_train_snapshot(t);

	if (t->resume.stage != 0)
	{
		t->progress.round = round;
		XMC_TRY(xmc_stream_round(&t->resume, t));
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
	XMC_TRY(teach(t, r, round));
	XMC_TRY(judge_round(t, r));
	*go_on = t->report->round[t->report->n_rounds - 1].kept;
	if (*go_on)
		r->was_pupil[r->pupil] = true;
	else
		copy_learned(t, &r->before, &now);
	return XMC_OK;
}

xmc_status
xmc_train_rounds(xmc_trainer *t)
{
	xmc_round	r = {0};
	bool		go_on = true;
	xmc_status	status = XMC_OK;

	t->report->pool_documents = t->n_pool;
	if (t->options->rounds == 0)
		return XMC_OK;
	if (t->n_pool == 0)
	{
		t->report->rounds_end = XMC_ROUNDS_NOTHING_TO_SAY;
		return XMC_OK;
	}
	XMC_TRY(round_init(t, &r));
	if (t->resume.stage == 0)	/* else the labels are in the checkpoint, if it is one of a round */
	{
		t->progress.round = 1;	/* for which this is done */
		XMC_TRY(label_pool(t, &r));
	}
	xmc_train_forget_folds(t);
	t->round = &r;
	for (int32_t round = 1; round <= t->options->rounds && go_on && status == XMC_OK; round++)
		if (!xmc_is_past(t, xmc_stage(round, XMC_TERMS - 1)))
			status = one_round(t, round, &r, &go_on);
	t->round = NULL;
	return status;
}
