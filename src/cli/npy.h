/* npy.h - reads NumPy's .npy files row by row: two dimensions, C order, float16 or float32, little-endian */
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
	size_t		size;			/* bytes of a number: 2 or 4 */
	size_t		row;			/* rows read so far */
	unsigned char *bytes;		/* (columns * size), the row last read */
	float	   *values;			/* (columns), the same as numbers */
} npy_file;

/* Opens a file and checks its header and length; ends the program with a message when it is not usable. */
extern void npy_open(npy_file *npy, const char *path);

/*
 * Reads the next row into npy->values; false after the last. Ends the program on a number that is not finite, and when the file
 * ends early or goes on after its last row.
 */
extern bool npy_read_row(npy_file *npy);

extern void npy_close(npy_file *npy);

#endif
