/* test_tuned.c - the backward pass of a text encoder and the gradient of what fine-tuning changes against finite differences of a plain forward pass */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "plain_transformer.h"
#include "random_transformer.h"
#include "text_encoder/pooling.h"
#include "text_encoder/transformer_backward.h"

/* So little that the state of some layers is not kept of the few texts below, and that of all but the last one not of many texts. */
#define KEPT_BYTES 30000
#include "../../src/core/text_encoder/tuned.c"

#define DIM 16
#define WIDE 24
#define LAYERS 3
#define RANK 2
#define TEXTS 5

static const int32_t row_start[TEXTS + 1] = {0, 1, 6, 6, 15, 17};
static const int32_t token[17] = {3, 7, 7, 1, 49, 0, 12, 13, 14, 15, 16, 17, 18, 3, 3, 20, 21};
static const xmc_token_batch batch = {TEXTS, row_start, token};

typedef struct fixture
{
	xmc_ctx		ctx;
	xmc_arena	arena;
	xmc_transformer transformer;
	float	   *memory;
	xmc_change	adapter[LAYERS];
	xmc_change	grad[LAYERS];
	int32_t		rank;			/* 0: the changes are differences */
	int			n_values;
	float	   *values;			/* (n_values) of the changes, then of their gradients */
	float		weight[TEXTS * 32 * DIM];	/* of each output in the loss */
} fixture;

static void
place_adapters(int n, xmc_change *adapter, float *at)
{
	for (int k = 0; k < n; k++, at += 4 * RANK * DIM)
		adapter[k] = (xmc_change) {at, at + RANK * DIM, at + 2 * RANK * DIM, at + 3 * RANK * DIM, NULL, NULL};
}

#define ADAPTER_VALUES (LAYERS * 4 * RANK * DIM)
#define LAYER_VALUES (4 * DIM * DIM + 2 * DIM * WIDE + 9 * DIM + WIDE)

static int
set_up(void **state)
{
	fixture    *f = test_calloc(1, sizeof *f);
	xmc_random	random;

	f->ctx = xmc_ctx_malloc();
	xmc_arena_init(&f->arena, &f->ctx);
	make_transformer(DIM, 2, WIDE, LAYERS, &f->transformer, &f->memory);
	f->rank = RANK;
	f->n_values = ADAPTER_VALUES;
	f->values = calloc(2 * ADAPTER_VALUES, sizeof(float));
	place_adapters(LAYERS, f->adapter, f->values);
	place_adapters(LAYERS, f->grad, f->values + ADAPTER_VALUES);
	xmc_random_seed(&random, 5);
	for (int k = 0; k < ADAPTER_VALUES; k++)
		f->values[k] = (float) (0.3 * xmc_random_normal(&random));
	for (size_t k = 0; k < sizeof f->weight / sizeof f->weight[0]; k++)
		f->weight[k] = (float) xmc_random_normal(&random);
	*state = f;
	return 0;
}

/* The same, but all parameters of layers change, by multiples of 1 / 1024 below 1, which half precision holds. */
static int
set_up_differences(void **state)
{
	fixture    *f;
	xmc_random	random;

	set_up(state);
	f = *state;
	free(f->values);
	f->rank = 0;
	f->n_values = LAYERS * LAYER_VALUES;
	f->values = calloc(2 * (size_t) f->n_values, sizeof(float));
	for (int k = 0; k < LAYERS; k++)
	{
		f->adapter[k] = (xmc_change) {.difference = f->values + k * LAYER_VALUES};
		f->grad[k] = (xmc_change) {.difference = f->values + f->n_values + k * LAYER_VALUES};
	}
	xmc_random_seed(&random, 6);
	for (int k = 0; k < f->n_values; k++)
		f->values[k] = (float) round(fmax(-1, fmin(1, 0.05 * xmc_random_normal(&random))) * 1024) / 1024;
	return 0;
}

static int
tear_down(void **state)
{
	fixture    *f = *state;

	xmc_arena_free(&f->arena);
	free(f->memory);
	free(f->values);
	test_free(f);
	return 0;
}

