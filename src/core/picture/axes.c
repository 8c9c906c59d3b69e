/* axes.c - scales of a chart, with ticks, grid lines and a legend; see axes.h */
#include "picture/axes.h"

#include <math.h>
#include <stdio.h>

#define TICK_GAP 6.0			/* between an axis and its numbers */
#define LEGEND_ROW 19.0

double
axis_at(const axis *a, double value)
{
	double		low = a->low;
	double		high = a->high;

	value = value < low || isnan(value) ? low : value > high ? high : value;
	if (a->logarithmic)
	{
		value = log(value);
		low = log(low);
		high = log(high);
	}
	return high > low ? a->from + (a->to - a->from) * (value - low) / (high - low) : (a->from + a->to) / 2;
}

double
axis_round(axis *a, double low, double high, int most, int *decimals)
{
	static const double nice[] = {1, 2, 5, 10, 20};
	double		unit = 1;
	double		step = 0;

	*decimals = 0;
	if (!isfinite(low) || !isfinite(high) || !(high - low < 1e9))
		low = high = 0;
	if (high - low < 1e-6)
	{
		low -= 0.5;
		high += 0.5;
	}
	/* Powers of ten are multiplied and divided, because pow differs between machines. */
	while (unit * 10 * most <= high - low)
		unit *= 10;
	while (unit * most > high - low)
	{
		unit /= 10;
		++*decimals;
	}
	for (int k = 0; k < 5; k++)
	{
		step = unit * nice[k];
		if (ceil(high / step - 1e-9) - floor(low / step + 1e-9) <= most)
		{
			if (k >= 3 && *decimals > 0)
				--*decimals;
			break;
		}
	}
	a->low = step * floor(low / step + 1e-9);
	a->high = step * ceil(high / step - 1e-9);
	return step;
}

void
axis_draw_vertical(canvas *c, const axis *a, double step, int decimals, bool percent, double x1, double x2)
{
	int			n = (int) lround((a->high - a->low) / step);

	for (int k = 0; k <= n; k++)
	{
		double		value = a->low + step * k;
		double		y = axis_at(a, value);
		char		text[XMC_NUMBER_BYTES];

		canvas_line(c, k == 0 ? "axis" : "grid", x1, y, x2, y);
		canvas_text(c, "s u", ANCHOR_END, x1 - TICK_GAP, y, x1,
					percent ? canvas_percent(value, text) : xmc_number_text(value, decimals, text));
	}
}

void
axis_draw_horizontal(canvas *c, const axis *a, double step, int decimals, double y1, double y2)
{
	int			n = (int) lround((a->high - a->low) / step);

	for (int k = 0; k <= n; k++)
	{
		double		x = axis_at(a, a->low + step * k);

		canvas_line(c, "grid", x, y1, x, y2);
		canvas_number(c, "s u", ANCHOR_MIDDLE, x, y2 + TICK_GAP + SMALL_TEXT / 2, a->low + step * k, decimals);
	}
	canvas_line(c, "axis", a->from, y2, a->to, y2);
}

void
axis_draw_interval(canvas *c, const axis *a, int series, double x, const xmc_interval *interval)
{
	char		class[16];
	double		low = axis_at(a, interval->low);
	double		high = axis_at(a, interval->high);

	if (!isfinite(interval->low) || !isfinite(interval->high))
		return;
	snprintf(class, sizeof class, "l s%d", series % CANVAS_SERIES);
	canvas_line(c, class, x, low, x, high);
	canvas_line(c, class, x - 4, low, x + 4, low);
	canvas_line(c, class, x - 4, high, x + 4, high);
}

double
axis_draw_legend(canvas *c, double x, double y, int n, const char *const *name)
{
	double		left = x;
	double		top = y;

	for (int k = 0; k < n; k++)
	{
		double		room = CANVAS_WIDTH - CANVAS_MARGIN - x - 14;
		double		width = canvas_text_width(name[k], SMALL_TEXT);

		width = width < room ? width : room;
		if (left > x && left + 14 + width > CANVAS_WIDTH - CANVAS_MARGIN)
		{
			left = x;
			y += LEGEND_ROW;
		}
		if (c != NULL)
		{
			canvas_marker(c, k, left + 5, y, false);
			canvas_text(c, "s", ANCHOR_START, left + 15, y, width + 1, name[k]);
		}
		left += 15 + width + 16;
	}
	return y - top + LEGEND_ROW;
}
