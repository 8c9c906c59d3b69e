/*
 * csv.h - reads a CSV file (RFC 4180) as spreadsheets write it: in UTF-8, with or without byte order mark, lines ending in
 * LF or CRLF, fields separated by commas, semicolons or tabs. Every error ends the program with a message that names the
 * line.
 */
#ifndef XMCOH_CLI_CSV_H
#define XMCOH_CLI_CSV_H

#include "text_file.h"

typedef struct csv_file
{
	const char *path;
	text_file  *text;
	char		separator;
	size_t		row;			/* the last row; the first one of the file has number 1 */
	size_t		line;			/* on which the last row begins; a quoted field may have several lines */
	int			fields;			/* of the last row */
	size_t	   *start;			/* (capacity) where each field begins in `bytes`; a NUL ends the field */
	int			capacity;
	PQExpBufferData bytes;		/* fields of the last row */
	PQExpBufferData current;	/* the last line */
} csv_file;

/* Opens a file and reads the first row, which shows the separator: the one of the three that gives most fields. */
extern void csv_open(csv_file *csv, const char *path);

/* Reads the next row that is not an empty line. Returns false at the end of the file. */
extern bool csv_read_row(csv_file *csv);

/* A field of the last row, from 0. A field after the last one is empty. */
extern const char *csv_field(const csv_file *csv, int field);

extern void csv_close(csv_file *csv);

#endif
