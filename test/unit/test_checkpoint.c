/*
 * Checkpoints: a training that is resumed from any checkpoint gives the same model, to the bit, as one that was not
 * interrupted; a damaged, foreign or outdated checkpoint is refused; no memory leaks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "counting.h"
#include "toys.h"
#include "xmcoh/seen.h"
#include "xmcoh/sentences.h"
#include "train/checkpoint.h"
#include "xmcoh/random.h"

#define TEXTS 2
#define EVALUATION_MODELS 21	/* of six folds: 15 without two, 6 without one */

typedef struct fixture
{
	counting	counts;
	xmc_ctx		ctx;
	toys		toys;
	xmc_document text[TEXTS];	/* from which words are learned */
	recorder	whole;			/* every checkpoint of an uninterrupted training */
	xmc_train_report report;	/* its report */
	size_t		size;
	unsigned char *blob;		/* (size) its model */
} fixture;

/* Trains, from checkpoint `from` unless it is NULL, and records checkpoints. *blob: the stored model, allocated by the context; NULL without XMC_OK. */
static xmc_status
train(fixture *f, const tape *from, recorder *r, xmc_train_report *report, unsigned char **blob, size_t *size)
{
	xmc_train_hooks hooks = {.arg = r,.shards = 1,.checkpoint_due = recorder_due,.write = recorder_write,.n_texts = TEXTS,
		.text = f->text};
	xmc_model  *model;
	xmc_status	status;

	uint64_t	group[TOYS];

	*blob = NULL;
	if (from)
	{
		r->read = from->bytes;
		r->read_size = from->size;
		r->read_at = 0;
		hooks.read = recorder_read;
	}
	status = xmc_train(&f->ctx, &f->toys.options, TOYS, f->toys.document, f->toys.held_out, &hooks, &model, report);
	f->counts.fail_at = 0;
	if (status != XMC_OK)
	{
		assert_null(model);
		return status;
	}
	for (int d = 0; d < TOYS; d++)
		group[d] = f->toys.document[d].group;
	assert_int_equal(xmc_seen_fill_groups(&f->ctx, model, TOYS, f->toys.document, group, f->toys.held_out), XMC_OK);
	assert_int_equal(xmc_model_save(&f->ctx, model, NULL, size), XMC_OK);
	*blob = xmc_alloc(&f->ctx, *size, 1);
	assert_int_equal(xmc_model_save(&f->ctx, model, *blob, size), XMC_OK);
	xmc_model_free(&f->ctx, model);
	return status;
}

/* A training that resumes from these bytes must end at once, with this status and message. */
static void
refused(fixture *f, const unsigned char *bytes, size_t size, xmc_status wanted, const char *message)
{
	recorder	r = {0};
	unsigned char *copy = exact_copy(bytes, size);
	long		live = f->counts.live;
	xmc_train_report report;
	unsigned char *blob;

	assert_int_equal(train(f, &(tape) {.bytes = copy,.size = size}, &r, &report, &blob, &size), wanted);
	assert_non_null(strstr(f->ctx.message, message));
	assert_int_equal(f->counts.live, live);
	free(copy);
}

static int
set_up(void **state)
{
	static const char *const text[TEXTS] = {"Open it first. Then turn it. Close it again.", "Take it out. Close the door."};
	fixture    *f = test_calloc(1, sizeof *f);
	xmc_tokeniser *tokeniser;

	f->ctx = counting_ctx(&f->counts);
	assert_int_equal(toys_make(&f->ctx, &f->toys), XMC_OK);
	assert_int_equal(xmc_tokeniser_new(&f->ctx, &tokeniser), XMC_OK);
	for (int k = 0; k < TEXTS; k++)
		assert_int_equal(xmc_document_of_sentences(&f->ctx, &f->toys.options, tokeniser, text[k], strlen(text[k]), &f->text[k]), XMC_OK);
	xmc_tokeniser_free(tokeniser);
	f->whole.is_due = true;
	assert_int_equal(train(f, NULL, &f->whole, &f->report, &f->blob, &f->size), XMC_OK);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	fixture    *f = *state;

	toys_free(&f->ctx, &f->toys);
	for (int k = 0; k < TEXTS; k++)
		xmc_document_free(&f->ctx, &f->text[k]);
	xmc_release(&f->ctx, f->blob);
	assert_int_equal(f->counts.live, 0);
	recorder_free(&f->whole);
	test_free(f);
	return 0;
}

/* The stage at which a checkpoint stands. */
static int32_t
stage_of(const tape *t)
{
	xmc_checkpoint_header header;

	memcpy(&header, t->bytes, sizeof header);
	return header.stage;
}

