/* test_text.c - the features of a text: words, normalisation, scripts without spaces, invalid UTF-8, hashes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "texts.h"

static bool
same_features(const char *a, const char *b)
{
	int32_t		n_a,
				n_b;
	uint32_t   *of_a = features_of(a, strlen(a), &n_a);
	uint32_t   *of_b = features_of(b, strlen(b), &n_b);
	bool		same = n_a == n_b && memcmp(of_a, of_b, n_a * sizeof *of_a) == 0;

	free(of_a);
	free(of_b);
	return same;
}

/* ---- words, bigrams, order ---- */

static void
test_english(void **state)
{
	(void) state;
	assert_visits("Boil 2 cups; then ADD tea.", NULL,
				  "w:boil|s:boil|W:boil|w:2|s:2|b:boil 2|B:boil 2|w:cups|s:cups|b:2 cups|w:then|s:then|b:cups then"
				  "|w:add|s:add|b:then add|w:tea|s:tea|b:add tea|L:1|L:2|L:4");
	assert_visits("Don't", NULL, "w:don't|s:don't|W:don't|L:1");
	assert_visits("3.14 and 1,000", "w", "w:3.14|w:and|w:1,000");
}

static void
test_bigrams_cross_punctuation_and_lines(void **state)
{
	(void) state;
	assert_visits("Stop. Go!\n\n(Now)", "b", "b:stop go|b:go now");
}

static void
test_length_is_a_power_of_two(void **state)
{
	(void) state;
	assert_visits("a", "L", "L:1");
	assert_visits("a b", "L", "L:1|L:2");
	assert_visits("a b c", "L", "L:1|L:2");
	assert_visits("a b c d e f g", "L", "L:1|L:2|L:4");
	assert_visits("a b c d e f g h", "L", "L:1|L:2|L:4|L:8");
	assert_visits("a b c d e f g h i j k l m n o p", "L", "L:1|L:2|L:4|L:8|L:16");
}

/* Five code points, of which one may take several bytes; none of a word of a script without spaces. */
static void
test_stems(void **state)
{
	(void) state;
	assert_visits("tightening tight five5 éééééé", "s", "s:tight|s:tight|s:five5|s:ééééé");
	assert_visits("次に", "s", "");
}

static void
test_texts_without_words(void **state)
{
	static const char *const texts[] = {
		"", " ", "\n\t", "...!?", "\xe3\x80\x82\xe3\x80\x81", /* 。、 */
		"\xc2\xad\xe2\x80\x8d", /* soft hyphen, joiner */
		"\xe1\x9f\x94", /* Khmer full stop: of an unspaced script, yet punctuation */
		"\xf0\x9f\x98\x80\xf0\x9f\x91\x8d", /* emoji */
	};

	(void) state;
	for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
	{
		int32_t		n;

		assert_visits(texts[k], NULL, "");
		free(features_of(texts[k], strlen(texts[k]), &n));
		assert_int_equal(n, 0);
	}
	assert_visits_bytes(NULL, 0, NULL, "");
}

static void
test_emoji_and_nul_only_separate(void **state)
{
	(void) state;
	assert_visits("fish \xf0\x9f\x90\x9f\xef\xb8\x8f cook", "wb", "w:fish|w:cook|b:fish cook");
	assert_visits_bytes("ab\0cd\0", 6, "wb", "w:ab|w:cd|b:ab cd");
	assert_visits_bytes("\0", 1, NULL, "");
}

/* ---- normalisation ---- */

