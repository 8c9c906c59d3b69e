/*
 * check.h - what check_documents says of a document, as columns, for whoever keeps that.
 */
#ifndef XMCOH_PG_CHECK_H
#define XMCOH_PG_CHECK_H

#include "postgres.h"

#include "model/weights.h"
#include "query/batch.h"

#define XMCOH_CHECK_COLUMNS 13	/* of check_documents, without the group */

/* Sets the columns; allocates in CurrentMemoryContext. */
extern void xmcoh_check_columns(const BatchDocument *checked, Datum *values, bool *nulls);

/* The threshold for a precision, with a NOTICE where the version does not know it. */
extern double xmcoh_check_threshold(const DeployedModel *deployed, double precision);

#endif
