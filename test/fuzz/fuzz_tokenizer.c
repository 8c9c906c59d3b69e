/*
 * fuzz_tokenizer.c - the first byte of an input says what the rest is: a tokenizer.json; changes of the tables of a good
 * tokenizer; or a text for good tokenizers. Whatever opens gives ids below the vocabulary, the same ids each time, and
 * with room for fewer tokens their beginning.
 */
#include "fuzz.h"
#include "base/utf8.h"
#include "text_encoder/tokenizer.h"
#include "text_encoder/tokenizer_file.h"

#define MOST 64

/* Good tokenizers, which together use every kind of step. */
static const char *const good[] =
{
	"{\"added_tokens\":[{\"id\":8,\"content\":\"[M]\",\"single_word\":true,\"lstrip\":true,\"rstrip\":true,\"normalized\":false},"
	"{\"id\":9,\"content\":\"nb\",\"normalized\":true}],"
	"\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"BertNormalizer\"},{\"type\":\"NFKC\"},{\"type\":\"Nmt\"},"
	"{\"type\":\"StripAccents\"},{\"type\":\"Strip\"},{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\"x\"}]},"
	"\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"BertPreTokenizer\"},{\"type\":\"Digits\"},"
	"{\"type\":\"Split\",\"pattern\":{\"Regex\":\".\"},\"behavior\":\"MergedWithNext\",\"invert\":false}]},"
	"\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"s\",3],\"cls\":[\"c\",2]},"
	"\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"?\",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":9,"
	"\"vocab\":{\"?\":0,\"a\":1,\"c\":2,\"s\":3,\"##a\":4,\"ab\":5,\"\xe8\xaa\x9e\":6,\"##\xe8\xaa\x9e\":7}}}",
	"{\"added_tokens\":[{\"id\":2,\"content\":\"aa\",\"lstrip\":true,\"normalized\":true}],"
	"\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"NFKD\"},{\"type\":\"NFD\"},"
	"{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"BAAAAAAAAABhAA==\"},{\"type\":\"Lowercase\"},"
	"{\"type\":\"Prepend\",\"prepend\":\"_\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\"b\"},\"content\":\"aa\"}]},"
	"\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Whitespace\"},{\"type\":\"WhitespaceSplit\"},"
	"{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"},{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"first\"}]},"
	"\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"s\"}},{\"Sequence\":{\"id\":\"A\"}}],"
	"\"special_tokens\":{\"s\":{\"ids\":[1]}}},"
	"\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"byte_fallback\":true,\"vocab\":[[\"?\",0],[\"_\",-1.5],[\"aa\",-2],[\"a\",-1.25],"
	"[\"<0xC3>\",0],[\"<0xA9>\",0],[\"\xe8\xaa\x9e\",-3e0]]}}"
};

#define GOOD (sizeof good / sizeof good[0])

static const char *const texts[] =
{
	"", "a", "ab aab \xe8\xaa\x9e\xe8\xaa\x9e, [M] nb1", "e\xcc\x81\xcc\xa3\xc3\xa9\xef\xbc\xa1  \t\xe2\x80\x8b",
	"\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd\xe0\xb8\xb3\xea\xb0\x80--a_b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
};

static xmc_tokenizer_tables compiled[GOOD];
static xmc_tokenizer *opened[GOOD];

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	xmc_ctx		ctx = xmc_ctx_malloc();

	(void) argc;
	(void) argv;
	for (size_t k = 0; k < GOOD; k++)
	{
		xmc_status	status = xmc_tokenizer_compile(&ctx, good[k], strlen(good[k]), &compiled[k]);

		if (status != XMC_OK)
			fprintf(stderr, "%s\n", ctx.message);
		MUST(status == XMC_OK);
		MUST(xmc_tokenizer_open(&ctx, compiled[k].table, compiled[k].vocabulary, &opened[k]) == XMC_OK);
	}
	return 0;
}

/* Hostile tables may take any time within the limits of the format; the callback ends that. */
static bool
stop_soon(void *arg)
{
	return ++*(int *) arg > 50;
}