static void
test_normalisation(void **state)
{
	(void) state;
	assert_visits("\xef\xbc\xa1\xef\xbc\xa2\xef\xbc\x91", "w", "w:ab1");	/* full-width ＡＢ１ */
	assert_visits("Stra\xc3\x9f" "e STRASSE", "w", "w:strasse|w:strasse");
	assert_visits("\xef\xac\x81ne", "w", "w:fine"); /* fi ligature */
	assert_visits("e\xcc\x81t\xc3\xa9", "w", "w:\xc3\xa9t\xc3\xa9"); /* e + acute, and composed */
	assert_visits("a\xcc\xa3\xcc\x87 a\xcc\x87\xcc\xa3", "w",	/* dots below and above, reordered */
				  "w:\xe1\xba\xa1\xcc\x87|w:\xe1\xba\xa1\xcc\x87");
	assert_visits("co\xc2\xadop", "w", "w:coop");	/* soft hyphen */
	assert_visits("\xce\xa3\xce\x9f\xce\xa3 \xcf\x83\xce\xbf\xcf\x82", "w",	/* ΣΟΣ σος: one sigma */
				  "w:\xcf\x83\xce\xbf\xcf\x83|w:\xcf\x83\xce\xbf\xcf\x83");
	assert_visits("\xc4\xb1", "w", "w:\xc4\xb1");	/* dotless i stays: folding is that of no language */
	assert_visits("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "w", "w:\xed\x95\x9c");	/* Hangul jamo to 한 */
	assert_visits("\xf0\x9d\x90\x80", "w", "w:a");	/* mathematical bold A, beyond the basic plane */
	assert_visits("\xf0\x90\x90\x80", "w", "w:\xf0\x90\x90\xa8");	/* Deseret, folded within that plane */
	/* half-width ｶﾞ and full ガ */
	assert_visits("\xef\xbd\xb6\xef\xbe\x9e", "wc", "c:\xe3\x82\xac|w:\xe3\x82\xac");
	assert_true(same_features("\xef\xbd\xb6\xef\xbe\x9e", "\xe3\x82\xac"));
	assert_false(same_features("\xe3\x82\xab", "\xe3\x82\xac"));	/* カ is not ガ */
}

/* ---- scripts without spaces ---- */

static void
test_japanese(void **state)
{
	/* まず電源を切る。次に… */
	static const char text[] = "まず電源を切る。次に…";

	(void) state;
	assert_visits(text, "wbWBL",
				  "w:まず|W:まず|w:電源|b:まず 電源|B:まず 電源|w:を|b:電源 を|w:切る|b:を 切る|w:次に|b:切る 次に|L:1|L:2|L:4");
	assert_visits(text, "c",
				  "c:ま|c:ず|c:まず|c:電|c:ず電|c:まず電|c:源|c:電源|c:ず電源|c:まず電源|c:を|c:源を|c:電源を|c:ず電源を"
				  "|c:切|c:を切|c:源を切|c:電源を切|c:る|c:切る|c:を切る|c:源を切る|c:次|c:に|c:次に");
	/* n-grams come before the word that their last character ends */
	assert_visits("次に", "wc", "c:次|c:に|c:次に|w:次に");
}

static void
test_marks_that_belong_to_a_run(void **state)
{
	(void) state;
	assert_visits("カー", "c", "c:カ|c:ー|c:カー");	/* prolonged sound mark: common to two scripts */
	assert_visits("ｶｰ", "c", "c:カ|c:ー|c:カー");
	assert_visits("人々", "c", "c:人|c:々|c:人々");
	assert_visits("か\xcc\x81", "c", "c:か|c:\xcc\x81|c:か\xcc\x81");	/* an inherited mark continues a run */
	assert_visits("x\xcc\x81", "c", "");	/* but begins none */
	assert_visits("第1章", "c", "c:第|c:章");	/* digits end a run */
	assert_visits("赤・青", "c", "c:赤|c:青");
	assert_visits("水ok火", "c", "c:水|c:火");
}

static void
test_chinese(void **state)
{
	(void) state;
	assert_visits("首先关闭电源", "w", "w:首先|w:关闭|w:电源");
	assert_visits("关闭。", NULL, "c:关|c:闭|c:关闭|w:关闭|W:关闭|L:1");
	assert_visits("\xf0\xa0\x80\x80\xf0\xa0\x80\x81", "c",	/* beyond the basic plane */
				  "c:\xf0\xa0\x80\x80|c:\xf0\xa0\x80\x81|c:\xf0\xa0\x80\x80\xf0\xa0\x80\x81");
}

static void
test_thai(void **state)
{
	(void) state;
	assert_visits("ปิดเครื่องก่อน", "wb", "w:ปิด|w:เครื่อง|b:ปิด เครื่อง|w:ก่อน|b:เครื่อง ก่อน");
	assert_visits("ปิด", "c", "c:ป|c:ิ|c:ปิ|c:ด|c:ิด|c:ปิด");
}

static void
test_lao_khmer_burmese(void **state)
{
	(void) state;
	assert_visits("ນ້ຳ", "c", "c:ນ|c:້|c:ນ້|c:ໍ|c:້ໍ|c:ນ້ໍ|c:າ|c:ໍາ|c:້ໍາ|c:ນ້ໍາ");	/* NFKC divides U+0EB3 */
	assert_visits("ទឹក", "c", "c:ទ|c:ឹ|c:ទឹ|c:ក|c:ឹក|c:ទឹក");
	assert_visits("ရေ", "c", "c:ရ|c:ေ|c:ရေ");
	/* ZERO WIDTH SPACE divides words, where NFKC_Casefold alone would join them */
	assert_visits("ទឹក\xe2\x80\x8bភ្លៀង", "w", "w:ទឹក|w:ភ្លៀង");
	assert_visits("ab\xe2\x80\x8b" "cd", "w", "w:ab|w:cd");
}

/* ---- invalid input ---- */

static void
test_invalid_utf8(void **state)
{
	static const struct
	{
		const char *bytes;
		size_t		at;			/* where the bad sequence begins */
	}			bad[] = {
		{"\x80", 0}, {"ab\xbf", 2}, {"\xff", 0}, {"\xfe", 0},
		{"a\xc3", 1}, {"\xe3\x81", 0}, {"\xf0\x9f\x98", 0}, {"\xe3\x81 x", 0}, {"\xc3(", 0},	/* truncated */
		{"\xc0\xaf", 0}, {"\xc1\xbf", 0}, {"\xe0\x80\xaf", 0}, {"\xe0\x9f\xbf", 0},	/* overlong */
		{"\xf0\x8f\xbf\xbf", 0},	/* overlong */
		{"\xed\xa0\x80", 0}, {"\xed\xbf\xbf", 0}, {"ok \xed\xa0\xbd\xed\xb8\x80", 3},	/* surrogates */
		{"\xf4\x90\x80\x80", 0}, {"\xf5\x80\x80\x80", 0}, {"\xf8\x88\x80\x80\x80", 0},	/* above U+10FFFF */
		{"sixteen letters..\xff", 17}, {"eight by\xc3\xa9 and \xa9", 15},
	};

	(void) state;
	for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++)
	{
		watched		w;
		xmc_ctx		ctx = watched_ctx(&w);
		log			log = {0};
		uint32_t   *values;
		uint32_t   *word;
		int32_t		n;
		int32_t		n_words;
		char		where[32];
		/* a copy of the exact size, so that a read beyond the end is found */
		size_t		length = strlen(bad[k].bytes);
		char	   *exact = malloc(length);

		memcpy(exact, bad[k].bytes, length);
		snprintf(where, sizeof where, "at byte %zu of", bad[k].at);
		assert_int_equal(xmc_text_visit(&ctx, tokeniser, exact, length, log_feature, &log), XMC_BAD_INPUT);
		assert_non_null(strstr(ctx.message, where));
		assert_null(log.text);	/* nothing of a bad text is visited */
		assert_int_equal(xmc_text_features(&ctx, tokeniser, exact, length, &values, &n, &word, &n_words), XMC_BAD_INPUT);
		assert_null(values);
		assert_null(word);
		assert_int_equal(n_words, 0);
		assert_int_equal(n, 0);
		assert_int_equal(w.live, 0);
		free(exact);
	}
	/* the edges of what is valid */
	assert_visits("\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf4\x8f\xbf\xbf\xf0\x90\x80\x80", "c", "");
	assert_visits("after all that", "w", "w:after|w:all|w:that");
}

