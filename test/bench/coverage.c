/*
 * coverage.c - whether the promise of xmcoh.coverage is kept: the precision reached above the threshold on guides that were not
 * approved, and the share that passes. Part of `make quality`. Prints Markdown for doc/quality.md. Texts alone are read; no server is
 * needed.
 *
 *   coverage FOLDER [SAMPLES]	FOLDER as for guides.sh; the samples (40) go round the five folds of each split. 0: only the second table
 *
 * The test part of a sample is ten repositories, so the precision on it is itself uncertain. The second table has an exact truth: groups
 * are drawn from all guides, and the threshold that they give is judged by all guides.
 */
#include "guides.h"
#include "xmcoh/check.h"
#include "xmcoh/covered.h"
#include "xmcoh/order.h"
#include "xmcoh/scorer.h"

#include <math.h>

enum
{
	SIZES = 4, PROMISES = 4, DRAWS = 1000
};
static const int32_t sizes[SIZES] = {60, 100, 300, 500};	/* approved guides */
static const double promises[PROMISES] = {0.7, 0.8, 0.9, 0.95};
static const char *const level_names[XMC_COVERAGE_LEVELS] = {"document", "pair", "violation"};

static xmc_ctx ctx;
static xmc_options options;
static guides all;

/* Sums over samples. */
typedef struct row
{
	int			samples;
	int			passed;			/* something passes */
	int			kept;			/* the promise is kept, or nothing passes */
	double		promised_share; /* that the record says */
	double		share;			/* on new guides */
	double		reached;		/* on new guides, over samples where something passes */
	double		lowest;
} row;

/* The new guides of a sample, judged by the model. */
typedef struct judged
{
	int32_t		n_units[XMC_COVERAGE_LEVELS];

	/* Documents; pairs; of level violation the guides, with the highest threshold at which each one is suspect in its right order. */
	xmc_judged *unit[XMC_COVERAGE_LEVELS];
	xmc_judged *turned;			/* (pairs) with the highest threshold at which each is found when it is turned round */
} judged;

/* The recovered order of a guide: whether it is right, and its confidence. */
static xmc_judged
judge_order(const guide *of, const xmc_scores *scores, uint64_t tie_seed)
{
	const float *s = scores->score[XMC_SCORE_FUSED];
	int32_t		n = of->document.n;
	int32_t    *order = guides_alloc((size_t) n, sizeof *order);
	double		confidence = 0;
	bool		right = true;
	int32_t		m;
	xmc_document unlabelled = of->document;

	unlabelled.n_pairs = 0;		/* labels would decide the order */
	GUIDES_TRY(&ctx, xmc_recover_order(&ctx, &unlabelled, scores, XMC_SCORE_FUSED, NULL, &tie_seed, order, &m));
	for (int32_t k = 0; k < n; k++)
	{
		right = right && order[k] == of->order[k];
		confidence += k > 0 ? log(xmc_probability(s[(int64_t) order[k - 1] * n + order[k]])) : 0;
	}
	free(order);
	return (xmc_judged) {.confidence = (float) confidence,.right = right};
}

/* Adds a guide. */
static void
judge_guide(const xmc_model *model, guides_split split, int32_t number, judged *j)
{
	const guide *of = &all.guide[number];
	const xmc_document *document = &of->document;
	int32_t		group = split == BY_REPOSITORY ? of->repository : number;
	xmc_judged	alarm = {.confidence = -INFINITY,.group = group};
	xmc_scores	scores;

	GUIDES_TRY(&ctx, xmc_score_documents(&ctx, model, 1, document, &scores));
	for (int32_t p = 0; p < document->n_pairs; p++)
	{
		float		s = scores.score[XMC_SCORE_FUSED][(int64_t) document->pair[p].before * document->n + document->pair[p].after];
		int32_t		at = j->n_units[XMC_COVERED_PAIRS]++;

		j->unit[XMC_COVERED_PAIRS][at] = (xmc_judged) {.confidence = fabsf(s),.group = group,.right = s > 0};
		j->turned[at] = (xmc_judged) {.confidence = s,.group = group,.right = true};
		alarm.confidence = fmaxf(alarm.confidence, -s);
	}
	j->unit[XMC_COVERED_DOCUMENTS][j->n_units[XMC_COVERED_DOCUMENTS]] = judge_order(of, &scores, (uint64_t) number);
	j->unit[XMC_COVERED_DOCUMENTS][j->n_units[XMC_COVERED_DOCUMENTS]++].group = group;
	j->unit[XMC_COVERED_VIOLATIONS][j->n_units[XMC_COVERED_VIOLATIONS]++] = alarm;
	xmc_scores_free(&ctx, &scores);
}

