/* test_tokenizer_file.c - what a tokenizer.json may not hold, hostile tables, and the vocabulary of large files */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tokenizers.h"

#define MODEL WORDPIECE_OF("\"a\":1")

static void
refused_normalizer(const char *normalizer, const char *expected)
{
	refused(&(parts) {.normalizer = normalizer, .model = MODEL}, expected);
}

static void
refused_pre_tokenizer(const char *pre_tokenizer, const char *expected)
{
	refused(&(parts) {.pre_tokenizer = pre_tokenizer, .model = MODEL}, expected);
}

static void
refused_model(const char *model, const char *expected)
{
	refused(&(parts) {.model = model}, expected);
}

static void
test_models(void **state)
{
	(void) state;
	refused_model("{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}", "model of type \"BPE\" is not supported, only WordPiece, Unigram");
	refused_model("{\"type\":\"WordLevel\"}", "model of type \"WordLevel\"");
	refused_model("{\"vocab\":{}}", "model has no type");
	refused_model("null", "there is no model");
	refused_model("{\"type\":\"WordPiece\",\"unk_token\":\"?\",\"continuing_subword_prefix\":\"##\","
				  "\"max_input_chars_per_word\":8,\"vocab\":{\"a\":1}}", "does not have the unk_token");
	refused_model("{\"type\":\"WordPiece\",\"unk_token\":\"?\",\"continuing_subword_prefix\":\"##\","
				  "\"max_input_chars_per_word\":8,\"vocab\":[]}", "must be an object");
	refused_model("{\"type\":\"WordPiece\",\"unk_token\":\"?\",\"continuing_subword_prefix\":\"##\","
				  "\"max_input_chars_per_word\":-1,\"vocab\":{\"?\":0}}", "max_input_chars_per_word");
	refused_model("{\"type\":\"WordPiece\",\"unk_token\":\"?\",\"max_input_chars_per_word\":8,\"vocab\":{\"?\":0}}",
				  "continuing_subword_prefix");
	refused_model(WORDPIECE_OF("\"a\":-1"), "must have an id");
	refused_model(WORDPIECE_OF("\"a\":16777216"), "must have an id");
	refused_model(WORDPIECE_OF("\"a\":1.5"), "must have an id");
	refused_model(WORDPIECE_OF("\"a\":1,\"a\":2"), "key \"a\" occurs twice");
	refused_model("{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[]}", "no vocabulary");
	refused_model("{\"type\":\"Unigram\",\"unk_id\":2,\"vocab\":[[\"?\",0],[\"a\",-1]]}", "needs an unk_id");
	refused_model("{\"type\":\"Unigram\",\"unk_id\":null,\"vocab\":[[\"?\",0]]}", "needs an unk_id");
	refused_model(UNIGRAM_OF("[\"a\"]"), "entry 1 is not a piece and its score");
	refused_model(UNIGRAM_OF("[\"a\",\"b\"]"), "entry 1 is not");
	refused_model(UNIGRAM_OF("[\"a\",1e999]"), "number is too large");
	refused_model("{\"type\":\"Unigram\",\"unk_id\":0,\"byte_fallback\":1,\"vocab\":[[\"?\",0]]}", "\"byte_fallback\" must be");
}

static void
test_long_piece(void **state)
{
	char		model[2048];
	parts		p = {.model = model};
	char		piece[600];
	char		line[2048];

	(void) state;
	memset(piece, 'a', sizeof piece);
	piece[XMC_TOKENIZER_MAX_STRING] = '\0';
	snprintf(model, sizeof model, UNIGRAM_OF("[\"%s\",-1]"), piece);
	assert_int_equal(tokens_of(&p, piece, strlen(piece), 8, line, sizeof line), XMC_OK);
	assert_string_equal(line, "1");
	snprintf(model, sizeof model, UNIGRAM_OF("[\"%sa\",-1]"), piece);
	refused(&p, "has 513 bytes, more than 512");
}

static void
test_steps(void **state)
{
	(void) state;
	refused_normalizer("{\"type\":\"ByteLevel\"}", "normalizer of type \"ByteLevel\" is not supported, only BertNormalizer");
	refused_normalizer("{}", "normalizer of type \"\" is not supported");
	refused_normalizer("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Odd\"}]}", "normalizer of type \"Odd\"");
	refused_normalizer("{\"type\":\"Sequence\"}", "needs \"normalizers\"");
	refused_normalizer("{\"type\":\"BertNormalizer\",\"lowercase\":\"yes\"}", "\"lowercase\" must be true or false");
	refused_normalizer("{\"type\":\"Prepend\"}", "needs \"prepend\"");
	refused_normalizer("{\"type\":\"Replace\",\"content\":\"\"}", "needs \"pattern\"");
	refused_normalizer("{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"\"}", "pattern \"\" is not supported");
	refused_normalizer("{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"}}", "needs \"content\"");
	refused_normalizer("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAA\"}", "not valid base64");
	refused_normalizer("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"A===\"}", "not valid base64");
	refused_normalizer("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AA==\"}", "too few");
	refused_normalizer("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////w==\"}", "but 0 follow");
	refused_normalizer("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"BAAAAAAAAAD/\"}", "not valid UTF-8");
	refused_pre_tokenizer("{\"type\":\"ByteLevel\"}", "pre_tokenizer of type \"ByteLevel\" is not supported, only BertPreTokenizer");
	refused_pre_tokenizer("{\"type\":\"Punctuation\",\"behavior\":\"Odd\"}", "behavior \"Odd\" is not supported");
	refused_pre_tokenizer("{\"type\":\"Metaspace\",\"replacement\":\"ab\"}", "replacement \"ab\" is not supported");
	refused_pre_tokenizer("{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"odd\"}", "prepend_scheme \"odd\"");
	refused_pre_tokenizer("{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"first\",\"add_prefix_space\":false}",
						  "contradicts");
}

