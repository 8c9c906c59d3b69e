/*
 * guides.h - for programs under test/bench that need no server: the guides as documents with their true order, their
 * repositories, and folds of both splits as guides_data.sql makes them. The texts are read; a program may add other inputs.
 */
#ifndef GUIDES_H
#define GUIDES_H

#include "../openblas.h"
#include "xmcoh/dataset.h"
#include "xmcoh/groups.h"
#include "xmcoh/hash.h"
#include "xmcoh/hold_out.h"
#include "xmcoh/order.h"
#include "xmcoh/random.h"
#include "xmcoh/scorer.h"
#include "xmcoh/sentences.h"
#include "xmcoh/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUIDES_FOLDS 5

typedef enum guides_split
{
	BY_REPOSITORY,				/* every repository is in one fold: its wording is new to the model */
	BY_DOCUMENT
} guides_split;

/* What the folds of a split keep whole. */
static inline const char *
guides_split_name(guides_split split)
{
	return split == BY_REPOSITORY ? "repository" : "document";
}

typedef struct guide
{
	char	   *name;
	int32_t		repository;
	int32_t		fold[2];		/* by guides_split */
	xmc_document document;		/* items in the order of random keys; its whole order is labelled */
	double	   *position;		/* (n) the true place of each item, from 0 */
	int32_t    *order;			/* (n) the item at each true place */
	int32_t		n_texts;
	xmc_document *text;			/* (n_texts) its texts of several sentences, as documents of these */
} guide;

typedef struct guides
{
	int32_t		n;
	guide	   *guide;
	int32_t		repositories;
	char	  **repository;
	const struct xmc_transformer *encoder;	/* that models fine-tune; NULL: none */
} guides;

/* What steps have besides their texts, in the order of the file; NULL: nothing. */
typedef struct guides_inputs
{
	const float *text_embedding;	/* (steps, text_dim) */
	const float *image;			/* (steps, image_dim) */
	const int64_t *token_start; /* (steps + 1) into token */
	const int32_t *token;
} guides_inputs;

/* Gives a step what it has. */
static inline void
guides_add_inputs(const guides_inputs *inputs, const xmc_options *options, size_t step, xmc_item *item)
{
	if (inputs->text_embedding)
		item->text_embedding = inputs->text_embedding + step * (size_t) options->text_dim;
	if (inputs->image)
		item->image = inputs->image + step * (size_t) options->image_dim;
	if (inputs->token)
	{
		item->token = inputs->token + inputs->token_start[step];
		item->n_tokens = (int32_t) (inputs->token_start[step + 1] - inputs->token_start[step]);
	}
}

#define GUIDES_TRY(ctx, expression) \
	do { if ((expression) != XMC_OK) { fprintf(stderr, "%s\n", (ctx)->message); exit(1); } } while (0)

static inline void *
guides_alloc(size_t count, size_t size)
{
	void	   *memory = calloc(count ? count : 1, size);

	if (!memory)
		exit(1);
	return memory;
}

/* One step as the file has it. */
typedef struct guides_step
{
	char	   *guide;
	char	   *text;
	char	   *repository;
} guides_step;

/* The steps of the file, which follow each other in the true order, guide by guide. */
static inline guides_step *
guides_read_steps(const char *folder, size_t *n)
{
	guides_step *step = NULL;
	char		command[4096];
	char	   *line = NULL;
	size_t		capacity = 0;
	FILE	   *file;

	snprintf(command, sizeof command, "gzip -dc '%s/steps.tsv.gz'", folder);
	file = popen(command, "r");
	if (!file || getline(&line, &capacity, file) <= 0)
	{
		fprintf(stderr, "there is no %s/steps.tsv.gz\n", folder);
		exit(1);
	}
	for (*n = 0; getline(&line, &capacity, file) > 0; ++*n)
	{
		/* guide, number, text, repository; the text may hold tabs */
		char	   *number = strchr(line, '\t');
		char	   *text = strchr(number + 1, '\t');
		char	   *repository = strrchr(line, '\t');

		if (*n % 1024 == 0)
			step = realloc(step, (*n + 1024) * sizeof *step);
		*number = *text = *repository = '\0';
		repository[1 + strcspn(repository + 1, "\n")] = '\0';
		step[*n] = (guides_step) {strdup(line), strdup(text + 1), strdup(repository + 1)};
	}
	free(line);
	pclose(file);
	return step;
}

static inline int32_t
guides_repository(guides *all, const char *name)
{
	for (int32_t r = 0; r < all->repositories; r++)
		if (strcmp(all->repository[r], name) == 0)
			return r;
	all->repository = realloc(all->repository, (size_t) (all->repositories + 1) * sizeof *all->repository);
	all->repository[all->repositories] = strdup(name);
	return all->repositories++;
}

