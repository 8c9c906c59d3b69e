/* quality_picture.c - mean coherence and share of suspect documents over time, a line for each group; see xmcoh/picture.h */
#include "picture/axes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/sort.h"

#define LEFT 50.0
#define PANEL 130.0				/* height of a panel */
#define PANEL_GAP 30.0
#define DAY 86400.0
#define DATE_BYTES 96

static canvas_phrase title = {"Quality over time: {0}", "品質の推移：{0}"};
static canvas_phrase of_groups = {"{2} documents at the end, {1} groups", "最後の時点で{2}文書、{1}グループ"};
static canvas_phrase of_whole = {"{2} documents at the end", "最後の時点で{2}文書"};
static canvas_phrase description = {
	"Mean coherence of stored orders and share of suspect documents at {3} points in time, by {1} groups. At the end: {4}.",
	"保存された順序の一貫性の平均と疑わしい文書の割合。{3}時点、{1}グループ。最後の値：{4}。"
};
static canvas_phrase coherence_name = {"mean coherence (1: all orders certain)", "一貫性の平均（1＝すべて確実）"};
static canvas_phrase suspect_name = {"share of suspect documents", "疑わしい文書の割合"};
static canvas_phrase all_documents = {"all documents", "全文書"};
static canvas_phrase left_out = {"{0} smaller groups are not drawn", "小さな{0}グループは省略"};
static canvas_phrase summary = {"{0}: {1}, {2}", "{0}：{1}、{2}"};

/* The points of a group: indexes first to first + n - 1 of the sorted points. */
typedef struct group
{
	int32_t		first;
	int32_t		n;
	double		documents;		/* of its last point */
} group;

typedef struct drawing
{
	const xmc_quality_picture *picture;
	const xmc_quality_point **point;	/* (n) by group, then by time */
	group		chosen[CANVAS_SERIES];
	int			n_chosen;
	const char *name[CANVAS_SERIES];	/* of the chosen groups */
	int32_t		groups;			/* without the whole, which has no name */
	int32_t		groups_left;	/* of these, that are not drawn */
	double		documents;		/* of the whole; where that is not given, of all groups */
	const xmc_quality_point **scratch;	/* (n) for the sort */
	double	   *x;				/* (n) scratch of one line */
	double	   *y;
} drawing;

/* The whole before all groups, also before one whose name is empty. */
static int
compare_names(const xmc_quality_point *a, const xmc_quality_point *b)
{
	if (a->group == NULL || b->group == NULL)
		return (a->group != NULL) - (b->group != NULL);
	return strcmp(a->group, b->group);
}

/* By group; the sort is stable, so the points of a group stay in the order of time. */
static int
compare_points(const void *a, const void *b)
{
	return compare_names(*(const xmc_quality_point *const *) a, *(const xmc_quality_point *const *) b);
}

/* Keeps the groups with the most documents, the largest first; of equal ones the first by name. */
static void
choose(drawing *d, const group *candidate)
{
	int			at = d->n_chosen;

	while (at > 0 && d->chosen[at - 1].documents < candidate->documents)
		at--;
	if (at >= CANVAS_SERIES)
		return;
	if (d->n_chosen < CANVAS_SERIES)
		d->n_chosen++;
	memmove(&d->chosen[at + 1], &d->chosen[at], sizeof(group) * (size_t) (d->n_chosen - 1 - at));
	d->chosen[at] = *candidate;
}

static xmc_status
find_groups(xmc_ctx *ctx, drawing *d)
{
	int32_t		n = d->picture->n;
	double		whole = NAN;

	d->point = xmc_alloc(ctx, (size_t) n + 1, sizeof(d->point[0]));
	d->scratch = xmc_alloc(ctx, (size_t) n + 1, sizeof(d->point[0]));
	d->x = xmc_alloc(ctx, (size_t) n + 1, sizeof(double));
	d->y = xmc_alloc(ctx, (size_t) n + 1, sizeof(double));
	if (d->point == NULL || d->scratch == NULL || d->x == NULL || d->y == NULL)
		return xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t k = 0; k < n; k++)
		d->point[k] = &d->picture->point[k];
	XMC_TRY(xmc_sort(ctx, d->point, d->scratch, (size_t) n, sizeof(d->point[0]), compare_points));
	for (int32_t k = 0; k < n;)
	{
		group		found = {.first = k};

		while (k < n && compare_names(d->point[k], d->point[found.first]) == 0)
			k++;
		found.n = k - found.first;
		found.documents = d->point[k - 1]->documents;
		if (d->point[found.first]->group == NULL)
			whole = found.documents;
		else
		{
			d->groups++;
			d->documents += found.documents;
		}
		choose(d, &found);
	}
	d->groups_left = d->groups;
	for (int g = 0; g < d->n_chosen; g++)
		d->groups_left -= d->point[d->chosen[g].first]->group != NULL;
	d->documents = isnan(whole) ? d->documents : whole;
	return XMC_OK;
}

