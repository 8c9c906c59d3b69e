/*
 * bulk.c - whole sources scored in batches; bulk.h is the contract.
 */
#include "query/bulk.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/xmcoh.h"
#include "query/arguments.h"
#include "query/encoded.h"
#include "query/scoring_workers.h"

#include "xmcoh/decided.h"

/* A batch is full when it reaches one of these. */
#define BATCH_DOCUMENTS 256
#define BATCH_PAIRS (1 << 18)	/* one megabyte for each matrix of scores */
#define BATCH_NUMBERS (1 << 22) /* of embeddings: 16 MB */

typedef struct ScoredBatch
{
	const xmc_model *model;
	const xmc_guidance_rule *rule;
	const BulkRequest *request;
	const ApprovedPairs *approved;	/* NULL: they are not asked for */
	int32		n;
	int64		pairs;			/* sum of n * n */
	int64		numbers;		/* of embeddings */
	BulkDocument document[BATCH_DOCUMENTS];
} ScoredBatch;

/* Copies of the texts of a document, beside its keys, which are copied already. */
static const xmc_item *
copy_texts(const SourceDocument *from, const char *const *key)
{
	xmc_item   *to = palloc0(sizeof(xmc_item) * ((Size) from->n + 1));

	for (int32 i = 0; i < from->n; i++)
	{
		to[i] = (xmc_item) {.key = key[i],.key_length = from->item[i].key_length};
		if (from->item[i].text != NULL)
			to[i].text = pnstrdup(from->item[i].text, from->item[i].text_length);
		to[i].text_length = from->item[i].text_length;
	}
	return to;
}

/* Copies of the texts that stand for images; NULL: there are none. */
static const xmc_encoder_text *
copy_image_texts(const SourceDocument *from)
{
	xmc_encoder_text *to;

	if (from->image_text == NULL)
		return NULL;
	to = palloc0(sizeof(xmc_encoder_text) * ((Size) from->n + 1));
	for (int32 i = 0; i < from->n; i++)
		if (from->image_text[i].text != NULL)
			to[i] = (xmc_encoder_text) {pnstrdup(from->image_text[i].text, from->image_text[i].length), from->image_text[i].length};
	return to;
}

/* Copies what the reader frees with its next document, and builds the core's document. */
static void
add_document(ScoredBatch *batch, const SourceDocument *from)
{
	BulkDocument *to = &batch->document[batch->n];
	const xmc_options *options = &batch->model->options;
	xmc_ctx		ctx = xmcoh_context();
	Size		n = (Size) from->n;

	*to = (BulkDocument){.key = pstrdup(from->key), .item = palloc(sizeof(char *) * (n + 1)),.approved = from->approved,
		.by = from->by ? pstrdup(from->by) : NULL};
	for (int32 i = 0; i < from->n; i++)
		to->item[i] = pnstrdup(from->item[i].key, from->item[i].key_length);
	if (batch->request->texts)
	{
		to->text = copy_texts(from, to->item);
		to->image_text = copy_image_texts(from);
	}
	to->position = memcpy(palloc(sizeof(double) * (n + 1)), from->position, sizeof(double) * n);
	XMCOH_TRY(xmc_document_build(&ctx, options, xmcoh_tokeniser(), from->n, from->item, &to->document), &ctx);
	to->document.group = xmcoh_source_group(from);
	if (batch->approved != NULL)
		to->decided = xmcoh_decided(&ctx, batch->approved, STALE_UNCHANGED, from, &to->stale);
	if (batch->rule->mode == XMC_GUIDANCE_STORED)
		XMCOH_TRY(xmc_document_label_positions(&ctx, &to->document, to->position), &ctx);
	if (batch->request->note != NULL)
		batch->request->note(batch->request->arg, from, batch->approved, to);
	batch->n++;
	batch->pairs += (int64) from->n * from->n;
	batch->numbers += (int64) from->n * (options->image_dim + options->text_dim);
}

int32
xmcoh_scored_item(const BulkDocument *scored, const char *key)
{
	for (int32 i = 0; i < scored->document.n; i++)
		if (strcmp(scored->item[i], key) == 0)
			return i;
	return -1;
}

const char *
xmcoh_decision_name(const BulkDocument *scored, int64 at)
{
	static const char *const name[] = {
		[XMC_UNDECIDED] = NULL, [XMC_DECIDED_BEFORE] = "before", [XMC_DECIDED_AFTER] = "after",
		[XMC_DECIDED_EITHER] = "either"
	};

	return scored->decided ? name[scored->decided[at]] : NULL;
}

