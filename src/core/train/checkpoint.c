/* checkpoint.c - the state of a training as a stream of bytes, out and in; see checkpoint.h and trainer.h */
#include "train/trainer.h"

#include <math.h>
#include <string.h>

static const char MAGIC[8] = {'x', 'm', 'c', 'o', 'h', 'c', 'k', 'p'};
#define VERSION 3

/* ---- streaming ---- */

xmc_status
xmc_checkpoint_damaged(xmc_checkpoint *c, const char *what)
{
	return xmc_fail(c->ctx, XMC_BAD_MODEL, "the checkpoint is damaged: %s", what);
}

xmc_status
xmc_checkpoint_missed(xmc_checkpoint *c)
{
	return xmc_checkpoint_damaged(c, "this training does not come by where it stands");
}

static xmc_status
read_whole(xmc_checkpoint *c, void *data, size_t size)
{
	size_t		got = 0;

	XMC_TRY(c->hooks->read(c->hooks->arg, data, size, &got));
	return got == size ? XMC_OK : xmc_checkpoint_damaged(c, "it ends too early");
}

xmc_status
xmc_stream(xmc_checkpoint *c, void *data, size_t size)
{
	if (size == 0)
		return XMC_OK;
	XMC_TRY(c->is_saving ? c->hooks->write(c->hooks->arg, data, size) : read_whole(c, data, size));
	xmc_checksum_add(&c->sum, data, size);
	return XMC_OK;
}

xmc_status
xmc_stream_section(xmc_checkpoint *c, const char *name, void *data, size_t size)
{
	uint64_t	length = size;

	XMC_TRY(xmc_stream(c, &length, sizeof length));
	if (length != size)
		return xmc_fail(c->ctx, XMC_BAD_MODEL, "the checkpoint is damaged: %s has %llu bytes instead of %llu", name,
						(unsigned long long) length, (unsigned long long) size);
	return xmc_stream(c, data, size);
}

static xmc_status
check_finite(xmc_checkpoint *c, const char *name, bool is_finite)
{
	return is_finite ? XMC_OK :
		xmc_fail(c->ctx, XMC_BAD_MODEL, "the checkpoint is damaged: %s has a value that is not finite", name);
}

xmc_status
xmc_stream_floats(xmc_checkpoint *c, const char *name, float *values, int64_t n)
{
	bool		is_finite = true;

	XMC_TRY(xmc_stream_section(c, name, values, (size_t) n * sizeof *values));
	for (int64_t k = 0; k < n && !c->is_saving; k++)
		is_finite &= isfinite(values[k]) != 0;
	return check_finite(c, name, is_finite);
}

xmc_status
xmc_stream_doubles(xmc_checkpoint *c, const char *name, double *values, int64_t n)
{
	bool		is_finite = true;

	XMC_TRY(xmc_stream_section(c, name, values, (size_t) n * sizeof *values));
	for (int64_t k = 0; k < n && !c->is_saving; k++)
		is_finite &= isfinite(values[k]) != 0;
	return check_finite(c, name, is_finite);
}

xmc_status
xmc_stream_integer(xmc_checkpoint *c, const char *name, int64_t *value, int64_t low, int64_t high)
{
	XMC_TRY(xmc_stream(c, value, sizeof *value));
	if (!c->is_saving && (*value < low || *value > high))
		return xmc_fail(c->ctx, XMC_BAD_MODEL, "the checkpoint is damaged: %s is out of bounds", name);
	return XMC_OK;
}

static xmc_status
stream_int32(xmc_checkpoint *c, const char *name, int32_t *value, int32_t low, int32_t high)
{
	int64_t		wide = *value;

	XMC_TRY(xmc_stream_integer(c, name, &wide, low, high));
	*value = (int32_t) wide;
	return XMC_OK;
}

static xmc_status
stream_bool(xmc_checkpoint *c, const char *name, bool *value, bool may_be)
{
	int64_t		wide = *value;

	XMC_TRY(xmc_stream_integer(c, name, &wide, 0, may_be));
	*value = wide != 0;
	return XMC_OK;
}

/* Figures that are only shown; any may be unknown, NaN. */
static xmc_status
stream_figures(xmc_checkpoint *c, int n, double *const *figure)
{
	for (int k = 0; k < n; k++)
		XMC_TRY(xmc_stream(c, figure[k], sizeof(double)));
	return XMC_OK;
}

#define FIGURES(c, ...) \
	stream_figures(c, sizeof (double *[]){__VA_ARGS__} / sizeof(double *), (double *[]){__VA_ARGS__})

