/*
 * train.c - see train.h
 *
 * The parts of a model (sparse term, linear terms, networks, bilinear term) are trained one after the other, each to its
 * own best epoch: the sparse term has learned all it can within a few epochs, a network needs tens. Each is judged by its
 * held-out loss after its scale has been fitted, since a loss that also punishes overconfidence turns up long before the
 * order gets worse. Then the parts are weighed against each other and calibrated (calibrate.h) on the held-out documents
 * or, where these are few, on all approved ones by cross-fitting (crossfit.c).
 */
#include "train/trainer.h"
#include "xmcoh/order.h"
#include "xmcoh/calibrate.h"
#include "xmcoh/challenge.h"
#include "numeric/dense.h"
#include "train/gradient.h"
#include "network/inputs.h"
#include "network/term.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const phase_name[XMC_TERMS] = {
	[XMC_TERM_SPARSE] = "training sparse text term",
	[XMC_TERM_TEXT_LINEAR] = "training linear text term",
	[XMC_TERM_TEXT_NETWORK] = "training text network",
	[XMC_TERM_IMAGE_LINEAR] = "training linear image term",
	[XMC_TERM_IMAGE_NETWORK] = "training image network",
	[XMC_TERM_BILINEAR] = "training bilinear term",
};

xmc_status
xmc_train_report_progress(xmc_trainer *t)
{
	xmc_status	status;

	/* A checkpoint may have promised less than there was to do. */
	if (t->progress.total < t->progress.done)
		t->progress.total = t->progress.done;
	status = t->hooks.progress ? t->hooks.progress(t->hooks.arg, &t->progress) : XMC_OK;
	t->progress.epoch_ended = false;
	return status == XMC_OK ? xmc_check_stop(t->ctx) : status;
}

void *
xmc_train_spill(xmc_trainer *t, size_t count, size_t size)
{
	return t->hooks.spill ? t->hooks.spill(t->hooks.arg, count * size) : xmc_arena_zalloc(&t->run_arena, count, size);
}

xmc_status
xmc_train_labels(xmc_trainer *t, xmc_labels *l, bool of_pool)
{
	int64_t		total = 0;
	size_t		count;			/* of numbers */
	float	   *score;

	for (int32_t d = 0; d < l->n_documents; d++)
		total += l->document[d]->n_pairs;
	if (total > INT32_MAX / 4)
		return xmc_fail(t->ctx, XMC_LIMIT, "%lld labelled pairs to judge by; at most %d", (long long) total, INT32_MAX / 4);
	l->n = (int32_t) total;
	count = (size_t) total * (2 + XMC_TERMS + XMC_MODALITIES);
	score = of_pool ? xmc_train_spill(t, count, sizeof *score) : xmc_arena_zalloc(&t->run_arena, count, sizeof *score);
	XMC_NEED(score, t->ctx);
	l->weight = score;
	l->s = score += total;
	for (int p = 0; p < XMC_TERMS; p++)
		l->term_s[p] = score += total;
	for (int m = 0; m < XMC_MODALITIES; m++)
		l->score[m] = score += total;
	for (int32_t d = 0, at = 0; d < l->n_documents; d++)
	{
		const xmc_document *document = l->document[d];
		double		sum = 0;

		XMC_TRY(xmc_check_stop(t->ctx));
		for (int32_t p = 0; p < document->n_pairs; p++)
			sum += document->pair[p].weight;
		for (int32_t p = 0; p < document->n_pairs; p++, at++)
			l->weight[at] = (float) (document->pair[p].weight / sum);
	}
	return XMC_OK;
}

xmc_status
xmc_train_score_term(xmc_trainer *t, const xmc_labels *l, xmc_term term, float *s)
{
	if (t->shards.shape.shards > 0 && l == &t->held_out)
		return xmc_shards_score(&t->shards, l->document, s);
	for (int32_t first = 0; first < l->n_documents; first += XMC_SCORE_BATCH)
	{
		int32_t		count = l->n_documents - first < XMC_SCORE_BATCH ? l->n_documents - first : XMC_SCORE_BATCH;

		XMC_TRY(xmc_train_report_progress(t));
		xmc_arena_reset(&t->arena);
		XMC_TRY(xmc_term_pair_scores(&t->arena, t->model, term, count, l->document + first, s));
		for (int32_t k = 0; k < count; k++)
			s += l->document[first + k]->n_pairs;
	}
	return XMC_OK;
}

