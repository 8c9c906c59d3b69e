/* test_json.c - the pull parser and the string writer of json.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "counting.h"
#include "model/json.h"
#include "model/json_tree.h"

/*
 * Parses all of a text from a buffer of exactly its size and writes what it found as one line: { } [ ] k:name s:value and
 * numbers. Checks that nothing leaks.
 */
static xmc_status
parse(const char *text, size_t length, char *found, size_t room, char *message)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_json	json;
	char	   *copy = exact_copy(text, length);
	char	   *pool = malloc(length ? length : 1);
	size_t		used = 0;
	xmc_status	status;

	found[0] = '\0';
	xmc_json_open(&json, &ctx, "text", XMC_BAD_INPUT, copy, length, pool);
	while ((status = xmc_json_next(&json)) == XMC_OK && json.kind != XMC_JSON_END)
	{
		switch (json.kind)
		{
			case XMC_JSON_OBJECT:
				used += (size_t) snprintf(found + used, room - used, "{ ");
				break;
			case XMC_JSON_OBJECT_END:
				used += (size_t) snprintf(found + used, room - used, "} ");
				break;
			case XMC_JSON_ARRAY:
				used += (size_t) snprintf(found + used, room - used, "[ ");
				break;
			case XMC_JSON_ARRAY_END:
				used += (size_t) snprintf(found + used, room - used, "] ");
				break;
			case XMC_JSON_KEY:
			case XMC_JSON_STRING:
				assert_int_equal(json.string[json.string_length], 0);
				used += (size_t) snprintf(found + used, room - used, "%c:%s ", json.kind == XMC_JSON_KEY ? 'k' : 's',
										  json.string);
				break;
			default:
				used += (size_t) snprintf(found + used, room - used, "%lld ", (long long) json.integer);
		}
		assert_true(used < room);
	}
	if (status != XMC_OK)
		assert_int_not_equal(ctx.message[0], 0);
	if (message)
		strcpy(message, ctx.message);
	xmc_json_close(&json);
	assert_int_equal(counts.live, 0);
	free(copy);
	free(pool);
	return status;
}

static void
good(const char *text, const char *expected)
{
	char		found[1024];
	char		message[512];

	if (parse(text, strlen(text), found, sizeof found, message) != XMC_OK)
		fail_msg("refused %s: %s", text, message);
	assert_string_equal(found, expected);
}

static void
bad(const char *text, const char *expected)
{
	char		found[1024];
	char		message[512];

	if (parse(text, strlen(text), found, sizeof found, message) != XMC_BAD_INPUT)
		fail_msg("took %s", text);
	if (!strstr(message, expected))
		fail_msg("%s: message is \"%s\", not \"%s\"", text, message, expected);
}

static void
test_values(void **state)
{
	(void) state;
	good("{}", "{ } ");
	good("[]", "[ ] ");
	good(" \t\r\n{ \"a\" : [ 0 , 12,9007199254740992 ] , \"b\":{\"a\":\"x\"} }   ",
		 "{ k:a [ 0 12 9007199254740992 ] k:b { k:a s:x } } ");
	good("\"top\"", "s:top ");
	good("7", "7 ");
	good("[[[[[[[[]]]]]]]]", "[ [ [ [ [ [ [ [ ] ] ] ] ] ] ] ] ");
	good("{\"\":1}", "{ k: 1 } ");
	/* the same key in different objects */
	good("{\"a\":{\"a\":1},\"b\":{\"a\":2}}", "{ k:a { k:a 1 } k:b { k:a 2 } } ");
	good("{\"a\":{\"b\":1},\"b\":2}", "{ k:a { k:b 1 } k:b 2 } ");	/* the keys of a closed object are forgotten */
}

static void
test_strings(void **state)
{
	(void) state;
	good("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "s:\"\\/\b\f\n\r\t ");
	good("\"\\u0041\\u00e9\\u20ac\\uD83D\\ude00\"", "s:A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 ");
	good("\"\\ud800\\udc00\\uDBFF\\uDFFF\\uffff\"", "s:\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\xef\xbf\xbf ");
	good("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"", "s:\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f ");
	bad("\"\\ud800\"", "without the second");
	bad("\"\\ud800x\"", "without the second");
	bad("\"\\ud800\\n\"", "without the second");
	bad("\"\\ud800\\u0041\"", "without the second");
	bad("\"\\udc00\"", "without the first");
	bad("\"\\u12\"", "four hexadecimal");
	bad("\"\\u12g4\"", "four hexadecimal");
	bad("\"\\u", "four hexadecimal");
	bad("\"\\x41\"", "invalid escape");
	bad("\"\\", "unterminated");
	bad("\"abc", "unterminated");
	bad("\"a\nb\"", "control character");
	bad("\"a\tb\"", "control character");
}

/* Invalid UTF-8 in a string. All the ways to be invalid are in test_utf8.c. */
static void
test_invalid_utf8(void **state)
{
	static const char *const wrong[] = {"\x80", "\xc0\x80", "\xc2", "\xe0\x9f\xbf", "\xe1\x80\x41", "\xed\xa0\x80",
		"\xf0\x90\x80", "\xf4\x90\x80\x80", "\xff"};
	char		text[16];

	(void) state;
	for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++)
	{
		snprintf(text, sizeof text, "\"%s\"", wrong[k]);
		bad(text, "invalid UTF-8");
	}
}

