/* input.c - reads a file or pipe once and notices writes by others; see input.h */
#include "input.h"
#include "cli.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

void
input_open(input *in, const char *path)
{
	in->path = path;
	in->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	if (!in->file)
		die("could not open file \"%s\": %s", path, strerror(errno));
	if (fstat(fileno(in->file), &in->opened) != 0)
		in->opened.st_mode = 0;	/* read the file as a pipe */
	in->left = SIZE_MAX;
	if (S_ISREG(in->opened.st_mode))
	{
		off_t		at = ftello(in->file);	/* the shell may have read a part of standard input */

		in->left = at < in->opened.st_size ? (size_t) (in->opened.st_size - at) : 0;
	}
	if (S_ISDIR(in->opened.st_mode))
		die("could not read \"%s\": it is a folder", path);
}

size_t
input_read(input *in, void *bytes, size_t size)
{
	size_t		got;

	if (size > in->left)
		size = in->left;
	got = fread(bytes, 1, size, in->file);
	if (got < size && ferror(in->file))
		die("could not read file \"%s\": %s", in->path, strerror(errno));
	if (in->left != SIZE_MAX)
		in->left -= got;
	return got;
}

void
input_end(input *in)
{
	struct stat now;

	if (!S_ISREG(in->opened.st_mode))
		return;
	if (fstat(fileno(in->file), &now) != 0)
		die("could not read file \"%s\": %s", in->path, strerror(errno));
	if (now.st_size != in->opened.st_size || now.st_mtim.tv_sec != in->opened.st_mtim.tv_sec ||
		now.st_mtim.tv_nsec != in->opened.st_mtim.tv_nsec)
		die("file \"%s\" was changed while it was read", in->path);
}

void
input_close(input *in)
{
	if (in->file != stdin)
		fclose(in->file);
}