void
xmc_train_evaluate(const xmc_labels *l, const float *s, double scale, double *loss, double *tau,
				double *document_loss, double *document_tau)
{
	*loss = *tau = 0;
	for (int32_t d = 0, p = 0; d < l->n_documents; d++)
	{
		double		own_loss = 0;
		double		own_tau = 0;

		for (int32_t k = 0; k < l->document[d]->n_pairs; k++, p++)
		{
			own_loss += l->weight[p] * xmc_softplus(-scale * s[p]);
			own_tau += l->weight[p] * ((s[p] > 0) - (s[p] < 0));
		}
		*loss += own_loss / l->n_documents;
		*tau += own_tau / l->n_documents;
		if (document_loss)
			document_loss[d] = own_loss;
		if (document_tau)
			document_tau[d] = own_tau;
	}
}

/* Step size of AdamW. */
static double
rate_of(const xmc_options *o, xmc_term term)
{
	if (term == XMC_TERM_BILINEAR)
		return o->bilinear_learning_rate;
	return xmc_term_is_network(term) ? o->learning_rate : o->linear_learning_rate;
}

/* Documents of a minibatch, but for the sparse term. */
static int32_t
network_batch(const xmc_trainer *t)
{
	return xmc_batch_size(t->n_train, t->options->batch_documents, 1);
}

/* One pass over the training documents in a new random order. */
static xmc_status
train_epoch(xmc_trainer *t, xmc_term term, xmc_adagrad *hashed, xmc_adamw *adamw, double *loss)
{
	const xmc_options *o = t->options;
	/* AdaGrad on hashed features wants small steps: a document at a time. */
	int32_t		batch_documents = term == XMC_TERM_SPARSE ? 1 : network_batch(t);
	double		rate = rate_of(o, term);
	double		sum = 0;

	xmc_shuffle_documents(&t->random, t->n_train, t->train);
	for (int32_t first = 0; first < t->n_train; first += batch_documents)
	{
		int32_t		count = t->n_train - first < batch_documents ? t->n_train - first : batch_documents;
		double		warm = xmc_adamw_warmup(adamw);
		double		batch_loss;

		if (t->shards.shape.shards > 0)
			XMC_TRY(xmc_shards_step(&t->shards, count, t->train + first, &t->random, adamw, warm * rate, o->weight_decay,
									hashed->rows ? hashed : NULL, warm * o->bag_learning_rate, &batch_loss));
		else
		{
			xmc_batch	batch;

			xmc_arena_reset(&t->arena);
			XMC_TRY(xmc_batch_init(&t->arena, o, xmc_term_modality(term), count, t->train + first, &batch));
			XMC_TRY(xmc_term_gradient(&t->arena, t->model, &batch, term, count, &t->random, t->grad,
									  hashed->rows ? hashed : NULL, NULL, &batch_loss));
			if (term == XMC_TERM_SPARSE)
				xmc_adagrad_step(hashed, t->model->sparse, o->sparse_learning_rate, o->sparse_decay);
			else
				xmc_adamw_step(adamw, t->model, t->grad, term, warm * rate, o->weight_decay);
			if (term != XMC_TERM_SPARSE && hashed->rows)
				xmc_adagrad_step(hashed, t->model->bag, warm * o->bag_learning_rate, 0);
		}
		sum += batch_loss;
		t->progress.done += count;
		if (term != XMC_TERM_SPARSE || first % 64 == 0)
			XMC_TRY(xmc_train_report_progress(t));
	}
	*loss = sum / t->n_train;
	return XMC_OK;
}

