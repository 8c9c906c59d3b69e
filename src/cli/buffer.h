/* buffer.h - bytes that grow: a line, a row, a statement */
#ifndef XMCOH_CLI_BUFFER_H
#define XMCOH_CLI_BUFFER_H

#include <stddef.h>

typedef struct buffer
{
	char	   *bytes;
	size_t		length;
	size_t		capacity;
} buffer;

extern void buffer_reserve(buffer *b, size_t more);
extern void buffer_add(buffer *b, const char *bytes, size_t length);
extern void buffer_add_string(buffer *b, const char *string);

/* Ends the bytes in a NUL, which their length does not count. */
extern void buffer_end(buffer *b);

#endif
