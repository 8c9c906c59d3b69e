/*
 * Fine-tuning of a text encoder, by adapters and of whole layers: the text network first learns on unchanged vectors, then begins anew and the
 * layers learn with it; changes that do not help on held-out documents leave no trace; a training that is interrupted while they learn continues to the same model; in
 * shards the model does not depend on who computes which.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "counting.h"
#include "fake_workers.h"
#include "random_transformer.h"
#include "toys.h"
#include "train/epochs.h"
#include "train/weigh.h"
#include "xmcoh/optimizer.h"

typedef struct fixture
{
	counting	counts;
	xmc_ctx		ctx;
	toys		toys;
	xmc_transformer encoder;
	float	   *encoder_memory;
} fixture;

/* Gives each item a token that tells its place, or all the same one. */
static void
set_tokens(fixture *f, bool show_place)
{
	for (int d = 0; d < TOYS; d++)
	{
		xmc_document *doc = &f->toys.document[d];

		xmc_release(&f->ctx, doc->token);
		doc->token = xmc_alloc(&f->ctx, (size_t) doc->n, sizeof(int32_t));
		doc->token_start[0] = 0;
		for (int32_t i = 0; i < doc->n; i++)
		{
			doc->token[i] = show_place ? 5 + (i + d) % doc->n : 5;
			doc->token_start[i + 1] = i + 1;
		}
	}
}

/* Embeddings that say nothing. */
static void
set_noise(fixture *f)
{
	xmc_random	random;

	xmc_random_seed(&random, 5);
	for (int d = 0; d < TOYS; d++)
		for (int32_t k = 0; k < f->toys.document[d].n * TOY_DIM; k++)
			f->toys.document[d].text_embedding[k] = (float) xmc_random_normal(&random);
}

static int
set_up(void **state)
{
	fixture    *f = test_calloc(1, sizeof *f);
	xmc_options *o = &f->toys.options;

	f->ctx = counting_ctx(&f->counts);
	assert_int_equal(toys_make(&f->ctx, &f->toys), XMC_OK);
	o->image_dim = 0;
	o->rounds = 0;
	o->evaluation_documents = 0;
	o->fine_tune = 2;
	o->adapter_rank = 2;
	o->fine_tune_epochs = 4;
	make_transformer(TOY_DIM, 1, XMC_WIDENING * TOY_DIM, 2, &f->encoder, &f->encoder_memory);
	*state = f;
	return 0;
}

/* The same, but whole layers learn. */
static int
set_up_whole(void **state)
{
	fixture    *f;

	assert_int_equal(set_up(state), 0);
	f = *state;
	f->toys.options.adapter_rank = 0;
	return 0;
}

static int
tear_down(void **state)
{
	fixture    *f = *state;

	toys_free(&f->ctx, &f->toys);
	assert_int_equal(f->counts.live, 0);
	free(f->encoder_memory);
	test_free(f);
	return 0;
}

/* In shards, by this process and `fake`; NULL: by this process alone. */
static xmc_model *
train_in(fixture *f, int32_t shards, fake_workers *fake, const tape *from, recorder *r, xmc_train_report *report)
{
	xmc_workers	workers = {.arg = fake,.begin = fake_begin,.run = fake_run,.end = fake_end};
	xmc_train_hooks hooks = {.arg = r,.shards = shards,.workers = fake ? &workers : NULL,.checkpoint_due = recorder_due,
		.write = recorder_write,.encoder = &f->encoder};
	xmc_model  *model;

	if (fake)
	{
		fake->ctx = openblas_ctx();
		fake->options = f->toys.options;
		fake->encoder = &f->encoder;
	}
	if (from)
	{
		r->read = from->bytes;
		r->read_size = from->size;
		r->read_at = 0;
		hooks.read = recorder_read;
	}
	assert_int_equal(xmc_train(&f->ctx, &f->toys.options, TOYS, f->toys.document, f->toys.held_out, &hooks, &model, report), XMC_OK);
	return model;
}

static xmc_model *
train(fixture *f, const tape *from, recorder *r, xmc_train_report *report)
{
	return train_in(f, 1, NULL, from, r, report);
}

