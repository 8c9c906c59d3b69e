/* test_markup.c - XML text: what is escaped, numbers, phrases, limits; and labels: clean copies, widths, cuts */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdio.h>

#include "counting.h"
#include "well_formed.h"
#include "picture/label.h"
#include "xmcoh/markup.h"

#define REPLACED "\xef\xbf\xbd"	/* U+FFFD */

/* What a text becomes. */
static void
assert_escaped(const char *text, size_t length, bool ascii, const char *wanted)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	char	   *copy = exact_copy(text, length);
	xmc_markup	out;
	char	   *got;
	size_t		got_length;

	xmc_markup_init(&out, &ctx, ascii);
	xmc_markup_bytes(&out, copy, length);
	assert_int_equal(xmc_markup_end(&out, &got, &got_length), XMC_OK);
	assert_string_equal(got, wanted);
	assert_int_equal(got_length, strlen(wanted));
	xmc_release(&ctx, got);
	free(copy);
	assert_int_equal(counts.live, 0);
}

static void
test_escaping(void **state)
{
	static const struct
	{
		const char *text;
		const char *wanted;
	}			cases[] = {
		{"", ""}, {"plain", "plain"}, {"<b a=\"1\">&'", "&lt;b a=&quot;1&quot;&gt;&amp;&#39;"}, {"]]>", "]]&gt;"}, {"&amp;", "&amp;amp;"},
		{"a\tb\nc\rd", "a b c d"}, {"\x01\x1f\x7f", REPLACED REPLACED REPLACED}, {"\xc2\x85", REPLACED},
		{"\xed\xa0\x80", REPLACED REPLACED REPLACED},	/* a surrogate */
		{"\xff\xfe", REPLACED REPLACED}, {"\xe3\x81", REPLACED REPLACED}, {"\xc0\x80", REPLACED REPLACED},
		{"\xef\xbf\xbe\xef\xbf\xbf", REPLACED REPLACED}, {"\xf0\x9f\xbf\xbe", REPLACED},
		{"\xe2\x80\xae", REPLACED}, {"\xe2\x81\xa6", REPLACED},	/* direction */
		{"\xe3\x81\x82\xf0\x9f\x98\x80\xc3\xa9", "\xe3\x81\x82\xf0\x9f\x98\x80\xc3\xa9"}
	};

	(void) state;
	for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
		assert_escaped(cases[k].text, strlen(cases[k].text), false, cases[k].wanted);
	assert_escaped("a\0b", 3, false, "a" REPLACED "b");
	assert_escaped("\xe3\x81\x82\xf0\x9f\x98\x80\xff", 8, true, "&#x3042;&#x1F600;&#xFFFD;");
}

/* Whatever two bytes stand in an attribute or between tags, the element is well-formed. */
static void
test_all_bytes(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);

	(void) state;
	for (int ascii = 0; ascii < 2; ascii++)
		for (int a = 0; a < 256; a++)
		{
			xmc_markup	out;
			char	   *text;
			size_t		length;

			xmc_markup_init(&out, &ctx, ascii);
			xmc_markup_put(&out, "<a>");
			for (int b = 0; b < 256; b++)
			{
				char		bytes[2] = {(char) a, (char) b};

				xmc_markup_put(&out, "<b c=\"");
				xmc_markup_bytes(&out, bytes, 2);
				xmc_markup_put(&out, "\">");
				xmc_markup_bytes(&out, bytes, 2);
				xmc_markup_put(&out, "</b>");
			}
			xmc_markup_put(&out, "</a>");
			assert_int_equal(xmc_markup_end(&out, &text, &length), XMC_OK);
			assert_true(well_formed(text, length));
			for (size_t k = 0; ascii && k < length; k++)
				assert_true((unsigned char) text[k] < 0x80);
			xmc_release(&ctx, text);
		}
	assert_int_equal(counts.live, 0);
}

