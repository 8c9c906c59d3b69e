/* test_text_long.c - texts longer than the buffers of text.c: the same features as of the whole text; failures and stops */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <unicode/ubrk.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "texts.h"
#include "xmcoh/random.h"

/* A large set, which is radix-sorted and grows several times, against qsort of the visited features. */
typedef struct all_values
{
	uint32_t   *value;
	size_t		n;
} all_values;

static void
keep_all(void *arg, xmc_feature_kind kind, const char *term, size_t term_length, uint64_t hash)
{
	all_values *all = arg;

	(void) kind;
	(void) term;
	(void) term_length;
	all->value[all->n++] = ((uint32_t) (hash >> 32) & ~XMC_FEATURE_KIND_MASK) | (uint32_t) kind;
}

static int
compare_values(const void *a, const void *b)
{
	uint32_t	x = *(const uint32_t *) a,
				y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

static void
test_large_set(void **state)
{
	enum
	{
		N_WORDS = 20000
	};
	xmc_ctx		ctx = xmc_ctx_malloc();
	char	   *text = malloc(N_WORDS * 8);
	size_t		length = 0,
				kept = 0;
	all_values	all = {.value = malloc((3 * N_WORDS + 32) * sizeof(uint32_t))};
	xmc_random	random;
	int32_t		n;
	uint32_t   *values;

	(void) state;
	xmc_random_seed(&random, 7);
	for (int k = 0; k < N_WORDS; k++)
		length += sprintf(text + length, "w%u ", xmc_random_below(&random, 9000));
	assert_int_equal(xmc_text_visit(&ctx, tokeniser, text, length, keep_all, &all), XMC_OK);
	qsort(all.value, all.n, sizeof(uint32_t), compare_values);
	for (size_t k = 0; k < all.n; k++)
		if (kept == 0 || all.value[k] != all.value[kept - 1])
			all.value[kept++] = all.value[k];
	values = features_of(text, length, &n);
	assert_in_range(n, 20000, 3 * N_WORDS);
	assert_int_equal(n, kept);
	assert_memory_equal(values, all.value, n * sizeof(uint32_t));
	free(values);
	free(all.value);
	free(text);
}

/* ---- long texts: the features do not depend on the windows ---- */

/* The words of the whole text at once, from ICU alone; the result is a log of "w". */
static void
reference_words(const char *text, size_t length, log *log)
{
	UErrorCode	code = U_ZERO_ERROR;
	int32_t		n_units,
				n_normal,
				from = 0,
				to;
	UChar	   *units = malloc((length + 1) * sizeof(UChar));
	UChar	   *normal = malloc((18 * length + 1) * sizeof(UChar));
	char	   *utf8 = malloc(54 * length + 1);
	UBreakIterator *breaker;

	u_strFromUTF8(units, (int32_t) length + 1, &n_units, text, (int32_t) length, &code);
	n_normal = unorm2_normalize(unorm2_getNFKCCasefoldInstance(&code), units, n_units, normal,
							   18 * (int32_t) length + 1, &code);
	breaker = ubrk_open(UBRK_WORD, "root", normal, n_normal, &code);
	assert_true(U_SUCCESS(code));
	while ((to = ubrk_next(breaker)) != UBRK_DONE)
	{
		if (ubrk_getRuleStatus(breaker) >= UBRK_WORD_NUMBER)
		{
			int32_t		n_bytes;

			u_strToUTF8(utf8, 54 * (int32_t) length + 1, &n_bytes, normal + from, to - from, &code);
			assert_true(U_SUCCESS(code));
			log_feature(log, XMC_FEATURE_WORD, utf8, n_bytes, 0);
		}
		from = to;
	}
	ubrk_close(breaker);
	free(units);
	free(normal);
	free(utf8);
}

static void
assert_words_are_those_of_icu(const char *text, size_t length)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	log			expected = {0};
	log			log = {.kinds = "w"};

	reference_words(text, length, &expected);
	assert_int_equal(xmc_text_visit(&ctx, tokeniser, text, length, log_feature, &log), XMC_OK);
	assert_int_equal(log.length, expected.length);
	if (expected.length > 0)
		assert_string_equal(log.text, expected.text);
	free(log.text);
	free(expected.text);
}

/*
 * Random texts of pieces for which ICU's rules look ahead, join, compose and expand. Short texts include the dictionary
 * scripts; long texts, of several windows, do not (see the head of text.c).
 */
