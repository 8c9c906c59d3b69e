/* npy.c - reading NumPy's .npy files; see npy.h. The format is NumPy's NEP 1. */
#include "npy.h"
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LONGEST_HEADER 65536
#define MOST_COLUMNS 16384		/* the extension's bound on the dimension of an embedding */

/* IEEE 754 half precision, of which every value is a float. */
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

/* What follows `'key':` in the header's Python dictionary, or NULL. */
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

void
npy_open(npy_file *npy, const char *path)
{
	unsigned char start[12];
	size_t		length,
				header_at;
	char	   *header;
	const char *type,
			   *order,
			   *shape;
	unsigned long long rows,
				columns;
	int			consumed = 0;
	struct stat info;

	*npy = (npy_file) {.path = path};
	npy->file = fopen(path, "rb");
	if (!npy->file)
		die("cannot open %s: %s", path, strerror(errno));
	if (fread(start, 1, 10, npy->file) != 10 || memcmp(start, "\x93NUMPY", 6) != 0)
		die("%s is not a NumPy .npy file", path);
	if (start[6] == 1)
	{
		length = (size_t) start[8] | (size_t) start[9] << 8;
		header_at = 10;
	}
	else
	{
		if (start[6] > 3 || fread(start + 10, 1, 2, npy->file) != 2)
			die("%s: unknown version %d of the .npy format", path, start[6]);
		length = (size_t) start[8] | (size_t) start[9] << 8 | (size_t) start[10] << 16 | (size_t) start[11] << 24;
		header_at = 12;
	}
	if (length > LONGEST_HEADER)
		die("%s: header of %zu bytes is longer than any .npy header of numbers", path, length);
	header = allocate(NULL, length + 1);
	if (fread(header, 1, length, npy->file) != length)
		die("%s ends within its header", path);
	header[length] = '\0';

	type = header_value(header, "descr");
	order = header_value(header, "fortran_order");
	shape = header_value(header, "shape");
	if (type && strncmp(type, "'<f2'", 5) == 0)
		npy->size = 2;
	else if (type && strncmp(type, "'<f4'", 5) == 0)
		npy->size = 4;
	else
		die("%s: numbers must be float16 or float32, little-endian; its header says %.60s", path, type ? type : "nothing");
	if (!order || strncmp(order, "False", 5) != 0)
		die("%s: numbers must be in C order; save numpy.ascontiguousarray(...)", path);
	if (!shape || sscanf(shape, "(%llu, %llu )%n", &rows, &columns, &consumed) != 2 || consumed == 0)
		die("%s: two dimensions wanted (rows, numbers); its header says %.60s", path, shape ? shape : "nothing");
	if (columns < 1 || columns > MOST_COLUMNS)
		die("%s: %llu numbers in a row; between 1 and %d wanted", path, columns, MOST_COLUMNS);
	free(header);
	npy->rows = rows;
	npy->columns = columns;

	/* A pipe has no length to check; its end is noticed when it comes. */
	if (fstat(fileno(npy->file), &info) == 0 && S_ISREG(info.st_mode))
	{
		size_t		wanted,
					body = (size_t) info.st_size - header_at - length;

		if (__builtin_mul_overflow(npy->rows, npy->columns * npy->size, &wanted) || body != wanted)
			die("%s: its header promises %zu rows of %zu numbers, but %zu bytes follow", path, npy->rows, npy->columns, body);
	}
	npy->bytes = allocate(NULL, npy->columns * npy->size);
	npy->values = allocate(NULL, npy->columns * sizeof(float));
}

bool
npy_read_row(npy_file *npy)
{
	if (npy->row == npy->rows)
		return false;
	if (fread(npy->bytes, npy->size, npy->columns, npy->file) != npy->columns)
		die("%s ends within row %zu", npy->path, npy->row + 1);
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
			die("%s: number %zu of row %zu is not finite", npy->path, k + 1, npy->row);
	}
	return true;
}

void
npy_close(npy_file *npy)
{
	fclose(npy->file);
	free(npy->bytes);
	free(npy->values);
}
