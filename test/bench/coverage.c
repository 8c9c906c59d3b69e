/*
 * coverage.c - whether the promise of xmcoh.coverage is kept: the precision reached above the threshold on guides that were not
 * approved, and the share that passes. Part of `make quality`. Prints Markdown for doc/quality.md. Texts alone are read; no server is
 * needed.
 *
 *   coverage FOLDER [SAMPLES]	FOLDER as for guides.sh; the samples (40) go round the five folds of each split
 */
#include "guides.h"
#include "xmcoh/check.h"
#include "xmcoh/covered.h"
#include "xmcoh/order.h"
#include "xmcoh/scorer.h"

#include <math.h>

enum
{
	SIZES = 4, PROMISES = 4
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
	int32_t		n_units[XMC_COVERAGE_LEVELS];	/* documents, pairs */
	xmc_judged *unit[XMC_COVERAGE_LEVELS];
	int32_t		n;				/* guides */
	int32_t    *group;			/* (n) */
	int32_t    *pair_start;		/* (n + 1) into log_odds */
	float	   *log_odds;		/* of pairs in their true order */
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

static judged
judge(const xmc_model *model, guides_split split, int32_t n, const int32_t *number)
{
	judged		j = {.n = n};
	int32_t		pairs = 0;

	for (int32_t k = 0; k < n; k++)
		pairs += all.guide[number[k]].document.n_pairs;
	j.group = guides_alloc((size_t) n, sizeof *j.group);
	j.pair_start = guides_alloc((size_t) n + 1, sizeof *j.pair_start);
	j.log_odds = guides_alloc((size_t) pairs, sizeof *j.log_odds);
	j.unit[XMC_COVERED_DOCUMENTS] = guides_alloc((size_t) n, sizeof(xmc_judged));
	j.unit[XMC_COVERED_PAIRS] = guides_alloc((size_t) pairs, sizeof(xmc_judged));
	for (int32_t k = 0; k < n; k++)
	{
		const guide *of = &all.guide[number[k]];
		const xmc_document *document = &of->document;
		xmc_scores	scores;

		j.group[k] = split == BY_REPOSITORY ? of->repository : k;
		GUIDES_TRY(&ctx, xmc_score_documents(&ctx, model, 1, document, &scores));
		j.unit[XMC_COVERED_DOCUMENTS][k] = judge_order(of, &scores, (uint64_t) k);
		j.unit[XMC_COVERED_DOCUMENTS][k].group = j.group[k];
		for (int32_t p = 0; p < document->n_pairs; p++)
		{
			int32_t		at = j.pair_start[k] + p;
			float		s = scores.score[XMC_SCORE_FUSED][(int64_t) document->pair[p].before * document->n + document->pair[p].after];

			j.log_odds[at] = s;
			j.unit[XMC_COVERED_PAIRS][at] = (xmc_judged) {.confidence = fabsf(s),.group = j.group[k],.right = s > 0};
		}
		j.pair_start[k + 1] = j.pair_start[k] + document->n_pairs;
		xmc_scores_free(&ctx, &scores);
	}
	j.n_units[XMC_COVERED_DOCUMENTS] = n;
	j.n_units[XMC_COVERED_PAIRS] = pairs;
	return j;
}

static void
free_judged(judged *j)
{
	free(j->group);
	free(j->pair_start);
	free(j->log_odds);
	free(j->unit[XMC_COVERED_DOCUMENTS]);
	free(j->unit[XMC_COVERED_PAIRS]);
}

/*
 * What the check does on new guides: units for the means over groups. A guide in right order is a unit that passes always, and is
 * right if it is not suspect; a pair is one that passes if the check finds it when it is turned round.
 */
static void
check_new(const judged *j, double threshold, double *share, double *reached)
{
	xmc_judged *unit = guides_alloc((size_t) j->n, sizeof *unit);
	xmc_judged *turned = guides_alloc((size_t) j->pair_start[j->n], sizeof *turned);
	xmc_coverage figures;

	for (int32_t k = 0; k < j->n; k++)
	{
		unit[k] = (xmc_judged) {.group = j->group[k],.right = true};
		for (int32_t p = j->pair_start[k]; p < j->pair_start[k + 1]; p++)
		{
			unit[k].right = unit[k].right && j->log_odds[p] > -threshold;
			turned[p] = (xmc_judged) {.confidence = j->log_odds[p],.group = j->group[k],.right = true};
		}
	}
	GUIDES_TRY(&ctx, xmc_coverage_at(&ctx, j->n, unit, 0, &figures));
	*reached = figures.precision.mean;
	GUIDES_TRY(&ctx, xmc_coverage_at(&ctx, j->pair_start[j->n], turned, threshold, &figures));
	*share = figures.share.mean;
	free(turned);
	free(unit);
}

/* One level and promise of one sample. */
static void
measure(const xmc_model *model, const judged *new, xmc_coverage_level level, double promise, row *to)
{
	xmc_covered covered;
	double		threshold;
	double		share = 0;
	double		reached = NAN;

	GUIDES_TRY(&ctx, xmc_covered_by_record(&ctx, model, level, promise, NULL, 0, NULL, &covered));
	threshold = covered.coverage.threshold;
	if (!isinf(threshold) && level == XMC_COVERED_VIOLATIONS)
		check_new(new, threshold, &share, &reached);
	else if (!isinf(threshold))
	{
		xmc_coverage figures;

		GUIDES_TRY(&ctx, xmc_coverage_at(&ctx, new->n_units[level], new->unit[level], threshold, &figures));
		share = figures.share.mean;
		reached = figures.precision.mean;
	}
	to->samples++;
	to->passed += !isinf(threshold);
	to->kept += !(reached < promise);
	to->promised_share += isinf(threshold) ? 0 : covered.coverage.share.mean;
	to->share += share;
	if (!isnan(reached))
	{
		to->lowest = to->reached == 0 || reached < to->lowest ? reached : to->lowest;
		to->reached += reached;
	}
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
			new = judge(model, split, s.n_test, s.test);
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

int
main(int argc, char **argv)
{
	int32_t		samples = argc > 2 ? atoi(argv[2]) : 40;

	if (argc < 2 || samples < 1)
	{
		fprintf(stderr, "usage: coverage FOLDER [SAMPLES]\n");
		return 2;
	}
	ctx = openblas_ctx();
	xmc_options_default(&options);
	guides_read(&ctx, &options, argv[1], &all);
	printf("## Whether coverage keeps its promise\n\n"
		   "The threshold of `xmcoh.coverage` is found on the approved guides and applied to the test part, which is new: other guides, or\n"
		   "other repositories, which are the groups then. Texts alone, fused order, %d samples. Kept: samples in which the precision on the\n"
		   "test part is at least the promised one, or nothing passes. Of level violation the promise holds on average and not in 90%% of\n"
		   "the samples; share: pairs stored the wrong way round that are found.\n\n"
		   "| split | approved | level | promised | kept | something passes | share shown | share on the test part | precision on the test part |"
		   " lowest |\n|---|---|---|---|---|---|---|---|---|---|\n", samples);
	for (guides_split split = BY_REPOSITORY; split <= BY_DOCUMENT; split++)
		for (int k = 0; k < SIZES; k++)
			measure_size(split, sizes[k], samples);
	return 0;
}
