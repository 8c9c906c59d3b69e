/*
 * text_file.c - reads a text file line by line, plain or gzipped; see text_file.h
 *
 * Gzipped files are unpacked with zlib's inflate(). The gz functions of zlib are not strict enough: they pass a damaged
 * beginning through as plain text and ignore bytes after the compressed data, and each version reports a file that is
 * cut short in another call.
 */
#include "text_file.h"
#include "cli.h"
#include "input.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define LONGEST_LINE ((size_t) 256 << 20)
#define GZIP_ONLY (16 + MAX_WBITS)	/* for inflateInit2: the data have a gzip header and trailer */

struct text_file
{
	input		file;
	bool		gzipped;
	bool		in_member;		/* inside a member of a gzipped file: after its header, before the end of its trailer */
	z_stream	z;
	size_t		line;
	size_t		at;				/* next byte of `chunk` */
	size_t		filled;
	unsigned char packed[65536];
	unsigned char chunk[65536];
};

/* Only zero bytes may follow the last member: tapes and some copying programs pad the last block with zeros. */
static void
skip_padding(text_file *in)
{
	do
	{
		for (size_t k = 0; k < in->z.avail_in; k++)
			if (in->z.next_in[k] != 0)
				die("file \"%s\" has bytes that are not gzipped after its gzipped data", in->file.path);
		in->z.next_in = in->packed;
		in->z.avail_in = (uInt) input_read(&in->file, in->packed, sizeof in->packed);
	} while (in->z.avail_in > 0);
}

/*
 * Unpacks the next bytes into the chunk and returns their number; 0: the end of the file. A file may have several
 * members.
 */
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
					die("file \"%s\" is cut short: the end of its gzipped data is missing", in->file.path);
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
				die("file \"%s\" has bytes that are not gzipped after its gzipped data", in->file.path);
			if (inflateReset(&in->z) != Z_OK)
				die("out of memory");
			in->in_member = true;
		}
		code = inflate(&in->z, Z_NO_FLUSH);
		if (code == Z_STREAM_END)
			in->in_member = false;
		else if (code == Z_MEM_ERROR)
			die("out of memory");
		else if (code != Z_OK && code != Z_BUF_ERROR)	/* Z_BUF_ERROR: inflate needs more input */
			die("file \"%s\" is damaged: %s", in->file.path, in->z.msg ? in->z.msg : "unknown error of zlib");
	}
	return sizeof in->chunk - in->z.avail_out;
}

/* Refills the chunk. Returns false at the end of the file. */
static bool
refill(text_file *in)
{
	in->at = 0;
	in->filled = in->gzipped ? unpack(in) : input_read(&in->file, in->chunk, sizeof in->chunk);
	return in->filled > 0;
}

text_file *
text_file_open(const char *path, const file_kind *wanted)
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
		refuse_kind(path, in->gzipped, kind, wanted);
	return in;
}

void
refuse_kind(const char *path, bool gzipped, const file_kind *kind, const file_kind *wanted)
{
	const char *advice = wanted->advice ? wanted->advice : kind->advice;

	die("file \"%s\"%s seems to be %s, not %s%s%s", path, gzipped ? ", unpacked," : "", kind->name, wanted->name,
		advice ? HINT : "", advice ? advice : "");
}

bool
text_file_read_line(text_file *in, PQExpBuffer line)
{
	bool		any = false;

	resetPQExpBuffer(line);
	while (in->at < in->filled || refill(in))
	{
		const char *start = (const char *) in->chunk + in->at;
		const char *end = memchr(start, '\n', in->filled - in->at);
		size_t		length = end ? (size_t) (end - start) : in->filled - in->at;

		any = true;
		appendBinaryPQExpBuffer(line, start, length);
		check_buffer(line);
		in->at += length + (end != NULL);
		if (end)
			break;
		if (line->len > LONGEST_LINE)
			die("file \"%s\", line %zu: the line is longer than %zu MB", in->file.path, in->line + 1, LONGEST_LINE >> 20);
	}
	if (!any)
		input_end(&in->file);
	in->line += any;
	if (line->len > 0 && line->data[line->len - 1] == '\r')
		line->data[--line->len] = '\0';
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
