/*
 * rounds.c - the two modalities teach each other (design section 4, "Iterative training"); see trainer.h
 *
 * In a round the guide, the one modality as it stands, labels the pool for the pupil, the other: each pair of items with the guide's
 * calibrated probability p, as a soft target (weight p for the one order, 1 - p for the other), which leaves pairs that the
 * guide is unsure of without a say. The pupil is trained anew on approved and weak pairs together.
 *
 * Nobody is labelled by what was taught on it: the pool is dealt to the rounds, and in round r the guides, which have seen at most
 * the documents of rounds before r, label those of round r; earlier labels stay as they are.
 *
 * The guide is the modality with the lower held-out loss: on the guides data an image model teaching a text model only cost time.
 * The pupil keeps what it learned unless a paired bootstrap over held-out documents shows a drop of tau, of its own or of both
 * together: then it is put back, and the rounds end. (Held-out loss would not do for this: phase 0 has chosen its best epoch by
 * it, and so looks better than it is.)
 */
#include "xmcoh/trainer.h"

#include <math.h>
#include <string.h>

#define POOL_SEED UINT64_C(0x706f6f6c)

/* All that a pupil's training changes. */
typedef struct state
{
	float	   *values;			/* (n_parameters) */
	float	   *part_s[XMC_PARTS];	/* (held_out.n) */
	float	   *score[XMC_MODALITIES];	/* (held_out.n) */
	xmc_calibration calibration;
} state;

static xmc_status
state_init(xmc_trainer *t, state *s)
{
	size_t		pairs = (size_t) t->held_out.n;

	s->values = xmc_arena_alloc(&t->lasting, (size_t) t->model->n_parameters, sizeof(float));
	XMC_NEED(s->values, t->ctx);
	for (int p = 0; p < XMC_PARTS; p++)
	{
		s->part_s[p] = xmc_arena_alloc(&t->lasting, pairs, sizeof(float));
		XMC_NEED(s->part_s[p], t->ctx);
	}
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		s->score[m] = xmc_arena_alloc(&t->lasting, pairs, sizeof(float));
		XMC_NEED(s->score[m], t->ctx);
	}
	return XMC_OK;
}

/* The parameters of a model are one block, see xmc_model_new. */
static void
state_copy(xmc_trainer *t, state *s, bool save)
{
	size_t		pairs = (size_t) t->held_out.n * sizeof(float);
	size_t		bytes = (size_t) t->model->n_parameters * sizeof(float);
	float	   *values = *t->model->tensor[0].slot;

	memcpy(save ? s->values : values, save ? values : s->values, bytes);
	for (int p = 0; p < XMC_PARTS; p++)
		memcpy(save ? s->part_s[p] : t->held_out.part_s[p], save ? t->held_out.part_s[p] : s->part_s[p], pairs);
	for (int m = 0; m < XMC_MODALITIES; m++)
		memcpy(save ? s->score[m] : t->score[m], save ? t->score[m] : s->score[m], pairs);
	if (save)
		s->calibration = t->model->calibration;
	else
		t->model->calibration = s->calibration;
}

/* The documents that a pupil has weak labels for: copies of the pool's with pairs of their own. */
typedef struct weak
{
	int32_t		n;
	xmc_document *document;		/* (n_pool) the first n are valid */
	int64_t		pairs;			/* unordered, of the round's documents */
	int64_t		confident;
	int64_t		agreeing;
} weak;

/* Labels one document of the pool, given everybody's scores. */
static xmc_status
label(xmc_trainer *t, const xmc_document *document, const xmc_scores *scores, xmc_modality guide, weak *w)
{
	int64_t		n = document->n;
	xmc_document *copy = &w->document[w->n];
	xmc_evidence evidence = guide == XMC_TEXT ? XMC_EVIDENCE_TEXT : XMC_EVIDENCE_IMAGE;

	*copy = *document;
	copy->pair = xmc_arena_alloc(&t->lasting, (size_t) (n * (n - 1)), sizeof(xmc_pair));
	XMC_NEED(copy->pair, t->ctx);
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = i + 1; j < n; j++)
		{
			uint8_t		both = document->has[i] & document->has[j];
			double		p = xmc_probability(scores->score[evidence][i * n + j]);
			float		own = scores->raw[guide == XMC_TEXT ? XMC_IMAGE : XMC_TEXT][i * n + j];

			if (!(both & XMC_HAS_TEXT) || !(both & XMC_HAS_IMAGE))
				continue;
			copy->pair[copy->n_pairs++] = (xmc_pair){i, j, (float) p};
			copy->pair[copy->n_pairs++] = (xmc_pair){j, i, (float) (1 - p)};
			w->pairs++;
			w->confident += p >= t->options->precision || 1 - p >= t->options->precision;
			w->agreeing += (p > 0.5) == (own > 0);
		}
	w->n += copy->n_pairs > 0;
	return XMC_OK;
}

