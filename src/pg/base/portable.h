/*
 * portable.h - settings under which a value has the same text in every session, and is read back as the same value.
 */
#ifndef XMCOH_PG_PORTABLE_H
#define XMCOH_PG_PORTABLE_H

#include "postgres.h"

/*
 * Between begin and end DateStyle, TimeZone, extra_float_digits and the like have fixed values, as in pg_dump. `output`
 * also fixes search_path, so that names of objects are written with their schema. For reading it must be false: input
 * functions may run users' code (the CHECK of a domain), which needs the session's search_path. The argument of end is the
 * result of begin. An ERROR in between needs no end.
 */
extern int	xmcoh_portable_begin(bool output);
extern void xmcoh_portable_end(int level);

#endif
