/*
 * cachefile.h - the file through which sessions share one read-only copy of a model version's weights.
 *
 * base/pgsql_tmp/pgsql_tmp.xmcoh.<sha256>: PostgreSQL removes such files when the server starts and leaves them out
 * of base backups, so nothing here is ever precious: a file that is missing, or does not look right, is written again
 * from the table.
 *
 * Trust: the bytes are checked in full (SHA-256, every tensor, every number) by the session that writes the file; one
 * that maps it later checks its size and its whole header, but not 30 MB of numbers. The file lies in the data
 * directory with the server's file mode: whoever can change it can change the tables as well.
 */
#ifndef XMCOH_CACHEFILE_H
#define XMCOH_CACHEFILE_H

#include "postgres.h"

/*
 * Maps the cache file of `sha256` (64 hexadecimal digits) read-only; NULL when it is missing or its size is not
 * `size`. The caller gives it back by munmap. Raises nothing.
 */
extern void *xmcoh_cachefile_map(const char *sha256, size_t size);

/*
 * Writes the cache file: under a name of this process first, then renamed, so that others see all of it or nothing,
 * and an older file stays whole for who has it mapped. False, with a LOG message, when the disk does not take it. As
 * it goes it removes the cache files of versions that no session has opened for a week.
 */
extern bool xmcoh_cachefile_write(const char *sha256, const void *bytes, size_t size);

#endif
