/*
 * reference.h - names of roles, relations and columns that follow what they name: the SQL type xmcoh.object_ref.
 */
#ifndef XMCOH_PG_REFERENCE_H
#define XMCOH_PG_REFERENCE_H

#include "postgres.h"

/* The role or relation (a column's, too) that a value of type object_ref names; InvalidOid: it is not there. */
extern Oid	xmcoh_referenced_oid(Datum datum);

/* Its present name: of a relation quoted and qualified; of a role or column as it is, a column's without its relation's. */
extern char *xmcoh_referenced_name(Datum datum);

#endif
