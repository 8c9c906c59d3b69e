/* learning_picture.c - how good a model gets with more approved documents; see xmcoh/picture.h */
#include "picture/axes.h"

#include <math.h>

#define LEFT 50.0
#define PLOT 220.0
#define BELOW 68.0			/* without the legend */
#define SHIFT 2.5				/* the two series stand so far from the place of their size, so that their intervals do not hide each other */

static canvas_phrase title = {"Learning curve: {0}", "学習曲線：{0}"};
static canvas_phrase subtitle = {"What more approved documents bring", "承認済み文書を増やした場合の効果"};
static canvas_phrase description = {
	"Kendall tau and the share of documents that need no person, by the number of approved documents. At {1} documents tau is {2} and the share {3}. {4}",
	"承認済み文書数ごとのケンドールのタウと、人手を要しない文書の割合。{1}文書でタウは{2}、割合は{3}。{4}"
};
static canvas_phrase extrapolated_description = {"Extrapolated to {0} documents: tau {1}, share {2}.", "{0}文書への外挿：タウは{1}、割合は{2}。"};
static canvas_phrase tau_name = {"Kendall tau (1: all orders right)", "ケンドールのタウ（1＝すべて正しい順序）"};
static canvas_phrase coverage_name = {"share without a person", "人手を要しない割合"};
static canvas_phrase extrapolated_name = {"hollow: extrapolated, not measured", "中抜き：外挿値（測定値ではない）"};
static canvas_phrase documents_name = {"approved documents", "承認済み文書数"};

static const xmc_interval *
figure_of(const xmc_learning_point *point, int series)
{
	return series ? &point->coverage : &point->tau;
}

static void
draw_series(canvas *c, const xmc_learning_picture *picture, const axis *x_axis, const axis *y_axis, int series)
{
	double		x[2];
	double		y[2];
	bool		begun = false;

	for (int32_t k = 0; k < picture->n; k++)
	{
		const xmc_learning_point *point = &picture->point[k];
		const xmc_interval *figure = figure_of(point, series);

		if (isnan(figure->mean))
			continue;
		x[1] = axis_at(x_axis, point->size) + (series ? SHIFT : -SHIFT);
		y[1] = axis_at(y_axis, figure->mean);
		if (begun)
			canvas_polyline(c, series, point->extrapolated, 2, x, y);
		begun = true;
		x[0] = x[1];
		y[0] = y[1];
	}
	for (int32_t k = 0; k < picture->n; k++)
	{
		const xmc_learning_point *point = &picture->point[k];
		const xmc_interval *figure = figure_of(point, series);
		double		at = axis_at(x_axis, point->size) + (series ? SHIFT : -SHIFT);

		if (isnan(figure->mean))
			continue;
		axis_draw_interval(c, y_axis, series, at, figure);
		canvas_marker(c, series, at, axis_at(y_axis, figure->mean), point->extrapolated);
	}
}

/* The sizes below the axis; those that would touch the one before are left out. */
static void
draw_sizes(canvas *c, const xmc_learning_picture *picture, const axis *x_axis, double bottom)
{
	double		taken = 0;

	for (int32_t k = 0; k < picture->n; k++)
	{
		char		text[XMC_NUMBER_BYTES];
		double		x = axis_at(x_axis, picture->point[k].size);
		double		half;

		xmc_number_text(picture->point[k].size, 0, text);
		half = canvas_text_width(text, SMALL_TEXT) / 2;
		canvas_line(c, "axis", x, bottom, x, bottom + 4);
		if (x - half < taken + 3)
			continue;
		canvas_text(c, "s u", ANCHOR_MIDDLE, x, bottom + 13, 60, text);
		taken = x + half;
	}
	canvas_say(c, "s u", ANCHOR_END, CANVAS_WIDTH - CANVAS_MARGIN, bottom + 30, 300, documents_name, 0, NULL);
}

