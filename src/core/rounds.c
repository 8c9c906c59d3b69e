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

static xmc_status
round_init(xmc_trainer *t, xmc_round *r)
{
	size_t		pairs = (size_t) t->held_out.n;
	xmc_learned *before = &r->before;

	before->values = xmc_arena_alloc(&t->lasting, (size_t) t->model->n_parameters, sizeof(float));
	before->calibration = xmc_arena_alloc(&t->lasting, 1, sizeof *before->calibration);
	r->fused_tau = xmc_arena_alloc(&t->lasting, (size_t) t->held_out.n_documents, sizeof(double));
	if (!before->values || !before->calibration || !r->fused_tau)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	for (int p = 0; p < XMC_PARTS; p++)
	{
		before->part_s[p] = xmc_arena_alloc(&t->lasting, pairs, sizeof(float));
		XMC_NEED(before->part_s[p], t->ctx);
	}
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		before->score[m] = xmc_arena_alloc(&t->lasting, pairs, sizeof(float));
		r->weak[m].document = xmc_arena_alloc(&t->lasting, (size_t) t->n_pool, sizeof(xmc_document));
		r->weak[m].from = xmc_arena_alloc(&t->lasting, (size_t) t->n_pool, sizeof(int32_t));
		if (!before->score[m] || !r->weak[m].document || !r->weak[m].from)
			return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	}
	return XMC_OK;
}

static void
copy_learned(const xmc_trainer *t, const xmc_learned *from, const xmc_learned *to)
{
	size_t		pairs = (size_t) t->held_out.n * sizeof(float);

	memcpy(to->values, from->values, (size_t) t->model->n_parameters * sizeof(float));
	for (int p = 0; p < XMC_PARTS; p++)
		memcpy(to->part_s[p], from->part_s[p], pairs);
	for (int m = 0; m < XMC_MODALITIES; m++)
		memcpy(to->score[m], from->score[m], pairs);
	*to->calibration = *from->calibration;
}

/* ---- weak labels ---- */

/* Adds a copy of the pool's d-th document with all pairs of items that have both modalities, either way round, weight 0. */
static xmc_status
add_weak(xmc_trainer *t, xmc_weak *w, int32_t d)
{
	xmc_document *copy = &w->document[w->n];
	int32_t		n = t->pool[d]->n;

	*copy = *t->pool[d];
	copy->pair = xmc_arena_alloc(&t->lasting, (size_t) n * (size_t) (n - 1), sizeof(xmc_pair));
	XMC_NEED(copy->pair, t->ctx);
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = i + 1; j < n; j++)
		{
			uint8_t		both = copy->has[i] & copy->has[j];

			if (!(both & XMC_HAS_TEXT) || !(both & XMC_HAS_IMAGE))
				continue;
			copy->pair[copy->n_pairs++] = (xmc_pair){i, j, 0};
			copy->pair[copy->n_pairs++] = (xmc_pair){j, i, 0};
		}
	w->from[w->n++] = d;		/* it has pairs: see xmc_can_be_guided */
	return XMC_OK;
}

/* Unordered pairs of the documents labelled in a round. */
typedef struct tally
{
	int64_t		pairs;
	int64_t		confident;
	int64_t		agreeing;
} tally;

/* Labels a document of the pool, given everybody's scores. */
static void
label(const xmc_trainer *t, xmc_document *document, const xmc_scores *scores, xmc_modality guide, tally *count)
{
	xmc_evidence evidence = guide == XMC_TEXT ? XMC_EVIDENCE_TEXT : XMC_EVIDENCE_IMAGE;

	for (int32_t k = 0; k < document->n_pairs; k += 2)
	{
		xmc_pair   *pair = &document->pair[k];
		int64_t		at = (int64_t) pair->before * document->n + pair->after;
		double		p = xmc_probability(scores->score[evidence][at]);
		float		own = scores->raw[guide == XMC_TEXT ? XMC_IMAGE : XMC_TEXT][at];

		pair[0].weight = (float) p;
		pair[1].weight = (float) (1 - p);
		count->pairs++;
		count->confident += p >= t->options->precision || 1 - p >= t->options->precision;
		count->agreeing += (p > 0.5) == (own > 0);
	}
}

/* In which round the d-th document of the pool is labelled. */
static int32_t
round_of(const xmc_trainer *t, int32_t d)
{
	return 1 + (int32_t) (xmc_hash_bytes(&d, sizeof d, POOL_SEED) % (uint64_t) t->options->rounds);
}

