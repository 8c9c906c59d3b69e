/*
 * test_weigh.c - the weights of the fused score on constructed scores: where one modality was memorised, or is noise, or the
 * groups are few, both modalities together are hardly worse on new groups than the better one; where both tell, better
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "numeric/dense.h"
#include "numeric/group_calibrate.h"
#include "train/weigh.h"
#include "xmcoh/random.h"

#define PAIRS 6					/* of a document */
#define DOCUMENTS 8				/* of a group */
#define MOST_GROUPS 100
#define MOST (PAIRS * DOCUMENTS * MOST_GROUPS)
#define RUNS 100

/* What a modality says of the order. */
typedef enum evidence
{
	TELLS,						/* calibrated log-odds */
	NOISE,
	MEMORISED					/* of each group right or wrong as a whole */
} evidence;

/* The scores of some groups. */
typedef struct scores
{
	int32_t		n_groups;
	xmc_document document[MOST_GROUPS * DOCUMENTS];
	const xmc_document *of[MOST_GROUPS * DOCUMENTS];
	int32_t		group[MOST_GROUPS * DOCUMENTS];
	float		score[XMC_MODALITIES + 1][MOST];	/* of text, image and bilinear term */
	float		weight[MOST];
	float		scratch[MOST];
} scores;

/* The score of a pair in its true orientation. */
static float
draw(xmc_random *random, evidence e, int side)
{
	double		z = xmc_random_normal(random);

	if (e == TELLS)
		return (float) (xmc_random_uniform(random) < xmc_sigmoid(z) ? z : -z);
	return (float) (0.7 * z + (e == MEMORISED ? 0.5 * side : 0));
}

static void
draw_scores(xmc_random *random, int32_t n_groups, const evidence e[XMC_MODALITIES + 1], scores *s)
{
	int32_t		at = 0;

	s->n_groups = n_groups;
	for (int32_t g = 0; g < n_groups; g++)
		for (int m = 0; m <= XMC_MODALITIES; m++)
		{
			int			side = xmc_random_below(random, 2) ? 1 : -1;

			at = g * DOCUMENTS * PAIRS;
			for (int k = 0; k < DOCUMENTS * PAIRS; k++)
				s->score[m][at++] = draw(random, e[m], side);
		}
	for (int32_t d = 0; d < n_groups * DOCUMENTS; d++)
	{
		s->document[d] = (xmc_document){.n_pairs = PAIRS};
		s->of[d] = &s->document[d];
		s->group[d] = d / DOCUMENTS;
	}
	for (int32_t r = 0; r < at; r++)
		s->weight[r] = 1.0f / PAIRS;
}

/* The mean loss of a document by a weighted sum of the scores. */
static double
loss_of(const scores *s, const double weight[XMC_MODALITIES + 1])
{
	int32_t		n = s->n_groups * DOCUMENTS * PAIRS;
	double		sum = 0;

	for (int32_t r = 0; r < n; r++)
	{
		double		z = 0;

		for (int m = 0; m <= XMC_MODALITIES; m++)
			z += weight[m] * s->score[m][r];
		sum += xmc_softplus(-z) / n;
	}
	return sum;
}

/* Calibrates each modality and fits the fusion, as a training does. */
static void
fit(scores *s, xmc_trainer *t)
{
	xmc_labels	l = {.n_documents = s->n_groups * DOCUMENTS,.document = s->of,.n_groups = s->n_groups,.group = s->group,
		.n = s->n_groups * DOCUMENTS * PAIRS,.weight = s->weight,.s = s->scratch,
		.term_s[XMC_TERM_BILINEAR] = s->score[XMC_MODALITIES]};
	xmc_calibration *c = &t->model->calibration;

	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		assert_int_equal(xmc_calibrate(t->ctx, l.n, 1, s->score[m], l.weight, NULL, &c->solo[m]), XMC_OK);
		for (int32_t r = 0; r < l.n; r++)
			s->score[m][r] *= (float) c->solo[m];
		l.score[m] = s->score[m];
	}
	assert_int_equal(xmc_train_fit_fusion(t, &l), XMC_OK);
}