/* ---- what there is to save ---- */

xmc_snapshot
xmc_train_snapshot(xmc_trainer *t)
{
	/* The parameters of a model are one block, see xmc_model_new. */
	xmc_snapshot snapshot = {.values = *t->model->tensor[0].slot,.calibration = &t->model->calibration};

	memcpy(snapshot.term_s, t->held_out.term_s, sizeof snapshot.term_s);
	memcpy(snapshot.score, t->held_out.score, sizeof snapshot.score);
	return snapshot;
}

xmc_status
xmc_stream_snapshot(xmc_checkpoint *c, xmc_trainer *t, const xmc_snapshot *snapshot)
{
	XMC_TRY(xmc_stream_floats(c, "the model", snapshot->values, t->model->n_parameters));
	for (int p = 0; p < XMC_TERMS; p++)
		XMC_TRY(xmc_stream_floats(c, "a part's scores", snapshot->term_s[p], t->held_out.n));
	for (int m = 0; m < XMC_MODALITIES; m++)
		XMC_TRY(xmc_stream_floats(c, "a modality's scores", snapshot->score[m], t->held_out.n));
	return xmc_stream_doubles(c, "the calibration", (double *) snapshot->calibration,
							  sizeof(xmc_calibration) / sizeof(double));
}

/* More work than any training of so many documents is: every part in every round and fold. */
static int64_t
most_work(const xmc_trainer *t)
{
	return (int64_t) t->n_documents * t->options->epochs * (XMC_TERMS + 2) * (1 + XMC_MAX_ROUNDS + XMC_MAX_FOLDS);
}

/* Within a part the round is known already. */
static xmc_status
stream_progress(xmc_checkpoint *c, const xmc_trainer *t, xmc_train_progress *p, bool in_part)
{
	XMC_TRY(stream_int32(c, "progress", &p->round, in_part ? p->round : 0, in_part ? p->round : XMC_MAX_ROUNDS));
	XMC_TRY(stream_int32(c, "progress", &p->epoch, 0, INT32_MAX));
	XMC_TRY(xmc_stream_integer(c, "progress", &p->total, 0, most_work(t)));
	XMC_TRY(xmc_stream_integer(c, "progress", &p->done, 0, p->total));
	return FIGURES(c, &p->train_loss, &p->held_out_loss, &p->held_out_tau);
}

xmc_status
xmc_stream_weak_figures(xmc_checkpoint *c, xmc_weak_figures *f)
{
	return FIGURES(c, &f->threshold, &f->selected, &f->selected_precision, &f->agreement);
}

/* What the end of training does not fill in anew. */
static xmc_status
stream_report(xmc_checkpoint *c, xmc_train_report *report)
{
	int32_t		rounds_end = report->rounds_end;

	for (int m = 0; m < XMC_REPORTED_EVIDENCES; m++)
	{
		XMC_TRY(stream_int32(c, "the report", &report->best_epoch[m], 0, INT32_MAX));
		XMC_TRY(FIGURES(c, &report->train_loss[m], &report->held_out_loss[m]));
	}
	XMC_TRY(stream_int32(c, "the report", &report->alignment.documents, 0, INT32_MAX));
	XMC_TRY(FIGURES(c, &report->alignment.accuracy, &report->alignment.chance));
	XMC_TRY(stream_int32(c, "the report", &rounds_end, 0, XMC_ROUNDS_REINFORCED));
	report->rounds_end = (xmc_rounds_end) rounds_end;
	XMC_TRY(stream_int32(c, "the report", &report->n_rounds, 0, XMC_MAX_ROUNDS));
	for (int k = 0; k < report->n_rounds; k++)
	{
		xmc_round_report *r = &report->round[k];
		int32_t		pupil = r->pupil;

		XMC_TRY(stream_int32(c, "the report", &r->round, 1, XMC_MAX_ROUNDS));
		XMC_TRY(stream_int32(c, "the report", &pupil, 0, XMC_MODALITIES - 1));
		r->pupil = (xmc_modality) pupil;
		XMC_TRY(stream_int32(c, "the report", &r->documents, 0, INT32_MAX));
		XMC_TRY(xmc_stream_weak_figures(c, &r->weak));
		XMC_TRY(FIGURES(c, &r->tau_before, &r->tau_after, &r->difference_low, &r->difference_high, &r->loss_before,
						&r->loss_after, &r->fused_tau_before, &r->fused_tau_after, &r->fused_low, &r->fused_high,
						&r->guided_tau_before, &r->guided_tau_after, &r->flips,
						&r->agreement_before, &r->agreement_after));
		XMC_TRY(stream_bool(c, "the report", &r->kept, true));
	}
	return XMC_OK;
}

