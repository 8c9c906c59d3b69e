/*
 * fuzz.h - what the fuzzers share. Each is a libFuzzer target: clang -fsanitize=fuzzer,address,undefined.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "xmcoh/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Called once, before the first input. */
extern int	LLVMFuzzerInitialize(int *argc, char ***argv);

/* libFuzzer's own mutation, and the hook for a target's own mutator. */
extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);
extern size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed);

/* A condition that must hold, in a build with and without NDEBUG. */
#define MUST(condition) \
	do { if (!(condition)) { fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); abort(); } } while (0)

/* A copy of exactly this size, so that a read past its end is detected; aligned as by malloc. */
static inline void *
fuzz_copy(const void *data, size_t size)
{
	void	   *copy = malloc(size ? size : 1);

	MUST(copy != NULL);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

#endif
