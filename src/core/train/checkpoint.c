/* checkpoint.c - see checkpoint.h */
#include "train/checkpoint.h"
#include "train/additive_fit.h"
#include "train/weak_labels.h"
#include "xmcoh/sentences.h"

#include <math.h>
#include <string.h>

static const char MAGIC[8] = {'x', 'm', 'c', 'o', 'h', 'c', 'k', 'p'};
#define VERSION 13
#define RESULT_VALUES ((int64_t) (sizeof(xmc_result) / sizeof(float)))

xmc_status
xmc_checkpoint_missed(xmc_trainer *t)
{
	return xmc_stream_damaged(&t->resume_from, "this training does not have the stage of the checkpoint");
}

static bool
is_in_round(const xmc_trainer *t)
{
	return t->round && !t->round->is_over;
}

/* ---- what is saved ---- */

xmc_snapshot
xmc_train_snapshot(xmc_trainer *t)
{
	/* The parameters of a model are one block: see xmc_model_new. */
	xmc_snapshot snapshot = {.values = *t->model->tensor[0].slot,.calibration = &t->model->calibration,
		.known = &t->model->known,.term_weight = t->term_weight,.pupil_epoch = t->pupil_epoch,.pupil_frozen = &t->pupil_frozen};

	memcpy(snapshot.term_s, t->held_out.term_s, sizeof snapshot.term_s);
	memcpy(snapshot.score, t->held_out.score, sizeof snapshot.score);
	memcpy(snapshot.apart_term_s, t->apart.term_s, sizeof snapshot.apart_term_s);
	memcpy(snapshot.apart_score, t->apart.score, sizeof snapshot.apart_score);
	return snapshot;
}

/* The most epochs of any term. */
static int32_t
most_epochs(const xmc_trainer *t)
{
	int32_t		network = xmc_most_epochs(t->options, XMC_TERM_TEXT_NETWORK);

	return network > XMC_PENALTIES ? network : XMC_PENALTIES;
}

static xmc_status
stream_snapshot(xmc_stream *c, xmc_trainer *t, const xmc_snapshot *snapshot)
{
	XMC_TRY(xmc_stream_floats(c, "the model", snapshot->values, t->model->n_parameters));
	for (int p = 0; p < XMC_TERMS; p++)
	{
		XMC_TRY(xmc_stream_floats(c, "the scores of a term", snapshot->term_s[p], t->held_out.n));
		XMC_TRY(xmc_stream_floats(c, "the scores of a term", snapshot->apart_term_s[p], t->apart.n));
	}
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		XMC_TRY(xmc_stream_floats(c, "the scores of a modality", snapshot->score[m], t->held_out.n));
		XMC_TRY(xmc_stream_floats(c, "the scores of a modality", snapshot->apart_score[m], t->apart.n));
	}
	XMC_TRY(xmc_stream_doubles(c, "the calibration", (double *) snapshot->calibration,
							   sizeof(xmc_calibration) / sizeof(double)));
	XMC_TRY(xmc_stream_doubles(c, "the calibration", (double *) snapshot->known, sizeof(xmc_calibration) / sizeof(double)));
	XMC_TRY(xmc_stream_doubles(c, "the weights of terms", snapshot->term_weight, XMC_TERMS));
	for (int p = 0; p < XMC_TERMS; p++)
		XMC_TRY(xmc_stream_int32(c, "the best epochs", &snapshot->pupil_epoch[p], 0, most_epochs(t)));
	return xmc_stream_int32(c, "the epochs without fine-tuning", snapshot->pupil_frozen, 0, most_epochs(t));
}

/* An upper bound of the work of a training: all terms and the alignment, in every round and fold, the refit and the evaluation. */
static int64_t
most_work(const xmc_trainer *t)
{
	int64_t		runs = 2 + XMC_MAX_ROUNDS + XMC_MAX_FOLDS + XMC_MAX_FOLDS * (XMC_MAX_FOLDS + 1) / 2;

	return t->n_documents * most_epochs(t) * (XMC_TERMS + 2) * runs;
}

