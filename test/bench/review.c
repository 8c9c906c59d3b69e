/*
 * review.c - what the choice of pairs to review is worth: a simulated reviewer on the guides, who answers from their order.
 * Part of `make quality`. Prints Markdown for doc/quality.md. Texts alone are read; no server is needed.
 *
 *   review FOLDER [SAMPLES]	FOLDER as for guides.sh; each of the samples (5) tests one fold of each split
 */
#include "guides.h"
#include "xmcoh/calibrate.h"
#include "xmcoh/check.h"
#include "xmcoh/groups.h"
#include "xmcoh/hold_out.h"
#include "xmcoh/metrics.h"
#include "xmcoh/order.h"
#include "xmcoh/random.h"
#include "xmcoh/review.h"
#include "xmcoh/train.h"

#include <math.h>

#define START 20				/* wholly approved guides from which every reviewer starts */
#define OF_DOCUMENT 3			/* pairs of one document at a time, as the queue has them */
#define TAUGHT 200				/* approved guides of the models that look for faults */
#define PLANTINGS 10			/* of faults, for each of these models */
#define FAULTY 5				/* one guide of so many has a fault */
#define SHOWN 100

enum
{
	POINTS = 6
};
static const int32_t points[POINTS] = {0, 50, 100, 200, 400, 800};	/* answers after which the model is trained */

static xmc_ctx ctx;
static xmc_options options;
static guides all;
static guides_split split;

/* ---- a reviewer ---- */

typedef struct reviewer
{
	uint8_t   **decided;		/* (guides) the closed matrix of what the reviewer said; NULL: nothing */
	int32_t		answers;
	xmc_random	random;
	int32_t		guide;			/* that is being approved pair by pair; -1: none */
	int32_t		place;			/* up to which it is approved */
} reviewer;

static bool
is_known(const reviewer *r, int32_t g, int32_t i, int32_t j)
{
	return r->decided[g] && r->decided[g][i * all.guide[g].document.n + j] != XMC_UNDECIDED;
}

/* The reviewer says what stands first. */
static void
answer(reviewer *r, int32_t g, int32_t i, int32_t j)
{
	const guide *of = &all.guide[g];
	int32_t		n = of->document.n;

	if (!r->decided[g])
		r->decided[g] = guides_alloc((size_t) n * (size_t) n, 1);
	xmc_decide(n, r->decided[g], i, j, of->position[i] < of->position[j] ? XMC_DECIDED_BEFORE : XMC_DECIDED_AFTER);
	GUIDES_TRY(&ctx, xmc_decided_close(&ctx, n, r->decided[g]));
	r->answers++;
}

/* Labels as a training of the extension has them: what is decided, with all that follows. */
static void
label(const reviewer *r, int32_t g, xmc_document *document)
{
	int32_t		n = document->n;

	if (!r->decided[g])
		return;
	document->n_pairs = 0;
	document->pair = guides_alloc((size_t) n * (size_t) n, sizeof(xmc_pair));
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = 0; j < n; j++)
			if (r->decided[g][i * n + j] == XMC_DECIDED_BEFORE)
				document->pair[document->n_pairs++] = (xmc_pair) {i, j, 1};
}

/* A model of the first `approved` guides of the pool, and of what the reviewer said; r NULL: nothing. */
static xmc_model *
train(const guides_sample *s, int32_t approved, const reviewer *r)
{
	xmc_document *document = guides_alloc((size_t) s->n_pool, sizeof *document);
	char	  **name = guides_alloc((size_t) s->n_pool, sizeof *name);
	uint8_t    *held_out = guides_alloc((size_t) s->n_pool, 1);
	int32_t    *from = guides_alloc((size_t) s->n_pool, sizeof *from);
	xmc_hold_out_rule rule;
	xmc_train_hooks hooks = {0};
	xmc_document *text;
	xmc_train_report report;
	xmc_model  *model;
	int32_t		n = 0;

	for (int32_t k = 0; k < s->n_pool; k++)
		if (k < approved || (r && r->decided[s->pool[k]]))
			from[n++] = s->pool[k];
	qsort(from, (size_t) n, sizeof *from, guides_compare);
	for (int32_t d = 0; d < n; d++)
	{
		const guide *of = &all.guide[from[d]];

		document[d] = of->document;
		name[d] = of->name;
		if (r)
			label(r, from[d], &document[d]);
		if (split == BY_REPOSITORY)
		{
			name[d] = all.repository[of->repository];
			document[d].group = xmc_group_of(name[d], strlen(name[d]));
		}
	}
	text = guides_texts(&all, s, &hooks.n_texts);
	hooks.text = text;
	options.seed = s->seed + 1;
	GUIDES_TRY(&ctx, xmc_hold_out(&ctx, &options, n, document, name, held_out, &rule));
	GUIDES_TRY(&ctx, xmc_train(&ctx, &options, n, document, held_out, &hooks, &model, &report));
	free(text);
	for (int32_t d = 0; d < n; d++)
		if (document[d].pair != all.guide[from[d]].document.pair)
			free(document[d].pair);
	free(document);
	free(name);
	free(held_out);
	free(from);
	return model;
}

