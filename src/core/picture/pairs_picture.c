/* pairs_picture.c - the pairs of one document as a triangle of cells: which of two steps comes first; see xmcoh/picture.h */
#include "picture/canvas.h"

#include <math.h>

#define LEFT 128.0				/* place for the first row's text */
#define MOST_CELLS 48			/* in a row; more items are put together */
#define LARGEST_CELL 34.0
#define NUMBER_CELL 23.0		/* the least size of a cell with its probability */
#define STRONGEST 0.85			/* opacity of a cell, so that texts on it can be read */
#define LEGEND 64.0

static canvas_phrase title = {"Pairs: {0}", "対の順序：{0}"};
static canvas_phrase subtitle = {"{1} steps in stored order. Which of two steps comes first?",
"保存された順序の{1}手順。2つの手順のどちらが先か。"};
static canvas_phrase description = {
	"Triangle of the {1} steps of document {0} in stored order. Of {2} pairs the model agrees with the stored order in {3} and "
	"contradicts it in {4}. {5} pairs are decided by people, {6} are marked as violated.",
	"文書{0}の{1}手順を保存された順序で並べた三角形。{2}対のうち、モデルは{3}対で保存された順序に同意し、{4}対で反対する。人が決めた対は{5}、違反の対は{6}。"
};
static canvas_phrase row_first = {"the row's step comes first (as stored)", "行の手順が先（保存どおり）"};
static canvas_phrase column_first = {"the column's step comes first", "列の手順が先（逆順）"};
static canvas_phrase decided_mark = {"decided by people", "人が決定"};
static canvas_phrase violated_mark = {"violated", "違反"};
static canvas_phrase block_note = {"each cell: {0} × {0} steps", "1マス＝{0}×{0}手順"};

/* The sum over the pairs of a cell. */
typedef struct cell
{
	double		p;				/* mean probability; NaN: no pair */
	int			flags;
} cell;

typedef struct drawing
{
	const xmc_pairs_picture *picture;
	int32_t		block;			/* items in a row of cells */
	int32_t		cells;			/* in the first row */
	double		size;
	double		left;
	double		top;
} drawing;

static cell
cell_of(const drawing *d, int32_t row, int32_t column)
{
	const xmc_pairs_picture *picture = d->picture;
	cell		result = {0};
	double		sum = 0;
	int64_t		pairs = 0;

	for (int32_t i = row * d->block; i < (row + 1) * d->block && i < picture->n; i++)
		for (int32_t j = column * d->block; j < (column + 1) * d->block && j < picture->n; j++)
		{
			size_t		at = (size_t) i * (size_t) picture->n + (size_t) j;

			if (j <= i || isnan(picture->p[at]))
				continue;
			sum += picture->p[at];
			pairs++;
			result.flags |= picture->flags[at];
		}
	result.p = pairs > 0 ? sum / (double) pairs : NAN;
	return result;
}

static void
draw_cell(canvas *c, const drawing *d, int32_t row, int32_t column)
{
	cell		drawn = cell_of(d, row, column);
	double		x = d->left + column * d->size;
	double		y = d->top + row * d->size;
	double		middle = d->size / 2;

	if (isnan(drawn.p))
		return;
	canvas_cell(c, drawn.p >= 0.5 ? "m0" : "m1", x + 0.5, y + 0.5, d->size - 1, d->size - 1,
				0.08 + (STRONGEST - 0.08) * fmin(fabs(2 * drawn.p - 1), 1));
	if (d->size >= NUMBER_CELL)
	{
		char		text[XMC_NUMBER_BYTES];

		xmc_number_text(drawn.p, 2, text);
		canvas_text(c, "q", ANCHOR_MIDDLE, x + middle, y + middle, d->size, text[0] == '0' ? text + 1 : text);
	}
	if ((drawn.flags & XMC_PAIR_DECIDED) && d->block == 1)
		canvas_circle(c, "dot", x + d->size - fmin(4, middle), y + fmin(4, middle), fmin(2.2, d->size / 4));
	if (drawn.flags & XMC_PAIR_VIOLATED)
	{
		canvas_rectangle(c, "mark", x + 1.3, y + 1.3, d->size - 2.6, d->size - 2.6);
		if (d->size < NUMBER_CELL)
			canvas_cross(c, "mark", x + middle, y + middle, d->size / 2 - 1.3);
	}
}

