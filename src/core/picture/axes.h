/* axes.h - scales of a chart: from values to places in the picture, with ticks, grid lines and a legend */
#ifndef XMCOH_AXES_H
#define XMCOH_AXES_H

#include "picture/canvas.h"

/* Values from low to high stand at places from `from` to `to`; values outside stand at the nearer end. */
typedef struct axis
{
	double		low;
	double		high;
	double		from;
	double		to;
	bool		logarithmic;	/* low > 0 */
} axis;

extern double axis_at(const axis *a, double value);

/* Round limits around values from low to high, and the step of at most `most` ticks; decimals: of the ticks' numbers. */
extern double axis_round(axis *a, double low, double high, int most, int *decimals);

/* A vertical axis at x1 with ticks each `step`, numbers at its left and grid lines to x2. percent: shares as percent. */
extern void axis_draw_vertical(canvas *c, const axis *a, double step, int decimals, bool percent, double x1, double x2);

/* A horizontal axis with its numbers below y2 and grid lines up to y1. */
extern void axis_draw_horizontal(canvas *c, const axis *a, double step, int decimals, double y1, double y2);

/* A value with its interval, where that is known, as a vertical bar with ends. */
extern void axis_draw_interval(canvas *c, const axis *a, int series, double x, const xmc_interval *interval);

/*
 * A legend from (x, y) on: marker and name of each series, next to each other as far as there is room, then in further
 * rows. Returns the height of the legend. c NULL: nothing is drawn.
 */
extern double axis_draw_legend(canvas *c, double x, double y, int n, const char *const *name);

#endif
