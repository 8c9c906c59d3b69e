/* bulk.c - sources scored in batches (bulk.h); the set-returning functions order_documents and pair_scores */
#include "query/bulk.h"

#include <math.h>

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/xmcoh.h"

PG_FUNCTION_INFO_V1(xmcoh_order_documents);
PG_FUNCTION_INFO_V1(xmcoh_pair_scores);

/* A batch is full with so many documents, or when its pairs or its embeddings would take more than some megabytes. */
#define BATCH_DOCUMENTS 256
#define BATCH_PAIRS (1 << 18)
#define BATCH_NUMBERS (1 << 22)

typedef struct Batch
{
	const xmc_model *model;
	const xmc_guidance_rule *rule;
	int32		n;
	int64		pairs;			/* sum of n * n */
	int64		numbers;		/* of embeddings */
	BulkDocument document[BATCH_DOCUMENTS];
} Batch;

/* Copies what a document of the reader does not keep, and makes the core's document of it. */
static void
add_document(Batch *batch, const SourceDocument *from)
{
	BulkDocument *to = &batch->document[batch->n];
	const xmc_options *options = &batch->model->options;
	xmc_ctx		ctx = xmcoh_context();
	Size		n = (Size) from->n;

	*to = (BulkDocument){.key = pstrdup(from->key), .item = palloc(sizeof(char *) * (n + 1))};
	for (int32 i = 0; i < from->n; i++)
		to->item[i] = pnstrdup(from->item[i].key, from->item[i].key_length);
	to->position = memcpy(palloc(sizeof(double) * (n + 1)), from->position, sizeof(double) * n);
	XMCOH_TRY(xmc_document_build(&ctx, options, xmcoh_tokeniser(), from->n, from->item, &to->document), &ctx);
	if (batch->rule->mode == XMC_GUIDANCE_STORED)
		XMCOH_TRY(xmc_document_label_positions(&ctx, &to->document, to->position), &ctx);
	batch->n++;
	batch->pairs += (int64) from->n * from->n;
	batch->numbers += (int64) from->n * (options->image_dim + options->text_dim);
}

static void
score_batch(Batch *batch, BulkVisitor visit, void *arg)
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
		visit(arg, &batch->document[d]);
	}
	batch->n = 0;
	batch->pairs = 0;
	batch->numbers = 0;
}

/* ---- what the model reads and no source holds ---- */

static bool
has_column(const SourceColumns *columns, bool image)
{
	ListCell   *cell;

	if ((image ? columns->image : columns->text_embedding) != NULL)
		return true;
	foreach(cell, columns->members)
		if (has_column(lfirst(cell), image))
			return true;
	return false;
}

/* Embeddings that no row can have are said so once in a statement, though a function may be called for each of many documents. */
static void
notice_missing(const DeployedModel *deployed, List *sources)
{
	static TimestampTz noticed_at;	/* the statement, and for which model */
	static int32 noticed_model;
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
				 errdetail("Wanted are %d numbers an item. What is scored goes without them.", options->image_dim),
				 errhint("Attach the source again with image => its column, or a relation that has the images with"
						 " documents_of.")));
	if (text_embedding)
		ereport(NOTICE,
				(errmsg("the model reads text embeddings, but the source has no text_embedding column"),
				 errdetail("Wanted are %d numbers an item. What is scored goes without them.", options->text_dim),
				 errhint("Attach the source again with text_embedding => its column.")));
}

void
xmcoh_bulk_score(const DeployedModel *deployed, const xmc_guidance_rule *rule, Oid source, const char *document,
				 BulkFilter filter, BulkVisitor visit, void *arg)
{
	List	   *sources = xmcoh_source_columns(deployed->model_id, source);
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh batch", ALLOCSET_DEFAULT_SIZES);
	Batch	   *batch = palloc0(sizeof(Batch));
	ListCell   *cell;

	if (sources == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the model has no source"),
				 errhint("Attach one with xmcoh.attach_source.")));
	notice_missing(deployed, sources);
	batch->model = deployed->model;
	batch->rule = rule;
	foreach(cell, sources)
	{
		SourceReader *reader = xmcoh_source_open(lfirst(cell), &deployed->model->options, document);
		const SourceDocument *next;

		do
		{
			MemoryContext before;

			next = xmcoh_source_next(reader);
			before = MemoryContextSwitchTo(memory);
			if (next != NULL && (filter == NULL || filter(arg, next)))
				add_document(batch, next);
			if (batch->n == BATCH_DOCUMENTS || batch->pairs >= BATCH_PAIRS || batch->numbers >= BATCH_NUMBERS
				|| (next == NULL && batch->n > 0))
			{
				score_batch(batch, visit, arg);
				MemoryContextReset(memory);
			}
			MemoryContextSwitchTo(before);
		} while (next != NULL);
		xmcoh_source_close(reader);
	}
	pfree(batch);
	MemoryContextDelete(memory);
}

