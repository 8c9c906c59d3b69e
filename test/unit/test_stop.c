/*
 * Every loop over the pairs of a document asks whether to stop: of 2,048 items each matters. No clock is looked at. What is
 * counted is questions, of which each pass over n x n cells owes n * n / XMC_STOP_CELLS; stopped at any of them, nothing is
 * left over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "counting.h"
#include "align/match.h"
#include "numeric/sinkhorn.h"
#include "numeric/sgemm.h"
#include "xmcoh/dataset.h"
#include "numeric/decode.h"
#include "numeric/dense.h"
#include "score/guidance.h"
#include "align/anchors.h"
#include "xmcoh/metrics.h"
#include "xmcoh/model.h"
#include "score/guidance_paper.h"
#include "xmcoh/order.h"
#include "xmcoh/scorer.h"

#if XMC_STOP_CELLS == 262144
#define N 2048
#else
#define N 1024					/* products of 2,048 x 2,048 would take minutes with sanitizers */
#endif
#define PASS (N * N / XMC_STOP_CELLS)	/* questions of one pass over all cells; half as many over pairs */
#define ROUNDING 6				/* what passes over pairs may owe together when they end: less than the smallest one asks */

typedef struct fixture
{
	counting	counts;
	xmc_ctx		ctx;
	/* (N, N) antisymmetric; the last item stands first, beyond doubt. Starts at a cache line, as a matrix of an arena does. */
	float	   *s;
	int32_t    *numbers;		/* (N) 0 .. N - 1 */
	double	   *position;		/* (N) */
} fixture;

static int
set_up(void **state)
{
	fixture    *f = test_calloc(1, sizeof *f);

	f->ctx = counting_ctx(&f->counts);
	f->s = aligned_alloc(64, sizeof(float) * N * N);
	assert_non_null(f->s);
	f->numbers = test_malloc(sizeof(int32_t) * N);
	f->position = test_malloc(sizeof(double) * N);
	for (int32_t a = 0; a < N; a++)
	{
		f->numbers[a] = a;
		f->position[a] = a * 7 % N;
		for (int32_t b = 0; b <= a; b++)
			f->s[b * N + a] = -(f->s[a * N + b] = a == b ? 0 : 1);
	}
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	fixture    *f = *state;

	assert_int_equal(f->counts.live, 0);
	free(f->s);
	test_free(f->numbers);
	test_free(f->position);
	test_free(f);
	return 0;
}

typedef xmc_status (*work) (fixture *f, void *arg);

/* How often it asks when nobody stops it. */
static long
questions(fixture *f, const char *what, work run, void *arg)
{
	f->counts.questions = f->counts.stop_at = 0;
	if (run(f, arg) != XMC_OK)
		fail_msg("%s: %s", what, f->ctx.message);
	assert_int_equal(f->counts.live, 0);
	return f->counts.questions;
}

/* That it asks as often as it owes for so many passes, besides the questions of `others` that it calls. */
static void
check_passes(fixture *f, const char *what, work run, void *arg, double passes, long others)
{
	long		all = questions(f, what, run, arg);
	long		owed = others + (long) (passes * PASS);

	if (all < owed - ROUNDING)
		fail_msg("%s asks %ld times, owes %ld: %g passes and %ld of others", what, all, owed, passes, others);
}

/* That nothing is left over when the first, one in the middle and the last of its questions are answered with yes. */
static void
check_stops(fixture *f, const char *what, work run, void *arg)
{
	long		all = questions(f, what, run, arg);

	for (int k = 0; k < 3; k++)
	{
		f->counts.questions = 0;
		f->counts.stop_at = k == 0 ? 1 : k == 1 ? (all + 1) / 2 : all;
		assert_int_equal(run(f, arg), XMC_STOPPED);
		assert_int_equal(f->counts.questions, f->counts.stop_at);
		assert_int_equal(f->counts.live, 0);
	}
	f->counts.stop_at = 0;
}

static void
check(fixture *f, const char *what, work run, void *arg, double passes)
{
	check_passes(f, what, run, arg, passes, 0);
	check_stops(f, what, run, arg);
}

/* ---- orders ---- */

