/*
 * bench_fine_tune.c - an epoch of fine-tuning, in one process: 500 documents of 5 steps of 20 tokens, a text encoder of MiniLM's shape
 * (6 layers, 384 numbers, 12 heads) with random weights. Arguments: how many layers learn, and the rank of their adapters (0: all
 * parameters learn). With a folder as the third argument it only writes the encoder's published files there, for fine_tune.sh.
 *
 * Prints seconds of processor time, from the fastest of several steps, because other processes make a step slower, never faster.
 * xmc_train does the work, as in a job; fine_tune.py does the same in PyTorch.
 */
#include "minilm.h"
#include "xmcoh/dataset.h"
#include "xmcoh/train.h"

#define STEPS 5
#define DOCUMENTS 500
#define HELD_OUT 8				/* documents, besides */
#define BATCH 4					/* documents of a step of the optimizer while the encoder learns */
#define STEPS_MEASURED 40

/* Documents whose steps have random tokens and random embeddings. */
static void
make_documents(xmc_ctx *ctx, const xmc_options *options, int n, xmc_document *document)
{
	xmc_tokeniser *tokeniser;
	xmc_random	random;

	must(xmc_tokeniser_new(ctx, &tokeniser) == XMC_OK, ctx);
	xmc_random_seed(&random, 5);
	for (int d = 0; d < n; d++)
	{
		static const char *const key[STEPS] = {"a", "b", "c", "d", "e"};
		static const int32_t order[STEPS] = {0, 1, 2, 3, 4};
		float		embedding[STEPS][DIM];
		int32_t		token[STEPS][TOKENS];
		xmc_item	item[STEPS];

		for (int i = 0; i < STEPS; i++)
		{
			for (int k = 0; k < DIM; k++)
				embedding[i][k] = (float) xmc_random_normal(&random);
			for (int k = 0; k < TOKENS; k++)
				token[i][k] = (int32_t) xmc_random_below(&random, 1000);
			item[i] = (xmc_item) {.key = key[i], .key_length = 1, .text = "text", .text_length = 4, .text_embedding = embedding[i],
				.token = token[i], .n_tokens = TOKENS};
		}
		must(xmc_document_build(ctx, options, tokeniser, STEPS, item, &document[d]) == XMC_OK, ctx);
		must(xmc_document_label_order(ctx, &document[d], order) == XMC_OK, ctx);
	}
	xmc_tokeniser_free(tokeniser);
}

typedef struct timer
{
	int			steps;			/* in which the encoder learns */
	double		last;			/* when the last one ended */
	double		best;
} timer;

/* The first epoch learns on unchanged vectors; then steps are measured until there are enough. */
static xmc_status
on_progress(void *arg, const xmc_train_progress *progress)
{
	timer	   *t = arg;

	if (progress->epoch == 0 || strcmp(progress->phase, "training text network") != 0)
		return XMC_OK;
	if (t->steps > 0 && (t->steps == 1 || now() - t->last < t->best))
		t->best = now() - t->last;
	t->last = now();
	return ++t->steps <= STEPS_MEASURED ? XMC_OK : XMC_STOPPED;
}

int
main(int argc, char **argv)
{
	static xmc_document document[DOCUMENTS + HELD_OUT];
	static uint8_t held_out[DOCUMENTS + HELD_OUT];
	xmc_ctx		ctx = openblas_ctx();
	published_files files;
	xmc_published_encoder published;
	xmc_text_encoder *encoder;
	xmc_options options;
	xmc_train_report report;
	xmc_model  *model;
	timer		t = {0};
	xmc_train_hooks hooks = {.arg = &t, .progress = on_progress};
	size_t		size;
	void	   *file;

	published_make(&minilm, &files);
	if (argc > 3)
	{
		write_file(argv[3], "config.json", files.config, strlen(files.config));
		write_file(argv[3], "tokenizer.json", files.tokenizer, strlen(files.tokenizer));
		write_file(argv[3], "model.safetensors", files.weights, files.weights_size);
		published_free(&files);
		return 0;
	}
	published = published_encoder(&files);
	must(xmc_text_encoder_compile(&ctx, &published, &file, &size) == XMC_OK, &ctx);
	must(xmc_text_encoder_open(&ctx, file, size, &encoder) == XMC_OK, &ctx);
	hooks.encoder = xmc_text_encoder_transformer(encoder);
	xmc_options_default(&options);
	options.text_dim = DIM;
	options.words = options.folds = options.evaluation_documents = 0;
	options.epochs = 1;
	options.patience = 100;
	options.fine_tune = argc > 1 ? atoi(argv[1]) : 3;
	options.adapter_rank = argc > 2 ? atoi(argv[2]) : 8;
	make_documents(&ctx, &options, DOCUMENTS + HELD_OUT, document);
	memset(held_out + DOCUMENTS, 1, HELD_OUT);
	must(xmc_train(&ctx, &options, DOCUMENTS + HELD_OUT, document, held_out, &hooks, &model, &report) == XMC_STOPPED, &ctx);
	printf("%.2f\n", t.best * DOCUMENTS / BATCH);
	for (int d = 0; d < DOCUMENTS + HELD_OUT; d++)
		xmc_document_free(&ctx, &document[d]);
	xmc_text_encoder_close(&ctx, encoder);
	xmc_release(&ctx, file);
	published_free(&files);
	return 0;
}