static void
test_patterns(void **state)
{
	static const char *const odd[] = {"a|b", "[ab]", "(a)", "a*", "a?", "^a", "a$", "a{2}", "a{2,3}", "a{0,}", "\\\\d", "\\\\p{L}",
	"ab+", "a+b", "\\\\s+$", ".*", "", "{", "\\\\"};
	static const char *const known[] = {"a", "ab", "\\\\.", "\\\\n", "\\\\s", "\\\\s+", ".", ".+", "a{3,}", "\\\\+\\\\-", "\\u00e9+"};
	char		json[256];

	(void) state;
	for (size_t k = 0; k < sizeof odd / sizeof odd[0]; k++)
	{
		snprintf(json, sizeof json, "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"%s\"},\"content\":\"\"}", odd[k]);
		refused_normalizer(json, "regular expression");
	}
	for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
	{
		snprintf(json, sizeof json, "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"%s\"},\"content\":\"a\"}", known[k]);
		tokens_are(&(parts) {.normalizer = json, .model = MODEL}, "a", "1");
	}
}

static void
test_added(void **state)
{
	parts		p = {.model = MODEL};

	(void) state;
	p.added = "{}";
	refused(&p, "added_tokens must be an array");
	p.added = "[{\"id\":2,\"content\":\"\"}]";
	refused(&p, "content of 1 to 512 bytes");
	p.added = "[{\"id\":3,\"content\":\"b\"}]";
	refused(&p, "added token \"b\" has id 3, but 2 follows from the vocabulary");
	p.added = "[{\"id\":2,\"content\":\"a\"}]";
	refused(&p, "has id 2, but 1 follows");
	p.added = "[{\"id\":2,\"content\":\"b\"},{\"id\":3,\"content\":\"b\"}]";
	refused(&p, "added token \"b\" occurs twice");
	p.normalizer = "{\"type\":\"Lowercase\"}";
	p.added = "[{\"id\":2,\"content\":\"b\",\"normalized\":true},{\"id\":3,\"content\":\"B\",\"normalized\":true}]";
	refused(&p, "added token \"b\" occurs twice");
	p.normalizer = "{\"type\":\"Strip\"}";
	p.added = "[{\"id\":2,\"content\":\" \",\"normalized\":true}]";
	refused(&p, "is empty or too long");
}

static void
test_post_processors(void **state)
{
	parts		p = {.model = MODEL};

	(void) state;
	p.post_processor = "{\"type\":\"ByteLevel\"}";
	refused(&p, "post_processor of type \"ByteLevel\" is not supported, only BertProcessing");
	p.post_processor = "{\"type\":\"BertProcessing\",\"cls\":[\"c\",1]}";
	refused(&p, "a special token of post_processor must have an id");
	p.post_processor = "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}},{\"Sequence\":{\"id\":\"A\"}}],"
		"\"special_tokens\":{}}";
	refused(&p, "special token \"x\" without ids");
	p.post_processor = "{\"type\":\"TemplateProcessing\",\"single\":[],\"special_tokens\":{}}";
	refused(&p, "must hold sequence A");
	p.post_processor = "{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\"}},{\"Sequence\":{\"id\":\"B\"}}]}";
	refused(&p, "special tokens and sequence A once");
}

static void
test_files(void **state)
{
	static const char *const wrong[][2] = {{"", "unexpected end"}, {"[]", "expected an object"}, {"{}", "there is no model"},
	{"{\"version\":\"2.0\"}", "only version"}, {"{\"model\":{}", "unexpected end"}};

	(void) state;
	for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++)
	{
		counting	counts;
		xmc_ctx		ctx = counting_ctx(&counts);
		xmc_tokenizer_tables tables;

		assert_int_equal(xmc_tokenizer_compile(&ctx, wrong[k][0], strlen(wrong[k][0]), &tables), XMC_BAD_INPUT);
		if (!strstr(ctx.message, wrong[k][1]) || strncmp(ctx.message, "tokenizer.json", 14) != 0)
			fail_msg("message is \"%s\", not \"%s\"", ctx.message, wrong[k][1]);
		assert_int_equal(counts.live, 0);
	}
}