static xmc_status
run_search(fixture *f, void *arg)
{
	int32_t    *order = test_malloc(sizeof(int32_t) * N);
	double		value;
	xmc_status	status = xmc_decode_search(&f->ctx, N, f->s, NULL, order, arg ? &value : NULL);

	test_free(order);
	return status;
}

static xmc_status
run_shuffled(fixture *f, void *arg)
{
	int32_t    *order = test_malloc(sizeof(int32_t) * N);
	xmc_status	status = xmc_decode_shuffled(&f->ctx, N, f->s, NULL, 3, order);

	(void) arg;
	test_free(order);
	return status;
}

static void
test_orders(void **state)
{
	fixture    *f = *state;
	bool		with_value = true;

	/* Scores are checked, ranked and made gains; every item is looked at once, and is where it should be. */
	check(f, "search", run_search, NULL, 1 + 0.5 + 0.5 + 1);
	check(f, "search with its value", run_search, &with_value, 1 + 0.5 + 0.5 + 1 + 0.5);
	check(f, "shuffled", run_shuffled, NULL, 1 + 1 + 0.5 + 0.5 + 1);
}

static xmc_status
run_coherence(fixture *f, void *arg)
{
	double		coherence;

	(void) arg;
	return xmc_coherence(&f->ctx, N, f->s, N, f->numbers, &coherence);
}

static xmc_status
run_submatrix(fixture *f, void *arg)
{
	float	   *to = test_malloc(sizeof(float) * N * N);
	xmc_status	status = xmc_submatrix(&f->ctx, N, f->s, N, f->numbers, to);

	(void) arg;
	test_free(to);
	return status;
}

static xmc_status
run_clear(fixture *f, void *arg)
{
	float	   *to = test_malloc(sizeof(float) * N * N);
	xmc_status	status = xmc_clear(&f->ctx, to, sizeof(float) * N * N);

	(void) arg;
	test_free(to);
	return status;
}

static void
test_matrices(void **state)
{
	fixture    *f = *state;

	check(f, "coherence", run_coherence, NULL, 0.5);
	check(f, "submatrix", run_submatrix, NULL, 1);
	check(f, "clear", run_clear, NULL, 1);
}

/* ---- labels, and what follows from them ---- */

static xmc_status
run_label_positions(fixture *f, void *arg)
{
	xmc_document document = {.n = N};
	xmc_status	status = xmc_document_label_positions(&f->ctx, &document, f->position);

	(void) arg;
	xmc_release(&f->ctx, document.pair);
	return status;
}

static xmc_status
run_label_order(fixture *f, void *arg)
{
	xmc_document document = {.n = N};
	xmc_status	status = xmc_document_label_order(&f->ctx, &document, f->numbers);

	(void) arg;
	xmc_release(&f->ctx, document.pair);
	return status;
}

static xmc_status
run_stored(fixture *f, void *arg)
{
	const float *stored;
	xmc_arena	arena;
	xmc_status	status;

	xmc_arena_init(&arena, &f->ctx);
	status = xmc_guidance_stored(&arena, arg, XMC_HAS_TEXT, &stored);
	xmc_arena_free(&arena);
	return status;
}

static xmc_status
run_keep_stored(fixture *f, void *arg)
{
	int32_t    *order = test_malloc(sizeof(int32_t) * N);
	xmc_status	status;

	memcpy(order, f->numbers, sizeof(int32_t) * N);
	status = xmc_keep_stored_order(&f->ctx, arg, N, order);
	test_free(order);
	return status;
}

static void
test_labels(void **state)
{
	fixture    *f = *state;
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_document document = {.n = N};

	check(f, "labels of positions", run_label_positions, NULL, 1);
	check(f, "labels of an order", run_label_order, NULL, 0.5);
	for (int32_t i = 0; i < N; i++)
		f->position[i] = N - i; /* so that keeping the order turns it round */
	document.has = test_malloc(N);
	memset(document.has, XMC_HAS_WORDS, N);
	assert_int_equal(xmc_document_label_positions(&ctx, &document, f->position), XMC_OK);
	check(f, "stored order", run_stored, &document, 1 + 0.5);
	check(f, "keep the stored order", run_keep_stored, &document, 0.5 + 0.5);
	xmc_release(&ctx, document.pair);
	test_free(document.has);
}

