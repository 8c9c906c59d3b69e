/*
 * canvas.h - one SVG picture: its frame with title, description, fonts and colours, and lines, shapes and texts in it.
 *
 * All lengths are in the picture's own units. A picture is CANVAS_WIDTH wide and is scaled to the place that it gets; at this
 * width its texts can be read on a phone and beside another picture on a desktop.
 */
#ifndef XMCOH_CANVAS_H
#define XMCOH_CANVAS_H

#include "xmcoh/picture.h"

#define CANVAS_WIDTH 440.0
#define CANVAS_MARGIN 14.0
#define CANVAS_TOP 62.0			/* below title and subtitle */
#define SMALL_TEXT 12.0			/* font sizes */
#define PLAIN_TEXT 13.0

/* Series of a chart have a colour and a marker each. */
#define CANVAS_SERIES 6

typedef enum canvas_anchor
{
	ANCHOR_START, ANCHOR_MIDDLE, ANCHOR_END
} canvas_anchor;

typedef struct canvas
{
	xmc_markup *out;
	xmc_picture_language language;
} canvas;

/* A phrase in each language, with {0}, {1} ... for texts: see xmc_markup_phrase. */
typedef const char *const canvas_phrase[XMC_PICTURE_LANGUAGES];

/* The texts of a picture's frame. The title is shown and read aloud, the subtitle shown, the description read aloud. */
typedef struct canvas_frame
{
	const char *name;			/* of the picture: a class of the svg element */
	double		height;
	const char *const *title;	/* (languages) */
	const char *const *subtitle;
	const char *const *description;
	const char *subject;		/* {0} in all three: document or model */
	int			n;				/* further arguments of subtitle and description: {1} ... */
	const char *const *argument;
} canvas_frame;

extern void canvas_begin(canvas *c, xmc_markup *out, xmc_picture_language language, const canvas_frame *frame);
extern void canvas_end(canvas *c);

/* class is one or more of the classes in canvas.c, separated by spaces. */
extern void canvas_line(canvas *c, const char *class, double x1, double y1, double x2, double y2);
extern void canvas_rectangle(canvas *c, const char *class, double x, double y, double width, double height);
extern void canvas_circle(canvas *c, const char *class, double x, double y, double r);
/* A rectangle with a share of its colour. */
extern void canvas_cell(canvas *c, const char *class, double x, double y, double width, double height, double opacity);
/* A curve from left to right, with level ends. */
extern void canvas_curve(canvas *c, const char *class, double x1, double y1, double x2, double y2);
/* A cross of two lines. */
extern void canvas_cross(canvas *c, const char *class, double x, double y, double r);

/* The marker of a series; hollow: only its outline. */
extern void canvas_marker(canvas *c, int series, double x, double y, bool hollow);
extern void canvas_polyline(canvas *c, int series, bool dashed, int n, const double *x, const double *y);

/*
 * A text of anybody on one line: cut to `width` units; where it was cut, the whole is shown when the mouse rests on it. y is
 * that of the line's middle.
 */
extern void canvas_text(canvas *c, const char *class, canvas_anchor anchor, double x, double y, double width, const char *text);

/* The same for a phrase of ours. */
extern void canvas_say(canvas *c, const char *class, canvas_anchor anchor, double x, double y, double width,
					   const char *const *phrase, int n, const char *const *argument);

/* A phrase with its arguments as one text of at most size - 1 bytes; returns its length. */
extern size_t canvas_fill(char *out, size_t size, const char *phrase, int n, const char *const *argument);

/* A number. */
extern void canvas_number(canvas *c, const char *class, canvas_anchor anchor, double x, double y, double value, int decimals);

/* A share as percent: with one decimal below 1 and above 90, else without. */
extern char *canvas_percent(double share, char out[XMC_NUMBER_BYTES]);

/* The width of a column with the places of items: at least 22, at most 60 units. */
extern double canvas_place_width(int32_t n, const xmc_picture_item *item);

/* The estimated width of a text in units at a font size. */
extern double canvas_text_width(const char *text, double size);

#endif
