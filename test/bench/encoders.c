/*
 * encoders.c - what a text encoder is worth: the tau on guides that were not approved, of models by words, with supplied embeddings, with
 * an encoder's vectors, and with the encoder fine-tuned. Part of `make quality`. Prints Markdown for doc/quality.md. No server is needed.
 *
 *   encoders FOLDER ENCODER [SAMPLES [SIZES [MODELS]]]
 *		FOLDER		as for guides.sh, with text.npy and image.npy
 *		ENCODER		has the published files of an encoder
 *		SAMPLES		5; each tests one fold of each split
 *		SIZES		"25 50 200"; approved guides, or all
 *		MODELS		"words supplied vectors tuned tuned-all layers"; some of these
 */
#include "../encoder/folder.h"
#include "guides.h"
#include "model/dtype.h"
#include "xmcoh/metrics.h"

#include <math.h>
#include <time.h>

enum
{
	WORDS, SUPPLIED, VECTORS, TUNED, TUNED_MORE, WHOLE_LAYERS, VARIANTS
};
static const char *const variant_arguments[VARIANTS] = {"words", "supplied", "vectors", "tuned", "tuned-all", "layers"};
static const char *const variant_names[VARIANTS] = {
	"words", "words and the supplied embedding", "words and the encoder's vectors", "the same, fine-tuned: adapters on the last 3 layers",
	"the same, fine-tuned: adapters on all layers", "the same, fine-tuned: all layers learn"
};

enum
{
	TEXT, FUSED, KINDS, MOST_SIZES = 8
};
static const char *const kind_names[KINDS] = {"text", "text and picture, fused"};

static xmc_ctx ctx;
static xmc_text_encoder *encoder;
static int32_t samples = GUIDES_FOLDS;
static int32_t n_sizes;
static int32_t sizes[MOST_SIZES];	/* approved guides; 0: all */
static bool is_measured[VARIANTS];

/* What the steps have, in the order of the file. */
static size_t n_steps;
static float *supplied;			/* (n_steps, supplied_dim) */
static int32_t supplied_dim;
static float *image;			/* (n_steps, image_dim) */
static int32_t image_dim;
static float *vector;			/* (n_steps, dim of the encoder) */
static int64_t *token_start;	/* (n_steps + 1) */
static int32_t *token;

/* The results of one cell: of each sample, the guides of its test part. NaN: the training was refused. */
typedef struct cell
{
	int32_t		n;
	int32_t		capacity;
	double	   *tau[KINDS];		/* (n) */
	int32_t    *group;			/* (n) by repository the repository, by document the guide */
	double		seconds;		/* of processor time, of all trainings */
	int			trainings;
	int			refused;
} cell;
static cell cells[2][VARIANTS][MOST_SIZES];

/* ---- reading ---- */

static void
fail(const char *what, const char *which)
{
	fprintf(stderr, "encoders: %s %s\n", what, which);
	exit(1);
}

/* A matrix of half precision as numpy writes it, with a row for each step. */
static float *
read_npy(const char *folder, const char *name, int32_t *dim)
{
	xmc_published_file file = folder_file(folder, name);
	const char *header = file.bytes;
	size_t		start;
	size_t		rows;
	char	   *text;
	char	   *shape;
	float	   *out;

	if (file.size < 128 || memcmp(header, "\x93NUMPY\x01", 7) != 0)
		fail("there is no .npy file of version 1:", name);
	start = 10 + (unsigned char) header[8] + 256 * (size_t) (unsigned char) header[9];
	text = strndup(header + 10, start - 10);
	shape = strstr(text, "'shape': (");
	if (!strstr(text, "'<f2'") || !strstr(text, "False") || !shape || sscanf(shape, "'shape': (%zu, %d)", &rows, dim) != 2 ||
		rows != n_steps || file.size != start + 2 * rows * (size_t) *dim)
		fail("no row of half precision for each step:", name);
	out = guides_alloc(rows * (size_t) *dim, sizeof *out);
	xmc_dtype_to_float(XMC_F16, (int64_t) rows * *dim, header + start, out);
	free(text);
	free((void *) file.bytes);
	return out;
}