/* The round is known before the checkpoint is read, except after all rounds. */
static xmc_status
stream_progress(xmc_stream *c, const xmc_trainer *t, xmc_train_progress *p, bool after_rounds)
{
	XMC_TRY(xmc_stream_int32(c, "progress", &p->round, after_rounds ? 0 : p->round, after_rounds ? XMC_MAX_ROUNDS : p->round));
	XMC_TRY(xmc_stream_int32(c, "progress", &p->epoch, 0, INT32_MAX));
	XMC_TRY(xmc_stream_integer(c, "progress", &p->total, 0, most_work(t)));
	XMC_TRY(xmc_stream_integer(c, "progress", &p->done, 0, p->total));
	return XMC_STREAM_FIGURES(c, &p->train_loss, &p->held_out_loss, &p->held_out_tau);
}

static xmc_status
stream_weak_figures(xmc_stream *c, xmc_weak_figures *f)
{
	return XMC_STREAM_FIGURES(c, &f->threshold, &f->selected, &f->selected_precision, &f->agreement);
}

static xmc_status
stream_figures(xmc_stream *c, xmc_figures *figures)
{
	XMC_TRY(xmc_stream_int32(c, "the report", &figures->documents, 0, INT32_MAX));
	XMC_TRY(xmc_stream_int32(c, "the report", &figures->groups, 0, figures->documents));
	for (int e = 0; e < XMC_REPORTED_SCORE_KINDS; e++)
		XMC_TRY(XMC_STREAM_FIGURES(c, &figures->tau[e].mean, &figures->tau[e].low, &figures->tau[e].high,
								   &figures->pair_accuracy[e], &figures->calibration_error[e], &figures->confident[e]));
	return XMC_OK;
}

/* The figures of the report that are not computed at the end of the training. */
static xmc_status
stream_report(xmc_stream *c, xmc_train_report *report)
{
	int32_t		rounds_end = report->rounds_end;

	for (int m = 0; m < XMC_REPORTED_SCORE_KINDS; m++)
	{
		XMC_TRY(xmc_stream_int32(c, "the report", &report->best_epoch[m], 0, INT32_MAX));
		XMC_TRY(XMC_STREAM_FIGURES(c, &report->train_loss[m], &report->held_out_loss[m]));
	}
	/* The figures of cross-fitting; without it they are computed at the end. */
	XMC_TRY(stream_figures(c, &report->new_groups));
	XMC_TRY(stream_figures(c, &report->known_groups));
	XMC_TRY(xmc_stream_int32(c, "the report", &report->alignment.documents, 0, INT32_MAX));
	XMC_TRY(XMC_STREAM_FIGURES(c, &report->alignment.accuracy, &report->alignment.chance));
	XMC_TRY(xmc_stream_int32(c, "the report", &rounds_end, 0, XMC_ROUNDS_REINFORCED));
	report->rounds_end = (xmc_rounds_end) rounds_end;
	XMC_TRY(xmc_stream_int32(c, "the report", &report->n_rounds, 0, XMC_MAX_ROUNDS));
	for (int k = 0; k < report->n_rounds; k++)
	{
		xmc_round_report *r = &report->round[k];
		int32_t		pupil = r->pupil;

		XMC_TRY(xmc_stream_int32(c, "the report", &r->round, 1, XMC_MAX_ROUNDS));
		XMC_TRY(xmc_stream_int32(c, "the report", &pupil, 0, XMC_MODALITIES - 1));
		r->pupil = (xmc_modality) pupil;
		XMC_TRY(xmc_stream_int32(c, "the report", &r->documents, 0, INT32_MAX));
		XMC_TRY(stream_weak_figures(c, &r->weak));
		XMC_TRY(XMC_STREAM_FIGURES(c, &r->tau_before, &r->tau_after, &r->difference_low, &r->difference_high, &r->loss_before,
						&r->loss_after, &r->fused_tau_before, &r->fused_tau_after, &r->fused_low, &r->fused_high,
						&r->guided_tau_before, &r->guided_tau_after, &r->flips,
						&r->agreement_before, &r->agreement_after));
		XMC_TRY(xmc_stream_bool(c, "the report", &r->kept, true));
	}
	return XMC_OK;
}

/*
 * The number of a document: those given to the training first, then the copies with weak labels for the pupil of the
 * round.
 */
static uint32_t
number_of(const xmc_trainer *t, const xmc_document *document)
{
	if (document >= t->document && document < t->document + t->n_documents)
		return (uint32_t) (document - t->document);
	return (uint32_t) t->n_documents + (uint32_t) (document - t->round->weak[t->round->pupil].document);
}