/* A document's number: those given to training first, then the copies that the round's pupil has weak labels for. */
static uint32_t
number_of(const xmc_trainer *t, const xmc_document *document)
{
	if (document >= t->document && document < t->document + t->n_documents)
		return (uint32_t) (document - t->document);
	return (uint32_t) t->n_documents + (uint32_t) (document - t->round->weak[t->round->pupil].document);
}

/* Shuffling permutes documents in place: each epoch's order depends on all before it. Nothing but the order may change. */
static xmc_status
stream_order(xmc_checkpoint *c, xmc_trainer *t, int32_t n, const xmc_document **document)
{
	int32_t		n_weak = t->round ? t->round->weak[t->round->pupil].n : 0;
	uint32_t	most = (uint32_t) t->n_documents + (uint32_t) n_weak;
	uint32_t   *number;			/* (n) */
	const xmc_document **expected;	/* (most) by number; NULL: not among these, or met already */

	xmc_arena_reset(&t->arena);
	number = xmc_arena_alloc(&t->arena, (size_t) n, sizeof *number);
	expected = xmc_arena_zalloc(&t->arena, most, sizeof *expected);
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
			return xmc_checkpoint_damaged(c, "the order of documents is no order of them");
		document[k] = expected[number[k]];
		expected[number[k]] = NULL;
	}
	return XMC_OK;
}