/* Tokens and vectors of all steps. Empty texts have none in the database, and no guide has one. */
static void
encode_steps(const char *folder)
{
	guides_step *step = guides_read_steps(folder, &n_steps);
	const xmc_text_encoder_shape *shape = xmc_text_encoder_get_shape(encoder);
	xmc_encoder_text *text = guides_alloc(n_steps, sizeof *text);
	int32_t    *id = guides_alloc((size_t) shape->max_tokens, sizeof *id);
	size_t		capacity = 0;

	token_start = guides_alloc(n_steps + 1, sizeof *token_start);
	for (size_t s = 0; s < n_steps; s++)
	{
		int32_t		n;

		text[s] = (xmc_encoder_text) {step[s].text, strlen(step[s].text)};
		GUIDES_TRY(&ctx, xmc_text_encoder_tokens(&ctx, encoder, text[s].text, text[s].length, id, &n));
		token_start[s + 1] = token_start[s] + n;
		if ((size_t) token_start[s + 1] > capacity)
		{
			capacity = 2 * (size_t) token_start[s + 1];
			token = realloc(token, capacity * sizeof *token);
			if (!token)
				exit(1);
		}
		memcpy(token + token_start[s], id, (size_t) n * sizeof *id);
	}
	vector = guides_alloc(n_steps * (size_t) shape->dim, sizeof *vector);
	GUIDES_TRY(&ctx, xmc_text_encoder_embed(&ctx, encoder, (int32_t) n_steps, text, vector));
	free(text);
	free(id);
}

/* ---- one variant ---- */

static xmc_options
options_of(int variant)
{
	xmc_options options;

	xmc_options_default(&options);
	options.image_dim = image_dim;
	options.evaluation_documents = 0;	/* the figures that a version shows of itself are not used here */
	if (variant == SUPPLIED)
		options.text_dim = supplied_dim;
	if (variant >= VECTORS)
		options.text_dim = xmc_text_encoder_get_shape(encoder)->dim;
	if (variant == TUNED)
		options.fine_tune = 3;
	if (variant >= TUNED_MORE)
		options.fine_tune = xmc_text_encoder_get_shape(encoder)->layers;
	if (variant == TUNED || variant == TUNED_MORE)
		options.adapter_rank = 8;
	if (options.fine_tune > XMC_MAX_CHANGES)
		options.fine_tune = XMC_MAX_CHANGES;
	return options;
}

static void
read_guides(int variant, const xmc_options *options, const char *folder, guides *all)
{
	guides_inputs inputs = {.image = image};

	if (variant == SUPPLIED)
		inputs.text_embedding = supplied;
	if (variant >= VECTORS)
		inputs.text_embedding = vector;
	if (variant >= TUNED)
	{
		inputs.token_start = token_start;
		inputs.token = token;
	}
	guides_read_with(&ctx, options, folder, &inputs, all);
	if (variant >= TUNED)
		all->encoder = xmc_text_encoder_transformer(encoder);
}

static void
free_guides(guides *all)
{
	for (int32_t g = 0; g < all->n; g++)
	{
		xmc_document_free(&ctx, &all->guide[g].document);
		free(all->guide[g].name);
		free(all->guide[g].position);
		free(all->guide[g].order);
	}
	for (int32_t r = 0; r < all->repositories; r++)
		free(all->repository[r]);
	free(all->repository);
	free(all->guide);
}

static void
add_guide(cell *to, const double tau[KINDS], int32_t group)
{
	if (to->n == to->capacity)
	{
		to->capacity = 2 * to->capacity + 1024;
		for (int k = 0; k < KINDS; k++)
			to->tau[k] = realloc(to->tau[k], (size_t) to->capacity * sizeof(double));
		to->group = realloc(to->group, (size_t) to->capacity * sizeof *to->group);
		if (!to->tau[TEXT] || !to->tau[FUSED] || !to->group)
			exit(1);
	}
	for (int k = 0; k < KINDS; k++)
		to->tau[k][to->n] = tau[k];
	to->group[to->n++] = group;
}

