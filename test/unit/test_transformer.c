/* test_transformer.c - the forward pass of a text encoder: against a plain one in double, and in other batches */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plain_transformer.h"
#include "random_transformer.h"
#include "text_encoder/transformer.h"
#include "xmcoh/random.h"

/* ---- tests ---- */

/* Texts of given lengths with random tokens, one under the other. */
static void
make_batch(xmc_random *random, int32_t n_texts, const int32_t *length, xmc_token_batch *batch)
{
	int32_t    *row_start = malloc((size_t) (n_texts + 1) * sizeof(int32_t));
	int32_t    *token;

	row_start[0] = 0;
	for (int32_t t = 0; t < n_texts; t++)
		row_start[t + 1] = row_start[t] + length[t];
	token = malloc((size_t) row_start[n_texts] * sizeof(int32_t) + 1);
	for (int32_t r = 0; r < row_start[n_texts]; r++)
		token[r] = (int32_t) xmc_random_below(random, VOCABULARY);
	*batch = (xmc_token_batch){n_texts, row_start, token};
}

static void
free_batch(xmc_token_batch *batch)
{
	free((void *) (uintptr_t) batch->row_start);
	free((void *) (uintptr_t) batch->token);
}

static const int32_t shapes[][3] = {{16, 2, 32}, {20, 5, 13}, {48, 3, 96}, {312, 12, 120}};

/* Every row of every text, both without and with the state for a backward pass. */
static void
test_against_plain(void **state)
{
	static const int32_t length[] = {1, 2, 7, 20, 33, 300, 0, 5};
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 1);
	for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
	{
		xmc_transformer transformer;
		xmc_transformer_state *result = malloc(sizeof *result);
		xmc_token_batch batch;
		xmc_arena	arena;
		float	   *memory;
		int			d = shapes[s][0];

		make_transformer(d, shapes[s][1], shapes[s][2], 3, &transformer, &memory);
		make_batch(&random, 8, length, &batch);
		xmc_arena_init(&arena, &ctx);
		/* without state; with that of the last layer; with that of all, which is checked below */
		for (int pass = 0; pass < 3; pass++)
		{
			const xmc_transformer_learning learning = {.first = pass == 1 ? 2 : 0};

			assert_int_equal(xmc_transformer_forward(&arena, &transformer, NULL, &batch, pass ? &learning : NULL, result), XMC_OK);
			if (pass == 1)
				assert_true(result->layer[1].output == result->layer[0].output && result->layer[2].input == result->layer[1].output &&
							result->layer[2].output != result->layer[1].output && result->layer[2].probability);
			for (int32_t t = 0; t < batch.n_texts; t++)
			{
				double	   *exact = plain_forward(&transformer, length[t], batch.token + batch.row_start[t]);

				for (int k = 0; k < length[t] * d; k++)
					if (fabs(result->output[batch.row_start[t] * d + k] - exact[k]) > 2e-5)
						fail_msg("dim %d, text %d, value %d: %g, exactly %g", d, (int) t, k,
								 result->output[batch.row_start[t] * d + k], exact[k]);
				free(exact);
			}
		}
		for (int l = 0; l < 3; l++)	/* the state that a backward pass reads is kept apart */
		{
			const xmc_transformer_layer_state *layer = &result->layer[l];

			assert_true(layer->input == (l ? result->layer[l - 1].output : result->embedded));
			assert_true(layer->before != layer->hidden && layer->normal1 != layer->middle && layer->probability);
			for (int64_t k = 0; k < (int64_t) batch.row_start[batch.n_texts] * d; k++)
				assert_true(fabsf(layer->normal2[k] * transformer.layer[l].norm2_w[k % d] + transformer.layer[l].norm2_b[k % d] -
								  layer->output[k]) < 1e-6f);
		}
		xmc_arena_free(&arena);
		free_batch(&batch);
		free(memory);
		free(result);
	}
}

/* The rows of a text are the same to the bit alone, in pairs, and in batches of hundreds in another order. */
static void
test_any_batch(void **state)
{
	enum
	{
		TEXTS = 300
	};
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 2);
	for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
	{
		static xmc_transformer_state result;
		xmc_transformer transformer;
		xmc_token_batch all;
		xmc_arena	arena;
		float	   *memory;
		float	   *expected;
		int32_t		length[TEXTS];
		size_t		d = (size_t) shapes[s][0];

		make_transformer(shapes[s][0], shapes[s][1], shapes[s][2], 2, &transformer, &memory);
		for (int32_t t = 0; t < TEXTS; t++)
			length[t] = 1 + (int32_t) xmc_random_below(&random, t % 50 ? 30 : 290);
		make_batch(&random, TEXTS, length, &all);
		xmc_arena_init(&arena, &ctx);
		assert_int_equal(xmc_transformer_forward(&arena, &transformer, NULL, &all, NULL, &result), XMC_OK);
		expected = malloc((size_t) all.row_start[TEXTS] * d * sizeof(float));
		memcpy(expected, result.output, (size_t) all.row_start[TEXTS] * d * sizeof(float));
		for (int32_t t = 0; t < TEXTS; t += 7)
		{
			/* text t alone; then after another; then all in another order */
			for (int company = 0; company < (t % 70 == 0 ? 3 : 2); company++)
			{
				int32_t		texts = company == 0 ? 1 : company == 1 ? 2 : TEXTS;
				int32_t		row_start[TEXTS + 1] = {0};
				int32_t    *token = malloc((size_t) (all.row_start[TEXTS] + 300) * sizeof(int32_t));

				for (int32_t k = 0; k < texts; k++)
				{
					int32_t		from = (t + (texts - 1 - k) * 11) % TEXTS;	/* the last is t */

					memcpy(token + row_start[k], all.token + all.row_start[from], (size_t) length[from] * sizeof(int32_t));
					row_start[k + 1] = row_start[k] + length[from];
				}
				xmc_arena_reset(&arena);
				assert_int_equal(xmc_transformer_forward(&arena, &transformer, NULL, &(xmc_token_batch){texts, row_start, token},
														 NULL,
														 &result), XMC_OK);
				assert_memory_equal(result.output + (size_t) row_start[texts - 1] * d,
									expected + (size_t) all.row_start[t] * d,
									(size_t) length[t] * d * sizeof(float));
				free(token);
			}
		}
		xmc_arena_free(&arena);
		free_batch(&all);
		free(expected);
		free(memory);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_plain),
		cmocka_unit_test(test_any_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