/* Labels the pool's documents that are dealt to this round, for the pupil. */
static xmc_status
label_pool(xmc_trainer *t, int32_t round, xmc_modality guide, xmc_weak *w, tally *count)
{
	for (int32_t d = 0; d < t->n_pool; d++)
	{
		xmc_scores	scores;
		xmc_status	status;

		if (round_of(t, d) != round)
			continue;
		t->progress.total++;	/* how many rounds there will be was not known before */
		XMC_TRY(xmc_score_documents(t->ctx, t->model, 1, t->pool[d], &scores));
		status = add_weak(t, w, d);
		if (status == XMC_OK)
			label(t, &w->document[w->n - 1], &scores, guide, count);
		xmc_scores_free(t->ctx, &scores);
		XMC_TRY(status);
		t->progress.done++;
		XMC_TRY(xmc_train_tell(t));
	}
	return XMC_OK;
}

static xmc_status
stream_weak(xmc_checkpoint *c, xmc_trainer *t, xmc_weak *w)
{
	int64_t		n = w->n;

	XMC_TRY(xmc_stream_integer(c, "a round", &n, 0, t->n_pool));
	for (int64_t k = 0; k < n; k++)
	{
		int64_t		from = c->is_saving ? w->from[k] : 0;

		XMC_TRY(xmc_stream_integer(c, "a document of a round", &from, 0, t->n_pool - 1));
		if (!c->is_saving)
			XMC_TRY(add_weak(t, w, (int32_t) from));
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
		XMC_TRY(stream_weak(c, t, &r->weak[m]));
	XMC_TRY(xmc_stream_learned(c, t, &r->before));
	return xmc_stream_doubles(c, "a round", r->fused_tau, t->held_out.n_documents);
}

/* ---- one round ---- */

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
teach(xmc_trainer *t, const xmc_round *r)
{
	const xmc_weak *w = &r->weak[r->pupil];
	int32_t		n_held_out = t->held_out.n_documents;
	double	   *loss = xmc_arena_alloc(&t->lasting, (size_t) n_held_out * 2, sizeof(double));	/* (2, documents): before, after */
	double	   *tau = xmc_arena_alloc(&t->lasting, (size_t) n_held_out * 2, sizeof(double));
	const xmc_document **all = xmc_arena_alloc(&t->lasting, (size_t) (t->n_approved + w->n), sizeof *all);
	xmc_round_report *report;
	xmc_interval difference;
	xmc_status	status = XMC_OK;

	if (!loss || !tau || !all)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	memcpy(all, t->approved, (size_t) t->n_approved * sizeof *all);
	for (int32_t d = 0; d < w->n; d++)
		all[t->n_approved + d] = &w->document[d];
	t->train = all;
	t->n_train = t->n_approved + w->n;
	for (int p = 0; p < XMC_PARTS && status == XMC_OK; p++)
		if (t->has_part[p] && xmc_part_modality((xmc_part) p) == r->pupil)
		{
			t->progress.total += (int64_t) t->options->epochs * t->n_train;
			status = xmc_train_part(t, (xmc_part) p);
		}
	t->train = t->approved;
	t->n_train = t->n_approved;
	XMC_TRY(status);
	if (t->resume.stage != 0)
		return xmc_checkpoint_missed(&t->resume);
	XMC_TRY(xmc_train_weigh(t, r->pupil));
	report = &t->report->round[t->report->n_rounds - 1];
	xmc_train_judge(&t->held_out, r->before.score[r->pupil], 1, &report->loss_before, &report->tau_before, loss, tau);
	xmc_train_judge(&t->held_out, t->score[r->pupil], 1, &report->loss_after, &report->tau_after, loss + n_held_out,
					tau + n_held_out);
	for (int32_t d = 0; d < n_held_out; d++)
		tau[d] = tau[n_held_out + d] - tau[d];
	XMC_TRY(xmc_bootstrap(t->ctx, n_held_out, tau, NULL, XMC_BOOTSTRAP_REPLICATES, 1, &difference));
	report->difference_low = difference.low;
	report->difference_high = difference.high;
	report->kept = difference.high >= 0;
	return XMC_OK;
}

/* Each held-out document's tau by the fused score, into tau (n_documents). */
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

		double		joint = t->held_out.part_s[XMC_PART_BILINEAR][r];

		if (joint != 0 || (text != 0 && image != 0))
		{
			text *= text != 0 ? c->fused[XMC_TEXT] / c->solo[XMC_TEXT] : 0;
			image *= image != 0 ? c->fused[XMC_IMAGE] / c->solo[XMC_IMAGE] : 0;
		}
		fused[r] = (float) (text + image + c->fused[XMC_JOINT] * joint);
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

/* Chooses the pupil and labels its documents; *go_on is false if there is nobody to teach, or nothing. */
static xmc_status
begin_round(xmc_trainer *t, int32_t round, xmc_round *r, bool *go_on)
{
	xmc_round_report *report = &t->report->round[t->report->n_rounds];
	xmc_learned now = xmc_train_learned(t);
	double		own_loss[XMC_MODALITIES];
	double		tau;
	tally		count = {0};
	xmc_modality guide;

	*go_on = false;
	for (int m = 0; m < XMC_MODALITIES; m++)
		xmc_train_judge(&t->held_out, t->score[m], 1, &own_loss[m], &tau, NULL, NULL);
	r->pupil = own_loss[XMC_TEXT] > own_loss[XMC_IMAGE] ? XMC_TEXT : XMC_IMAGE;
	guide = r->pupil == XMC_TEXT ? XMC_IMAGE : XMC_TEXT;
	if (!can_learn(t, r->pupil) || t->model->calibration.solo[guide] == 0)
		return XMC_OK;

	fused_tau(t, r->fused_tau);
	t->progress.round = round;
	t->progress.phase = "labelling";
	XMC_TRY(label_pool(t, round, guide, &r->weak[r->pupil], &count));
	if (r->weak[r->pupil].n == 0)
		return XMC_OK;
	*report = (xmc_round_report){.round = round,.pupil = r->pupil,.guide_precision = precision(t, guide),
		.documents = r->weak[r->pupil].n,
		.confident = count.pairs ? (double) count.confident / (double) count.pairs : NAN,
		.agreement = count.pairs ? (double) count.agreeing / (double) count.pairs : NAN};
	t->report->n_rounds++;
	copy_learned(t, &now, &r->before);
	*go_on = true;
	return XMC_OK;
}

/* One round, from where it stands if training is being continued in it; *go_on: its pupil kept something. */
static xmc_status
one_round(xmc_trainer *t, int32_t round, xmc_round *r, bool *go_on)
{
	xmc_learned now = xmc_train_learned(t);
	int32_t		n_held_out = t->held_out.n_documents;
	double	   *tau = xmc_arena_alloc(&t->lasting, (size_t) n_held_out, sizeof(double));
	xmc_round_report *report;
	xmc_interval difference;

	XMC_NEED(tau, t->ctx);
	if (t->resume.stage != 0)
	{
		t->progress.round = round;
		XMC_TRY(xmc_stream_round(&t->resume, t));
	}
	else
	{
		XMC_TRY(begin_round(t, round, r, go_on));
		if (!*go_on)
			return XMC_OK;
	}
	XMC_TRY(teach(t, r));
	report = &t->report->round[t->report->n_rounds - 1];
	if (report->kept)
	{
		/* The pupil did not lose alone; but it may have learned the guide's mistakes, which then count twice. */
		XMC_TRY(xmc_train_fuse(t));
		fused_tau(t, tau);
		for (int32_t d = 0; d < n_held_out; d++)
			tau[d] -= r->fused_tau[d];
		XMC_TRY(xmc_bootstrap(t->ctx, n_held_out, tau, NULL, XMC_BOOTSTRAP_REPLICATES, 1, &difference));
		report->kept = difference.high >= 0;
	}
	if (!report->kept)
		copy_learned(t, &r->before, &now);
	*go_on = report->kept;
	return XMC_OK;
}

xmc_status
xmc_train_rounds(xmc_trainer *t)
{
	xmc_round	r = {0};
	bool		go_on = true;
	xmc_status	status = XMC_OK;

	t->report->pool_documents = t->n_pool;
	if (t->n_pool == 0 || t->options->rounds == 0)
		return XMC_OK;
	XMC_TRY(round_init(t, &r));
	t->round = &r;
	for (int32_t round = 1; round <= t->options->rounds && go_on && status == XMC_OK; round++)
		if (!xmc_is_past(t, xmc_stage(round, XMC_PARTS - 1)))
			status = one_round(t, round, &r, &go_on);
	t->round = NULL;
	return status;
}
