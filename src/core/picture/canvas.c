/* canvas.c - one SVG picture: frame, lines, shapes, texts; see canvas.h */
#include "picture/canvas.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "picture/label.h"

/*
 * The classes. Colours are those of Okabe and Ito (2008), which people with any kind of colour blindness can tell apart; the
 * dark form has lighter tones of the same hues. s0 to s5: lines and f0 to f5: areas of the series. m0, m1: areas with texts
 * on them, the same in both forms. Nothing is told by colour alone: markers, dashes and weights differ, too.
 */
static const char style[] =
	"<style>"
	".xmcoh{font-family:system-ui,-apple-system,'Segoe UI','Noto Sans','Liberation Sans',Arial,'Hiragino Sans','Yu Gothic',Meiryo,"
	"'Noto Sans CJK JP','Noto Sans JP',IPAexGothic,sans-serif;max-width:100%}"
	".xmcoh text{font-size:13px;fill:#1b1e23}"
	".xmcoh .h{font-size:15px;font-weight:600}.xmcoh .s{font-size:12px}.xmcoh .q{font-size:10px}"
	".xmcoh .b{font-weight:700}.xmcoh .u{fill:#59616d}"
	".xmcoh .bg{fill:#fff}.xmcoh .grid{stroke:#dfe3e8;stroke-width:1}.xmcoh .axis{stroke:#868e99;stroke-width:1}"
	".xmcoh .grey{stroke:#868e99;stroke-width:1.3;fill:none}.xmcoh .thin{stroke-width:.7}.xmcoh .thick{stroke-width:2.6}"
	".xmcoh .dash{stroke-dasharray:4 3}.xmcoh .dot{fill:#1b1e23}.xmcoh .mark{stroke:#1b1e23;stroke-width:1.6;fill:none}"
	".xmcoh .hollow{fill:#fff}.xmcoh .l{stroke-width:2;fill:none}.xmcoh .m0{fill:#0072b2}.xmcoh .m1{fill:#d55e00}.xmcoh .m2{fill:#868e99}"
	".xmcoh .s0{stroke:#0072b2}.xmcoh .f0{fill:#0072b2}.xmcoh .s1{stroke:#d55e00}.xmcoh .f1{fill:#d55e00}"
	".xmcoh .s2{stroke:#009e73}.xmcoh .f2{fill:#009e73}.xmcoh .s3{stroke:#cc79a7}.xmcoh .f3{fill:#cc79a7}"
	".xmcoh .s4{stroke:#c88a00}.xmcoh .f4{fill:#c88a00}.xmcoh .s5{stroke:#3d9fd6}.xmcoh .f5{fill:#3d9fd6}"
	"@media (prefers-color-scheme:dark){"
	".xmcoh text{fill:#e9ebee}.xmcoh .u{fill:#a9b1bc}.xmcoh .bg,.xmcoh .hollow{fill:#16191d}.xmcoh .grid{stroke:#30363d}"
	".xmcoh .axis,.xmcoh .grey{stroke:#8a929d}.xmcoh .dot{fill:#e9ebee}.xmcoh .mark{stroke:#e9ebee}"
	".xmcoh .s0{stroke:#5ab4e8}.xmcoh .f0{fill:#5ab4e8}.xmcoh .s1{stroke:#ff8b3d}.xmcoh .f1{fill:#ff8b3d}"
	".xmcoh .s2{stroke:#2fc79b}.xmcoh .f2{fill:#2fc79b}.xmcoh .s3{stroke:#e6a3c8}.xmcoh .f3{fill:#e6a3c8}"
	".xmcoh .s4{stroke:#efb73e}.xmcoh .f4{fill:#efb73e}.xmcoh .s5{stroke:#a5dbff}.xmcoh .f5{fill:#a5dbff}"
	"}</style>";

static const char *const language_code[XMC_PICTURE_LANGUAGES] = {"en", "ja"};

static void
put_attribute(canvas *c, const char *name, double value)
{
	xmc_markup_put(c->out, " ");
	xmc_markup_put(c->out, name);
	xmc_markup_put(c->out, "=\"");
	xmc_markup_number(c->out, value);
	xmc_markup_put(c->out, "\"");
}

static void
begin_shape(canvas *c, const char *element, const char *class)
{
	xmc_markup_put(c->out, "<");
	xmc_markup_put(c->out, element);
	xmc_markup_put(c->out, " class=\"");
	xmc_markup_put(c->out, class);
	xmc_markup_put(c->out, "\"");
}

/* ---- frame ---- */

#define FRAME_ARGUMENTS 10

