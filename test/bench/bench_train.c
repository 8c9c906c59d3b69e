/*
 * bench_train.c - processor time of a training step and of scoring, compared with the sgemm peak of one core measured in the
 * same run: time per document, share of the time in sgemm, GFLOP/s of the whole and of sgemm alone.
 *
 * Linked with -Wl,--wrap=xmc_sgemm,--wrap=xmc_sgemm_forward, so that the counter below sees every matrix product of the core.
 * Only the products' multiplications and additions count as work, so all other work of a step lowers its share of the peak.
 * Shares use elapsed time (cheap to read). Times are processor times, which a busy machine changes less.
 */
#include "../openblas.h"
#include "network/batch.h"
#include "xmcoh/random.h"
#include "numeric/sgemm.h"
#include "xmcoh/dataset.h"
#include "train/gradient.h"
#include "network/inputs.h"
#include "xmcoh/optimizer.h"
#include "xmcoh/random.h"
#include "xmcoh/scorer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DOCUMENTS 512
#define SECONDS 1.5				/* approximate duration of each measurement */
#define SCORE_BATCH 64

static double
seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* ---- calls of sgemm ---- */

static double sgemm_seconds;	/* elapsed time */
static double sgemm_flop;

#define COUNTED(name) \
	extern xmc_status __real_##name(xmc_ctx *ctx, xmc_transpose transpose_a, xmc_transpose transpose_b, int64_t m, int64_t n, \
									int64_t k, float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, \
									float *c, int64_t ldc); \
	extern xmc_status __wrap_##name(xmc_ctx *ctx, xmc_transpose transpose_a, xmc_transpose transpose_b, int64_t m, int64_t n, \
									int64_t k, float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, \
									float *c, int64_t ldc); \
	\
	xmc_status \
	__wrap_##name(xmc_ctx *ctx, xmc_transpose transpose_a, xmc_transpose transpose_b, int64_t m, int64_t n, int64_t k, float alpha, \
				  const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) \
	{ \
		double		start = seconds(CLOCK_MONOTONIC); \
		xmc_status	status = __real_##name(ctx, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc); \
		\
		sgemm_seconds += seconds(CLOCK_MONOTONIC) - start; \
		sgemm_flop += 2.0 * (double) m * (double) n * (double) k; \
		return status; \
	}
COUNTED(xmc_sgemm)
COUNTED(xmc_sgemm_forward)

/* The highest GFLOP/s of some large square products, by OpenBLAS and, A B^T, by the core. */
static void
sgemm_peak(double *openblas, double *own)
{
	const int	n = 1536;
	xmc_ctx		ctx = openblas_ctx();
	float	   *a = malloc(sizeof(float) * (size_t) n * n * 3);	/* (3, n, n) */

	if (!a)
		exit(1);
	for (int k = 0; k < 2 * n * n; k++)
		a[k] = (float) (k % 17) - 8;
	*openblas = *own = 0;
	for (int round = 0; round < 16; round++)
	{
		double		start = seconds(CLOCK_PROCESS_CPUTIME_ID);
		double	   *best = round % 2 ? own : openblas;
		xmc_gemm	gemm = round % 2 ? __real_xmc_sgemm_forward : openblas_gemm;
		double		rate;

		if (gemm(&ctx, XMC_PLAIN, XMC_TRANSPOSED, n, n, n, 1, a, n, a + n * n, n, 0, a + 2 * n * n, n) != XMC_OK)
			exit(1);
		rate = 2.0 * n * n * n / (seconds(CLOCK_PROCESS_CPUTIME_ID) - start) * 1e-9;
		*best = rate > *best ? rate : *best;
	}
	free(a);
}

/* ---- models and documents ---- */

typedef struct setting
{
	const char *name;
	xmc_term	term;			/* the trained term (for `fused` the bilinear term); scoring uses the whole model */
	int32_t		image_dim;
	bool		words;
	bool		paper;			/* the paper's size (design section 4), which has no bilinear term; else default options */
} setting;

static const setting settings[] = {
	{"paper, image", XMC_TERM_IMAGE_NETWORK, 768, false, true},
	{"default, image", XMC_TERM_IMAGE_NETWORK, 512, false, false},
	{"default, words", XMC_TERM_TEXT_NETWORK, 0, true, false},
	{"default, fused", XMC_TERM_BILINEAR, 512, true, false},
};

