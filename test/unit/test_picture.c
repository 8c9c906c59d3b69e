/*
 * test_picture.c - pictures as SVG: well-formed whatever the texts and numbers are, the same bytes for the same data, bounded;
 * and that each shows what it is given
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "counting.h"
#include "pictures.h"
#include "well_formed.h"

static const char *const hostile[] = {
	"</text></svg><script>alert(1)</script>", "\" onload=\"alert(1)", "\x01\x02\xff\xfe & ' ]]> <!-- <![CDATA[", "\xe2\x80\xae" "evil",
	"\xed\xa0\x80", "", "{0}{1}{2} %s%n", "\xe6\x89\x8b\xe9\xa0\x86\xe6\x89\x8b\xe9\xa0\x86\xe6\x89\x8b\xe9\xa0\x86\xe6\x89\x8b\xe9\xa0\x86\xe6\x89\x8b\xe9\xa0\x86",
	"&amp;&#1;&nosuch;", "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"
};
static const double wild[] = {0.5, 0.9, NAN, 1e300, -1e300, INFINITY, -INFINITY, 0, 0.25, 1.79e9, 3, 1, 0.731, -0.2};
static const double tame[] = {0.55, 0.91, 0.72, 0.97, 0.61, 0.2};

static char *
drawn(int kind, xmc_picture_language language, bool ascii, sample s, size_t *length)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_markup	out;
	char	   *text;
	char	   *copy;

	xmc_markup_init(&out, &ctx, ascii);
	assert_int_equal(sample_picture[kind] (&out, language, &s), XMC_OK);
	assert_int_equal(xmc_markup_end(&out, &text, length), XMC_OK);
	copy = test_malloc(*length + 1);
	memcpy(copy, text, *length + 1);
	xmc_release(&ctx, text);
	assert_int_equal(counts.live, 0);
	return copy;
}

static bool
has(const char *svg, const char *piece)
{
	return strstr(svg, piece) != NULL;
}

static int
count(const char *svg, const char *piece)
{
	int			n = 0;

	while ((svg = strstr(svg, piece)) != NULL)
	{
		n++;
		svg++;
	}
	return n;
}

/* Every picture, in every language, of few and many items, with hostile texts and numbers. */
static void
test_hostile(void **state)
{
	static const int32_t sizes[] = {0, 1, 2, 3, 7, 8, 40, 61, 130};

	(void) state;
	for (int kind = 0; kind < PICTURES; kind++)
		for (size_t z = 0; z < sizeof sizes / sizeof sizes[0]; z++)
			for (int form = 0; form < 8; form++)
			{
				bool		is_wild = form & 1;
				sample		s = {.n = sizes[z],.n_texts = 10,.text = hostile,.n_numbers = is_wild ? 14 : 6,.number = is_wild ? wild : tame};
				size_t		length;
				char	   *svg;

				if ((kind == 3 && s.n > 8) || (kind == 6 && s.n > 40))
					continue;	/* XMC_LIMIT: test_limits */
				svg = drawn(kind, form & 2 ? XMC_PICTURE_JAPANESE : XMC_PICTURE_ENGLISH, form & 4, s, &length);
				assert_true(well_formed(svg, length));
				assert_false(has(svg, "<script"));
				assert_false(has(svg, "\" onload"));
				assert_true(has(svg, " role=\"img\""));
				assert_true(has(svg, "<title>") && has(svg, "<desc>"));
				assert_true(has(svg, form & 2 ? "xml:lang=\"ja\"" : "xml:lang=\"en\""));
				assert_false(has(svg, "nan") || has(svg, "inf\""));
				for (size_t k = 0; (form & 4) && k < length; k++)
					assert_true((unsigned char) svg[k] < 0x80);
				test_free(svg);
			}
}

static void
test_same_bytes(void **state)
{
	(void) state;
	for (int kind = 0; kind < PICTURES; kind++)
	{
		sample		s = {.n = 8,.n_texts = 10,.text = hostile,.n_numbers = 6,.number = tame};
		size_t		length[2];
		char	   *first = drawn(kind, XMC_PICTURE_ENGLISH, false, s, &length[0]);
		char	   *second = drawn(kind, XMC_PICTURE_ENGLISH, false, s, &length[1]);

		assert_int_equal(length[0], length[1]);
		assert_memory_equal(first, second, length[0]);
		test_free(first);
		test_free(second);
	}
}