xmc_status
xmc_train_term(xmc_trainer *t, xmc_term term)
{
	const xmc_options *o = t->options;
	xmc_modality modality = xmc_term_modality(term);
	int32_t		stage = xmc_stage(t->progress.round, term);
	xmc_adamw	adamw = {0};
	xmc_epochs	e;

	if (xmc_is_past(t, stage))
		return XMC_OK;
	xmc_arena_reset(&t->term_arena);
	if (xmc_term_is_network(term) && t->hooks.shards > 1)
		XMC_TRY(xmc_shards_begin(&t->term_arena, &t->arena, t->hooks.workers, t->hooks.shards, term, t->model, network_batch(t),
								 t->n_train, t->train, t->held_out.n_documents, t->held_out.document, &adamw, &t->shards));
	else if (term != XMC_TERM_SPARSE)
		XMC_TRY(xmc_adamw_init(&t->term_arena, t->model, term, &adamw));
	XMC_TRY(xmc_epochs_begin(&t->term_arena, t->model, term, &adamw, &t->random, t->n_train, t->train, &e));
	t->progress.phase = phase_name[term];
	t->progress.modality = modality;
	t->progress.epochs = o->epochs;
	for (;;)
	{
		double		scale;
		double		train_loss;
		float	   *weights;

		XMC_TRY(xmc_train_checkpoint(t, stage, &e));
		if (!xmc_epochs_go_on(&e, o))
			break;
		t->progress.epoch = e.done;
		XMC_TRY(train_epoch(t, term, &e.hashed, &e.adamw, &train_loss));
		/* The average is judged and kept, the weights learn on. */
		weights = e.adamw.average ? xmc_model_lead_term(t->model, term, e.adamw.average) : NULL;
		XMC_TRY(xmc_train_score_term(t, t->validation, term, t->validation->s));
		XMC_TRY(xmc_calibrate(t->ctx, t->validation->n, 1, t->validation->s, t->validation->weight, NULL, &scale));
		t->progress.train_loss = train_loss;
		xmc_train_evaluate(t->validation, t->validation->s, scale, &t->progress.held_out_loss, &t->progress.held_out_tau, NULL,
						NULL);
		if (xmc_epochs_count(&e, t->model, t->progress.held_out_loss))
		{
			memcpy(t->validation->term_s[term], t->validation->s, (size_t) t->validation->n * sizeof(float));
			t->report->train_loss[modality] = train_loss;
			t->report->held_out_loss[modality] = e.best_loss;
			t->report->best_epoch[modality] = e.best;
		}
		if (weights)
			xmc_model_lead_term(t->model, term, weights);
		t->progress.epoch = e.done;
		t->progress.epoch_ended = true;
		XMC_TRY(xmc_train_report_progress(t));
	}
	xmc_shards_end(&t->shards);
	xmc_epochs_end(&e, t->model);
	if (t->progress.round == 0)
		t->best_epoch[term] = e.best;
	t->progress.done += (int64_t) (o->epochs - e.done) * t->n_train;
	return XMC_OK;
}

xmc_status
xmc_train_term_for(xmc_trainer *t, xmc_term term, int32_t epochs)
{
	xmc_adamw	adamw = {0};
	xmc_epochs	e;
	double		loss;
	float	   *weights;

	xmc_arena_reset(&t->term_arena);
	if (term != XMC_TERM_SPARSE)
		XMC_TRY(xmc_adamw_init(&t->term_arena, t->model, term, &adamw));
	XMC_TRY(xmc_epochs_begin(&t->term_arena, t->model, term, &adamw, &t->random, t->n_train, t->train, &e));
	for (int32_t k = 0; k < epochs; k++)
		XMC_TRY(train_epoch(t, term, &e.hashed, &e.adamw, &loss));
	weights = e.adamw.average ? xmc_model_lead_term(t->model, term, e.adamw.average) : NULL;
	xmc_epochs_count(&e, t->model, 0);	/* the last one is the one to keep */
	if (weights)
		xmc_model_lead_term(t->model, term, weights);
	xmc_epochs_end(&e, t->model);
	return XMC_OK;
}

/* Multiplies what a part contributes, by scaling its last linear step. */
static void
scale_part(xmc_model *model, xmc_term term, double by)
{
	xmc_network *network = &model->network[xmc_term_modality(term)];
	bool		deep = xmc_term_is_network(term);
	float	   *values = term == XMC_TERM_SPARSE ? model->sparse : deep ? network->head_v : network->linear;
	int64_t		n = term == XMC_TERM_SPARSE ? (int64_t) 1 << model->options.hash_bits
		: deep ? model->options.d_model : network->embedding_dim;

	for (int64_t k = 0; k < n; k++)
		values[k] = (float) (values[k] * by);
}