/* Every sequence of four bytes at the limits of validity, against a decoder written from the definition in the standard. */
static bool
valid_by_definition(const unsigned char *s, size_t n)
{
	for (size_t k = 0; k < n;)
	{
		int			more = s[k] < 0x80 ? 0 : s[k] >= 0xc0 && s[k] < 0xe0 ? 1 : s[k] >= 0xe0 && s[k] < 0xf0 ? 2 :
			s[k] >= 0xf0 && s[k] < 0xf8 ? 3 : -1;
		static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
		uint32_t	c;

		if (more < 0 || n - k <= (size_t) more)
			return false;
		c = more ? s[k] & (0x3f >> more) : s[k];
		for (int m = 1; m <= more; m++)
		{
			if ((s[k + m] & 0xc0) != 0x80)
				return false;
			c = c << 6 | (s[k + m] & 0x3f);
		}
		if (c < least[more] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
			return false;
		k += more + 1;
	}
	return true;
}

static void
test_utf8_against_definition(void **state)
{
	static const unsigned char edge[] = {
		0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
		0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff
	};
	enum
	{
		N = sizeof edge
	};
	xmc_ctx		ctx = xmc_ctx_malloc();
	int			n_valid = 0;

	(void) state;
	for (int k = 0; k < N * N * N * N; k++)
	{
		unsigned char s[4] = {edge[k / (N * N * N)], edge[k / (N * N) % N], edge[k / N % N], edge[k % N]};
		log			log = {0};
		bool		valid = valid_by_definition(s, 4);

		n_valid += valid;
		assert_int_equal(xmc_text_visit(&ctx, tokeniser, (char *) s, 4, log_feature, &log),
						 valid ? XMC_OK : XMC_BAD_INPUT);
		free(log.text);
	}
	assert_in_range(n_valid, 100, N * N * N * N / 2);
}

/* ---- hashes and sets ---- */

typedef struct hashes
{
	uint64_t	of_kind[8];		/* the last one of each kind */
	uint32_t	top[64];
	int			n;
} hashes;

static void
keep_hash(void *arg, xmc_feature_kind kind, const char *term, size_t term_length, uint64_t hash)
{
	hashes	   *hashes = arg;

	(void) term;
	(void) term_length;
	hashes->of_kind[kind] = hash;
	if (hashes->n < 64)
		hashes->top[hashes->n++] = ((uint32_t) (hash >> 32) & ~XMC_FEATURE_KIND_MASK) | (uint32_t) kind;
}

static void
test_hashes(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	hashes		pan = {0},
				ran = {0};

	(void) state;
	assert_int_equal(xmc_text_visit(&ctx, tokeniser, "pan", 3, keep_hash, &pan), XMC_OK);
	assert_int_equal(xmc_text_visit(&ctx, tokeniser, "ran", 3, keep_hash, &ran), XMC_OK);
	assert_true(pan.of_kind[XMC_FEATURE_WORD] != pan.of_kind[XMC_FEATURE_FIRST_WORD]);
	assert_true(pan.of_kind[XMC_FEATURE_WORD] != ran.of_kind[XMC_FEATURE_WORD]);
	/* 'p' ^ WORD == 'r' ^ FIRST_WORD: these collide when the kind alone seeds the hash */
	assert_true(pan.of_kind[XMC_FEATURE_WORD] != ran.of_kind[XMC_FEATURE_FIRST_WORD]);
	assert_true(pan.of_kind[XMC_FEATURE_LENGTH] == ran.of_kind[XMC_FEATURE_LENGTH]);
	/* These values must not change: stored models depend on them. A change needs a new XMC_FEATURE_VERSION. */
	assert_int_equal(XMC_FEATURE_VERSION, 3);
	assert_true(pan.of_kind[XMC_FEATURE_WORD] == UINT64_C(0x6dd097b09505d02d));
	assert_true(pan.of_kind[XMC_FEATURE_FIRST_WORD] == UINT64_C(0xce766fae5b35c467));
}

/* The words of a text in reading order, each as often as it occurs, by the upper half of their hashes. */
static void
test_words(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	uint32_t   *values;
	uint32_t   *word;
	int32_t		n;
	int32_t		n_words;

	(void) state;
	assert_int_equal(xmc_text_features(&ctx, tokeniser, "Ran, pan RAN pan.", 17, &values, &n, &word, &n_words), XMC_OK);
	assert_int_equal(n_words, 4);
	assert_true(word[1] == 0x6dd097b0 && word[3] == word[1]);	/* that of "pan" in test_hashes */
	assert_true(word[0] == word[2] && word[0] != word[1]);
	xmc_release(&ctx, word);
	xmc_release(&ctx, values);
	assert_int_equal(xmc_text_features(&ctx, tokeniser, "...", 3, &values, &n, &word, &n_words), XMC_OK);
	assert_int_equal(n_words, 0);
	xmc_release(&ctx, word);
	xmc_release(&ctx, values);
}

/* The words of a text where they stand, as begin-end=term; . */
static void
log_word(void *arg, size_t begin, size_t end, const char *term, size_t length)
{
	char	   *log = arg;

	snprintf(log + strlen(log), 400 - strlen(log), "%d-%d=%.*s;", (int) begin, (int) end, (int) length, term);
}

static void
assert_words(const char *text, size_t length, const char *expected)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	char		log[400] = "";

	assert_int_equal(xmc_text_words(&ctx, tokeniser, text, length, log_word, log), XMC_OK);
	assert_string_equal(log, expected);
}

