/*
 * well_formed.h - whether a text is one well-formed XML element, as far as pictures go: elements with quoted attributes, text,
 * references to characters and to the five named entities. Comments, sections and declarations are not allowed.
 */
#ifndef WELL_FORMED_H
#define WELL_FORMED_H

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define DEEPEST 64

typedef struct xml_reader
{
	const char *p;
	const char *end;
	int			depth;
	const char *name[DEEPEST];	/* of the open elements */
	size_t		length[DEEPEST];
} xml_reader;

static bool
xml_character(uint32_t c)
{
	return c == 9 || c == 10 || c == 13 || (c >= 0x20 && c <= 0xd7ff) || (c >= 0xe000 && c <= 0xfffd) || (c >= 0x10000 && c <= 0x10ffff);
}

static size_t
xml_name(const xml_reader *r)
{
	size_t		n = 0;

	while (r->p + n < r->end && (isalnum((unsigned char) r->p[n]) || r->p[n] == ':' || r->p[n] == '-'))
		n++;
	return n;
}

/* A reference, which begins at r->p with an ampersand. */
static bool
xml_reference(xml_reader *r)
{
	static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};
	bool		hexadecimal;
	char	   *after;
	unsigned long c;

	for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
		if ((size_t) (r->end - r->p) >= strlen(names[k]) && memcmp(r->p, names[k], strlen(names[k])) == 0)
		{
			r->p += strlen(names[k]);
			return true;
		}
	if (r->end - r->p < 4 || r->p[1] != '#')
		return false;
	hexadecimal = r->p[2] == 'x';
	c = strtoul(r->p + (hexadecimal ? 3 : 2), &after, hexadecimal ? 16 : 10);
	if (after >= r->end || *after != ';' || !xml_character((uint32_t) c))
		return false;
	r->p = after + 1;
	return true;
}

/* Characters up to one of `stop`. */
static bool
xml_text(xml_reader *r, const char *stop)
{
	while (r->p < r->end && strchr(stop, *r->p) == NULL)
	{
		size_t		step = xmc_utf8_character((const unsigned char *) r->p, (const unsigned char *) r->end);

		if (step == 0 || *r->p == '<' || (step == 1 && !xml_character((unsigned char) *r->p)))
			return false;
		if (step == 3 && memcmp(r->p, "\xef\xbf", 2) == 0 && (unsigned char) r->p[2] >= 0xbe)
			return false;		/* U+FFFE, U+FFFF */
		if (*r->p == '&')
		{
			if (!xml_reference(r))
				return false;
		}
		else
			r->p += step;
	}
	return true;
}

static bool
xml_end_tag(xml_reader *r)
{
	size_t		n;

	r->p += 2;
	n = xml_name(r);
	if (r->depth == 0 || n != r->length[r->depth - 1] || memcmp(r->p, r->name[r->depth - 1], n) != 0 || r->p + n >= r->end || r->p[n] != '>')
		return false;
	r->p += n + 1;
	r->depth--;
	return true;
}

static bool
xml_start_tag(xml_reader *r)
{
	size_t		n;

	r->p++;
	n = xml_name(r);
	if (n == 0 || r->depth == DEEPEST)
		return false;
	r->name[r->depth] = r->p;
	r->length[r->depth++] = n;
	r->p += n;
	while (r->p < r->end && *r->p == ' ')
	{
		r->p++;
		n = xml_name(r);
		if (n == 0 || r->p + n + 2 > r->end || memcmp(r->p + n, "=\"", 2) != 0)
			return false;
		r->p += n + 2;
		if (!xml_text(r, "\"") || r->p >= r->end)
			return false;
		r->p++;
	}
	if (r->p + 1 < r->end && r->p[0] == '/' && r->p[1] == '>')
	{
		r->depth--;
		r->p += 2;
		return true;
	}
	if (r->p >= r->end || *r->p != '>')
		return false;
	r->p++;
	return true;
}

/* text[length] must be readable: a zero byte. */
static inline bool
well_formed(const char *text, size_t length)
{
	xml_reader	r = {.p = text,.end = text + length};
	bool		begun = false;

	while (r.p < r.end)
	{
		if (*r.p != '<')
		{
			if (r.depth == 0 || !xml_text(&r, "<"))
				return false;
		}
		else if (r.end - r.p > 1 && r.p[1] == '/')
		{
			if (!xml_end_tag(&r))
				return false;
		}
		else
		{
			if ((r.depth == 0 && begun) || !xml_start_tag(&r))
				return false;
			begun = true;
		}
	}
	return begun && r.depth == 0;
}

#endif