/* In which round the d-th document of the pool is labelled. */
static int32_t
round_of(const xmc_trainer *t, int32_t d)
{
	return 1 + (int32_t) (xmc_hash_bytes(&d, sizeof d, POOL_SEED) % (uint64_t) t->options->rounds);
}

/* Labels the pool's documents that are dealt to this round, for the pupil. */
static xmc_status
label_pool(xmc_trainer *t, int32_t round, xmc_modality guide, weak *w)
{
	w->pairs = w->confident = w->agreeing = 0;
	for (int32_t d = 0; d < t->n_pool; d++)
	{
		xmc_scores	scores;
		xmc_status	status;

		if (round_of(t, d) != round)
			continue;
		t->progress.total++;	/* how many rounds there will be was not known before */
		XMC_TRY(xmc_score_documents(t->ctx, t->model, 1, t->pool[d], &scores));
		status = label(t, t->pool[d], &scores, guide, w);
		xmc_scores_free(t->ctx, &scores);
		XMC_TRY(status);
		t->progress.done++;
		XMC_TRY(xmc_train_tell(t));
	}
	return XMC_OK;
}

/* Of the held-out approved pairs that a modality is confident of, the share that it has right; NaN if there are none. */
static double
precision(const xmc_trainer *t, xmc_modality modality)
{
	double		threshold = log(t->options->precision / (1 - t->options->precision));
	double		right = 0;
	double		all = 0;

	for (int32_t r = 0; r < t->held_out.n; r++)
		if (fabs(t->score[modality][r]) >= threshold)
		{
			all += t->held_out.weight[r];
			right += t->score[modality][r] > 0 ? t->held_out.weight[r] : 0;
		}
	return all > 0 ? right / all : NAN;
}

/* Trains the pupil on approved and weak pairs, and reports whether its own order lost by it. */
static xmc_status
teach(xmc_trainer *t, xmc_modality pupil, const weak *w, const state *before, xmc_round_report *report)
{
	const xmc_document **approved = t->train;
	int32_t		n_approved = t->n_train;
	int32_t		n_held_out = t->held_out.n_documents;
	double	   *loss = xmc_arena_alloc(&t->lasting, (size_t) n_held_out * 2, sizeof(double));	/* (2, documents): before, after */
	double	   *tau = xmc_arena_alloc(&t->lasting, (size_t) n_held_out * 2, sizeof(double));
	const xmc_document **all = xmc_arena_alloc(&t->lasting, (size_t) (n_approved + w->n), sizeof *all);
	xmc_interval difference;
	xmc_status	status = XMC_OK;

	if (!loss || !tau || !all)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	xmc_train_judge(&t->held_out, before->score[pupil], 1, &report->loss_before, &report->tau_before, loss, tau);
	memcpy(all, approved, (size_t) n_approved * sizeof *all);
	for (int32_t d = 0; d < w->n; d++)
		all[n_approved + d] = &w->document[d];
	t->train = all;
	t->n_train = n_approved + w->n;
	for (int p = 0; p < XMC_PARTS && status == XMC_OK; p++)
		if (t->has_part[p] && xmc_part_modality((xmc_part) p) == pupil)
		{
			t->progress.total += (int64_t) t->options->epochs * t->n_train;
			status = xmc_train_part(t, (xmc_part) p);
		}
	t->train = approved;
	t->n_train = n_approved;
	XMC_TRY(status);
	XMC_TRY(xmc_train_weigh(t, pupil));
	xmc_train_judge(&t->held_out, t->score[pupil], 1, &report->loss_after, &report->tau_after, loss + n_held_out,
					tau + n_held_out);
	for (int32_t d = 0; d < n_held_out; d++)
		tau[d] = tau[n_held_out + d] - tau[d];
	XMC_TRY(xmc_bootstrap(t->ctx, n_held_out, tau, NULL, XMC_BOOTSTRAP_REPLICATES, 1, &difference));
	report->difference_low = difference.low;
	report->difference_high = difference.high;
	report->documents = w->n;
	report->confident = w->pairs ? (double) w->confident / (double) w->pairs : NAN;
	report->agreement = w->pairs ? (double) w->agreeing / (double) w->pairs : NAN;
	report->kept = difference.high >= 0;
	return XMC_OK;
}

