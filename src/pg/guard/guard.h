/*
 * guard.h - a guard: the source whose orders it enforces, and the arguments of xmcoh.enforce_order.
 *
 * The tables are read like system catalogues, without privileges, because a trigger fires as whoever writes to the table.
 */
#ifndef XMCOH_PG_GUARD_H
#define XMCOH_PG_GUARD_H

#include "postgres.h"

#include "access/attnum.h"
#include "utils/relcache.h"

typedef enum OnViolation
{
	ON_VIOLATION_ERROR,
	ON_VIOLATION_WARNING,
	ON_VIOLATION_RECORD
} OnViolation;

typedef struct Guard
{
	int32		source_id;
	int32		model_id;
	const char *model;			/* its name */
	bool		is_deployed;	/* a version of the model is */
	Oid			relation;		/* that has the triggers */
	Oid			source;			/* whose documents the rows belong to: the relation, or another one (documents_of) */
	OnViolation on_violation;
	double		precision;
	bool		allow_approved;
	bool		strict;
} Guard;

/*
 * The guard of a source, for a trigger on `relation`, in CurrentMemoryContext. False: there is none, or the relation is
 * neither the source's nor a partition of it, or the model is missing, as while a dump is being restored.
 */
extern bool xmcoh_read_guard(int32 source_id, Relation relation, Guard *guard);

/*
 * Numbers of the columns, in `relation`, that the order of a document depends on, the document's column first; at most
 * MAX_GUARD_COLUMNS. A column that is missing is left out; 0: the document's is.
 */
#define MAX_GUARD_COLUMNS 7
extern int	xmcoh_guard_columns(int32 source_id, Relation relation, AttrNumber *column);

/* Whether documents of the model have a row in xmcoh.violation_record that is not resolved. */
extern bool xmcoh_has_violations(int32 model_id);

#endif