/* Which numbers the description tells: those of the last measured point and, if there is one, of the extrapolated one. */
static void
describe(const xmc_learning_picture *picture, xmc_picture_language language, char number[3][XMC_NUMBER_BYTES], char *more, size_t size)
{
	const xmc_learning_point *last = NULL;
	const xmc_learning_point *ahead = NULL;
	char		text[3][XMC_NUMBER_BYTES];
	const char *argument[3] = {text[0], text[1], text[2]};

	for (int32_t k = 0; k < picture->n; k++)
		*(picture->point[k].extrapolated ? &ahead : &last) = &picture->point[k];
	xmc_number_text(last ? last->size : NAN, 0, number[0]);
	xmc_number_text(last ? last->tau.mean : NAN, 2, number[1]);
	canvas_percent(last ? last->coverage.mean : NAN, number[2]);
	*more = '\0';
	if (ahead == NULL)
		return;
	xmc_number_text(ahead->size, 0, text[0]);
	xmc_number_text(ahead->tau.mean, 2, text[1]);
	canvas_percent(ahead->coverage.mean, text[2]);
	canvas_fill(more, size, extrapolated_description[language], 3, argument);
}

xmc_status
xmc_draw_learning(xmc_markup *out, xmc_picture_language language, const xmc_learning_picture *picture)
{
	canvas		c;
	char		number[3][XMC_NUMBER_BYTES];
	char		more[300];
	const char *argument[4] = {number[0], number[1], number[2], more};
	const char *names[2] = {tau_name[language], coverage_name[language]};
	canvas_frame frame = {.name = "xmcoh-learning",.title = title,.subtitle = subtitle,.description = description,
	.subject = picture->model,.n = 4,.argument = argument,.height = CANVAS_TOP + PLOT + BELOW};
	double		legend = axis_draw_legend(NULL, CANVAS_MARGIN, 0, 2, names);
	axis		x_axis = {.from = LEFT + 16,.to = CANVAS_WIDTH - CANVAS_MARGIN - 16};
	axis		y_axis = {.from = CANVAS_TOP + PLOT,.to = CANVAS_TOP + 8};
	double		low = 0;
	double		high = 0.1;
	double		step;
	int			decimals;

	if (picture->n > XMC_PICTURE_POINTS)
		return xmc_fail(out->ctx, XMC_LIMIT, "%d points are more than the %d that a picture holds", picture->n, XMC_PICTURE_POINTS);
	for (int32_t k = 0; k < picture->n; k++)
		for (int series = 0; series < 2; series++)
		{
			const xmc_interval *figure = figure_of(&picture->point[k], series);

			low = fmin(low, fmin(figure->mean, figure->low));	/* fmin and fmax leave NaN out */
			high = fmax(high, fmax(figure->mean, figure->high));
		}
	frame.height += legend;
	describe(picture, language, number, more, sizeof more);
	canvas_begin(&c, out, language, &frame);
	step = axis_round(&y_axis, low, high, 6, &decimals);
	axis_draw_vertical(&c, &y_axis, step, decimals, false, LEFT, CANVAS_WIDTH - CANVAS_MARGIN);
	x_axis.low = picture->n > 0 ? picture->point[0].size : 1;
	x_axis.high = picture->n > 0 ? picture->point[picture->n - 1].size : 1;
	x_axis.logarithmic = x_axis.low > 0 && x_axis.high > 4 * x_axis.low;
	draw_sizes(&c, picture, &x_axis, y_axis.from);
	for (int series = 0; series < 2; series++)
		draw_series(&c, picture, &x_axis, &y_axis, series);
	axis_draw_legend(&c, CANVAS_MARGIN, y_axis.from + 52, 2, names);
	canvas_say(&c, "s u", ANCHOR_START, CANVAS_MARGIN, y_axis.from + 52 + legend, CANVAS_WIDTH - 2 * CANVAS_MARGIN, extrapolated_name, 0, NULL);
	canvas_end(&c);
	return out->status;
}