static void
assert_derivative(const char *name, int64_t at, double difference, double gradient)
{
	if (fabs(difference - gradient) > 1e-3 + 3e-3 * fabs(gradient))
		fail_msg("%s[%lld]: gradient %g, finite difference %g", name, (long long) at, gradient, difference);
}

/* ---- the backward pass ---- */

/* The weighted sum of the outputs of all tokens, in double, with the dropout of `state`. */
static double
plain_loss(const fixture *f, const xmc_transformer_state *state)
{
	double		sum = 0;
	int			probabilities = 0;

	for (int t = 0; t < TEXTS; t++)
	{
		int			n = row_start[t + 1] - row_start[t];
		double	   *x = plain_forward_dropped(&f->transformer, n, token + row_start[t], state, row_start[t], probabilities);

		probabilities += f->transformer.settings.shape.heads * n * n;
		for (int k = 0; k < n * DIM; k++)
			sum += x[k] * f->weight[row_start[t] * DIM + k];
		free(x);
	}
	return sum;
}

/* Every kind of parameter of each trained layer; the layer before them gets no gradient, nor does a parameter without a place. */
static void
check_backward(fixture *f, double dropout)
{
	const xmc_transformer_learning learning = {.first = 1, .dropout = dropout, .seed = 9};
	xmc_transformer grad = f->transformer;
	xmc_encoder_tensor tensor[XMC_ENCODER_MAX_TENSORS];
	xmc_encoder_tensor slot[XMC_ENCODER_MAX_TENSORS];
	xmc_transformer_state *pass = xmc_arena_alloc(&f->arena, 1, sizeof *pass);
	float		d_output[17 * DIM];
	int32_t		n = xmc_encoder_tensors(&f->transformer, tensor);
	int			checked = 0;

	assert_int_equal(xmc_encoder_tensors(&grad, slot), n);
	for (int32_t k = 0; k < n; k++)
		*slot[k].slot = calloc((size_t) tensor[k].n_values, sizeof(float));
	free(grad.layer[2].ff1_w);
	grad.layer[2].ff1_w = NULL;
	free(grad.layer[1].norm1_b);
	grad.layer[1].norm1_b = NULL;
	memcpy(d_output, f->weight, sizeof d_output);
	assert_int_equal(xmc_transformer_forward(&f->arena, &f->transformer, NULL, &batch, &learning, pass), XMC_OK);
	assert_true((pass->layer[2].output_mask != NULL) == (dropout > 0) && !pass->layer[0].output_mask);
	assert_int_equal(xmc_transformer_backward(&f->arena, &f->transformer, &batch, &learning, pass, d_output, grad.layer, NULL), XMC_OK);
	for (int32_t k = 0; k < n; k++)
	{
		const float *gradient = *slot[k].slot;
		bool		trained = strncmp(tensor[k].name, "layer.1.", 8) == 0 || strncmp(tensor[k].name, "layer.2.", 8) == 0;

		for (int64_t v = 0; gradient && v < tensor[k].n_values; v += trained ? 1 + tensor[k].n_values / 9 : 1)
		{
			float	   *value = *tensor[k].slot + v;
			float		kept = *value;
			double		up;

			if (!trained)
			{
				assert_true(gradient[v] == 0);
				continue;
			}
			*value = kept + 1.0f / 1024;
			up = plain_loss(f, pass);
			*value = kept - 1.0f / 1024;
			assert_derivative(tensor[k].name, v, (up - plain_loss(f, pass)) * 512, gradient[v]);
			*value = kept;
			checked++;
		}
		free(*slot[k].slot);
	}
	assert_true(checked > 150);
}

static void
test_backward(void **state)
{
	check_backward(*state, 0);
}

/* The masks stay as they were drawn: the derivative is that of the loss by these. */
static void
test_dropout(void **state)
{
	check_backward(*state, 0.3);
}

