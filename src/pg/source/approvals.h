/*
 * approvals.h - what people decided about the documents of a model, for a query that scores them: approved pairs in force,
 * of xmcoh.approved_pair and of the relations that xmcoh.pair_source lists.
 *
 * pairs.h reads the same for training, which needs to know which pairs no document used.
 */
#ifndef XMCOH_PG_APPROVALS_H
#define XMCOH_PG_APPROVALS_H

#include "base/xmcoh.h"

#include "source/keys.h"

#include "xmcoh/dataset.h"
#include "xmcoh/decided.h"

typedef struct Approval
{
	const char *document;
	const char *before;
	const char *after;
	bool		either;			/* both orders are right */
} Approval;

typedef struct Approvals
{
	int64		n;
	Approval   *approval;		/* (n), sorted by document (bytes) */
} Approvals;

/*
 * Reads the approvals of these documents of a model (keys NULL: of all) into CurrentMemoryContext. xmcoh.approved_pair is
 * read as the owner of the extension: decisions rule for roles that may not read them. Relations are read as the current
 * role; one that the role may not read, or that does not exist any more, is left out with a NOTICE. Needs SPI.
 */
extern Approvals *xmcoh_read_approvals(int32 model_id, const DocumentKeys *keys);

/*
 * What is decided about the items of a document, sorted by xmc_item_compare: a matrix (n, n) (xmcoh/decided.h), closed,
 * allocated by ctx; NULL: nothing. Where approvals contradict each other, a WARNING says so, and nothing counts as decided.
 */
extern uint8 *xmcoh_decided(xmc_ctx *ctx, const Approvals *approvals, const char *document, int32 n, const xmc_item *item);

#endif