/* Each held-out document's tau by both modalities together, into tau (n_documents). */
static void
fused_tau(xmc_trainer *t, double *tau)
{
	const xmc_calibration *c = &t->model->calibration;
	float	   *fused = t->held_out.s;
	double		mean_loss;
	double		mean_tau;

	for (int32_t r = 0; r < t->held_out.n; r++)
	{
		double		text = t->score[XMC_TEXT][r];
		double		image = t->score[XMC_IMAGE][r];

		if (text != 0 && image != 0)
		{
			text *= c->fused[XMC_TEXT] / c->solo[XMC_TEXT];
			image *= c->fused[XMC_IMAGE] / c->solo[XMC_IMAGE];
		}
		fused[r] = (float) (text + image);
	}
	xmc_train_judge(&t->held_out, fused, 1, &mean_loss, &mean_tau, NULL, tau);
}

/* Whether the modality has a part that held-out approved pairs can judge. */
static bool
can_learn(const xmc_trainer *t, xmc_modality modality)
{
	for (int p = 0; p < XMC_PARTS; p++)
		if (t->has_part[p] && xmc_part_modality((xmc_part) p) == modality)
			return true;
	return false;
}

/* One round; *go_on: its pupil kept something. w (modalities) are the weak labels for each, of this round and those before. */
static xmc_status
one_round(xmc_trainer *t, int32_t round, weak *w, state *before, bool *go_on)
{
	xmc_round_report *report = &t->report->round[t->report->n_rounds];
	int32_t		n_held_out = t->held_out.n_documents;
	double	   *fused = xmc_arena_alloc(&t->lasting, (size_t) n_held_out * 2, sizeof(double));	/* (2, documents) tau */
	double		own_loss[XMC_MODALITIES];
	double		tau;
	xmc_modality pupil;
	xmc_modality guide;
	xmc_interval difference;

	XMC_NEED(fused, t->ctx);
	*go_on = false;
	for (int m = 0; m < XMC_MODALITIES; m++)
		xmc_train_judge(&t->held_out, t->score[m], 1, &own_loss[m], &tau, NULL, NULL);
	pupil = own_loss[XMC_TEXT] > own_loss[XMC_IMAGE] ? XMC_TEXT : XMC_IMAGE;
	guide = pupil == XMC_TEXT ? XMC_IMAGE : XMC_TEXT;
	if (!can_learn(t, pupil) || t->model->calibration.solo[guide] == 0)
		return XMC_OK;

	fused_tau(t, fused);
	t->progress.round = round;
	t->progress.phase = "labelling";
	XMC_TRY(label_pool(t, round, guide, &w[pupil]));
	if (w[pupil].n == 0)
		return XMC_OK;
	*report = (xmc_round_report){.round = round,.pupil = pupil,.guide_precision = precision(t, guide)};
	t->report->n_rounds++;
	state_copy(t, before, true);
	XMC_TRY(teach(t, pupil, &w[pupil], before, report));
	if (report->kept)
	{
		/* The pupil did not lose alone; but it may have learned the guide's mistakes, which then count twice. */
		XMC_TRY(xmc_train_fuse(t));
		fused_tau(t, fused + n_held_out);
		for (int32_t d = 0; d < n_held_out; d++)
			fused[d] = fused[n_held_out + d] - fused[d];
		XMC_TRY(xmc_bootstrap(t->ctx, n_held_out, fused, NULL, XMC_BOOTSTRAP_REPLICATES, 1, &difference));
		report->kept = difference.high >= 0;
	}
	if (!report->kept)
		state_copy(t, before, false);
	*go_on = report->kept;
	return XMC_OK;
}

xmc_status
xmc_train_rounds(xmc_trainer *t)
{
	weak		w[XMC_MODALITIES] = {{0}};
	state		before;
	bool		go_on = true;

	t->report->pool_documents = t->n_pool;
	if (t->n_pool == 0 || t->options->rounds == 0)
		return XMC_OK;
	XMC_TRY(state_init(t, &before));
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		w[m].document = xmc_arena_alloc(&t->lasting, (size_t) t->n_pool, sizeof(xmc_document));
		XMC_NEED(w[m].document, t->ctx);
	}
	for (int32_t round = 1; round <= t->options->rounds && go_on; round++)
		XMC_TRY(one_round(t, round, w, &before, &go_on));
	return XMC_OK;
}
