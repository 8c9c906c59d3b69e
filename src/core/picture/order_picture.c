/* order_picture.c - the order of one document: a line of each step from its stored to its recovered place; see xmcoh/picture.h */
#include "picture/canvas.h"

#include <math.h>
#include <stdio.h>

#define ROW 22.0
#define MOST_ROWS 60			/* of that height; more steps get less */
#define TEXT_ROW 15.0			/* the least height of a row with a text */
#define COLUMN 172.0			/* number and text of a step */
#define LEGEND 42.0

static canvas_phrase title = {"Order: {0}", "順序：{0}"};
static canvas_phrase sure = {"{2} of {1} steps move; surely wrong pairs: {4}", "{1}手順のうち{2}手順が移動。確実に逆の対：{4}"};
static canvas_phrase unsure = {"{2} of {1} steps move; no pair is surely wrong", "{1}手順のうち{2}手順が移動。確実に逆の対はない"};
static canvas_phrase description = {
	"Document {0} with {1} steps: at the left in stored order, at the right in recovered order. {2} steps move: {3}. Pairs that the model is sure are wrong: {4}.",
	"文書{0}の{1}手順。左は保存された順序、右は復元された順序。移動する手順は{2}：{3}。確実に逆の対：{4}。"
};
static canvas_phrase stored_head = {"stored", "保存された順序"};
static canvas_phrase recovered_head = {"recovered", "復元された順序"};
static canvas_phrase moved_mark = {"moves", "移動する"};
static canvas_phrase kept_mark = {"stays", "そのまま"};
static canvas_phrase new_mark = {"without a stored place", "保存された位置がない"};
static canvas_phrase none = {"none", "なし"};

typedef struct drawing
{
	const xmc_order_picture *picture;
	double		row;			/* height */
	int32_t		each;			/* a text is written at one of so many rows */
	double		number;			/* width of the column of places */
	double		left;			/* where the lines begin and end */
	double		right;
} drawing;

static double
row_at(const drawing *d, int32_t place)
{
	return CANVAS_TOP + 22 + (place + 0.5) * d->row;
}

static void
draw_side(canvas *c, const drawing *d, int32_t i, int32_t place, bool right)
{
	const xmc_picture_item *item = &d->picture->item[i];
	bool		moved = d->picture->moved[i];
	double		y = row_at(d, place);
	double		x = right ? d->right + 9 : CANVAS_MARGIN;
	double		number = d->number;

	if (d->row >= 4 || moved)
		canvas_circle(c, moved ? "m1" : "m2", right ? d->right : d->left, y, moved ? 3.6 : 2);
	if (place % d->each != 0)
		return;
	canvas_text(c, moved ? "s b" : "s u", ANCHOR_START, x, y, number - 3, item->place);
	canvas_text(c, moved ? "s b" : "s", ANCHOR_START, x + number, y, COLUMN - number - 9, item->text);
}

static void
draw_lines(canvas *c, const drawing *d, bool moved)
{
	const xmc_order_picture *picture = d->picture;

	for (int32_t i = 0; i < picture->stored; i++)
		if ((picture->moved[i] != 0) == moved)
			canvas_curve(c, moved ? picture->n > MOST_ROWS ? "l s1" : "l s1 thick" : picture->n > MOST_ROWS ? "grey thin" : "grey",
						 d->left, row_at(d, i), d->right, row_at(d, picture->recovered[i]));
}

static void
draw_legend(canvas *c, const drawing *d, double y)
{
	double		x = CANVAS_MARGIN;

	canvas_line(c, "l s1 thick", x, y, x + 26, y);
	canvas_circle(c, "m1", x + 26, y, 3.6);
	canvas_say(c, "s b", ANCHOR_START, x + 36, y, 90, moved_mark, 0, NULL);
	canvas_line(c, "grey", x + 136, y, x + 162, y);
	canvas_circle(c, "m2", x + 162, y, 2);
	canvas_say(c, "s", ANCHOR_START, x + 172, y, 60, kept_mark, 0, NULL);
	if (d->picture->stored < d->picture->n)
	{
		canvas_circle(c, "m2", x + 256, y, 2);
		canvas_say(c, "s", ANCHOR_START, x + 264, y, 148, new_mark, 0, NULL);
	}
}