/* Where the vectors as imported say nothing and the tokens do, the encoder learns, and the held-out loss falls. */
static void
test_helps(void **state)
{
	fixture    *f = *state;
	recorder	r = {0};
	xmc_train_report tuned;
	xmc_train_report plain;
	xmc_model  *model;

	set_tokens(f, true);
	set_noise(f);
	model = train(f, NULL, &r, &tuned);
	assert_true(model->network[XMC_TEXT].uses_changes);
	assert_true(xmc_reads_tokens(model));
	xmc_model_free(&f->ctx, model);
	f->toys.options.fine_tune = 0;
	model = train(f, NULL, &r, &plain);
	assert_false(xmc_reads_tokens(model));
	assert_true(tuned.best_epoch[XMC_TEXT] > plain.best_epoch[XMC_TEXT]);
	assert_true(tuned.held_out_loss[XMC_TEXT] < plain.held_out_loss[XMC_TEXT]);
	xmc_model_free(&f->ctx, model);
}

/* Where the tokens say nothing, the text network is that of a training without fine-tuning, and reads vectors. */
static void
test_does_no_harm(void **state)
{
	fixture    *f = *state;
	recorder	r = {0};
	xmc_train_report tuned;
	xmc_train_report plain;
	xmc_model  *model;

	set_tokens(f, false);
	model = train(f, NULL, &r, &tuned);
	assert_int_equal(model->network[XMC_TEXT].n_changes, 2);
	assert_false(xmc_reads_tokens(model));
	xmc_model_free(&f->ctx, model);
	f->toys.options.fine_tune = 0;
	model = train(f, NULL, &r, &plain);
	assert_true(plain.best_epoch[XMC_TEXT] > 0);
	assert_int_equal(tuned.best_epoch[XMC_TEXT], plain.best_epoch[XMC_TEXT]);
	assert_true(tuned.held_out_loss[XMC_TEXT] == plain.held_out_loss[XMC_TEXT]);
	xmc_model_free(&f->ctx, model);
}

/* From every checkpoint, also those between two epochs of the encoder, the training comes to the same parameters. */
static void
test_resumes(void **state)
{
	fixture    *f = *state;
	recorder	whole = {.is_due = true};
	xmc_train_report report[2];
	xmc_model  *model;

	set_tokens(f, true);
	set_noise(f);
	f->toys.options.fine_tune_dropout = 0.2;
	model = train(f, NULL, &whole, &report[0]);
	assert_true(whole.n > 10);
	for (int k = 0; k < whole.n; k++)
	{
		recorder	r = {0};
		xmc_model  *resumed = train(f, &whole.written[k], &r, &report[1]);

		assert_memory_equal(&report[0], &report[1], sizeof report[0]);
		assert_int_equal(model->network[XMC_TEXT].uses_changes, resumed->network[XMC_TEXT].uses_changes);
		assert_memory_equal(*model->tensor[0].slot, *resumed->tensor[0].slot, (size_t) model->n_parameters * sizeof(float));
		xmc_model_free(&f->ctx, resumed);
	}
	xmc_model_free(&f->ctx, model);
	recorder_free(&whole);
}

/*
 * In three shards, with dropout: whoever computes an item, also after a resumption from any checkpoint, the model is the same. Another number of
 * shards gives another model.
 */
