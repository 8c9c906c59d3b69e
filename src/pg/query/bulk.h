/*
 * bulk.h - whole sources scored in batches.
 *
 * Memory is that of one batch, however many documents a source has.
 */
#ifndef XMCOH_PG_BULK_H
#define XMCOH_PG_BULK_H

#include "postgres.h"

#include "fmgr.h"

#include "model/weights.h"
#include "source/source.h"

#include "xmcoh/scorer.h"

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
 * The filter says whether a document is to be scored. The visitor receives the scored document, in a memory context that is
 * reset after the batch.
 */
typedef bool (*BulkFilter) (void *arg, const SourceDocument *document);
typedef void (*BulkVisitor) (void *arg, const BulkDocument *document);

/*
 * Scores by `rule` the documents of `source` (InvalidOid: of all sources of the model) that pass `filter` (NULL: all), and
 * visits them in the order of their keys, one source after the other. `document`: the key of the only document to be
 * scored; NULL: all. Needs SPI. Errors: those of xmcoh_source_columns, xmcoh_source_open and xmcoh_source_next;
 * object_not_in_prerequisite_state when the model has no source.
 */
extern void xmcoh_bulk_score(const DeployedModel *deployed, const xmc_guidance_rule *rule, Oid source, const char *document,
							 BulkFilter filter, BulkVisitor visit, void *arg);

/*
 * The body of a set-returning function on one document, with the arguments (model text, document text, source regclass,
 * ...): checks the arguments, finds the deployed version (into *deployed, before the visitor is called), scores and visits.
 */
extern void xmcoh_bulk_one(FunctionCallInfo fcinfo, DeployedModel *deployed, const xmc_guidance_rule *rule, BulkVisitor visit,
						   void *arg);

#endif