static void
test_every_stage(void **state)
{
	fixture    *f = *state;
	bool		seen[1 + (XMC_REFIT + 2) * (XMC_TERMS + 1) + EVALUATION_MODELS] = {false};
	int			parts_in_rounds = 0;

	assert_int_equal(f->report.n_rounds, 2);
	assert_true(f->report.alignment.documents > 0);
	for (int k = 0; k < f->whole.n; k++)
	{
		int32_t		stage = stage_of(&f->whole.written[k]);

		assert_in_range(stage, 1, sizeof seen - 1);
		assert_true(k == 0 || stage >= stage_of(&f->whole.written[k - 1]));
		parts_in_rounds += !seen[stage] && stage > xmc_stage(0, XMC_TERMS - 1) && stage < XMC_STAGE_MEASURED;
		seen[stage] = true;
	}
	assert_true(seen[XMC_STAGE_MEASURED]);
	assert_true(seen[xmc_stage(XMC_REFIT, XMC_TERM_SPARSE)]);
	assert_int_equal(stage_of(&f->whole.written[f->whole.n - 1]), XMC_STAGE_EVALUATION + EVALUATION_MODELS - 1);
	for (int k = 0; k < EVALUATION_MODELS; k++)
		assert_true(seen[XMC_STAGE_EVALUATION + k]);
	assert_in_range(f->whole.written[f->whole.n - 1].size, f->whole.expected, f->whole.expected + 5000);
	assert_true(seen[xmc_stage(0, XMC_TERM_ALIGNMENT)]);
	for (int p = 0; p < XMC_TERMS; p++)
		assert_true(seen[xmc_stage(0, (xmc_term) p)]);
	assert_true(parts_in_rounds >= 4);
}

/* From every checkpoint: the same model, the same report, the same later checkpoints. */
static void
test_continues(void **state)
{
	fixture    *f = *state;

	for (int k = 0; k < f->whole.n; k++)
	{
		recorder	r = {.is_due = true};
		xmc_train_report report;
		unsigned char *blob;
		size_t		size;

		assert_int_equal(train(f, &f->whole.written[k], &r, &report, &blob, &size), XMC_OK);
		assert_int_equal(size, f->size);
		assert_memory_equal(blob, f->blob, size);
		assert_memory_equal(&report, &f->report, sizeof report);
		assert_int_equal(r.n, f->whole.n - k - 1);
		for (int next = 0; next < r.n; next++)
		{
			const tape *original = &f->whole.written[k + 1 + next];

			assert_int_equal(r.written[next].size, original->size);
			assert_memory_equal(r.written[next].bytes, original->bytes, original->size);
		}
		xmc_release(&f->ctx, blob);
		recorder_free(&r);
	}
}

/* A model that reads words alone, and one with a shared space, have other stages. Every third checkpoint is enough here. */
static void
test_other_models(void **state)
{
	fixture    *f = *state;

	for (int kind = 0; kind < 2; kind++)
	{
		recorder	whole = {.is_due = true};
		xmc_train_report report;
		unsigned char *blob[2];
		size_t		size[2];

		f->toys.options.rounds = kind;
		f->toys.options.shared_space = kind;
		f->toys.options.text_dim = kind ? TOY_DIM : 0;
		f->toys.options.image_dim = kind ? TOY_DIM : 0;
		assert_int_equal(train(f, NULL, &whole, &report, &blob[0], &size[0]), XMC_OK);
		assert_true(whole.n > 4);
		for (int k = 0; k < whole.n; k += 3)
		{
			recorder	r = {0};

			assert_int_equal(train(f, &whole.written[k], &r, &report, &blob[1], &size[1]), XMC_OK);
			assert_int_equal(size[0], size[1]);
			assert_memory_equal(blob[0], blob[1], size[0]);
			xmc_release(&f->ctx, blob[1]);
		}
		xmc_release(&f->ctx, blob[0]);
		recorder_free(&whole);
	}
}

/* With groups, the calibration for documents of known groups and its figures are the same, too. Every third checkpoint. */
static void
test_groups(void **state)
{
	fixture    *f = *state;
	recorder	whole = {.is_due = true};
	xmc_train_report report[2];
	unsigned char *blob[2];
	size_t		size[2];

	for (int d = 0; d < TOYS; d++)
		f->toys.document[d].group = (uint64_t) (1 + d % 6);
	f->toys.options.folds = 5;
	assert_int_equal(train(f, NULL, &whole, &report[0], &blob[0], &size[0]), XMC_OK);
	assert_in_range(report[0].known_groups.documents, 4, 12);
	for (int k = 0; k < whole.n; k += 3)
	{
		recorder	r = {0};

		assert_int_equal(train(f, &whole.written[k], &r, &report[1], &blob[1], &size[1]), XMC_OK);
		assert_int_equal(size[0], size[1]);
		assert_memory_equal(blob[0], blob[1], size[0]);
		assert_memory_equal(&report[0], &report[1], sizeof report[0]);
		xmc_release(&f->ctx, blob[1]);
	}
	xmc_release(&f->ctx, blob[0]);
	recorder_free(&whole);
}

