/*
 * term_fit.c - see term_fit.h
 *
 * Terms are trained one after the other, each to its own best epoch: the sparse term is at its best after a few epochs, a
 * network after tens. The held-out loss is computed after a scale has been fitted: a loss that also punishes overconfidence
 * rises long before the order gets worse.
 */
#include "train/term_fit.h"
#include "train/penalty.h"
#include "network/term.h"
#include "network/tuned_inputs.h"
#include "train/checkpoint.h"
#include "train/choice.h"
#include "train/epochs.h"
#include "train/gradient.h"
#include "train/text_order.h"
#include "xmcoh/calibrate.h"

#include <math.h>
#include <string.h>

/* Documents of a minibatch while a text encoder learns: in few passes they need more steps. */
#define TUNING_BATCH 4

static const char *const phase_name[XMC_TERMS] = {
	[XMC_TERM_SPARSE] = "training sparse text term",
	[XMC_TERM_MENTIONS] = "training mention term",
	[XMC_TERM_TEXT_LINEAR] = "training linear text term",
	[XMC_TERM_TEXT_NETWORK] = "training text network",
	[XMC_TERM_IMAGE_LINEAR] = "training linear image term",
	[XMC_TERM_IMAGE_NETWORK] = "training image network",
	[XMC_TERM_BILINEAR] = "training bilinear term",
};

/* What the steps of the loop over epochs share. */
typedef struct term_fit
{
	xmc_trainer *t;
	xmc_term	term;
	int32_t		stage;
	bool		is_refit;		/* no document is left to validate the term */
	double		train_loss;		/* of the last epoch */
	double	   *document_loss;	/* (validation->n_documents) of the last epoch */
} term_fit;

/* Step size of AdamW. */
static double
rate_of(const xmc_options *o, xmc_term term)
{
	return term == XMC_TERM_BILINEAR ? o->bilinear_learning_rate : o->learning_rate;
}

/* Documents of a minibatch. */
static int32_t
batch_size(const xmc_trainer *t)
{
	return xmc_batch_size(t->n_train, t->options->batch_documents, 1);
}

/* Divides the minibatches of a network that is trained next into shards; the held-out documents are scored in these, too. */
static xmc_status
lead(xmc_trainer *t, xmc_term term, int32_t n_held_out, const xmc_document *const *held_out, xmc_adamw *adamw)
{
	int32_t		most = batch_size(t);	/* documents of a minibatch */

	if (xmc_has_changes(t->model, term) && most < TUNING_BATCH)
		most = t->n_train < TUNING_BATCH ? t->n_train : TUNING_BATCH;
	return xmc_leader_begin(&t->term_arena, &t->batch_arena, t->hooks.workers, t->hooks.shards, term, t->model, most, t->n_train,
							t->train, n_held_out, held_out, adamw, &t->leader);
}

/* The factor of the rate of the next step on a minibatch. */
static double
schedule(const xmc_trainer *t, const xmc_epochs *e, int32_t batch_documents)
{
	int64_t		steps = (t->n_train + batch_documents - 1) / batch_documents;

	return e->is_tuning ? xmc_adamw_schedule(&e->adamw, steps * t->options->fine_tune_epochs) : xmc_adamw_warmup(&e->adamw);
}

/* One step on a minibatch in this process, without shards. */
static xmc_status
step(xmc_trainer *t, xmc_epochs *e, int32_t n_documents, const xmc_document *const *document, double warmup, double *loss)
{
	const xmc_options *o = t->options;
	xmc_adagrad *hashed = e->hashed.rows ? &e->hashed : NULL;
	xmc_batch	batch;

	xmc_arena_reset(&t->batch_arena);
	XMC_TRY(xmc_batch_init(&t->batch_arena, o, xmc_term_modality(e->term), n_documents, document, &batch));
	XMC_TRY(xmc_term_gradient(&t->batch_arena, t->model, &batch, e->term, n_documents, &t->random, t->grad, hashed, NULL,
							  loss));
	xmc_adamw_step(&e->adamw, t->model, t->grad, e->term, warmup * rate_of(o, e->term), o->weight_decay);
	if (hashed)
		xmc_adagrad_step(hashed, t->model->bag, warmup * o->bag_learning_rate);
	return XMC_OK;
}

