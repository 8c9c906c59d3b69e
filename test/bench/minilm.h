/*
 * minilm.h - for programs under test/bench that time a text encoder of MiniLM's shape with random weights
 */
#ifndef MINILM_H
#define MINILM_H

#include "../encoder/published.h"
#include "../openblas.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DIM 384
#define LAYERS 6
#define TOKENS 20				/* of a text */

static const published_shape minilm = {.dim = DIM,.layers = LAYERS,.heads = 12,.wide = 4 * DIM,.words = 996,.positions = 512,
.prefix = "",.seed = 1};

/* Seconds of processor time. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void
must(bool condition, const xmc_ctx *ctx)
{
	if (condition)
		return;
	fprintf(stderr, "text encoder: %s\n", ctx->message);
	exit(1);
}

static void
write_file(const char *folder, const char *name, const void *bytes, size_t size)
{
	char		path[4096];
	FILE	   *file;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	file = fopen(path, "wb");
	if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
	{
		perror(path);
		exit(1);
	}
}

#endif