static void
test_damaged(void **state)
{
	fixture    *f = *state;
	xmc_random	random;

	refused(f, NULL, 0, XMC_BAD_MODEL, "the checkpoint is damaged: it ends too early");
	refused(f, (const unsigned char *) "This is a text, and a long one too, but no checkpoint.", 54, XMC_BAD_MODEL,
			"this is not a checkpoint of a training");
	xmc_random_seed(&random, 1);
	for (int k = 0; k < f->whole.n; k += 5)
	{
		const tape *t = &f->whole.written[k];
		unsigned char *bytes = malloc(t->size + 1);

		for (int cut = 0; cut < 6; cut++)
			refused(f, t->bytes, xmc_random_below(&random, (uint32_t) t->size), XMC_BAD_MODEL, "it ends too early");
		memcpy(bytes, t->bytes, t->size);
		bytes[t->size] = 0;
		refused(f, bytes, t->size + 1, XMC_BAD_MODEL, "bytes follow its end");
		for (int flip = 0; flip < 12; flip++)
		{
			uint32_t	at = flip < 4 ? (uint32_t) flip * 10 : xmc_random_below(&random, (uint32_t) t->size);

			bytes[at] ^= (unsigned char) (1 << flip % 8);
			refused(f, bytes, t->size, XMC_BAD_MODEL, at < 8 ? "not a checkpoint" : "damaged");
			bytes[at] ^= (unsigned char) (1 << flip % 8);
		}
		free(bytes);
	}
}

/* The fingerprints cover all that a training depends on. */
static void
test_changed(void **state)
{
	fixture    *f = *state;
	const tape *t = &f->whole.written[f->whole.n / 2];
	xmc_document *d = &f->toys.document[TOYS - 1];
	const char *message = "the documents have changed since the checkpoint";
	recorder	r = {.read = t->bytes,.read_size = t->size};
	xmc_train_hooks hooks = {.arg = &r,.shards = 2,.read = recorder_read};
	xmc_train_report report;
	xmc_model  *model;

	assert_int_equal(xmc_train(&f->ctx, &f->toys.options, TOYS, f->toys.document, f->toys.held_out, &hooks, &model, &report),
					 XMC_CHANGED);
	assert_string_equal(f->ctx.message, "the options have changed since the checkpoint");
	f->toys.options.seed++;
	refused(f, t->bytes, t->size, XMC_CHANGED, "the options have changed since the checkpoint");
	f->toys.options.seed--;
	d->image[1] = -d->image[1];
	refused(f, t->bytes, t->size, XMC_CHANGED, message);
	d->image[1] = -d->image[1];
	d->text_embedding[0] = -d->text_embedding[0];
	refused(f, t->bytes, t->size, XMC_CHANGED, message);
	d->text_embedding[0] = -d->text_embedding[0];
	d->feature[2] ^= 1;
	refused(f, t->bytes, t->size, XMC_CHANGED, message);
	d->feature[2] ^= 1;
	d->has[0] ^= XMC_HAS_IMAGE;
	refused(f, t->bytes, t->size, XMC_CHANGED, message);
	d->has[0] ^= XMC_HAS_IMAGE;
	f->toys.document[1].pair[0].weight = 0.5;
	refused(f, t->bytes, t->size, XMC_CHANGED, message);
	f->toys.document[1].pair[0].weight = 1;
	d->group = 1;
	refused(f, t->bytes, t->size, XMC_CHANGED, message);
	d->group = 0;
	f->toys.held_out[1] = 1;
	refused(f, t->bytes, t->size, XMC_CHANGED, message);
	f->toys.held_out[1] = 0;
	f->text[1].feature[0] ^= 8;
	refused(f, t->bytes, t->size, XMC_CHANGED, message);
	f->text[1].feature[0] ^= 8;
	refused(f, t->bytes, t->size - 1, XMC_BAD_MODEL, "it ends too early");	/* unchanged up to its end */
}

/* Without memory, or stopped by a hook, at any point of loading or saving. */
static void
test_no_memory(void **state)
{
	fixture    *f = *state;
	const tape *t = &f->whole.written[f->whole.n - 3];	/* in a round */
	int			refused_calls = 0;

	for (long k = 1; k < 120; k++)
	{
		recorder	r = {.is_due = true};
		long		live = f->counts.live;
		xmc_train_report report;
		unsigned char *blob;
		size_t		size;
		xmc_status	status;

		f->counts.fail_at = f->counts.calls + k;
		status = train(f, t, &r, &report, &blob, &size);
		xmc_release(&f->ctx, blob);
		if (status != XMC_OK)
		{
			assert_int_equal(status, XMC_NO_MEMORY);
			refused_calls++;
		}
		assert_int_equal(f->counts.live, live);
		recorder_free(&r);
		if (status == XMC_OK)
			break;
	}
	assert_true(refused_calls > 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_stage),
		cmocka_unit_test(test_continues),
		cmocka_unit_test_setup_teardown(test_other_models, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_groups, set_up, tear_down),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
