/* test_tokenizer.c - tokens of texts by tiny tokenizers: models, normalizers, pre-tokenizers, added tokens, truncation */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tokenizers.h"

/* ---- models ---- */

static void
test_wordpiece(void **state)
{
	parts		p = {.pre_tokenizer = "{\"type\":\"BertPreTokenizer\"}",
		.model = WORDPIECE_OF("\"a\":1,\"ab\":2,\"##b\":3,\"##bc\":4,\"!\":5,\"##\":6,\"\xe8\xaa\x9e\":7,\"abcabcab\":8")};

	(void) state;
	tokens_are(&p, "", "");
	tokens_are(&p, "a ab abb abbc", "1 2 2 3 2 4");	/* the longest piece first */
	tokens_are(&p, "ab!ab", "2 5 2");
	tokens_are(&p, "##", "0 0");	/* two punctuation marks; "##" is a piece, "#" is none */
	tokens_are(&p, "abx a", "0 1"); /* all of an uncovered word is unknown */
	tokens_are(&p, "ba", "0");
	tokens_are(&p, "abcabcab abcabcabc", "8 0");	/* more than 8 characters */
	tokens_are(&p, "\xe8\xaa\x9e \xe8\xaa\x9e\xe8\xaa\x9e", "7 0");
}

static void
test_unigram(void **state)
{
	parts		p = {.model = UNIGRAM_OF("[\"a\",-1],[\"b\",-1.5],[\"ab\",-2.5],[\"ba\",-2],[\"c\",-1e1],[\"aba\",-3.50],[\"xy\",-30]")};

	(void) state;
	tokens_are(&p, "ab", "3");	/* -2.5 twice: the path that was found first stays */
	tokens_are(&p, "ba", "4");
	tokens_are(&p, "aba", "1 4");	/* -3 against -3.5 of the longer piece */
	tokens_are(&p, "cc", "5 5");
	tokens_are(&p, "azzb", "1 0 2");	/* consecutive unknown characters are one token */
	tokens_are(&p, "\xe8\xaa\x9e\xe8\xaa\x9e", "0");
	tokens_are(&p, "xy", "7");
}

static void
test_unigram_bytes(void **state)
{
	char		vocabulary[8192] = "[\"a\",-1]";
	char		model[9000];
	parts		p = {.model = model};

	(void) state;
	for (int byte = 0; byte < 256; byte++)
		sprintf(vocabulary + strlen(vocabulary), ",[\"<0x%02X>\",0]", byte);
	snprintf(model, sizeof model, "{\"type\":\"Unigram\",\"unk_id\":0,\"byte_fallback\":true,\"vocab\":[[\"?\",0],%s]}", vocabulary);
	tokens_are(&p, "a\xc3\xa9z", "1 197 171 124");
	/* Without the piece of one byte an unknown character is the unknown token. */
	memcpy(strstr(model, "<0xA9>"), "<0xa9>", 6);
	tokens_are(&p, "a\xc3\xa9z", "1 0");
	tokens_are(&p, "az", "1 124");
}

/* ---- normalizers: each character is a piece, so that the ids spell the normalized text ---- */

#define LETTERS \
	WORDPIECE_OF("\"a\":1,\"e\":2,\"i\":3,\" \":4,\"##a\":1,\"##e\":2,\"##i\":3,\"## \":4,\"\xc3\xa9\":5,\"##\xc3\xa9\":5," \
	"\"\xcc\x81\":6,\"##\xcc\x81\":6,\"A\":7,\"##A\":7,\"\xe8\xaa\x9e\":8,\"##\xe8\xaa\x9e\":8,\"\xcc\x87\":9,\"##\xcc\x87\":9," \
	"\"1\":10,\"##1\":10,\"\\t\":11,\"##\\t\":11,\"\xcc\xa3\":12,\"##\xcc\xa3\":12,\"##x\":13,\"x\":13,\"\xef\xbc\xa1\":14")

