/*
 * vectors.c - prints tokens and vectors of texts, for the comparison with another implementation in vectors.py.
 *
 *	vectors FOLDER < texts
 *
 * FOLDER has the files of a published encoder. Each line is a text; all are computed in one call. A line is printed for
 * each: the number of tokens, the tokens, the numbers of the vector.
 */
#include "folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXTS 1000

static void
check(const xmc_ctx *ctx, xmc_status status)
{
	if (status == XMC_OK)
		return;
	fprintf(stderr, "vectors: %s\n", ctx->message);
	exit(1);
}

int
main(int argc, char **argv)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	const char *folder = argc > 1 ? argv[1] : ".";
	static xmc_encoder_text text[TEXTS];
	xmc_text_encoder *encoder;
	const xmc_text_encoder_shape *shape;
	int			n = 0;
	float	   *vector;
	int32_t    *id;

	check(&ctx, folder_encoder(&ctx, folder, &encoder));
	shape = xmc_text_encoder_get_shape(encoder);
	while (n < TEXTS)
	{
		char	   *line = NULL;
		size_t		room = 0;
		ssize_t		length = getline(&line, &room, stdin);

		if (length < 0)
			break;
		text[n++] = (xmc_encoder_text){line, (size_t) length - (length > 0 && line[length - 1] == '\n')};
	}
	vector = malloc((size_t) n * (size_t) shape->dim * sizeof *vector + 1);
	id = malloc((size_t) shape->max_tokens * sizeof *id);
	check(&ctx, xmc_text_encoder_embed(&ctx, encoder, n, text, vector));
	for (int t = 0; t < n; t++)
	{
		int32_t		tokens;

		check(&ctx, xmc_text_encoder_tokens(&ctx, encoder, text[t].text, text[t].length, id, &tokens));
		printf("%d", (int) tokens);
		for (int32_t k = 0; k < tokens; k++)
			printf(" %d", (int) id[k]);
		for (int32_t k = 0; k < shape->dim; k++)
			printf(" %.9g", (double) vector[(int64_t) t * shape->dim + k]);
		printf("\n");
	}
	return 0;
}