static void
encode(const xmc_tokenizer *tokenizer, int32_t vocabulary, const void *text, size_t size)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	int			questions = 0;
	int32_t		special = xmc_tokenizer_special_tokens(tokenizer);
	int32_t		id[MOST + 2 * XMC_TOKENIZER_MAX_SPECIAL];
	int32_t		fewer[8 + 2 * XMC_TOKENIZER_MAX_SPECIAL];
	int32_t		n;
	int32_t		n_fewer;
	char	   *copy = fuzz_copy(text, size);
	xmc_status	status;

	ctx.stop = stop_soon;
	ctx.arg = &questions;
	MUST(special >= 0 && special <= 2 * XMC_TOKENIZER_MAX_SPECIAL);
	status = xmc_tokenizer_encode(&ctx, tokenizer, copy, size, special + MOST, id, &n);
	MUST(status == XMC_OK || status == XMC_BAD_INPUT || status == XMC_LIMIT || status == XMC_STOPPED);
	MUST(status != XMC_BAD_INPUT || !xmc_utf8_valid(copy, size));
	if (status == XMC_OK)
	{
		int32_t		before = 0;

		MUST(n >= special && n <= special + MOST);
		for (int32_t k = 0; k < n; k++)
			MUST(id[k] >= 0 && id[k] < vocabulary);
		status = xmc_tokenizer_encode(&ctx, tokenizer, copy, size, special + 8, fewer, &n_fewer);
		MUST(status == XMC_OK || status == XMC_STOPPED);
		if (status == XMC_OK)
		{
			MUST(n_fewer == (n < special + 8 ? n : special + 8));
			while (before < n_fewer && fewer[before] == id[before])
				before++;
			MUST(before >= n_fewer - special);
		}
	}
	free(copy);
}

static void
encode_texts(const xmc_tokenizer *tokenizer, int32_t vocabulary)
{
	for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
		encode(tokenizer, vocabulary, texts[k], strlen(texts[k]));
}

/* Copies of the tables of exactly their sizes, so that a read past their ends is detected. */
static void
open_and_encode(const xmc_tokenizer_table from[XMC_TOKENIZER_TABLES], int32_t vocabulary, const uint8_t *changes,
				size_t size, bool must_open)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_tokenizer_table table[XMC_TOKENIZER_TABLES];
	xmc_tokenizer *tokenizer;
	xmc_status	status;

	for (int k = 0; k < XMC_TOKENIZER_TABLES; k++)
	{
		table[k] = from[k];
		table[k].data = fuzz_copy(from[k].data, (size_t) from[k].n * (from[k].is_bytes ? 1 : sizeof(int32_t)));
	}
	/* Changes of 8 bytes: which table, what to do, where (2 bytes), a value (4 bytes). */
	for (; size >= 8; changes += 8, size -= 8)
	{
		xmc_tokenizer_table *to = &table[changes[0] % XMC_TOKENIZER_TABLES];
		size_t		at = (size_t) ((changes[2] | changes[3] << 8) % to->n);
		int32_t		value;

		memcpy(&value, changes + 4, 4);
		if (to->is_bytes)
			((uint8_t *) to->data)[at] = (uint8_t) value;
		else
			((int32_t *) to->data)[at] = changes[1] & 1 ? value : (int32_t) ((uint32_t) ((int32_t *) to->data)[at] +
																			 (uint32_t) (int8_t) changes[4]);
	}
	status = xmc_tokenizer_open(&ctx, table, vocabulary, &tokenizer);
	MUST(status == XMC_OK || (status == XMC_BAD_MODEL && !must_open && ctx.message[0] != '\0'));
	if (status == XMC_OK)
	{
		encode_texts(tokenizer, vocabulary);
		xmc_tokenizer_close(&ctx, tokenizer);
	}
	for (int k = 0; k < XMC_TOKENIZER_TABLES; k++)
		free((void *) table[k].data);
}

static void
compile_and_encode(const uint8_t *json, size_t size)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	void	   *copy = fuzz_copy(json, size);
	xmc_tokenizer_tables tables;
	xmc_status	status = xmc_tokenizer_compile(&ctx, copy, size, &tables);

	free(copy);
	MUST(status == XMC_OK || ((status == XMC_BAD_INPUT || status == XMC_LIMIT) && ctx.message[0] != '\0'));
	if (status == XMC_OK)
		open_and_encode(tables.table, tables.vocabulary, NULL, 0, true);
	xmc_tokenizer_tables_free(&ctx, &tables);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t		which;

	if (size == 0)
		return 0;
	which = data[0] / 3 % GOOD;
	if (data[0] % 3 == 0 || data[0] == '{')
		compile_and_encode(data + (data[0] != '{'), size - (data[0] != '{'));
	else if (data[0] % 3 == 1)
		open_and_encode(compiled[which].table, compiled[which].vocabulary, data + 1, size - 1, false);
	else
		encode(opened[which], compiled[which].vocabulary, data + 1, size - 1);
	return 0;
}