/* ---- ways to ask ---- */

typedef enum way
{
	LEARN,
	RANDOM_PAIRS,
	RANDOM_DOCUMENTS,
	WAYS
} way;

static const char *const way_name[WAYS] = {"learn", "pairs at random", "documents at random"};

static int32_t
random_candidate(reviewer *r, const guides_sample *s)
{
	return s->pool[START + (int32_t) xmc_random_below(&r->random, (uint32_t) (s->n_pool - START))];
}

/* A pair of a document at random, which is not known. */
static void
ask_random_pair(reviewer *r, const guides_sample *s)
{
	for (;;)
	{
		int32_t		g = random_candidate(r, s);
		uint32_t	n = (uint32_t) all.guide[g].document.n;
		int32_t		i = (int32_t) xmc_random_below(&r->random, n);
		int32_t		j = (int32_t) xmc_random_below(&r->random, n);

		if (i != j && !is_known(r, g, i, j))
		{
			answer(r, g, i, j);
			return;
		}
	}
}

/* The next two neighbours of a document that is being approved: k items cost k - 1 answers. */
static void
ask_neighbours(reviewer *r, const guides_sample *s)
{
	while (r->guide < 0)
	{
		int32_t		g = random_candidate(r, s);

		if (r->decided[g])
			continue;
		r->guide = g;
		r->place = 0;
	}
	answer(r, r->guide, all.guide[r->guide].order[r->place], all.guide[r->guide].order[r->place + 1]);
	if (++r->place == all.guide[r->guide].document.n - 1)
		r->guide = -1;
}

typedef struct listed_pair
{
	xmc_review_pair pair;
	int32_t		guide;
} listed_pair;

/* The most valuable pair first; of equal ones that of the document whose name stands first. */
static int
compare_listed(const void *a, const void *b)
{
	const listed_pair *x = a;
	const listed_pair *y = b;

	if (x->pair.value != y->pair.value)
		return x->pair.value > y->pair.value ? -1 : 1;
	return x->guide == y->guide ? 0 : guides_compare(&x->guide, &y->guide);
}

/* The queue of a model, until the reviewer has given `answers`. */
static void
ask_queue(reviewer *r, const guides_sample *s, const xmc_model *model, int32_t answers)
{
	listed_pair *list = guides_alloc((size_t) s->n_pool * OF_DOCUMENT, sizeof *list);
	size_t		n = 0;

	for (int32_t k = START; k < s->n_pool; k++)
	{
		int32_t		g = s->pool[k];
		xmc_review_document document = {.n = all.guide[g].document.n,.decided = r->decided[g],.position = all.guide[g].position,
			.threshold = xmc_check_threshold(model, XMC_SCORE_FUSED, 0.9)};
		xmc_review_pair pair[OF_DOCUMENT];
		int32_t		found;
		xmc_scores	scores;

		GUIDES_TRY(&ctx, xmc_score_documents(&ctx, model, 1, &all.guide[g].document, &scores));
		document.fused = scores.score[XMC_SCORE_FUSED];
		GUIDES_TRY(&ctx, xmc_review_pairs(&ctx, &document, XMC_REVIEW_LEARN, OF_DOCUMENT, pair, &found));
		for (int32_t p = 0; p < found; p++)
			list[n++] = (listed_pair) {pair[p], g};
		xmc_scores_free(&ctx, &scores);
	}
	qsort(list, n, sizeof *list, compare_listed);
	for (size_t k = 0; k < n && r->answers < answers; k++)
		if (!is_known(r, list[k].guide, list[k].pair.before, list[k].pair.after))
			answer(r, list[k].guide, list[k].pair.before, list[k].pair.after);
	free(list);
}

