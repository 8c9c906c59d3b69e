/* test_utf8.c - validation, encoding and the printable form of utf8.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/utf8.h"
#include "counting.h"

/* Each of the ways to be invalid, and its valid neighbours. */
static void
test_valid(void **state)
{
	static const char *const right[] = {"", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
		"\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
	static const char *const wrong[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe0\xa0",
		"\xe1\x80\x41", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf1\x80\x80\xc0", "\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80", "\xfe", "\xff"};

	(void) state;
	for (size_t k = 0; k < sizeof right / sizeof right[0]; k++)
		assert_true(xmc_utf8_valid(right[k], strlen(right[k])));
	for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++)
	{
		char	   *copy = exact_copy(wrong[k], strlen(wrong[k]));

		assert_false(xmc_utf8_valid(copy, strlen(wrong[k])));
		free(copy);
	}
}

/* What is encoded is valid, has one character, and the same bytes as the encoding's definition says. */
static void
test_put(void **state)
{
	static const struct
	{
		uint32_t	c;
		const char *bytes;
	}			cases[] = {{0x41, "A"}, {0x7f, "\x7f"}, {0x80, "\xc2\x80"}, {0x7ff, "\xdf\xbf"}, {0x800, "\xe0\xa0\x80"},
	{0x20ac, "\xe2\x82\xac"}, {0xffff, "\xef\xbf\xbf"}, {0x10000, "\xf0\x90\x80\x80"}, {0x10ffff, "\xf4\x8f\xbf\xbf"}};

	(void) state;
	for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
	{
		unsigned char out[4];
		size_t		length = xmc_utf8_put((char *) out, cases[k].c);

		assert_int_equal(length, strlen(cases[k].bytes));
		assert_memory_equal(out, cases[k].bytes, length);
		assert_int_equal(xmc_utf8_character(out, out + length), length);
	}
}

static void
test_printable(void **state)
{
	char		out[XMC_PRINTABLE];
	char		longer[200];

	(void) state;
	assert_string_equal(xmc_printable("a\xc3\xa9\n\xf0\x9f\x98\x80z\0!", 11, out), "a???z?!");
	memset(longer, 'x', sizeof longer);
	xmc_printable(longer, sizeof longer, out);
	assert_int_equal(strlen(out), XMC_PRINTABLE - 1);
	assert_string_equal(out + XMC_PRINTABLE - 5, "x...");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_printable),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
