/* file_kind.c - the signatures of file formats, and how the first line of other text formats begins; see file_kind.h */
#include "file_kind.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

typedef struct signature
{
	const char *bytes;
	size_t		length;
	size_t		at;				/* offset in the file */
	file_kind	kind;
} signature;

#define SIGNATURE(bytes, at, name, advice) {bytes, sizeof(bytes) - 1, at, {name, advice}}
#define UNPACK "Unpack the file first."
#define TO_TSV "Save the data as tab-separated text."
#define TO_UTF8 "Convert the file to UTF-8 (iconv -f UTF-16 -t UTF-8)."
#define TO_NPY "Save the numbers with numpy.save."

/* The first match counts, so a longer signature stands before a shorter one with the same beginning. */
static const signature signatures[] = {
	SIGNATURE("\x1f\x8b", 0, "a gzip file", "Unpack the file once with gunzip."),
	SIGNATURE("\x93NUMPY", 0, "a NumPy .npy file", "Use --npy for such files."),
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
	SIGNATURE("PGCOPY\n\xff\r\n\0", 0, "COPY's binary format", "Write the data with COPY (FORMAT text, HEADER)."),
	SIGNATURE("PGDMP\x01", 0, "an archive of pg_dump", "Restore the archive with pg_restore."),
	SIGNATURE("SQLite format 3\0", 0, "an SQLite database", NULL),
	SIGNATURE("PAR1\x15", 0, "a Parquet file", TO_TSV),
	SIGNATURE("ARROW1\0\0", 0, "an Arrow file", TO_TSV),
	SIGNATURE("\x89HDF\r\n\x1a\n", 0, "an HDF5 file", NULL),
	SIGNATURE("\x80\x02", 0, "a Python pickle", TO_NPY),
	SIGNATURE("\x80\x03", 0, "a Python pickle", TO_NPY),
	SIGNATURE("\x80\x04", 0, "a Python pickle", TO_NPY),
	SIGNATURE("\x80\x05", 0, "a Python pickle", TO_NPY),
	SIGNATURE("\x7f" "ELF", 0, "a program", NULL),
	SIGNATURE("\xff\xfe\0\0", 0, "text in UTF-32", "Convert the file to UTF-8 (iconv -f UTF-32 -t UTF-8)."),
	SIGNATURE("\0\0\xfe\xff", 0, "text in UTF-32", "Convert the file to UTF-8 (iconv -f UTF-32 -t UTF-8)."),
	SIGNATURE("\xff\xfe", 0, "text in UTF-16", TO_UTF8),
	SIGNATURE("\xfe\xff", 0, "text in UTF-16", TO_UTF8),
};

/* In UTF-16 every second byte of an ASCII character is 0; the first four bytes are looked at. */
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
	static const file_kind csv = {"CSV", TO_TSV " Or load the file with psql's \\copy ... (FORMAT csv, HEADER)."};
	static const file_kind quoted = {"CSV with tabs, its fields in quotes",
		"Save the fields without quotes, as COPY (FORMAT text, HEADER) does."};
	static const file_kind sql = {"SQL", "Run the file with psql."};
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