static void
ask(reviewer *r, way how, const guides_sample *s, const xmc_model *model, int32_t answers)
{
	if (how == LEARN)
		ask_queue(r, s, model, answers);
	while (r->answers < answers)
		if (how == RANDOM_PAIRS)
			ask_random_pair(r, s);
		else
			ask_neighbours(r, s);
}

/* ---- tau over answers ---- */

/* The curve of one way to ask: sums over samples. */
typedef struct curve
{
	double	   *tau[POINTS];	/* (guides) */
	double		error[POINTS];	/* expected calibration error */
} curve;

static void
evaluate(const guides_sample *s, const xmc_model *model, double *tau, double *error)
{
	xmc_reliability reliability = {.bins = XMC_CALIBRATION_BINS};

	for (int32_t t = 0; t < s->n_test; t++)
	{
		const guide *of = &all.guide[s->test[t]];
		const float *fused;
		xmc_scores	scores;
		double		own;

		GUIDES_TRY(&ctx, xmc_score_documents(&ctx, model, 1, &of->document, &scores));
		fused = scores.score[XMC_SCORE_FUSED];
		GUIDES_TRY(&ctx, xmc_decoded_tau(&ctx, &of->document, fused, (uint64_t) t, &own));
		tau[s->test[t]] += own;
		for (int32_t p = 0; p < of->document.n_pairs; p++)
			xmc_reliability_add(&reliability, xmc_probability(fused[of->document.pair[p].before * of->document.n +
																	of->document.pair[p].after]));
		xmc_scores_free(&ctx, &scores);
	}
	*error += xmc_reliability_error(&reliability);
}

static void
follow(const guides_sample *s, way how, curve *c)
{
	reviewer	r = {.decided = guides_alloc((size_t) all.n, sizeof(uint8_t *)),.guide = -1};
	xmc_model  *model = train(s, START, NULL);

	xmc_random_seed(&r.random, 1000 + (uint64_t) s->seed);
	for (int32_t p = 0; p < POINTS; p++)
	{
		if (points[p] > 0)
		{
			ask(&r, how, s, model, points[p]);
			xmc_model_free(&ctx, model);
			model = train(s, START, &r);
		}
		evaluate(s, model, c->tau[p], &c->error[p]);
		fprintf(stderr, "%s: sample %d, %s, %d answers\n", guides_split_name(split), s->seed + 1,
				way_name[how], r.answers);
	}
	xmc_model_free(&ctx, model);
	for (int32_t g = 0; g < all.n; g++)
		free(r.decided[g]);
	free(r.decided);
}

/* ---- tables ---- */

/* Mean and interval over guides, or by repository over repositories; less NULL: of `value` itself. */
static void
print_interval(const double *value, const double *less, int32_t of_samples)
{
	double	   *x = guides_alloc((size_t) all.n, sizeof *x);
	int32_t    *group = guides_alloc((size_t) all.n, sizeof *group);
	xmc_interval interval;
	bool		counts;

	for (int32_t g = 0; g < all.n; g++)
	{
		x[g] = (value[g] - (less ? less[g] : 0)) / of_samples;
		group[g] = all.guide[g].repository;
	}
	GUIDES_TRY(&ctx, xmc_bootstrap_groups(&ctx, all.n, x, NULL, split == BY_REPOSITORY ? group : NULL,
										  XMC_BOOTSTRAP_REPLICATES, 1, &interval));
	counts = less && (interval.low > 0 || interval.high < 0);
	printf(less ? " %s%+.3f [%+.3f, %+.3f]%s |" : " %s%.3f [%.3f, %.3f]%s |", counts ? "**" : "", interval.mean, interval.low,
		   interval.high, counts ? "**" : "");
	free(x);
	free(group);
}

static double
mean_tau(const curve *c, int32_t p, int32_t samples)
{
	double		sum = 0;

	for (int32_t g = 0; g < all.n; g++)
		sum += c->tau[p][g];
	return sum * GUIDES_FOLDS / samples / all.n;
}

/* The answers after which a curve reaches a tau, on straight lines between the points; NaN: it does not. */
static double
answers_for(const curve *c, double tau, int32_t samples)
{
	for (int32_t p = 1; p < POINTS; p++)
	{
		double		from = mean_tau(c, p - 1, samples);
		double		to = mean_tau(c, p, samples);

		if (to >= tau)
			return from >= tau ? points[p - 1] : points[p - 1] + (points[p] - points[p - 1]) * (tau - from) / (to - from);
	}
	return NAN;
}