static void
normalized(const char *normalizer, const char *text, const char *expected)
{
	parts		p = {.normalizer = normalizer, .model = LETTERS};

	tokens_are(&p, text, expected);
}

#define BERT(settings) "{\"type\":\"BertNormalizer\"," settings "}"

static void
test_bert_normalizer(void **state)
{
	const char *all = BERT("\"clean_text\":true,\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true");
	const char *cased = BERT("\"clean_text\":false,\"handle_chinese_chars\":false,\"strip_accents\":null,\"lowercase\":false");
	const char *stripped = BERT("\"clean_text\":false,\"handle_chinese_chars\":false,\"strip_accents\":true,\"lowercase\":false");
	const char *kept = BERT("\"clean_text\":false,\"handle_chinese_chars\":false,\"strip_accents\":false,\"lowercase\":true");

	(void) state;
	normalized(all, "A\xc3\xa9\x01\t\xe8\xaa\x9e", "1 2 4 4 8 4");
	normalized(all, "\xef\xbf\xbd\xe2\x80\x8b""a", "1");	/* U+FFFD, and U+200B, a format character */
	normalized(cased, "A\xc3\xa9\xe8\xaa\x9e", "7 5 8");
	normalized(stripped, "A\xc3\xa9", "7 2");
	normalized(kept, "A\xc3\xa9\xc4\xb0", "1 5 3 9");	/* U+0130 becomes two characters */
}

static void
test_normal_forms(void **state)
{
	(void) state;
	normalized("{\"type\":\"NFC\"}", "e\xcc\x81", "5");
	normalized("{\"type\":\"NFC\"}", "e\xcc\xa3\xcc\x81", "0");	/* U+1EB9 */
	normalized("{\"type\":\"NFC\"}", "a\xcc\x81\xcc\xa3", "0");
	normalized("{\"type\":\"NFD\"}", "\xc3\xa9", "2 6");
	normalized("{\"type\":\"NFD\"}", "x\xcc\x81\xcc\xa3", "13 12 6");	/* marks are put in order */
	normalized("{\"type\":\"NFKC\"}", "\xef\xbc\xa1\xcc\x81x", "0");
	normalized("{\"type\":\"NFKC\"}", "\xef\xbc\xa1\xe2\x91\xa0", "7 10");
	normalized("{\"type\":\"NFKD\"}", "\xef\xbc\xa1\xc3\xa9", "7 2 6");
	normalized("{\"type\":\"Lowercase\"}", "A", "1");
	normalized("{\"type\":\"StripAccents\"}", "e\xcc\x81\xc3\xa9", "2 5");
}

static void
test_other_normalizers(void **state)
{
	(void) state;
	normalized("{\"type\":\"Nmt\"}", "a\x01\xe2\x80\x8b""a", "1 4 1");
	normalized("{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}", " \xe3\x80\x80""a a\n", "1 4 1");
	normalized("{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true}", " a ", "4 1");
	normalized("{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":false}", " a ", "1 4");
	normalized("{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}", "  ", "");
	normalized("{\"type\":\"Prepend\",\"prepend\":\"x\"}", "a", "13 1");
	normalized("{\"type\":\"Prepend\",\"prepend\":\"x\"}", "", "");
	normalized("{\"type\":\"Replace\",\"pattern\":{\"String\":\"aa\"},\"content\":\"i\"}", "aaae", "3 1 2");
	normalized("{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\"x\"}", "a a  a   ", "1 4 1 13 1 13");
	normalized("{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"\\\\s+\"},\"content\":\" \"}", "a \t\xe3\x80\x80""e", "1 4 2");
	normalized("{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"\\\\s\"},\"content\":\"i\"}", " \t", "3 3");
	normalized("{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"e\"},\"content\":\"\"}", "aeea", "1 1");
	normalized("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFD\"},{\"type\":\"Sequence\",\"normalizers\":"
			   "[{\"type\":\"StripAccents\"}]},{\"type\":\"Prepend\",\"prepend\":\"A\"}]}", "\xc3\xa9", "7 2");
}