void
xmcoh_refuse_unknown(const char *model, const char *document, const char *item)
{
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_OBJECT),
			item ? errmsg("document \"%s\" has no item \"%s\"", document, item)
			: errmsg("no source of model \"%s\" has a document \"%s\"", model, document),
			errhint("Documents and items are named by the text of their keys, as in xmcoh.order_documents."));
}

const uint8 *
xmcoh_decided_with_order(const BulkDocument *scored)
{
	int64		n = scored->document.n;
	uint8	   *decided;

	if (!scored->approved)
		return scored->decided;
	decided = palloc0((Size) (n * n + 1));
	for (int64 i = 0; i < n; i++)
		for (int64 j = 0; j < n; j++)
		{
			bool		before = scored->position[i] < scored->position[j];
			xmc_decision decision = scored->decided ? (xmc_decision) scored->decided[i * n + j] : XMC_UNDECIDED;

			if (before && decision == XMC_DECIDED_AFTER)
				return scored->decided;
			if (before && decision != XMC_DECIDED_EITHER)
				decision = XMC_DECIDED_BEFORE;
			if (decision != XMC_UNDECIDED)
				xmc_decide((int32) n, decided, (int32) i, (int32) j, decision);
		}
	return decided;
}

static void
score_batch(ScoredBatch *batch)
{
	xmc_document document[BATCH_DOCUMENTS];
	xmc_scores	scores[BATCH_DOCUMENTS];
	xmc_ctx		ctx = xmcoh_context();

	for (int32 d = 0; d < batch->n; d++)
		document[d] = batch->document[d].document;
	XMCOH_TRY(xmc_score_documents_by(&ctx, batch->model, batch->rule, batch->n, document, scores), &ctx);
	for (int32 d = 0; d < batch->n; d++)
	{
		CHECK_FOR_INTERRUPTS();
		batch->document[d].scores = scores[d];
		batch->request->visit(batch->request->arg, &batch->document[d]);
	}
	batch->n = 0;
	batch->pairs = 0;
	batch->numbers = 0;
}

/* ---- inputs of the model for which no source has a column ---- */

/* Whether a source, or a member of it, has an image column; or text embeddings, given or to be computed. */
static bool
has_column(const SourceColumns *columns, bool image)
{
	ListCell   *cell;

	if ((image ? columns->image : columns->text_embedding) != NULL)
		return true;
	if (!image && columns->text != NULL && columns->encoder[XMC_TEXT] > 0)
		return true;
	foreach(cell, columns->members)
		if (has_column(lfirst(cell), image))
			return true;
	return false;
}

/* A NOTICE about a kind of embedding for which no source has a column; once in a statement, which may call many times. */
static void
notice_missing(const DeployedModel *deployed, List *sources)
{
	static TimestampTz noticed_at;	/* start of the statement of the last notice */
	static int32 noticed_model;	/* and its model */
	const xmc_options *options = &deployed->model->options;
	bool		image = options->image_dim > 0;
	bool		text_embedding = options->text_dim > 0;
	ListCell   *cell;

	foreach(cell, sources)
	{
		image = image && !has_column(lfirst(cell), true);
		text_embedding = text_embedding && !has_column(lfirst(cell), false);
	}
	if ((!image && !text_embedding) ||
		(noticed_at == GetCurrentStatementStartTimestamp() && noticed_model == deployed->model_id))
		return;
	noticed_at = GetCurrentStatementStartTimestamp();
	noticed_model = deployed->model_id;
	if (image)
		ereport(NOTICE,
				(errmsg("the model reads images, but the source has no image column"),
				 errdetail("The model reads %d numbers for the image of an item. Items are scored without them.",
						   options->image_dim),
				 errhint("Attach the source again with image => its column, or attach the relation that has the images with"
						 " documents_of.")));
	if (text_embedding)
		ereport(NOTICE,
				(errmsg("the model reads text embeddings, but the source has no text_embedding column"),
				 errdetail("The model reads %d numbers for the text of an item. Items are scored without them.",
						   options->text_dim),
				 errhint("Attach the source again with text_embedding => its column.")));
}

List *
xmcoh_bulk_sources(int32 model_id, Oid source)
{
	List	   *sources = xmcoh_source_columns(model_id, source);

	if (sources == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the model has no source"),
				 errhint("Attach one with xmcoh.attach_source.")));
	return sources;
}

/* Scores the documents of a source and visits them, batch by batch. */
static void
score_source(ScoredBatch *batch, EncodedReader *reader, MemoryContext memory)
{
	const SourceDocument *next;

	do
	{
		MemoryContext before;

		/* a document joins the batch; the batch is scored when it is full, and at the end of the source */
		next = xmcoh_encoded_next(reader);
		before = MemoryContextSwitchTo(memory);
		if (next != NULL)
			add_document(batch, next);
		if (batch->n == BATCH_DOCUMENTS || batch->pairs >= BATCH_PAIRS || batch->numbers >= BATCH_NUMBERS
			|| (next == NULL && batch->n > 0))
		{
			score_batch(batch);
			MemoryContextReset(memory);
		}
		MemoryContextSwitchTo(before);
	} while (next != NULL);
}