/* ---- alignment ---- */

typedef struct sides
{
	int32_t		n;				/* of each */
	double	   *score;			/* (n, n) */
	double	   *p;				/* (n + 1, n + 1) */
	xmc_document document;
	xmc_alignment inferred;
} sides;

static xmc_status
run_sinkhorn(fixture *f, void *arg)
{
	sides	   *of = arg;
	xmc_arena	arena;
	xmc_status	status;

	xmc_arena_init(&arena, &f->ctx);
	status = xmc_sinkhorn(&arena, of->n, of->n, of->score, 0, of->p);
	xmc_arena_free(&arena);
	return status;
}

static xmc_status
run_alignment(fixture *f, void *arg)
{
	sides	   *of = arg;
	const float *p;
	xmc_arena	arena;
	xmc_status	status;

	xmc_arena_init(&arena, &f->ctx);
	status = xmc_guidance_alignment(&arena, &of->document, true, &of->inferred, &p);
	xmc_arena_free(&arena);
	return status;
}

static xmc_status
run_counterparts(fixture *f, void *arg)
{
	sides	   *of = arg;
	int32_t    *counterpart = test_malloc(sizeof(int32_t) * N);
	xmc_status	status = XMC_OK;

	for (int m = 0; m < XMC_MODALITIES && status == XMC_OK; m++)
		status = xmc_align_counterparts(&f->ctx, &of->document, true, &of->inferred, (xmc_modality) m, false, counterpart);
	test_free(counterpart);
	return status;
}

static xmc_status
run_paper(fixture *f, void *arg)
{
	float	   *text = test_malloc(sizeof(float) * N * N);
	float	   *image = test_malloc(sizeof(float) * N * N);
	xmc_status	status;

	(void) arg;
	memcpy(text, f->s, sizeof(float) * N * N);
	memcpy(image, f->s, sizeof(float) * N * N);
	status = xmc_guidance_paper(&f->ctx, N, f->numbers, f->numbers, 1, text, image);
	test_free(text);
	test_free(image);
	return status;
}

static void
test_alignment(void **state)
{
	fixture    *f = *state;
	sides		of = {.n = N,.score = test_malloc(sizeof(double) * N * N),.p = test_malloc(sizeof(double) * (N + 1) * (N + 1))};

	for (int64_t k = 0; k < N * N; k++)
		of.score[k] = -1000;		/* all stay without a counterpart: one iteration is enough */
	of.document = (xmc_document) {.n = N,.has = test_calloc(N, 1)};
	of.inferred = (xmc_alignment) {.n_image = N,.image = f->numbers,.n_text = N,.text = f->numbers,.p = of.p};
	/* The start, an iteration, the result, and settling it both ways. */
	check(f, "sinkhorn", run_sinkhorn, &of, 1 + 2 + 1 + 2);
	check(f, "alignment", run_alignment, &of, 1 + 1);
	check(f, "counterparts", run_counterparts, &of, 2);
	check(f, "guidance of the paper", run_paper, NULL, 2 * 0.5);
	test_free(of.score);
	test_free(of.p);
	test_free(of.document.has);
}

/* ---- attention ---- */

#define WIDTH 8

static xmc_status
run_attention(fixture *f, void *arg)
{
	float	   *probability = test_malloc(sizeof(float) * N * N);
	float	   *scratch = test_malloc(sizeof(float) * N * N);
	float	   *y = test_malloc(sizeof(float) * N * WIDTH);
	xmc_status	status = xmc_attention(&f->ctx, N, WIDTH, 1, arg, probability, NULL, scratch, y);

	test_free(probability);
	test_free(scratch);
	test_free(y);
	return status;
}

static void
test_attention(void **state)
{
	fixture    *f = *state;

	check(f, "attention", run_attention, f->s, 1);
}

/* ---- scoring by every rule ---- */

typedef struct scoring
{
	xmc_model  *model;
	xmc_document document;
	xmc_guidance_rule rule;
} scoring;

static xmc_status
run_score(fixture *f, void *arg)
{
	scoring    *of = arg;
	xmc_scores	scores;
	xmc_status	status = xmc_score_documents_by(&f->ctx, of->model, &of->rule, 1, &of->document, &scores);

	if (status == XMC_OK)
		xmc_scores_free(&f->ctx, &scores);
	return status;
}