/*
 * Leaves out epochs that would change nothing. A linear term whose penalty is known is fitted once, with this penalty: the minimum is the
 * same as on the way over stronger penalties. A network that fine-tunes begins anew when the text encoder begins to learn.
 */
static void
leave_out_epochs(xmc_trainer *t, xmc_epochs *e)
{
	if (e->fixed == 0)
		return;
	if (xmc_term_is_linear(e->term))
		e->done = e->fixed - 1;
	else if (xmc_has_changes(t->model, e->term) && e->fixed > e->frozen)
		e->done = e->frozen;
	t->progress.done += (int64_t) e->done * t->n_train;
}

/*
 * Of a linear term the fit with the next penalty; of another one pass over the training documents in a new random order.
 * *loss is the mean over documents.
 */
static xmc_status
train_epoch(xmc_trainer *t, xmc_epochs *e, int32_t epoch, double *loss)
{
	const xmc_options *o = t->options;
	int32_t		batch_documents = e->is_tuning ? TUNING_BATCH : batch_size(t);
	double		sum = 0;

	if (xmc_term_is_linear(e->term))
	{
		t->progress.done += t->n_train;
		return xmc_train_fit_penalty(t, e->term, epoch, loss);
	}
	xmc_shuffle_documents(&t->random, t->n_train, t->train);
	for (int32_t first = 0; first < t->n_train; first += batch_documents)
	{
		int32_t		count = t->n_train - first < batch_documents ? t->n_train - first : batch_documents;
		double		warmup = schedule(t, e, batch_documents);
		double		batch_loss;

		if (t->leader.view.shape.shards > 0)
			XMC_TRY(xmc_leader_step(&t->leader, count, t->train + first, &t->random, &e->adamw, warmup * rate_of(o, e->term),
									o->weight_decay, e->hashed.rows ? &e->hashed : NULL, warmup * o->bag_learning_rate,
									&batch_loss));
		else
			XMC_TRY(step(t, e, count, t->train + first, warmup, &batch_loss));
		sum += batch_loss;
		t->progress.done += count;
		XMC_TRY(xmc_train_report_progress(t));
	}
	*loss = sum / t->n_train;
	return XMC_OK;
}

/* ---- steps of the loop over epochs ---- */

static xmc_status
checkpoint_step(void *arg, xmc_epochs *e)
{
	const term_fit *fit = arg;

	return xmc_checkpoint_load_or_save(fit->t, fit->stage, e);
}

static xmc_status
train_step(void *arg, xmc_epochs *e)
{
	term_fit   *fit = arg;

	fit->t->progress.epochs = e->fixed > 0 ? e->fixed : xmc_most_epochs(fit->t->options, fit->term);
	fit->t->progress.epoch = e->done;
	return train_epoch(fit->t, e, e->done + 1, &fit->train_loss);
}

/* The half of the held-out groups that document d belongs to. */
static int
half_of(const xmc_trainer *t, int32_t d)
{
	return t->apart.group[d] % 2;
}

/*
 * Each half of the held-out groups chooses the epoch of the other one: keeps the scores of a half if the other one's loss is the lowest so
 * far. loss (held_out.n_documents).
 */
static void
keep_apart(xmc_trainer *t, xmc_term term, const double *loss)
{
	double		sum[2] = {0};
	bool		is_least[2];

	for (int32_t d = 0; d < t->apart.n_documents; d++)
		sum[half_of(t, d)] += loss[d];
	for (int h = 0; h < 2; h++)
	{
		is_least[h] = isfinite(sum[h]) && !(sum[h] >= t->apart_loss[h]);
		if (is_least[h])
			t->apart_loss[h] = sum[h];
	}
	for (int32_t d = 0, p = 0; d < t->apart.n_documents; d++)
	{
		int32_t		n = t->apart.document[d]->n_pairs;

		if (is_least[1 - half_of(t, d)])
			memcpy(t->apart.term_s[term] + p, t->held_out.s + p, (size_t) n * sizeof(float));
		p += n;
	}
}

