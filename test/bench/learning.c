/*
 * learning.c - whether the extrapolation of a learning curve is true: what a study of n approved guides says of 2 n, against a model
 * of 2 n approved guides, on the guides of a fifth fold. Part of `make quality`. Prints Markdown for doc/quality.md. Texts
 * alone are read; no server is needed.
 *
 *   learning FOLDER [SAMPLES]	FOLDER as for guides.sh; SAMPLES (20) studies for each split and number of approved guides
 */
#include "guides.h"
#include "xmcoh/study.h"

#include <math.h>
#include <time.h>

enum
{
	SIZES = 3, SAMPLES_OF_STUDY = 3
};
static const int32_t sizes[SIZES] = {60, 100, 200};	/* approved guides */

static xmc_ctx ctx;
static xmc_options options;
static guides all;

/* Sums over studies. */
typedef struct row
{
	int			studies;
	int			covered;		/* whose interval of the extrapolated figure has the truth */
	int			covered_last;	/* whose interval of the largest size has the truth of that size */
	double		last;			/* measured at the largest size */
	double		predicted;
	double		truth;
	double		squares;		/* of predicted - truth */
	double		naive;			/* of last - truth */
	double		half;			/* width of the interval */
	double		seconds;
} row;

/* The tau of a model of the first `size` guides on the test part: on new repositories where repositories are the groups. */
static double
truth_at(guides_split split, const guides_sample *s, int32_t size)
{
	xmc_options plain = options;
	xmc_train_report report;
	xmc_model  *model;
	double		tau;

	plain.evaluation_documents = 0;
	model = guides_train(&ctx, &plain, &all, split, s, size, &report);
	if (!model)
		GUIDES_TRY(&ctx, XMC_BAD_INPUT);
	tau = guides_tau(&ctx, &all, model, s->n_test, s->test);
	xmc_model_free(&ctx, model);
	return tau;
}

/* The points of a study of the first `approved` guides. */
static int32_t
study(guides_split split, const guides_sample *s, int32_t approved, xmc_curve_point *point)
{
	static xmc_study_cell cell[XMC_STUDY_DEFAULT_SIZES * SAMPLES_OF_STUDY];
	xmc_curve_cell curve[XMC_STUDY_DEFAULT_SIZES * SAMPLES_OF_STUDY];
	char	  **name = guides_alloc((size_t) approved, sizeof *name);
	xmc_document *document = guides_approve(&all, split, s, approved, name);
	int32_t		n_texts;
	xmc_document *text = guides_texts(&all, s, &n_texts);
	const xmc_train_hooks hooks = {.n_texts = n_texts,.text = text};
	int32_t		size[XMC_STUDY_DEFAULT_SIZES];
	int32_t		n_sizes = xmc_study_sizes(approved, size);
	int32_t		n = 0;
	int32_t		points;

	for (int32_t k = 0; k < n_sizes; k++)
		for (int32_t sample = 1; sample <= SAMPLES_OF_STUDY; sample++)
		{
			cell[n] = (xmc_study_cell) {.size = size[k],.sample = sample};
			GUIDES_TRY(&ctx, xmc_study_run_cell(&ctx, &options, approved, document, name, &hooks, &cell[n]));
			curve[n] = (xmc_curve_cell) {size[k], sample, cell[n].sum};
			n++;
		}
	GUIDES_TRY(&ctx, xmc_learning_curve(&ctx, n, curve, 2 * approved, point, &points));
	free(document);
	free(name);
	free(text);
	return points;
}

static void
measure(guides_split split, const guides_sample *s, int32_t approved, row *to)
{
	xmc_curve_point point[XMC_CURVE_SIZES + 1];
	clock_t		started;
	const xmc_interval *beyond;
	const xmc_interval *last;
	double		truth;
	double		truth_last;
	int32_t		n;

	options.seed = s->seed + 1;
	started = clock();
	n = study(split, s, approved, point);
	to->seconds += (double) (clock() - started) / CLOCKS_PER_SEC;
	if (n < 2 || !point[n - 1].extrapolated)
		return;
	beyond = &point[n - 1].figure[XMC_CURVE_TAU];
	last = &point[n - 2].figure[XMC_CURVE_TAU];
	truth = truth_at(split, s, 2 * approved);
	truth_last = truth_at(split, s, point[n - 2].size);
	to->studies++;
	to->covered += beyond->low <= truth && truth <= beyond->high;
	to->covered_last += last->low <= truth_last && truth_last <= last->high;
	to->last += last->mean;
	to->predicted += beyond->mean;
	to->truth += truth;
	to->squares += (beyond->mean - truth) * (beyond->mean - truth);
	to->naive += (last->mean - truth) * (last->mean - truth);
	to->half += (beyond->high - beyond->low) / 2;
	if (getenv("LEARNING_VERBOSE"))
	{
		for (int32_t k = 0; k < n; k++)
			fprintf(stderr, "%d: %.3f [%.3f, %.3f]  ", point[k].size, point[k].figure[0].mean, point[k].figure[0].low,
					point[k].figure[0].high);
		fprintf(stderr, "truth %.3f, %.3f\n", truth_last, truth);
	}
}

static void
print_row(guides_split split, int32_t approved, const row *r)
{
	double		n = r->studies;

	printf("| %s | %d | %d | %.3f | %.3f | %.3f | %+.3f | %.3f | %.3f | %.3f | %d | %d | %.0f |\n",
		   guides_split_name(split), approved, r->studies, r->last / n, r->predicted / n, r->truth / n,
		   (r->predicted - r->truth) / n, sqrt(r->squares / n), sqrt(r->naive / n), r->half / n, r->covered, r->covered_last,
		   r->seconds / n);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	int32_t		samples = argc > 2 ? atoi(argv[2]) : 4 * GUIDES_FOLDS;

	if (argc < 2 || samples < 1)
	{
		fprintf(stderr, "usage: learning FOLDER [SAMPLES]\n");
		return 2;
	}
	ctx = openblas_ctx();
	xmc_options_default(&options);
	guides_read(&ctx, &options, argv[1], &all);
	printf("## Whether learning curves are true\n\n"
		   "Tau of the fused order that `study_learning_curve` extrapolates to twice the approved guides, against a model of twice as many\n"
		   "(the same and as many more), on the guides of a fifth fold: new repositories where repositories are the groups. Texts alone,\n"
		   "at most %d studies of %d samples each. Last: measured at 80 %% of the approved guides. Covered: studies whose 95%% interval has\n"
		   "the truth, of the extrapolation and of the last size.\n\n"
		   "| split | approved | studies | last | extrapolated | truth | difference | its RMS | RMS of last - truth |"
		   " half of the interval | covered | last covered | CPU seconds of a study |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
		   samples, SAMPLES_OF_STUDY);
	for (guides_split split = BY_REPOSITORY; split <= BY_DOCUMENT; split++)
		for (int k = 0; k < SIZES; k++)
		{
			row			r = {0};

			for (int32_t seed = 0; seed < samples; seed++)
			{
				guides_sample s = guides_draw(&all, split, seed);

				measure(split, &s, sizes[k], &r);
				guides_free_sample(&s);
			}
			print_row(split, sizes[k], &r);
		}
	return 0;
}