static void
test_refused(void **state)
{
	(void) state;
	bad("", "unexpected end");
	bad("   ", "unexpected end");
	bad("{", "unexpected end");
	bad("{\"a\"", "expected ':'");
	bad("{\"a\":", "unexpected end");
	bad("{\"a\":1", "unexpected end");
	bad("{\"a\":1,", "unexpected end");
	bad("{\"a\":1,}", "a key in quotes");
	bad("{,}", "a key in quotes");
	bad("{a:1}", "a key in quotes");
	bad("{\"a\" 1}", "expected ':'");
	bad("{\"a\":1 \"b\":2}", "',' or '}'");
	bad("{\"a\":1]", "',' or '}'");
	bad("[1,]", "expected");
	bad("[,1]", "expected");
	bad("[1 2]", "',' or ']'");
	bad("[1}", "',' or ']'");
	bad("]", "expected");
	bad("{}x", "may follow");
	bad("{}\n", "may follow");
	bad("{} {}", "may follow");
	bad("{\"a\":1,\"a\":2}", "key \"a\" occurs twice");
	bad("{\"a\":1,\"\\u0061\":2}", "occurs twice");	/* equal once unescaped */
	bad("{\"b\":{\"x\":1},\"b\":1}", "occurs twice");
	bad("[[[[[[[[[]]]]]]]]]", "nested too deeply");
	bad("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}}", "nested too deeply");
	bad("-1", "expected");
	bad("01", "leading zero");
	bad("1.0", "whole number");
	bad("1e3", "whole number");
	bad("1E3", "whole number");
	bad("9007199254740993", "exceeds 2^53");
	bad("99999999999999999999999999", "exceeds 2^53");
	bad("true", "expected");
	bad("null", "expected");
	bad("NaN", "expected");
	bad("'a'", "expected");
	bad("\xef\xbb\xbf{}", "expected");	/* a byte order mark */
}

/* A zero byte in the text, and one from an escape. */
static void
test_zero(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_json	json;
	char		pool[32];
	char		found[64];

	(void) state;
	assert_int_equal(parse("\"a\0b\"", 5, found, sizeof found, NULL), XMC_BAD_INPUT);
	assert_int_equal(parse("{}\0", 3, found, sizeof found, NULL), XMC_BAD_INPUT);
	xmc_json_open(&json, &ctx, "text", XMC_BAD_MODEL, "\"a\\u0000b\"", 10, pool);
	assert_int_equal(xmc_json_expect(&json, XMC_JSON_STRING), XMC_OK);
	assert_int_equal(json.string_length, 3);
	assert_memory_equal(json.string, "a\0b", 4);
	assert_int_equal(xmc_json_expect(&json, XMC_JSON_STRING), XMC_BAD_MODEL);
	assert_non_null(strstr(ctx.message, "expected a string, but found the end"));
	xmc_json_close(&json);
}

/* Hostile sizes: deep nesting, wide arrays, many keys. All must end soon. */
static void
test_hostile_size(void **state)
{
	size_t		n = 1 << 20;
	char	   *text = malloc(n);
	char	   *found = malloc(n);
	size_t		used = 0;
	char		message[512];

	(void) state;
	memset(text, '[', n);
	assert_int_equal(parse(text, n, found, n, message), XMC_BAD_INPUT);
	assert_non_null(strstr(message, "too deeply"));
	memset(text, ' ', n);
	assert_int_equal(parse(text, n, found, n, message), XMC_BAD_INPUT);
	text[0] = '"';
	assert_int_equal(parse(text, n, found, n, message), XMC_BAD_INPUT);
	assert_non_null(strstr(message, "unterminated"));

	text[used++] = '{';
	for (int k = 0; k <= XMC_JSON_MAX_MEMBERS; k++)
		used += (size_t) sprintf(text + used, "%s\"%d\":0", k ? "," : "", k);
	text[used++] = '}';
	assert_int_equal(parse(text, used, found, n, message), XMC_BAD_INPUT);
	assert_non_null(strstr(message, "too many members"));
	free(text);
	free(found);
}

