/*
 * bench_embed.c - speed of a text encoder of MiniLM's shape (6 layers, 384 numbers, 12 heads) with random weights: texts of
 * 20 tokens, one at a time and 32 at a time; processor time, and the share of the sgemm peak that was measured between the
 * runs.
 *
 * Writes to the folder of argument 1, for embed.py: the weights in the order of the encoder's file (weights.f32), the
 * numbers and tokens of texts of 1 to 300 tokens (tokens.i32), and their vectors (vectors.f32).
 */
#include "minilm.h"
#include "model/safetensors.h"
#include "numeric/sgemm.h"

#define RUNS 30

/* GFLOP/s of a product of large square matrices: the faster one of OpenBLAS and the core. */
static double
peak(void)
{
	enum
	{
		N = 768
	};
	static float a[N * N];
	static float b[N * N];
	static float c[N * N];
	xmc_ctx		ctx = xmc_ctx_malloc();
	double		best = 0;

	for (int k = 0; k < N * N; k++)
		a[k] = b[k] = 0.5f;
	for (int run = 0; run < 10; run++)
	{
		double		start = now();
		double		rate;

		must((run % 2 ? openblas_gemm : xmc_sgemm) (&ctx, XMC_PLAIN, XMC_TRANSPOSED, N, N, N, 1, a, N, b, N, 0, c, N) == XMC_OK,
			 &ctx);
		rate = 2.0 * N * N * N / (now() - start) / 1e9;
		best = rate > best ? rate : best;
	}
	return best;
}

/* A text of so many tokens, the two special ones included. */
static char *
make_text(xmc_random *random, int tokens)
{
	char	   *text = malloc((size_t) tokens * 8 + 1);
	size_t		used = 0;

	text[0] = '\0';
	for (int k = 0; k < tokens - 2; k++)
		used += (size_t) sprintf(text + used, "w%d ", (int) xmc_random_below(random, 996));
	return text;
}

/* The shortest of RUNS runs, in seconds for a call of n texts. */
static double
measure(xmc_ctx *ctx, xmc_text_encoder *encoder, int n, const xmc_encoder_text *text, float *vector)
{
	double		best = 1e9;

	for (int run = 0; run < RUNS; run++)
	{
		double		start = now();
		double		took;

		must(xmc_text_encoder_embed(ctx, encoder, n, text, vector) == XMC_OK, ctx);
		took = now() - start;
		best = took < best ? took : best;
	}
	return best;
}

/* What embed.py compares: weights, tokens, vectors. */
static void
write_comparison(xmc_ctx *ctx, xmc_text_encoder *encoder, const void *bytes, const char *folder)
{
	enum
	{
		LENGTHS = 40
	};
	static int32_t tokens[LENGTHS * 513];
	static float vectors[LENGTHS][DIM];
	xmc_encoder_text text[LENGTHS];
	xmc_random	random;
	size_t		used = 0;
	uint64_t	header;

	xmc_random_seed(&random, 3);
	for (int k = 0; k < LENGTHS; k++)
	{
		int			length = k < 20 ? k + 2 : 2 + (int) xmc_random_below(&random, 299);

		text[k].text = make_text(&random, k == LENGTHS - 1 ? 300 : length);
		text[k].length = strlen(text[k].text);
		must(xmc_text_encoder_tokens(ctx, encoder, text[k].text, text[k].length, tokens + used + 1,
									 &tokens[used]) == XMC_OK, ctx);
		used += 1 + (size_t) tokens[used];
	}
	must(xmc_text_encoder_embed(ctx, encoder, LENGTHS, text, vectors[0]) == XMC_OK, ctx);
	memcpy(&header, bytes, 8);
	write_file(folder, "weights.f32", (const char *) bytes + 8 + header,
			   (size_t) xmc_text_encoder_get_shape(encoder)->parameters * sizeof(float));
	write_file(folder, "tokens.i32", tokens, used * sizeof(int32_t));
	write_file(folder, "vectors.f32", vectors, sizeof vectors);
}

int
main(int argc, char **argv)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	published_files files;
	xmc_published_encoder published;
	xmc_text_encoder *encoder;
	xmc_encoder_text text[32];
	static float vector[32][DIM];
	xmc_random	random;
	size_t		size;
	void	   *file;
	double		opening;
	double		one;
	double		many;
	double		highest;
	/* multiply-adds of a text: the layers' matrices for each token, and the attention's two products */
	double		flop = 2.0 * LAYERS * (12.0 * DIM * DIM * TOKENS + 2.0 * DIM * TOKENS * TOKENS);

	published_make(&minilm, &files);
	published = published_encoder(&files);
	must(xmc_text_encoder_compile(&ctx, &published, &file, &size) == XMC_OK, &ctx);
	opening = now();
	must(xmc_text_encoder_open(&ctx, file, size, &encoder) == XMC_OK, &ctx);
	opening = now() - opening;
	xmc_random_seed(&random, 2);
	for (int k = 0; k < 32; k++)
	{
		text[k].text = make_text(&random, TOKENS);
		text[k].length = strlen(text[k].text);
	}
	highest = peak();
	one = measure(&ctx, encoder, 1, text, vector[0]);
	many = measure(&ctx, encoder, 32, text, vector[0]) / 32;
	highest = peak() > highest ? peak() : highest;
	printf("opening, 1,000 tokens   %8.3f ms\n", opening * 1e3);
	printf("one text                %8.3f ms  %5.1f %% of the sgemm peak (%.0f GFLOP/s)\n", one * 1e3,
		   flop / one / highest / 1e7, highest);
	printf("of 32 texts, each       %8.3f ms  %5.1f %% of the sgemm peak\n", many * 1e3, flop / many / highest / 1e7);
	if (argc > 1)
		write_comparison(&ctx, encoder, file, argv[1]);
	xmc_text_encoder_close(&ctx, encoder);
	xmc_release(&ctx, file);
	published_free(&files);
	return 0;
}
