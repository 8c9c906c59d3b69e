/* cachefile.c - one copy of a version's weights for all sessions; see cachefile.h */
#include "cachefile.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#define CACHE_DIRECTORY "base/" PG_TEMP_FILES_DIR
#define CACHE_PREFIX PG_TEMP_FILE_PREFIX ".xmcoh."
#define CACHE_KEEP_SECONDS (7 * 24 * 3600)
#define WRITE_CHUNK ((size_t) 1 << 20)

static void
cache_path(char *path, const char *sha256)
{
	snprintf(path, MAXPGPATH, "%s/%s%s", CACHE_DIRECTORY, CACHE_PREFIX, sha256);
}

void *
xmcoh_cachefile_map(const char *sha256, size_t size)
{
	char		path[MAXPGPATH];
	struct stat st;
	void	   *bytes = MAP_FAILED;
	int			fd;

	cache_path(path, sha256);
	fd = BasicOpenFile(path, O_RDONLY | PG_BINARY);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t) st.st_size == size && size > 0)
		bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED)
		return NULL;
	(void) utimensat(AT_FDCWD, path, NULL, 0);	/* "opened now", for remove_old_files */
	return bytes;
}

/* Mapped files stay readable for who has them; others come back from the table when somebody asks for them. */
static void
remove_old_files(void)
{
	DIR		   *directory = AllocateDir(CACHE_DIRECTORY);
	struct dirent *entry;
	time_t		oldest = time(NULL) - CACHE_KEEP_SECONDS;

	if (directory == NULL)
		return;
	while ((entry = ReadDirExtended(directory, CACHE_DIRECTORY, LOG)) != NULL)
	{
		char		path[MAXPGPATH * 2];
		struct stat st;

		if (strncmp(entry->d_name, CACHE_PREFIX, strlen(CACHE_PREFIX)) != 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", CACHE_DIRECTORY, entry->d_name);
		if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_mtime < oldest)
			(void) unlink(path);
	}
	FreeDir(directory);
}

static bool
write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0)
	{
		ssize_t		written;

		errno = 0;
		written = write(fd, bytes, Min(size, WRITE_CHUNK));
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
		{
			if (errno == 0)
				errno = ENOSPC;
			return false;
		}
		bytes += written;
		size -= (size_t) written;
	}
	return true;
}

bool
xmcoh_cachefile_write(const char *sha256, const void *bytes, size_t size)
{
	char		path[MAXPGPATH];
	char		draft[MAXPGPATH + 16];
	bool		written;
	int			fd;
	int			saved_errno;

	cache_path(path, sha256);
	snprintf(draft, sizeof draft, "%s.%d", path, MyProcPid);
	fd = BasicOpenFile(draft, O_RDWR | O_CREAT | O_TRUNC | PG_BINARY);
	if (fd < 0 && errno == ENOENT)
	{
		/* PostgreSQL too makes this directory only when it is first needed. */
		(void) MakePGDirectory(CACHE_DIRECTORY);
		fd = BasicOpenFile(draft, O_RDWR | O_CREAT | O_TRUNC | PG_BINARY);
	}
	written = fd >= 0 && write_all(fd, bytes, size);
	saved_errno = errno;
	if (fd >= 0 && close(fd) != 0 && written)
	{
		saved_errno = errno;
		written = false;
	}
	if (written && rename(draft, path) != 0)
	{
		saved_errno = errno;
		written = false;
	}
	if (!written)
	{
		if (fd >= 0)
			(void) unlink(draft);
		errno = saved_errno;
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write cache file \"%s\": %m", path),
				 errdetail("This session keeps a private copy of the weights, %zu bytes.", size)));
		return false;
	}
	remove_old_files();
	return true;
}
