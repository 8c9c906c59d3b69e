/*
 * text_file.c - see text_file.h
 *
 * Gzipped files are unpacked by inflate() itself. The gz functions of zlib report a file that is cut short in different calls from
 * version to version (1.3.2 with the last bytes, 1.2 after them), pass a damaged beginning through as plain text and
 * ignore what follows the compressed data.
 */
#include "text_file.h"
#include "cli.h"
#include "file_kind.h"
#include "input.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define LONGEST_LINE ((size_t) 256 << 20)
#define GZIP_ONLY (16 + MAX_WBITS)	/* of inflateInit2: a gzip header and trailer, which it checks */

struct text_file
{
	input		file;
	bool		gzipped;
	bool		in_member;		/* of the gzipped file: between a header and the end of its trailer */
	z_stream	z;
	size_t		line;
	size_t		at;				/* next byte of `chunk` */
	size_t		filled;
	unsigned char packed[65536];
	unsigned char chunk[65536];
};

/* Nothing but zero bytes may follow the last member: tapes and some copying programs fill blocks up with them. */
static void
skip_padding(text_file *in)
{
	do
	{
		for (size_t k = 0; k < in->z.avail_in; k++)
			if (in->z.next_in[k] != 0)
				die("%s: something that is not gzipped follows its gzipped data", in->file.path);
		in->z.next_in = in->packed;
		in->z.avail_in = (uInt) input_read(&in->file, in->packed, sizeof in->packed);
	} while (in->z.avail_in > 0);
}

/* The next unpacked bytes, at least one; 0 at the end of the file. A file may have several members, one after the other. */
static size_t
unpack(text_file *in)
{
	in->z.next_out = in->chunk;
	in->z.avail_out = sizeof in->chunk;
	while (in->z.avail_out == sizeof in->chunk)
	{
		int			code;

		if (in->z.avail_in == 0)
		{
			in->z.next_in = in->packed;
			in->z.avail_in = (uInt) input_read(&in->file, in->packed, sizeof in->packed);
			if (in->z.avail_in == 0)
			{
				if (in->in_member)
					die("%s is cut short: its gzipped data have no end", in->file.path);
				return 0;
			}
		}
		if (!in->in_member)
		{
			if (in->z.next_in[0] == 0)
			{
				skip_padding(in);
				return 0;
			}
			if (in->z.next_in[0] != 0x1f)
				die("%s: something that is not gzipped follows its gzipped data", in->file.path);
			if (inflateReset(&in->z) != Z_OK)
				die("out of memory");
			in->in_member = true;
		}
		code = inflate(&in->z, Z_NO_FLUSH);
		if (code == Z_STREAM_END)
			in->in_member = false;
		else if (code == Z_MEM_ERROR)
			die("out of memory");
		else if (code != Z_OK && code != Z_BUF_ERROR)	/* Z_BUF_ERROR: it wants more input */
			die("%s is damaged, zlib says: %s", in->file.path, in->z.msg ? in->z.msg : "unknown error");
	}
	return sizeof in->chunk - in->z.avail_out;
}

/* Refills the chunk; false at the end of the file. */
static bool
refill(text_file *in)
{
	in->at = 0;
	in->filled = in->gzipped ? unpack(in) : input_read(&in->file, in->chunk, sizeof in->chunk);
	return in->filled > 0;
}

text_file *
text_file_open(const char *path)
{
	text_file  *in = allocate(NULL, sizeof *in);
	const file_kind *kind;

	memset(in, 0, offsetof(text_file, packed));
	input_open(&in->file, path);
	refill(in);
	if (in->filled >= 2 && in->chunk[0] == 0x1f && in->chunk[1] == 0x8b)
	{
		memcpy(in->packed, in->chunk, in->filled);
		in->z.next_in = in->packed;
		in->z.avail_in = (uInt) in->filled;
		if (inflateInit2(&in->z, GZIP_ONLY) != Z_OK)
			die("out of memory");
		in->gzipped = true;
		refill(in);
	}
	kind = binary_kind(in->chunk, in->filled < FILE_KIND_BYTES ? in->filled : FILE_KIND_BYTES);
	if (kind)
		die("%s%s seems to be %s, not tab-separated text%s%s", path, in->gzipped ? ", once unpacked," : "", kind->name,
			kind->advice ? "; " : "", kind->advice ? kind->advice : "");
	return in;
}

bool
text_file_read_line(text_file *in, buffer *line)
{
	bool		any = false;

	line->length = 0;
	while (in->at < in->filled || refill(in))
	{
		const char *start = (const char *) in->chunk + in->at;
		const char *end = memchr(start, '\n', in->filled - in->at);
		size_t		length = end ? (size_t) (end - start) : in->filled - in->at;

		any = true;
		buffer_add(line, start, length);
		in->at += length + (end != NULL);
		if (end)
			break;
		if (line->length > LONGEST_LINE)
			die("%s: line %zu is longer than %zu MB", in->file.path, in->line + 1, LONGEST_LINE >> 20);
	}
	if (!any)
		input_end(&in->file);
	in->line += any;
	if (line->length > 0 && line->bytes[line->length - 1] == '\r')
		line->length--;
	buffer_end(line);
	return any;
}

size_t
text_file_line(const text_file *in)
{
	return in->line;
}

void
text_file_close(text_file *in)
{
	if (in->gzipped)
		inflateEnd(&in->z);
	input_close(&in->file);
	free(in);
}
