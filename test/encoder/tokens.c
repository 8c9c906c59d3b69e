/*
 * tokens.c - prints the tokens of texts, for the comparison with the reference implementation in parity.py.
 *
 *	tokens TOKENIZER.json MAX_TOKENS < texts
 *
 * Each text stands behind its length, 4 bytes, little-endian. One line is printed for each: the ids. The tables are used as they
 * come out of the file of an encoder: at an address that need not be a multiple of 8.
 */
#include "text_encoder/tokenizer.h"
#include "text_encoder/tokenizer_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
read_all(FILE *file, size_t *size)
{
	size_t		room = 1 << 20;
	char	   *bytes = malloc(room);

	*size = 0;
	for (size_t n; (n = fread(bytes + *size, 1, room - *size, file)) > 0;)
	{
		*size += n;
		if (*size == room)
			bytes = realloc(bytes, room *= 2);
	}
	return bytes;
}

static void
check(const xmc_ctx *ctx, xmc_status status)
{
	if (status != XMC_OK)
	{
		fprintf(stderr, "tokens: %s\n", ctx->message);
		exit(1);
	}
}

/* The same tables at other addresses. */
static void
move_tables(xmc_tokenizer_tables *tables)
{
	for (int k = 0; k < XMC_TOKENIZER_TABLES; k++)
	{
		size_t		bytes = (size_t) tables->table[k].n * (tables->table[k].is_bytes ? 1 : sizeof(int32_t));
		char	   *moved = malloc(bytes + 4);

		memcpy(moved + 4, tables->table[k].data, bytes);
		tables->table[k].data = moved + 4;
	}
}

int
main(int argc, char **argv)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_tokenizer_tables tables;
	xmc_tokenizer *tokenizer;
	FILE	   *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
	int32_t		max_tokens = argc == 3 ? atoi(argv[2]) : 0;
	int32_t    *id;
	void	   *json;
	size_t		size = 0;
	unsigned char prefix[4];

	if (!file || max_tokens < 1)
	{
		fprintf(stderr, "tokens TOKENIZER.json MAX_TOKENS < texts\n");
		return 2;
	}
	json = read_all(file, &size);
	check(&ctx, xmc_tokenizer_compile(&ctx, json, size, &tables));
	move_tables(&tables);
	check(&ctx, xmc_tokenizer_open(&ctx, tables.table, tables.vocabulary, &tokenizer));
	id = malloc((size_t) max_tokens * sizeof *id);
	while (fread(prefix, 1, 4, stdin) == 4)
	{
		size_t		length = prefix[0] | prefix[1] << 8 | prefix[2] << 16 | (size_t) prefix[3] << 24;
		char	   *text = malloc(length ? length : 1);
		int32_t		n;

		if (fread(text, 1, length, stdin) != length)
			return 1;
		check(&ctx, xmc_tokenizer_encode(&ctx, tokenizer, text, length, max_tokens, id, &n));
		for (int32_t k = 0; k < n; k++)
			printf(k ? " %d" : "%d", (int) id[k]);
		putchar('\n');
		free(text);
	}
	return 0;
}
