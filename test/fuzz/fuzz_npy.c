/*
 * fuzz_npy.c - arbitrary bytes as a NumPy file or, where the first byte is odd, as the output of a pipe: every row consists of finite
 * numbers, or there is a message.
 */
#define _GNU_SOURCE
#include "fuzz_client.h"

#include <math.h>

#include "../../src/cli/npy.h"

static const uint8_t *bytes;
static size_t n_bytes;
static bool is_pipe;
static FILE *opened;

/* A regular file has a length; this one has none, like a pipe. */
static FILE *
open_bytes(void)
{
	opened = is_pipe ? fmemopen((void *) bytes, n_bytes, "rb") : file_of(bytes, n_bytes);
	MUST(opened != NULL);
	return opened;
}

static void *allocated[16];		/* NULL: freed */
static int	n_allocated;

static void
give_back(void *pointer)
{
	int			k = 0;

	while (k < n_allocated && allocated[k] != pointer)
		k++;
	MUST(k < n_allocated);
	allocated[k] = NULL;
	free(pointer);
}

#define fopen(path, mode) open_bytes()
#define free give_back
#include "../../src/cli/input.c"
#include "../../src/cli/file_kind.c"
#include "../../src/cli/npy.c"
#undef fopen
#undef free

/* ---- what npy.c uses of the client ---- */

void *
allocate(void *old, size_t size)
{
	void	   *pointer = malloc(size);

	MUST(old == NULL && pointer != NULL && n_allocated < 16);
	allocated[n_allocated++] = pointer;
	return pointer;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	npy_file	npy;
	size_t		rows = 0;

	if (size < 2)
		return 0;				/* fmemopen refuses an empty buffer */
	is_pipe = data[0] & 1;
	bytes = data + 1;
	n_bytes = size - 1;
	opened = NULL;
	n_allocated = 0;
	if (setjmp(program_ends) == 0)
	{
		npy_open(&npy, "photos.npy");
		while (npy_read_row(&npy))
		{
			for (size_t k = 0; k < npy.columns; k++)
				MUST(isfinite(npy.values[k]));
			rows++;
		}
		MUST(rows == npy.rows && rows * npy.columns * npy.size <= n_bytes);
		npy_close(&npy);
		for (int k = 0; k < n_allocated; k++)
			MUST(allocated[k] == NULL);
		return 0;
	}
	/* what the program leaves to the exit of its process */
	fclose(opened);
	for (int k = 0; k < n_allocated; k++)
		free(allocated[k]);
	return 0;
}