static void
print_curves(const curve *c, int32_t samples)
{
	printf("\n## Review, split by %s: tau over answers\n\n| answers |", guides_split_name(split));
	for (int w = 0; w < WAYS; w++)
		printf(" %s |", way_name[w]);
	printf(" learn - pairs | documents - pairs |\n|---|---|---|---|---|---|\n");
	for (int32_t p = 0; p < POINTS; p++)
	{
		printf("| %d |", points[p]);
		for (int w = 0; w < WAYS; w++)
			print_interval(c[w].tau[p], NULL, samples / GUIDES_FOLDS);
		print_interval(c[LEARN].tau[p], c[RANDOM_PAIRS].tau[p], samples / GUIDES_FOLDS);
		print_interval(c[RANDOM_DOCUMENTS].tau[p], c[RANDOM_PAIRS].tau[p], samples / GUIDES_FOLDS);
		printf("\n");
	}
	printf("\nAnswers that are needed for the tau of so many pairs at random:\n\n"
		   "| pairs at random | learn | documents at random |\n|---|---|---|\n");
	for (int32_t p = 2; p < POINTS; p++)
	{
		printf("| %d |", points[p]);
		for (int w = 0; w < WAYS; w++)
		{
			double		needed = answers_for(&c[w], mean_tau(&c[RANDOM_PAIRS], p, samples), samples);

			if (w != RANDOM_PAIRS)
				isnan(needed) ? printf(" over %d |", points[POINTS - 1]) : printf(" %.0f |", needed);
		}
		printf("\n");
	}
	printf("\nExpected calibration error:\n\n"
		   "| answers | learn | pairs at random | documents at random |\n|---|---|---|---|\n");
	for (int32_t p = 0; p < POINTS; p++)
	{
		printf("| %d |", points[p]);
		for (int w = 0; w < WAYS; w++)
			printf(" %.3f |", c[w].error[p] / samples);
		printf("\n");
	}
}

static void
measure_curves(int32_t samples)
{
	curve		c[WAYS] = {0};

	for (int w = 0; w < WAYS; w++)
		for (int32_t p = 0; p < POINTS; p++)
			c[w].tau[p] = guides_alloc((size_t) all.n, sizeof(double));
	for (int32_t k = 0; k < samples; k++)
	{
		guides_sample s = guides_draw(&all, split, k);

		for (way w = 0; w < WAYS; w++)
			follow(&s, w, &c[w]);
		guides_free_sample(&s);
	}
	print_curves(c, samples);
	for (int w = 0; w < WAYS; w++)
		for (int32_t p = 0; p < POINTS; p++)
			free(c[w].tau[p]);
}

/* ---- faults in stored orders ---- */

typedef enum ranking
{
	QUEUE,
	BY_COHERENCE,
	AT_RANDOM,
	RANKINGS
} ranking;

static const char *const ranking_name[RANKINGS] =
{
	"`correct`", "documents by coherence, of each the likeliest wrong pairs", "pairs at random"
};

/* What was found by one planting. */
typedef struct found
{
	double		pairs[RANKINGS];	/* wrong ones among the first SHOWN */
	double		documents[RANKINGS];	/* faulty ones among these */
	double		share;			/* of all pairs that are wrong */
} found;

/* The stored positions of a guide: the true ones, but that two items are swapped in one guide of FAULTY. */
static double *
store(xmc_random *random, const guide *of)
{
	uint32_t	n = (uint32_t) of->document.n;
	double	   *position = guides_alloc(n, sizeof *position);

	memcpy(position, of->position, n * sizeof *position);
	if (n > 2 && xmc_random_below(random, FAULTY) == 0)
	{
		uint32_t	i = xmc_random_below(random, n);
		uint32_t	j = (i + 1 + xmc_random_below(random, n - 1)) % n;

		position[i] = of->position[j];
		position[j] = of->position[i];
	}
	return position;
}

static bool
is_wrong(const guide *of, const double *position, int32_t i, int32_t j)
{
	return (position[i] < position[j]) != (of->position[i] < of->position[j]);
}