/* The gradient of all parameters, with the state kept of the layers from `kept` on; allocated. n: numbers. */
static float *
gradient_kept(fixture *f, int32_t kept, double dropout, size_t *n)
{
	const xmc_transformer_learning learning = {.kept = kept, .dropout = dropout, .seed = 9};
	xmc_transformer grad = f->transformer;
	xmc_encoder_tensor slot[XMC_ENCODER_MAX_TENSORS];
	xmc_transformer_state *pass = xmc_arena_alloc(&f->arena, 1, sizeof *pass);
	float		d_output[17 * DIM];
	int32_t		tensors = xmc_encoder_tensors(&grad, slot);
	float	   *all;

	*n = 0;
	for (int32_t k = 0; k < tensors; k++)
		*n += (size_t) slot[k].n_values;
	all = calloc(*n, sizeof *all);
	*n = 0;
	for (int32_t k = 0; k < tensors; k++)
	{
		*slot[k].slot = all + *n;
		*n += (size_t) slot[k].n_values;
	}
	memcpy(d_output, f->weight, sizeof d_output);
	assert_int_equal(xmc_transformer_forward(&f->arena, &f->transformer, NULL, &batch, &learning, pass), XMC_OK);
	assert_int_equal(xmc_transformer_backward(&f->arena, &f->transformer, &batch, &learning, pass, d_output, grad.layer, NULL), XMC_OK);
	return all;
}

/* The gradient is the same to the bit, whatever is computed once more. */
static void
test_computed_again(void **state)
{
	fixture    *f = *state;

	for (int dropped = 0; dropped < 2; dropped++)
	{
		size_t		n;
		float	   *all_kept = gradient_kept(f, 0, dropped * 0.3, &n);

		for (int32_t kept = 1; kept <= LAYERS; kept++)
		{
			float	   *again = gradient_kept(f, kept, dropped * 0.3, &n);

			assert_memory_equal(again, all_kept, n * sizeof *again);
			free(again);
		}
		free(all_kept);
	}
}

/* The number that decides what is kept is that of what is allocated, but for rounding to whole cache lines. */
static void
test_layer_bytes(void **state)
{
	fixture    *f = *state;

	for (int dropped = 0; dropped < 2; dropped++)
	{
		size_t		used[2];

		for (int32_t kept = 0; kept < 2; kept++)
		{
			const xmc_transformer_learning learning = {.kept = kept, .dropout = dropped * 0.3, .seed = 9};
			xmc_transformer_state *pass;

			xmc_arena_reset(&f->arena);
			pass = xmc_arena_alloc(&f->arena, 1, sizeof *pass);
			assert_int_equal(xmc_transformer_forward(&f->arena, &f->transformer, NULL, &batch, &learning, pass), XMC_OK);
			used[kept] = xmc_arena_here(&f->arena).used;
		}
		/* A layer that is not kept has its output alone. */
		assert_in_range(used[0] - used[1] + sizeof(float) * 17 * DIM, xmc_transformer_layer_bytes(&f->transformer, &batch, dropped * 0.3),
						xmc_transformer_layer_bytes(&f->transformer, &batch, dropped * 0.3) + 14 * 64);
	}
}

/* ---- changes ---- */

/* The weighted sum of the vectors of all texts by the encoder with its changes, in double. */
static double
plain_vector_loss(fixture *f)
{
	xmc_changes changes = {.n = 2, .rank = f->rank, .layer = f->adapter};
	xmc_transformer changed;
	double		sum = 0;

	assert_int_equal(xmc_changes_apply(&f->arena, &f->transformer, &changes, &changed), XMC_OK);
	for (int t = 0; t < TEXTS; t++)
	{
		int			n = row_start[t + 1] - row_start[t];
		double	   *x = plain_forward(&changed, n, token + row_start[t]);
		double		mean[DIM] = {0};
		double		squares = 0;
		int			used = f->transformer.settings.shape.first_token && n > 0 ? 1 : n;

		for (int k = 0; k < used * DIM; k++)
			mean[k % DIM] += x[k] / used;
		for (int k = 0; k < DIM; k++)
			squares += mean[k] * mean[k];
		for (int k = 0; k < DIM && n > 0; k++)
			sum += mean[k] * f->weight[t * DIM + k] / (f->transformer.settings.shape.normalised ? sqrt(squares) : 1);
		free(x);
	}
	return sum;
}