static void
test_words_where_they_stand(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	char		log[400] = "";
	char	   *many = calloc(1, 60001);

	(void) state;
	assert_words("Turn the KNOB, don't", 20, "0-4=turn;5-8=the;9-13=knob;15-20=don't;");
	assert_words("", 0, "");
	assert_words(" ... ", 5, "");
	assert_words("a\0b", 3, "0-1=a;2-3=b;");
	assert_words("Ｗ８ \xf0\x9f\x91\x8d ﬁn", 16, "0-6=w8;12-16=fin;");
	assert_words("ねじを締める", 18, "0-6=ねじ;6-9=を;9-18=締める;");
	assert_int_equal(xmc_text_words(&ctx, tokeniser, "a \xff", 3, log_word, log), XMC_BAD_INPUT);
	assert_string_equal(log, "");
	/* a word of so many letters is none, and what follows is not read */
	memset(many, 'a', 60000);
	many[2] = ' ';
	many[59990] = ' ';
	assert_words(many, 60000, "0-2=aa;");
	free(many);
}

static void
test_features_are_the_sorted_set_of_what_is_visited(void **state)
{
	static const char text[] = "the tea, the cup, the tea, the cup 次に水";
	xmc_ctx		ctx = xmc_ctx_malloc();
	hashes		seen = {0};
	int32_t		n;
	uint32_t   *values = features_of(text, strlen(text), &n);

	(void) state;
	assert_int_equal(xmc_text_visit(&ctx, tokeniser, text, strlen(text), keep_hash, &seen), XMC_OK);
	assert_in_range(seen.n, n + 1, 63);	/* some are repeated */
	for (int k = 1; k < n; k++)
		assert_true(values[k - 1] < values[k]);
	for (int k = 0; k < seen.n; k++)
	{
		bool		found = false;

		for (int m = 0; m < n; m++)
			found = found || values[m] == seen.top[k];
		assert_true(found);
	}
	for (int m = 0; m < n; m++)
	{
		bool		found = false;

		for (int k = 0; k < seen.n; k++)
			found = found || values[m] == seen.top[k];
		assert_true(found);
	}
	free(values);
}