/* The diagonal cell of a row with the number of its step, and the step's text at its left. */
static void
draw_row(canvas *c, const drawing *d, int32_t row)
{
	const xmc_picture_item *item = &d->picture->item[row * d->block];
	double		x = d->left + row * d->size;
	double		y = d->top + (row + 0.5) * d->size;
	int32_t		each = (int32_t) ceil(15 / d->size);	/* rows between two texts */

	for (int32_t column = row; column < d->cells; column++)
		if (column > row || d->block > 1)
			draw_cell(c, d, row, column);
	if (row % each != 0)
		return;
	if (d->size >= 15)
	{
		canvas_text(c, "s b", ANCHOR_MIDDLE, x + d->size / 2, y, d->size, item->place);
		canvas_text(c, "s", ANCHOR_END, x - 4, y, x - 4 - CANVAS_MARGIN, item->text);
	}
	else
	{
		double		place = canvas_text_width(item->place, SMALL_TEXT * 1.1);

		place = place < 60 ? place : 60;
		canvas_text(c, "s b", ANCHOR_END, x - 3, y, 60, item->place);
		canvas_text(c, "s", ANCHOR_END, x - 9 - place, y, x - 9 - place - CANVAS_MARGIN, item->text);
	}
}

/* What colours and marks mean, from y on. */
static void
draw_legend(canvas *c, const drawing *d, double y)
{
	static const double step[] = {1, 0.6, 0.2};
	char		block[XMC_NUMBER_BYTES];
	const char *argument[] = {xmc_number_text(d->block, 0, block)};

	for (int side = 0; side < 2; side++)
	{
		for (int k = 0; k < 3; k++)
			canvas_cell(c, side ? "m1" : "m0", CANVAS_MARGIN + k * 14, y - 6, 13, 12, STRONGEST * step[k]);
		canvas_say(c, "s", ANCHOR_START, CANVAS_MARGIN + 49, y, 240, side ? column_first : row_first, 0, NULL);
		y += 19;
	}
	if (d->block == 1)
	{
		canvas_circle(c, "dot", CANVAS_MARGIN + 20, y, 2.4);
		canvas_say(c, "s", ANCHOR_START, CANVAS_MARGIN + 49, y, 110, decided_mark, 0, NULL);
	}
	canvas_rectangle(c, "mark", 196, y - 6, 12, 12);
	if (d->size < NUMBER_CELL)
		canvas_cross(c, "mark", 202, y, 4.5);
	canvas_say(c, "s", ANCHOR_START, 215, y, 70, violated_mark, 0, NULL);
	if (d->block > 1)
		canvas_say(c, "s u", ANCHOR_END, CANVAS_WIDTH - CANVAS_MARGIN, y, 160, block_note, 1, argument);
}

/* {1} ... of the description: steps, pairs, agreeing, contradicting, decided, violated. */
static void
count_pairs(const xmc_pairs_picture *picture, char number[6][XMC_NUMBER_BYTES])
{
	int64_t		count[5] = {0};

	for (int32_t i = 0; i < picture->n; i++)
		for (int32_t j = i + 1; j < picture->n; j++)
		{
			size_t		at = (size_t) i * (size_t) picture->n + (size_t) j;

			count[0] += !isnan(picture->p[at]);
			count[1] += picture->p[at] > 0.5f;
			count[2] += picture->p[at] < 0.5f;
			count[3] += (picture->flags[at] & XMC_PAIR_DECIDED) != 0;
			count[4] += (picture->flags[at] & XMC_PAIR_VIOLATED) != 0;
		}
	xmc_number_text(picture->n, 0, number[0]);
	for (int k = 0; k < 5; k++)
		xmc_number_text((double) count[k], 0, number[k + 1]);
}

xmc_status
xmc_draw_pairs(xmc_markup *out, xmc_picture_language language, const xmc_pairs_picture *picture)
{
	canvas		c;
	char		number[6][XMC_NUMBER_BYTES];
	const char *argument[6] = {number[0], number[1], number[2], number[3], number[4], number[5]};
	canvas_frame frame = {.name = "xmcoh-pairs",.title = title,.subtitle = subtitle,.description = description,
	.subject = picture->document,.n = 6,.argument = argument};
	drawing		d = {.picture = picture,.left = LEFT,.top = CANVAS_TOP};

	if (picture->n > XMC_PICTURE_ITEMS)
		return xmc_fail(out->ctx, XMC_LIMIT, "the document has %d items, and a picture holds at most %d", picture->n, XMC_PICTURE_ITEMS);
	count_pairs(picture, number);
	d.block = (picture->n + MOST_CELLS - 1) / MOST_CELLS;
	d.block = d.block > 0 ? d.block : 1;
	d.cells = (picture->n + d.block - 1) / d.block;
	d.size = fmin(LARGEST_CELL, (CANVAS_WIDTH - CANVAS_MARGIN - LEFT) / fmax(d.cells, 1));
	d.left = CANVAS_WIDTH - CANVAS_MARGIN - d.cells * d.size;
	frame.height = d.top + d.cells * d.size + 18 + LEGEND;
	canvas_begin(&c, out, language, &frame);
	for (int32_t row = 0; row < d.cells && out->status == XMC_OK; row++)
	{
		XMC_TRY(xmc_check_stop(out->ctx));
		draw_row(&c, &d, row);
	}
	draw_legend(&c, &d, d.top + d.cells * d.size + 20);
	canvas_end(&c);
	return out->status;
}
