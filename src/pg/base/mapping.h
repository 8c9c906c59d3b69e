/*
 * mapping.h - files mapped into this process; a page that cannot be read is an ERROR.
 *
 * Reading a page of a mapped file fails with SIGBUS when the file was truncated or its disk failed. A process that dies of
 * a signal makes the whole server restart. So a signal handler raises an ERROR instead, as PostgreSQL's handler of SIGFPE
 * does. The signal is synchronous: the instruction that reads the page causes it, in code of xmcoh that holds no lock and
 * whose memory an ERROR frees.
 */
#ifndef XMCOH_PG_MAPPING_H
#define XMCOH_PG_MAPPING_H

#include "postgres.h"

typedef struct Mapping
{
	struct Mapping *next;		/* in the list of this process's mappings */
	void	   *bytes;			/* NULL: not mapped */
	size_t		size;
	const char *path;			/* for the error message; must live as long as the mapping */
	bool		is_cache;		/* the file can be written again, so it is removed when a page of it cannot be read */
	bool		is_lost;		/* a page of it could not be read */
} Mapping;

/*
 * Maps the first `size` bytes (> 0) of the open file, which may be closed afterwards. `mapping` must be zeroed, with path
 * and is_cache set, and must not move. False, with errno, when the file cannot be mapped. Reading or writing mapping->bytes
 * may raise ERROR io_error.
 */
extern bool xmcoh_mapping_begin(Mapping *mapping, int fd, size_t size, int protection);

/*
 * How many mappings this process has lost. A caller that keeps pointers into a mapping looks again when the number grows.
 */
extern uint32 xmcoh_lost_mappings(void);

/* Does nothing if the file is not mapped. Raises no error. */
extern void xmcoh_mapping_end(Mapping *mapping);

#endif
