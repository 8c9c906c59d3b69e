/*
 * Training in shards: the gradients of the shards add up to that of the minibatch, and the model depends on the number of
 * shards alone, not on which process computes which.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "counting.h"
#include "fake_workers.h"
#include "toys.h"
#include "train/gradient.h"
#include "xmcoh/random.h"
#include "train/leader.h"
#include "xmcoh/shards.h"
#include "xmcoh/train.h"

#define DOCUMENTS 150			/* so many that the held-out ones are scored in several batches */
#define IMAGE_DIM 6
#define MOST_ITEMS 8

typedef struct fixture
{
	counting	counts;
	xmc_ctx		ctx;
	xmc_options options;
	xmc_document document[DOCUMENTS];
	uint8_t		held_out[DOCUMENTS];
} fixture;

/* Documents of 2 to 8 items whose texts and images show a little of their order; every fourth has no labels. */
static int
set_up(void **state)
{
	fixture    *f = test_calloc(1, sizeof *f);
	xmc_tokeniser *tokeniser;
	xmc_random	random;

	f->ctx = counting_ctx(&f->counts);
	xmc_options_default(&f->options);
	f->options.image_dim = IMAGE_DIM;
	f->options.d_model = 8;
	f->options.heads = 2;
	f->options.feed_forward = 8;
	f->options.hash_bits = 8;
	f->options.bag_documents = 0;
	f->options.bag_dim = 3;
	f->options.bag_bits = 8;
	f->options.align_dim = 8;
	f->options.epochs = 3;
	f->options.batch_documents = 7;
	f->options.rounds = 1;
	f->options.folds = 3;
	f->options.evaluation_documents = 0;	/* it trains without shards */
	assert_int_equal(xmc_tokeniser_new(&f->ctx, &tokeniser), XMC_OK);
	xmc_random_seed(&random, 3);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		int32_t		n = 2 + (int32_t) xmc_random_below(&random, MOST_ITEMS - 1);
		xmc_item	item[MOST_ITEMS] = {0};
		float		image[MOST_ITEMS][IMAGE_DIM];
		char		text[MOST_ITEMS][32];
		int32_t		order[MOST_ITEMS];
		static const char *const key[MOST_ITEMS] = {"0", "1", "2", "3", "4", "5", "6", "7"};

		for (int32_t i = 0; i < n; i++)
		{
			for (int k = 0; k < IMAGE_DIM; k++)
				image[i][k] = (float) (xmc_random_normal(&random) + (k == 0 ? i : 0));
			snprintf(text[i], sizeof text[i], "word%u part%d", xmc_random_below(&random, 20), i / 2);
			order[i] = i;
			item[i] = (xmc_item){.key = key[i],.key_length = 1,.text = text[i],.text_length = strlen(text[i]),
				.image = xmc_random_below(&random, 10) ? image[i] : NULL};
		}
		assert_int_equal(xmc_document_build(&f->ctx, &f->options, tokeniser, n, item, &f->document[d]), XMC_OK);
		f->held_out[d] = d % 2;
		if (d % 4 != 0)
			assert_int_equal(xmc_document_label_order(&f->ctx, &f->document[d], order), XMC_OK);
	}
	xmc_tokeniser_free(tokeniser);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	fixture    *f = *state;

	for (int d = 0; d < DOCUMENTS; d++)
		xmc_document_free(&f->ctx, &f->document[d]);
	assert_int_equal(f->counts.live, 0);
	test_free(f);
	return 0;
}

/* `r` records checkpoints, or is resumed from; NULL: neither. */
static xmc_status
train_recorded(fixture *f, int32_t shards, fake_workers *fake, recorder *r, unsigned char **blob, size_t *size)
{
	xmc_workers	workers = {.arg = fake,.begin = fake_begin,.run = fake_run,.end = fake_end};
	xmc_train_hooks hooks = {.arg = r,.shards = shards,.workers = fake ? &workers : NULL};
	xmc_train_report report;
	xmc_model  *model;
	xmc_status	status;

	if (r && r->read)
		hooks.read = recorder_read;
	else if (r)
	{
		hooks.checkpoint_due = recorder_due;
		hooks.write = recorder_write;
	}
	if (fake)
	{
		fake->ctx = openblas_ctx();
		fake->options = f->options;
	}
	status = xmc_train(&f->ctx, &f->options, DOCUMENTS, f->document, f->held_out, &hooks, &model, &report);
	if (status != XMC_OK)
		return status;
	assert_int_equal(report.n_rounds, 1);
	assert_int_equal(xmc_model_save(&f->ctx, model, NULL, size), XMC_OK);
	*blob = xmc_alloc(&f->ctx, *size, 1);
	assert_int_equal(xmc_model_save(&f->ctx, model, *blob, size), XMC_OK);
	xmc_model_free(&f->ctx, model);
	return XMC_OK;
}