/* Room for all guides. */
static judged
no_judged(void)
{
	judged		j;
	size_t		pairs = 0;

	memset(&j, 0, sizeof j);
	for (int32_t g = 0; g < all.n; g++)
		pairs += (size_t) all.guide[g].document.n_pairs;
	j.unit[XMC_COVERED_DOCUMENTS] = guides_alloc((size_t) all.n, sizeof(xmc_judged));
	j.unit[XMC_COVERED_PAIRS] = guides_alloc(pairs, sizeof(xmc_judged));
	j.unit[XMC_COVERED_VIOLATIONS] = guides_alloc((size_t) all.n, sizeof(xmc_judged));
	j.turned = guides_alloc(pairs, sizeof(xmc_judged));
	return j;
}

static void
free_judged(judged *j)
{
	for (int level = 0; level < XMC_COVERAGE_LEVELS; level++)
		free(j->unit[level]);
	free(j->turned);
}

/* What passes of n units at a threshold, and how much of that is right; of level violation the share without an alarm. */
static xmc_coverage
apply(xmc_coverage_level level, int32_t n, const xmc_judged *unit, double threshold)
{
	xmc_coverage figures;

	GUIDES_TRY(&ctx, xmc_coverage_at(&ctx, n, unit, threshold, &figures));
	if (level == XMC_COVERED_VIOLATIONS)
		figures.precision.mean = 1 - figures.share.mean;
	return figures;
}

/* One level and promise of one sample. */
static void
measure(const xmc_model *model, const judged *new, xmc_coverage_level level, double promise, row *to)
{
	xmc_covered covered;
	xmc_coverage figures;
	double		threshold;

	GUIDES_TRY(&ctx, xmc_covered_by_record(&ctx, model, level, promise, NULL, 0, NULL, &covered));
	threshold = covered.coverage.threshold;
	to->samples++;
	to->kept++;
	if (isinf(threshold))
		return;
	to->passed++;
	to->promised_share += covered.coverage.share.mean;
	figures = apply(level, new->n_units[level], new->unit[level], threshold);
	to->share += level == XMC_COVERED_VIOLATIONS
		? apply(XMC_COVERED_PAIRS, new->n_units[XMC_COVERED_PAIRS], new->turned, threshold).share.mean : figures.share.mean;
	if (isnan(figures.precision.mean))	/* nothing passes there */
		return;
	to->kept -= figures.precision.mean < promise;
	to->lowest = to->reached == 0 || figures.precision.mean < to->lowest ? figures.precision.mean : to->lowest;
	to->reached += figures.precision.mean;
}

static void
print_row(guides_split split, int32_t size, const char *level, double promise, const row *r)
{
	double		n = r->samples;

	printf("| %s | %d | %s | %.2f | %d of %d | %d of %d | %.1f%% | %.1f%% |", guides_split_name(split), size,
		   level, promise, r->kept, r->samples, r->passed, r->samples, 100 * r->promised_share / n, 100 * r->share / n);
	if (r->passed > 0)
		printf(" %.3f | %.3f |\n", r->reached / r->passed, r->lowest);
	else
		printf(" | |\n");
	fflush(stdout);
}