/*
 * The order of documents. Shuffling permutes them in place, so the order of an epoch depends on all epochs before. Only the
 * order may change: each document must be met once.
 */
static xmc_status
stream_order(xmc_stream *c, xmc_trainer *t, int32_t n, const xmc_document **document)
{
	int32_t		n_weak = t->round ? t->round->weak[t->round->pupil].n : 0;
	uint32_t	most = (uint32_t) t->n_documents + (uint32_t) n_weak;
	uint32_t   *number;			/* (n) */
	const xmc_document **expected;	/* (most) by number; NULL: none of these, or already met */

	xmc_arena_reset(&t->batch_arena);
	number = xmc_arena_alloc(&t->batch_arena, (size_t) n, sizeof *number);
	expected = xmc_arena_zalloc(&t->batch_arena, most, sizeof *expected);
	if (!number || !expected)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t k = 0; k < n; k++)
	{
		number[k] = number_of(t, document[k]);
		expected[number[k]] = document[k];
	}
	XMC_TRY(xmc_stream_section(c, "the order of documents", number, (size_t) n * sizeof *number));
	for (int32_t k = 0; k < n; k++)
	{
		if (number[k] >= most || !expected[number[k]])
			return xmc_stream_damaged(c, "the order of documents is not a permutation of them");
		document[k] = expected[number[k]];
		expected[number[k]] = NULL;
	}
	return XMC_OK;
}

static xmc_status
stream_epochs(xmc_stream *c, xmc_trainer *t, xmc_epochs *e)
{
	XMC_TRY(xmc_stream_int32(c, "the last epoch", &e->fixed, 0, most_epochs(t)));
	XMC_TRY(xmc_stream_int32(c, "an epoch", &e->done, 0, most_epochs(t)));
	XMC_TRY(xmc_stream_int32(c, "the best epoch", &e->best, 0, e->done));
	XMC_TRY(xmc_stream_int32(c, "the epochs without fine-tuning", &e->frozen, 0, most_epochs(t)));
	XMC_TRY(xmc_stream_bool(c, "the epochs without fine-tuning", &e->is_tuning, xmc_has_changes(t->model, e->term)));
	if (e->is_tuning)
		t->model->network[XMC_TEXT].uses_changes = true;
	XMC_TRY(XMC_STREAM_FIGURES(c, &e->best_loss, &t->apart_loss[0], &t->apart_loss[1]));
	if (e->best > 0)
		XMC_TRY(xmc_stream_floats(c, "the best epoch", e->best_values, e->n_values));
	XMC_TRY(xmc_stream_integer(c, "the optimizer", &e->adamw.step, 0, INT64_MAX / 2));
	XMC_TRY(xmc_stream_floats(c, "the optimizer", e->adamw.first, e->adamw.n));
	XMC_TRY(xmc_stream_floats(c, "the optimizer", e->adamw.second, e->adamw.n));
	XMC_TRY(xmc_stream_floats(c, "the optimizer", e->adamw.average, e->adamw.n));
	XMC_TRY(xmc_stream_floats(c, "the optimizer", e->hashed.squares, (int64_t) e->hashed.rows * e->hashed.width));
	XMC_TRY(xmc_stream_section(c, "the random state", e->random, sizeof *e->random));
	return stream_order(c, t, e->n_train, e->train);
}

/* What has chosen epochs and penalties so far. */
static xmc_status
stream_choices(xmc_stream *c, xmc_trainer *t)
{
	for (int p = 0; p < XMC_TERMS; p++)
	{
		xmc_choice *choice = &t->choice[p];

		XMC_TRY(xmc_stream_int32(c, "the losses of epochs", &choice->epochs, 0, choice->most));
		XMC_TRY(xmc_stream_floats(c, "the losses of epochs", choice->loss, (int64_t) choice->epochs * choice->n));
	}
	return XMC_OK;
}

/* What was measured of n documents. The record is checked before it is stored (xmc_results_check). */
static xmc_status
stream_results(xmc_stream *c, xmc_result *result, int32_t n)
{
	return xmc_stream_floats(c, "the results", (float *) (void *) result, RESULT_VALUES * n);
}