static void
check(xmc_ctx *ctx, xmc_status status)
{
	if (status == XMC_OK)
		return;
	fprintf(stderr, "bench_train: %s\n", ctx->message);
	exit(1);
}

/* Documents of 5 to 12 items: an instruction of 12 words each, from a vocabulary of 3,000, or a random embedding. */
static void
make_documents(xmc_ctx *ctx, const xmc_options *options, xmc_document *document)
{
	xmc_tokeniser *tokeniser;
	xmc_random	random;

	check(ctx, xmc_tokeniser_new(ctx, &tokeniser));
	xmc_random_seed(&random, 5);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		int32_t		n = 5 + (int32_t) xmc_random_below(&random, 8);
		xmc_item	item[12] = {0};
		char		key[12][4];
		char		text[12][128];
		int32_t		order[12];
		float	   *image = malloc(sizeof(float) * 12 * ((size_t) options->image_dim + 1));

		if (!image)
			exit(1);
		for (int32_t k = 0; k < n * options->image_dim; k++)
			image[k] = (float) xmc_random_normal(&random);
		for (int32_t i = 0; i < n; i++)
		{
			int			used = 0;

			order[i] = i;
			for (int word = 0; word < 12; word++)
				used += snprintf(text[i] + used, sizeof text[i] - (size_t) used, "word%u ", xmc_random_below(&random, 3000));
			item[i] = (xmc_item){.key = key[i],.key_length = (size_t) snprintf(key[i], sizeof key[i], "%d", i),
				.text = options->words ? text[i] : NULL,.text_length = (size_t) used,
				.image = options->image_dim ? image + (int64_t) i * options->image_dim : NULL};
		}
		check(ctx, xmc_document_build(ctx, options, tokeniser, n, item, &document[d]));
		check(ctx, xmc_document_label_order(ctx, &document[d], order));
		free(image);
	}
	xmc_tokeniser_free(tokeniser);
}

/* ---- measuring ---- */

typedef struct measured
{
	double		cpu;			/* seconds */
	double		wall;
	int64_t		documents;
} measured;

static void
begin(measured *m)
{
	sgemm_seconds = sgemm_flop = 0;
	*m = (measured){.cpu = -seconds(CLOCK_PROCESS_CPUTIME_ID),.wall = -seconds(CLOCK_MONOTONIC)};
}

static void
end(measured *m, const char *name, const char *what, double peak)
{
	double		share;

	m->cpu += seconds(CLOCK_PROCESS_CPUTIME_ID);
	m->wall += seconds(CLOCK_MONOTONIC);
	share = sgemm_seconds / m->wall;
	printf("%-18s %-6s %9.1f us %8.0f %% %9.1f %9.1f %9.0f %% %9.0f %%\n", name, what, m->cpu / (double) m->documents * 1e6,
		   100 * share, sgemm_flop / m->cpu * 1e-9, sgemm_flop / (m->cpu * share) * 1e-9,
		   100 * sgemm_flop / m->cpu * 1e-9 / peak, 100 * sgemm_flop / (m->cpu * share) * 1e-9 / peak);
	fflush(stdout);
}