/* The status of a picture of n items. */
static xmc_status
status_of(int kind, int32_t n, size_t *length, char *message)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	sample		s = {.n = n,.n_texts = 10,.text = hostile,.n_numbers = 6,.number = tame};
	xmc_markup	out;
	char	   *text;
	xmc_status	status;

	xmc_markup_init(&out, &ctx, false);
	status = sample_picture[kind] (&out, XMC_PICTURE_ENGLISH, &s);
	xmc_markup_end(&out, &text, length);
	xmc_release(&ctx, text);
	strcpy(message, ctx.message);
	assert_int_equal(counts.live, 0);
	return status;
}

/* A document of 2,000 items fits, with a picture of bounded size; a larger one is refused. So are too many points. */
static void
test_limits(void **state)
{
	static const int32_t most[PICTURES] = {2000, 2000, 2000, 8, 20000, 20000, 40};
	char		message[512];
	size_t		length;

	(void) state;
	for (int kind = 0; kind < PICTURES; kind++)
	{
		assert_int_equal(status_of(kind, most[kind], &length, message), XMC_OK);
		assert_in_range(length, 1000, 16 << 20);
		if (kind < 3)
			assert_in_range(length, 1000, 1 << 20);
		assert_int_equal(status_of(kind, most[kind] + 1, &length, message), XMC_LIMIT);
		assert_true(has(message, "holds"));
	}
}

/* Out of memory, or stopped, at any point: an error and nothing left over. */
static void
test_errors(void **state)
{
	(void) state;
	for (int kind = 0; kind < PICTURES; kind++)
		for (int way = 0; way < 2; way++)
			for (long at = 1;; at++)
			{
				counting	counts;
				xmc_ctx		ctx = counting_ctx(&counts);
				sample		s = {.n = kind == 3 ? 8 : 30,.n_texts = 10,.text = hostile,.n_numbers = 6,.number = tame};
				xmc_markup	out;
				char	   *text;
				size_t		length;
				xmc_status	status;
				xmc_status	ended;

				*(way ? &counts.stop_at : &counts.fail_at) = at;
				xmc_markup_init(&out, &ctx, false);
				status = sample_picture[kind] (&out, XMC_PICTURE_ENGLISH, &s);
				ended = xmc_markup_end(&out, &text, &length);
				xmc_release(&ctx, text);
				assert_int_equal(counts.live, 0);
				if ((way ? counts.questions : counts.calls) < at)
				{
					assert_int_equal(status, XMC_OK);
					break;
				}
				assert_int_equal(status != XMC_OK ? status : ended, way ? XMC_STOPPED : XMC_NO_MEMORY);
			}
}

static void
test_bad_input(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_picture_item item[2] = {{"1", "a"}, {"2", "b"}};
	xmc_markup	out;

	(void) state;
	xmc_markup_init(&out, &ctx, false);
	assert_int_equal(xmc_draw_order(&out, XMC_PICTURE_ENGLISH, &(xmc_order_picture) {.document = "d",.n = 2,.item = item,.stored = 2,
		.recovered = (int32_t[]) {0, 0},.moved = (uint8_t[]) {0, 0}}), XMC_BAD_INPUT);
	assert_int_equal(xmc_draw_order(&out, XMC_PICTURE_ENGLISH, &(xmc_order_picture) {.document = "d",.n = 2,.item = item,.stored = 2,
		.recovered = (int32_t[]) {0, 2},.moved = (uint8_t[]) {0, 0}}), XMC_BAD_INPUT);
	for (int k = 0; k < 3; k++)
	{
		static const xmc_picture_link links[] = {{2, 0, 1, true}, {0, -2, 1, true}, {-1, -1, 1, true}};

		assert_int_equal(xmc_draw_alignment(&out, XMC_PICTURE_ENGLISH, &(xmc_alignment_picture) {.document = "d",.n_texts = 2,.text = item,
			.n_images = 2,.image = item,.n_links = 1,.link = &links[k]}), XMC_BAD_INPUT);
	}
	assert_int_equal(counts.live, 0);
}

