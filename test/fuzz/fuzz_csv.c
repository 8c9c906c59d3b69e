/*
 * fuzz_csv.c - arbitrary bytes as a CSV file: every field is UTF-8 text within its row, the numbers of rows and lines grow, and
 * the fields, written in quotes, are read back as they are; or there is a message.
 */
#define _GNU_SOURCE
#include "fuzz_client.h"

static const char *bytes;
static size_t n_bytes;

#define fopen(path, mode) file_of(bytes, n_bytes)
#include "../../src/cli/input.c"
#include "../../src/cli/file_kind.c"
#include "../../src/cli/text_file.c"
#include "../../src/cli/csv.c"
#undef fopen

/* ---- what csv.c uses of the client ---- */

static text_file *opened;		/* the first that csv.c allocates */

void *
allocate(void *old, size_t size)
{
	void	   *pointer = realloc(old, size);

	MUST(pointer != NULL);
	if (opened == NULL)
		opened = pointer;
	return pointer;
}

void
check_buffer(const PQExpBufferData *buffer)
{
	MUST(!PQExpBufferBroken(buffer));
}

/* ---- reading and writing ---- */

/* Appends the row, every field in quotes. A carriage return may go with the end of a line. */
static void
append_row(PQExpBuffer out, const csv_file *csv)
{
	for (int f = 0; f < csv->fields; f++)
	{
		appendPQExpBufferStr(out, f > 0 ? ",\"" : "\"");
		for (const char *c = csv_field(csv, f); *c; c++)
		{
			if (*c != '\r')
				appendPQExpBufferChar(out, *c);
			if (*c == '"')
				appendPQExpBufferChar(out, '"');
		}
		appendPQExpBufferChar(out, '"');
	}
	appendPQExpBufferChar(out, '\n');
}

static void
check_row(const csv_file *csv)
{
	size_t		at = 0;

	MUST(csv->fields > 0);
	for (int f = 0; f < csv->fields; f++)
	{
		MUST(csv->start[f] == at);
		for (const char *c = csv_field(csv, f); *c; c += utf8_length((const unsigned char *) c))
			MUST(utf8_length((const unsigned char *) c) > 0);
		at += strlen(csv_field(csv, f)) + 1;
	}
	MUST(at == csv->bytes.len && *csv_field(csv, csv->fields) == '\0');
}

static csv_file csv;

/* Reads all rows and appends them to `out`. Returns false if the program ended with a message. */
static bool
read_rows(PQExpBuffer out)
{
	size_t		row = 0;
	size_t		line = 0;

	opened = NULL;
	memset(&csv, 0, sizeof csv);
	if (setjmp(program_ends) != 0)
	{
		/* what the program leaves to the exit of its process */
		if (csv.text)
			csv_close(&csv);
		else if (opened)
			text_file_close(opened);
		return false;
	}
	csv_open(&csv, "answers.csv");
	do
	{
		MUST(csv.row > row && csv.line > line);
		row = csv.row;
		line = csv.line;
		check_row(&csv);
		append_row(out, &csv);
	} while (csv_read_row(&csv));
	csv_close(&csv);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	PQExpBufferData first,
				second;

	initPQExpBuffer(&first);
	initPQExpBuffer(&second);
	bytes = (const char *) data;
	n_bytes = size;
	if (read_rows(&first) && !binary_kind((const unsigned char *) first.data, first.len))
	{
		bytes = first.data;
		n_bytes = first.len;
		/* a line within the first field may have more semicolons or tabs than the row has commas */
		if (most_frequent_separator(first.data) == ',')
			MUST(read_rows(&second) && strcmp(first.data, second.data) == 0);
	}
	termPQExpBuffer(&first);
	termPQExpBuffer(&second);
	return 0;
}
