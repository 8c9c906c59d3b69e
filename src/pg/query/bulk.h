/*
 * bulk.h - whole sources scored in batches: memory is that of one batch, however many documents a source has.
 */
#ifndef XMCOH_BULK_H
#define XMCOH_BULK_H

#include "postgres.h"
#include "fmgr.h"

#include "query/evidence.h"
#include "source/source.h"
#include "model/weights.h"

/* One document of a batch, scored. Items are numbered in key order. */
typedef struct BulkDocument
{
	const char *key;
	const char **item;			/* (n) */
	const double *position;		/* (n) stored positions, NaN: none */
	xmc_document document;
	xmc_scores	scores;
} BulkDocument;

/*
 * Whether a document is wanted at all; and what is done with it. The visitor runs in a context that ends with the
 * batch.
 */
typedef bool (*BulkFilter) (void *arg, const SourceDocument *document);
typedef void (*BulkVisitor) (void *arg, const BulkDocument *document);

/*
 * Scores by `rule` the documents of `source` (InvalidOid: of all sources of the model) that `filter` (may be NULL) lets
 * through, and visits them in the order of their keys, source by source. `document` (may be NULL) is the key of the
 * only one wanted. Needs SPI. Errors: as xmcoh_source_columns, xmcoh_source_open, xmcoh_source_next;
 * object_not_in_prerequisite_state when the model has no source.
 */
extern void xmcoh_bulk_score(const DeployedModel *deployed, const xmc_guidance_rule *rule, Oid source, const char *document,
							 BulkFilter filter, BulkVisitor visit, void *arg);

/*
 * The whole of a set-returning function (model text, document text, source regclass) that looks at one document: checks the
 * arguments, finds the deployed version (into *deployed, before the visitor is called), scores and visits.
 */
extern void xmcoh_bulk_one(FunctionCallInfo fcinfo, DeployedModel *deployed, const xmc_guidance_rule *rule, BulkVisitor visit,
						   void *arg);

#endif