void
canvas_begin(canvas *c, xmc_markup *out, xmc_picture_language language, const canvas_frame *frame)
{
	char		subject[XMC_LABEL_BYTES];
	const char *argument[FRAME_ARGUMENTS] = {subject};
	int			n = 1;

	*c = (canvas) {.out = out,.language = language};
	xmc_label_clean(frame->subject, subject);
	for (; n <= frame->n && n < FRAME_ARGUMENTS; n++)
		argument[n] = frame->argument[n - 1];
	xmc_markup_put(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"xmcoh ");
	xmc_markup_put(out, frame->name);
	xmc_markup_put(out, "\" role=\"img\" xml:lang=\"");
	xmc_markup_put(out, language_code[language]);
	xmc_markup_put(out, "\"");
	put_attribute(c, "width", CANVAS_WIDTH);
	put_attribute(c, "height", frame->height);
	xmc_markup_put(out, " viewBox=\"0 0 ");
	xmc_markup_number(out, CANVAS_WIDTH);
	xmc_markup_put(out, " ");
	xmc_markup_number(out, frame->height);
	xmc_markup_put(out, "\"><title>");
	xmc_markup_phrase(out, frame->title[language], n, argument);
	xmc_markup_put(out, "</title><desc>");
	xmc_markup_phrase(out, frame->description[language], n, argument);
	xmc_markup_put(out, "</desc>");
	xmc_markup_put(out, style);
	canvas_rectangle(c, "bg", 0, 0, CANVAS_WIDTH, frame->height);
	canvas_say(c, "h", ANCHOR_START, CANVAS_MARGIN, 20, CANVAS_WIDTH - 2 * CANVAS_MARGIN, frame->title, n, argument);
	canvas_say(c, "s u", ANCHOR_START, CANVAS_MARGIN, 40, CANVAS_WIDTH - 2 * CANVAS_MARGIN, frame->subtitle, n, argument);
}

void
canvas_end(canvas *c)
{
	xmc_markup_put(c->out, "</svg>");
}

/* ---- shapes ---- */

void
canvas_line(canvas *c, const char *class, double x1, double y1, double x2, double y2)
{
	begin_shape(c, "line", class);
	put_attribute(c, "x1", x1);
	put_attribute(c, "y1", y1);
	put_attribute(c, "x2", x2);
	put_attribute(c, "y2", y2);
	xmc_markup_put(c->out, "/>");
}

static void
put_rectangle(canvas *c, const char *class, double x, double y, double width, double height)
{
	begin_shape(c, "rect", class);
	put_attribute(c, "x", x);
	put_attribute(c, "y", y);
	put_attribute(c, "width", width);
	put_attribute(c, "height", height);
}

void
canvas_rectangle(canvas *c, const char *class, double x, double y, double width, double height)
{
	put_rectangle(c, class, x, y, width, height);
	xmc_markup_put(c->out, "/>");
}

void
canvas_cell(canvas *c, const char *class, double x, double y, double width, double height, double opacity)
{
	put_rectangle(c, class, x, y, width, height);
	put_attribute(c, "fill-opacity", opacity);
	xmc_markup_put(c->out, "/>");
}

void
canvas_circle(canvas *c, const char *class, double x, double y, double r)
{
	begin_shape(c, "circle", class);
	put_attribute(c, "cx", x);
	put_attribute(c, "cy", y);
	put_attribute(c, "r", r);
	xmc_markup_put(c->out, "/>");
}

/* The commands of a path: letters stand for themselves, '#' for the next number. */
static void
put_path(canvas *c, const char *class, const char *commands, const double *number)
{
	begin_shape(c, "path", class);
	xmc_markup_put(c->out, " d=\"");
	for (; *commands; commands++)
	{
		char		letter[2] = {*commands, 0};

		if (*commands == '#')
			xmc_markup_number(c->out, *number++);
		else
			xmc_markup_put(c->out, letter);
	}
	xmc_markup_put(c->out, "\"/>");
}

void
canvas_curve(canvas *c, const char *class, double x1, double y1, double x2, double y2)
{
	double		bend = (x2 - x1) * 0.45;

	put_path(c, class, "M# #C# # # # # #", (double[]) {x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2});
}

void
canvas_cross(canvas *c, const char *class, double x, double y, double r)
{
	put_path(c, class, "M# #L# #M# #L# #", (double[]) {x - r, y - r, x + r, y + r, x - r, y + r, x + r, y - r});
}

void
canvas_marker(canvas *c, int series, double x, double y, bool hollow)
{
	char		class[32];

	snprintf(class, sizeof class, hollow ? "l hollow s%d" : "f%d", series % CANVAS_SERIES);
	switch (series % CANVAS_SERIES)
	{
		case 0:
			canvas_circle(c, class, x, y, 4);
			break;
		case 1:
			canvas_rectangle(c, class, x - 3.6, y - 3.6, 7.2, 7.2);
			break;
		case 2:
			put_path(c, class, "M# #L# #L# #Z", (double[]) {x, y - 4.8, x + 4.6, y + 3.4, x - 4.6, y + 3.4});
			break;
		case 3:
			put_path(c, class, "M# #L# #L# #L# #Z", (double[]) {x, y - 5, x + 5, y, x, y + 5, x - 5, y});
			break;
		case 4:
			put_path(c, class, "M# #L# #L# #Z", (double[]) {x, y + 4.8, x + 4.6, y - 3.4, x - 4.6, y - 3.4});
			break;
		default:
			canvas_rectangle(c, class, x - 5, y - 2.2, 10, 4.4);
	}
}