/* A text cut at any length is refused, and nothing behind the cut is read. */
static void
test_truncated(void **state)
{
	const char *text = "{\"a\\u00e9\\ud83d\\ude00\":[1,22,\"\xe2\x82\xac\"],\"b\":{\"c\":\"d\"}}";
	char		found[256];

	(void) state;
	for (size_t length = 0; length < strlen(text); length++)
		assert_int_equal(parse(text, length, found, sizeof found, NULL), XMC_BAD_INPUT);
	assert_int_equal(parse(text, strlen(text), found, sizeof found, NULL), XMC_OK);
}

static void
test_no_memory(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_json	json;
	char		text[2048] = "{";
	char		pool[2048];
	xmc_status	status = XMC_OK;

	(void) state;
	for (int k = 0; k < 100; k++)
		sprintf(text + strlen(text), "%s\"%d\":0", k ? "," : "", k);
	strcat(text, "}");
	for (long fail_at = 1; fail_at <= 2; fail_at++)
	{
		counts = (counting){.fail_at = fail_at};
		xmc_json_open(&json, &ctx, "text", XMC_BAD_INPUT, text, strlen(text), pool);
		while ((status = xmc_json_next(&json)) == XMC_OK && json.kind != XMC_JSON_END)
			;
		assert_int_equal(status, XMC_NO_MEMORY);
		xmc_json_close(&json);
		assert_int_equal(counts.live, 0);
	}
}

/* ---- whole files ---- */

/* Reads a file; NUMBER and INTEGER come as the number's shortest exact form. */
static void
file_is(const char *text, const char *expected)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_json	json;
	char	   *copy = exact_copy(text, strlen(text));
	char	   *pool = malloc(strlen(text) + 1);
	char		found[1024] = "";
	xmc_status	status;

	xmc_json_open_file(&json, &ctx, "file", XMC_BAD_INPUT, copy, strlen(text), pool);
	while ((status = xmc_json_next(&json)) == XMC_OK && json.kind != XMC_JSON_END)
	{
		char	   *out = found + strlen(found);
		static const char *const name[] = {"", "{", "}", "[", "]", "", "", "", "", "true", "false", "null"};

		if (json.kind == XMC_JSON_INTEGER)
			sprintf(out, "i%lld ", (long long) json.integer);
		else if (json.kind == XMC_JSON_NUMBER)
			sprintf(out, "%.17g ", json.number);
		else if (json.kind == XMC_JSON_KEY || json.kind == XMC_JSON_STRING)
			sprintf(out, "%s ", json.string);
		else
			sprintf(out, "%s ", name[json.kind]);
		if (json.kind == XMC_JSON_INTEGER)
			assert_true(json.number == (double) json.integer);
	}
	if (status != XMC_OK)
		strcpy(found, ctx.message);
	if (status == XMC_OK ? strcmp(found, expected) != 0 : !strstr(found, expected))
		fail_msg("%s: %s, not %s", text, found, expected);
	xmc_json_close(&json);
	assert_int_equal(counts.live, 0);
	free(copy);
	free(pool);
}