/* A guide of n steps, of which `first` is the first. Keys are hashes, so that ties broken by the key are independent of the true order. */
static inline void
guides_build(xmc_ctx *ctx, const xmc_options *options, xmc_tokeniser *tokeniser, const guides_step *all_steps, size_t first, int32_t n,
			 const guides_inputs *inputs, guide *out)
{
	const guides_step *step = all_steps + first;
	xmc_item   *item = guides_alloc((size_t) n, sizeof *item);
	char		(*key)[32] = guides_alloc((size_t) n, sizeof *key);

	out->name = strdup(step->guide);
	out->position = guides_alloc((size_t) n, sizeof *out->position);
	out->order = guides_alloc((size_t) n, sizeof *out->order);
	for (int32_t i = 0; i < n; i++)
	{
		snprintf(key[i], sizeof key[i], "%.20s/%d", step->guide, i);
		snprintf(key[i], sizeof key[i], "k%016llx", (unsigned long long) xmc_hash_bytes(key[i], strlen(key[i]), 0));
		item[i] = (xmc_item){.key = key[i],.key_length = strlen(key[i]),.text = step[i].text,.text_length = strlen(step[i].text)};
		guides_add_inputs(inputs, options, first + (size_t) i, &item[i]);
	}
	qsort(item, (size_t) n, sizeof *item, xmc_item_compare);
	for (int32_t i = 0; i < n; i++)
	{
		int32_t		place = (int32_t) ((char (*)[32]) item[i].key - key);

		out->position[i] = place;
		out->order[place] = i;
	}
	GUIDES_TRY(ctx, xmc_document_build(ctx, options, tokeniser, n, item, &out->document));
	GUIDES_TRY(ctx, xmc_document_label_order(ctx, &out->document, out->order));
	out->text = guides_alloc((size_t) n, sizeof *out->text);
	for (int32_t i = 0; i < n; i++)
	{
		xmc_document *text = &out->text[out->n_texts];

		GUIDES_TRY(ctx, xmc_document_of_sentences(ctx, options, tokeniser, item[i].text, item[i].text_length, text));
		if (text->n_pairs > 0)
			out->n_texts++;
		else
			xmc_document_free(ctx, text);
	}
	free(item);
	free(key);
}

/* Repositories are taken by size, each into the fold that is smallest so far. */
static inline void
guides_fold(guides *all)
{
	int32_t    *size = guides_alloc((size_t) all->repositories, sizeof *size);
	int32_t		filled[GUIDES_FOLDS] = {0};

	for (int32_t g = 0; g < all->n; g++)
	{
		size[all->guide[g].repository]++;
		all->guide[g].fold[BY_DOCUMENT] =
			(int32_t) (xmc_hash_bytes(all->guide[g].name, strlen(all->guide[g].name), 0) % GUIDES_FOLDS);
	}
	for (int32_t k = 0; k < all->repositories; k++)
	{
		int32_t		largest = 0;
		int32_t		fold = 0;

		for (int32_t r = 1; r < all->repositories; r++)
			if (size[r] > size[largest] ||
				(size[r] == size[largest] && strcmp(all->repository[r], all->repository[largest]) < 0))
				largest = r;
		for (int32_t f = 1; f < GUIDES_FOLDS; f++)
			if (filled[f] < filled[fold])
				fold = f;
		for (int32_t g = 0; g < all->n; g++)
			if (all->guide[g].repository == largest)
				all->guide[g].fold[BY_REPOSITORY] = fold;
		filled[fold] += size[largest];
		size[largest] = -1;
	}
	free(size);
}

/* The guides of two steps or more, with other inputs. */
static inline void
guides_read_with(xmc_ctx *ctx, const xmc_options *options, const char *folder, const guides_inputs *inputs, guides *out)
{
	size_t		n;
	guides_step *step = guides_read_steps(folder, &n);
	xmc_tokeniser *tokeniser;

	*out = (guides) {.guide = guides_alloc(n, sizeof(guide))};
	GUIDES_TRY(ctx, xmc_tokeniser_new(ctx, &tokeniser));
	for (size_t first = 0, end; first < n; first = end)
	{
		for (end = first + 1; end < n && strcmp(step[end].guide, step[first].guide) == 0; end++)
			;
		if (end - first < 2)
			continue;
		out->guide[out->n].repository = guides_repository(out, step[first].repository);
		guides_build(ctx, options, tokeniser, step, first, (int32_t) (end - first), inputs, &out->guide[out->n++]);
	}
	xmc_tokeniser_free(tokeniser);
	for (size_t s = 0; s < n; s++)
	{
		free(step[s].guide);
		free(step[s].text);
		free(step[s].repository);
	}
	free(step);
	guides_fold(out);
}

static inline void
guides_read(xmc_ctx *ctx, const xmc_options *options, const char *folder, guides *out)
{
	static const guides_inputs none = {NULL, NULL, NULL, NULL};

	guides_read_with(ctx, options, folder, &none, out);
}

/* ---- samples ---- */

/* A test part, the fold seed % GUIDES_FOLDS, and candidates in the order of a shuffle. */
typedef struct guides_sample
{
	int32_t		seed;
	int32_t    *test;			/* (n_test) numbers of guides */
	int32_t		n_test;
	int32_t    *pool;			/* (n_pool) */
	int32_t		n_pool;
} guides_sample;