void
canvas_polyline(canvas *c, int series, bool dashed, int n, const double *x, const double *y)
{
	char		class[32];

	if (n < 2)
		return;
	snprintf(class, sizeof class, "l s%d%s", series % CANVAS_SERIES, dashed ? " dash" : "");
	begin_shape(c, "polyline", class);
	xmc_markup_put(c->out, " points=\"");
	for (int k = 0; k < n; k++)
	{
		xmc_markup_put(c->out, k ? " " : "");
		xmc_markup_number(c->out, x[k]);
		xmc_markup_put(c->out, ",");
		xmc_markup_number(c->out, y[k]);
	}
	xmc_markup_put(c->out, "\"/>");
}

/* ---- texts ---- */

/* The size of a class, larger for bold type, which is wider. */
static double
font_size(const char *class)
{
	double		size = class[0] == 'h' ? 15 : class[0] == 's' ? SMALL_TEXT : class[0] == 'q' ? 10 : PLAIN_TEXT;

	return strchr(class, 'b') != NULL || class[0] == 'h' ? size * 1.08 : size;
}

/* A clean text: cut to the width. */
static void
put_label(canvas *c, const char *class, canvas_anchor anchor, double x, double y, double width, char label[XMC_LABEL_BYTES],
		  size_t length)
{
	static const char *const anchor_name[] = {NULL, "middle", "end"};
	char		whole[XMC_LABEL_BYTES];
	size_t		cut;

	if (length == 0)
		return;
	memcpy(whole, label, length + 1);
	cut = xmc_label_cut(label, length, width / font_size(class));
	begin_shape(c, "text", class);
	put_attribute(c, "x", x);
	put_attribute(c, "y", y + font_size(class) * 0.35);
	if (anchor != ANCHOR_START)
	{
		xmc_markup_put(c->out, " text-anchor=\"");
		xmc_markup_put(c->out, anchor_name[anchor]);
		xmc_markup_put(c->out, "\"");
	}
	xmc_markup_put(c->out, ">");
	xmc_markup_bytes(c->out, label, cut);
	if (cut != length || memcmp(whole, label, length) != 0)
	{
		xmc_markup_put(c->out, "<title>");
		xmc_markup_bytes(c->out, whole, length);
		xmc_markup_put(c->out, "</title>");
	}
	xmc_markup_put(c->out, "</text>");
}

void
canvas_text(canvas *c, const char *class, canvas_anchor anchor, double x, double y, double width, const char *text)
{
	char		label[XMC_LABEL_BYTES];
	size_t		length = xmc_label_clean(text, label);

	put_label(c, class, anchor, x, y, width, label, length);
}

size_t
canvas_fill(char *out, size_t size, const char *phrase, int n, const char *const *argument)
{
	size_t		length = 0;

	for (const char *p = phrase; *p && length + 1 < size;)
	{
		bool		is_argument = p[0] == '{' && p[1] >= '0' && p[1] < '0' + n && p[2] == '}';
		const char *from = is_argument ? argument[p[1] - '0'] : p;
		size_t		bytes = is_argument ? strlen(from) : 1;

		if (bytes > size - 1 - length)
			bytes = size - 1 - length;
		memcpy(out + length, from, bytes);
		length += bytes;
		p += is_argument ? 3 : 1;
	}
	out[length] = '\0';
	return length;
}

void
canvas_say(canvas *c, const char *class, canvas_anchor anchor, double x, double y, double width, const char *const *phrase, int n,
		   const char *const *argument)
{
	char		text[XMC_LABEL_BYTES * 2];

	canvas_fill(text, sizeof text, phrase[c->language], n, argument);
	canvas_text(c, class, anchor, x, y, width, text);
}

void
canvas_number(canvas *c, const char *class, canvas_anchor anchor, double x, double y, double value, int decimals)
{
	char		text[XMC_NUMBER_BYTES];

	canvas_text(c, class, anchor, x, y, CANVAS_WIDTH, xmc_number_text(value, decimals, text));
}

char *
canvas_percent(double share, char out[XMC_NUMBER_BYTES])
{
	double		percent = 100 * share;
	bool		whole = fabs(percent - round(percent)) < 1e-6 || (percent < 90 && percent > 1);
	size_t		length = strlen(xmc_number_text(percent, whole ? 0 : 1, out));

	if (!isnan(share) && length + 1 < XMC_NUMBER_BYTES)
		memcpy(out + length, "%", 2);
	return out;
}

double
canvas_text_width(const char *text, double size)
{
	char		label[XMC_LABEL_BYTES];
	size_t		length = xmc_label_clean(text, label);

	return size * xmc_label_width(label, length);
}

double
canvas_place_width(int32_t n, const xmc_picture_item *item)
{
	double		widest = 22;

	for (int32_t i = 0; i < n; i++)
		widest = fmax(widest, 6 + canvas_text_width(item[i].place, SMALL_TEXT * 1.08));
	return fmin(widest, 60);
}