/* What the models of the evaluation have given so far; the rest is 0. */
static xmc_status
stream_evaluation(xmc_stream *c, xmc_evaluation *e)
{
	int64_t		kinds = XMC_REPORTED_SCORE_KINDS;

	XMC_TRY(xmc_stream_floats(c, "the evaluation", e->inner, (int64_t) e->n_folds * XMC_TERMS * e->labels.n));
	XMC_TRY(xmc_stream_doubles(c, "the evaluation", e->measures.tau, kinds * e->labels.n_documents));
	XMC_TRY(xmc_stream_doubles(c, "the evaluation", e->inner_tau[0], kinds * XMC_MAX_FOLDS));
	XMC_TRY(xmc_stream_doubles(c, "the evaluation", e->inner_variance[0], kinds * XMC_MAX_FOLDS));
	XMC_TRY(stream_results(c, e->measures.result, e->labels.n_documents));
	return xmc_stream_floats(c, "the evaluation", e->measures.s, kinds * e->labels.n);
}

/* Empty before the calibration. */
static xmc_status
stream_reliability(xmc_stream *c, xmc_reliability_table *table)
{
	XMC_TRY(xmc_stream_int32(c, "the table of reliability", &table->n, 0, XMC_RELIABILITY_MAX_ROWS));
	return xmc_stream_floats(c, "the table of reliability", table->row[0], (int64_t) table->n * XMC_RELIABILITY_COLUMNS);
}

/*
 * The state of the training, without the round: the round is read before, since it tells which documents the order is made
 * of. Gradients are zero and scratch memory is unused wherever a checkpoint is written. The anchors are not saved either:
 * they are filled again (xmc_train_fill_anchors).
 */
static xmc_status
stream_state(xmc_stream *c, xmc_trainer *t, xmc_epochs *e)
{
	xmc_snapshot snapshot = xmc_train_snapshot(t);
	bool		has_measured = t->model->measured != NULL;

	XMC_TRY(stream_snapshot(c, t, &snapshot));
	XMC_TRY(xmc_stream_bool(c, "the model", &has_measured, c->is_saving || t->resume_stage > XMC_STAGE_MEASURED));
	if (has_measured && !t->model->measured)
		XMC_TRY(xmc_model_keep_measured(t->ctx, t->model));
	if (has_measured)
		XMC_TRY(xmc_stream_floats(c, "the model", *t->model->measured->tensor[0].slot, t->model->n_parameters));
	if (!c->is_saving)
		xmc_model_note_changes(t->model);
	XMC_TRY(xmc_stream_bool(c, "the alignment", &t->model->has_alignment, t->model->align_scale != NULL));
	for (int p = 0; p < XMC_TERMS; p++)
		XMC_TRY(xmc_stream_int32(c, "the best epochs", &t->best_epoch[p], 0, most_epochs(t)));
	XMC_TRY(xmc_stream_int32(c, "the epochs without fine-tuning", &t->frozen_epochs, 0, most_epochs(t)));
	XMC_TRY(stream_choices(c, t));
	XMC_TRY(xmc_stream_doubles(c, "the weights of texts", t->text_weight, 2));
	XMC_TRY(stream_progress(c, t, &t->progress, !e || t->model->measured));
	XMC_TRY(stream_reliability(c, &t->model->reliability));
	XMC_TRY(stream_report(c, t->report));
	XMC_TRY(stream_results(c, t->result, t->n_documents));
	XMC_TRY(xmc_stream_floats(c, "the results", t->log_odds, t->n_labels));
	if (t->evaluation.n_folds > 0)
		XMC_TRY(stream_evaluation(c, &t->evaluation));
	if (is_in_round(t) && t->report->n_rounds != t->progress.round)
		return xmc_stream_damaged(c, "its round is not in the report");
	XMC_TRY(stream_order(c, t, t->n_approved, t->approved));
	return e ? stream_epochs(c, t, e) : XMC_OK;
}