/* Training steps, as in xmc_train, over the documents repeatedly. */
static void
train(xmc_ctx *ctx, const setting *s, const xmc_options *options, const xmc_document *document, double peak)
{
	const xmc_document *pointer[DOCUMENTS];
	bool		has_bag = s->term == XMC_TERM_TEXT_NETWORK;
	xmc_model  *model;
	xmc_model  *grad;
	xmc_arena	arena;
	xmc_arena	run_arena;
	xmc_adamw	adamw;
	xmc_adagrad hashed = {0};
	xmc_random	random;
	measured	m;

	for (int d = 0; d < DOCUMENTS; d++)
		pointer[d] = &document[d];
	xmc_arena_init(&arena, ctx);
	xmc_arena_init(&run_arena, ctx);
	xmc_random_seed(&random, 1);
	check(ctx, xmc_model_new(ctx, options, has_bag, &model));
	check(ctx, xmc_model_new_zero(ctx, options, has_bag, &grad));
	for (int m = 0; m < XMC_MODALITIES; m++)
		if (model->network[m].input_dim > 0)
			check(ctx, xmc_inputs_fit(&run_arena, model, (xmc_modality) m, DOCUMENTS, pointer));
	check(ctx, xmc_adamw_init(&run_arena, model, s->term, &adamw));
	if (has_bag)
		check(ctx, xmc_adagrad_init(&run_arena, 1 << options->bag_bits, options->bag_dim, &hashed));

	/* One pass over all documents to warm up, then repeated until the time is over. */
	for (int measure = 0; measure < 2; measure++)
	{
		begin(&m);
		do
			for (int32_t first = 0; first < DOCUMENTS; first += options->batch_documents)
			{
				xmc_batch	batch;
				double		loss;

				xmc_arena_reset(&arena);
				check(ctx, xmc_batch_init(&arena, options, xmc_term_modality(s->term), options->batch_documents, pointer + first,
										  &batch));
				check(ctx, xmc_term_gradient(&arena, model, &batch, s->term, options->batch_documents, &random, grad,
											 has_bag ? &hashed : NULL, NULL, &loss));
				xmc_adamw_step(&adamw, model, grad, s->term, options->learning_rate, options->weight_decay);
				if (has_bag)
					xmc_adagrad_step(&hashed, model->bag, options->bag_learning_rate);
				m.documents += options->batch_documents;
			}
		while (measure && seconds(CLOCK_PROCESS_CPUTIME_ID) + m.cpu < SECONDS);
	}
	end(&m, s->name, "train", peak);
	xmc_model_free(ctx, grad);
	xmc_model_free(ctx, model);
	xmc_arena_free(&run_arena);
	xmc_arena_free(&arena);
}

static void
score(xmc_ctx *ctx, const setting *s, const xmc_options *options, const xmc_document *document, double peak)
{
	xmc_model  *model;
	measured	m;

	check(ctx, xmc_model_new(ctx, options, s->words, &model));
	for (int measure = 0; measure < 2; measure++)
	{
		begin(&m);
		do
			for (int32_t first = 0; first < DOCUMENTS; first += SCORE_BATCH)
			{
				xmc_scores	scores[SCORE_BATCH];

				check(ctx, xmc_score_documents(ctx, model, SCORE_BATCH, document + first, scores));
				for (int d = 0; d < SCORE_BATCH; d++)
					xmc_scores_free(ctx, &scores[d]);
				m.documents += SCORE_BATCH;
			}
		while (measure && seconds(CLOCK_PROCESS_CPUTIME_ID) + m.cpu < SECONDS);
	}
	end(&m, s->name, "score", peak);
	xmc_model_free(ctx, model);
}

int
main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";	/* measure only settings whose name starts with this; for profiling */
	double		openblas;
	double		own;
	double		peak;

	sgemm_peak(&openblas, &own);
	peak = openblas > own ? openblas : own;
	printf("%s, kernels for %s: %.1f GFLOP/s; own loops: %.1f; sgemm peak of one core (1536 x 1536 x 1536): %.1f GFLOP/s\n",
		   openblas_get_config(), openblas_get_corename(), openblas, own, peak);
	printf("%-18s %-6s %12s %10s %9s %9s %11s %11s\n", "", "", "a document", "in sgemm", "GFLOP/s", "in sgemm", "of peak",
		   "in sgemm");
	for (size_t k = 0; k < sizeof settings / sizeof *settings; k++)
	{
		const setting *s = &settings[k];
		xmc_ctx		ctx = openblas_ctx();
		xmc_options options;
		xmc_document *document;

		if (strncmp(s->name, only, strlen(only)) != 0)
			continue;
		xmc_options_default(&options);
		options.image_dim = s->image_dim;
		options.words = s->words;
		if (s->paper)
		{
			options.d_model = 768;
			options.layers = 2;
			options.feed_forward = 512;
			options.bilinear_dim = 0;
			options.batch_documents = 64;
		}
		document = calloc(DOCUMENTS, sizeof *document);
		if (!document)
			return 1;
		make_documents(&ctx, &options, document);
		train(&ctx, s, &options, document, peak);
		score(&ctx, s, &options, document, peak);
		for (int d = 0; d < DOCUMENTS; d++)
			xmc_document_free(&ctx, &document[d]);
		free(document);
	}
	return 0;
}
