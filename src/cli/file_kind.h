/*
 * file_kind.h - recognises file formats that the client does not read (images, archives, spreadsheets, CSV, JSON, ...),
 * so that an error message can name the format of a wrong file.
 */
#ifndef XMCOH_CLI_FILE_KIND_H
#define XMCOH_CLI_FILE_KIND_H

#include <stddef.h>

#define FILE_KIND_BYTES 512		/* as many bytes from the start of a file suffice */

typedef struct file_kind
{
	const char *name;			/* "a PNG image" */
	const char *advice;			/* a sentence: what the user can do; or NULL */
} file_kind;

/* Recognises a binary format, or text in UTF-16 or UTF-32, by the first bytes of the file. NULL: no known format. */
extern const file_kind *binary_kind(const unsigned char *start, size_t length);

/* Recognises text that is not tab-separated by its first line, which ends in a NUL. NULL: no known format. */
extern const file_kind *text_kind(const char *line);

#endif
