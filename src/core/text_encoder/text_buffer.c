/* text_buffer.c - a text in UTF-8 that grows; see text_buffer.h */
#include "text_encoder/text_buffer.h"

#include "base/utf8.h"

#include <string.h>

static xmc_status
make_room(xmc_text_buffer *buffer, size_t n)
{
	size_t		wanted = buffer->room ? buffer->room : 256;
	char	   *bigger;

	if (buffer->room - buffer->used >= n)
		return XMC_OK;
	if (n > XMC_TEXT_BUFFER_MAX || buffer->used + n > XMC_TEXT_BUFFER_MAX)
		return xmc_fail(buffer->ctx, XMC_LIMIT, "text has more than %zu bytes once it is normalized", XMC_TEXT_BUFFER_MAX);
	while (wanted < buffer->used + n)
		wanted *= 2;
	bigger = xmc_alloc(buffer->ctx, wanted, 1);
	XMC_NEED(bigger, buffer->ctx);
	if (buffer->used)
		memcpy(bigger, buffer->bytes, buffer->used);
	xmc_release(buffer->ctx, buffer->bytes);
	buffer->bytes = bigger;
	buffer->room = wanted;
	return XMC_OK;
}

xmc_status
xmc_text_put(xmc_text_buffer *buffer, const char *bytes, size_t n, bool from_start)
{
	if (n == 0)
		return XMC_OK;
	XMC_TRY(make_room(buffer, n));
	memcpy(buffer->bytes + buffer->used, bytes, n);
	if (from_start && buffer->start == buffer->used)
		buffer->start += n;
	buffer->used += n;
	return XMC_OK;
}

xmc_status
xmc_text_put_character(xmc_text_buffer *buffer, UChar32 c, bool from_start)
{
	char		bytes[4];

	return xmc_text_put(buffer, bytes, xmc_utf8_put(bytes, (uint32_t) c), from_start);
}

void
xmc_text_buffer_free(xmc_text_buffer *buffer)
{
	if (buffer->bytes)
		xmc_release(buffer->ctx, buffer->bytes);
	buffer->bytes = NULL;
	buffer->used = buffer->room = buffer->start = 0;
}
