/*
 * mapping.h - a file mapped into this process, whose loss is an error of the statement that reads it.
 *
 * A page of a mapped file that cannot be had, because the file was truncated or its disk failed, is a SIGBUS, and a server
 * process that dies of a signal restarts the whole server. Here it is an ERROR, raised from the signal's handler as
 * PostgreSQL raises floating-point exceptions: the signal comes synchronously, from the instruction that reads the page,
 * so no lock is held and nothing is half done that an error would not clean up.
 */
#ifndef XMCOH_PG_MAPPING_H
#define XMCOH_PG_MAPPING_H

#include "postgres.h"

typedef struct Mapping
{
	struct Mapping *next;		/* of this process's mappings */
	void	   *bytes;			/* NULL: not mapped */
	size_t		size;
	const char *path;			/* named by the error; must live as long as the mapping */
	bool		is_cache;		/* the file can be had again: it is removed when a page of it cannot be read */
	bool		is_lost;		/* a page of it could not be read */
} Mapping;

/*
 * Maps the first `size` bytes (> 0) of the open file, which may be closed afterwards. `mapping` must be zeroed, with path
 * and is_cache set, and must not move. False, with errno, when it cannot be mapped. Whoever reads or writes mapping->bytes
 * must be prepared for ERROR io_error.
 */
extern bool xmcoh_mapping_begin(Mapping *mapping, int fd, size_t size, int protection);

/* How many mappings this process has lost: who keeps what was found in one looks again when that has grown. */
extern uint32 xmcoh_lost_mappings(void);

/* Does nothing for one that is not mapped. Raises nothing. */
extern void xmcoh_mapping_end(Mapping *mapping);

#endif
