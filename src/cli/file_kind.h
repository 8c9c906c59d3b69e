/* file_kind.h - what a file that is not what it should be seems to be, so that the error can say so */
#ifndef XMCOH_CLI_FILE_KIND_H
#define XMCOH_CLI_FILE_KIND_H

#include <stddef.h>

#define FILE_KIND_BYTES 512		/* of a file's start are looked at */

typedef struct file_kind
{
	const char *name;			/* "a PNG image" */
	const char *advice;			/* what to do with it, or NULL */
} file_kind;

/* By a file's first bytes: a binary format, or text in UTF-16 or UTF-32. NULL: none that is known. */
extern const file_kind *binary_kind(const unsigned char *start, size_t length);

/* By a terminated first line: text that is not tab-separated. NULL: none that is known. */
extern const file_kind *text_kind(const char *line);

#endif
