/* buffer.c - see buffer.h */
#include "buffer.h"
#include "cli.h"

#include <string.h>

void
buffer_reserve(buffer *b, size_t more)
{
	if (b->capacity - b->length >= more)
		return;
	b->capacity = (b->length + more) * 2;
	b->bytes = allocate(b->bytes, b->capacity);
}

void
buffer_add(buffer *b, const char *bytes, size_t length)
{
	buffer_reserve(b, length);
	memcpy(b->bytes + b->length, bytes, length);
	b->length += length;
}

void
buffer_add_string(buffer *b, const char *string)
{
	buffer_add(b, string, strlen(string));
}

void
buffer_end(buffer *b)
{
	buffer_reserve(b, 1);
	b->bytes[b->length] = '\0';
}
