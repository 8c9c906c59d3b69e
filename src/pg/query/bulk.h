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
#include "query/batch.h"
#include "source/keys.h"
#include "source/pairs.h"
#include "source/source.h"

#include "xmcoh/scorer.h"

/* One document of a batch, scored. Items are numbered in key order. */
typedef struct BulkDocument
{
	const char *key;
	const char **item;			/* (n) */
	const xmc_item *text;		/* (n) keys and texts, without embeddings; NULL: the request does not ask */
	const xmc_encoder_text *image_text; /* (n) texts that stand for images, likewise; text NULL: none; NULL: none at all */
	const double *position;		/* (n) stored positions, NaN: none */
	const char *by;				/* SourceDocument.by */
	bool		approved;		/* its stored order is approved in its source */
	const uint8 *decided;		/* (n, n) what people decided (pairs.h); NULL: nothing, or the request does not ask */
	bool		stale;			/* the document has changed since it was decided about */
	void	   *note;			/* what the request's note keeps of it */
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
 * Keeps in to->note what the visitor needs of the document as it was read, in the memory of the visit. The other fields of
 * *to are set, but for the scores. `pairs` NULL: the request does not ask for decisions.
 */
typedef void (*BulkNote) (void *arg, const SourceDocument *document, const ApprovedPairs *pairs, BulkDocument *to);

/* The note of a document for BatchDocument.note, as the document was read. */
typedef void *(*BulkKeep) (void *arg, const SourceDocument *document);

/* What to score. */
typedef struct BulkRequest
{
	Oid			source;			/* InvalidOid: all sources of the model */
	const DocumentKeys *keys;	/* the wanted documents; NULL: all */
	const char *by;				/* a column that the visitor groups documents by (xmcoh_sources_by); NULL: none */
	bool		decided;		/* decisions about the documents are read, too */
	const ApprovedPairs *approved;	/* these, if they have been read already; else NULL */
	bool		texts;			/* texts are kept for the visitor */
	BulkFilter	filter;			/* NULL: all documents that are read */
	BulkNote	note;			/* NULL: nothing is kept */
	BulkVisitor visit;
	void	   *arg;			/* of filter, note, keep and the visitors */

	/*
	 * Instead of scores: answers, which several processes compute (scoring_workers.h). Its rule is not used. NULL: none; `texts`, `note`
	 * and `visit` are not used otherwise.
	 */
	const BatchTask *task;
	BulkKeep	keep;			/* NULL: nothing is kept */
	BatchVisitor answer;
} BulkRequest;

/* xmcoh_source_columns, with the error object_not_in_prerequisite_state when the model has no source. */
extern List *xmcoh_bulk_sources(int32 model_id, Oid source);

/*
 * Scores by `rule` the requested documents and visits them in the order of their keys, one source after the other. Only
 * rows of the documents with the wanted keys are read. Needs SPI. Errors: those of xmcoh_source_columns, xmcoh_source_open
 * and xmcoh_source_next, and that of xmcoh_bulk_sources.
 */
extern void xmcoh_bulk_score(const DeployedModel *deployed, const xmc_guidance_rule *rule, const BulkRequest *request);

/* The number of the item with this key; -1 when the document has none. */
extern int32 xmcoh_scored_item(const BulkDocument *scored, const char *key);

/* What was decided about the pair at a cell of the matrix, as the column approved has it; NULL: nothing. */
extern const char *xmcoh_decision_name(const BulkDocument *scored, int64 at);

/* ERROR undefined_object: no source has the document, or, if item is not NULL, the document has no such item. */
extern _Noreturn void xmcoh_refuse_unknown(const char *model, const char *document, const char *item);

/*
 * What is decided about a document, with its stored order if its source marks that as approved. Approved pairs stand above
 * such an order: where one contradicts the order, the pairs alone count. NULL: nothing is decided.
 */
extern const uint8 *xmcoh_decided_with_order(const BulkDocument *scored);

/*
 * The documents that a function with the arguments `document` (text) and `documents` (text[]), of these numbers, is asked
 * about. ERROR when both or none are given.
 */
extern const DocumentKeys *xmcoh_wanted_documents(FunctionCallInfo fcinfo, int document, int documents);

/*
 * The body of a set-returning function on few documents, with the arguments (model text, document text, source regclass,
 * ...) and as argument number `documents` a text[]: checks the arguments, finds the deployed version (into *deployed, before
 * the visitor is called), scores and visits.
 */
extern void xmcoh_bulk_few(FunctionCallInfo fcinfo, int documents, bool decided, DeployedModel *deployed,
						   const xmc_guidance_rule *rule, BulkVisitor visit, void *arg);

#endif