void
xmcoh_bulk_one(FunctionCallInfo fcinfo, DeployedModel *deployed, const xmc_guidance_rule *rule, BulkVisitor visit,
			   void *arg)
{
	Oid			source = PG_ARGISNULL(2) ? InvalidOid : PG_GETARG_OID(2);
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("document must not be NULL")));
	InitMaterializedSRF(fcinfo, 0);
	*deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	xmcoh_bulk_score(deployed, rule, source, text_to_cstring(PG_GETARG_TEXT_PP(1)), NULL, visit, arg);
	SPI_finish();
}

/* ---- order_documents(model, source, evidence, guidance, alignment, rounds) ---- */

typedef struct OrderOutput
{
	ReturnSetInfo *result;
	xmc_score_kind evidence;
} OrderOutput;

static void
put_order(void *arg, const BulkDocument *scored)
{
	OrderOutput *output = arg;
	int32	   *order = palloc(sizeof(int32) * (Size) (scored->document.n + 1));
	int32		n = xmcoh_decode_evidence(&scored->document, &scored->scores, output->evidence, order);
	Datum		values[4] = {CStringGetTextDatum(scored->key)};

	for (int32 k = 0; k < n; k++)
	{
		int32		i = order[k];
		bool		nulls[4] = {false, false, false, isnan(scored->position[i])};

		values[1] = CStringGetTextDatum(scored->item[i]);
		values[2] = Int32GetDatum(k + 1);
		values[3] = nulls[3] ? (Datum) 0 : Float8GetDatum(scored->position[i]);
		tuplestore_putvalues(output->result->setResult, output->result->setDesc, values, nulls);
	}
}

Datum
xmcoh_order_documents(PG_FUNCTION_ARGS)
{
	OrderOutput output = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	Oid			source = PG_ARGISNULL(1) ? InvalidOid : PG_GETARG_OID(1);
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);
	xmc_guidance_rule rule = xmcoh_guidance_arguments(fcinfo, 3);
	DeployedModel deployed;

	output.evidence = xmcoh_evidence_argument(fcinfo->args[2]);
	if (output.evidence == XMC_EVIDENCE_FUSED && !xmc_guidance_has_fused(&rule))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no fused order by the paper's guidance or an inferred alignment"),
				 errhint("Ask for one modality: evidence => 'text guided' or 'image guided'.")));
	InitMaterializedSRF(fcinfo, 0);
	deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	xmcoh_bulk_score(&deployed, &rule, source, NULL, NULL, put_order, &output);
	SPI_finish();
	return (Datum) 0;
}

/* ---- pair_scores(model, document, source, guidance, alignment, rounds) ---- */

typedef struct PairOutput
{
	ReturnSetInfo *result;
	bool		has_fused;
} PairOutput;

static void
put_pairs(void *arg, const BulkDocument *scored)
{
	const PairOutput *output = arg;
	const xmc_document *document = &scored->document;
	int64		n = document->n;

	for (int64 a = 0; a < n; a++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int64 b = a + 1; b < n; b++)
		{
			float	   *const *score = scored->scores.score;
			int64		at = a * n + b;
			bool		text = (document->has[a] & XMC_HAS_TEXT) && (document->has[b] & XMC_HAS_TEXT);
			bool		image = document->has[a] & document->has[b] & XMC_HAS_IMAGE;
			Datum		values[8];
			bool		nulls[8] = {false, false, !text, !image, !text, !image, !output->has_fused, !output->has_fused};

			values[0] = CStringGetTextDatum(scored->item[a]);
			values[1] = CStringGetTextDatum(scored->item[b]);
			values[2] = Float8GetDatum(score[XMC_EVIDENCE_TEXT][at]);
			values[3] = Float8GetDatum(score[XMC_EVIDENCE_IMAGE][at]);
			values[4] = Float8GetDatum(score[XMC_EVIDENCE_TEXT_GUIDED][at]);
			values[5] = Float8GetDatum(score[XMC_EVIDENCE_IMAGE_GUIDED][at]);
			values[6] = Float8GetDatum(score[XMC_EVIDENCE_FUSED][at]);
			values[7] = Float8GetDatum(xmc_probability(score[XMC_EVIDENCE_FUSED][at]));
			tuplestore_putvalues(output->result->setResult, output->result->setDesc, values, nulls);
			pfree(DatumGetPointer(values[0]));
			pfree(DatumGetPointer(values[1]));
		}
	}
}

Datum
xmcoh_pair_scores(PG_FUNCTION_ARGS)
{
	xmc_guidance_rule rule = xmcoh_guidance_arguments(fcinfo, 3);
	PairOutput	output = {.result = (ReturnSetInfo *) fcinfo->resultinfo,.has_fused = xmc_guidance_has_fused(&rule)};
	DeployedModel deployed;

	xmcoh_bulk_one(fcinfo, &deployed, &rule, put_pairs, &output);
	return (Datum) 0;
}
