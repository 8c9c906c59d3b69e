/* The released rule of guidance, against what its few lines give by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "counting.h"
#include "score/guidance_paper.h"

#define N 3

static const int32_t self[N] = {0, 1, 2};

/* Antisymmetric scores from those of the pairs (0, 1), (0, 2) and (1, 2). */
static void
fill(float s[N * N], float s01, float s02, float s12)
{
	const float all[N * N] = {0, s01, s02, -s01, 0, s12, -s02, -s12, 0};

	memcpy(s, all, sizeof all);
}

static void
assert_scores(const float s[N * N], float s01, float s02, float s12)
{
	float		want[N * N];

	fill(want, s01, s02, s12);
	for (int k = 0; k < N * N; k++)
		if (!(fabsf(s[k] - want[k]) <= 1e-5f))
			fail_msg("score %d is %g, not %g", k, s[k], want[k]);
}

static void
guide(const int32_t *image_of, const int32_t *text_of, int32_t rounds, float *text, float *image)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);

	assert_int_equal(xmc_guidance_paper(&ctx, N, image_of, text_of, rounds, text, image), XMC_OK);
	assert_int_equal(counts.live, 0);
}

/*
 * The same evidence comes back round after round: a pair of which both sides are sure goes from (1, 1) to (1.5, 2) and
 * (2.375, 3.5), here in units of 3 so that both stay above their thresholds.
 */
static void
test_rounds(void **state)
{
	static const float want_text[] = {1.5f, 2.375f, 3.84375f};
	static const float want_image[] = {2, 3.5f, 5.875f};
	float		text[N * N];
	float		image[N * N];

	(void) state;
	for (int32_t rounds = 1; rounds <= 3; rounds++)
	{
		fill(text, 3, 3, -3);
		fill(image, 3, 3, -3);
		guide(self, self, rounds, text, image);
		assert_scores(text, 3 * want_text[rounds - 1], 3 * want_text[rounds - 1], -3 * want_text[rounds - 1]);
		assert_scores(image, 3 * want_image[rounds - 1], 3 * want_image[rounds - 1], -3 * want_image[rounds - 1]);
	}
}

/* Texts above 0.8 guide and images above 0.9, in whichever direction; others say nothing. */
static void
test_thresholds(void **state)
{
	const float t = (float) log(4);
	const float i = (float) log(9);
	float		text[N * N];
	float		image[N * N];

	(void) state;
	fill(text, t + 0.01f, -(t + 0.01f), t - 0.01f);
	fill(image, 0, 0, 0);
	guide(self, self, 1, text, image);
	assert_scores(image, t + 0.01f, -(t + 0.01f), 0);
	assert_scores(text, t + 0.01f, -(t + 0.01f), t - 0.01f);	/* what came from them is below the images' threshold */

	fill(text, 0, 0, 0);
	fill(image, i + 0.01f, -(i + 0.01f), i - 0.01f);
	guide(self, self, 1, text, image);
	assert_scores(text, (i + 0.01f) / 4, -(i + 0.01f) / 4, 0);

	/* The texts are guided by the images as they have become: neither alone is above 0.9. */
	fill(text, 1.5f, 0, 0);
	fill(image, 1.5f, 0, 0);
	guide(self, self, 1, text, image);
	assert_scores(image, 3, 0, 0);
	assert_scores(text, 1.5f + 0.75f, 0, 0);
}

/* Counterparts of their own for each direction, of which two may be one. */
static void
test_alignment(void **state)
{
	const int32_t image_of[N] = {1, 1, 0};
	const int32_t text_of[N] = {2, -1, -1};
	float		text[N * N];
	float		image[N * N];

	(void) state;
	fill(text, 4, 2, 3);
	fill(image, 0, 0, 0);
	guide(image_of, text_of, 2, text, image);
	assert_scores(text, 4, 2, 3);	/* no two images have a text */
	/* 0 and 1 have the same image, so what is known of them is lost; both say of image 1 that it stands before image 0. */
	assert_scores(image, -2 * (2 + 3), 0, 0);
}

static bool
stop(void *arg)
{
	(void) arg;
	return true;
}

static void
test_stop(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	float		text[N * N] = {0};
	float		image[N * N] = {0};

	(void) state;
	ctx.stop = stop;
	assert_int_equal(xmc_guidance_paper(&ctx, N, self, self, 1, text, image), XMC_STOPPED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_thresholds),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
