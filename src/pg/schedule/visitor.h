/* visitor.h - the short-lived process that the launcher (launcher.h) sends to a database */
#ifndef XMCOH_PG_VISITOR_H
#define XMCOH_PG_VISITOR_H

#include "base/xmcoh.h"

#define XMCOH_VISITOR_TYPE "xmcoh visitor"

/* Whether this process is a visitor. */
extern bool xmcoh_in_visitor(void);

#endif
