/*
 * access.h - who may do what with a model.
 */
#ifndef XMCOH_PG_ACCESS_H
#define XMCOH_PG_ACCESS_H

#include "postgres.h"

/* The owner of the extension: of its tables and functions. ERROR after DROP EXTENSION. */
extern Oid	xmcoh_extension_owner(void);

#endif