static xmc_status
run_align(fixture *f, void *arg)
{
	scoring    *of = arg;
	xmc_alignment alignment;
	xmc_arena	arena;
	xmc_status	status;

	xmc_arena_init(&arena, &f->ctx);
	status = xmc_align_documents(&arena, of->model, 1, &of->document, false, &alignment);
	xmc_arena_free(&arena);
	return status;
}

static xmc_status
run_guidance(fixture *f, void *arg)
{
	xmc_guides	guides;
	xmc_arena	arena;
	xmc_status	status;

	(void) arg;
	xmc_arena_init(&arena, &f->ctx);
	status = xmc_guidance(&arena, N, N, (const float *[]) {f->s, f->s}, f->s, f->s, &guides);
	xmc_arena_free(&arena);
	return status;
}

#define SPACE 8					/* width in which texts and photos are compared */
#define REMEMBERED (N / 2)		/* rows: one tile */

/* The text's sparse term is the only part: products ask for every tile anyhow, and would drown what is counted here. */
static void
sparse_model(xmc_ctx *ctx, xmc_options *options, xmc_model **model)
{
	xmc_options_default(options);
	options->image_dim = 3;
	options->d_model = options->feed_forward = 8;
	options->align_dim = SPACE;
	options->heads = 2;
	options->hash_bits = 8;
	options->bilinear_dim = 0;
	assert_int_equal(xmc_model_new(ctx, options, false, model), XMC_OK);
	(*model)->network[XMC_IMAGE].input_dim = (*model)->network[XMC_IMAGE].embedding_dim = 0;
	(*model)->has_alignment = true;
	(*model)->align_scale[XMC_ALIGN_DUSTBIN] = 1000;	/* all stay without a counterpart: one iteration is enough */
}

static xmc_status
run_memory(fixture *f, void *arg)
{
	xmc_comparison compared = {.n_image = N,.n_text = N,.by_anchors = test_malloc(sizeof(float) * N * N)};
	xmc_arena	arena;
	xmc_status	status;

	xmc_arena_init(&arena, &f->ctx);
	status = xmc_anchors_similarity(&arena, ((scoring *) arg)->model, 1, f->s, f->s, &compared);
	xmc_arena_free(&arena);
	test_free(compared.by_anchors);
	return status;
}

/* The products of that. */
static xmc_status
run_products(fixture *f, void *arg)
{
	float	   *to = test_malloc(sizeof(float) * N * N);
	xmc_status	status = XMC_OK;

	(void) arg;
	for (int side = 0; side < 2 && status == XMC_OK; side++)
		status = xmc_sgemm(&f->ctx, XMC_PLAIN, XMC_TRANSPOSED, N, REMEMBERED, SPACE, 1, f->s, SPACE, f->s, SPACE, 0, to, N);
	if (status == XMC_OK)
		status = xmc_sgemm(&f->ctx, XMC_PLAIN, XMC_TRANSPOSED, N, N, REMEMBERED, 1, f->s, N, f->s, N, 0, to, N);
	test_free(to);
	return status;
}

/*
 * What scores of any document take: zeroing eight matrices, combining the modalities, looking at five matrices for what is
 * not finite.
 */
#define PASSES_OF_ALL (8 + 1 + 5)