xmc_status
xmc_train_weigh(xmc_trainer *t, xmc_modality modality, xmc_labels *l, bool equally)
{
	float	   *score = l->score[modality];
	double	   *scale = &t->model->calibration.solo[modality];
	xmc_term	term[XMC_CALIBRATE_MAX];
	double		weight[XMC_CALIBRATE_MAX];
	int32_t		k = 0;
	float	   *x;				/* (n, k) */

	for (int p = 0; p < XMC_TERMS; p++)
		if (xmc_term_modality((xmc_term) p) == modality && xmc_has_term(t->model, (xmc_term) p))
		{
			if (t->has_term[p])
				term[k++] = (xmc_term) p;
			else
				scale_part(t->model, (xmc_term) p, 0);
		}
	memset(score, 0, (size_t) l->n * sizeof(float));
	*scale = 0;
	if (k == 0)
		return XMC_OK;
	xmc_arena_reset(&t->term_arena);
	x = xmc_arena_alloc(&t->term_arena, (size_t) l->n * (size_t) k, sizeof(float));
	XMC_NEED(x, t->ctx);
	for (int32_t r = 0; r < l->n; r++)
		for (int32_t c = 0; c < k; c++)
			x[(int64_t) r * k + c] = l->term_s[term[c]][r];
	if (!equally)
		XMC_TRY(xmc_calibrate(t->ctx, l->n, k, x, l->weight, NULL, weight));
	for (int32_t c = 0; c < k; c++)
	{
		if (equally)
			weight[c] = 1;
		scale_part(t->model, term[c], weight[c]);
		for (int32_t f = 0; f < t->n_folds; f++)
			scale_part(t->fold[f], term[c], weight[c]);
		for (int32_t r = 0; r < l->n; r++)
		{
			l->term_s[term[c]][r] *= (float) weight[c];
			score[r] += l->term_s[term[c]][r];
		}
	}
	XMC_TRY(xmc_calibrate(t->ctx, l->n, 1, score, l->weight, NULL, scale));
	for (int32_t r = 0; r < l->n; r++)
		score[r] *= (float) *scale;
	return l == &t->held_out ? XMC_OK : xmc_train_score(t, modality, &t->held_out);
}

xmc_status
xmc_train_score(xmc_trainer *t, xmc_modality modality, xmc_labels *l)
{
	double		scale = t->model->calibration.solo[modality];

	memset(l->score[modality], 0, (size_t) l->n * sizeof(float));
	for (int p = 0; p < XMC_TERMS; p++)
		if (t->has_term[p] && xmc_term_modality((xmc_term) p) == modality)
		{
			XMC_TRY(xmc_train_score_term(t, l, (xmc_term) p, l->term_s[p]));
			for (int32_t r = 0; r < l->n; r++)
				l->score[modality][r] += (float) scale * l->term_s[p][r];
		}
	return XMC_OK;
}