/* The places of the steps that should move, as many as fit. */
static int32_t
list_moved(const xmc_order_picture *picture, char *list, size_t size)
{
	int32_t		moved = 0;
	size_t		length = 0;

	for (int32_t i = 0; i < picture->n; i++)
		if (picture->moved[i])
		{
			int			written = snprintf(list + length, size - length, "%s%.20s", moved ? ", " : "", picture->item[i].place);

			moved++;
			length = length + (size_t) written < size ? length + (size_t) written : size - 1;
		}
	return moved;
}

static bool
is_permutation(xmc_ctx *ctx, const xmc_order_picture *picture, bool *answer)
{
	uint8_t    *seen = xmc_zalloc(ctx, (size_t) picture->n + 1, 1);

	*answer = true;
	if (seen == NULL)
		return false;
	for (int32_t i = 0; i < picture->n && *answer; i++)
	{
		int32_t		place = picture->recovered[i];

		*answer = place >= 0 && place < picture->n && !seen[place];
		if (*answer)
			seen[place] = 1;
	}
	xmc_release(ctx, seen);
	return true;
}

xmc_status
xmc_draw_order(xmc_markup *out, xmc_picture_language language, const xmc_order_picture *picture)
{
	canvas		c;
	char		items[XMC_NUMBER_BYTES];
	char		moved[XMC_NUMBER_BYTES];
	char		violated[XMC_NUMBER_BYTES];
	char		list[400] = "";
	const char *argument[4] = {items, moved, list, violated};
	canvas_frame frame = {.name = "xmcoh-order",.title = title,.subtitle = picture->violated > 0 ? sure : unsure,.description = description,
	.subject = picture->document,.n = 4,.argument = argument};
	drawing		d = {.picture = picture,.left = CANVAS_MARGIN + COLUMN,.right = CANVAS_WIDTH - CANVAS_MARGIN - COLUMN};
	bool		valid;

	if (picture->n > XMC_PICTURE_ITEMS)
		return xmc_fail(out->ctx, XMC_LIMIT, "the document has %d items, and a picture holds at most %d", picture->n, XMC_PICTURE_ITEMS);
	if (!is_permutation(out->ctx, picture, &valid))
		return xmc_fail(out->ctx, XMC_NO_MEMORY, "out of memory");
	if (!valid)
		return xmc_fail(out->ctx, XMC_BAD_INPUT, "the recovered places are not those of %d items", picture->n);
	xmc_number_text(picture->n, 0, items);
	xmc_number_text((double) picture->violated, 0, violated);
	xmc_number_text(list_moved(picture, list, sizeof list), 0, moved);
	if (list[0] == '\0')
		argument[2] = none[language];
	d.number = canvas_place_width(picture->n, picture->item);
	d.row = picture->n <= MOST_ROWS ? ROW : MOST_ROWS * ROW / picture->n;
	d.each = (int32_t) ceil(TEXT_ROW / d.row);
	frame.height = row_at(&d, picture->n) + LEGEND;
	canvas_begin(&c, out, language, &frame);
	canvas_say(&c, "s u", ANCHOR_START, CANVAS_MARGIN, CANVAS_TOP + 4, COLUMN, stored_head, 0, NULL);
	canvas_say(&c, "s u", ANCHOR_START, d.right + 9, CANVAS_TOP + 4, COLUMN, recovered_head, 0, NULL);
	draw_lines(&c, &d, false);
	XMC_TRY(xmc_check_stop(out->ctx));
	draw_lines(&c, &d, true);
	for (int32_t i = 0; i < picture->n; i++)
	{
		if (i < picture->stored)
			draw_side(&c, &d, i, i, false);
		draw_side(&c, &d, i, picture->recovered[i], true);
	}
	draw_legend(&c, &d, frame.height - 18);
	canvas_end(&c);
	return out->status;
}