/* Has the answers about the documents of a source computed. */
static void
answer_source(const DeployedModel *deployed, const BulkRequest *request, const ApprovedPairs *approved, ScoringWorkers *workers,
			  EncodedReader *reader, MemoryContext memory)
{
	const SourceDocument *next;
	bool		is_checked[XMC_MODALITIES] = {false};
	MemoryContext before = MemoryContextSwitchTo(memory);

	while ((next = xmcoh_encoded_next(reader)) != NULL)
	{
		BatchInput	input = {.document = next,.encodes_text = deployed->encoder[XMC_TEXT] > 0};
		xmc_ctx		ctx = xmcoh_context();

		xmcoh_check_encoders(deployed, next, is_checked);
		if (approved != NULL)
			input.decided = xmcoh_decided(&ctx, approved, STALE_UNCHANGED, next, &input.stale);
		/* an approved stored order counts for a check, and not for a recovered order */
		if (!request->task->wants_order)
			input.decided = xmcoh_decided_with_order(&(BulkDocument) {.document = {.n = next->n},.position = next->position,
													 .approved = next->approved,.decided = input.decided});
		if (request->keep != NULL)
			input.note = request->keep(request->arg, next);
		xmcoh_scoring_add(workers, &input);
		MemoryContextReset(memory);
	}
	MemoryContextSwitchTo(before);
}

void
xmcoh_bulk_score(const DeployedModel *deployed, const xmc_guidance_rule *rule, const BulkRequest *request)
{
	/* first, since reading relations of pairs may run code that changes what the sources are */
	const ApprovedPairs *approved = request->approved ? request->approved :
		request->decided ? xmcoh_read_pairs(deployed->model_id, request->keys, true) : NULL;
	List	   *sources = xmcoh_bulk_sources(deployed->model_id, request->source);
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh batch", ALLOCSET_DEFAULT_SIZES);
	ScoredBatch *batch = palloc0(sizeof(ScoredBatch));
	EncodedRequest wanted = {.options = &deployed->model->options,.deployed = deployed,.keys = request->keys,
	.filter = request->filter,.arg = request->arg,.lazily = request->task != NULL};
	ScoringWorkers *workers = NULL;
	ListCell   *cell;

	xmcoh_sources_by(sources, request->by);
	notice_missing(deployed, sources);
	batch->model = deployed->model;
	batch->rule = rule;
	batch->request = request;
	batch->approved = approved;
	if (request->task != NULL)
	{
		BatchTask	task = *request->task;

		task.rule = *rule;
		workers = xmcoh_scoring_begin(deployed, &task, request->answer, request->arg);
	}
	foreach(cell, sources)
	{
		EncodedReader *reader = xmcoh_encoded_open(lfirst(cell), &wanted);

		if (workers != NULL)
			answer_source(deployed, request, approved, workers, reader, memory);
		else
			score_source(batch, reader, memory);
		xmcoh_encoded_close(reader);
	}
	if (workers != NULL)
		xmcoh_scoring_end(workers);
	pfree(batch);
	MemoryContextDelete(memory);
}

const DocumentKeys *
xmcoh_wanted_documents(FunctionCallInfo fcinfo, int document, int documents)
{
	const DocumentKeys *keys = xmcoh_document_keys(fcinfo->args[documents]);
	DocumentKeys *one;

	if (PG_ARGISNULL(document) == (keys == NULL))
		ereport(ERROR,
				(errcode(keys ? ERRCODE_INVALID_PARAMETER_VALUE : ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 keys ? errmsg("both document and documents are given") : errmsg("document must not be NULL")));
	if (keys != NULL)
		return keys;
	one = palloc0(sizeof *one);
	one->n = 1;
	one->key = palloc(sizeof *one->key);
	one->key[0] = text_to_cstring(PG_GETARG_TEXT_PP(document));
	return one;
}

void
xmcoh_bulk_few(FunctionCallInfo fcinfo, int documents, bool decided, DeployedModel *deployed, const xmc_guidance_rule *rule,
			   BulkVisitor visit, void *arg)
{
	BulkRequest request = {.source = PG_ARGISNULL(2) ? InvalidOid : PG_GETARG_OID(2),.decided = decided,.visit = visit,
		.arg = arg};
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);

	request.keys = xmcoh_wanted_documents(fcinfo, 1, documents);
	InitMaterializedSRF(fcinfo, 0);
	*deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	xmcoh_bulk_score(deployed, rule, &request);
	SPI_finish();
}
