/*
 * csv.c - splits the rows of a CSV file into fields; see csv.h
 *
 * The server's COPY (FORMAT csv) reads CSV, too. COPY does not keep the line of a row that it could read, needs to be told
 * the separator, and needs the privilege to create a temporary table, which a reviewer may lack. So rows are split here.
 */
#include "csv.h"
#include "cli.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST_ROW ((size_t) 16 << 20)

static const file_kind csv_kind = {"CSV", "In the spreadsheet, save the sheet as \"CSV UTF-8\"."};

/* The number of bytes of a valid UTF-8 character; 0: the bytes are not one. A NUL ends `s`. */
static size_t
utf8_length(const unsigned char *s)
{
	size_t		length = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	for (size_t k = 1; k < length; k++)
		if ((s[k] & 0xc0) != 0x80)
			return 0;
	/* overlong forms, surrogates, and what lies above U+10FFFF */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
		(s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return length;
}

/* Reads the next line into csv->current, and checks that the line is text. */
static bool
read_line(csv_file *csv)
{
	PQExpBufferData *line = &csv->current;
	size_t		at = 0;
	size_t		length = 1;

	if (!text_file_read_line(csv->text, line))
		return false;
	if (text_file_line(csv->text) == 1 && strncmp(line->data, "\xef\xbb\xbf", 3) == 0)
		memmove(line->data, line->data + 3, (line->len -= 3) + 1);	/* byte order mark */
	if (strlen(line->data) != line->len)
		die("file \"%s\", line %zu: the line has a NUL byte", csv->path, text_file_line(csv->text));
	while (at < line->len && (length = utf8_length((const unsigned char *) line->data + at)) > 0)
		at += length;
	if (length == 0)
		die("file \"%s\", line %zu: byte %zu of the line is not UTF-8" HINT "%s", csv->path, text_file_line(csv->text),
			at + 1, csv_kind.advice);
	return true;
}

static void
begin_field(csv_file *csv)
{
	if (csv->fields == csv->capacity)
		csv->start = allocate(csv->start, (size_t) (csv->capacity = csv->capacity * 2 + 16) * sizeof *csv->start);
	csv->start[csv->fields++] = csv->bytes.len;
}

/*
 * Appends a quoted field, which begins after the quote at `at`, and may go on over several lines. Returns the position
 * after the closing quote, in csv->current.
 */
static const char *
take_quoted(csv_file *csv, const char *at)
{
	for (at++;;)
	{
		size_t		length = strcspn(at, "\"");

		appendBinaryPQExpBuffer(&csv->bytes, at, length);
		at += length;
		if (at[0] == '"' && at[1] == '"')
		{
			appendPQExpBufferChar(&csv->bytes, '"');
			at += 2;
			continue;
		}
		if (at[0] == '"')
			return at + 1;
		appendPQExpBufferChar(&csv->bytes, '\n');
		check_buffer(&csv->bytes);
		if (csv->bytes.len > LONGEST_ROW || !read_line(csv))
			die("file \"%s\", line %zu: a quoted field of the row that begins here is not closed", csv->path, csv->line);
		at = csv->current.data;
	}
}

/* Splits the row that begins with the line in csv->current. */
static void
split_row(csv_file *csv)
{
	const char	special[] = {csv->separator, '"', '\r', '\0'};
	const char *at = csv->current.data;

	csv->fields = 0;
	resetPQExpBuffer(&csv->bytes);
	for (;;)
	{
		size_t		length = 0;

		begin_field(csv);
		if (*at == '"')
			at = take_quoted(csv, at);
		else
			length = strcspn(at, special);
		appendBinaryPQExpBuffer(&csv->bytes, at, length);
		appendPQExpBufferChar(&csv->bytes, '\0');
		check_buffer(&csv->bytes);
		at += length;
		if (*at == '\0')
			return;
		if (*at == '\r')
			die("file \"%s\", line %zu: a carriage return stands outside of quotes"
				HINT "If the lines end in CR alone, convert them (tr '\\r' '\\n').", csv->path, text_file_line(csv->text));
		if (*at == '"')
			die("file \"%s\", line %zu: field %d has a quote but does not begin with one", csv->path,
				text_file_line(csv->text), csv->fields);
		if (*at != csv->separator)
			die("file \"%s\", line %zu: field %d goes on after its closing quote", csv->path, text_file_line(csv->text),
				csv->fields);
		at++;
	}
}

/* The separator outside of quotes that stands most often in a line. */
static char
most_frequent_separator(const char *line)
{
	static const char separators[] = ",;\t";
	size_t		count[3] = {0};
	int			best = 0;
	bool		quoted = false;

	for (; *line; line++)
	{
		const char *found = quoted ? NULL : strchr(separators, *line);

		quoted ^= *line == '"';
		if (found)
			count[found - separators]++;
	}
	for (int k = 1; k < 3; k++)
		best = count[k] > count[best] ? k : best;
	return separators[best];
}

void
csv_open(csv_file *csv, const char *path)
{
	memset(csv, 0, sizeof *csv);
	csv->path = path;
	csv->text = text_file_open(path, &csv_kind);
	initPQExpBuffer(&csv->bytes);
	initPQExpBuffer(&csv->current);
	if (!read_line(csv))
		die("file \"%s\" is empty" HINT "The first line must name the columns.", path);
	csv->row = csv->line = 1;
	csv->separator = most_frequent_separator(csv->current.data);
	split_row(csv);
}

bool
csv_read_row(csv_file *csv)
{
	do
	{
		if (!read_line(csv))
			return false;
		csv->row++;
	} while (csv->current.len == 0);
	csv->line = text_file_line(csv->text);
	split_row(csv);
	return true;
}

const char *
csv_field(const csv_file *csv, int field)
{
	return field < csv->fields ? csv->bytes.data + csv->start[field] : "";
}

void
csv_close(csv_file *csv)
{
	text_file_close(csv->text);
	termPQExpBuffer(&csv->bytes);
	termPQExpBuffer(&csv->current);
	free(csv->start);
}