static void
test_scores(void **state)
{
	fixture    *f = *state;
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_options options;
	scoring		of = {0};
	xmc_item   *item = test_calloc(N, sizeof *item);
	char		(*key)[16] = test_calloc(N, sizeof *key);
	float	   *image = test_calloc(N, sizeof(float) * 3);
	xmc_tokeniser *tokeniser;
	long		align;
	long		guidance = questions(f, "guidance", run_guidance, NULL);

	assert_int_equal(xmc_tokeniser_new(&ctx, &tokeniser), XMC_OK);
	sparse_model(&ctx, &options, &of.model);
	of.model->anchors = (xmc_anchors) {.n = REMEMBERED,.z = {f->s, f->s}};
	/* Zeroed, both sides described by a row of REMEMBERED each, divided by their lengths. */
	check_passes(f, "memory", run_memory, &of, 1 + 2 * 0.5 + 1, questions(f, "products", run_products, NULL) + 1);
	of.model->anchors = (xmc_anchors) {0};
	for (int32_t i = 0; i < N; i++)
	{
		snprintf(key[i], sizeof key[i], "%d", (int) i);
		item[i] = (xmc_item) {.key = key[i],.key_length = strlen(key[i]),.text = "open",.text_length = 4,.image = image + 3 * i};
	}
	assert_int_equal(xmc_document_build(&ctx, &options, tokeniser, N, item, &of.document), XMC_OK);
	check(f, "scores of linked rows", run_score, &of, PASSES_OF_ALL + 0.5);
	xmc_document_free(&ctx, &of.document);

	/* Half of the rows hold a text and half a photo: each modality has a quarter of the cells. */
	for (int32_t i = 0; i < N; i++)
		if (i % 2)
			item[i].text = NULL;
		else
			item[i].image = NULL;
	assert_int_equal(xmc_document_build(&ctx, &options, tokeniser, N, item, &of.document), XMC_OK);
	assert_int_equal(xmc_document_label_positions(&ctx, &of.document, f->position), XMC_OK);
	align = questions(f, "alignment of a document", run_align, &of);
	/* Recalled similarity zeroed, similarities added up, Sinkhorn with an iteration; three products, and the signs of words. */
	assert_true(align >= (long) (0.25 * (1 + 1 + 6) * PASS) + 3 + N / 2 * 256 / XMC_STOP_CELLS);

	of.rule = (xmc_guidance_rule) {.mode = XMC_GUIDANCE_SOFT};
	/* The alignment zeroed and laid out, and guides weighed. */
	check_passes(f, "soft", run_score, &of, PASSES_OF_ALL + 0.125 + 1 + 0.25 + 0.5, align + guidance);
	of.rule = (xmc_guidance_rule) {.mode = XMC_GUIDANCE_HARD};
	/* Counterparts found and laid out, for each modality. */
	check_passes(f, "hard", run_score, &of, PASSES_OF_ALL + 0.125 + 2 * (1 + 0.25) + 0.5, align + guidance);
	of.rule = (xmc_guidance_rule) {.mode = XMC_GUIDANCE_PAPER,.rounds = 1};
	/* Counterparts found, and each modality's pairs gone through. */
	check_passes(f, "paper", run_score, &of, PASSES_OF_ALL + 0.125 + 2 * 0.25 + 2 * 0.5, align);
	check_stops(f, "paper", run_score, &of);
	of.rule = (xmc_guidance_rule) {.mode = XMC_GUIDANCE_STORED};
	/* Besides what soft takes, each modality's order laid out, the scores that it silences, and the pairs that it decides. */
	check_passes(f, "stored", run_score, &of, PASSES_OF_ALL + 0.125 + 1 + 0.25 + 0.5 + 2 * (1 + 0.5 + 1) + 0.5,
				 align + 2 * guidance);
	xmc_document_free(&ctx, &of.document);
	xmc_model_free(&ctx, of.model);
	xmc_tokeniser_free(tokeniser);
	test_free(item);
	test_free(key);
	test_free(image);
}

/* ---- metrics ---- */

static xmc_status
run_bootstrap(fixture *f, void *arg)
{
	xmc_interval interval;

	(void) arg;
	return xmc_bootstrap(&f->ctx, N, f->position, NULL, N, 1, &interval);
}

static void
test_metrics(void **state)
{
	fixture    *f = *state;
	int32_t		many = 1 << 20;
	int32_t    *place = test_malloc(sizeof(int32_t) * (size_t) many);
	int32_t    *scratch = test_malloc(sizeof(int32_t) * (size_t) many);
	double		tau;

	check(f, "bootstrap", run_bootstrap, NULL, 1);
	for (int32_t k = 0; k < many; k++)
		place[k] = many - 1 - k;
	f->counts.questions = 0;
	assert_int_equal(xmc_kendall_tau(&f->ctx, many, place, scratch, &tau), XMC_OK);
	assert_true(tau == -1 && f->counts.questions >= 32L * many / XMC_STOP_CELLS);
	test_free(place);
	test_free(scratch);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_orders, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_matrices, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_labels, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_alignment, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_attention, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_scores, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_metrics, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
