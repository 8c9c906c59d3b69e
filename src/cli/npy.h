/*
 * npy.h - reads NumPy's .npy files row by row: arrays of two dimensions, in C order, of little-endian float16
 * or float32. Every error ends the program with a message.
 */
#ifndef XMCOH_CLI_NPY_H
#define XMCOH_CLI_NPY_H

#include "input.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct npy_file
{
	input		file;
	size_t		rows;
	size_t		columns;
	size_t		size;			/* bytes per number: 2 or 4 */
	size_t		row;			/* rows read so far */
	unsigned char *bytes;		/* (columns * size) the last row, as in the file */
	float	   *values;			/* (columns) the last row */
} npy_file;

/* Opens a file and checks the header, and the length of a regular file. */
extern void npy_open(npy_file *npy, const char *path);

/*
 * Reads the next row into npy->values. Returns false after the last row. Errors: a number that is not finite; a pipe
 * that ends early, or goes on after the last row.
 */
extern bool npy_read_row(npy_file *npy);

extern void npy_close(npy_file *npy);

#endif