/* The gradient of the weighted sum of the vectors, by a forward and a backward pass. */
static void
tuned_gradient(fixture *f, const xmc_changes *changes, const xmc_token_batch *texts, double dropout, const float *weight)
{
	xmc_tuned_pass *pass;
	float	   *vector = malloc((size_t) texts->n_texts * DIM * sizeof *vector);

	memset(f->values + f->n_values, 0, (size_t) f->n_values * sizeof(float));
	assert_int_equal(xmc_tuned_forward(&f->arena, &f->transformer, changes, texts, dropout, 7, vector, &pass), XMC_OK);
	assert_int_equal(xmc_tuned_backward(&f->arena, pass, weight, f->grad), XMC_OK);
	free(vector);
}

static void
check_changes(fixture *f)
{
	xmc_changes changes = {.n = 2, .rank = f->rank, .layer = f->adapter};

	tuned_gradient(f, &changes, &batch, 0, f->weight);
	for (int v = 0; v < 2 * f->n_values / LAYERS; v += f->rank > 0 ? 3 : 11)
	{
		float		kept = f->values[v];
		double		up;

		f->values[v] = kept + 1.0f / 1024;
		up = plain_vector_loss(f);
		f->values[v] = kept - 1.0f / 1024;
		assert_derivative("change", v, (up - plain_vector_loss(f)) * 512, f->values[f->n_values + v]);
		f->values[v] = kept;
	}
}

/* With every way to make a text's vector of those of its tokens. */
static void
test_changes(void **state)
{
	fixture    *f = *state;

	check_changes(f);
	f->transformer.settings.shape.normalised = true;
	check_changes(f);
	f->transformer.settings.shape.first_token = true;
	check_changes(f);
}

/* Adapters whose B is 0, and differences of 0, change nothing, to the bit; others do. */
static void
test_no_change(void **state)
{
	fixture    *f = *state;
	xmc_changes none = {0};
	xmc_changes changes = {.n = LAYERS, .rank = f->rank, .layer = f->adapter};
	float		before[TEXTS * DIM];
	float		after[TEXTS * DIM];

	assert_int_equal(xmc_tuned_vectors(&f->arena, &f->transformer, &none, &batch, before), XMC_OK);
	for (int k = 0; k < LAYERS && f->rank > 0; k++)
	{
		memset(f->adapter[k].query_b, 0, RANK * DIM * sizeof(float));
		memset(f->adapter[k].value_b, 0, RANK * DIM * sizeof(float));
	}
	if (f->rank == 0)
		memset(f->values, 0, (size_t) f->n_values * sizeof(float));
	assert_int_equal(xmc_tuned_vectors(&f->arena, &f->transformer, &changes, &batch, after), XMC_OK);
	assert_memory_equal(before, after, sizeof before);
	*(f->rank > 0 ? &f->adapter[1].value_b[3] : &f->adapter[1].difference[3]) = 0.5f;
	assert_int_equal(xmc_tuned_vectors(&f->arena, &f->transformer, &changes, &batch, after), XMC_OK);
	assert_true(memcmp(before, after, sizeof before) != 0);
	for (int k = 0; k < DIM; k++)
		assert_true(after[2 * DIM + k] == 0);	/* a text without tokens */
}

/* Differences take part as half precision holds them. */
static void
test_rounding(void **state)
{
	fixture    *f = *state;
	xmc_changes changes = {.n = LAYERS, .rank = 0, .layer = f->adapter};
	uint16_t   *half = malloc((size_t) f->n_values * sizeof *half);
	float		before[TEXTS * DIM];
	float		after[TEXTS * DIM];

	for (int k = 0; k < f->n_values; k++)
		f->values[k] *= 1.0001f;
	assert_int_equal(xmc_tuned_vectors(&f->arena, &f->transformer, &changes, &batch, before), XMC_OK);
	xmc_dtype_to_half(f->n_values, f->values, half);
	xmc_dtype_to_float(XMC_F16, f->n_values, half, f->values);
	assert_int_equal(xmc_tuned_vectors(&f->arena, &f->transformer, &changes, &batch, after), XMC_OK);
	assert_memory_equal(before, after, sizeof before);
	free(half);
}