static void
test_random_texts_against_icu(void **state)
{
	static const char *const piece[] = {
		"a", "B", "water", "Stra\xc3\x9f" "e", "1", "23", ".", ",", "'", ":", " ", "  ", "\n", "\r", "\r\n", "-", "_",
		"\"",
		"\xcc\x81", "\xcc\xa3", "\xcc\x96\xcc\x81", "e\xcc\x81", "\xc3\xa9", "\xc2\xad", "\xe2\x80\x8d", "\xef\xb8\x8f",
		"\xe2\x80\x99", "\xd7\x90", "\xd7\x91\"", "\xd8\xa7", "\xef\xb7\xba", "\xe1\x84\x92", "\xe1\x85\xa1",
		"\xe1\x86\xab",
		"\xf0\x9f\x87\xaf", "\xf0\x9f\x87\xb5", "\xf0\x9f\x91\x8d", "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa7",
		"\xf0\x9d\x90\x80", "\xe0\xa4\x95", "\xe0\xa5\x8d", "\xef\xbc\xa1", "\xef\xac\x83", "\xe2\x91\xa0", "\xc4\xb0",
		/* dictionary scripts from here on */
		"次に", "電源", "カー", "ｶﾞ", "关闭", "。", "ปิด", "เครื่อง", "ນ້ຳ", "ទឹក", "ရေ"
	};
	enum
	{
		ALL = sizeof piece / sizeof piece[0], SPACED = ALL - 11
	};
	xmc_random	random;
	char	   *text = malloc(400000);

	(void) state;
	xmc_random_seed(&random, 20240501);
	for (int trial = 0; trial < 600; trial++)
	{
		bool		is_long = trial % 50 == 0;
		size_t		wanted = is_long ? 150000 + xmc_random_below(&random, 200000) : xmc_random_below(&random, 400);
		size_t		length = 0;

		while (length < wanted)
		{
			const char *next = piece[xmc_random_below(&random, is_long ? SPACED : ALL)];

			memcpy(text + length, next, strlen(next));
			length += strlen(next);
		}
		assert_words_are_those_of_icu(text, length);
	}
	free(text);
}

static void
test_long_texts(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	size_t		length;
	char	   *text;
	int32_t		n;

	(void) state;
	{
		uint64_t	count[8] = {0};

		text = repeated("Boil the water. ", 200000, &length);
		assert_int_equal(xmc_text_visit(&ctx, tokeniser, text, length, count_kinds, count), XMC_OK);
		assert_int_equal(count[XMC_FEATURE_WORD], 600000);
		assert_int_equal(count[XMC_FEATURE_BIGRAM], 599999);
		assert_int_equal(count[XMC_FEATURE_FIRST_WORD], 1);
		assert_int_equal(count[XMC_FEATURE_FIRST_BIGRAM], 1);
		free(features_of(text, length, &n));
		assert_int_equal(n, 3 + 3 + 3 + 2 + 20);	/* words, stems, bigrams, the beginning, powers of two to 2^19 */
		free(text);
	}
	{
		/* one run of 400,000 characters: no n-gram is lost or doubled where windows meet */
		uint64_t	count[8] = {0};

		text = repeated("電源", 200000, &length);
		assert_int_equal(xmc_text_visit(&ctx, tokeniser, text, length, count_kinds, count), XMC_OK);
		assert_int_equal(count[XMC_FEATURE_CHARACTERS], 4 * 400000 - 6);
		free(text);
	}
	{
		/* a word longer than any window is cut, not dropped */
		uint64_t	count[8] = {0};

		text = repeated("a", 1000000, &length);
		assert_int_equal(xmc_text_visit(&ctx, tokeniser, text, length, count_kinds, count), XMC_OK);
		assert_in_range(count[XMC_FEATURE_WORD], 2, 100);
		free(text);
	}
	{
		/* all dropped; all marks (quadratic to reorder without a bound); each expanded to eighteen units */
		uint64_t	count[8] = {0};

		text = repeated("\xc2\xad", 500000, &length);
		assert_int_equal(xmc_text_visit(&ctx, tokeniser, text, length, count_kinds, count), XMC_OK);
		assert_int_equal(count[XMC_FEATURE_WORD], 0);
		free(text);
		text = repeated("\xcc\x81\xcc\x96", 200000, &length);
		assert_int_equal(xmc_text_visit(&ctx, tokeniser, text, length, count_kinds, count), XMC_OK);
		free(text);
		memset(count, 0, sizeof count);
		text = repeated("\xef\xb7\xba", 50000, &length);
		assert_int_equal(xmc_text_visit(&ctx, tokeniser, text, length, count_kinds, count), XMC_OK);
		assert_int_equal(count[XMC_FEATURE_WORD], 3 * 50000 + 1);	/* four, last and first joined */
		free(text);
	}
}

