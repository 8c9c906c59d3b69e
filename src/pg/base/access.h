/*
 * access.h - who may do what with a model.
 */
#ifndef XMCOH_PG_ACCESS_H
#define XMCOH_PG_ACCESS_H

#include "postgres.h"

/*
 * A table of the extension; InvalidOid: it is not here. Anybody who may create schemas can make a schema and tables of these names
 * where the extension is not, or not any more, and have whoever takes them for ours run what hangs on them.
 */
extern Oid	xmcoh_extension_table(const char *name);

/* The owner of the extension: of its tables and functions. ERROR after DROP EXTENSION. */
extern Oid	xmcoh_extension_owner(void);

#endif