/* ---- what the pictures show ---- */

static const char *const plain[] = {"one", "two", "three", "four"};

static void
test_shown_order(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_picture_item item[4] = {{"1", "one"}, {"2", "two"}, {"3", "three"}, {"4", "four"}};
	xmc_order_picture picture = {.document = "D7",.n = 4,.item = item,.stored = 4,.recovered = (int32_t[]) {1, 2, 0, 3},
	.moved = (uint8_t[]) {0, 0, 1, 0},.violated = 2};
	xmc_markup	out;
	char	   *svg;
	size_t		length;

	(void) state;
	xmc_markup_init(&out, &ctx, false);
	assert_int_equal(xmc_draw_order(&out, XMC_PICTURE_ENGLISH, &picture), XMC_OK);
	assert_int_equal(xmc_markup_end(&out, &svg, &length), XMC_OK);
	assert_true(has(svg, "<title>Order: D7</title>"));
	assert_true(has(svg, ">1 of 4 steps move; surely wrong pairs: 2</text>"));
	assert_true(has(svg, "1 steps move: 3. Pairs"));
	assert_int_equal(count(svg, "<path class=\"l s1 thick\""), 1);
	assert_int_equal(count(svg, "<path class=\"grey\""), 3);
	assert_int_equal(count(svg, ">three</text>"), 2);
	xmc_release(&ctx, svg);
	picture.violated = 0;
	xmc_markup_init(&out, &ctx, false);
	assert_int_equal(xmc_draw_order(&out, XMC_PICTURE_JAPANESE, &picture), XMC_OK);
	assert_int_equal(xmc_markup_end(&out, &svg, &length), XMC_OK);
	assert_true(has(svg, "4手順のうち1手順が移動。確実に逆の対はない"));
	xmc_release(&ctx, svg);
}

static void
test_shown_pairs(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_picture_item item[3] = {{"1", plain[0]}, {"2", plain[1]}, {"3", plain[2]}};
	float		p[9] = {NAN, 0.9f, 0.25f, NAN, NAN, 1, NAN, NAN, NAN};
	uint8_t		flags[9] = {0, 0, XMC_PAIR_VIOLATED, 0, 0, XMC_PAIR_DECIDED, 0, 0, 0};
	xmc_markup	out;
	char	   *svg;
	size_t		length;

	(void) state;
	xmc_markup_init(&out, &ctx, false);
	assert_int_equal(xmc_draw_pairs(&out, XMC_PICTURE_ENGLISH, &(xmc_pairs_picture) {.document = "D7",.n = 3,.item = item,.p = p,.flags = flags}), XMC_OK);
	assert_int_equal(xmc_markup_end(&out, &svg, &length), XMC_OK);
	assert_true(has(svg, ">.90</text>") && has(svg, ">.25</text>") && has(svg, ">1.00</text>"));
	assert_true(has(svg, "Of 3 pairs the model agrees with the stored order in 2 and contradicts it in 1. 1 pairs are decided by people, 1 are marked"));
	assert_int_equal(count(svg, "class=\"m1\""), 1 + 3);	/* a cell and the legend */
	assert_int_equal(count(svg, "class=\"m0\""), 2 + 3);
	assert_int_equal(count(svg, "<rect class=\"mark\""), 1 + 1);
	assert_int_equal(count(svg, "<circle class=\"dot\""), 1 + 1);
	xmc_release(&ctx, svg);
}

/* An extrapolated point is hollow and its line is dashed; the picture says what that means. */
static void
test_shown_learning(void **state)
{
	static const xmc_learning_point point[] = {
		{30, {0.1, 0, 0.2}, {NAN, NAN, NAN}, false}, {60, {0.2, 0.1, 0.3}, {NAN, NAN, NAN}, false}, {120, {0.25, 0.1, 0.4}, {NAN, NAN, NAN}, true}};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_markup	out;
	char	   *svg;
	size_t		length;

	(void) state;
	xmc_markup_init(&out, &ctx, false);
	assert_int_equal(xmc_draw_learning(&out, XMC_PICTURE_ENGLISH, &(xmc_learning_picture) {.model = "m",.n = 3,.point = point}), XMC_OK);
	assert_int_equal(xmc_markup_end(&out, &svg, &length), XMC_OK);
	assert_int_equal(count(svg, "class=\"l hollow s0\""), 1);
	assert_int_equal(count(svg, "<polyline class=\"l s0 dash\""), 1);
	assert_int_equal(count(svg, "<polyline class=\"l s0\""), 1);
	assert_int_equal(count(svg, "class=\"l s1"), 0);
	assert_true(has(svg, "hollow: extrapolated, not measured"));
	assert_true(has(svg, "At 60 documents tau is 0.20 and the share -. Extrapolated to 120 documents: tau 0.25, share -."));
	xmc_release(&ctx, svg);
}

