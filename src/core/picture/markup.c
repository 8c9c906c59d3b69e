/* markup.c - a growing text of XML or HTML, in which texts from data are escaped; see xmcoh/markup.h */
#include "xmcoh/markup.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "text_encoder/text_buffer.h"

#define FIRST_CAPACITY 16384
#define REPLACEMENT 0xfffd

void
xmc_markup_init(xmc_markup *out, xmc_ctx *ctx, bool ascii)
{
	*out = (xmc_markup) {.ctx = ctx,.ascii = ascii};
}

/* Makes room for `more` bytes and a zero byte; false after an error. The stop callback is asked each time the text grows. */
static bool
make_room(xmc_markup *out, size_t more)
{
	size_t		capacity = out->capacity ? out->capacity : FIRST_CAPACITY;
	char	   *data;

	if (out->status != XMC_OK)
		return false;
	if (more > XMC_MARKUP_MOST - out->length)
	{
		out->status = xmc_fail(out->ctx, XMC_LIMIT, "the text would be longer than %d bytes", XMC_MARKUP_MOST);
		return false;
	}
	if (out->length + more < out->capacity)
		return true;
	while (capacity <= out->length + more)
		capacity *= 2;
	out->status = xmc_check_stop(out->ctx);
	if (out->status != XMC_OK)
		return false;
	data = xmc_alloc(out->ctx, capacity, 1);
	if (data == NULL)
	{
		out->status = xmc_fail(out->ctx, XMC_NO_MEMORY, "out of memory");
		return false;
	}
	if (out->length > 0)
		memcpy(data, out->data, out->length);
	xmc_release(out->ctx, out->data);
	out->data = data;
	out->capacity = capacity;
	return true;
}

static void
append(xmc_markup *out, const char *bytes, size_t length)
{
	if (!make_room(out, length))
		return;
	memcpy(out->data + out->length, bytes, length);
	out->length += length;
}

static void
append_character(xmc_markup *out, uint32_t c)
{
	char		bytes[16];

	if (c < 0x80 || !out->ascii)
		append(out, bytes, xmc_utf8_put(bytes, c));
	else
		append(out, bytes, (size_t) snprintf(bytes, sizeof bytes, "&#x%X;", (unsigned) c));
}

bool
xmc_markup_replaces(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef)
		|| (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029;
}

static void
append_escaped(xmc_markup *out, uint32_t c)
{
	static const struct
	{
		char		c;
		const char *entity;
	}			entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};

	for (size_t k = 0; k < sizeof entities / sizeof entities[0]; k++)
		if (c == (unsigned char) entities[k].c)
		{
			append(out, entities[k].entity, strlen(entities[k].entity));
			return;
		}
	if (c == '\t' || c == '\n' || c == '\r')
		c = ' ';
	append_character(out, xmc_markup_replaces(c) ? REPLACEMENT : c);
}

/* Visits the characters of a text. A byte with which no valid character begins is one unwanted character. */
static void
append_text(xmc_markup *out, const char *text, size_t length, void (*visit) (xmc_markup *out, uint32_t c))
{
	const unsigned char *p = (const unsigned char *) text;
	const unsigned char *end = p + length;

	while (p < end && out->status == XMC_OK)
	{
		size_t		step = xmc_utf8_character(p, end);
		size_t		at = 0;

		visit(out, step > 0 ? (uint32_t) xmc_text_next((const char *) p, &at, step) : REPLACEMENT);
		p += step > 0 ? step : 1;
	}
}

void
xmc_markup_put(xmc_markup *out, const char *markup)
{
	append_text(out, markup, strlen(markup), append_character);
}

void
xmc_markup_bytes(xmc_markup *out, const char *text, size_t length)
{
	append_text(out, text, length, append_escaped);
}

void
xmc_markup_text(xmc_markup *out, const char *text)
{
	xmc_markup_bytes(out, text, strlen(text));
}

void
xmc_markup_phrase(xmc_markup *out, const char *phrase, int n, const char *const *argument)
{
	const char *p = phrase;

	while (*p != '\0')
	{
		size_t		plain = strcspn(p, "{");

		xmc_markup_bytes(out, p, plain);
		p += plain;
		if (*p == '\0')
			return;
		if (p[1] >= '0' && p[1] < '0' + n && p[2] == '}')
		{
			xmc_markup_text(out, argument[p[1] - '0']);
			p += 3;
		}
		else
		{
			xmc_markup_bytes(out, p, 1);
			p++;
		}
	}
}

char *
xmc_number_text(double value, int decimals, char out[XMC_NUMBER_BYTES])
{
	static const int64_t power[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
	int64_t		unit;
	int64_t		scaled;

	decimals = decimals < 0 ? 0 : decimals > 6 ? 6 : decimals;
	unit = power[decimals];
	if (!(fabs(value) < 1e12))
	{
		snprintf(out, XMC_NUMBER_BYTES, "%s", isnan(value) ? "-" : value > 0 ? "> 1000000000000" : "< -1000000000000");
		return out;
	}
	/* Whole numbers are written, because the point of printf depends on the locale. */
	scaled = llround(fabs(value) * (double) unit);
	if (decimals > 0)
		snprintf(out, XMC_NUMBER_BYTES, "%s%lld.%0*lld", value < 0 && scaled > 0 ? "-" : "", (long long) (scaled / unit),
				 decimals, (long long) (scaled % unit));
	else
		snprintf(out, XMC_NUMBER_BYTES, "%s%lld", value < 0 && scaled > 0 ? "-" : "", (long long) scaled);
	return out;
}

void
xmc_markup_number(xmc_markup *out, double value)
{
	char		text[XMC_NUMBER_BYTES];
	size_t		length;

	xmc_number_text(fabs(value) < 1e9 ? value : 0, 2, text);
	length = strlen(text);
	while (text[length - 1] == '0')
		length--;
	if (text[length - 1] == '.')
		length--;
	append(out, text, length);
}

xmc_status
xmc_markup_end(xmc_markup *out, char **text, size_t *length)
{
	*text = NULL;
	*length = 0;
	if (!make_room(out, 0))
	{
		xmc_release(out->ctx, out->data);
		out->data = NULL;
		return out->status;
	}
	out->data[out->length] = '\0';
	*text = out->data;
	*length = out->length;
	out->data = NULL;
	return XMC_OK;
}
