/*
 * tokenizers.h - tiny tokenizers for tests: a tokenizer.json put together from its parts, compiled, opened, and asked for
 * tokens.
 */
#ifndef TOKENIZERS_H
#define TOKENIZERS_H

#include "counting.h"
#include "text_encoder/tokenizer.h"
#include "text_encoder/tokenizer_file.h"

#include <stdio.h>

/* Models whose ids are easy to read. */
#define WORDPIECE_OF(vocabulary) \
	"{\"type\":\"WordPiece\",\"unk_token\":\"?\",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":8," \
	"\"vocab\":{\"?\":0," vocabulary "}}"
#define UNIGRAM_OF(vocabulary) "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"?\",0.0]," vocabulary "]}"

/* A tokenizer.json; a part of NULL is null. */
typedef struct parts
{
	const char *normalizer;
	const char *pre_tokenizer;
	const char *post_processor;
	const char *added;			/* array */
	const char *model;
} parts;

static inline char *
tokenizer_json(const parts *p)
{
	size_t		room = 65536 + (p->model ? strlen(p->model) : 0) + (p->normalizer ? strlen(p->normalizer) : 0);
	char	   *json = malloc(room);

	snprintf(json, room, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":{\"direction\":\"Right\"},\"added_tokens\":%s,"
			 "\"normalizer\":%s,\"pre_tokenizer\":%s,\"post_processor\":%s,\"decoder\":{\"type\":\"Any\"},\"model\":%s}\n",
			 p->added ? p->added : "[]", p->normalizer ? p->normalizer : "null", p->pre_tokenizer ? p->pre_tokenizer : "null",
			 p->post_processor ? p->post_processor : "null", p->model);
	return json;
}

/* A copy of each table of exactly its size, which a sanitizer watches. */
static inline void
copy_tables(const xmc_tokenizer_tables *from, xmc_tokenizer_table to[XMC_TOKENIZER_TABLES])
{
	for (int k = 0; k < XMC_TOKENIZER_TABLES; k++)
	{
		to[k] = from->table[k];
		to[k].data = exact_copy(to[k].data, (size_t) to[k].n * (to[k].is_bytes ? 1 : sizeof(int32_t)));
	}
}

static inline void
free_tables(xmc_tokenizer_table table[XMC_TOKENIZER_TABLES])
{
	for (int k = 0; k < XMC_TOKENIZER_TABLES; k++)
		free((void *) table[k].data);
}

/* Compiles, opens and encodes; the ids are written as one line, or the error's message. Checks that nothing leaks. */
static inline xmc_status
tokens_of(const parts *p, const char *text, size_t length, int32_t max_tokens, char *line, size_t room)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	char	   *json = tokenizer_json(p);
	size_t		size = strlen(json);
	char	   *copy = exact_copy(json, size);
	char	   *exact = exact_copy(text, length);
	int32_t    *id = malloc((size_t) (max_tokens ? max_tokens : 1) * sizeof *id);
	xmc_tokenizer_tables tables;
	xmc_tokenizer_table table[XMC_TOKENIZER_TABLES];
	xmc_tokenizer *tokenizer;
	int32_t		n = 0;
	size_t		used = 0;
	xmc_status	status = xmc_tokenizer_compile(&ctx, copy, size, &tables);

	line[0] = '\0';
	free(json);
	free(copy);
	if (status == XMC_OK)
	{
		copy_tables(&tables, table);
		status = xmc_tokenizer_open(&ctx, table, tables.vocabulary, &tokenizer);
		xmc_tokenizer_tables_free(&ctx, &tables);
		if (status == XMC_OK)
		{
			status = xmc_tokenizer_encode(&ctx, tokenizer, exact, length, max_tokens, id, &n);
			xmc_tokenizer_close(&ctx, tokenizer);
		}
		free_tables(table);
	}
	for (int32_t k = 0; k < n && used + 12 < room; k++)
		used += (size_t) snprintf(line + used, room - used, k ? " %d" : "%d", (int) id[k]);
	if (status != XMC_OK)
		snprintf(line, room, "%s", ctx.message);
	free(exact);
	free(id);
	if (counts.live != 0)
		snprintf(line, room, "%ld allocations leak", counts.live);
	return status;
}

static inline void
tokens_are(const parts *p, const char *text, const char *expected)
{
	char		line[1024];

	if (tokens_of(p, text, strlen(text), 100, line, sizeof line) != XMC_OK || strcmp(line, expected) != 0)
		fail_msg("\"%s\": %s, not %s", text, line, expected);
}

/* The file is refused as bad input, with a message that has these words. */
static inline void
refused(const parts *p, const char *expected)
{
	char		line[1024];

	if (tokens_of(p, "", 0, 100, line, sizeof line) != XMC_BAD_INPUT)
		fail_msg("not refused: %s", line);
	if (!strstr(line, expected))
		fail_msg("message is \"%s\", not \"%s\"", line, expected);
}

#endif