/* The taus of a model on the test part; model NULL: NaN. */
static void
test(const guides *all, const xmc_model *model, guides_split split, const guides_sample *s, cell *to)
{
	for (int32_t k = 0; k < s->n_test; k++)
	{
		const guide *of = &all->guide[s->test[k]];
		double		tau[KINDS] = {NAN, NAN};

		if (model)
		{
			xmc_scores	scores;

			GUIDES_TRY(&ctx, xmc_score_documents(&ctx, model, 1, &of->document, &scores));
			GUIDES_TRY(&ctx, xmc_decoded_tau(&ctx, &of->document, scores.score[XMC_SCORE_TEXT], (uint64_t) k, &tau[TEXT]));
			GUIDES_TRY(&ctx, xmc_decoded_tau(&ctx, &of->document, scores.score[XMC_SCORE_FUSED], (uint64_t) k, &tau[FUSED]));
			xmc_scores_free(&ctx, &scores);
		}
		add_guide(to, tau, split == BY_REPOSITORY ? of->repository : s->test[k]);
	}
}

static void
measure(const guides *all, xmc_options *options, int variant, guides_split split, int32_t seed, int size)
{
	guides_sample s = guides_draw(all, split, seed);
	int32_t		approved = sizes[size] == 0 || sizes[size] > s.n_pool ? s.n_pool : sizes[size];
	cell	   *to = &cells[split][variant][size];
	clock_t		started = clock();
	xmc_train_report report;
	xmc_model  *model = guides_train(&ctx, options, all, split, &s, approved, &report);
	double		seconds = (double) (clock() - started) / CLOCKS_PER_SEC;

	to->trainings++;
	to->refused += model == NULL;
	to->seconds += seconds;
	test(all, model, split, &s, to);
	if (model)
		xmc_model_free(&ctx, model);
	guides_free_sample(&s);
	fprintf(stderr, "%s, by %s, %d approved, sample %d: %.1f s of processor time\n", variant_names[variant],
			guides_split_name(split), approved, seed + 1, seconds);
}

/* ---- the tables ---- */

static void
print_interval(const cell *of, const double *value, bool is_difference)
{
	xmc_interval interval;
	int32_t    *group = guides_alloc((size_t) of->n, sizeof *group);
	int32_t    *number = guides_alloc((size_t) of->n, sizeof *number);	/* of a group that has one */
	int32_t		groups = 0;

	/* numbers from 0: a guide that several samples test is one group, too */
	for (int32_t k = 0; k < of->n; k++)
	{
		int32_t		known = 0;

		while (known < groups && number[known] != of->group[k])
			known++;
		if (known == groups)
			number[groups++] = of->group[k];
		group[k] = known;
	}
	GUIDES_TRY(&ctx, xmc_bootstrap_groups(&ctx, of->n, value, NULL, group, XMC_BOOTSTRAP_REPLICATES, 1, &interval));
	if (isnan(interval.mean))
		printf(" refused |");
	else if (is_difference)
		printf(" %s%+.3f [%+.3f, %+.3f]%s |", interval.low > 0 || interval.high < 0 ? "**" : "", interval.mean, interval.low, interval.high,
			   interval.low > 0 || interval.high < 0 ? "**" : "");
	else
		printf(" %.3f [%.3f, %.3f] |", interval.mean, interval.low, interval.high);
	free(group);
	free(number);
}

static void
print_header(const char *first)
{
	printf("| %s |", first);
	for (int k = 0; k < n_sizes; k++)
		if (sizes[k] == 0)
			printf(" all approved |");
		else
			printf(" %d approved |", sizes[k]);
	printf("\n|---|");
	for (int k = 0; k < n_sizes; k++)
		printf("---|");
	printf("\n");
}

static void
print_taus(guides_split split)
{
	printf("\n## Text encoders, split by %s: tau\n\n", guides_split_name(split));
	print_header("model, order by");
	for (int kind = 0; kind < KINDS; kind++)
		for (int v = 0; v < VARIANTS; v++)
		{
			if (!is_measured[v])
				continue;
			printf("| %s: %s |", variant_names[v], kind_names[kind]);
			for (int k = 0; k < n_sizes; k++)
				print_interval(&cells[split][v][k], cells[split][v][k].tau[kind], false);
			printf("\n");
		}
}

