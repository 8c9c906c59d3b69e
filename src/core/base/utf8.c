/* utf8.c - validation, encoding and a printable form of UTF-8; see utf8.h */
#include "base/utf8.h"

#include <string.h>

/*
 * The range of the second byte depends on the first (Unicode standard, table 3-7). This rules out overlong forms,
 * surrogates and values above U+10FFFF.
 */
size_t
xmc_utf8_character(const unsigned char *p, const unsigned char *end)
{
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	size_t		length;

	if (*p < 0x80)
		return 1;
	if (*p < 0xc2 || *p > 0xf4)
		return 0;
	length = *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
	if (*p == 0xe0)
		low = 0xa0;
	else if (*p == 0xed)
		high = 0x9f;
	else if (*p == 0xf0)
		low = 0x90;
	else if (*p == 0xf4)
		high = 0x8f;
	if ((size_t) (end - p) < length || p[1] < low || p[1] > high)
		return 0;
	for (size_t k = 2; k < length; k++)
		if ((p[k] & 0xc0) != 0x80)
			return 0;
	return length;
}

bool
xmc_utf8_valid(const char *string, size_t length)
{
	const unsigned char *p = (const unsigned char *) string;
	const unsigned char *end = p + length;

	while (p < end)
	{
		size_t		step = xmc_utf8_character(p, end);

		if (step == 0)
			return false;
		p += step;
	}
	return true;
}

size_t
xmc_utf8_put(char *out, uint32_t c)
{
	if (c < 0x80)
	{
		out[0] = (char) c;
		return 1;
	}
	if (c < 0x800)
	{
		out[0] = (char) (0xc0 | (c >> 6));
		out[1] = (char) (0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000)
	{
		out[0] = (char) (0xe0 | (c >> 12));
		out[1] = (char) (0x80 | ((c >> 6) & 0x3f));
		out[2] = (char) (0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char) (0xf0 | (c >> 18));
	out[1] = (char) (0x80 | ((c >> 12) & 0x3f));
	out[2] = (char) (0x80 | ((c >> 6) & 0x3f));
	out[3] = (char) (0x80 | (c & 0x3f));
	return 4;
}

const char *
xmc_printable(const char *string, size_t length, char out[XMC_PRINTABLE])
{
	size_t		used = 0;

	for (size_t k = 0; k < length; k++)
	{
		unsigned char c = (unsigned char) string[k];

		if ((c & 0xc0) == 0x80)
			continue;			/* a later byte of a character whose first byte became '?' */
		if (used == XMC_PRINTABLE - 4)
		{
			memcpy(out + used, "...", 3);
			used += 3;
			break;
		}
		out[used++] = c >= 0x20 && c < 0x7f ? (char) c : '?';
	}
	out[used] = '\0';
	return out;
}
