/* test_text.c - unit tests of text.c: what becomes a feature, what is refused, and that nothing else matters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unicode/ubrk.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "xmcoh/text.h"

static xmc_tokeniser *tokeniser;

/* ---- a context that counts, fails and stops when told to ---- */

typedef struct watched
{
	int			live;			/* allocations not given back */
	int			allocations_left;	/* negative: no limit */
	int			questions_left; /* before stop says true; negative: never */
	jmp_buf    *leave;			/* when set, stop leaves by longjmp instead of saying true */
} watched;

static void *
watched_alloc(void *arg, size_t size)
{
	watched    *w = arg;

	if (w->allocations_left == 0)
		return NULL;
	w->allocations_left--;
	w->live++;
	return malloc(size);
}

static void
watched_release(void *arg, void *pointer)
{
	watched    *w = arg;

	w->live--;
	free(pointer);
}

static bool
watched_stop(void *arg)
{
	watched    *w = arg;

	if (w->questions_left == 0 && w->leave)
		longjmp(*w->leave, 1);
	if (w->questions_left == 0)
		return true;
	w->questions_left--;
	return false;
}

static xmc_ctx
watched_ctx(watched *w)
{
	*w = (watched) {.allocations_left = -1, .questions_left = -1};
	return (xmc_ctx) {.alloc = watched_alloc, .release = watched_release, .stop = watched_stop, .arg = w};
}

/* ---- what the visitor sees, as text: "w:boil b:boil water ..." with one letter for the kind ---- */

typedef struct log
{
	char	   *text;
	size_t		length;
	size_t		capacity;
	const char *kinds;			/* letters to record; NULL: all */
} log;

static void
log_append(log *log, const char *bytes, size_t n)
{
	if (log->length + n + 1 > log->capacity)
	{
		log->capacity = 2 * (log->length + n + 1);
		log->text = realloc(log->text, log->capacity);
		assert_non_null(log->text);
	}
	memcpy(log->text + log->length, bytes, n);
	log->length += n;
	log->text[log->length] = '\0';
}

static void
log_feature(void *arg, xmc_feature_kind kind, const char *term, size_t term_length, uint64_t hash)
{
	static const char letter[] = "?wbWBcL";
	log		   *log = arg;

	(void) hash;
	if (log->kinds && !strchr(log->kinds, letter[kind]))
		return;
	if (log->length > 0)
		log_append(log, "|", 1);
	log_append(log, (char[]) {letter[kind], ':'}, 2);
	log_append(log, term, term_length);
}

static void
assert_visits_bytes(const char *text, size_t length, const char *kinds, const char *expected)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	log			log = {.kinds = kinds};

	assert_int_equal(xmc_text_visit(&ctx, tokeniser, text, length, log_feature, &log), XMC_OK);
	assert_string_equal(log.text ? log.text : "", expected);
	free(log.text);
}

static void
assert_visits(const char *text, const char *kinds, const char *expected)
{
	assert_visits_bytes(text, strlen(text), kinds, expected);
}

static uint32_t *
features_of(const char *text, size_t length, int32_t *n)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	uint32_t   *values;

	assert_int_equal(xmc_text_features(&ctx, tokeniser, text, length, &values, n), XMC_OK);
	assert_non_null(values);
	return values;
}

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

static void
count_kinds(void *arg, xmc_feature_kind kind, const char *term, size_t term_length, uint64_t hash)
{
	uint64_t   *count = arg;

	(void) term;
	(void) term_length;
	(void) hash;
	count[kind]++;
}

static char *
repeated(const char *piece, size_t times, size_t *length)
{
	size_t		n = strlen(piece);
	char	   *text = malloc(n * times);

	for (size_t k = 0; k < times; k++)
		memcpy(text + k * n, piece, n);
	*length = n * times;
	return text;
}

/* ---- words, bigrams, order ---- */