/* ---- time ---- */

/* A day since 1970-01-01 as a date of the Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms"). */
static void
date_text(double time, bool with_clock, char out[DATE_BYTES])
{
	double		limited = time < -1e11 ? -1e11 : time > 1e11 || isnan(time) ? 1e11 : time;
	long		day = (long) floor(limited / DAY) + 719468;
	long		minute = (long) floor((limited - floor(limited / DAY) * DAY) / 60);
	long		era = (day >= 0 ? day : day - 146096) / 146097;
	long		day_of_era = day - era * 146097;
	long		year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	long		day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	long		shifted = (5 * day_of_year + 2) / 153;
	long		month = shifted < 10 ? shifted + 3 : shifted - 9;
	long		year = year_of_era + era * 400 + (month <= 2);
	long		date = day_of_year - (153 * shifted + 2) / 5 + 1;

	if (with_clock)
		snprintf(out, DATE_BYTES, "%02ld-%02ld %02ld:%02ld", month, date, minute / 60, minute % 60);
	else
		snprintf(out, DATE_BYTES, "%04ld-%02ld-%02ld", year, month, date);
}

static void
draw_times(canvas *c, const axis *x_axis, double bottom)
{
	bool		with_clock = x_axis->high - x_axis->low < 3 * DAY;
	int			steps = x_axis->high > x_axis->low ? 3 : 0;

	for (int k = 0; k <= steps; k++)
	{
		char		text[DATE_BYTES];
		double		time = steps > 0 ? x_axis->low + (x_axis->high - x_axis->low) * k / steps : x_axis->low;
		double		x = axis_at(x_axis, time);

		date_text(time, with_clock, text);
		canvas_line(c, "axis", x, bottom, x, bottom + 4);
		canvas_text(c, "s u", k == 0 && steps > 0 ? ANCHOR_START : k == steps && steps > 0 ? ANCHOR_END : ANCHOR_MIDDLE,
					k == 0 && steps > 0 ? x - 10 : k == steps && steps > 0 ? x + 10 : x, bottom + 13, 110, text);
	}
}

/* ---- panels ---- */

static double
value_of(const xmc_quality_point *point, bool suspect)
{
	return suspect ? point->suspect : point->coherence;
}

static void
draw_line(canvas *c, drawing *d, int series, const axis *x_axis, const axis *y_axis, bool suspect)
{
	const group *drawn = &d->chosen[series];
	int			n = 0;

	for (int32_t k = drawn->first; k < drawn->first + drawn->n; k++)
	{
		double		value = value_of(d->point[k], suspect);

		if (isnan(value))
			continue;
		d->x[n] = axis_at(x_axis, d->point[k]->time);
		d->y[n++] = axis_at(y_axis, value);
	}
	canvas_polyline(c, series, false, n, d->x, d->y);
	/* Of many points only the last is marked; the line has the others. */
	for (int k = n > 30 ? n - 1 : 0; k < n; k++)
		canvas_marker(c, series, d->x[k], d->y[k], false);
}

static void
draw_panel(canvas *c, drawing *d, const axis *x_axis, bool suspect, double top)
{
	axis		y_axis = {.from = top + PANEL,.to = top + 20};
	double		low = suspect ? 0 : 1;
	double		high = suspect ? 0.05 : -1;
	double		step;
	int			decimals;

	for (int g = 0; g < d->n_chosen; g++)
		for (int32_t k = d->chosen[g].first; k < d->chosen[g].first + d->chosen[g].n; k++)
		{
			low = fmin(low, value_of(d->point[k], suspect));
			high = fmax(high, value_of(d->point[k], suspect));
		}
	if (high < low)
		low = high = 0;
	canvas_say(c, "s b", ANCHOR_START, CANVAS_MARGIN, top + 5, CANVAS_WIDTH - 2 * CANVAS_MARGIN, suspect ? suspect_name : coherence_name, 0, NULL);
	step = axis_round(&y_axis, low, high, 4, &decimals);
	axis_draw_vertical(c, &y_axis, step, decimals, suspect && step >= 0.0099, LEFT, CANVAS_WIDTH - CANVAS_MARGIN);
	for (int g = d->n_chosen - 1; g >= 0; g--)
		draw_line(c, d, g, x_axis, &y_axis, suspect);
}

