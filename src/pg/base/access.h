/*
 * access.h - the tables and the owner of the extension.
 *
 * access.c also has the SQL functions on levels: who may do what with a model or a text encoder.
 */
#ifndef XMCOH_PG_ACCESS_H
#define XMCOH_PG_ACCESS_H

#include "postgres.h"

/*
 * The table `name` of the extension; InvalidOid: this database does not have the extension. A table of this name that does
 * not belong to the extension does not count: where the extension is not installed, any role that may create schemas can
 * create such a table, with triggers and defaults that would run as the current role.
 */
extern Oid	xmcoh_extension_table(const char *name);

/*
 * Lets DROP EXTENSION wait until this transaction ends. A transaction that locks several tables of the extension, one after the
 * other, and has not called this may end in a deadlock with DROP EXTENSION. Does nothing where there is no extension.
 */
extern void xmcoh_hold_extension(void);

/*
 * Whether the extension in this database is newer than the loaded library: a session, or a server that preloads the library, goes on
 * with an old library after an upgrade. A library that is newer than the extension serves it.
 */
extern bool xmcoh_library_is_older(void);

/* ERROR if so. */
extern void xmcoh_check_version(void);

/* The owner of the extension's tables. ERROR undefined_table after DROP EXTENSION. */
extern Oid	xmcoh_extension_owner(void);

/* Whether a role may use the text encoder with this number and this owner (object_ref). Needs an active snapshot. */
extern bool xmcoh_may_use_encoder(Datum owner, int32 encoder_id, Oid role);

#endif
