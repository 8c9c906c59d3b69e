/* charsmap.c - the character map of a SentencePiece model; see charsmap.h */
#include "text_encoder/charsmap.h"

#include "base/utf8.h"
#include "text_encoder/grapheme.h"

#include <string.h>

#define LENGTH_BYTES 4
#define UNIT_BYTES 4
#define MAX_CLUSTER 5			/* bytes of a cluster that is looked up as a whole */

static uint32_t
read_u32(const unsigned char *bytes)
{
	return bytes[0] | (uint32_t) bytes[1] << 8 | (uint32_t) bytes[2] << 16 | (uint32_t) bytes[3] << 24;
}

xmc_status
xmc_charsmap_check(xmc_ctx *ctx, xmc_status bad, const unsigned char *map, size_t size)
{
	size_t		trie;

	if (size < LENGTH_BYTES)
		return xmc_fail(ctx, bad, "precompiled_charsmap: %zu bytes are too few", size);
	trie = read_u32(map) / UNIT_BYTES * UNIT_BYTES;
	if (trie < UNIT_BYTES || trie > size - LENGTH_BYTES)
		return xmc_fail(ctx, bad, "precompiled_charsmap: its trie has %zu bytes, but %zu follow", trie, size - LENGTH_BYTES);
	if (!xmc_utf8_valid((const char *) map + LENGTH_BYTES + trie, size - LENGTH_BYTES - trie))
		return xmc_fail(ctx, bad, "precompiled_charsmap: the replacements are not valid UTF-8");
	return XMC_OK;
}

/* One look-up. False: the map has no beginning of key[0..length-1]; else the replacement of the shortest one. */
static bool
look_up(const unsigned char *map, size_t size, const char *key, size_t length, const char **replacement, size_t *n)
{
	size_t		units = read_u32(map) / UNIT_BYTES;
	const unsigned char *unit = map + LENGTH_BYTES;
	const char *text = (const char *) unit + units * UNIT_BYTES;
	size_t		text_length = size - LENGTH_BYTES - units * UNIT_BYTES;
	size_t		node = 0;
	uint32_t	value = read_u32(unit);

	/* The units of a double-array trie: darts-clone's label, leaf and offset bits. */
	node ^= (size_t) (value >> 10) << ((value & (1u << 9)) >> 6);
	for (size_t k = 0; k < length && key[k] != 0; k++)
	{
		node ^= (unsigned char) key[k];
		if (node >= units)
			return false;
		value = read_u32(unit + node * UNIT_BYTES);
		if ((value & ((1u << 31) | 0xff)) != (unsigned char) key[k])
			return false;
		node ^= (size_t) (value >> 10) << ((value & (1u << 9)) >> 6);
		if (value >> 8 & 1)
		{
			size_t		at;
			const char *end;

			if (node >= units)
				return false;
			at = read_u32(unit + node * UNIT_BYTES) & 0x7fffffff;
			if (at > text_length || (at < text_length && ((unsigned char) text[at] & 0xc0) == 0x80))
				return false;	/* hostile: outside, or within a character */
			end = memchr(text + at, '\0', text_length - at);
			*replacement = text + at;
			*n = end ? (size_t) (end - (text + at)) : text_length - at;
			return true;
		}
	}
	return false;
}

/* Appends the cluster in->bytes[begin..end-1]. */
static xmc_status
apply_cluster(const unsigned char *map, size_t size, const xmc_text_buffer *in, size_t begin, size_t end, xmc_text_buffer *out)
{
	const char *replacement = NULL;
	size_t		n = 0;
	size_t		next;

	if (end - begin <= MAX_CLUSTER && look_up(map, size, in->bytes + begin, end - begin, &replacement, &n))
		return xmc_text_put(out, replacement, n, begin < in->start);
	for (; begin < end; begin = next)
	{
		bool		found;

		next = begin;
		xmc_text_next(in->bytes, &next, end);
		found = look_up(map, size, in->bytes + begin, next - begin, &replacement, &n);
		XMC_TRY(xmc_text_put(out, found ? replacement : in->bytes + begin, found ? n : next - begin, begin < in->start));
	}
	return XMC_OK;
}

xmc_status
xmc_charsmap_apply(xmc_ctx *ctx, const unsigned char *map, size_t size, const xmc_text_buffer *in, xmc_text_buffer *out)
{
	size_t		end;
	int64_t		work = 0;

	for (size_t begin = 0; begin < in->used; begin = end)
	{
		end = xmc_grapheme_end(in->bytes, begin, in->used);
		XMC_TRY(apply_cluster(map, size, in, begin, end, out));
		XMC_TRY(xmc_spend(ctx, &work, 4 * (int64_t) (end - begin)));
	}
	return XMC_OK;
}