/* ---- one tokeniser, many calls ---- */

static void
test_earlier_calls_do_not_matter(void **state)
{
	static const char text[] = "First boil the water. 次に電源を切る。 ปิดเครื่อง";
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_tokeniser *fresh;
	log			first = {0};
	size_t		length;
	char	   *noise = repeated("まず a\xcc\x81 z, 9! ", 20000, &length);
	uint64_t	count[8] = {0};

	(void) state;
	assert_int_equal(xmc_tokeniser_new(&ctx, &fresh), XMC_OK);
	assert_int_equal(xmc_text_visit(&ctx, fresh, text, strlen(text), log_feature, &first), XMC_OK);
	xmc_tokeniser_free(fresh);
	xmc_tokeniser_free(NULL);

	assert_visits(text, NULL, first.text);
	assert_int_equal(xmc_text_visit(&ctx, tokeniser, noise, length, count_kinds, count), XMC_OK);
	assert_visits(text, NULL, first.text);
	assert_int_equal(xmc_text_visit(&ctx, tokeniser, "bad \xff", 5, count_kinds, count), XMC_BAD_INPUT);
	assert_visits(text, NULL, first.text);
	assert_visits("b", NULL, "w:b|s:b|W:b|L:1");
	assert_visits("次", "c", "c:次");	/* a run does not go on from the text before */
	assert_visits("に", "c", "c:に");
	free(first.text);
	free(noise);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_english),
		cmocka_unit_test(test_bigrams_cross_punctuation_and_lines),
		cmocka_unit_test(test_stems),
		cmocka_unit_test(test_length_is_a_power_of_two),
		cmocka_unit_test(test_texts_without_words),
		cmocka_unit_test(test_emoji_and_nul_only_separate),
		cmocka_unit_test(test_normalisation),
		cmocka_unit_test(test_japanese),
		cmocka_unit_test(test_marks_that_belong_to_a_run),
		cmocka_unit_test(test_chinese),
		cmocka_unit_test(test_thai),
		cmocka_unit_test(test_lao_khmer_burmese),
		cmocka_unit_test(test_invalid_utf8),
		cmocka_unit_test(test_utf8_against_definition),
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_words_where_they_stand),
		cmocka_unit_test(test_features_are_the_sorted_set_of_what_is_visited),
		cmocka_unit_test(test_earlier_calls_do_not_matter),
	};

	return cmocka_run_group_tests_name("text", tests, open_tokeniser, close_tokeniser);
}