static xmc_status
train(fixture *f, int32_t shards, fake_workers *fake, unsigned char **blob, size_t *size)
{
	return train_recorded(f, shards, fake, NULL, blob, size);
}

/* Whether two trainings give the same bytes. */
static bool
same(fixture *f, int32_t shards_a, fake_workers *a, int32_t shards_b, fake_workers *b)
{
	unsigned char *blob[2];
	size_t		size[2];
	bool		equal;

	assert_int_equal(train(f, shards_a, a, &blob[0], &size[0]), XMC_OK);
	assert_int_equal(train(f, shards_b, b, &blob[1], &size[1]), XMC_OK);
	equal = size[0] == size[1] && memcmp(blob[0], blob[1], size[0]) == 0;
	xmc_release(&f->ctx, blob[0]);
	xmc_release(&f->ctx, blob[1]);
	return equal;
}

static void
test_who_computes(void **state)
{
	fixture    *f = *state;
	fake_workers	workers = {.refuse = false};
	fake_workers	none = {.refuse = true};

	assert_true(same(f, 3, NULL, 3, &workers));
	assert_int_equal(workers.begun, 5);	/* two networks, that of the pupil again, and both on all approved documents */
	assert_true(workers.weak > 0);
	for (int kind = 0; kind < 4; kind++)
		assert_true(workers.items[kind] > 0);
	assert_true(same(f, 3, NULL, 3, &none));
	assert_true(same(f, 2, NULL, 2, &workers));
	assert_true(same(f, XMC_MAX_SHARDS, NULL, XMC_MAX_SHARDS, &workers));	/* more shards than documents: some are empty */
	assert_true(same(f, 0, NULL, 1, &workers));
	assert_false(same(f, 2, NULL, 3, NULL));
	assert_false(same(f, 1, NULL, 2, NULL));
}

/* A checkpoint does not depend on workers: a training with workers can be resumed without, and the reverse. */
static void
test_resume(void **state)
{
	fixture    *f = *state;
	fake_workers	workers = {.refuse = false};
	recorder	whole = {.is_due = true};
	unsigned char *blob[2];
	size_t		size[2];

	assert_int_equal(train_recorded(f, 3, &workers, &whole, &blob[0], &size[0]), XMC_OK);
	assert_true(whole.n > 12);
	for (int k = 0; k < whole.n - 1; k += 3)	/* test_checkpoint resumes from each */
	{
		recorder	from = {.read = whole.written[k].bytes,.read_size = whole.written[k].size};

		assert_int_equal(train_recorded(f, 3, k % 2 ? &workers : NULL, &from, &blob[1], &size[1]), XMC_OK);
		assert_int_equal(size[0], size[1]);
		assert_memory_equal(blob[0], blob[1], size[0]);
		xmc_release(&f->ctx, blob[1]);
	}
	xmc_release(&f->ctx, blob[0]);
	recorder_free(&whole);
}

/* After workers that fail the block is released, and the parameters are back in the model. */
static void
test_failure(void **state)
{
	fixture    *f = *state;

	for (long after = 1; after < 40; after += 3)
	{
		fake_workers	workers = {.fail_after = after};
		unsigned char *blob;
		size_t		size;

		assert_int_equal(train(f, 3, &workers, &blob, &size), XMC_NO_MEMORY);
		assert_null(workers.block);
	}
}

/* One minibatch, as a whole and in shards, without dropout. */
typedef struct minibatch
{
	xmc_arena	run_arena;
	xmc_arena	arena;
	xmc_model  *model;
	xmc_term	term;
	xmc_model  *grad;			/* of the whole */
	xmc_leader	leader;			/* of the shards */
	xmc_adagrad hashed[2];		/* of the whole, of the shards */
	double		loss[2];
} minibatch;

#define BATCH_DOCUMENTS 16

static void
compute_both(fixture *f, xmc_term term, int32_t shards, int32_t n, const xmc_document *const *train, minibatch *b)
{
	bool		bag = term == XMC_TERM_TEXT_NETWORK;
	xmc_batch	batch;
	xmc_adamw	adamw;
	xmc_random	random;

	*b = (minibatch) {.term = term};
	xmc_arena_init(&b->run_arena, &f->ctx);
	xmc_arena_init(&b->arena, &f->ctx);
	xmc_random_seed(&random, 9);
	assert_int_equal(xmc_model_new(&f->ctx, &f->options, true, &b->model), XMC_OK);
	assert_int_equal(xmc_model_new_zero(&f->ctx, &f->options, true, &b->grad), XMC_OK);
	for (int k = 0; k < 2; k++)
		assert_int_equal(xmc_adagrad_init(&b->run_arena, 1 << f->options.bag_bits, f->options.bag_dim, &b->hashed[k]), XMC_OK);
	assert_int_equal(xmc_batch_init(&b->arena, &b->model->options, xmc_term_modality(term), BATCH_DOCUMENTS, train, &batch), XMC_OK);
	assert_int_equal(xmc_term_gradient(&b->arena, b->model, &batch, term, BATCH_DOCUMENTS, NULL, b->grad,
									   bag ? &b->hashed[0] : NULL, NULL, &b->loss[0]), XMC_OK);
	assert_int_equal(xmc_leader_begin(&b->run_arena, &b->arena, NULL, shards, term, b->model, BATCH_DOCUMENTS, n, train, 0,
									  NULL, &adamw, &b->leader), XMC_OK);
	/* With a rate of 0 the parameters stay as they are. */
	assert_int_equal(xmc_leader_step(&b->leader, BATCH_DOCUMENTS, train, &random, &adamw, 0, 0, NULL, 0, &b->loss[1]), XMC_OK);
}