static void
test_shards(void **state)
{
	fixture    *f = *state;
	fake_workers workers = {.refuse = false};
	recorder	whole = {.is_due = true};
	recorder	none = {0};
	xmc_train_report report[2];
	xmc_model  *model;
	xmc_model  *other;

	set_tokens(f, true);
	set_noise(f);
	f->toys.options.fine_tune_dropout = 0.2;
	model = train_in(f, 3, NULL, NULL, &whole, &report[0]);
	assert_true(model->network[XMC_TEXT].uses_changes);
	assert_true(whole.n > 10);
	for (int k = -1; k < whole.n; k++)
	{
		recorder	r = {0};

		other = train_in(f, 3, &workers, k < 0 ? NULL : &whole.written[k], &r, &report[1]);
		assert_memory_equal(&report[0], &report[1], sizeof report[0]);
		assert_memory_equal(*model->tensor[0].slot, *other->tensor[0].slot, (size_t) model->n_parameters * sizeof(float));
		xmc_model_free(&f->ctx, other);
		if (k >= 0)
			continue;
		/* the text network, its refit, and the text network of each fold */
		assert_int_equal(workers.begun, 2 + f->toys.options.folds);
		for (int kind = 0; kind < 4; kind++)
			assert_true(workers.items[kind] > 0);
	}
	other = train_in(f, 2, NULL, NULL, &none, &report[1]);
	assert_true(memcmp(*model->tensor[0].slot, *other->tensor[0].slot, (size_t) model->n_parameters * sizeof(float)) != 0);
	xmc_model_free(&f->ctx, other);
	xmc_model_free(&f->ctx, model);
	recorder_free(&whole);
}

/* What the steps of test_begins_anew see. */
typedef struct seen_epochs
{
	xmc_model  *model;
	double		loss;
	int			n_tuning;		/* epochs in which the encoder learns */
	float		first;			/* a weight of the network before the first of these */
} seen_epochs;

static xmc_status
no_checkpoint(void *arg, xmc_epochs *e)
{
	(void) arg;
	(void) e;
	return XMC_OK;
}

static xmc_status
add_one(void *arg, xmc_epochs *e)
{
	seen_epochs *seen = arg;
	float	   *weight = seen->model->network[XMC_TEXT].input_w;

	if (e->is_tuning && seen->n_tuning++ == 0)
		seen->first = *weight;
	*weight += 1;
	return XMC_OK;
}

static xmc_status
get_worse(void *arg, double *held_out_loss)
{
	*held_out_loss = ++((seen_epochs *) arg)->loss;
	return XMC_OK;
}

static xmc_status
no_end(void *arg, const xmc_epochs *e, bool is_best)
{
	(void) arg;
	(void) e;
	(void) is_best;
	return XMC_OK;
}

/* When the encoder begins to learn, the weights of the network are the initial ones, and not those that were best on unchanged vectors. */
static void
test_begins_anew(void **state)
{
	fixture    *f = *state;
	seen_epochs seen = {.n_tuning = 0};
	const xmc_epochs_steps steps = {.arg = &seen,.checkpoint = no_checkpoint,.train = add_one,.validate = get_worse,.end = no_end};
	xmc_random	random;
	xmc_adamw	adamw;
	xmc_epochs	e;
	xmc_arena	arena;
	float		initial;

	xmc_arena_init(&arena, &f->ctx);
	assert_int_equal(xmc_model_new(&f->ctx, &f->toys.options, false, &seen.model), XMC_OK);
	initial = *seen.model->network[XMC_TEXT].input_w;
	assert_int_equal(xmc_adamw_init(&arena, seen.model, XMC_TERM_TEXT_NETWORK, &adamw), XMC_OK);
	assert_int_equal(xmc_epochs_begin(&arena, seen.model, XMC_TERM_TEXT_NETWORK, &adamw, &random, 0, NULL, &e), XMC_OK);
	assert_int_equal(xmc_epochs_run(&e, seen.model, &steps), XMC_OK);
	assert_int_equal(e.best, 1);
	assert_int_equal(seen.n_tuning, f->toys.options.patience);
	assert_true(seen.first == initial);
	xmc_model_free(&f->ctx, seen.model);
	xmc_arena_free(&arena);
}

/* The first epoch of the refit that the image network reports; -1: none yet. The linear term, which is fitted once, has one epoch here. */
static xmc_status
note_first_epoch(void *arg, const xmc_train_progress *progress)
{
	int32_t    *first = arg;

	if (*first < 0 && progress->modality == XMC_IMAGE && progress->epochs > 1 && strcmp(progress->phase, "training on all approved documents") == 0)
		*first = progress->epoch;
	return XMC_OK;
}