xmc_status
xmc_train_fuse(xmc_trainer *t, const xmc_labels *l)
{
	xmc_model  *model = t->model;
	xmc_calibration *c = &model->calibration;
	const float *score[XMC_MODALITIES + 1] = {l->score[XMC_TEXT], l->score[XMC_IMAGE], l->term_s[XMC_TERM_BILINEAR]};
	double		weight[XMC_MODALITIES + 1] = {1, 1, 0};
	double		fitted[XMC_MODALITIES + 1];
	int32_t		speaker[XMC_MODALITIES + 1];	/* (k) who knows anything */
	int32_t		k = 0;
	int32_t		n = 0;			/* pairs that all of them score */
	bool		joint = t->has_term[XMC_TERM_BILINEAR];
	float	   *x;				/* (n, k) */

	for (int e = 0; e <= XMC_JOINT; e++)
		if (e == XMC_JOINT ? joint : c->solo[e] > 0)
			speaker[k++] = e;
	xmc_arena_reset(&t->term_arena);
	x = xmc_arena_alloc(&t->term_arena, (size_t) l->n * (size_t) k, sizeof(float));
	XMC_NEED(x, t->ctx);
	/* Together only where all speak; a pair that one of them cannot score is scored by a modality alone. */
	for (int32_t r = 0; r < l->n && (k > 1 || joint); r++)
	{
		int32_t		spoke = 0;

		for (int32_t e = 0; e < k; e++)
			spoke += (x[(int64_t) n * k + e] = score[speaker[e]][r]) != 0;
		if (spoke == k)
			l->s[n++] = l->weight[r];
	}
	if (n > 0)
	{
		XMC_TRY(xmc_calibrate(t->ctx, n, k, x, l->s, NULL, fitted));
		for (int32_t e = 0; e < k; e++)
			weight[speaker[e]] = fitted[e];
	}
	for (int m = 0; m < XMC_MODALITIES; m++)
		c->fused[m] = weight[m] * c->solo[m];
	c->fused[XMC_JOINT] = weight[XMC_JOINT];
	if (model->bilinear_w && !joint)	/* weights and bias are one block, see xmc_model_new */
		memset(model->bilinear_w, 0, (size_t) xmc_model_term_values(model, XMC_TERM_BILINEAR) * sizeof(float));
	return XMC_OK;
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

/* One document's tau for each kind of evidence, tau[e * tau_stride], and its pairs' probabilities, p[e * p_stride + pair]. */
static xmc_status
measure_document(xmc_trainer *t, const xmc_document *document, const xmc_scores *scores, uint64_t seed,
				 double *tau, int64_t tau_stride, double *p, int64_t p_stride)
{
	for (int e = 0; e < XMC_REPORTED_EVIDENCES; e++)
	{
		XMC_TRY(xmc_decoded_tau(t->ctx, document, scores->score[e], seed, &tau[e * tau_stride]));
		for (int32_t k = 0; k < document->n_pairs; k++)
		{
			const xmc_pair *pair = &document->pair[k];

			p[e * p_stride + k] = xmc_sigmoid(scores->score[e][(int64_t) pair->before * document->n + pair->after]);
		}
	}
	return XMC_OK;
}

/* What the finished model does on the held-out documents: tau of the decoded orders, and of the pairs' probabilities the rest. */
static xmc_status
measure(xmc_trainer *t)
{
	xmc_labels *l = &t->held_out;
	double	   *tau = xmc_arena_alloc(&t->run_arena, (size_t) l->n_documents * XMC_REPORTED_EVIDENCES, sizeof(double));	/* (evidences, documents) */
	double	   *p = xmc_arena_alloc(&t->run_arena, (size_t) l->n * XMC_REPORTED_EVIDENCES, sizeof(double));	/* (evidences, pairs) */
	int64_t		at = 0;

	if (!tau || !p)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t d = 0; d < l->n_documents; d++)
	{
		xmc_scores	scores;
		xmc_status	status;

		XMC_TRY(xmc_score_documents(t->ctx, t->model, 1, l->document[d], &scores));
		status = measure_document(t, l->document[d], &scores, (uint64_t) d, tau + d, l->n_documents, p + at, l->n);
		xmc_scores_free(t->ctx, &scores);
		XMC_TRY(status);
		at += l->document[d]->n_pairs;
	}
	for (int e = 0; e < XMC_REPORTED_EVIDENCES; e++)
	{
		const double *evidence_p = p + (int64_t) e * l->n;
		double		right = 0;
		int32_t		confident = 0;

		XMC_TRY(xmc_bootstrap(t->ctx, l->n_documents, tau + (int64_t) e * l->n_documents, NULL, XMC_BOOTSTRAP_REPLICATES, 1,
							  &t->report->tau[e]));
		for (int32_t k = 0; k < l->n; k++)
		{
			right += (evidence_p[k] > 0.5) + 0.5 * (evidence_p[k] == 0.5);
			confident += fmax(evidence_p[k], 1 - evidence_p[k]) >= t->options->precision;
		}
		t->report->pair_accuracy[e] = right / l->n;
		t->report->confident[e] = (double) confident / l->n;
		t->report->calibration_error[e] = xmc_calibration_error(l->n, evidence_p, XMC_CALIBRATION_BINS);
	}
	return XMC_OK;
}

