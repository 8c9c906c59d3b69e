/*
 * batch.h - a batch of documents of a source in one block of memory without pointers, and what is to be found out about each: any
 * process that has the model can compute it.
 *
 * The process that reads the source adds documents; their texts are not analysed yet. xmcoh_batch_compute builds them for the
 * core, scores them and writes the answers into the block.
 */
#ifndef XMCOH_PG_BATCH_H
#define XMCOH_PG_BATCH_H

#include "postgres.h"

#include "model/encoders.h"
#include "source/source.h"

#include "xmcoh/check.h"
#include "xmcoh/model.h"
#include "xmcoh/scorer.h"

/* What is to be found out about each document. */
typedef struct BatchTask
{
	xmc_guidance_rule rule;
	bool		wants_order;	/* the order recovered by `kind`; false: the check of the stored order, at `threshold` */
	xmc_score_kind kind;
	double		threshold;
} BatchTask;

/* The head of the block. */
typedef struct Batch
{
	Size		size;			/* of all that is in the block */
	int32		n;				/* documents */
	int64		items;
	bool		encodes[XMC_MODALITIES];	/* it lacks vectors of texts, in place of embeddings of texts or of images */
} Batch;

/* One document of a computed batch. The pointers lead into the block, but for `item`, which is in CurrentMemoryContext. */
typedef struct BatchDocument
{
	const char *key;
	int32		n;
	const char **item;			/* (n) the keys */
	const double *position;		/* (n) NaN: none */
	const char *by;				/* SourceDocument.by */
	bool		stale;			/* as the caller added it */
	void	   *note;			/* likewise */
	xmc_check	check;
	int32		n_ordered;
	const int32 *order;			/* (n_ordered) NULL: not asked for */
	double		confidence;		/* in that order: the probability of all its neighbours, the product of theirs */
} BatchDocument;

/* A document that is to be added. */
typedef struct BatchInput
{
	const SourceDocument *document;
	const uint8 *decided;		/* (n, n) what is decided about its pairs; NULL: nothing */
	bool		encodes_text;	/* a text encoder makes the text embeddings that items lack */
	bool		stale;
	void	   *note;			/* given back with the answer; only the caller reads what it points to */
} BatchInput;

#define XMCOH_BATCH_HEAD MAXALIGN(sizeof(Batch))

/* Makes a block empty. */
extern void xmcoh_batch_begin(Batch *batch);

/* How many bytes a document takes in a block; and the addition of a document, for which there must be room. */
extern Size xmcoh_batch_room(const xmc_options *options, const BatchInput *input);
extern void xmcoh_batch_add(Batch *batch, const xmc_options *options, const BatchInput *input);

/*
 * Finds out what the task asks for. The same documents in one batch give the same answers, to the bit, whoever computes them and
 * how often. Memory is that of CurrentMemoryContext. `encoder`: those for vectors that the batch lacks. Errors: XMC_CHANGED (an encoder is
 * NULL, and the batch lacks such vectors), those of xmc_text_encoder_embed, xmc_document_build, xmc_score_documents_by and xmc_decode.
 */
extern xmc_status xmcoh_batch_compute(xmc_ctx *ctx, const xmc_model *model, const OpenEncoder *const encoder[XMC_MODALITIES],
									  const BatchTask *task, Batch *batch);

/* Visits the documents of a computed batch, in the order in which they were added. */
typedef void (*BatchVisitor) (void *arg, const BatchDocument *document);
extern void xmcoh_batch_visit(const Batch *batch, bool has_orders, BatchVisitor visit, void *arg);

#endif