static void
test_file(void **state)
{
	(void) state;
	file_is("{\"a\":[true,false,null,\"x\"]}\r\n\t ", "{ a [ true false null x ] } ");
	file_is("[0,-1,1.5,-0.25e1,1E3,2e-2,9007199254740992,9007199254740993]",
			"[ i0 -1 1.5 -2.5 1000 0.02 i9007199254740992 9007199254740992 ] ");
	file_is("[0.0,-0,0e999,1e-400,5e-324,1.7976931348623157e308]", "[ 0 -0 0 0 4.9406564584124654e-324 1.7976931348623157e+308 ] ");
	/* Digits beyond 64 bits are dropped, as in the reference implementation. */
	file_is("[18446744073709551615,184467440737095516159,0.1234567890123456789012345]",
			"[ 1.8446744073709552e+19 1.8446744073709552e+20 0.12345678901234568 ] ");
	file_is("-8.402700424194336", "-8.4027004241943359 ");
	file_is("1e309", "too large");
	file_is("1e99999999999999999999", "too large");
	file_is("1e-99999999999999999999", "0 ");
	file_is("-", "expected a digit");
	file_is("1.", "expected a digit");
	file_is("1e", "expected a digit");
	file_is("1e+", "expected a digit");
	file_is("01", "leading zero");
	file_is("-01", "leading zero");
	file_is("+1", "expected a value");
	file_is(".5", "expected a value");
	file_is("tru", "expected a value");
	file_is("nulL", "expected a value");
	file_is("truex", "may follow");
	file_is("{\"a\":1,\"b\":2,\"a\":3}", "byte 13: key \"a\" occurs twice");
	file_is("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "nested too deeply");
}

/* Half a million keys, and the last one again; the hashes may be anything. */
static void
test_many_keys(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	size_t		n = 500000;
	char	   *text = malloc(24 * n);
	xmc_json_tree tree;
	size_t		used = 1;

	(void) state;
	text[0] = '{';
	for (size_t k = 0; k < n; k++)
		used += (size_t) sprintf(text + used, "%s\"key%zu\":%zu", k ? "," : "", k, k);
	text[used] = '}';
	assert_int_equal(xmc_json_tree_read(&ctx, "file", XMC_BAD_INPUT, text, used + 1, &tree), XMC_OK);
	assert_int_equal(tree.node[0].count, n);
	assert_int_equal(xmc_json_member(&tree, tree.node, "key499999")->integer, 499999);
	assert_null(xmc_json_member(&tree, tree.node, "key500000"));
	xmc_json_tree_free(&ctx, &tree);
	used += (size_t) sprintf(text + used, ",\"key77\":0}");
	assert_int_equal(xmc_json_tree_read(&ctx, "file", XMC_BAD_INPUT, text, used, &tree), XMC_BAD_INPUT);
	assert_non_null(strstr(ctx.message, "key \"key77\" occurs twice"));
	/* The callback is asked while a file is read. */
	counts.questions = 0;
	counts.stop_at = 3;
	assert_int_equal(xmc_json_tree_read(&ctx, "file", XMC_BAD_INPUT, text, used, &tree), XMC_STOPPED);
	assert_int_equal(counts.live, 0);
	free(text);
}

static void
test_tree(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	const char *text = "{\"a\":{\"b\":[1,\"x\",[]]},\"c\":null}";
	xmc_json_tree tree;
	const xmc_json_node *list;
	const xmc_json_node *one;

	(void) state;
	assert_int_equal(xmc_json_tree_read(&ctx, "file", XMC_BAD_INPUT, text, strlen(text), &tree), XMC_OK);
	list = xmc_json_member(&tree, xmc_json_member(&tree, tree.node, "a"), "b");
	assert_int_equal(list->count, 3);
	one = xmc_json_first(&tree, list);
	assert_int_equal(one->integer, 1);
	one = xmc_json_after(&tree, one);
	assert_true(xmc_json_is(one, "x"));
	assert_false(xmc_json_is(one, "xy"));
	one = xmc_json_after(&tree, one);
	assert_int_equal(one->kind, XMC_JSON_ARRAY);
	assert_null(xmc_json_first(&tree, one));
	assert_null(xmc_json_after(&tree, one));
	assert_int_equal(xmc_json_member(&tree, tree.node, "c")->kind, XMC_JSON_NULL);
	assert_null(xmc_json_member(&tree, list, "b"));
	assert_null(xmc_json_member(&tree, NULL, "b"));
	xmc_json_tree_free(&ctx, &tree);
	for (long fail_at = 1; fail_at <= 3; fail_at++)
	{
		counts.calls = 0;
		counts.fail_at = fail_at;
		assert_int_equal(xmc_json_tree_read(&ctx, "file", XMC_BAD_INPUT, text, strlen(text), &tree), XMC_NO_MEMORY);
		assert_int_equal(counts.live, 0);
	}
}

/* Every character that quoting treats specially is read back unchanged. */
static void
test_quote(void **state)
{
	char		all[512];
	size_t		length = 0;
	char		quoted[2048];
	char		pool[2048];
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_json	json;

	(void) state;
	for (int c = 1; c < 128; c++)
		all[length++] = (char) c;
	memcpy(all + length, "\xc3\xa9\xf0\x9f\x98\x80", 6);
	length += 6;
	assert_int_equal(xmc_json_quote(all, length, NULL), xmc_json_quote(all, length, quoted));
	xmc_json_open(&json, &ctx, "text", XMC_BAD_INPUT, quoted, xmc_json_quote(all, length, quoted), pool);
	assert_int_equal(xmc_json_expect(&json, XMC_JSON_STRING), XMC_OK);
	assert_int_equal(json.string_length, length);
	assert_memory_equal(json.string, all, length);
	assert_int_equal(xmc_json_expect(&json, XMC_JSON_END), XMC_OK);
	xmc_json_close(&json);

	quoted[xmc_json_quote("a\"\\\n/\x1f", 6, quoted)] = '\0';
	assert_string_equal(quoted, "\"a\\\"\\\\\\u000a/\\u001f\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_invalid_utf8),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_zero),
		cmocka_unit_test(test_hostile_size),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