bool
xmc_can_be_guided(const xmc_document *document)
{
	int32_t		both = 0;

	for (int32_t i = 0; i < document->n; i++)
		both += xmc_has_both(document->has[i]);
	return document->n_pairs == 0 && both >= 2;
}

bool
xmc_wants_pool(const xmc_options *options)
{
	bool		aligns = options->image_dim > 0 && (options->words || options->text_dim > 0) && !options->shared_space;

	return options->pool_documents > 0 && (options->rounds > 0 || aligns);
}

/* Deals the labelled documents to the two sides and refuses to begin with too few on either. */
static xmc_status
split(xmc_trainer *t, int32_t n_documents, const xmc_document *document, const uint8_t *held_out)
{
	t->document = document;
	t->n_documents = n_documents;
	t->approved = xmc_arena_alloc(&t->run_arena, (size_t) n_documents, sizeof *t->approved);
	t->held_out.document = xmc_arena_alloc(&t->run_arena, (size_t) n_documents, sizeof *t->approved);
	t->pool = xmc_arena_alloc(&t->run_arena, (size_t) n_documents, sizeof *t->approved);
	if (!t->approved || !t->held_out.document || !t->pool)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t d = 0; d < n_documents; d++)
	{
		XMC_TRY(xmc_check_stop(t->ctx));
		if (document[d].n_pairs > 0 && held_out[d])
			t->held_out.document[t->held_out.n_documents++] = &document[d];
		else if (document[d].n_pairs > 0)
			t->approved[t->n_approved++] = &document[d];
		else if (xmc_can_be_guided(&document[d]))
			t->pool[t->n_pool++] = &document[d];
	}
	t->train = t->approved;
	t->n_train = t->n_approved;
	t->report->approved_documents = t->n_train + t->held_out.n_documents;
	t->report->held_out_documents = t->held_out.n_documents;
	if (t->report->approved_documents < XMC_MIN_APPROVED_DOCUMENTS)
		return xmc_fail(t->ctx, XMC_BAD_INPUT, "%d approved documents, %d are needed", t->report->approved_documents,
						XMC_MIN_APPROVED_DOCUMENTS);
	if (t->n_train < XMC_MIN_TRAINING_DOCUMENTS || t->held_out.n_documents < XMC_MIN_HELD_OUT_DOCUMENTS)
		return xmc_fail(t->ctx, XMC_BAD_INPUT, "%d of %d approved documents are held out: that must be at least %d and leave %d"
						" to train on; option held_out says how many", t->held_out.n_documents, t->report->approved_documents,
						XMC_MIN_HELD_OUT_DOCUMENTS, XMC_MIN_TRAINING_DOCUMENTS);
	return XMC_OK;
}

/* Whether the part has anything to read of an item with these XMC_HAS_... */
static bool
part_reads(const xmc_options *options, xmc_term term, uint8_t has)
{
	if (term == XMC_TERM_SPARSE || term == XMC_TERM_TEXT_LINEAR)
		return has & (term == XMC_TERM_SPARSE ? XMC_HAS_WORDS : XMC_HAS_TEXT_EMBEDDING);
	return xmc_batch_takes(options, xmc_term_modality(term), has);
}

/* Whether any labelled pair on a side can be scored by the part. */
static xmc_status
find_evidence(const xmc_trainer *t, int32_t n_documents, const xmc_document *const *document, xmc_term term, bool *found)
{
	*found = false;
	for (int32_t d = 0; d < n_documents && !*found; d++)
	{
		XMC_TRY(xmc_check_stop(t->ctx));
		for (int32_t p = 0; p < document[d]->n_pairs && !*found; p++)
			*found = part_reads(t->options, term, document[d]->has[document[d]->pair[p].before]) &&
				part_reads(t->options, term, document[d]->has[document[d]->pair[p].after]);
	}
	return XMC_OK;
}

