/* file_kind.c - see file_kind.h */
#include "file_kind.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

typedef struct signature
{
	const char *bytes;
	size_t		length;
	size_t		at;				/* where in the file they stand */
	file_kind	kind;
} signature;

#define SIGNATURE(bytes, at, name, advice) {bytes, sizeof(bytes) - 1, at, {name, advice}}
#define UNPACK "unpack it first"
#define TO_TSV "save it as tab-separated text"
#define TO_UTF8 "convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)"

/* A longer signature stands before one that it begins with. */
static const signature signatures[] = {
	SIGNATURE("\x1f\x8b", 0, "a gzip file", "unpack it once (gunzip)"),
	SIGNATURE("\x93NUMPY", 0, "a NumPy .npy file", "--npy takes such files"),
	SIGNATURE("PK\x03\x04", 0, "a ZIP archive (.zip, .npz, .xlsx)", UNPACK),
	SIGNATURE("PK\x05\x06", 0, "an empty ZIP archive", NULL),
	SIGNATURE("1AY&SY", 4, "a bzip2 file", UNPACK),
	SIGNATURE("\xfd" "7zXZ\0", 0, "an xz file", UNPACK),
	SIGNATURE("\x28\xb5\x2f\xfd", 0, "a Zstandard file", UNPACK),
	SIGNATURE("7z\xbc\xaf\x27\x1c", 0, "a 7-Zip archive", UNPACK),
	SIGNATURE("ustar\0", 257, "a tar archive", UNPACK),
	SIGNATURE("ustar  \0", 257, "a tar archive", UNPACK),
	SIGNATURE("\x89PNG\r\n\x1a\n", 0, "a PNG image", NULL),
	SIGNATURE("\xff\xd8\xff", 0, "a JPEG image", NULL),
	SIGNATURE("GIF87a", 0, "a GIF image", NULL),
	SIGNATURE("GIF89a", 0, "a GIF image", NULL),
	SIGNATURE("WEBPVP8", 8, "a WebP image", NULL),
	SIGNATURE("%PDF-", 0, "a PDF document", NULL),
	SIGNATURE("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0, "an old Office document (.xls, .doc)", TO_TSV),
	SIGNATURE("PGCOPY\n\xff\r\n\0", 0, "COPY's binary format", "write it with FORMAT text, HEADER"),
	SIGNATURE("PGDMP\x01", 0, "an archive of pg_dump", "pg_restore reads it"),
	SIGNATURE("SQLite format 3\0", 0, "an SQLite database", NULL),
	SIGNATURE("PAR1\x15", 0, "a Parquet file", TO_TSV),
	SIGNATURE("ARROW1\0\0", 0, "an Arrow file", TO_TSV),
	SIGNATURE("\x89HDF\r\n\x1a\n", 0, "an HDF5 file", NULL),
	SIGNATURE("\x80\x02", 0, "a Python pickle", "save numbers with numpy.save"),
	SIGNATURE("\x80\x03", 0, "a Python pickle", "save numbers with numpy.save"),
	SIGNATURE("\x80\x04", 0, "a Python pickle", "save numbers with numpy.save"),
	SIGNATURE("\x80\x05", 0, "a Python pickle", "save numbers with numpy.save"),
	SIGNATURE("\x7f" "ELF", 0, "a program", NULL),
	SIGNATURE("\xff\xfe\0\0", 0, "text in UTF-32", "convert it to UTF-8 (iconv -f UTF-32 -t UTF-8)"),
	SIGNATURE("\0\0\xfe\xff", 0, "text in UTF-32", "convert it to UTF-8 (iconv -f UTF-32 -t UTF-8)"),
	SIGNATURE("\xff\xfe", 0, "text in UTF-16", TO_UTF8),
	SIGNATURE("\xfe\xff", 0, "text in UTF-16", TO_UTF8),
};

/* Every second byte of ASCII characters in UTF-16 is 0. */
static bool
looks_like_utf16(const unsigned char *start, size_t length)
{
	for (size_t k = 0; k < 4; k += 2)
		if (length < 4 || (start[k] == 0) == (start[k + 1] == 0) || (start[k] == 0) != (start[0] == 0))
			return false;
	return true;
}

const file_kind *
binary_kind(const unsigned char *start, size_t length)
{
	static const file_kind utf16 = {"text in UTF-16", TO_UTF8};

	for (size_t k = 0; k < sizeof signatures / sizeof signatures[0]; k++)
	{
		const signature *s = &signatures[k];

		if (length >= s->at + s->length && memcmp(start + s->at, s->bytes, s->length) == 0)
			return &s->kind;
	}
	return looks_like_utf16(start, length) ? &utf16 : NULL;
}

static bool
begins_with(const char *text, const char *start)
{
	return strncasecmp(text, start, strlen(start)) == 0;
}

const file_kind *
text_kind(const char *line)
{
	static const file_kind html = {"an HTML page", NULL};
	static const file_kind xml = {"XML", NULL};
	static const file_kind json = {"JSON", TO_TSV};
	static const file_kind csv = {"CSV", TO_TSV ", or load it with psql's \\copy ... (FORMAT csv, HEADER)"};
	static const file_kind quoted = {"CSV with tabs, its fields in quotes", "save it without, as COPY (FORMAT text, HEADER) does"};
	static const file_kind sql = {"SQL", "psql runs it"};
	bool		tab = strchr(line, '\t') != NULL;
	size_t		length = strlen(line);

	line += strspn(line, " ");
	if (begins_with(line, "<!doctype html") || begins_with(line, "<html"))
		return &html;
	if (begins_with(line, "<?xml") || (!tab && *line == '<'))
		return &xml;
	if ((*line == '{' || *line == '[') && (!tab || strchr(line, '"')))
		return &json;
	if (tab)
		return *line == '"' && length >= 2 && strstr(line, "\"\t\"") ? &quoted : NULL;
	if (begins_with(line, "--") || begins_with(line, "create ") || begins_with(line, "insert into ") ||
		begins_with(line, "copy "))
		return &sql;
	return strpbrk(line, ",;|") ? &csv : NULL;
}