/* The likeliest wrong pairs of a guide by each ranking, with the values by which pairs of all guides are ranked. */
static int32_t
rank_pairs(ranking by, xmc_random *random, const guide *of, const float *fused, const double *position,
		   xmc_review_pair pair[OF_DOCUMENT])
{
	int32_t		n = of->document.n;
	xmc_review_document document = {.n = n,.fused = fused,.position = position,.threshold = INFINITY};
	xmc_violated_pair violated[OF_DOCUMENT];
	int64_t		count;
	double		coherence;
	int32_t    *order;

	if (by == QUEUE)
	{
		GUIDES_TRY(&ctx, xmc_review_pairs(&ctx, &document, XMC_REVIEW_CORRECT, OF_DOCUMENT, pair, &n));
		return n;
	}
	if (by == AT_RANDOM)
	{
		pair[0].before = (int32_t) xmc_random_below(random, (uint32_t) n);
		pair[0].after = (pair[0].before + 1 + (int32_t) xmc_random_below(random, (uint32_t) n - 1)) % n;
		pair[0].value = xmc_random_uniform(random);
		return 1;
	}
	GUIDES_TRY(&ctx, xmc_list_violated(&ctx, n, fused, NULL, position, 0, OF_DOCUMENT, violated, &count));
	order = guides_alloc((size_t) n, sizeof *order);
	for (int32_t i = 0; i < n; i++)
		order[(int32_t) position[i]] = i;
	GUIDES_TRY(&ctx, xmc_coherence(&ctx, n, fused, n, order, &coherence));
	free(order);
	count = count < OF_DOCUMENT ? count : OF_DOCUMENT;
	for (int32_t k = 0; k < count; k++)
		pair[k] = (xmc_review_pair) {violated[k].before, violated[k].after,.value = -coherence - 1e-9 * k};
	return (int32_t) count;
}

/* Counts what the first SHOWN pairs of the list hold. */
static void
count_found(const guides_sample *s, double *const *position, const listed_pair *list, size_t n, double *pairs, double *documents)
{
	bool	   *seen = guides_alloc((size_t) all.n, sizeof *seen);

	for (size_t k = 0; k < n && k < SHOWN; k++)
	{
		int32_t		t = list[k].guide;
		const guide *of = &all.guide[s->test[t]];

		if (!is_wrong(of, position[t], list[k].pair.before, list[k].pair.after))
			continue;
		*pairs += 1;
		*documents += !seen[t];
		seen[t] = true;
	}
	free(seen);
}

static int
compare_values(const void *a, const void *b)
{
	const listed_pair *x = a;
	const listed_pair *y = b;

	if (x->pair.value != y->pair.value)
		return x->pair.value > y->pair.value ? -1 : 1;
	return (x->guide > y->guide) - (x->guide < y->guide);
}

/* score (n_test): the scores of the test guides. */
static found
plant(const guides_sample *s, const xmc_scores *score, uint64_t seed)
{
	listed_pair *list = guides_alloc((size_t) s->n_test * OF_DOCUMENT, sizeof *list);
	double	  **position = guides_alloc((size_t) s->n_test, sizeof *position);
	found		out = {0};
	double		pairs = 0;
	xmc_random	random;

	xmc_random_seed(&random, seed);
	for (int32_t t = 0; t < s->n_test; t++)
	{
		const guide *of = &all.guide[s->test[t]];

		position[t] = store(&random, of);
		for (int32_t p = 0; p < of->document.n_pairs; p++)
			out.share += is_wrong(of, position[t], of->document.pair[p].before, of->document.pair[p].after);
		pairs += of->document.n_pairs;
	}
	out.share /= pairs;
	for (ranking by = 0; by < RANKINGS; by++)
	{
		size_t		n = 0;

		for (int32_t t = 0; t < s->n_test; t++)
		{
			xmc_review_pair pair[OF_DOCUMENT];
			int32_t		count = rank_pairs(by, &random, &all.guide[s->test[t]], score[t].score[XMC_SCORE_FUSED], position[t],
										   pair);

			for (int32_t k = 0; k < count; k++)
				list[n++] = (listed_pair) {pair[k], t};
		}
		qsort(list, n, sizeof *list, compare_values);
		count_found(s, position, list, n, &out.pairs[by], &out.documents[by]);
	}
	for (int32_t t = 0; t < s->n_test; t++)
		free(position[t]);
	free(position);
	free(list);
	return out;
}

