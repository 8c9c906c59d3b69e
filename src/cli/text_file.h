/*
 * text_file.h - reads a text file line by line, plain or gzipped. Every error ends the program with a message: a wrong
 * format, a gzipped file that is cut short or damaged, bytes after the gzipped data, a file that was changed while it
 * was read.
 */
#ifndef XMCOH_CLI_TEXT_FILE_H
#define XMCOH_CLI_TEXT_FILE_H

#include "buffer.h"
#include "file_kind.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct text_file text_file;

/*
 * Opens a file. The path "-" is standard input. A file of a known binary format is an error, whose message names `wanted`;
 * the advice of `wanted` replaces that of the other format.
 */
extern text_file *text_file_open(const char *path, const file_kind *wanted);

/* Reads one line into `line`, without its end (LF or CRLF). Returns false at the end of the file. */
extern bool text_file_read_line(text_file *in, PQExpBuffer line);

/* The number of the last line that was read. The first line has number 1. */
extern size_t text_file_line(const text_file *in);

extern void text_file_close(text_file *in);

/* Ends the program: the file is not of the wanted kind but of another. */
extern void refuse_kind(const char *path, bool gzipped, const file_kind *kind, const file_kind *wanted)
			__attribute__((noreturn));

#endif
