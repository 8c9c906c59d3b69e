/* text_buffer.h - a text in UTF-8 that grows while a normalizer writes it */
#ifndef XMCOH_TEXT_BUFFER_H
#define XMCOH_TEXT_BUFFER_H

#include "xmcoh/base.h"

#include <unicode/utf8.h>

#define XMC_TEXT_BUFFER_MAX ((size_t) 1 << 30)

typedef struct xmc_text_buffer
{
	xmc_ctx    *ctx;
	char	   *bytes;			/* (room), used of them */
	size_t		used;
	size_t		room;
	size_t		start;			/* the first so many bytes come from the first character of the whole text */
} xmc_text_buffer;

/* Appends; from_start: the bytes come from the first character of the whole text. Errors: XMC_NO_MEMORY, XMC_LIMIT. */
extern xmc_status xmc_text_put(xmc_text_buffer *buffer, const char *bytes, size_t n, bool from_start);
extern xmc_status xmc_text_put_character(xmc_text_buffer *buffer, UChar32 c, bool from_start);
extern void xmc_text_buffer_free(xmc_text_buffer *buffer);

/* The character at *at, which is moved behind the character. Precondition: *at < length. */
static inline UChar32
xmc_text_next(const char *bytes, size_t *at, size_t length)
{
	UChar32		c;
	unsigned char byte = (unsigned char) bytes[*at];

	if (byte < 0x80)
	{
		(*at)++;
		return byte;
	}
	U8_NEXT_OR_FFFD((const unsigned char *) bytes, *at, length, c);
	return c;
}

#endif
