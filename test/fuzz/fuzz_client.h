/*
 * fuzz_client.h - what the fuzzers of the client's readers share: bytes as a regular file, and a program that ends without ending
 * the process.
 */
#ifndef FUZZ_CLIENT_H
#define FUZZ_CLIENT_H

#include "fuzz.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../src/cli/cli.h"

/* A new regular file with these bytes, open for reading. */
static inline FILE *
file_of(const void *bytes, size_t size)
{
	int			fd = memfd_create("fuzz", 0);

	MUST(fd >= 0 && write(fd, bytes, size) == (ssize_t) size && lseek(fd, 0, SEEK_SET) == 0);
	return fdopen(fd, "rb");
}

static jmp_buf program_ends;	/* where `die` goes */

/* In place of the client's own function. */
void
die(const char *format,...)
{
	char		message[1024];
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	MUST(message[0] != '\0');
	longjmp(program_ends, 1);
}

#endif