/* Six groups are drawn, those with the most documents; the picture says how many are left out. Dates are those of the calendar. */
static void
test_shown_quality(void **state)
{
	static const char *const group[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
	xmc_quality_point point[16];
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_markup	out;
	char	   *svg;
	size_t		length;

	(void) state;
	for (int k = 0; k < 16; k++)	/* from 2024-02-29 to 2024-03-31 */
		point[k] = (xmc_quality_point) {group[k % 8], 1709164800.0 + (k / 8) * 31 * 86400.0, k % 8 == 2 ? 5 : 10 + k % 8, 0.5, 0.1};
	xmc_markup_init(&out, &ctx, false);
	assert_int_equal(xmc_draw_quality(&out, XMC_PICTURE_ENGLISH, &(xmc_quality_picture) {.model = "m",.n = 16,.point = point}), XMC_OK);
	assert_int_equal(xmc_markup_end(&out, &svg, &length), XMC_OK);
	assert_int_equal(count(svg, "<polyline"), 2 * 6);
	assert_true(has(svg, ">h</text>") && has(svg, ">b</text>") && !has(svg, ">a</text>") && !has(svg, ">c</text>"));
	assert_true(has(svg, "2 smaller groups are not drawn"));
	assert_true(has(svg, ">2024-02-29</text>") && has(svg, ">2024-03-31</text>"));
	assert_true(has(svg, "101 documents at the end, 8 groups"));
	xmc_release(&ctx, svg);
	/* the whole is no group, and its documents are not counted twice */
	point[7].group = point[15].group = NULL;
	point[7].documents = point[15].documents = 200;
	xmc_markup_init(&out, &ctx, false);
	assert_int_equal(xmc_draw_quality(&out, XMC_PICTURE_ENGLISH, &(xmc_quality_picture) {.model = "m",.n = 16,.point = point}), XMC_OK);
	assert_int_equal(xmc_markup_end(&out, &svg, &length), XMC_OK);
	assert_true(has(svg, "200 documents at the end, 7 groups") && has(svg, ">all documents</text>") && has(svg, "2 smaller groups are not drawn"));
	xmc_release(&ctx, svg);
}

static void
test_shown_reliability(void **state)
{
	static const xmc_reliability_point point[] = {{0.9, {0.93, 0.88, 0.96}, 0.4}, {0.99, {NAN, NAN, NAN}, 0}};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_markup	out;
	char	   *svg;
	size_t		length;

	(void) state;
	xmc_markup_init(&out, &ctx, false);
	assert_int_equal(xmc_draw_reliability(&out, XMC_PICTURE_ENGLISH, &(xmc_reliability_picture) {.model = "m",.documents = true,.n = 2,.point = point}), XMC_OK);
	assert_int_equal(xmc_markup_end(&out, &svg, &length), XMC_OK);
	assert_true(has(svg, "Promised, reached, passing: 90%, 93%, 40%; 99%, -, 0%."));
	assert_int_equal(count(svg, "<circle class=\"f0\""), 1 + 1);
	assert_true(has(svg, ">none</text>"));
	xmc_release(&ctx, svg);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile), cmocka_unit_test(test_same_bytes), cmocka_unit_test(test_limits), cmocka_unit_test(test_errors),
		cmocka_unit_test(test_bad_input), cmocka_unit_test(test_shown_order), cmocka_unit_test(test_shown_pairs),
		cmocka_unit_test(test_shown_learning), cmocka_unit_test(test_shown_quality), cmocka_unit_test(test_shown_reliability)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