/* The mean loss of the fused score on new groups, less that of the modality that tells, over many draws. */
static double
added_loss(int32_t n_groups, evidence text, evidence image, evidence joint)
{
	static scores s;
	static scores new;
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_model	model = {0};
	xmc_trainer t = {.ctx = &ctx,.model = &model,.has_term[XMC_TERM_BILINEAR] = true};
	const evidence e[XMC_MODALITIES + 1] = {text, image, joint};
	double		added = 0;
	xmc_random	random;

	xmc_arena_init(&t.term_arena, &ctx);
	xmc_random_seed(&random, 1);
	for (int run = 0; run < RUNS; run++)
	{
		const double *fused = model.calibration.fused;
		double		alone[XMC_MODALITIES + 1] = {0};
		int			teller = text == TELLS ? XMC_TEXT : XMC_IMAGE;

		draw_scores(&random, n_groups, e, &s);
		fit(&s, &t);
		draw_scores(&random, MOST_GROUPS, e, &new);
		alone[teller] = model.calibration.solo[teller];
		added += (loss_of(&new, fused) - loss_of(&new, alone)) / RUNS;
	}
	xmc_arena_free(&t.term_arena);
	return added;
}

/* (In brackets what a regression without a prior adds.) */
static void
test_no_harm(void **state)
{
	(void) state;
	assert_true(added_loss(4, TELLS, MEMORISED, NOISE) < 0.018);	/* (.022) */
	assert_true(added_loss(12, TELLS, MEMORISED, MEMORISED) < 0.004);	/* (.011) */
	assert_true(added_loss(12, MEMORISED, TELLS, NOISE) < 0.004);	/* (.007) */
	assert_true(added_loss(12, TELLS, NOISE, NOISE) < 0.0004);	/* (.0009) */
	assert_true(added_loss(12, NOISE, TELLS, NOISE) < 0.0004);	/* (.0007) */
}

/* (In brackets as above.) */
static void
test_gain(void **state)
{
	(void) state;
	assert_true(added_loss(12, TELLS, TELLS, NOISE) < -0.07);	/* (-.078) */
	assert_true(added_loss(100, TELLS, TELLS, NOISE) < -0.078);	/* (-.079) */
}

/* Without rows, and with one group, the priors decide; nothing is divided by 0. */
static void
test_few_rows(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	const float x[4] = {1, 0, 2, 0};
	const float weight[2] = {1, 1};
	const int32_t group[2] = {0, 0};
	const double mean[2] = {0.5, 0.25};
	xmc_group_rows rows = {.k = 2,.x = x,.weight = weight,.group = group,.n_groups = 1};
	xmc_arena	scratch;
	double		value;
	double		c[2];

	(void) state;
	xmc_arena_init(&scratch, &ctx);
	for (rows.n = 0; rows.n <= 2; rows.n += 2)
	{
		assert_int_equal(xmc_group_better(&scratch, &rows, 0, 1, &value), XMC_OK);
		assert_true(value == 0.5);
		assert_int_equal(xmc_group_calibrate(&scratch, &rows, mean, 1000, c), XMC_OK);
		assert_true(fabs(c[0] - 0.5) < 0.01 && fabs(c[1] - 0.25) < 1e-6);
		assert_int_equal(xmc_group_reliability(&scratch, &rows, 1, &value), XMC_OK);
		assert_true(value == 0);
		assert_int_equal(xmc_group_reliability(&scratch, &rows, 0, &value), XMC_OK);
		assert_true(rows.n ? value > 0 && value < 0.5 : value == 0);
	}
	xmc_arena_free(&scratch);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_harm),
		cmocka_unit_test(test_gain),
		cmocka_unit_test(test_few_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
