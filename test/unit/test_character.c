/* test_character.c - properties of every character are the same with every version of ICU */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "text_encoder/character.h"
#include "text_encoder/normal_form.h"

#define CHARACTERS 0x110000

/* FNV-1a */
static uint32_t
add_bytes(uint32_t sum, const void *bytes, size_t n)
{
	for (size_t k = 0; k < n; k++)
		sum = (sum ^ ((const unsigned char *) bytes)[k]) * 16777619u;
	return sum;
}

static uint32_t
checksum(int64_t (*value) (UChar32))
{
	uint32_t	sum = 2166136261u;

	for (UChar32 c = 0; c < CHARACTERS; c++)
	{
		uint32_t	v = (uint32_t) value(c);
		unsigned char bytes[4] = {v & 0xff, v >> 8 & 0xff, v >> 16 & 0xff, v >> 24};

		sum = add_bytes(sum, bytes, sizeof bytes);
	}
	return sum;
}

#define VALUE(name, expression) static int64_t name(UChar32 c) { return expression; }

VALUE(is_control, xmc_character_is_control(c))
VALUE(is_nonspacing, xmc_character_is_nonspacing(c))
VALUE(is_mark, xmc_character_is_mark(c))
VALUE(is_punctuation, xmc_character_is_punctuation(c))
VALUE(is_space, xmc_character_is_space(c))
VALUE(is_word, xmc_character_is_word(c))
VALUE(is_numeric, xmc_character_is_numeric(c))
VALUE(is_picture, xmc_character_is_picture(c))
VALUE(break_class, xmc_character_break_class(c))
VALUE(lower, xmc_character_lower(c))

/*
 * The sums are those of ICU 72 and of ICU 78, with which all ids were those of the reference implementation. If a newer
 * ICU has another sum, a later version of Unicode has changed a property of an older character: an exception in
 * character.c brings the sum back.
 */
static void
test_every_character(void **state)
{
	static const struct
	{
		const char *name;
		int64_t		(*value) (UChar32);
		uint32_t	sum;
	}			property[] =
	{
		{"control", is_control, 0xa8df8ba4},
		{"nonspacing", is_nonspacing, 0xb0fc43a4},
		{"mark", is_mark, 0x75542a54},
		{"punctuation", is_punctuation, 0xfeef6095},
		{"space", is_space, 0xb0d1f064},
		{"word", is_word, 0x0226a004},
		{"numeric", is_numeric, 0x567980b5},
		{"picture", is_picture, 0x1b14a555},
		{"break class", break_class, 0x94cc662d},
		{"lower case", lower, 0xbc577c12}
	};
	int			others = 0;

	(void) state;
	for (size_t k = 0; k < sizeof property / sizeof property[0]; k++)
	{
		uint32_t	sum = checksum(property[k].value);

		if (sum == property[k].sum)
			continue;
		print_error("%s: 0x%08x, not 0x%08x, with Unicode " U_UNICODE_VERSION "\n", property[k].name, (unsigned) sum,
					(unsigned) property[k].sum);
		others++;
	}
	assert_int_equal(others, 0);
}

/* The same for the normal forms of every character between marks of two classes, which it may compose with or stand among. */
static void
test_every_normal_form(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_text_buffer text = {.ctx = &ctx};
	uint32_t	sum = 2166136261u;

	(void) state;
	for (UChar32 c = 1; c < CHARACTERS; c++)
	{
		if (U_IS_SURROGATE(c))
			continue;
		assert_int_equal(xmc_text_put(&text, "a\xcc\x81", 3, false), XMC_OK);
		assert_int_equal(xmc_text_put_character(&text, c, false), XMC_OK);
		assert_int_equal(xmc_text_put(&text, "\xcc\xa3\xcc\x81 ", 5, false), XMC_OK);
		assert_int_equal(xmc_text_put_character(&text, c, false), XMC_OK);
		assert_int_equal(xmc_text_put(&text, "\xcc\x88", 2, false), XMC_OK);
	}
	for (int form = 0; form < 4; form++)
	{
		xmc_text_buffer out = {.ctx = &ctx};

		assert_int_equal(xmc_normal_form(&ctx, form & 1, form & 2, &text, &out), XMC_OK);
		sum = add_bytes(sum, out.bytes, out.used);
		xmc_text_buffer_free(&out);
	}
	xmc_text_buffer_free(&text);
	assert_int_equal(sum, 0x82d07c7f);
}

/* What versions of Unicode changed in a character, and characters that are younger than ICU 72. */
static void
test_versions(void **state)
{
	(void) state;
	assert_true(xmc_character_is_nonspacing(0x1171e));	/* a spacing mark since Unicode 16 */
	assert_true(xmc_character_is_mark(0x1171e));
	assert_false(xmc_character_is_nonspacing(0x897));	/* of Unicode 16 */
	assert_true(xmc_character_is_word(0x897));
	assert_true(xmc_character_is_word(0x2ebf0));	/* of Unicode 15.1 */
	assert_false(xmc_character_is_word(0x10940));	/* of Unicode 17 */
	assert_true(xmc_character_is_numeric(0x11de5)); /* of Unicode 17 */
	assert_false(xmc_character_is_word(0x10fffe));
	assert_int_equal(xmc_character_lower(0x1c89), 0x1c8a);	/* of Unicode 16 */
	assert_int_equal(xmc_character_lower(0xa7ce), 0xa7cf);	/* of Unicode 17 */
	assert_int_equal(xmc_character_lower(0xc4), 0xe4);
	assert_int_equal(xmc_character_break_class(0x1baa), U_GCB_EXTEND);	/* a spacing mark before Unicode 16 */
	assert_int_equal(xmc_character_break_class(0x11a3a), U_GCB_OTHER);	/* Prepend before Unicode 17 */
	assert_int_equal(xmc_character_break_class(0x113d1), U_GCB_PREPEND);	/* of Unicode 16 */
	assert_int_equal(xmc_character_break_class(0xe0fff), U_GCB_CONTROL);	/* not assigned */
	assert_true(xmc_character_is_picture(0x2764));
	assert_false(xmc_character_is_picture(0x2654)); /* a picture before Unicode 17 */
	assert_false(xmc_character_is_picture(0x1f8d0));	/* was kept for pictures before Unicode 17 */
	assert_true(xmc_character_is_picture(0x1faff)); /* is kept for pictures */
	assert_false(xmc_character_is_picture('1'));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_character),
		cmocka_unit_test(test_every_normal_form),
		cmocka_unit_test(test_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