static void
print_difference(guides_split split, int kind, int variant, int from)
{
	if (!is_measured[variant] || !is_measured[from])
		return;
	printf("| %s - %s: %s |", variant_names[variant], variant_names[from], kind_names[kind]);
	for (int k = 0; k < n_sizes; k++)
	{
		const cell *a = &cells[split][variant][k];
		const cell *b = &cells[split][from][k];
		double	   *difference = guides_alloc((size_t) a->n, sizeof *difference);

		for (int32_t g = 0; g < a->n; g++)
			difference[g] = a->tau[kind][g] - b->tau[kind][g];
		print_interval(a, difference, true);
		free(difference);
	}
	printf("\n");
}

static void
print_differences(guides_split split)
{
	printf("\n## Text encoders, split by %s: differences\n\n", guides_split_name(split));
	print_header("difference");
	for (int kind = 0; kind < KINDS; kind++)
	{
		print_difference(split, kind, VECTORS, WORDS);
		for (int v = VECTORS; v < VARIANTS; v++)
			print_difference(split, kind, v, SUPPLIED);
		for (int v = TUNED; v < VARIANTS; v++)
			print_difference(split, kind, v, VECTORS);
	}
}

static void
print_seconds(void)
{
	printf("\n## Text encoders: processor time of a training, in seconds\n\n");
	print_header("model");
	for (int v = 0; v < VARIANTS; v++)
	{
		if (!is_measured[v])
			continue;
		printf("| %s |", variant_names[v]);
		for (int k = 0; k < n_sizes; k++)
			printf(" %.1f |", (cells[0][v][k].seconds + cells[1][v][k].seconds) / (cells[0][v][k].trainings + cells[1][v][k].trainings));
		printf("\n");
	}
}

/* Whether all arguments are right. */
static bool
read_arguments(int argc, char **argv)
{
	char	   *list = strdup(argc > 4 ? argv[4] : "25 50 200");

	if (argc < 3 || argc > 6 || (argc > 3 && (samples = atoi(argv[3])) < 1))
		return false;
	for (char *word = strtok(list, " "); word; word = strtok(NULL, " "))
	{
		if (n_sizes == MOST_SIZES || (strcmp(word, "all") != 0 && atoi(word) < 1))
			return false;
		sizes[n_sizes++] = strcmp(word, "all") == 0 ? 0 : atoi(word);
	}
	free(list);
	list = strdup(argc > 5 ? argv[5] : "words supplied vectors tuned tuned-all layers");
	for (char *word = strtok(list, " "); word; word = strtok(NULL, " "))
	{
		int			v = 0;

		while (v < VARIANTS && strcmp(word, variant_arguments[v]) != 0)
			v++;
		if (v == VARIANTS)
			return false;
		is_measured[v] = true;
	}
	free(list);
	return true;
}

int
main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : NULL;

	if (!read_arguments(argc, argv))
	{
		fprintf(stderr, "usage: encoders FOLDER ENCODER [SAMPLES [SIZES [MODELS]]]\n");
		return 2;
	}
	ctx = openblas_ctx();
	GUIDES_TRY(&ctx, folder_encoder(&ctx, argv[2], &encoder));
	encode_steps(folder);
	supplied = read_npy(folder, "text.npy", &supplied_dim);
	image = read_npy(folder, "image.npy", &image_dim);
	for (int v = 0; v < VARIANTS; v++)
	{
		xmc_options options = options_of(v);
		guides		all;

		if (!is_measured[v])
			continue;
		read_guides(v, &options, folder, &all);
		for (int split = BY_REPOSITORY; split <= BY_DOCUMENT; split++)
			for (int32_t seed = 0; seed < samples; seed++)
				for (int k = 0; k < n_sizes; k++)
					measure(&all, &options, v, (guides_split) split, seed, k);
		free_guides(&all);
	}
	printf("## What text encoders are worth\n\n"
		   "Samples: %d, each of which tests one fold; texts, and pictures of %d numbers. Intervals are bootstrap 95 %% intervals over\n"
		   "repositories, by document over guides; differences are paired. Fine-tuning: adapters of rank %d.\n", samples, image_dim,
		   options_of(TUNED).adapter_rank);
	for (int split = BY_REPOSITORY; split <= BY_DOCUMENT; split++)
	{
		print_taus((guides_split) split);
		print_differences((guides_split) split);
	}
	print_seconds();
	return 0;
}
