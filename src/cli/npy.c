/* npy.c - reads NumPy's .npy files (the format is NumPy's NEP 1); see npy.h */
#include "npy.h"
#include "cli.h"
#include "file_kind.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_HEADER 65536
#define MOST_COLUMNS 16384		/* the extension's limit for the dimension of an embedding */

/* Converts a number of IEEE 754 half precision. Every such number has an exact float. */
static float
half_to_float(uint16_t half)
{
	int			exponent = (half >> 10) & 31;
	float		fraction = (float) (half & 1023) / 1024.0f;
	float		magnitude;

	if (exponent == 31)
		magnitude = fraction == 0.0f ? INFINITY : NAN;
	else if (exponent == 0)
		magnitude = ldexpf(fraction, -14);
	else
		magnitude = ldexpf(1.0f + fraction, exponent - 15);
	return half & 0x8000 ? -magnitude : magnitude;
}

/* Returns the value of a key in the header, a Python dictionary as text; NULL: there is no such key. */
static const char *
header_value(const char *header, const char *key)
{
	char		quoted[32];
	const char *found;

	snprintf(quoted, sizeof quoted, "'%s'", key);
	found = strstr(header, quoted);
	if (!found)
		return NULL;
	found += strlen(quoted);
	while (*found == ' ' || *found == ':')
		found++;
	return found;
}

/* Reads the magic string, the version and the length of the header, and returns the length. */
static size_t
read_start(input *file)
{
	unsigned char start[FILE_KIND_BYTES];
	size_t		got = input_read(file, start, 10);
	size_t		size = 2;		/* bytes of the header's length */
	size_t		length = 0;

	if (got < 10 || memcmp(start, "\x93NUMPY", 6) != 0)
	{
		const file_kind *kind;

		got += input_read(file, start + got, sizeof start - got);
		kind = binary_kind(start, got);
		die("file \"%s\" is not a NumPy .npy file%s%s", file->path,
			kind ? ", it seems to be " : got == 0 ? ", it is empty" : got < 10 ? ", it is too short" : "", kind ? kind->name : "");
	}
	if (start[6] < 1 || start[6] > 3)
		die("file \"%s\" has an unknown version of the .npy format: %d", file->path, start[6]);
	if (start[6] > 1)
	{
		size = 4;
		if (input_read(file, start + 10, 2) != 2)
			die("file \"%s\" ends within its header", file->path);
	}
	for (size_t k = 0; k < size; k++)
		length |= (size_t) start[8 + k] << 8 * k;
	if (length > LONGEST_HEADER)
		die("file \"%s\" has a header of %zu bytes, the limit is %d", file->path, length, LONGEST_HEADER);
	return length;
}

void
npy_open(npy_file *npy, const char *path)
{
	size_t		length,
				wanted;
	char	   *header;
	const char *type,
			   *order,
			   *shape;
	unsigned long long rows,
				columns;
	int			consumed = 0;

	*npy = (npy_file) {0};
	input_open(&npy->file, path);
	length = read_start(&npy->file);
	header = allocate(NULL, length + 1);
	if (input_read(&npy->file, header, length) != length)
		die("file \"%s\" ends within its header", path);
	header[length] = '\0';

	type = header_value(header, "descr");
	order = header_value(header, "fortran_order");
	shape = header_value(header, "shape");
	if (type && strncmp(type, "'<f2'", 5) == 0)
		npy->size = 2;
	else if (type && strncmp(type, "'<f4'", 5) == 0)
		npy->size = 4;
	else
		die("file \"%s\" does not hold little-endian float16 or float32 numbers, its header says %.60s", path,
			type ? type : "nothing");
	if (!order || strncmp(order, "False", 5) != 0)
		die("file \"%s\" is not in C order" HINT "Save numpy.ascontiguousarray(...).", path);
	if (!shape || sscanf(shape, "(%llu, %llu )%n", &rows, &columns, &consumed) != 2 || consumed == 0)
		die("file \"%s\" does not hold an array of two dimensions, its header says %.60s", path, shape ? shape : "nothing");
	if (columns < 1 || columns > MOST_COLUMNS)
		die("file \"%s\" has %llu numbers in a row, not between 1 and %d", path, columns, MOST_COLUMNS);
	free(header);
	npy->rows = rows;
	npy->columns = columns;

	/* A pipe has no length: npy_read_row finds its end. */
	if (npy->file.left != SIZE_MAX &&
		(__builtin_mul_overflow(npy->rows, npy->columns * npy->size, &wanted) || npy->file.left != wanted))
		die("file \"%s\" has %zu bytes after its header, which says %zu rows of %zu numbers", path, npy->file.left, npy->rows,
			npy->columns);
	npy->bytes = allocate(NULL, npy->columns * npy->size);
	npy->values = allocate(NULL, npy->columns * sizeof(float));
}

bool
npy_read_row(npy_file *npy)
{
	size_t		size = npy->columns * npy->size;

	if (npy->row == npy->rows)
	{
		if (input_read(&npy->file, npy->bytes, 1) != 0)
			die("file \"%s\" goes on after the %zu rows that its header says", npy->file.path, npy->rows);
		input_end(&npy->file);
		return false;
	}
	if (input_read(&npy->file, npy->bytes, size) != size)
		die("file \"%s\" ends within row %zu of %zu", npy->file.path, npy->row + 1, npy->rows);
	npy->row++;
	for (size_t k = 0; k < npy->columns; k++)
	{
		const unsigned char *b = npy->bytes + k * npy->size;

		if (npy->size == 2)
			npy->values[k] = half_to_float((uint16_t) (b[0] | b[1] << 8));
		else
		{
			uint32_t	bits = (uint32_t) b[0] | (uint32_t) b[1] << 8 | (uint32_t) b[2] << 16 | (uint32_t) b[3] << 24;

			memcpy(&npy->values[k], &bits, sizeof bits);
		}
		if (!isfinite(npy->values[k]))
			die("file \"%s\": number %zu of row %zu is not finite", npy->file.path, k + 1, npy->row);
	}
	return true;
}

void
npy_close(npy_file *npy)
{
	input_close(&npy->file);
	free(npy->bytes);
	free(npy->values);
}
