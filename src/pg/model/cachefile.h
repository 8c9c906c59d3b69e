/*
 * cachefile.h - the file through which sessions share one read-only copy of a model version's weights.
 *
 * base/pgsql_tmp/pgsql_tmp.xmcoh.<tablespace>.<database>.<table file>.<sha256>: named by the file of the table that the
 * weights come from and by their hash. PostgreSQL removes files of this prefix when the server starts, also after a
 * crash, and leaves them out of base backups. So nothing here is ever precious and nothing needs fsync: a file that is
 * missing or damaged is written again from the table.
 *
 * Trust. The session that writes the file has checked the bytes in full (SHA-256, every tensor, every number). Whoever
 * maps it first verifies the SHA-256 of what the file gives and writes a seal beside it: device, inode, size and times
 * of the file that was verified. Whoever maps it later compares these and verifies again when they differ, which also
 * happens once a day. So a first call costs nothing more that can be measured, while each verification of 32 MB takes
 * 16 ms. A session that has it mapped compares them whenever it looks a model up, at the latest with the next statement.
 * What remains is bytes that change while a statement runs, or within a day on the disk alone; a page that is gone is an
 * ERROR (mapping.h). The file is read-only, and only the server's operating-system user can write it: who means harm can
 * change the tables as well.
 *
 * When a file goes:
 * - its version is dropped or pruned: when that transaction commits (xmcoh.sweep_cache), else by the next sweep
 * - its database is dropped: by the next sweep in the server
 * - its extension is dropped: by the first sweep in the server after the next checkpoint
 * - no session has opened it for a week: by the next sweep
 * Whoever writes a cache file sweeps. The seal goes with its file. A file that is removed stays readable for who has it
 * mapped, until the statement ends.
 */
#ifndef XMCOH_CACHEFILE_H
#define XMCOH_CACHEFILE_H

#include "postgres.h"

#include "base/mapping.h"

#define SHA256_DIGITS 64
#define CACHE_DESCRIPTION 160

typedef struct CacheFile
{
	Mapping		mapping;
	char		path[MAXPGPATH];
	char		description[CACHE_DESCRIPTION]; /* of the file when its bytes were verified */
} CacheFile;

/*
 * Maps the cache file of `sha256` (64 hexadecimal digits), whose weights have `size` bytes, read-only and verifies it.
 * `file` must be zeroed and must not move. False when it is missing, or damaged: then *damage says how, else it is NULL.
 * ERROR io_error: mapping.h.
 */
extern bool xmcoh_cachefile_map(CacheFile *file, const char *sha256, size_t size, const char **damage);

/* Whether a mapped file is still the one that was verified. */
extern bool xmcoh_cachefile_is_unchanged(const CacheFile *file);

/* Does nothing for one that is not mapped. Raises nothing. */
extern void xmcoh_cachefile_unmap(CacheFile *file);

/*
 * Writes the cache file: under a name of this process first, then renamed, so that others see all of it or nothing,
 * and an older file stays whole for who has it mapped. False, with a LOG message, when the disk does not take it.
 */
extern bool xmcoh_cachefile_write(const char *sha256, const void *bytes, size_t size);

/*
 * Removes the cache files that nobody needs (see above) and gives their number. With `at_commit` those of this database's
 * versions that are gone stay until this transaction commits. Needs a transaction.
 */
extern int	xmcoh_cachefile_sweep(bool at_commit);

/* Whether the hash of these bytes, in hexadecimal, is this. */
extern bool xmcoh_has_sha256(const void *bytes, size_t size, const char *sha256);

#endif