/* The weighted sum of the vectors with dropout by a seed. */
static double
dropped_loss(fixture *f, const xmc_changes *changes, const xmc_token_batch *texts, uint64_t seed, const float *weight)
{
	xmc_tuned_pass *pass;
	float	   *vector = malloc((size_t) texts->n_texts * DIM * sizeof *vector);
	double		sum = 0;

	assert_int_equal(xmc_tuned_forward(&f->arena, &f->transformer, changes, texts, 0.3, seed, vector, &pass), XMC_OK);
	for (int k = 0; k < texts->n_texts * DIM; k++)
		sum += (double) vector[k] * weight[k];
	free(vector);
	return sum;
}

/*
 * With dropout: the slope along the gradient is its squared length, so parts whose forward pass is computed once more have drawn the same
 * masks. Another seed gives another loss.
 */
static void
check_slope(fixture *f, const xmc_changes *changes, const xmc_token_batch *texts, const float *weight)
{
	const float *gradient = f->values + f->n_values;
	double		squares = 0;
	double		up;
	double		down;
	double		step;

	tuned_gradient(f, changes, texts, 0.3, weight);
	for (int k = 0; k < f->n_values; k++)
		squares += (double) gradient[k] * gradient[k];
	step = 0.01 / sqrt(squares);
	for (int k = 0; k < f->n_values; k++)
		f->values[k] += (float) (step * gradient[k]);
	up = dropped_loss(f, changes, texts, 7, weight);
	for (int k = 0; k < f->n_values; k++)
		f->values[k] -= (float) (2 * step * gradient[k]);
	down = dropped_loss(f, changes, texts, 7, weight);
	assert_true(fabs((up - down) / (2 * step) - squares) < 0.01 * squares);
	assert_true(dropped_loss(f, changes, texts, 7, weight) == down);
	assert_true(fabs(dropped_loss(f, changes, texts, 8, weight) - down) > 1);
}

/* More tokens than are taken at a time: vectors to the bit, gradients to rounding, as text by text. Then with dropout. */
static void
test_many_texts(void **state)
{
	enum
	{
		MANY = 300, LENGTH = 11
	};
	fixture    *f = *state;
	xmc_changes changes = {.n = LAYERS, .rank = f->rank, .layer = f->adapter};
	int32_t    *start = malloc((MANY + 1) * sizeof *start);
	int32_t    *tokens = malloc(MANY * LENGTH * sizeof *tokens);
	float	   *all = malloc(MANY * DIM * sizeof *all);
	float	   *weight = malloc(MANY * DIM * sizeof *weight);
	double	   *sum = calloc((size_t) f->n_values, sizeof *sum);
	float	   *gradient = f->values + f->n_values;
	xmc_random	random;

	xmc_random_seed(&random, 8);
	for (int t = 0; t <= MANY; t++)
		start[t] = t * LENGTH;
	for (int k = 0; k < MANY * LENGTH; k++)
		tokens[k] = (int32_t) xmc_random_below(&random, VOCABULARY);
	for (int k = 0; k < MANY * DIM; k++)
		weight[k] = (float) xmc_random_normal(&random);
	assert_int_equal(xmc_tuned_vectors(&f->arena, &f->transformer, &changes, &(xmc_token_batch) {MANY, start, tokens}, all), XMC_OK);
	for (int t = 0; t < MANY; t++)
	{
		const xmc_token_batch one = {1, start, tokens + t * LENGTH};
		float		vector[DIM];

		assert_int_equal(xmc_tuned_vectors(&f->arena, &f->transformer, &changes, &one, vector), XMC_OK);
		assert_memory_equal(vector, all + t * DIM, sizeof vector);
		tuned_gradient(f, &changes, &one, 0, weight + t * DIM);
		for (int k = 0; k < f->n_values; k++)
			sum[k] += gradient[k];
		xmc_arena_reset(&f->arena);
	}
	tuned_gradient(f, &changes, &(xmc_token_batch) {MANY, start, tokens}, 0, weight);
	for (int k = 0; k < f->n_values; k++)
		assert_true(fabs(sum[k] - gradient[k]) <= 1e-3 * (1 + fabs(sum[k])));
	check_slope(f, &changes, &(xmc_token_batch) {MANY, start, tokens}, weight);
	free(start);
	free(tokens);
	free(all);
	free(weight);
	free(sum);
}

