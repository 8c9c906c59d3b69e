/*
 * figures.c - whether the figures that a version shows are true: the reported tau and its 95% interval against the tau on guides that
 * were not approved. Part of `make quality`. Prints Markdown for doc/quality.md. Texts alone are read; no server is needed.
 *
 *   figures FOLDER [SAMPLES]	FOLDER as for guides.sh; each of the samples (5) tests one fold of each split
 */
#include "guides.h"
#include "xmcoh/metrics.h"
#include "xmcoh/order.h"
#include "xmcoh/scorer.h"

#include <math.h>
#include <time.h>

enum
{
	SIZES = 7,
	WHOLE_POOL = INT32_MAX		/* samples of one fold then differ in the seed alone */
};
static const int32_t sizes[SIZES] = {12, 30, 60, 100, 200, 500, WHOLE_POOL};	/* approved guides */

static xmc_ctx ctx;
static xmc_options options;
static guides all;

/* Sums over samples. */
typedef struct row
{
	int			samples;
	int			failed;			/* too few groups to hold out */
	int			covered;		/* whose interval has the measured truth */
	int			covered_widened;	/* the same, the interval widened by the error of the measured truth */
	double		measured;		/* documents */
	double		shown;
	double		truth;
	double		truth_half;
	double		difference;
	double		squares;
	double		half;			/* width of the interval */
	double		seconds;
} row;

/* A mean over guides, and half of its 95% interval over what the split keeps whole. */
typedef struct estimate
{
	double		mean;
	double		half;
} estimate;

/* By document, the truth is the tau on all guides that were not approved; new repositories are those of the test part. */
static estimate
measure_truth(guides_split split, const guides_sample *s, int32_t size, const xmc_model *model)
{
	int32_t		rest = split == BY_DOCUMENT ? s->n_pool - size : 0;
	int32_t		n = s->n_test + rest;
	double	   *tau = guides_alloc((size_t) n, sizeof *tau);
	double	   *sum = guides_alloc((size_t) all.n, sizeof *sum);	/* of the differences from the mean, of a repository or a guide */
	estimate	truth = {0};
	double		squares = 0;

	for (int32_t k = 0; k < n; k++)
	{
		tau[k] = guides_tau_of(&ctx, model, &all.guide[k < rest ? s->pool[size + k] : s->test[k - rest]], (uint64_t) k);
		truth.mean += tau[k] / n;
	}
	for (int32_t k = 0; k < n; k++)
		sum[split == BY_DOCUMENT ? k : all.guide[s->test[k]].repository] += (tau[k] - truth.mean) / n;
	for (int32_t g = 0; g < all.n; g++)
		squares += sum[g] * sum[g];
	truth.half = 1.96 * sqrt(squares);
	free(tau);
	free(sum);
	return truth;
}

static void
measure(guides_split split, const guides_sample *s, int32_t size, row *to)
{
	xmc_train_report report;
	clock_t		started = clock();
	xmc_model  *model = guides_train(&ctx, &options, &all, split, s, size, &report);
	const xmc_interval *shown = &report.new_groups.tau[XMC_SCORE_FUSED];
	double		seconds = (double) (clock() - started) / CLOCKS_PER_SEC;
	estimate	truth;
	double		difference;

	if (!model)
	{
		to->failed++;
		return;
	}
	truth = measure_truth(split, s, size, model);
	difference = shown->mean - truth.mean;
	to->samples++;
	to->covered += shown->low <= truth.mean && truth.mean <= shown->high;
	to->covered_widened += difference > 0 ? hypot(shown->mean - shown->low, truth.half) >= difference
		: hypot(shown->high - shown->mean, truth.half) >= -difference;
	to->measured += report.new_groups.documents;
	to->shown += shown->mean;
	to->truth += truth.mean;
	to->truth_half += truth.half;
	to->difference += difference;
	to->squares += difference * difference;
	to->half += (shown->high - shown->low) / 2;
	to->seconds += seconds;
	xmc_model_free(&ctx, model);
}

static void
print_row(guides_split split, int32_t size, const row *r)
{
	double		n = r->samples;
	double		difference = r->difference / n;
	double		error = n > 1 ? sqrt(fmax(0, r->squares / n - difference * difference) / (n - 1)) : NAN;
	char		approved[12] = "all";

	if (size != WHOLE_POOL)
		snprintf(approved, sizeof approved, "%d", size);
	printf("| %s | %s | %d | %.0f | %.3f | %.3f | %+.3f | %.3f | %.3f | %.3f | %d | %d | %.1f |\n",
		   guides_split_name(split), approved, r->samples, r->measured / n, r->shown / n, r->truth / n,
		   difference, error, r->half / n, r->truth_half / n, r->covered, r->covered_widened, r->seconds / n);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	int32_t		samples = argc > 2 ? atoi(argv[2]) : GUIDES_FOLDS;

	if (argc < 2 || samples < 1)
	{
		fprintf(stderr, "usage: figures FOLDER [SAMPLES]\n");
		return 2;
	}
	ctx = openblas_ctx();
	xmc_options_default(&options);
	guides_read(&ctx, &options, argv[1], &all);
	printf("## Whether the figures are true\n\n"
		   "The tau that a version shows and its 95%% interval, against the tau on guides that were not approved: on new repositories where\n"
		   "repositories are the groups. Texts alone, fused order, %d samples. The truth is measured\n"
		   "on these guides, so it has an error of its own. Covered: samples whose interval has the measured truth, and those where it has if it is\n"
		   "widened by that error.\n\n"
		   "| split | approved | samples | measured | shown | truth | difference | its standard error | half of the interval |"
		   " half of the truth's | covered | covered, widened | CPU seconds of a training |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
		   samples);
	for (guides_split split = BY_REPOSITORY; split <= BY_DOCUMENT; split++)
		for (int k = 0; k < SIZES; k++)
		{
			row			r = {0};

			for (int32_t seed = 0; seed < samples; seed++)
			{
				guides_sample s = guides_draw(&all, split, seed);

				measure(split, &s, sizes[k] < s.n_pool ? sizes[k] : s.n_pool, &r);
				guides_free_sample(&s);
			}
			print_row(split, sizes[k], &r);
		}
	return 0;
}