/* The last values of the drawn groups in words, as many as fit. */
static void
summarise(const drawing *d, xmc_picture_language language, char *list, size_t size)
{
	size_t		length = 0;

	for (int g = 0; g < d->n_chosen && length + 1 < size; g++)
	{
		const xmc_quality_point *point = d->point[d->chosen[g].first + d->chosen[g].n - 1];
		char		coherence[XMC_NUMBER_BYTES];
		char		suspect[XMC_NUMBER_BYTES];
		char		name[64];
		const char *value[3] = {name, xmc_number_text(point->coherence, 2, coherence), canvas_percent(point->suspect, suspect)};

		snprintf(name, sizeof name, "%s", point->group ? point->group : all_documents[language]);
		length += canvas_fill(list + length, size - length, g > 0 ? "; " : "", 0, NULL);
		length += canvas_fill(list + length, size - length, summary[language], 3, value);
	}
}

static void
draw(canvas *c, drawing *d, const canvas_frame *frame, xmc_markup *out, xmc_picture_language language)
{
	const xmc_quality_picture *picture = d->picture;
	axis		x_axis = {.from = LEFT + 10,.to = CANVAS_WIDTH - CANVAS_MARGIN - 10};
	double		bottom = CANVAS_TOP + 2 * PANEL + PANEL_GAP;
	double		below;

	x_axis.low = picture->n > 0 ? picture->point[0].time : 0;
	x_axis.high = picture->n > 0 ? picture->point[picture->n - 1].time : 0;
	canvas_begin(c, out, language, frame);
	draw_panel(c, d, &x_axis, false, CANVAS_TOP);
	draw_panel(c, d, &x_axis, true, CANVAS_TOP + PANEL + PANEL_GAP);
	draw_times(c, &x_axis, bottom);
	below = bottom + 38 + axis_draw_legend(c, CANVAS_MARGIN, bottom + 38, d->n_chosen, d->name);
	if (d->groups_left > 0)
	{
		char		number[XMC_NUMBER_BYTES];
		const char *argument[1] = {xmc_number_text(d->groups_left, 0, number)};

		canvas_say(c, "s u", ANCHOR_START, CANVAS_MARGIN, below, CANVAS_WIDTH - 2 * CANVAS_MARGIN, left_out, 1, argument);
	}
	canvas_end(c);
}

xmc_status
xmc_draw_quality(xmc_markup *out, xmc_picture_language language, const xmc_quality_picture *picture)
{
	canvas		c;
	drawing		d = {.picture = picture};
	char		number[3][XMC_NUMBER_BYTES];
	char		list[1200] = "";
	const char *argument[4] = {number[0], number[1], number[2], list};
	canvas_frame frame = {.name = "xmcoh-quality",.title = title,.description = description,.subject = picture->model,
	.n = 4,.argument = argument};
	int32_t		times = 0;
	xmc_status	status;

	if (picture->n > XMC_PICTURE_POINTS)
		return xmc_fail(out->ctx, XMC_LIMIT, "%d points are more than the %d that a picture holds", picture->n, XMC_PICTURE_POINTS);
	status = find_groups(out->ctx, &d);
	if (status == XMC_OK)
	{
		for (int32_t k = 0; k < picture->n; k++)
			times += k == 0 || picture->point[k].time != picture->point[k - 1].time;
		frame.subtitle = d.groups > 0 ? of_groups : of_whole;
		xmc_number_text(d.groups, 0, number[0]);
		xmc_number_text(d.documents, 0, number[1]);
		xmc_number_text(times, 0, number[2]);
		summarise(&d, language, list, sizeof list);
		for (int g = 0; g < d.n_chosen; g++)
			d.name[g] = d.point[d.chosen[g].first]->group ? d.point[d.chosen[g].first]->group : all_documents[language];
		frame.height = CANVAS_TOP + 2 * PANEL + PANEL_GAP + 38 + axis_draw_legend(NULL, CANVAS_MARGIN, 0, d.n_chosen, d.name)
			+ (d.groups_left > 0 ? 19 : 0);
		draw(&c, &d, &frame, out, language);
		status = out->status;
	}
	xmc_release(out->ctx, d.point);
	xmc_release(out->ctx, d.scratch);
	xmc_release(out->ctx, d.x);
	xmc_release(out->ctx, d.y);
	return status;
}
