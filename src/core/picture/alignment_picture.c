/* alignment_picture.c - the alignment of one document: a line from each step to its photo; see xmcoh/picture.h */
#include "picture/canvas.h"

#include <math.h>

#define ROW 22.0
#define MOST_ROWS 60
#define TEXT_ROW 15.0
#define COLUMN 172.0
#define LEGEND 60.0

static canvas_phrase title = {"Steps and photos: {0}", "手順と写真の対応：{0}"};
static canvas_phrase subtitle = {"{1} steps, {2} photos; without a counterpart: {3} steps, {4} photos",
"手順{1}、写真{2}。対応なし：手順{3}、写真{4}"};
static canvas_phrase description = {
	"Which of the {2} photos shows which of the {1} steps of document {0}. {5} links are known, {6} are inferred. {3} steps have no photo, {4} photos show no step.",
	"文書{0}の{1}手順と{2}枚の写真の対応。既知の対応{5}、推定された対応{6}。写真のない手順{3}、手順のない写真{4}。"
};
static canvas_phrase text_head = {"step", "手順"};
static canvas_phrase image_head = {"photo", "写真"};
static canvas_phrase known_mark = {"in one row", "同じ行"};
static canvas_phrase inferred_mark = {"inferred, with its probability", "推定（確率つき）"};
static canvas_phrase alone_mark = {"no counterpart: a step or a photo may be missing", "対応なし：手順か写真が欠けている可能性"};

typedef struct drawing
{
	double		row[2];			/* heights of the rows of texts and images */
	double		left;
	double		right;
} drawing;

static double
row_height(int32_t n)
{
	return n <= MOST_ROWS ? ROW : MOST_ROWS * ROW / n;
}

static double
row_at(const drawing *d, int side, int32_t place)
{
	return CANVAS_TOP + 22 + (place + 0.5) * d->row[side];
}

static void
draw_side(canvas *c, const drawing *d, int side, int32_t n, const xmc_picture_item *item)
{
	int32_t		each = (int32_t) ceil(TEXT_ROW / d->row[side]);
	double		x = side ? d->right + 9 : CANVAS_MARGIN;
	double		number = canvas_place_width(n, item);

	for (int32_t k = 0; k < n; k += each)
	{
		double		y = row_at(d, side, k);

		canvas_text(c, "s u", ANCHOR_START, x, y, number - 3, item[k].place);
		canvas_text(c, "s", ANCHOR_START, x + number, y, COLUMN - number - 9, item[k].text);
	}
}

static void
draw_link(canvas *c, const drawing *d, const xmc_picture_link *link, bool with_number)
{
	char		number[XMC_NUMBER_BYTES];

	if (link->text < 0 || link->image < 0)
	{
		bool		right = link->text < 0;

		canvas_marker(c, 1, right ? d->right : d->left, row_at(d, right, right ? link->image : link->text), true);
		return;
	}
	canvas_curve(c, !link->inferred ? "grey" : link->probability >= 0.5 ? "l s0" : "l s0 dash", d->left, row_at(d, 0, link->text),
				 d->right, row_at(d, 1, link->image));
	canvas_circle(c, "f0", d->left, row_at(d, 0, link->text), 2.6);
	canvas_circle(c, "f0", d->right, row_at(d, 1, link->image), 2.6);
	if (link->inferred && with_number)
		canvas_text(c, "q", ANCHOR_END, d->right - 6, row_at(d, 1, link->image) - 6, 40, xmc_number_text(link->probability, 2, number));
}

static void
draw_legend(canvas *c, double y)
{
	double		x = CANVAS_MARGIN;

	canvas_line(c, "grey", x, y, x + 26, y);
	canvas_say(c, "s", ANCHOR_START, x + 34, y, 80, known_mark, 0, NULL);
	canvas_line(c, "l s0", x + 124, y, x + 150, y);
	canvas_say(c, "s", ANCHOR_START, x + 158, y, 240, inferred_mark, 0, NULL);
	canvas_marker(c, 1, x + 13, y + 19, true);
	canvas_say(c, "s", ANCHOR_START, x + 34, y + 19, 370, alone_mark, 0, NULL);
}

/* {1} ...: texts, images, texts alone, images alone, known links, inferred links. Errors: XMC_BAD_INPUT. */
static xmc_status
count_links(xmc_ctx *ctx, const xmc_alignment_picture *picture, char number[6][XMC_NUMBER_BYTES])
{
	int32_t		count[6] = {picture->n_texts, picture->n_images, 0, 0, 0, 0};

	for (int32_t k = 0; k < picture->n_links; k++)
	{
		const xmc_picture_link *link = &picture->link[k];

		if (link->text < -1 || link->text >= picture->n_texts || link->image < -1 || link->image >= picture->n_images
			|| (link->text < 0 && link->image < 0))
			return xmc_fail(ctx, XMC_BAD_INPUT, "link %d joins no items of the document", k);
		count[link->image < 0 ? 2 : link->text < 0 ? 3 : link->inferred ? 5 : 4]++;
	}
	for (int k = 0; k < 6; k++)
		xmc_number_text(count[k], 0, number[k]);
	return XMC_OK;
}

xmc_status
xmc_draw_alignment(xmc_markup *out, xmc_picture_language language, const xmc_alignment_picture *picture)
{
	canvas		c;
	char		number[6][XMC_NUMBER_BYTES];
	const char *argument[6] = {number[0], number[1], number[2], number[3], number[4], number[5]};
	int32_t		n = picture->n_texts > picture->n_images ? picture->n_texts : picture->n_images;
	canvas_frame frame = {.name = "xmcoh-alignment",.title = title,.subtitle = subtitle,.description = description,
	.subject = picture->document,.n = 6,.argument = argument};
	drawing		d = {.row = {row_height(picture->n_texts), row_height(picture->n_images)},.left = CANVAS_MARGIN + COLUMN,
	.right = CANVAS_WIDTH - CANVAS_MARGIN - COLUMN};

	if (n > XMC_PICTURE_ITEMS || picture->n_links > XMC_PICTURE_POINTS)
		return xmc_fail(out->ctx, XMC_LIMIT, "the document has %d items, and a picture holds at most %d", n, XMC_PICTURE_ITEMS);
	XMC_TRY(count_links(out->ctx, picture, number));
	frame.height = CANVAS_TOP + 22 + (n <= MOST_ROWS ? n : MOST_ROWS) * ROW + LEGEND;
	canvas_begin(&c, out, language, &frame);
	canvas_say(&c, "s u", ANCHOR_START, CANVAS_MARGIN, CANVAS_TOP + 4, COLUMN, text_head, 0, NULL);
	canvas_say(&c, "s u", ANCHOR_START, d.right + 9, CANVAS_TOP + 4, COLUMN, image_head, 0, NULL);
	for (int32_t k = 0; k < picture->n_links && out->status == XMC_OK; k++)
		draw_link(&c, &d, &picture->link[k], d.row[1] >= TEXT_ROW);
	draw_side(&c, &d, 0, picture->n_texts, picture->text);
	draw_side(&c, &d, 1, picture->n_images, picture->image);
	draw_legend(&c, frame.height - 36);
	canvas_end(&c);
	return out->status;
}