/* Epochs on unchanged vectors are left out of the refit of the text network alone. */
static void
test_other_terms(void **state)
{
	fixture    *f = *state;
	int32_t		first = -1;
	xmc_train_hooks hooks = {.arg = &first,.shards = 1,.progress = note_first_epoch,.encoder = &f->encoder};
	xmc_train_report report;
	xmc_model  *model;

	set_tokens(f, true);
	set_noise(f);
	f->toys.options.image_dim = TOY_DIM;
	assert_int_equal(xmc_train(&f->ctx, &f->toys.options, TOYS, f->toys.document, f->toys.held_out, &hooks, &model, &report), XMC_OK);
	assert_true(xmc_reads_tokens(model));
	assert_int_equal(first, 0);
	xmc_model_free(&f->ctx, model);
}

/* Few held-out documents do not turn a changed encoder down for a small difference; many do, and few for a large one. */
static void
test_doubt(void **state)
{
	xmc_epochs	e = {.best = 3,.frozen = 3,.best_loss = log(2) - 0.1,.n_held_out = 30};

	(void) state;
	assert_true(xmc_epochs_loss_to_beat(&e) == e.best_loss);	/* still on unchanged vectors */
	e.is_tuning = true;
	assert_true(fabs(xmc_epochs_loss_to_beat(&e) - (log(2) - 0.075)) < 1e-12);
	e.n_held_out = 990;
	assert_true(fabs(xmc_epochs_loss_to_beat(&e) - (log(2) - 0.099)) < 1e-12);
	e.best = 4;					/* one in which the encoder has learned */
	assert_true(xmc_epochs_loss_to_beat(&e) == e.best_loss);
	e.best = e.frozen = 0;		/* no loss was a number */
	e.best_loss = INFINITY;
	assert_true(xmc_epochs_loss_to_beat(&e) == INFINITY);
	e.best = e.frozen = 1;		/* nothing was learned on unchanged vectors */
	e.best_loss = log(2);
	assert_true(xmc_epochs_loss_to_beat(&e) == e.best_loss);
}

static float *
first_value(const xmc_change *change)
{
	return change->query_b ? change->query_b : change->difference;
}

/* One step with the same gradient: a parameter of the layer before the last changes by the decay times what that of the last does. */
static void
test_layers_have_rates(void **state)
{
	fixture    *f = *state;
	double		change[2];		/* of the layer before the last; of the last one */
	xmc_arena	arena;

	f->toys.options.fine_tune_decay = 0.25;
	for (int k = 0; k < 2; k++)
	{
		xmc_adamw	adamw;
		xmc_model  *model;
		xmc_model  *grad;
		float	   *value;
		float		before;

		xmc_arena_init(&arena, &f->ctx);
		assert_int_equal(xmc_model_new(&f->ctx, &f->toys.options, false, &model), XMC_OK);
		assert_int_equal(xmc_model_new_zero(&f->ctx, &f->toys.options, false, &grad), XMC_OK);
		model->network[XMC_TEXT].uses_changes = true;
		assert_int_equal(xmc_adamw_init(&arena, model, XMC_TERM_TEXT_NETWORK, &adamw), XMC_OK);
		value = first_value(&model->network[XMC_TEXT].change[k]);
		before = *value;
		*first_value(&grad->network[XMC_TEXT].change[k]) = 0.5f;
		xmc_adamw_step(&adamw, model, grad, XMC_TERM_TEXT_NETWORK, f->toys.options.learning_rate, 0);
		change[k] = *value - before;
		xmc_model_free(&f->ctx, grad);
		xmc_model_free(&f->ctx, model);
		xmc_arena_free(&arena);
	}
	assert_true(fabs(change[1] + (f->toys.options.adapter_rank > 0 ? 3e-3 : 1e-4)) < 1e-6);
	assert_true(fabs(change[0] - 0.25 * change[1]) < 1e-7);
}