/* ---- errors and non-local exits ---- */

static void
test_out_of_memory(void **state)
{
	size_t		length;
	char		piece[24000],
			   *end = piece;
	int			failures = 0;

	(void) state;
	for (int k = 0; k < 3000; k++)
		end += sprintf(end, "w%d ", k);
	length = end - piece;
	for (int allowed = 0;; allowed++)
	{
		watched		w;
		xmc_ctx		ctx = watched_ctx(&w);
		uint32_t   *values;
		int32_t		n;
		xmc_status	status;

		w.allocations_left = allowed;
		status = xmc_text_features(&ctx, tokeniser, piece, length, &values, &n, NULL, NULL);
		if (status == XMC_OK)
		{
			assert_int_equal(w.live, 1);
			assert_int_equal(n, 3000 + 3000 + 2999 + 2 + 12);
			xmc_release(&ctx, values);
			assert_int_equal(w.live, 0);
			break;
		}
		assert_int_equal(status, XMC_NO_MEMORY);
		assert_null(values);
		assert_int_equal(n, 0);
		assert_int_equal(w.live, 0);
		failures++;
	}
	assert_in_range(failures, 3, 20);
}

static void
test_stop(void **state)
{
	size_t		length;
	char	   *text = repeated("Boil the water. ", 100000, &length);
	int			stops = 0;

	(void) state;
	for (int allowed = 0;; allowed++)
	{
		watched		w;
		xmc_ctx		ctx = watched_ctx(&w);
		uint32_t   *values;
		int32_t		n;
		xmc_status	status;

		w.questions_left = allowed;
		status = xmc_text_features(&ctx, tokeniser, text, length, &values, &n, NULL, NULL);
		if (status == XMC_OK)
		{
			xmc_release(&ctx, values);
			assert_int_equal(w.live, 0);
			break;
		}
		assert_int_equal(status, XMC_STOPPED);
		assert_int_equal(w.live, 0);
		stops++;
	}
	assert_true(stops >= (int) (length / 65536));	/* asked at least every 64 kB */
	assert_visits("still good", "w", "w:still|w:good");

	/* asked also while the text is checked, and while normalisation drops all of it */
	{
		watched		w;
		xmc_ctx		ctx = watched_ctx(&w);
		size_t		n_hyphens;
		char	   *hyphens = repeated("\xc2\xad", 500000, &n_hyphens);
		uint64_t	count[8] = {0};

		w.questions_left = 1000;
		text[length - 1] = '\xff';
		assert_int_equal(xmc_text_visit(&ctx, tokeniser, text, length, count_kinds, count), XMC_BAD_INPUT);
		assert_in_range(1000 - w.questions_left, length / 65536 - 1, length / 65536 + 1);
		text[length - 1] = ' ';
		w.questions_left = 1000;
		assert_int_equal(xmc_text_visit(&ctx, tokeniser, hyphens, n_hyphens, count_kinds, count), XMC_OK);
		assert_in_range(1000 - w.questions_left, 2 * (n_hyphens / 65536) - 2, 2 * (n_hyphens / 65536) + 3);
		free(hyphens);
	}

	/* a caller that leaves by longjmp loses nothing but ctx's own allocations, which it frees wholesale */
	{
		jmp_buf		leave;
		watched		w;
		xmc_ctx		ctx = watched_ctx(&w);
		volatile bool left = false;

		w.questions_left = 40;
		w.leave = &leave;
		if (setjmp(leave) == 0)
		{
			log			log = {.kinds = ""};

			xmc_text_visit(&ctx, tokeniser, text, length, log_feature, &log);
		}
		else
			left = true;
		assert_true(left);
		assert_int_equal(w.live, 0);
		assert_visits("as before", NULL, "w:as|s:as|W:as|w:before|s:befor|b:as before|B:as before|L:1|L:2");
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_large_set),
		cmocka_unit_test(test_random_texts_against_icu),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests_name("text_long", tests, open_tokeniser, close_tokeniser);
}