/*
 * A character map of two entries: A becomes "e", and e with an acute accent, 3 bytes, becomes "i". Its double-array trie
 * was made by hand: a unit holds the label and 1 << 10 times the offset; 0x100 says that a value follows.
 */
static void
test_precompiled(void **state)
{
	/* Root at 0 leads to base 1 ^ label: 'A' (0x41) at 0x40, 'e' (0x65) at 0x64. */
	uint32_t	unit[256] = {0};
	unsigned char map[4 + sizeof unit + 4];
	char		json[4096];
	char	   *out;
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t	bytes = sizeof unit;

	(void) state;
	unit[0] = 1u << 10;
	unit[0x40] = (0x40 ^ 0x02) << 10 | 0x100 | 'A';
	unit[0x02] = 1u << 31 | 0;	/* "e" */
	unit[0x64] = (0x64 ^ 0x07) << 10 | 'e';	/* base 7 */
	unit[0x07 ^ 0xcc] = ((0x07 ^ 0xcc) ^ 0x03) << 10 | 0xcc;	/* base 3 */
	unit[0x03 ^ 0x81] = ((0x03 ^ 0x81) ^ 0x05) << 10 | 0x100 | 0x81;
	unit[0x05] = 1u << 31 | 2;	/* "i" */
	memcpy(map, &bytes, 4);
	memcpy(map + 4, unit, sizeof unit);
	memcpy(map + 4 + sizeof unit, "e\0i", 4);
	out = json + sprintf(json, "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"");
	for (size_t k = 0; k < sizeof map; k += 3)
	{
		size_t		n = sizeof map - k < 3 ? sizeof map - k : 3;
		uint32_t	bits = (uint32_t) map[k] << 16 | (n > 1 ? map[k + 1] << 8 : 0) | (n > 2 ? map[k + 2] : 0);

		for (int digit = 0; digit < 4; digit++)
			*out++ = digit > (int) n ? '=' : digits[bits >> (18 - 6 * digit) & 63];
	}
	strcpy(out, "\"}");
	normalized(json, "AaA", "2 1 2");
	normalized(json, "e\xcc\x81""ea", "3 2 1");
	normalized(json, "A\xcc\x81", "2");	/* a cluster is replaced by what its beginning becomes */
	normalized(json, "A\xcc\x81\xcc\x81\xcc\x81", "2 6 6 6");	/* but not one of more than 5 bytes */
}

/* ---- pre-tokenizers: a word has the id of its length ---- */

static void
cut(const char *pre_tokenizer, const char *text, const char *expected)
{
	parts		p = {.pre_tokenizer = pre_tokenizer,
		.model = WORDPIECE_OF("\"a\":1,\"aa\":2,\"-\":3,\"a-\":4,\"-a\":5,\"--\":6,\" \":7,\"a1\":8,\"1\":9,\"11\":10,\"_a\":11,\"_\":12,"
							  "\"a-a\":13,\" a\":14,\"-aa\":15,\"_a_a\":16")};

	tokens_are(&p, text, expected);
}

static void
test_pre_tokenizers(void **state)
{
	(void) state;
	cut("{\"type\":\"BertPreTokenizer\"}", " a-aa--\xe3\x80\x80""a1", "1 3 2 3 3 8");
	cut("{\"type\":\"Whitespace\"}", "a-- aa", "1 6 2");
	cut("{\"type\":\"WhitespaceSplit\"}", "a- aa\n-", "4 2 3");
	cut("{\"type\":\"Punctuation\",\"behavior\":\"Removed\"}", "a-aa--", "1 2");
	cut("{\"type\":\"Punctuation\"}", "a-aa", "1 3 2");
	cut("{\"type\":\"Punctuation\",\"behavior\":\"MergedWithPrevious\"}", "-a-aa--", "3 4 0 3");
	cut("{\"type\":\"Punctuation\",\"behavior\":\"MergedWithNext\"}", "a-aa---a-", "1 15 3 3 5 3");
	cut("{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"}", "a--aa", "1 6 2");
	cut("{\"type\":\"Digits\",\"individual_digits\":true}", "a11", "1 9 9");
	cut("{\"type\":\"Digits\",\"individual_digits\":false}", "a11a", "1 10 1");
	cut("{\"type\":\"Split\",\"pattern\":{\"String\":\"-\"},\"behavior\":\"Isolated\",\"invert\":false}", "a-a", "1 3 1");
	cut("{\"type\":\"Split\",\"pattern\":{\"Regex\":\".\"},\"behavior\":\"Isolated\",\"invert\":false}", "aa-", "1 1 3");
	cut("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a+\"},\"behavior\":\"Removed\",\"invert\":true}", "a-aa", "1 2");
	cut("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},{\"type\":\"Punctuation\"}]}", "a- a", "1 3 1");
}

#define METASPACE(settings) "{\"type\":\"Metaspace\",\"replacement\":\"_\"," settings "}"

static void
test_metaspace(void **state)
{
	(void) state;
	cut(METASPACE("\"add_prefix_space\":true"), "a a  a", "11 11 12 11");
	cut(METASPACE("\"add_prefix_space\":true"), " a", "11");
	cut(METASPACE("\"add_prefix_space\":false"), "a a", "1 11");
	cut(METASPACE("\"prepend_scheme\":\"never\",\"split\":false"), " a a", "16");
	cut(METASPACE("\"prepend_scheme\":\"always\",\"split\":false"), "a a", "16");
	cut("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"}," METASPACE("\"prepend_scheme\":\"always\"") "]}",
		"a a", "11 11");
	cut("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"}," METASPACE("\"prepend_scheme\":\"first\"") "]}",
		"a a", "11 1");
}