/* ---- memory ---- */

typedef struct heap
{
	size_t		live;
	size_t		most;
} heap;

#define HEAP_HEADER 64

static void *
heap_alloc(void *arg, size_t size)
{
	heap	   *h = arg;
	char	   *block = malloc(HEAP_HEADER + size);

	assert_non_null(block);
	memcpy(block, &size, sizeof size);
	h->live += size;
	h->most = h->live > h->most ? h->live : h->most;
	return block + HEAP_HEADER;
}

static void
heap_release(void *arg, void *pointer)
{
	char	   *block = (char *) pointer - HEAP_HEADER;
	size_t		size;

	if (!pointer)
		return;
	memcpy(&size, block, sizeof size);
	((heap *) arg)->live -= size;
	free(block);
}

/* The most bytes that a forward and a backward pass of n texts allocate, one more token in each text; the last has MOST_TOKENS. */
static size_t
most_memory(const xmc_transformer *transformer, const xmc_changes *adapters, const xmc_change *grad, int32_t n)
{
	enum
	{
		MANY = 40
	};
	static int32_t tokens[MANY * MOST_TOKENS];
	int32_t		start[MANY + 1] = {0};
	float		vector[MANY * DIM];
	heap		h = {0};
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_arena	arena;
	xmc_tuned_pass *p;

	ctx.alloc = heap_alloc;
	ctx.release = heap_release;
	ctx.arg = &h;
	xmc_arena_init(&arena, &ctx);
	for (int32_t t = 0; t < n; t++)
		start[t + 1] = start[t] + MOST_TOKENS - n + 1 + t;
	for (int32_t k = 0; k < start[n]; k++)
		tokens[k] = k % VOCABULARY;
	assert_int_equal(xmc_tuned_forward(&arena, transformer, adapters, &(xmc_token_batch) {n, start, tokens}, 0.3, 7, vector, &p), XMC_OK);
	assert_int_equal(xmc_tuned_backward(&arena, p, vector, grad), XMC_OK);
	xmc_arena_free(&arena);
	assert_int_equal(h.live, 0);
	return h.most;
}

/* A minibatch takes less than twice the memory of its longest text, however many texts it has, and so does one with many layers. */
static void
test_memory(void **state)
{
	enum
	{
		MOST_LAYERS = 12, HEADS = 8
	};
	size_t		most[2];

	(void) state;
	for (int deep = 0; deep < 2; deep++)
	{
		int			layers = deep ? MOST_LAYERS : 2;
		float	   *values = calloc((size_t) (2 * layers * 4 * RANK * DIM), sizeof *values);
		xmc_change adapter[2 * MOST_LAYERS];
		xmc_changes adapters = {.n = layers, .rank = RANK, .layer = adapter};
		xmc_transformer transformer;
		float	   *memory;

		make_transformer(DIM, HEADS, WIDE, layers, &transformer, &memory);
		place_adapters(2 * layers, adapter, values);
		most[deep] = most_memory(&transformer, &adapters, adapter + layers, 1);
		assert_true(most_memory(&transformer, &adapters, adapter + layers, 40) < 2 * most[deep]);
		free(memory);
		free(values);
	}
	assert_true(most[1] < 2 * most[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_backward, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dropout, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_computed_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_layer_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_changes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_changes, set_up_differences, tear_down),
		cmocka_unit_test_setup_teardown(test_no_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_change, set_up_differences, tear_down),
		cmocka_unit_test_setup_teardown(test_rounding, set_up_differences, tear_down),
		cmocka_unit_test_setup_teardown(test_many_texts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_texts, set_up_differences, tear_down),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