static void
free_both(fixture *f, minibatch *b)
{
	xmc_leader_end(&b->leader);
	xmc_model_free(&f->ctx, b->model);
	xmc_model_free(&f->ctx, b->grad);
	xmc_arena_free(&b->run_arena);
	xmc_arena_free(&b->arena);
}

/* The sum of the gradients of the shards is the gradient of the whole; the squares are those of the sum. */
static void
check_gradient(const minibatch *b)
{
	const xmc_shards *s = &b->leader.view;
	double		squares = 0;
	int64_t		at = 0;

	assert_true(fabs(b->loss[0] - b->loss[1]) < 1e-5 * b->loss[0]);
	for (int32_t t = 0; t < b->grad->n_tensors; t++)
	{
		const float *g = *b->grad->tensor[t].slot;

		if (b->grad->tensor[t].term != b->term || b->grad->tensor[t].hashed)
			continue;
		for (int64_t k = 0; k < b->grad->tensor[t].n_values; k++, at++)
		{
			assert_true(fabs(s->gradient[at] - g[k]) < 1e-6 + 1e-4 * fabs(g[k]));
			squares += (double) g[k] * g[k];
		}
	}
	assert_int_equal(at, s->values);
	for (int32_t k = 0; k < s->shape.shards; k++)
		squares -= s->squares[k];
	assert_true(fabs(squares) < 1e-6);
}

/* The gradients by the bags lie by rows, in the order of the documents of the shards. */
static void
check_bag(minibatch *b)
{
	const xmc_shards *s = &b->leader.view;
	int32_t		bag_dim = b->model->options.bag_dim;

	for (int32_t k = 0; k < s->shape.shards; k++)
	{
		xmc_batch	batch;

		xmc_arena_reset(&b->arena);
		assert_int_equal(xmc_batch_init(&b->arena, &b->model->options, XMC_TEXT, b->leader.shard[k].n_documents,
										b->leader.shard[k].document, &batch), XMC_OK);
		xmc_bag_backward(b->model, &batch, s->d_bag + k * s->shape.bag_rows * bag_dim, bag_dim, &b->hashed[1]);
	}
	for (int64_t k = 0; k < (int64_t) b->hashed[0].rows * b->hashed[0].width; k++)
		assert_true(fabs(b->hashed[0].grad[k] - b->hashed[1].grad[k]) < 1e-6 + 1e-4 * fabs(b->hashed[0].grad[k]));
}

/* The documents are divided evenly. */
static void
check_division(const minibatch *b)
{
	int64_t		least = INT64_MAX;
	int64_t		most = 0;

	for (int32_t k = 0; k < b->leader.view.shape.shards; k++)
	{
		int64_t		items = 0;

		for (int32_t d = 0; d < b->leader.shard[k].n_documents; d++)
			items += b->leader.shard[k].document[d]->n;
		least = items < least ? items : least;
		most = items > most ? items : most;
	}
	assert_true(most - least <= MOST_ITEMS / 2);
}

static void
test_sum(void **state)
{
	fixture    *f = *state;
	static const xmc_term terms[] = {XMC_TERM_TEXT_NETWORK, XMC_TERM_IMAGE_NETWORK};
	const xmc_document *train[DOCUMENTS];
	int32_t		n = 0;

	f->options.dropout = 0;
	for (int d = 0; d < DOCUMENTS; d++)
		if (f->document[d].n_pairs > 0)
			train[n++] = &f->document[d];
	for (int p = 0; p < 2; p++)
		for (int32_t shards = 2; shards < 6; shards++)
		{
			minibatch	b;

			compute_both(f, terms[p], shards, n, train, &b);
			check_gradient(&b);
			if (terms[p] == XMC_TERM_TEXT_NETWORK)
				check_bag(&b);
			check_division(&b);
			free_both(f, &b);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_who_computes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_resume, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failure, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sum, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
