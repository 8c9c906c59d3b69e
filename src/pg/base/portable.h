/*
 * portable.h - settings under which a value's text is the same in every session, and is read back as the same value.
 */
#ifndef XMCOH_PG_PORTABLE_H
#define XMCOH_PG_PORTABLE_H

#include "postgres.h"

/*
 * Between begin and end no session's DateStyle, TimeZone, extra_float_digits or the like counts, as in pg_dump. `output`:
 * names of objects are written with their schema, too; input functions may run users' code (a domain's CHECK), which keeps
 * the session's search_path. end takes what begin gave. An ERROR in between ends it as well.
 */
extern int	xmcoh_portable_begin(bool output);
extern void xmcoh_portable_end(int level);

#endif
