/*
 * copies.h - whether the models here are copies of another server's (`xmcoh cluster`), for hints in error messages
 */
#ifndef XMCOH_PG_COPIES_H
#define XMCOH_PG_COPIES_H

#include "postgres.h"

/*
 * The hint of an error about a model, version or text encoder that is missing. Where the tables of xmcoh are copies, the hint says
 * that these may lag behind. On a node of Citus without copies the hint names the command that makes them. Elsewhere the hint is
 * `otherwise`.
 */
extern const char *xmcoh_missing_hint(const char *otherwise);

#endif