/* The mean over n plantings, with its interval over the samples. */
static void
print_found(const double *value, int32_t n, bool difference)
{
	int32_t    *group = guides_alloc((size_t) n, sizeof *group);
	xmc_interval interval;
	bool		counts;

	for (int32_t k = 0; k < n; k++)
		group[k] = k / PLANTINGS;
	GUIDES_TRY(&ctx, xmc_bootstrap_groups(&ctx, n, value, NULL, group, XMC_BOOTSTRAP_REPLICATES, 1, &interval));
	counts = difference && (interval.low > 0 || interval.high < 0);
	printf(difference ? " %s%+.1f [%+.1f, %+.1f]%s |" : " %s%.1f [%.1f, %.1f]%s |", counts ? "**" : "", interval.mean,
		   interval.low, interval.high, counts ? "**" : "");
	free(group);
}

static void
measure_faults(int32_t samples)
{
	int32_t		n = samples * PLANTINGS;
	double	   *value = guides_alloc((size_t) n, sizeof *value);
	found	   *f = guides_alloc((size_t) n, sizeof *f);
	double		share = 0;

	for (int32_t k = 0; k < samples; k++)
	{
		guides_sample s = guides_draw(&all, split, k);
		xmc_model  *model = train(&s, TAUGHT, NULL);
		xmc_scores *score = guides_alloc((size_t) s.n_test, sizeof *score);

		for (int32_t t = 0; t < s.n_test; t++)
			GUIDES_TRY(&ctx, xmc_score_documents(&ctx, model, 1, &all.guide[s.test[t]].document, &score[t]));
		for (int32_t p = 0; p < PLANTINGS; p++)
		{
			f[k * PLANTINGS + p] = plant(&s, score, 2000 + (uint64_t) (k * PLANTINGS + p));
			share += f[k * PLANTINGS + p].share / n;
		}
		for (int32_t t = 0; t < s.n_test; t++)
			xmc_scores_free(&ctx, &score[t]);
		free(score);
		xmc_model_free(&ctx, model);
		guides_free_sample(&s);
	}
	printf("\n## Review, split by %s: faults among the first %d pairs\n\n"
		   "In one of %d guides two items are swapped: %.1f %% of all pairs are stored the wrong way round. The models were\n"
		   "trained on %d approved guides of the other folds. At most %d pairs of a document are shown.\n\n"
		   "| ranking | wrong pairs | `correct` - this | faulty documents |\n|---|---|---|---|\n", guides_split_name(split), SHOWN,
		   FAULTY, 100 * share, TAUGHT, OF_DOCUMENT);
	for (ranking by = 0; by < RANKINGS; by++)
	{
		printf("| %s |", ranking_name[by]);
		for (int32_t k = 0; k < n; k++)
			value[k] = f[k].pairs[by];
		print_found(value, n, false);
		for (int32_t k = 0; k < n; k++)
			value[k] = f[k].pairs[QUEUE] - f[k].pairs[by];
		if (by == QUEUE)
			printf(" |");
		else
			print_found(value, n, true);
		for (int32_t k = 0; k < n; k++)
			value[k] = f[k].documents[by];
		print_found(value, n, false);
		printf("\n");
	}
	free(value);
	free(f);
}

static void
print_head(int32_t samples)
{
	printf("## Review: a simulated reviewer\n\n"
		   "Samples: %d; each tests one of the five folds of each split. Models read words alone. Every reviewer starts from\n"
		   "%d wholly approved guides and answers single pairs from the stored order. After the answers of each row the model\n"
		   "is trained again, on these guides and on all that follows from the answers. To approve a document of k items\n"
		   "costs k - 1 answers, one for each two neighbours. Intervals are over repositories where these are split, else over\n"
		   "guides.\n",
		   samples, START);
}

int
main(int argc, char **argv)
{
	int32_t		samples = argc > 2 ? atoi(argv[2]) : GUIDES_FOLDS;

	if (argc < 2 || samples < 1 || samples % GUIDES_FOLDS != 0)
	{
		fprintf(stderr, "usage: review FOLDER [SAMPLES]; the number of samples is a multiple of %d\n", GUIDES_FOLDS);
		return 2;
	}
	ctx = openblas_ctx();
	xmc_options_default(&options);
	guides_read(&ctx, &options, argv[1], &all);
	print_head(samples);
	for (split = BY_REPOSITORY; split <= BY_DOCUMENT; split++)
	{
		measure_curves(samples);
		measure_faults(samples);
	}
	return 0;
}