/* Any value of any table may be changed: the tables are refused, or texts get ids below the vocabulary. */
static void
test_hostile_tables(void **state)
{
	static const int32_t values[] = {-1, INT32_MIN, INT32_MAX, 0, 1, 2, 7, 100000};
	parts		p = {.normalizer = "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"Replace\",\"pattern\":"
		"{\"String\":\"b\"},\"content\":\"a\"}]}", .pre_tokenizer = "{\"type\":\"Metaspace\",\"replacement\":\"_\"}",
		.added = "[{\"id\":3,\"content\":\"x\",\"normalized\":false}]", .model = UNIGRAM_OF("[\"a\",-1],[\"_a\",-1]")};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	char	   *json = tokenizer_json(&p);
	xmc_tokenizer_tables tables;
	int			refusals = 0;

	(void) state;
	assert_int_equal(xmc_tokenizer_compile(&ctx, json, strlen(json), &tables), XMC_OK);
	for (int k = 0; k < XMC_TOKENIZER_TABLES; k++)
		for (int64_t at = 0; at < tables.table[k].n; at++)
			for (size_t v = 0; v < sizeof values / sizeof values[0]; v++)
			{
				xmc_tokenizer_table table[XMC_TOKENIZER_TABLES];
				xmc_tokenizer *tokenizer;
				int32_t		id[16];
				int32_t		n;
				xmc_status	status;

				copy_tables(&tables, table);
				if (table[k].is_bytes)
					((uint8_t *) table[k].data)[at] = (uint8_t) values[v];
				else
					((int32_t *) table[k].data)[at] = values[v];
				status = xmc_tokenizer_open(&ctx, table, tables.vocabulary, &tokenizer);
				refusals += status != XMC_OK;
				if (status == XMC_OK && xmc_tokenizer_special_tokens(tokenizer) <= 16)
				{
					assert_int_equal(xmc_tokenizer_encode(&ctx, tokenizer, "ab x\xc3\xa9 a", 8, 16, id, &n), XMC_OK);
					for (int32_t t = 0; t < n; t++)
						assert_true(id[t] >= 0 && id[t] < tables.vocabulary);
				}
				else if (status != XMC_OK)
					assert_int_equal(status, XMC_BAD_MODEL);
				xmc_tokenizer_close(&ctx, tokenizer);
				free_tables(table);
			}
	assert_true(refusals > 100);
	xmc_tokenizer_tables_free(&ctx, &tables);
	free(json);
	assert_int_equal(counts.live, 0);
}

/* The encoder's table of tokens has fewer rows than the tokenizer has ids. */
static void
test_vocabulary(void **state)
{
	parts		p = {.model = WORDPIECE_OF("\"a\":1,\"b\":9")};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	char	   *json = tokenizer_json(&p);
	xmc_tokenizer_tables tables;
	xmc_tokenizer_tables again;
	xmc_tokenizer *tokenizer;

	(void) state;
	assert_int_equal(xmc_tokenizer_compile(&ctx, json, strlen(json), &tables), XMC_OK);
	assert_int_equal(tables.vocabulary, 10);
	assert_int_equal(xmc_tokenizer_open(&ctx, tables.table, 9, &tokenizer), XMC_BAD_MODEL);
	assert_null(tokenizer);
	/* The same file gives the same tables. */
	assert_int_equal(xmc_tokenizer_compile(&ctx, json, strlen(json), &again), XMC_OK);
	for (int k = 0; k < XMC_TOKENIZER_TABLES; k++)
	{
		assert_int_equal(again.table[k].n, tables.table[k].n);
		assert_memory_equal(again.table[k].data, tables.table[k].data,
							(size_t) tables.table[k].n * (tables.table[k].is_bytes ? 1 : sizeof(int32_t)));
	}
	xmc_tokenizer_tables_free(&ctx, &tables);
	xmc_tokenizer_tables_free(&ctx, &again);
	free(json);
	assert_int_equal(counts.live, 0);
}

/* 300,000 pieces whose beginnings are alike. */
static void
test_large_vocabulary(void **state)
{
	size_t		n = 300000;
	char	   *model = malloc(64 * n);
	parts		p = {.model = model};
	size_t		used;
	char		line[256];

	(void) state;
	used = (size_t) sprintf(model, "{\"type\":\"WordPiece\",\"unk_token\":\"?\",\"continuing_subword_prefix\":\"##\","
							"\"max_input_chars_per_word\":100,\"vocab\":{\"?\":0");
	for (size_t k = 1; k < n; k++)
		used += (size_t) sprintf(model + used, ",\"aaaaaaaaaaaaaaaaaaaaaaaa%zu\":%zu", k, k);
	strcpy(model + used, "}}");
	assert_int_equal(tokens_of(&p, "aaaaaaaaaaaaaaaaaaaaaaaa299999", 30, 8, line, sizeof line), XMC_OK);
	assert_string_equal(line, "299999");
	free(model);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_models),
		cmocka_unit_test(test_long_piece),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_added),
		cmocka_unit_test(test_post_processors),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_hostile_tables),
		cmocka_unit_test(test_vocabulary),
		cmocka_unit_test(test_large_vocabulary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
