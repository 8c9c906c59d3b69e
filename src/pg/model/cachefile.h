/*
 * cachefile.h - the file through which sessions share one read-only copy of a version's weights or of a text
 * encoder.
 *
 * Name: base/pgsql_tmp/pgsql_tmp.xmcoh.<tablespace>.<database>.<table file>.<sha256>, after the file of the table
 * xmcoh.model_version, which stands for the installed extension, and the hash of the content. PostgreSQL removes files of
 * this prefix when the server starts, also after a crash, and leaves them out of base backups. A file that is missing or
 * damaged is written again from the tables, so no file needs fsync.
 *
 * Verification. The session that writes a file has checked the bytes in full: SHA-256, every tensor, every number. The
 * first session that maps the file verifies the SHA-256 of the mapped bytes. Then it writes a seal beside the file: device,
 * inode, size and times of the verified file. Later sessions compare the seal with the file, and verify the bytes again if
 * the two differ, which also happens once a day. So a first call takes no measurable time more, while one verification of
 * 32 MB takes 16 ms. A session that has mapped the file compares the same values whenever it looks a model up. Not noticed
 * are bytes that change during a statement, and bytes that change on the disk alone, until the next day. A page that cannot
 * be read is an ERROR (mapping.h). The file is read-only, and only the operating-system user of the server can write to it;
 * that user can change the tables as well.
 *
 * When a file is removed:
 * - Its version is dropped or pruned, or its text encoder is dropped: when that transaction commits (xmcoh.sweep_cache),
 *   else by the next sweep.
 * - Its database is dropped: by the next sweep in the server.
 * - Its extension is dropped: by the first sweep in the server after the next checkpoint.
 * - No session has opened it for a week: by the next sweep.
 *
 * A session that writes a cache file sweeps. The seal is removed with its file. A session that has mapped a removed file
 * can read the file until the session's statement ends.
 */
#ifndef XMCOH_PG_CACHEFILE_H
#define XMCOH_PG_CACHEFILE_H

#include "postgres.h"

#include "base/mapping.h"

#define SHA256_DIGITS 64
#define CACHE_DESCRIPTION 160

typedef struct CacheFile
{
	Mapping		mapping;
	char		path[MAXPGPATH];
	char		description[CACHE_DESCRIPTION]; /* identity and times of the file before its bytes were verified */
} CacheFile;

/*
 * Maps the cache file with this SHA-256 (64 hexadecimal digits) and `size` bytes, read-only, and verifies
 * it. `file` must be zeroed and must not move. False when the file is missing or damaged; *damage says what is wrong with a
 * damaged file, else it is NULL. ERROR io_error: see mapping.h.
 */
extern bool xmcoh_cachefile_map(CacheFile *file, const char *sha256, size_t size, const char **damage);

/* A mapped file, for another process: its path, relative to the data directory, and what was verified. */
typedef struct SharedFile
{
	char		path[MAXPGPATH];
	char		description[CACHE_DESCRIPTION];
	size_t		size;
} SharedFile;

/* False: the file is not mapped. */
extern bool xmcoh_cachefile_share(const CacheFile *file, SharedFile *out);

/*
 * Maps a file that another process has mapped and verified. Reads no catalog. `file` must be zeroed and must not move. False when
 * the file is missing, or is not the one that was verified.
 */
extern bool xmcoh_cachefile_map_shared(CacheFile *file, const SharedFile *shared);

/* Whether a mapped file is still the file that was verified. */
extern bool xmcoh_cachefile_is_unchanged(const CacheFile *file);

/* Does nothing if the file is not mapped. Raises no error. */
extern void xmcoh_cachefile_unmap(CacheFile *file);

/*
 * Writes the cache file under a name of this process and renames it. So other sessions see the whole file or none, and a
 * session that has mapped an older file keeps that. False, with a LOG message, when the file cannot be written.
 */
extern bool xmcoh_cachefile_write(const char *sha256, const void *bytes, size_t size);

/*
 * Removes the cache files that are not needed (see above) and returns their number. With `at_commit`, files of this
 * database are removed when this transaction commits. Needs a transaction.
 */
extern int	xmcoh_cachefile_sweep(bool at_commit);

/* The SHA-256 in hexadecimal: SHA256_DIGITS digits and a NUL. */
extern void xmcoh_sha256(const void *bytes, size_t size, char *digits);

/* Whether these bytes have this SHA-256, given in hexadecimal. */
extern bool xmcoh_has_sha256(const void *bytes, size_t size, const char *sha256);

#endif
