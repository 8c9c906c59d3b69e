/*
 * picture.h - pictures of a model and of its documents, as SVG.
 *
 * Each function writes one <svg> element: a document of its own, or a part of a page. It has a title and a description for
 * people who do not see it, colours that colour-blind people can tell apart, a light and a dark form (the viewer's choice),
 * and neither script nor reference. Texts are UTF-8 and may hold anything. The same data give the same bytes.
 *
 * Errors of all of them: XMC_NO_MEMORY, XMC_STOPPED, XMC_LIMIT (too much to be drawn); and what stands at each.
 */
#ifndef XMCOH_PICTURE_H
#define XMCOH_PICTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "xmcoh/base.h"
#include "xmcoh/markup.h"
#include "xmcoh/metrics.h"

typedef enum xmc_picture_language
{
	XMC_PICTURE_ENGLISH,
	XMC_PICTURE_JAPANESE,
	XMC_PICTURE_LANGUAGES
} xmc_picture_language;

#define XMC_PICTURE_ITEMS 2000	/* of one document */
#define XMC_PICTURE_POINTS 20000	/* of one chart */

/* What one step is called. */
typedef struct xmc_picture_item
{
	const char *place;			/* its stored position or its key, as short text */
	const char *text;			/* its text, or its key */
} xmc_picture_item;

/* ---- the pairs of one document: a triangle of cells ---- */

#define XMC_PAIR_DECIDED 1		/* flags of a pair */
#define XMC_PAIR_VIOLATED 2

typedef struct xmc_pairs_picture
{
	const char *document;
	int32_t		n;
	const xmc_picture_item *item;	/* (n) in stored order */
	const float *p;				/* (n, n) probability that row stands before column, NaN: none; the upper triangle is read */
	const uint8_t *flags;		/* (n, n) as p */
} xmc_pairs_picture;

/* Many items are put together into blocks, whose cells have the mean of their pairs. */
extern xmc_status xmc_draw_pairs(xmc_markup *out, xmc_picture_language language, const xmc_pairs_picture *picture);

/* ---- the order of one document: lines from the stored to the recovered place ---- */

typedef struct xmc_order_picture
{
	const char *document;
	int32_t		n;
	const xmc_picture_item *item;	/* (n) in stored order; those without a stored place come last */
	int32_t		stored;			/* the first so many items have a stored place */
	const int32_t *recovered;	/* (n) place of each item in the recovered order, from 0 */
	const uint8_t *moved;		/* (n) whether the item leaves its place */
	int64_t		violated;		/* pairs that the model is sure are stored the wrong way round */
} xmc_order_picture;

/* Errors: XMC_BAD_INPUT: the places are not a permutation. */
extern xmc_status xmc_draw_order(xmc_markup *out, xmc_picture_language language, const xmc_order_picture *picture);

/* ---- the alignment of one document: which photo shows which step ---- */

typedef struct xmc_picture_link
{
	int32_t		text;			/* number of the text; -1: an image without a text */
	int32_t		image;			/* number of the image; -1: a text without an image */
	double		probability;
	bool		inferred;		/* false: both stand in one row */
} xmc_picture_link;

typedef struct xmc_alignment_picture
{
	const char *document;
	int32_t		n_texts;
	const xmc_picture_item *text;	/* (n_texts) */
	int32_t		n_images;
	const xmc_picture_item *image;	/* (n_images) */
	int32_t		n_links;
	const xmc_picture_link *link;	/* (n_links) */
} xmc_alignment_picture;

/* Errors: XMC_BAD_INPUT: a link to no item. */
extern xmc_status xmc_draw_alignment(xmc_markup *out, xmc_picture_language language, const xmc_alignment_picture *picture);

/* ---- promised against reached ---- */

typedef struct xmc_reliability_point
{
	double		promised;		/* share that was asked for */
	xmc_interval reached;		/* share that was right; NaN: nothing reaches the threshold */
	double		share;			/* of documents or pairs that reach the threshold; NaN: there are too few to tell */
} xmc_reliability_point;

typedef struct xmc_reliability_picture
{
	const char *model;
	bool		documents;		/* the shares are of documents, not of pairs */
	int32_t		n;
	const xmc_reliability_point *point; /* (n) by rising promise */
} xmc_reliability_picture;

extern xmc_status xmc_draw_reliability(xmc_markup *out, xmc_picture_language language,
									   const xmc_reliability_picture *picture);

/* ---- the learning curve ---- */

typedef struct xmc_learning_point
{
	double		size;			/* approved documents */
	xmc_interval tau;
	xmc_interval coverage;
	bool		extrapolated;
} xmc_learning_point;

typedef struct xmc_learning_picture
{
	const char *model;
	int32_t		n;
	const xmc_learning_point *point;	/* (n) by rising size */
} xmc_learning_picture;

extern xmc_status xmc_draw_learning(xmc_markup *out, xmc_picture_language language, const xmc_learning_picture *picture);

/* ---- quality over time ---- */

typedef struct xmc_quality_point
{
	const char *group;			/* NULL: all documents together */
	double		time;			/* seconds since 1970-01-01, in the time zone of the reader */
	double		documents;
	double		coherence;		/* mean */
	double		suspect;		/* share of documents */
} xmc_quality_point;

typedef struct xmc_quality_picture
{
	const char *model;
	int32_t		n;
	const xmc_quality_point *point; /* (n) by rising time */
} xmc_quality_picture;

/* The six groups with the most documents in their last point are drawn; the picture says how many are left out. */
extern xmc_status xmc_draw_quality(xmc_markup *out, xmc_picture_language language, const xmc_quality_picture *picture);

/* ---- rounds of guidance ---- */

typedef struct xmc_round_point
{
	int32_t		round;
	bool		image_learns;	/* the pupil is the image, and the text its guide */
	bool		kept;			/* false: the pupil was put back */
	double		before[2];		/* Kendall tau of the pupil, and of both modalities together */
	double		after[2];
	double		low[2];			/* 95% interval of the difference */
	double		high[2];
} xmc_round_point;

typedef struct xmc_rounds_picture
{
	const char *model;
	int32_t		n;
	const xmc_round_point *point;	/* (n) */
} xmc_rounds_picture;

extern xmc_status xmc_draw_rounds(xmc_markup *out, xmc_picture_language language, const xmc_rounds_picture *picture);

#endif
