/* test_options.c - the table of options: complete, with valid defaults, and its bounds enforced */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <math.h>

#include "counting.h"
#include "xmcoh/options.h"

/* Every member of the struct is in the table exactly once. */
static void
test_table(void **state)
{
	int32_t		count;
	const xmc_option_info *info = xmc_option_table(&count);
	unsigned char covered[sizeof(xmc_options)] = {0};
	xmc_options options;

	(void) state;
	xmc_options_default(&options);
	for (int32_t k = 0; k < count; k++)
	{
		size_t		size = info[k].is_integer ? sizeof(int32_t) : sizeof(double);

		for (size_t b = 0; b < size; b++)
			assert_int_equal(covered[info[k].offset + b]++, 0);
		for (int32_t other = 0; other < k; other++)
			assert_string_not_equal(info[k].name, info[other].name);
		assert_true(info[k].low <= info[k].default_value && info[k].default_value <= info[k].high);
		assert_true(xmc_options_get(&options, &info[k]) == info[k].default_value);
		assert_true(strlen(info[k].meaning) > 10);
		assert_null(strchr(info[k].meaning, '\n'));
	}
	assert_int_equal(offsetof(xmc_options, held_out), sizeof(xmc_options) - sizeof(double));
	for (size_t b = 0; b < sizeof covered; b++)
		if (b < offsetof(xmc_options, seed) + sizeof(int32_t) || b >= offsetof(xmc_options, dropout))
			assert_int_equal(covered[b], 1);	/* between the two there may be padding */
}

/* What a stored model does not hold has its default, as it was when models began to hold it. */
static void
test_absent(void **state)
{
	int32_t		count;
	const xmc_option_info *info = xmc_option_table(&count);

	(void) state;
	assert_true(xmc_option_when_absent(xmc_option_find("adapter_rank")) == 8);
	assert_true(xmc_option_when_absent(xmc_option_find("fine_tune_dropout")) == 0);
	assert_true(xmc_option_when_absent(xmc_option_find("fine_tune_epochs")) == 3);
	for (int32_t k = 0; k < count; k++)
		if (!info[k].is_later)
			assert_true(xmc_option_when_absent(&info[k]) == info[k].default_value);
}

static void
test_defaults(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options;

	(void) state;
	xmc_options_default(&options);
	assert_int_equal(options.words, 1);
	assert_int_equal(options.image_dim, 0);
	assert_int_equal(xmc_options_check(&ctx, &options), XMC_OK);
}

static void
test_bounds(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	int32_t		count;
	const xmc_option_info *info = xmc_option_table(&count);

	(void) state;
	for (int32_t k = 0; k < count; k++)
	{
		xmc_options options;
		xmc_options before;
		const double wrong[] = {info[k].low - (info[k].is_integer ? 1 : 1e-9), info[k].high + (info[k].is_integer ? 1 : 1e-9),
		NAN, INFINITY, -INFINITY, 1e300, -1e300};

		xmc_options_default(&options);
		assert_int_equal(xmc_options_set(&ctx, &options, info[k].name, info[k].low), XMC_OK);
		assert_true(xmc_options_get(&options, &info[k]) == info[k].low);
		assert_int_equal(xmc_options_set(&ctx, &options, info[k].name, info[k].high), XMC_OK);
		assert_true(xmc_options_get(&options, &info[k]) == info[k].high);
		before = options;
		for (size_t w = 0; w < sizeof wrong / sizeof wrong[0]; w++)
		{
			ctx.message[0] = '\0';
			assert_int_equal(xmc_options_set(&ctx, &options, info[k].name, wrong[w]), XMC_BAD_INPUT);
			assert_non_null(strstr(ctx.message, info[k].name));
			assert_memory_equal(&options, &before, sizeof options);
		}
		if (info[k].is_integer && info[k].high > info[k].low + 1)
		{
			assert_int_equal(xmc_options_set(&ctx, &options, info[k].name, info[k].low + 0.5), XMC_BAD_INPUT);
			assert_non_null(strstr(ctx.message, "whole number"));
		}
	}
}

/* The list of names has every option that a user may set there, and no input. An unknown name is shown, a long one cut. */
static void
test_unknown(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options;
	int32_t		count;
	const xmc_option_info *info = xmc_option_table(&count);
	char		long_name[300];
	char		names[XMC_OPTION_NAMES];

	(void) state;
	xmc_options_default(&options);
	memset(long_name, 'z', sizeof long_name - 1);
	long_name[sizeof long_name - 1] = '\0';
	for (int round = 0; round < 2; round++)
	{
		assert_int_equal(xmc_options_set(&ctx, &options, round ? long_name : "d_modle", 1), XMC_BAD_INPUT);
		assert_non_null(strstr(ctx.message, round ? "zzz..." : "\"d_modle\""));
	}
	xmc_option_names(names);
	for (int32_t k = 0; k < count; k++)
	{
		if (info[k].is_input)
			assert_null(strstr(names, info[k].name));
		else
			assert_non_null(strstr(names, info[k].name));
		assert_ptr_equal(xmc_option_find(info[k].name), &info[k]);
	}
	assert_string_equal(names + strlen(names) - strlen(", held_out"), ", held_out");
	assert_null(xmc_option_find("D_MODEL"));
	assert_int_equal(xmc_options_set(&ctx, &options, "", 1), XMC_BAD_INPUT);
	assert_int_equal(xmc_options_set(&ctx, &options, "D_MODEL", 128), XMC_BAD_INPUT);
}

static void
test_check(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options;

	(void) state;
	xmc_options_default(&options);
	options.heads = 3;
	assert_int_equal(xmc_options_check(&ctx, &options), XMC_BAD_INPUT);
	assert_non_null(strstr(ctx.message, "heads"));
	options.d_model = 129;
	assert_int_equal(xmc_options_check(&ctx, &options), XMC_OK);
	options.words = 0;
	assert_int_equal(xmc_options_check(&ctx, &options), XMC_BAD_INPUT);
	assert_non_null(strstr(ctx.message, "input"));
	options.image_dim = 3;
	assert_int_equal(xmc_options_check(&ctx, &options), XMC_OK);
	options.image_dim = 0;
	options.text_dim = 3;
	assert_int_equal(xmc_options_check(&ctx, &options), XMC_OK);
	options.heads = 0;			/* must not divide by it */
	assert_int_equal(xmc_options_check(&ctx, &options), XMC_BAD_INPUT);
	options.heads = 3;
	options.dropout = NAN;
	assert_int_equal(xmc_options_check(&ctx, &options), XMC_BAD_INPUT);
	assert_non_null(strstr(ctx.message, "dropout"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