/* ---- added tokens, special tokens, truncation ---- */

#define ADDED(id, content, flags) "{\"id\":" #id ",\"content\":\"" content "\",\"special\":true," flags "}"
#define PLAIN "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false"

static void
test_added(void **state)
{
	parts		p = {.pre_tokenizer = "{\"type\":\"Punctuation\"}", .normalizer = "{\"type\":\"Lowercase\"}",
		.model = WORDPIECE_OF("\"a\":1,\" \":2,\"[M]\":3,\"## \":4,\" a\":5"),
		.added = "[" ADDED(3, "[M]", PLAIN) "," ADDED(6, "[MM]", PLAIN) ","
		ADDED(7, "W", "\"single_word\":true,\"lstrip\":false,\"rstrip\":false,\"normalized\":false") ","
		ADDED(8, "L", "\"single_word\":false,\"lstrip\":true,\"rstrip\":false,\"normalized\":false") ","
		ADDED(9, "R", "\"single_word\":false,\"lstrip\":false,\"rstrip\":true,\"normalized\":false") ","
		ADDED(10, "Nn", "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":true") ","
		ADDED(11, "[M]x", PLAIN) "]"};

	(void) state;
	tokens_are(&p, "a[M]a[MM]", "1 3 1 6");
	tokens_are(&p, "[M]x[M]", "11 3");	/* the longest */
	tokens_are(&p, "W W", "7 2 7");
	tokens_are(&p, "aW", "0");
	tokens_are(&p, "a  L a", "1 8 5");
	tokens_are(&p, "aR  a", "1 9 1");
	tokens_are(&p, "aNNanna", "1 10 1 10 1");	/* found in the text in lower case */
	p.normalizer = NULL;
	tokens_are(&p, "aNnann", "1 10 0");
}

static void
test_special(void **state)
{
	parts		p = {.pre_tokenizer = "{\"type\":\"WhitespaceSplit\"}", .model = WORDPIECE_OF("\"a\":1,\"b\":2,\"[C]\":3,\"[S]\":4"),
		.post_processor = "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"C\",\"type_id\":0}},"
		"{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"S\",\"type_id\":0}}],"
		"\"special_tokens\":{\"C\":{\"id\":\"C\",\"ids\":[3,1]},\"S\":{\"id\":\"S\",\"ids\":[4]}}}"};
	char		line[256];

	(void) state;
	tokens_are(&p, "a b", "3 1 1 2 4");
	tokens_are(&p, "", "3 1 4");
	assert_int_equal(tokens_of(&p, "a b a b", 7, 5, line, sizeof line), XMC_OK);
	assert_string_equal(line, "3 1 1 2 4");
	assert_int_equal(tokens_of(&p, "a b a b", 7, 3, line, sizeof line), XMC_OK);
	assert_string_equal(line, "3 1 4");
	assert_int_equal(tokens_of(&p, "a", 1, 2, line, sizeof line), XMC_BAD_INPUT);
	assert_non_null(strstr(line, "no room for 3 special ones"));
	p.post_processor = "{\"type\":\"BertProcessing\",\"sep\":[\"[S]\",4],\"cls\":[\"[C]\",3]}";
	tokens_are(&p, "a", "3 1 4");
	p.post_processor = "{\"type\":\"RobertaProcessing\",\"sep\":[\"[S]\",4],\"cls\":[\"[C]\",3],\"trim_offsets\":true}";
	tokens_are(&p, "a", "3 1 4");
}

/* ---- bad texts, long texts, no memory, stop ---- */

static void
test_bad_text(void **state)
{
	parts		p = {.model = WORDPIECE_OF("\"a\":1")};
	char		line[256];

	(void) state;
	assert_int_equal(tokens_of(&p, "a\xc3", 2, 8, line, sizeof line), XMC_BAD_INPUT);
	assert_non_null(strstr(line, "invalid UTF-8 at byte 1 of 2"));
	assert_int_equal(tokens_of(&p, "\xed\xa0\x80", 3, 8, line, sizeof line), XMC_BAD_INPUT);
	assert_int_equal(tokens_of(&p, "a\0a", 3, 8, line, sizeof line), XMC_OK);	/* U+0000 is valid, and unknown */
	assert_string_equal(line, "0");
}

/*
 * Hostile texts of a million bytes. With work that is quadratic in their lengths the test would not end: a million marks
 * that are out of order would take ICU's own normalizer minutes.
 */
static void
test_hostile_texts(void **state)
{
	parts		unigram = {.normalizer = "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"Replace\","
		"\"pattern\":{\"Regex\":\" {9,}\"},\"content\":\"\"}]}", .model = UNIGRAM_OF("[\"a\",-1],[\"aa\",-1.5],[\"aaaaaaaa\",-9]"),
		.added = "[" ADDED(4, "<x>", "\"lstrip\":true,\"rstrip\":true,\"single_word\":true,\"normalized\":true") "]"};
	parts		wordpiece = {.pre_tokenizer = "{\"type\":\"BertPreTokenizer\"}",
		.normalizer = BERT("\"clean_text\":true,\"handle_chinese_chars\":true,\"strip_accents\":true,\"lowercase\":true"),
	.model = WORDPIECE_OF("\"a\":1,\"##a\":2")};
	static const char *const repeated[] = {"a", " ", "\xcc\x81\xcc\xa3", "\xe8\xaa\x9e", "-", "a ", "z", "<x> "};
	char		line[256];

	(void) state;
	for (size_t k = 0; k < sizeof repeated / sizeof repeated[0]; k++)
	{
		size_t		step = strlen(repeated[k]);
		size_t		length = (size_t) 1000000 / step * step;
		char	   *text = malloc(length);

		for (size_t at = 0; at < length; at += step)
			memcpy(text + at, repeated[k], step);
		assert_int_equal(tokens_of(&unigram, text, length, 8, line, sizeof line), XMC_OK);
		assert_int_equal(tokens_of(&wordpiece, text, length, 8, line, sizeof line), XMC_OK);
		free(text);
	}
}

static void
test_no_memory(void **state)
{
	parts		p = {.normalizer = "{\"type\":\"NFC\"}", .pre_tokenizer = METASPACE("\"add_prefix_space\":true"),
		.added = "[" ADDED(3, "<x>", PLAIN) "]", .model = UNIGRAM_OF("[\"a\",-1],[\"_\",-1]")};
	char	   *json = tokenizer_json(&p);
	char		text[400];
	bool		done = false;

	(void) state;
	memset(text, 'a', sizeof text);
	memcpy(text + 100, "e\xcc\x81\xcc\xa3<x> a", 10);
	for (long fail_at = 1; !done; fail_at++)
	{
		counting	counts;
		xmc_ctx		ctx = counting_ctx(&counts);
		xmc_tokenizer_tables tables;
		xmc_tokenizer *tokenizer = NULL;
		int32_t		id[8];
		int32_t		n;
		xmc_status	status;

		counts.fail_at = fail_at;
		status = xmc_tokenizer_compile(&ctx, json, strlen(json), &tables);
		if (status == XMC_OK)
			status = xmc_tokenizer_open(&ctx, tables.table, tables.vocabulary, &tokenizer);
		if (status == XMC_OK)
			status = xmc_tokenizer_encode(&ctx, tokenizer, text, sizeof text, 8, id, &n);
		xmc_tokenizer_close(&ctx, tokenizer);
		xmc_tokenizer_tables_free(&ctx, &tables);
		assert_int_equal(counts.live, 0);
		done = status == XMC_OK;
		if (!done)
			assert_int_equal(status, XMC_NO_MEMORY);
	}
	free(json);
}

/* Whenever the callback says so, the work ends with XMC_STOPPED and nothing leaks. */
static void
test_stop(void **state)
{
	parts		p = {.normalizer = BERT("\"lowercase\":true"), .pre_tokenizer = "{\"type\":\"BertPreTokenizer\"}",
		.model = WORDPIECE_OF("\"a\":1")};
	char	   *json = tokenizer_json(&p);
	size_t		length = 300000;
	char	   *text = malloc(length);
	bool		done = false;
	long		stops = 0;

	(void) state;
	memset(text, 'a', length);
	for (; !done; stops++)
	{
		counting	counts;
		xmc_ctx		ctx = counting_ctx(&counts);
		xmc_tokenizer_tables tables;
		xmc_tokenizer *tokenizer = NULL;
		int32_t		id[8];
		int32_t		n;
		xmc_status	status;

		counts.stop_at = stops + 1;
		status = xmc_tokenizer_compile(&ctx, json, strlen(json), &tables);
		if (status == XMC_OK)
			status = xmc_tokenizer_open(&ctx, tables.table, tables.vocabulary, &tokenizer);
		if (status == XMC_OK)
			status = xmc_tokenizer_encode(&ctx, tokenizer, text, length, 8, id, &n);
		xmc_tokenizer_close(&ctx, tokenizer);
		xmc_tokenizer_tables_free(&ctx, &tables);
		assert_int_equal(counts.live, 0);
		done = status == XMC_OK;
		if (!done)
			assert_int_equal(status, XMC_STOPPED);
	}
	assert_true(stops > 10);
	free(json);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wordpiece),
		cmocka_unit_test(test_unigram),
		cmocka_unit_test(test_unigram_bytes),
		cmocka_unit_test(test_bert_normalizer),
		cmocka_unit_test(test_normal_forms),
		cmocka_unit_test(test_other_normalizers),
		cmocka_unit_test(test_precompiled),
		cmocka_unit_test(test_pre_tokenizers),
		cmocka_unit_test(test_metaspace),
		cmocka_unit_test(test_added),
		cmocka_unit_test(test_special),
		cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_hostile_texts),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