/* All samples of one size. */
static void
measure_size(guides_split split, int32_t size, int32_t samples)
{
	row			rows[XMC_COVERAGE_LEVELS][PROMISES] = {0};

	for (int32_t seed = 0; seed < samples; seed++)
	{
		guides_sample s = guides_draw(&all, split, seed);
		xmc_train_report report;
		xmc_model  *model = guides_train(&ctx, &options, &all, split, &s, size, &report);
		judged		new;

		if (model)
		{
			new = no_judged();
			for (int32_t k = 0; k < s.n_test; k++)
				judge_guide(model, split, s.test[k], &new);
			for (int level = 0; level < XMC_COVERAGE_LEVELS; level++)
				for (int p = 0; p < PROMISES; p++)
					measure(model, &new, (xmc_coverage_level) level, promises[p], &rows[level][p]);
			free_judged(&new);
			xmc_model_free(&ctx, model);
		}
		guides_free_sample(&s);
	}
	for (int level = 0; level < XMC_COVERAGE_LEVELS; level++)
		for (int p = 0; p < PROMISES; p++)
			print_row(split, size, level_names[level], promises[p], &rows[level][p]);
}

/* ---- groups drawn from all guides ---- */

/* All guides, each judged by a model that learned from none of its group. */
static judged
judge_all(guides_split split)
{
	judged		j = no_judged();

	for (int32_t fold = 0; fold < GUIDES_FOLDS; fold++)
	{
		guides_sample s = guides_draw(&all, split, fold);
		xmc_train_report report;
		xmc_model  *model = guides_train(&ctx, &options, &all, split, &s, sizes[SIZES - 1], &report);

		for (int32_t k = 0; model && k < s.n_test; k++)
			judge_guide(model, split, s.test[k], &j);
		xmc_model_free(&ctx, model);
		guides_free_sample(&s);
	}
	return j;
}

/* The units of one level by group. */
typedef struct population
{
	int32_t		n;
	const xmc_judged *unit;		/* (n) */
	int32_t		n_groups;
	int32_t    *start;			/* (n_groups + 1) into `member` */
	int32_t    *member;			/* (n) units, group by group */
} population;

static population
by_group(int32_t n, const xmc_judged *unit, int32_t numbers)
{
	population	p = {.n = n,.unit = unit};
	int32_t    *place = guides_alloc((size_t) numbers + 1, sizeof *place);

	memset(place, 0, sizeof *place * ((size_t) numbers + 1));
	for (int32_t k = 0; k < n; k++)
		place[unit[k].group + 1]++;
	p.start = guides_alloc((size_t) numbers + 1, sizeof *p.start);
	p.member = guides_alloc((size_t) n, sizeof *p.member);
	p.start[0] = 0;
	for (int32_t g = 0; g < numbers; g++)
	{
		int32_t		size = place[g + 1];

		place[g + 1] = place[g] + size;
		if (size > 0)
		{
			p.start[p.n_groups + 1] = p.start[p.n_groups] + size;
			p.n_groups++;
		}
	}
	for (int32_t k = 0; k < n; k++)
		p.member[place[unit[k].group]++] = k;
	free(place);
	return p;
}

/* Units of `groups` groups drawn with replacement, each as a group of its own. */
static int32_t
draw_groups(xmc_random *random, const population *p, int32_t groups, xmc_judged **unit, int32_t *room)
{
	int32_t		n = 0;

	for (int32_t g = 0; g < groups; g++)
	{
		int32_t		drawn = (int32_t) xmc_random_below(random, (uint32_t) p->n_groups);

		for (int32_t k = p->start[drawn]; k < p->start[drawn + 1]; k++)
		{
			if (n == *room)
			{
				*room = 2 * *room + 1000;
				*unit = realloc(*unit, sizeof **unit * (size_t) *room);
			}
			(*unit)[n] = p->unit[p->member[k]];
			(*unit)[n++].group = g;
		}
	}
	return n;
}