/* The loss of scale * s, where the scale is fitted to the same pairs. */
static xmc_status
validate_step(void *arg, double *held_out_loss)
{
	const term_fit *fit = arg;
	xmc_trainer *t = fit->t;
	xmc_labels *l = t->validation;
	double		scale;

	*held_out_loss = NAN;
	if (fit->is_refit)
		return XMC_OK;
	XMC_TRY(xmc_train_score_term(t, l, fit->term, l->s));
	XMC_TRY(xmc_calibrate_scale(t->ctx, l->n, l->s, l->weight, xmc_labels_groups(l), &scale));
	t->progress.train_loss = fit->train_loss;
	xmc_labels_evaluate(l, l->s, scale, &t->progress.held_out_loss, &t->progress.held_out_tau, fit->document_loss, NULL);
	if (t->apart.n > 0 && l == &t->held_out)
		keep_apart(t, fit->term, fit->document_loss);
	if (t->progress.round == 0 && t->choice[fit->term].by_held_out)
		xmc_train_note_losses(t, fit->term, t->progress.epoch + 1, fit->document_loss);
	*held_out_loss = t->progress.held_out_loss;
	return XMC_OK;
}

static xmc_status
end_step(void *arg, const xmc_epochs *e, bool is_best)
{
	const term_fit *fit = arg;
	xmc_trainer *t = fit->t;
	xmc_modality modality = xmc_term_modality(fit->term);

	if (is_best && !fit->is_refit)
	{
		memcpy(t->validation->term_s[fit->term], t->validation->s, (size_t) t->validation->n * sizeof(float));
		t->report->train_loss[modality] = t->progress.train_loss;
		t->report->held_out_loss[modality] = e->best_loss;
		t->report->best_epoch[modality] = e->best;
	}
	t->progress.epoch = e->done;
	t->progress.epoch_ended = !fit->is_refit;	/* with figures */
	return xmc_train_report_progress(t);
}

/*
 * Trains the term as `fit` says, to its best epoch or, above 0, for `fixed` epochs, of which the text encoder does not learn in the first
 * `frozen` ones. *e: the loop as it ended.
 */
static xmc_status
run_epochs(term_fit *fit, int32_t fixed, int32_t frozen, xmc_epochs *e)
{
	xmc_trainer *t = fit->t;
	xmc_term	term = fit->term;
	const xmc_epochs_steps steps = {.arg = fit,.checkpoint = checkpoint_step,.train = train_step,.validate = validate_step,
		.end = end_step};
	xmc_adamw	adamw = {0};

	xmc_arena_reset(&t->term_arena);
	if (xmc_term_is_network(term) && t->hooks.shards > 1)
		XMC_TRY(lead(t, term, t->held_out.n_documents, t->held_out.document, &adamw));
	else if (!xmc_term_is_linear(term))
		XMC_TRY(xmc_adamw_init(&t->term_arena, t->model, term, &adamw));
	XMC_TRY(xmc_epochs_begin(&t->term_arena, t->model, term, &adamw, &t->random, t->n_train, t->train, e));
	fit->document_loss = xmc_arena_alloc(&t->term_arena, (size_t) t->validation->n_documents, sizeof *fit->document_loss);
	XMC_NEED(fit->document_loss, t->ctx);
	t->apart_loss[0] = t->apart_loss[1] = NAN;
	t->progress.modality = xmc_term_modality(term);
	e->n_held_out = t->validation->n_documents;
	e->fixed = fixed;
	e->frozen = frozen;
	if (xmc_term_is_linear(term) && fixed == 0 && !xmc_is_resuming(t))	/* else the penalty is in the checkpoint */
		XMC_TRY(xmc_train_choose_penalty(t, term, &e->fixed));
	if (!xmc_is_resuming(t))
		leave_out_epochs(t, e);
	XMC_TRY(xmc_epochs_run(e, t->model, &steps));
	xmc_leader_end(&t->leader);
	xmc_epochs_end(e, t->model);
	return XMC_OK;
}

