/* label.c - short texts in pictures: clean copies, estimated widths, cuts; see label.h */
#include "picture/label.h"

#include <stdbool.h>
#include <string.h>

#include <unicode/uchar.h>

#include "base/utf8.h"
#include "text_encoder/grapheme.h"
#include "text_encoder/text_buffer.h"
#include "xmcoh/markup.h"

#define ELLIPSIS "\xe2\x80\xa6"
#define MARKS 4					/* on one character; more would be drawn over other lines */

/* White space and what counts as such in one line. */
static bool
is_space(UChar32 c)
{
	return c == '\t' || c == '\n' || c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029 || u_isUWhiteSpace(c);
}

/* Characters that take no place and can change how others are shown: they are left out of a label. */
static bool
is_left_out(UChar32 c)
{
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

size_t
xmc_label_clean(const char *text, char out[XMC_LABEL_BYTES])
{
	const unsigned char *p = (const unsigned char *) text;
	size_t		length = 0;
	int			marks = 0;
	bool		space = false;	/* white space stands before the next character */

	/* Of a text whose first bytes hold nothing to show, no more is read. */
	for (size_t read = 0; *p != '\0' && read < 16 * XMC_LABEL_BYTES; read++)
	{
		size_t		step = xmc_utf8_character(p, p + strnlen((const char *) p, 4));
		size_t		at = 0;
		UChar32		c = step > 0 ? xmc_text_next((const char *) p, &at, step) : 0xfffd;

		p += step > 0 ? step : 1;
		marks = u_charType(c) == U_NON_SPACING_MARK || u_charType(c) == U_ENCLOSING_MARK ? marks + 1 : 0;
		if (is_left_out(c) || marks > MARKS)
			continue;
		if (is_space(c))
		{
			space = length > 0;
			continue;
		}
		if (length + 5 >= XMC_LABEL_BYTES)
			break;
		if (space)
			out[length++] = ' ';
		space = false;
		if (xmc_markup_replaces((uint32_t) c))
			c = 0xfffd;
		length += xmc_utf8_put(out + length, (uint32_t) c);
	}
	out[length] = '\0';
	return length;
}

/* Of a character of a proportional font without serifs, rounded up. */
static double
narrow_width(UChar32 c)
{
	if (c == 0 || c > 0x7e)
		return 0.62;
	if (strchr("ijl.,:;'|!`", c))
		return 0.29;
	if (strchr("frtI()[]{}/\\- \"*", c))
		return 0.38;
	if (strchr("mwMW@%&+=<>~", c))
		return 0.89;
	return c >= 'A' && c <= 'Z' ? 0.72 : 0.59;
}

static double
character_width(UChar32 c)
{
	int32_t		width;
	int8_t		type;

	if (c < 0x7f)
		return narrow_width(c);
	type = u_charType(c);
	if (type == U_NON_SPACING_MARK || type == U_ENCLOSING_MARK || type == U_FORMAT_CHAR)
		return 0;
	width = u_getIntPropertyValue(c, UCHAR_EAST_ASIAN_WIDTH);
	if (width == U_EA_WIDE || width == U_EA_FULLWIDTH || u_hasBinaryProperty(c, UCHAR_EMOJI_PRESENTATION))
		return 1;
	return u_isupper(c) ? 0.75 : narrow_width(c);
}

/* Of a grapheme cluster: its widest character, because the others are drawn on or into it. */
static double
cluster_width(const char *text, size_t begin, size_t end)
{
	double		widest = 0;

	for (size_t at = begin; at < end;)
	{
		double		width = character_width(xmc_text_next(text, &at, end));

		widest = width > widest ? width : widest;
	}
	return widest;
}

double
xmc_label_width(const char *text, size_t length)
{
	double		width = 0;

	for (size_t at = 0; at < length;)
	{
		size_t		end = xmc_grapheme_end(text, at, length);

		width += cluster_width(text, at, end);
		at = end;
	}
	return width;
}

size_t
xmc_label_cut(char text[XMC_LABEL_BYTES], size_t length, double most)
{
	double		width = 0;
	size_t		kept = 0;		/* bytes that fit, with an ellipsis */

	for (size_t at = 0; at < length;)
	{
		size_t		end = xmc_grapheme_end(text, at, length);

		width += cluster_width(text, at, end);
		if (width > most)
		{
			while (kept > 0 && text[kept - 1] == ' ')
				kept--;
			memcpy(text + kept, ELLIPSIS, sizeof ELLIPSIS);
			return kept + sizeof ELLIPSIS - 1;
		}
		if (width + 1 <= most && end + sizeof ELLIPSIS < XMC_LABEL_BYTES)
			kept = end;
		at = end;
	}
	return length;
}