static xmc_status
run(xmc_trainer *t)
{
	int			parts = 0;

	for (int p = 0; p < XMC_TERMS; p++)
	{
		t->has_term[p] = xmc_has_term(t->model, (xmc_term) p);
		if (t->has_term[p])
			XMC_TRY(find_evidence(t, t->n_train, t->train, (xmc_term) p, &t->has_term[p]));
		if (t->has_term[p])
			XMC_TRY(find_evidence(t, t->held_out.n_documents, t->held_out.document, (xmc_term) p,
								  &t->has_term[p]));
		parts += t->has_term[p];
	}
	if (parts == 0)
		return xmc_fail(t->ctx, XMC_BAD_INPUT, "no approved pair has two items with a text or an image that the model reads");
	XMC_TRY(xmc_train_labels(t, &t->held_out, false));
	XMC_TRY(xmc_train_assign_folds(t));
	t->validation = &t->held_out;
	t->progress = (xmc_train_progress){.train_loss = NAN,.held_out_loss = NAN,.held_out_tau = NAN,
		.total = ((int64_t) parts * t->n_train + (t->model->align_scale ? xmc_train_n_alignment_documents(t) : 0)) * t->options->epochs};
	for (int m = 0; m < XMC_MODALITIES; m++)
		if (t->model->network[m].input_dim > 0)
			XMC_TRY(xmc_inputs_fit(&t->run_arena, t->model, (xmc_modality) m, t->n_train, t->train));
	if (t->model->align_scale)
		XMC_TRY(xmc_train_alignment(t));
	for (int p = 0; p < XMC_TERMS; p++)
		if (t->has_term[p])
			XMC_TRY(xmc_train_term(t, (xmc_term) p));
	if (t->resume.stage == 0)	/* else it stands behind all this */
	{
		xmc_labels *fit;

		XMC_TRY(xmc_train_crossfit(t));
		fit = t->out_of_fold.n ? &t->out_of_fold : &t->held_out;
		t->progress.phase = "calibrating";
		XMC_TRY(xmc_train_report_progress(t));
		for (int m = 0; m < XMC_MODALITIES; m++)
			XMC_TRY(xmc_train_weigh(t, (xmc_modality) m, fit, false));
		XMC_TRY(xmc_train_fuse(t, fit));
		XMC_TRY(xmc_train_guidance(t));
	}
	XMC_TRY(xmc_train_rounds(t));
	XMC_TRY(xmc_train_checkpoint(t, XMC_STAGE_END, NULL));
	xmc_train_forget_folds(t);
	XMC_TRY(xmc_train_fill_anchors(t));
	return measure(t);
}

xmc_status
xmc_train(xmc_ctx *ctx, const xmc_options *options, int32_t n_documents, const xmc_document *document,
		  const uint8_t *held_out, const xmc_train_hooks *hooks, xmc_model **out, xmc_train_report *report)
{
	xmc_trainer t = {.ctx = ctx,.options = options,.report = report};
	bool		has_bag;
	xmc_status	status;

	*out = NULL;
	*report = (xmc_train_report){0};
	if (hooks)
		t.hooks = *hooks;
	xmc_arena_init(&t.arena, ctx);
	xmc_arena_init(&t.term_arena, ctx);
	xmc_arena_init(&t.run_arena, ctx);
	status = split(&t, n_documents, document, held_out);
	has_bag = options->words && options->bag_dim > 0 && t.n_train >= options->bag_documents;
	if (status == XMC_OK)
		status = xmc_model_new(ctx, options, has_bag, &t.model);
	if (status == XMC_OK)
		status = xmc_model_new_zero(ctx, options, has_bag, &t.grad);
	if (status == XMC_OK)
		status = xmc_train_resume(&t, held_out);
	if (status == XMC_OK)
		status = run(&t);
	xmc_shards_end(&t.shards);
	xmc_arena_free(&t.arena);
	xmc_arena_free(&t.term_arena);
	xmc_arena_free(&t.run_arena);
	xmc_train_forget_folds(&t);
	if (t.grad)
		xmc_model_free(ctx, t.grad);
	if (status == XMC_OK)
		*out = t.model;
	else if (t.model)
		xmc_model_free(ctx, t.model);
	return status;
}