static void
test_english(void **state)
{
	(void) state;
	assert_visits("Boil 2 cups; then ADD tea.", NULL,
				  "w:boil|W:boil|w:2|b:boil 2|B:boil 2|w:cups|b:2 cups|w:then|b:cups then|w:add|b:then add|w:tea"
				  "|b:add tea|L:4");
	assert_visits("Don't", NULL, "w:don't|W:don't|L:1");
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
	assert_visits("a b", "L", "L:2");
	assert_visits("a b c", "L", "L:2");
	assert_visits("a b c d e f g", "L", "L:4");
	assert_visits("a b c d e f g h", "L", "L:8");
	assert_visits("a b c d e f g h i j k l m n o p", "L", "L:16");
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
				  "w:まず|W:まず|w:電源|b:まず 電源|B:まず 電源|w:を|b:電源 を|w:切る|b:を 切る|w:次に|b:切る 次に|L:4");
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
		int32_t		n;
		char		where[32];
		/* a copy of the exact size, so that a read beyond the end is found */
		size_t		length = strlen(bad[k].bytes);
		char	   *exact = malloc(length);

		memcpy(exact, bad[k].bytes, length);
		snprintf(where, sizeof where, "at byte %zu of", bad[k].at);
		assert_int_equal(xmc_text_visit(&ctx, tokeniser, exact, length, log_feature, &log), XMC_BAD_INPUT);
		assert_non_null(strstr(ctx.message, where));
		assert_null(log.text);	/* nothing of a bad text is visited */
		assert_int_equal(xmc_text_features(&ctx, tokeniser, exact, length, &values, &n), XMC_BAD_INPUT);
		assert_null(values);
		assert_int_equal(n, 0);
		assert_int_equal(w.live, 0);
		free(exact);
	}
	/* the edges of what is valid */
	assert_visits("\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf4\x8f\xbf\xbf\xf0\x90\x80\x80", "c", "");
	assert_visits("after all that", "w", "w:after|w:all|w:that");
}

/* Every sequence of four of the bytes where validity turns, against a decoder straight from the standard. */
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
	/* fixed for ever: stored models rest on it. A change here needs a new XMC_FEATURE_VERSION. */
	assert_int_equal(XMC_FEATURE_VERSION, 1);
	assert_true(pan.of_kind[XMC_FEATURE_WORD] == UINT64_C(0x6dd097b09505d02d));
	assert_true(pan.of_kind[XMC_FEATURE_FIRST_WORD] == UINT64_C(0xce766fae5b35c467));
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

/* A large set, past the short sort and through several growths, against a plain sort of what is visited. */
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
	all_values	all = {.value = malloc((2 * N_WORDS + 8) * sizeof(uint32_t))};
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
	assert_in_range(n, 20000, 2 * N_WORDS);
	assert_int_equal(n, kept);
	assert_memory_equal(values, all.value, n * sizeof(uint32_t));
	free(values);
	free(all.value);
	free(text);
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
	assert_visits("b", NULL, "w:b|W:b|L:1");
	assert_visits("次", "c", "c:次");	/* a run does not go on from the text before */
	assert_visits("に", "c", "c:に");
	free(first.text);
	free(noise);
}

/* ---- long texts: windows must not show ---- */

/* Words of the whole text at once, as ICU alone gives them; the result is a log of "w". */
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
 * Random texts from pieces where the rules look ahead, join, compose and expand. Short ones include the dictionary
 * scripts; long ones, of several windows, exclude them: text.c says why.
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
		assert_int_equal(n, 3 + 3 + 2 + 1);
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
		status = xmc_text_features(&ctx, tokeniser, piece, length, &values, &n);
		if (status == XMC_OK)
		{
			assert_int_equal(w.live, 1);
			assert_int_equal(n, 3000 + 2999 + 2 + 1);
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
		status = xmc_text_features(&ctx, tokeniser, text, length, &values, &n);
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
		assert_visits("as before", NULL, "w:as|W:as|w:before|b:as before|B:as before|L:2");
	}
	free(text);
}

static int
open_tokeniser(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();

	(void) state;
	return xmc_tokeniser_new(&ctx, &tokeniser) == XMC_OK ? 0 : -1;
}

static int
close_tokeniser(void **state)
{
	(void) state;
	xmc_tokeniser_free(tokeniser);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_english),
		cmocka_unit_test(test_bigrams_cross_punctuation_and_lines),
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
		cmocka_unit_test(test_features_are_the_sorted_set_of_what_is_visited),
		cmocka_unit_test(test_large_set),
		cmocka_unit_test(test_earlier_calls_do_not_matter),
		cmocka_unit_test(test_random_texts_against_icu),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests_name("text", tests, open_tokeniser, close_tokeniser);
}