xmc_status
xmc_train_term_to_best(xmc_trainer *t, xmc_term term)
{
	term_fit	fit = {.t = t,.term = term,.stage = xmc_stage(t->progress.round, term)};
	xmc_epochs	e;

	if (xmc_leaves_out(t, fit.stage))
		return XMC_OK;
	t->progress.phase = phase_name[term];
	XMC_TRY(run_epochs(&fit, 0, t->frozen_epochs, &e));
	if (term == XMC_TERM_SPARSE && t->progress.round == 0 && t->report->folds == 0)	/* else the folds have weighed the texts */
	{
		XMC_TRY(xmc_train_weigh_texts(t, &t->held_out, t->held_out.term_s[term]));
		XMC_TRY(xmc_train_add_text_scores(t, &t->apart, t->apart.term_s[term]));
		xmc_train_add_texts(t);
	}
	if (t->progress.round == 0)
	{
		t->best_epoch[term] = e.best;
		if (xmc_has_changes(t->model, term))
			t->frozen_epochs = e.frozen;
	}
	else
	{
		t->pupil_epoch[term] = e.best;
		if (xmc_has_changes(t->model, term))
			t->pupil_frozen = e.frozen;
	}
	/* Early stopping has saved the work of the remaining epochs. */
	t->progress.done += (int64_t) (xmc_most_epochs(t->options, term) - e.done) * t->n_train;
	return XMC_OK;
}

xmc_status
xmc_train_term_again(xmc_trainer *t, xmc_term term)
{
	term_fit	fit = {.t = t,.term = term,.stage = xmc_stage(XMC_REFIT, term),.is_refit = true};
	xmc_epochs	e;

	t->progress.phase = "training on all approved documents";
	if (!xmc_is_resuming(t))
		XMC_TRY(xmc_model_renew_term(t->ctx, t->model, term));
	return run_epochs(&fit, xmc_refit_epochs(t, term),
					  xmc_weakly_taught(t, xmc_term_modality(term)) > 0 ? t->pupil_frozen : t->frozen_epochs, &e);
}

/* The epochs of xmc_train_term_for_epochs, in shards where that pays. */
static xmc_status
run_fixed_epochs(xmc_trainer *t, xmc_term term, int32_t epochs)
{
	xmc_adamw	adamw = {0};
	xmc_epochs	e;
	double		loss;

	xmc_arena_reset(&t->term_arena);
	/* One process trains a network of a fold, but where a text encoder learns, which costs many times as much. */
	if (t->hooks.shards > 1 && xmc_has_changes(t->model, term) && epochs > t->frozen_epochs)
		XMC_TRY(lead(t, term, 0, NULL, &adamw));
	else if (!xmc_term_is_linear(term))
		XMC_TRY(xmc_adamw_init(&t->term_arena, t->model, term, &adamw));
	XMC_TRY(xmc_epochs_begin(&t->term_arena, t->model, term, &adamw, &t->random, t->n_train, t->train, &e));
	e.fixed = epochs;
	e.frozen = t->frozen_epochs;
	leave_out_epochs(t, &e);
	for (; e.done < epochs; e.done++)
	{
		XMC_TRY(xmc_epochs_tune_if_due(&e, t->model));
		XMC_TRY(train_epoch(t, &e, e.done + 1, &loss));
	}
	xmc_epochs_end_with_average(&e, t->model);
	return XMC_OK;
}

xmc_status
xmc_train_term_for_epochs(xmc_trainer *t, xmc_term term, int32_t epochs)
{
	xmc_status	status = run_fixed_epochs(t, term, epochs);

	xmc_leader_end(&t->leader);	/* also after an error: the caller frees the model */
	return status;
}
