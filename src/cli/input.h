/* input.h - a file that is read once, from its start to its end; whatever goes wrong ends the program with a message */
#ifndef XMCOH_CLI_INPUT_H
#define XMCOH_CLI_INPUT_H

#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

typedef struct input
{
	const char *path;
	FILE	   *file;
	struct stat opened;			/* as it was when it was opened */
	size_t		left;			/* bytes that are still to be read; SIZE_MAX: not known, a pipe has no length */
} input;

/* "-" is standard input. A pipe will do, a folder will not. */
extern void input_open(input *in, const char *path);

/*
 * Reads as many bytes as there are, at most `size`; fewer only at the end of the file, which is where it was when the file was
 * opened.
 */
extern size_t input_read(input *in, void *bytes, size_t size);

/* To be called at the end: a file that somebody has written to meanwhile was read in part in one state, in part in another. */
extern void input_end(input *in);

extern void input_close(input *in);

#endif
