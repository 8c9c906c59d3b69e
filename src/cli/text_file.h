/* text_file.h - reads a text file by lines, plain or gzipped; whatever is wrong with the file ends the program with a message */
#ifndef XMCOH_CLI_TEXT_FILE_H
#define XMCOH_CLI_TEXT_FILE_H

#include "buffer.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct text_file text_file;

/* Opens a file, "-" is standard input. One that seems to be no text is an error that says what it seems to be. */
extern text_file *text_file_open(const char *path);

/*
 * Reads one line without its end (LF or CRLF) into `line`, terminated; false at the end of the file. An error: a gzipped file that
 * is cut short or damaged, or that something else follows; a file that somebody has written to since it was opened.
 */
extern bool text_file_read_line(text_file *in, buffer *line);

/* The number of the line last read, in the file: the first is 1. */
extern size_t text_file_line(const text_file *in);

extern void text_file_close(text_file *in);

#endif