static xmc_status
stream_epochs(xmc_checkpoint *c, xmc_trainer *t, xmc_epochs *e)
{
	XMC_TRY(stream_int32(c, "an epoch", &e->done, 0, t->options->epochs));
	XMC_TRY(stream_int32(c, "the best epoch", &e->best, 0, e->done));
	XMC_TRY(FIGURES(c, &e->best_loss));
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

/*
 * Everything but the round, which stands before it, since it says what the order is one of. Gradients are zero, and scratch
 * is nobody's, wherever a checkpoint stands.
 */
static xmc_status
stream_state(xmc_checkpoint *c, xmc_trainer *t, xmc_epochs *e)
{
	xmc_snapshot snapshot = xmc_train_snapshot(t);

	XMC_TRY(xmc_stream_snapshot(c, t, &snapshot));
	XMC_TRY(stream_bool(c, "the alignment", &t->model->has_alignment, t->model->align_scale != NULL));
	for (int p = 0; p < XMC_TERMS; p++)
		XMC_TRY(stream_int32(c, "the best epochs", &t->best_epoch[p], 0, t->options->epochs));
	XMC_TRY(stream_progress(c, t, &t->progress, e != NULL));
	XMC_TRY(stream_report(c, t->report));
	if (t->round && t->report->n_rounds != t->progress.round)
		return xmc_checkpoint_damaged(c, "its round is not in the report");
	XMC_TRY(stream_order(c, t, t->n_approved, t->approved));
	return e ? stream_epochs(c, t, e) : XMC_OK;
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
	xmc_checkpoint c = {.ctx = t->ctx,.hooks = &t->hooks,.is_saving = true,.stage = stage};
	xmc_checkpoint_header header = {.version = VERSION,.stage = stage,.options_fingerprint = t->options_fingerprint,
		.documents_fingerprint = t->documents_fingerprint};
	uint64_t	checksum;

	memcpy(header.magic, MAGIC, sizeof MAGIC);
	header.checksum = header_checksum(&header);
	XMC_TRY(xmc_stream(&c, &header, sizeof header));
	if (t->round)
		XMC_TRY(xmc_stream_round(&c, t));
	XMC_TRY(stream_state(&c, t, e));
	checksum = xmc_checksum_end(&c.sum);
	XMC_TRY(t->hooks.write(t->hooks.arg, &checksum, sizeof checksum));
	return t->hooks.write(t->hooks.arg, NULL, 0);
}

static xmc_status
load(xmc_trainer *t, int32_t stage, xmc_epochs *e)
{
	xmc_checkpoint *c = &t->resume;
	uint64_t	checksum;
	char		more;
	size_t		got = 0;

	if (c->stage != stage)
		return xmc_checkpoint_missed(c);
	XMC_TRY(stream_state(c, t, e));
	XMC_TRY(read_whole(c, &checksum, sizeof checksum));
	if (checksum != xmc_checksum_end(&c->sum))
		return xmc_checkpoint_damaged(c, "its checksum is wrong");
	XMC_TRY(t->hooks.read(t->hooks.arg, &more, 1, &got));
	if (got != 0)
		return xmc_checkpoint_damaged(c, "it goes on behind its end");
	c->stage = 0;
	return xmc_train_report_progress(t);
}

/* What matters of it. */
static int64_t
bytes_of(const xmc_trainer *t, const xmc_epochs *e)
{
	int64_t		values = t->model->n_parameters * (t->round ? 2 : 1);

	for (int m = 0; t->round && m < XMC_MODALITIES; m++)
		values += t->round->weak[m].n_pairs;
	if (e)
		values += e->n_values + 3 * e->adamw.n + (int64_t) e->hashed.rows * e->hashed.width;
	return values * (int64_t) sizeof(float);
}

xmc_status
xmc_train_checkpoint(xmc_trainer *t, int32_t stage, xmc_epochs *e)
{
	if (t->resume.stage != 0)
		return load(t, stage, e);
	if (t->hooks.checkpoint_due && t->hooks.checkpoint_due(t->hooks.arg, bytes_of(t, e)))
		return save(t, stage, e);
	return XMC_OK;
}

/* ---- what a checkpoint belongs to ---- */

static void
add_array(xmc_checksum *sum, const void *data, int64_t n, size_t size)
{
	uint8_t		is_there = data != NULL;

	xmc_checksum_add(sum, &is_there, 1);
	if (data)
		xmc_checksum_add(sum, data, (size_t) n * size);
}

/* Of all that the documents hold, and of what is done with them: the options and the number of slices. */
static xmc_status
find_fingerprints(xmc_trainer *t, const uint8_t *held_out)
{
	xmc_checksum sum = {0};
	int32_t		n_options;
	const xmc_option_info *option = xmc_option_table(&n_options);

	for (int32_t k = 0; k < n_options; k++)
	{
		double		value = xmc_options_get(t->options, &option[k]);

		xmc_checksum_add(&sum, &value, sizeof value);
	}
	xmc_checksum_add(&sum, &t->hooks.shards, sizeof t->hooks.shards);
	t->options_fingerprint = xmc_checksum_end(&sum);

	sum = (xmc_checksum){0};
	for (int32_t k = 0; k < t->n_documents; k++)
	{
		const xmc_document *d = &t->document[k];

		xmc_checksum_add(&sum, &d->n, sizeof d->n);
		add_array(&sum, d->has, d->n, 1);
		add_array(&sum, d->feature_start, d->n + 1, sizeof *d->feature_start);
		add_array(&sum, d->feature, d->feature_start[d->n], sizeof *d->feature);
		add_array(&sum, d->text_embedding, (int64_t) d->n * t->options->text_dim, sizeof(float));
		add_array(&sum, d->image, (int64_t) d->n * t->options->image_dim, sizeof(float));
		xmc_checksum_add(&sum, &d->n_pairs, sizeof d->n_pairs);
		add_array(&sum, d->n_pairs ? d->pair : NULL, d->n_pairs, sizeof *d->pair);
		xmc_checksum_add(&sum, &held_out[k], 1);
		XMC_TRY(xmc_check_stop(t->ctx));
	}
	t->documents_fingerprint = xmc_checksum_end(&sum);
	return XMC_OK;
}

xmc_status
xmc_train_resume(xmc_trainer *t, const uint8_t *held_out)
{
	xmc_checkpoint *c = &t->resume;
	xmc_checkpoint_header header;

	if (t->hooks.checkpoint_due || t->hooks.read)
		XMC_TRY(find_fingerprints(t, held_out));
	if (!t->hooks.read)
		return XMC_OK;
	*c = (xmc_checkpoint){.ctx = t->ctx,.hooks = &t->hooks};
	XMC_TRY(xmc_stream(c, &header, sizeof header));
	if (memcmp(header.magic, MAGIC, sizeof MAGIC) != 0)
		return xmc_fail(t->ctx, XMC_BAD_MODEL, "this is no checkpoint of a training");
	if (header.checksum != header_checksum(&header) || header.stage < 1)
		return xmc_checkpoint_damaged(c, "its header is wrong");
	if (header.version != VERSION)
		return xmc_fail(t->ctx, XMC_BAD_MODEL, "the checkpoint has version %u, this library reads version %d",
						header.version, VERSION);
	if (header.options_fingerprint != t->options_fingerprint)
		return xmc_fail(t->ctx, XMC_CHANGED, "the options have changed since the checkpoint");
	if (header.documents_fingerprint != t->documents_fingerprint)
		return xmc_fail(t->ctx, XMC_CHANGED, "the documents have changed since the checkpoint");
	c->stage = header.stage;
	return XMC_OK;
}
