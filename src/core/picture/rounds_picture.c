/* rounds_picture.c - what each round of guidance changed: tau before and after; see xmcoh/picture.h */
#include "picture/axes.h"

#include <math.h>
#include <stdio.h>

#define LEFT 172.0
#define ROW 26.0
#define ROUND_GAP 12.0
#define MOST_ROUNDS 40
#define BELOW 70.0

static canvas_phrase title = {"Rounds of guidance: {0}", "ラウンドごとの変化：{0}"};
static canvas_phrase subtitle = {"Kendall tau on held-out documents, before and after each round", "取り置いた文書でのケンドールのタウ（各ラウンドの前後）"};
static canvas_phrase description = {
	"{1} rounds in which one modality learned from the other. {2} were kept. Kendall tau of both modalities together was {3} before the first and {4} after the last round.",
	"文章と画像の一方が他方から学ぶ{1}ラウンド。採用{2}。両方を合わせたタウは最初のラウンド前{3}、最後のラウンド後{4}。"
};
static canvas_phrase text_learns = {"Round {0}: text learns", "第{0}回：文章が学習"};
static canvas_phrase image_learns = {"Round {0}: image learns", "第{0}回：画像が学習"};
static canvas_phrase together = {"both together", "両方"};
static canvas_phrase kept = {"kept", "採用"};
static canvas_phrase put_back = {"put back", "取り消し"};
static canvas_phrase before_mark = {"before", "前"};
static canvas_phrase after_mark = {"after, with the 95% interval of the change", "後（変化の95%区間つき）"};

static void
draw_row(canvas *c, const axis *a, const xmc_round_point *point, int which, double y)
{
	char		class[16];
	double		before = axis_at(a, point->before[which]);
	double		after = axis_at(a, point->after[which]);

	if (isnan(point->before[which]) || isnan(point->after[which]))
		return;
	snprintf(class, sizeof class, "l s%d", which);
	canvas_line(c, class, before, y, after, y);
	if (isfinite(point->low[which]) && isfinite(point->high[which]))
	{
		double		low = axis_at(a, point->before[which] + point->low[which]);
		double		high = axis_at(a, point->before[which] + point->high[which]);

		canvas_line(c, "grey", low, y + 7, high, y + 7);
		canvas_line(c, "grey", low, y + 4, low, y + 10);
		canvas_line(c, "grey", high, y + 4, high, y + 10);
	}
	canvas_marker(c, which, before, y, true);
	canvas_marker(c, which, after, y, false);
}

static void
draw_round(canvas *c, const axis *a, const xmc_round_point *point, double y)
{
	char		number[XMC_NUMBER_BYTES];
	const char *argument[1] = {xmc_number_text(point->round, 0, number)};

	canvas_say(c, "s b", ANCHOR_START, CANVAS_MARGIN, y, LEFT - CANVAS_MARGIN - 6, point->image_learns ? image_learns : text_learns, 1, argument);
	canvas_say(c, point->kept ? "s" : "s b", ANCHOR_START, CANVAS_MARGIN, y + ROW - 8, 70, point->kept ? kept : put_back, 0, NULL);
	canvas_say(c, "s u", ANCHOR_END, LEFT - 12, y + ROW, 90, together, 0, NULL);
	draw_row(c, a, point, 0, y);
	draw_row(c, a, point, 1, y + ROW);
}

static void
count_rounds(const xmc_rounds_picture *picture, char number[4][XMC_NUMBER_BYTES])
{
	int32_t		kept_rounds = 0;

	for (int32_t k = 0; k < picture->n; k++)
		kept_rounds += picture->point[k].kept;
	xmc_number_text(picture->n, 0, number[0]);
	xmc_number_text(kept_rounds, 0, number[1]);
	xmc_number_text(picture->n > 0 ? picture->point[0].before[1] : NAN, 3, number[2]);
	xmc_number_text(picture->n > 0 ? picture->point[picture->n - 1].after[1] : NAN, 3, number[3]);
}

/* The values that the axis must hold. */
static void
find_limits(const xmc_rounds_picture *picture, double *low, double *high)
{
	*low = INFINITY;
	*high = -INFINITY;
	for (int32_t k = 0; k < picture->n; k++)
		for (int which = 0; which < 2; which++)
		{
			const xmc_round_point *point = &picture->point[k];
			double		value[] = {point->before[which], point->after[which], point->before[which] + point->low[which],
			point->before[which] + point->high[which]};

			for (int v = 0; v < 4; v++)
			{
				*low = fmin(*low, value[v]);
				*high = fmax(*high, value[v]);
			}
		}
}

xmc_status
xmc_draw_rounds(xmc_markup *out, xmc_picture_language language, const xmc_rounds_picture *picture)
{
	canvas		c;
	char		number[4][XMC_NUMBER_BYTES];
	const char *argument[4] = {number[0], number[1], number[2], number[3]};
	canvas_frame frame = {.name = "xmcoh-rounds",.title = title,.subtitle = subtitle,.description = description,.subject = picture->model,
	.n = 4,.argument = argument};
	axis		a = {.from = LEFT,.to = CANVAS_WIDTH - CANVAS_MARGIN - 12};
	double		bottom = CANVAS_TOP + picture->n * (2 * ROW + ROUND_GAP);
	double		low;
	double		high;
	double		step;
	int			decimals;

	if (picture->n > MOST_ROUNDS)
		return xmc_fail(out->ctx, XMC_LIMIT, "%d rounds are more than the %d that a picture holds", picture->n, MOST_ROUNDS);
	count_rounds(picture, number);
	find_limits(picture, &low, &high);
	frame.height = bottom + BELOW;
	canvas_begin(&c, out, language, &frame);
	step = axis_round(&a, low, high, 5, &decimals);
	axis_draw_horizontal(&c, &a, step, decimals, CANVAS_TOP - 4, bottom);
	for (int32_t k = 0; k < picture->n; k++)
		draw_round(&c, &a, &picture->point[k], CANVAS_TOP + 12 + k * (2 * ROW + ROUND_GAP));
	canvas_marker(&c, 0, CANVAS_MARGIN + 5, bottom + 46, true);
	canvas_say(&c, "s", ANCHOR_START, CANVAS_MARGIN + 15, bottom + 46, 60, before_mark, 0, NULL);
	canvas_marker(&c, 0, CANVAS_MARGIN + 85, bottom + 46, false);
	canvas_say(&c, "s", ANCHOR_START, CANVAS_MARGIN + 95, bottom + 46, 310, after_mark, 0, NULL);
	canvas_end(&c);
	return out->status;
}