/* The check itself: what is not well-formed. */
static void
test_well_formed(void **state)
{
	static const char *const wrong[] = {"", "text", "<a>", "</a>", "<a></b>", "<a/><b/>", "<a>&</a>", "<a>&nbsp;</a>", "<a>&#1;</a>", "<a b=c/>",
	"<a b=\"<\"/>", "<a>\x01</a>", "<a>\xff</a>", "<a>\xef\xbf\xbf</a>", "<a b=\"1/>", "<a", "<a>< b/></a>"};
	static const char *const right[] = {"<a/>", "<a></a>", "<a b=\"1\" c-d=\"'\">x&amp;y&#x3042;<e/></a>"};

	(void) state;
	for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++)
		assert_false(well_formed(wrong[k], strlen(wrong[k])));
	for (size_t k = 0; k < sizeof right / sizeof right[0]; k++)
		assert_true(well_formed(right[k], strlen(right[k])));
}

static void
test_numbers(void **state)
{
	static const struct
	{
		double		value;
		int			decimals;
		const char *text;
		const char *coordinate;
	}			cases[] = {
		{0, 2, "0.00", "0"}, {-0.0, 2, "0.00", "0"}, {-0.001, 2, "0.00", "0"}, {1.5, 0, "2", "1.5"}, {-12.345, 3, "-12.345", "-12.35"},
		{100, 1, "100.0", "100"}, {0.005, 2, "0.01", "0.01"}, {999999999.25, 1, "999999999.3", "999999999.25"}, {1e10, 0, "10000000000", "0"},
		{1e13, 0, "> 1000000000000", "0"}, {-INFINITY, 0, "< -1000000000000", "0"}, {NAN, 2, "-", "0"}
	};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);

	(void) state;
	setlocale(LC_ALL, "de_DE.UTF-8");	/* a decimal comma, where the machine has that locale */
	for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
	{
		char		text[XMC_NUMBER_BYTES];
		xmc_markup	out;
		char	   *coordinate;
		size_t		length;

		assert_string_equal(xmc_number_text(cases[k].value, cases[k].decimals, text), cases[k].text);
		xmc_markup_init(&out, &ctx, false);
		xmc_markup_number(&out, cases[k].value);
		assert_int_equal(xmc_markup_end(&out, &coordinate, &length), XMC_OK);
		assert_string_equal(coordinate, cases[k].coordinate);
		xmc_release(&ctx, coordinate);
	}
	setlocale(LC_ALL, "C");
}

static void
test_phrases(void **state)
{
	const char *argument[] = {"<1>", "{0}"};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_markup	out;
	char	   *text;
	size_t		length;

	(void) state;
	xmc_markup_init(&out, &ctx, false);
	xmc_markup_phrase(&out, "{1}, {0} & {2} {x {", 2, argument);
	assert_int_equal(xmc_markup_end(&out, &text, &length), XMC_OK);
	assert_string_equal(text, "{0}, &lt;1&gt; &amp; {2} {x {");
	xmc_release(&ctx, text);
}

/* The first error stays, nothing is written after it, and nothing is left over. */
static void
test_errors(void **state)
{
	static char block[1 << 20];
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_markup	out;
	char	   *text;
	size_t		length;

	(void) state;
	counts.fail_at = 2;
	xmc_markup_init(&out, &ctx, false);
	for (int k = 0; k < 20000; k++)
		xmc_markup_put(&out, "<a/>");
	assert_int_equal(xmc_markup_end(&out, &text, &length), XMC_NO_MEMORY);
	assert_null(text);
	assert_int_equal(counts.live, 0);
	ctx = counting_ctx(&counts);
	counts.stop_at = 3;
	xmc_markup_init(&out, &ctx, false);
	for (int k = 0; k < 40000; k++)
		xmc_markup_put(&out, "<a/>");
	assert_int_equal(xmc_markup_end(&out, &text, &length), XMC_STOPPED);
	assert_int_equal(counts.live, 0);
	ctx = counting_ctx(&counts);
	memset(block, 'x', sizeof block);
	xmc_markup_init(&out, &ctx, false);
	for (int k = 0; k <= XMC_MARKUP_MOST / (int) sizeof block; k++)
		xmc_markup_bytes(&out, block, sizeof block);
	assert_int_equal(xmc_markup_end(&out, &text, &length), XMC_LIMIT);
	assert_non_null(strstr(ctx.message, "bytes"));
	assert_int_equal(counts.live, 0);
}