/* Weak labels. The pairs themselves follow from the pool; only their weights are in the checkpoint. */
static xmc_status
stream_weak(xmc_stream *c, xmc_trainer *t, xmc_weak_labels *w)
{
	int64_t		n = w->n;

	XMC_TRY(xmc_stream_integer(c, "the weak labels", &n, 0, t->n_pool));
	if (n == 0)
		return XMC_OK;
	if (!c->is_saving)
		XMC_TRY(xmc_weak_labels_init(t, w));
	if (n != w->n)
		return xmc_stream_damaged(c, "its weak labels are of another pool");
	XMC_TRY(stream_weak_figures(c, &w->figures));
	for (int64_t k = 0; k < n; k++)
	{
		XMC_TRY(xmc_check_stop(t->ctx));
		for (int32_t p = 0; p < w->document[k].n_pairs; p++)
		{
			float	   *weight = &w->document[k].pair[p].weight;

			XMC_TRY(xmc_stream_bytes(c, weight, sizeof *weight));
			if (!c->is_saving && !(*weight >= 0 && *weight <= 1))
				return xmc_stream_damaged(c, "a weak label is not a probability");
		}
	}
	return XMC_OK;
}

/* All of t->round but its validation documents, which follow from the weak labels; after the rounds, what the refit needs. */
static xmc_status
stream_round(xmc_stream *c, xmc_trainer *t)
{
	xmc_round  *r = t->round;
	int64_t		pupil = r->pupil;

	XMC_TRY(xmc_stream_integer(c, "a pupil", &pupil, 0, XMC_MODALITIES - 1));
	r->pupil = (xmc_modality) pupil;
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		XMC_TRY(stream_weak(c, t, &r->weak[m]));
		XMC_TRY(xmc_stream_int32(c, "a pupil", &r->taught[m], 0, r->weak[m].n));
	}
	if (r->is_over)
		return XMC_OK;
	XMC_TRY(stream_snapshot(c, t, &r->before));
	return xmc_stream_doubles(c, "a round", r->fused_tau, t->held_out.n_documents);
}

/* ---- whole checkpoints ---- */

static uint64_t
header_checksum(const xmc_checkpoint_header *header)
{
	xmc_checksum sum = {0};

	xmc_checksum_add(&sum, header, offsetof(xmc_checkpoint_header, checksum));
	return xmc_checksum_end(&sum);
}

static xmc_status
save(xmc_trainer *t, int32_t stage, xmc_epochs *e)
{
	xmc_stream	c = {.ctx = t->ctx,.hooks = &t->hooks,.is_saving = true};
	xmc_checkpoint_header header = {.version = VERSION,.stage = stage,.options_fingerprint = t->options_fingerprint,
		.documents_fingerprint = t->documents_fingerprint};
	uint64_t	checksum;

	memcpy(header.magic, MAGIC, sizeof MAGIC);
	header.checksum = header_checksum(&header);
	XMC_TRY(xmc_stream_bytes(&c, &header, sizeof header));
	if (t->round)
		XMC_TRY(stream_round(&c, t));
	XMC_TRY(stream_state(&c, t, e));
	checksum = xmc_checksum_end(&c.sum);
	XMC_TRY(xmc_stream_uncounted(&c, &checksum, sizeof checksum));
	return t->hooks.write(t->hooks.arg, NULL, 0);
}

xmc_status
xmc_checkpoint_load_round(xmc_trainer *t)
{
	return stream_round(&t->resume_from, t);
}

/* Loads the state, which is all that follows the header and the round. */
static xmc_status
load(xmc_trainer *t, int32_t stage, xmc_epochs *e)
{
	xmc_stream *c = &t->resume_from;
	uint64_t	checksum;
	char		more;
	size_t		got = 0;

	if (t->resume_stage != stage)
		return xmc_checkpoint_missed(t);
	XMC_TRY(stream_state(c, t, e));
	XMC_TRY(xmc_stream_uncounted(c, &checksum, sizeof checksum));
	if (checksum != xmc_checksum_end(&c->sum))
		return xmc_stream_damaged(c, "its checksum is wrong");
	XMC_TRY(t->hooks.read(t->hooks.arg, &more, 1, &got));
	if (got != 0)
		return xmc_stream_damaged(c, "bytes follow its end");
	t->resume_stage = 0;
	return xmc_train_report_progress(t);
}

