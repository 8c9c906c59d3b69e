/*
 * chart.c - pictures of a model by what is recorded of it: coverage, learning curve, snapshots of quality, rounds of training.
 */
#include "postgres.h"

#include "executor/spi.h"

#include "base/xmcoh.h"
#include "report/pictures.h"
#include "report/report_rows.h"

typedef struct Chart
{
	xmc_markup *out;
	const char *model;			/* in UTF-8 */
	xmc_picture_language language;
	const ReportRows *rows;
} Chart;

static xmc_interval
interval_at(const ReportRows *rows, int row, int column)
{
	return (xmc_interval) {.mean = xmcoh_report_number(rows, row, column),.low = xmcoh_report_number(rows, row, column + 1),
		.high = xmcoh_report_number(rows, row, column + 2)};
}

/* Columns: promised, reached with bounds, share, whether the shares are of documents. */
static xmc_status
draw_reliability(const Chart *chart)
{
	int			n = chart->rows->n;
	xmc_reliability_point *point = palloc(sizeof(xmc_reliability_point) * (Size) n);

	for (int k = 0; k < n; k++)
		point[k] = (xmc_reliability_point) {.promised = xmcoh_report_number(chart->rows, k, 1),
			.reached = interval_at(chart->rows, k, 2),.share = xmcoh_report_number(chart->rows, k, 5)};
	return xmc_draw_reliability(chart->out, chart->language, &(xmc_reliability_picture) {.model = chart->model,
		.documents = xmcoh_report_true(chart->rows, 0, 6),.n = n,.point = point});
}

/* Columns: size, tau with bounds, coverage with bounds, extrapolated. */
static xmc_status
draw_learning(const Chart *chart)
{
	int			n = chart->rows->n;
	xmc_learning_point *point = palloc(sizeof(xmc_learning_point) * (Size) n);

	for (int k = 0; k < n; k++)
		point[k] = (xmc_learning_point) {.size = xmcoh_report_number(chart->rows, k, 1),.tau = interval_at(chart->rows, k, 2),
			.coverage = interval_at(chart->rows, k, 5),.extrapolated = xmcoh_report_true(chart->rows, k, 8)};
	return xmc_draw_learning(chart->out, chart->language, &(xmc_learning_picture) {.model = chart->model,.n = n,.point = point});
}

/* Columns: group, seconds, documents, coherence, share of suspect documents. */
static xmc_status
draw_quality(const Chart *chart)
{
	int			n = chart->rows->n;
	xmc_quality_point *point = palloc(sizeof(xmc_quality_point) * (Size) n);

	for (int k = 0; k < n; k++)
		point[k] = (xmc_quality_point) {.group = xmcoh_report_text(chart->rows, k, 1),.time = xmcoh_report_number(chart->rows, k, 2),
			.documents = xmcoh_report_number(chart->rows, k, 3),.coherence = xmcoh_report_number(chart->rows, k, 4),
			.suspect = xmcoh_report_number(chart->rows, k, 5)};
	return xmc_draw_quality(chart->out, chart->language, &(xmc_quality_picture) {.model = chart->model,.n = n,.point = point});
}

/* Columns: round, whether the image learns, kept; then before, after, bounds of the difference: of the pupil, of both. */
static xmc_status
draw_rounds(const Chart *chart)
{
	int			n = chart->rows->n;
	xmc_round_point *point = palloc(sizeof(xmc_round_point) * (Size) n);

	for (int k = 0; k < n; k++)
	{
		point[k] = (xmc_round_point) {.round = (int32) xmcoh_report_number(chart->rows, k, 1),
			.image_learns = xmcoh_report_true(chart->rows, k, 2),.kept = xmcoh_report_true(chart->rows, k, 3)};
		for (int which = 0; which < 2; which++)
		{
			point[k].before[which] = xmcoh_report_number(chart->rows, k, 4 + 4 * which);
			point[k].after[which] = xmcoh_report_number(chart->rows, k, 5 + 4 * which);
			point[k].low[which] = xmcoh_report_number(chart->rows, k, 6 + 4 * which);
			point[k].high[which] = xmcoh_report_number(chart->rows, k, 7 + 4 * which);
		}
	}
	return xmc_draw_rounds(chart->out, chart->language, &(xmc_rounds_picture) {.model = chart->model,.n = n,.point = point});
}

/* $1 is the name of the model. */
static const struct
{
	const char *query;
	xmc_status	(*draw) (const Chart *chart);
}			charts[PICTURE_KINDS] = {
	[PICTURE_RELIABILITY] = {
		"WITH promise (p) AS (VALUES (0.6::float8), (0.7), (0.8), (0.9), (0.95), (0.99)),"
		" reached AS MATERIALIZED (SELECT p, l, c.precision_reached, c.precision_low, c.precision_high, c.share"
		"   FROM promise, (VALUES ('document'), ('pair')) AS level (l), xmcoh.coverage($1, p, l) AS c)"
		" SELECT p, precision_reached, precision_low, precision_high, share, l = 'document' FROM reached"
		" WHERE l = CASE WHEN EXISTS (SELECT FROM reached WHERE l = 'document' AND p >= 0.9 AND share > 0) THEN 'document' ELSE 'pair' END ORDER BY p",
		draw_reliability
	},
	[PICTURE_LEARNING] = {
		"SELECT size, tau, tau_low, tau_high, coverage, coverage_low, coverage_high, extrapolated"
		" FROM xmcoh.learning_curve WHERE model = $1 ORDER BY size, extrapolated",
		draw_learning
	},
	[PICTURE_QUALITY] = {
		/* the whole, and the groups of the column by which the last snapshot with groups was taken */
		"SELECT \"group\", extract(epoch FROM taken_at::timestamp), documents, coherence, suspect FROM xmcoh.quality_snapshot"
		" WHERE model = $1 AND (by IS NULL OR by = (SELECT s.by FROM xmcoh.quality_snapshot AS s WHERE s.model = $1 AND s.by IS NOT NULL"
		"   ORDER BY s.taken_at DESC, s.by LIMIT 1)) ORDER BY taken_at, \"group\"",
		draw_quality
	},
	[PICTURE_ROUNDS] = {
		"SELECT round, pupil = 'image', kept, tau_before, tau_after, difference_low, difference_high, fused_tau_before, fused_tau_after,"
		" fused_difference_low, fused_difference_high FROM xmcoh.training_round"
		" WHERE job_id = (SELECT v.job_id FROM xmcoh.versions AS v WHERE v.model = $1 AND v.deployed) ORDER BY round",
		draw_rounds
	}
};

bool
xmcoh_draw_chart(xmc_markup *out, PictureKind kind, const char *model, Language language)
{
	ReportRows	rows = {0};
	Chart		chart = {.out = out,.model = xmcoh_to_utf8(model),.language = picture_language(language),.rows = &rows};
	int			n;

	Assert(!IS_OF_DOCUMENT(kind));
	rows = xmcoh_report_query(charts[kind].query, 1, &model);
	n = rows.n;
	if (n > 0)
		XMCOH_TRY(charts[kind].draw(&chart), out->ctx);
	xmcoh_report_done(&rows);
	return n > 0;
}