/* ---- labels ---- */

static void
assert_label(const char *text, double most, const char *wanted)
{
	char		label[XMC_LABEL_BYTES];
	size_t		length = xmc_label_clean(text, label);
	size_t		cut = xmc_label_cut(label, length, most);

	assert_string_equal(label, wanted);
	assert_int_equal(cut, strlen(wanted));
	assert_true(xmc_utf8_valid(label, cut));
	if (most >= 1)				/* the ellipsis alone is 1 wide */
		assert_true(xmc_label_width(label, cut) <= most + 1e-9);
}

static void
test_labels(void **state)
{
	static const char family[] = "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7";	/* one cluster of two people and a joiner */
	char		clusters[4 * sizeof family] = "";
	char		once[sizeof family + 4];
	char	   *longer = test_malloc(1 << 20);
	char		label[XMC_LABEL_BYTES];

	(void) state;
	assert_label("", 5, "");
	assert_label("  two\n\t words\xe3\x80\x80 ", 50, "two words");
	assert_label("a\x01" "b\xff", 50, "a" REPLACED "b" REPLACED);
	assert_label("\xe2\x80\xae" "abc\xe2\x81\xa9\xef\xbb\xbf", 50, "abc");
	/* wide characters take 1 em each */
	assert_label("\xe6\x89\x8b\xe9\xa0\x86\xe6\x89\x8b\xe9\xa0\x86", 4, "\xe6\x89\x8b\xe9\xa0\x86\xe6\x89\x8b\xe9\xa0\x86");
	assert_label("\xe6\x89\x8b\xe9\xa0\x86\xe6\x89\x8b\xe9\xa0\x86", 3.5, "\xe6\x89\x8b\xe9\xa0\x86\xe2\x80\xa6");
	assert_label("aaa bbb ccc", 4, "aaa b\xe2\x80\xa6");
	assert_label("aaa bbb ccc", 3.3, "aaa\xe2\x80\xa6");
	assert_label("abc", 0.5, "\xe2\x80\xa6");
	/* a cluster is kept or cut as a whole, and an accent with its letter */
	for (int k = 0; k < 3; k++)
		strcat(clusters, family);
	snprintf(once, sizeof once, "%s\xe2\x80\xa6", family);
	assert_label(clusters, 2.5, once);
	assert_label("ee\xcc\x81" "e\xcc\x81" "e", 1.9, "e\xe2\x80\xa6");
	/* many marks on one letter */
	strcpy(longer, "a");
	for (int k = 0; k < 1000; k++)
		strcat(longer, "\xcc\x81");
	assert_int_equal(xmc_label_clean(longer, label), 1 + 4 * 2);
	/* a long text is read no further than needed */
	memset(longer, 'x', (1 << 20) - 1);
	longer[(1 << 20) - 1] = '\0';
	assert_in_range(xmc_label_clean(longer, label), XMC_LABEL_BYTES - 8, XMC_LABEL_BYTES - 1);
	assert_in_range(xmc_label_cut(label, strlen(label), 1e9), XMC_LABEL_BYTES - 8, XMC_LABEL_BYTES - 1);
	memset(longer, ' ', (1 << 20) - 1);
	assert_int_equal(xmc_label_clean(longer, label), 0);
	test_free(longer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_well_formed), cmocka_unit_test(test_escaping), cmocka_unit_test(test_all_bytes), cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_phrases), cmocka_unit_test(test_errors), cmocka_unit_test(test_labels)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