static const guides *guides_compared;	/* by guides_compare */

/* Of two numbers of guides, by name. */
static inline int
guides_compare(const void *a, const void *b)
{
	return strcmp(guides_compared->guide[*(const int32_t *) a].name, guides_compared->guide[*(const int32_t *) b].name);
}

static inline guides_sample
guides_draw(const guides *all, guides_split split, int32_t seed)
{
	guides_sample s = {.seed = seed};
	xmc_random	random;

	s.test = guides_alloc((size_t) all->n, sizeof *s.test);
	s.pool = guides_alloc((size_t) all->n, sizeof *s.pool);
	for (int32_t g = 0; g < all->n; g++)
		if (all->guide[g].fold[split] == seed % GUIDES_FOLDS)
			s.test[s.n_test++] = g;
		else
			s.pool[s.n_pool++] = g;
	guides_compared = all;
	qsort(s.pool, (size_t) s.n_pool, sizeof *s.pool, guides_compare);
	xmc_random_seed(&random, (uint64_t) seed + 1);
	for (int32_t k = s.n_pool - 1; k > 0; k--)
	{
		int32_t		l = (int32_t) xmc_random_below(&random, (uint32_t) k + 1);
		int32_t		g = s.pool[k];

		s.pool[k] = s.pool[l];
		s.pool[l] = g;
	}
	return s;
}

static inline void
guides_free_sample(guides_sample *s)
{
	free(s->test);
	free(s->pool);
}

/* ---- training ---- */

/* The first `size` guides of the pool as approved documents, with the names of their groups; the caller frees the array. */
static inline xmc_document *
guides_approve(const guides *all, guides_split split, const guides_sample *s, int32_t size, char **name)
{
	xmc_document *document = guides_alloc((size_t) size, sizeof *document);

	for (int32_t d = 0; d < size; d++)
	{
		const guide *of = &all->guide[s->pool[d]];

		document[d] = of->document;
		name[d] = split == BY_REPOSITORY ? all->repository[of->repository] : of->name;
		document[d].group = split == BY_REPOSITORY ? xmc_group_of(name[d], strlen(name[d])) : 0;
	}
	return document;
}

/* The texts of the pool, approved or not, whose sentences teach their order; the caller frees the array. */
static inline xmc_document *
guides_texts(const guides *all, const guides_sample *s, int32_t *n)
{
	xmc_document *text;

	*n = 0;
	for (int32_t k = 0; k < s->n_pool; k++)
		*n += all->guide[s->pool[k]].n_texts;
	text = guides_alloc((size_t) *n, sizeof *text);
	*n = 0;
	for (int32_t k = 0; k < s->n_pool; k++)
		for (int32_t t = 0; t < all->guide[s->pool[k]].n_texts; t++)
			text[(*n)++] = all->guide[s->pool[k]].text[t];
	return text;
}

/* A model of the first `size` guides of the pool; NULL: they are of too few groups. The seed of the sample goes into the options. */
static inline xmc_model *
guides_train(xmc_ctx *ctx, xmc_options *options, const guides *all, guides_split split, const guides_sample *s, int32_t size,
			 xmc_train_report *report)
{
	char	  **name = guides_alloc((size_t) size, sizeof *name);
	xmc_document *document = guides_approve(all, split, s, size, name);
	uint8_t    *held_out = guides_alloc((size_t) size, 1);
	xmc_hold_out_rule rule;
	int32_t		n_texts;
	xmc_document *text = guides_texts(all, s, &n_texts);
	const xmc_train_hooks hooks = {.encoder = all->encoder,.n_texts = n_texts,.text = text};
	xmc_model  *model = NULL;
	xmc_status	status;

	options->seed = s->seed + 1;
	GUIDES_TRY(ctx, xmc_hold_out(ctx, options, size, document, name, held_out, &rule));
	status = xmc_train(ctx, options, size, document, held_out, &hooks, &model, report);
	if (status != XMC_BAD_INPUT)
		GUIDES_TRY(ctx, status);
	free(document);
	free(name);
	free(held_out);
	free(text);
	return model;
}

/* The tau of the fused order of a guide. */
static inline double
guides_tau_of(xmc_ctx *ctx, const xmc_model *model, const guide *of, uint64_t seed)
{
	xmc_scores	scores;
	double		tau;

	GUIDES_TRY(ctx, xmc_score_documents(ctx, model, 1, &of->document, &scores));
	GUIDES_TRY(ctx, xmc_decoded_tau(ctx, &of->document, scores.score[XMC_SCORE_FUSED], seed, &tau));
	xmc_scores_free(ctx, &scores);
	return tau;
}

/* The mean tau of the fused orders of guides. */
static inline double
guides_tau(xmc_ctx *ctx, const guides *all, const xmc_model *model, int32_t n, const int32_t *number)
{
	double		sum = 0;

	for (int32_t k = 0; k < n; k++)
		sum += guides_tau_of(ctx, model, &all->guide[number[k]], (uint64_t) k);
	return sum / n;
}

#endif