/* The weight of the text network in the sum of all terms goes into its head, and leaves the changes of the encoder as they are. */
static void
test_weight(void **state)
{
	fixture    *f = *state;
	xmc_model  *model;
	float		head;
	float		change;

	assert_int_equal(xmc_model_new(&f->ctx, &f->toys.options, false, &model), XMC_OK);
	head = model->network[XMC_TEXT].head_v[0];
	*first_value(&model->network[XMC_TEXT].change[1]) = change = 0.5f;
	xmc_train_scale_term(model, XMC_TERM_TEXT_NETWORK, 0.25);
	assert_true(head != 0);
	assert_true(model->network[XMC_TEXT].head_v[0] == 0.25f * head);
	assert_true(*first_value(&model->network[XMC_TEXT].change[1]) == change);
	xmc_model_free(&f->ctx, model);
}

/* A model whose layers have learned scores the same to the bit after it was stored and opened. */
static void
test_stored(void **state)
{
	fixture    *f = *state;
	recorder	r = {0};
	xmc_train_report report;
	xmc_model  *model;
	xmc_model  *opened;
	unsigned char *file;
	size_t		size;

	set_tokens(f, true);
	set_noise(f);
	model = train(f, NULL, &r, &report);
	assert_true(model->network[XMC_TEXT].uses_changes);
	assert_int_equal(xmc_model_save(&f->ctx, model, NULL, &size), XMC_OK);
	file = malloc(size);
	assert_int_equal(xmc_model_save(&f->ctx, model, file, &size), XMC_OK);
	assert_int_equal(xmc_model_open(&f->ctx, file, size, true, &opened), XMC_OK);
	opened->base_encoder = &f->encoder;
	if (opened->measured)
		opened->measured->base_encoder = &f->encoder;
	for (int d = 0; d < TOYS; d++)
	{
		const xmc_document *document = &f->toys.document[d];
		size_t		scores_size = (size_t) document->n * (size_t) document->n * sizeof(float);
		xmc_scores	scores[2];

		assert_int_equal(xmc_score_documents(&f->ctx, model, 1, document, &scores[0]), XMC_OK);
		assert_int_equal(xmc_score_documents(&f->ctx, opened, 1, document, &scores[1]), XMC_OK);
		assert_memory_equal(scores[0].score[XMC_SCORE_TEXT], scores[1].score[XMC_SCORE_TEXT], scores_size);
		xmc_scores_free(&f->ctx, &scores[0]);
		xmc_scores_free(&f->ctx, &scores[1]);
	}
	xmc_release(&f->ctx, opened);
	xmc_model_free(&f->ctx, model);
	free(file);
}

/* An encoder whose feed-forward network has another width is refused before anything is learned. */
static void
test_width(void **state)
{
	fixture    *f = *state;
	xmc_train_hooks hooks = {.encoder = &f->encoder};
	xmc_train_report report;
	xmc_model  *model;

	set_tokens(f, true);
	f->encoder.settings.shape.feed_forward = 6;
	assert_int_equal(xmc_train(&f->ctx, &f->toys.options, TOYS, f->toys.document, f->toys.held_out, &hooks, &model, &report), XMC_BAD_MODEL);
	assert_string_equal(f->ctx.message, "option \"adapter_rank\" 0 needs a text encoder whose feed-forward network has 12 numbers, but it has 6");
	assert_int_equal(report.best_epoch[XMC_TEXT], 0);
	f->encoder.settings.shape.feed_forward = XMC_WIDENING * TOY_DIM;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_helps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_does_no_harm, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_resumes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shards, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_begins_anew, set_up, tear_down),
		cmocka_unit_test(test_doubt),
		cmocka_unit_test_setup_teardown(test_other_terms, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_layers_have_rates, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_weight, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_helps, set_up_whole, tear_down),
		cmocka_unit_test_setup_teardown(test_does_no_harm, set_up_whole, tear_down),
		cmocka_unit_test_setup_teardown(test_resumes, set_up_whole, tear_down),
		cmocka_unit_test_setup_teardown(test_shards, set_up_whole, tear_down),
		cmocka_unit_test_setup_teardown(test_layers_have_rates, set_up_whole, tear_down),
		cmocka_unit_test_setup_teardown(test_weight, set_up_whole, tear_down),
		cmocka_unit_test_setup_teardown(test_stored, set_up_whole, tear_down),
		cmocka_unit_test_setup_teardown(test_width, set_up_whole, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
