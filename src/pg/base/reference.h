/*
 * reference.h - the SQL type xmcoh.object_ref: a reference to a role, relation or column that follows renames.
 */
#ifndef XMCOH_PG_REFERENCE_H
#define XMCOH_PG_REFERENCE_H

#include "postgres.h"

/* The role or relation that a reference names, of a column its relation; InvalidOid: it does not exist. */
extern Oid	xmcoh_referenced_oid(Datum datum);

/*
 * The present name: of a relation quoted and qualified; of a role or column not quoted, of a column without its relation.
 */
extern char *xmcoh_referenced_name(Datum datum);

#endif
