/*
 * input.h - a file or pipe that is read once, from the start to the end. Every error ends the program with a message,
 * also when somebody writes to the file while it is read.
 */
#ifndef XMCOH_CLI_INPUT_H
#define XMCOH_CLI_INPUT_H

#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

typedef struct input
{
	const char *path;
	FILE	   *file;
	struct stat opened;			/* state of the file when it was opened */
	size_t		left;			/* bytes still to be read; SIZE_MAX: unknown, as of a pipe */
} input;

/* Opens a file or pipe. The path "-" is standard input. A folder is an error. */
extern void input_open(input *in, const char *path);

/*
 * Reads `size` bytes, fewer only at the end of the file. The end is the length that the file had when it was opened.
 * Returns the number of bytes.
 */
extern size_t input_read(input *in, void *bytes, size_t size);

/* Call this at the end of the file: it ends the program when somebody has written to the file since it was opened. */
extern void input_end(input *in);

extern void input_close(input *in);

#endif