/* The size of a checkpoint, about: its large arrays. */
static int64_t
bytes_of(const xmc_trainer *t, const xmc_epochs *e)
{
	int64_t		scores = ((int64_t) t->held_out.n + t->apart.n) * (XMC_TERMS + XMC_MODALITIES);
	int64_t		values = t->model->n_parameters * (is_in_round(t) || t->model->measured ? 2 : 1) + scores * (is_in_round(t) ? 2 : 1) +
		RESULT_VALUES * (int64_t) t->n_documents + t->n_labels;

	for (int m = 0; t->round && m < XMC_MODALITIES; m++)
		values += t->round->weak[m].n_pairs;
	for (int p = 0; p < XMC_TERMS; p++)
		values += (int64_t) t->choice[p].epochs * t->choice[p].n;
	if (e)
		values += e->n_values + 3 * e->adamw.n + (int64_t) e->hashed.rows * e->hashed.width;
	if (t->evaluation.n_folds > 0)
		values += (int64_t) t->evaluation.n_folds * XMC_TERMS * t->evaluation.labels.n +
			(RESULT_VALUES + 2 * XMC_REPORTED_SCORE_KINDS) * (int64_t) t->evaluation.labels.n_documents +
			XMC_REPORTED_SCORE_KINDS * (int64_t) t->evaluation.labels.n;
	return values * (int64_t) sizeof(float);
}

xmc_status
xmc_checkpoint_load_or_save(xmc_trainer *t, int32_t stage, xmc_epochs *e)
{
	if (xmc_is_resuming(t))
		return load(t, stage, e);
	if (t->hooks.checkpoint_due && t->hooks.checkpoint_due(t->hooks.arg, bytes_of(t, e)))
		return save(t, stage, e);
	return XMC_OK;
}

/* ---- what a checkpoint belongs to ---- */

/*
 * Checksums of the options with the number of shards, and of all that the documents hold, with their groups and which are
 * held out, and of the texts from which words are learned.
 */
static xmc_status
find_fingerprints(xmc_trainer *t, const uint8_t *held_out)
{
	xmc_checksum sum = {0};
	xmc_options text_options = xmc_sentence_options(t->options);

	xmc_options_checksum(&sum, t->options);
	xmc_checksum_add(&sum, &t->hooks.shards, sizeof t->hooks.shards);
	t->options_fingerprint = xmc_checksum_end(&sum);

	sum = (xmc_checksum){0};
	for (int32_t k = 0; k < t->n_documents; k++)
	{
		const xmc_document *d = &t->document[k];

		xmc_document_checksum(&sum, t->options, d);
		xmc_checksum_add(&sum, &held_out[k], 1);
		if (d->group)
			xmc_checksum_add(&sum, &d->group, sizeof d->group);
		XMC_TRY(xmc_check_stop(t->ctx));
	}
	for (int32_t k = 0; k < t->hooks.n_texts; k++)
	{
		xmc_document_checksum(&sum, &text_options, &t->hooks.text[k]);
		XMC_TRY(xmc_check_stop(t->ctx));
	}
	t->documents_fingerprint = xmc_checksum_end(&sum);
	return XMC_OK;
}

xmc_status
xmc_checkpoint_open(xmc_trainer *t, const uint8_t *held_out)
{
	xmc_stream *c = &t->resume_from;
	xmc_checkpoint_header header;

	if (t->hooks.checkpoint_due || t->hooks.read)
		XMC_TRY(find_fingerprints(t, held_out));
	if (!t->hooks.read)
		return XMC_OK;
	*c = (xmc_stream){.ctx = t->ctx,.hooks = &t->hooks};
	XMC_TRY(xmc_stream_bytes(c, &header, sizeof header));
	if (memcmp(header.magic, MAGIC, sizeof MAGIC) != 0)
		return xmc_fail(t->ctx, XMC_BAD_MODEL, "this is not a checkpoint of a training");
	if (header.checksum != header_checksum(&header) || header.stage < 1)
		return xmc_stream_damaged(c, "its header is wrong");
	if (header.version != VERSION)
		return xmc_fail(t->ctx, XMC_BAD_MODEL, "the checkpoint has version %u, this library reads version %d",
						header.version, VERSION);
	if (header.options_fingerprint != t->options_fingerprint)
		return xmc_fail(t->ctx, XMC_CHANGED, "the options have changed since the checkpoint");
	if (header.documents_fingerprint != t->documents_fingerprint)
		return xmc_fail(t->ctx, XMC_CHANGED, "the documents have changed since the checkpoint");
	t->resume_stage = header.stage;
	return XMC_OK;
}