static double
threshold_of(xmc_coverage_level level, int32_t n, xmc_judged *unit, double promise)
{
	xmc_coverage found = {0};

	if (level == XMC_COVERED_VIOLATIONS)
		GUIDES_TRY(&ctx, xmc_alarm_threshold(&ctx, n, unit, promise, &found.threshold));
	else
		GUIDES_TRY(&ctx, xmc_coverage_find(&ctx, n, unit, promise, &found));
	return found.threshold;
}

static void
draw_level(guides_split split, xmc_coverage_level level, const population *p, int32_t groups)
{
	xmc_judged *unit = NULL;
	int32_t		room = 0;
	row			rows[PROMISES] = {0};
	xmc_random	random;

	xmc_random_seed(&random, (uint64_t) groups);
	for (int draw = 0; draw < DRAWS; draw++)
	{
		int32_t		n = draw_groups(&random, p, groups, &unit, &room);

		for (int k = 0; k < PROMISES; k++)
		{
			double		threshold = threshold_of(level, n, unit, promises[k]);
			double		reached = isinf(threshold) ? NAN : apply(level, p->n, p->unit, threshold).precision.mean;

			rows[k].passed += !isinf(threshold);
			rows[k].kept += !(reached < promises[k]);
		}
	}
	for (int k = 0; k < PROMISES; k++)
		printf("| %s | %d | %s | %.2f | %.1f%% | %.1f%% |\n", guides_split_name(split), groups, level_names[level], promises[k],
			   100.0 * rows[k].kept / DRAWS, 100.0 * rows[k].passed / DRAWS);
	fflush(stdout);
	free(unit);
}

static void
draw_all(guides_split split)
{
	judged		j = judge_all(split);

	for (int level = 0; level < XMC_COVERAGE_LEVELS; level++)
	{
		population	p = by_group(j.n_units[level], j.unit[level], split == BY_REPOSITORY ? all.repositories : all.n);

		draw_level(split, (xmc_coverage_level) level, &p, 30);
		draw_level(split, (xmc_coverage_level) level, &p, split == BY_REPOSITORY ? p.n_groups : 300);
		free(p.start);
		free(p.member);
	}
	free_judged(&j);
}

int
main(int argc, char **argv)
{
	int32_t		samples = argc > 2 ? atoi(argv[2]) : 40;

	if (argc < 2 || samples < 0)
	{
		fprintf(stderr, "usage: coverage FOLDER [SAMPLES]\n");
		return 2;
	}
	ctx = openblas_ctx();
	xmc_options_default(&options);
	guides_read(&ctx, &options, argv[1], &all);
	if (samples > 0)
	{
		printf("## Whether coverage keeps its promise\n\n"
			   "The threshold of `xmcoh.coverage` is found on the approved guides and applied to the test part, which is new: other guides, or\n"
			   "other repositories, which are the groups then. Texts alone, fused order, %d samples. Kept: samples in which the precision on the\n"
			   "test part is at least the promised one, or nothing passes. Of level violation the precision is the share of guides in right order\n"
			   "that are not suspect, and the share is that of pairs stored the wrong way round that are found.\n\n"
			   "| split | approved | level | promised | kept | something passes | share shown | share on the test part | precision on the test part |"
			   " lowest |\n|---|---|---|---|---|---|---|---|---|---|\n", samples);
		for (guides_split split = BY_REPOSITORY; split <= BY_DOCUMENT; split++)
			for (int k = 0; k < SIZES; k++)
				measure_size(split, sizes[k], samples);
	}
	printf("\n## The promise of coverage where the truth is known\n\n"
		   "All guides, each judged by a model of %d other ones that has learned from none of its group. Groups are drawn from them with\n"
		   "replacement, %d times; the threshold that a draw gives is applied to all guides. Kept: draws in which the precision there is at\n"
		   "least the promised one, or nothing passes.\n\n"
		   "| split | groups | level | promised | kept | something passes |\n|---|---|---|---|---|---|\n", sizes[SIZES - 1], DRAWS);
	for (guides_split split = BY_REPOSITORY; split <= BY_DOCUMENT; split++)
		draw_all(split);
	return 0;
}
