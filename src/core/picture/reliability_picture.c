/* reliability_picture.c - how often the model is right where it promises a precision; see xmcoh/picture.h */
#include "picture/axes.h"

#include <math.h>

#define LEFT 54.0
#define PLOT 200.0				/* height */
#define BELOW 84.0
#define MOST_COLUMNS 8

static canvas_phrase title = {"Promised against reached: {0}", "約束した精度と実際の精度：{0}"};
static canvas_phrase of_documents = {"Whole orders of documents that the model is sure of", "モデルが確信する文書の順序全体"};
static canvas_phrase of_pairs = {"Pairs of steps that the model is sure of", "モデルが確信する手順の対"};
static canvas_phrase documents_description = {
	"For each promised precision: the share of document orders that were right in tests with documents the model had not learned from, with its 95% interval, "
	"and the share of documents that are so sure. Promised, reached, passing: {1}.",
	"約束した精度ごとに、学習に使われていない文書で順序が正しかった割合と95%区間、および通過する文書の割合。約束、実際、通過：{1}。"
};
static canvas_phrase pairs_description = {
	"For each promised precision: the share of pairs whose order was right in tests with documents the model had not learned from, with its 95% interval, "
	"and the share of pairs that are so sure. Promised, reached, passing: {1}.",
	"約束した精度ごとに、学習に使われていない文書で順序が正しかった対の割合と95%区間、および通過する対の割合。約束、実際、通過：{1}。"
};
static canvas_phrase promised_name = {"promised", "約束"};
static canvas_phrase reached_name = {"reached, with 95% interval", "実際（95%区間）"};
static canvas_phrase passing_name = {"pass", "通過"};
static canvas_phrase nothing = {"none", "なし"};
static canvas_phrase too_few = {"too few", "少数"};

static void
draw_point(canvas *c, const axis *a, double x, double width, const xmc_reliability_point *point, double bottom)
{
	char		text[XMC_NUMBER_BYTES];
	double		promised = axis_at(a, point->promised);

	canvas_line(c, "mark", x - width * 0.36, promised, x + width * 0.36, promised);
	if (isnan(point->reached.mean))
		canvas_say(c, "s u", ANCHOR_MIDDLE, x, bottom - 12, width, isnan(point->share) ? too_few : nothing, 0, NULL);
	else
	{
		axis_draw_interval(c, a, 0, x, &point->reached);
		canvas_marker(c, 0, x, axis_at(a, point->reached.mean), false);
	}
	canvas_text(c, "s", ANCHOR_MIDDLE, x, bottom + 13, width, canvas_percent(point->promised, text));
	canvas_text(c, "s b", ANCHOR_MIDDLE, x, bottom + 31, width, canvas_percent(point->share, text));
}

static void
draw_legend(canvas *c, double y)
{
	canvas_line(c, "mark", LEFT, y, LEFT + 20, y);
	canvas_say(c, "s", ANCHOR_START, LEFT + 27, y, 90, promised_name, 0, NULL);
	canvas_marker(c, 0, LEFT + 122, y, false);
	canvas_say(c, "s", ANCHOR_START, LEFT + 133, y, 240, reached_name, 0, NULL);
}

/* The points in words, as many as fit. */
static void
list_points(const xmc_reliability_picture *picture, char *list, size_t size)
{
	size_t		length = 0;

	list[0] = '\0';
	for (int32_t k = 0; k < picture->n; k++)
	{
		const xmc_reliability_point *point = &picture->point[k];
		double		value[3] = {point->promised, point->reached.mean, point->share};

		for (int v = 0; v < 3 && length + 20 < size; v++)
		{
			char		percent[XMC_NUMBER_BYTES];
			const char *piece[] = {v > 0 ? ", " : k > 0 ? "; " : "", canvas_percent(value[v], percent)};

			length += canvas_fill(list + length, size - length, "{0}{1}", 2, piece);
		}
	}
}

xmc_status
xmc_draw_reliability(xmc_markup *out, xmc_picture_language language, const xmc_reliability_picture *picture)
{
	canvas		c;
	char		list[400];
	const char *argument[1] = {list};
	canvas_frame frame = {.name = "xmcoh-reliability",.title = title,.subtitle = picture->documents ? of_documents : of_pairs,
		.description = picture->documents ? documents_description : pairs_description,.subject = picture->model,.n = 1,.argument = argument,
	.height = CANVAS_TOP + PLOT + BELOW};
	axis		a = {.from = CANVAS_TOP + PLOT,.to = CANVAS_TOP + 8};
	int32_t		n = picture->n < MOST_COLUMNS ? picture->n : MOST_COLUMNS;
	double		width = (CANVAS_WIDTH - CANVAS_MARGIN - LEFT) / fmax(n, 1);
	double		low = 0.9;
	double		step;
	int			decimals;

	if (picture->n > MOST_COLUMNS)
		return xmc_fail(out->ctx, XMC_LIMIT, "%d precisions are more than the %d that a picture holds", picture->n, MOST_COLUMNS);
	for (int32_t k = 0; k < n; k++)
	{
		low = fmin(low, picture->point[k].promised);
		low = fmin(low, isnan(picture->point[k].reached.low) ? low : picture->point[k].reached.low);
		low = fmin(low, isnan(picture->point[k].reached.mean) ? low : picture->point[k].reached.mean);
	}
	list_points(picture, list, sizeof list);
	canvas_begin(&c, out, language, &frame);
	step = axis_round(&a, low, 1, 6, &decimals);
	axis_draw_vertical(&c, &a, step, decimals, true, LEFT, CANVAS_WIDTH - CANVAS_MARGIN);
	canvas_say(&c, "s u", ANCHOR_END, LEFT - 6, a.from + 31, LEFT - 8, passing_name, 0, NULL);
	for (int32_t k = 0; k < n; k++)
		draw_point(&c, &a, LEFT + (k + 0.5) * width, width, &picture->point[k], a.from);
	draw_legend(&c, frame.height - 20);
	canvas_end(&c);
	return out->status;
}
