/*
 * alignment.c - the SQL function alignment: which image of a document shows the step of which text, and which items have no
 * counterpart.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/xmcoh.h"
#include "query/alignment.h"
#include "query/bulk.h"

PG_FUNCTION_INFO_V1(xmcoh_alignment);

typedef struct AlignmentOutput
{
	ReturnSetInfo *result;
	const DeployedModel *deployed;
	Datum		document;		/* the key of the current document */
} AlignmentOutput;

/* One row of the result; text or image NULL: the other one has no counterpart. */
static void
put_pair(const AlignmentOutput *output, const char *text, const char *image, double probability, bool inferred)
{
	Datum		values[5] = {output->document};
	bool		nulls[5] = {false, text == NULL, image == NULL};

	values[1] = text ? CStringGetTextDatum(text) : (Datum) 0;
	values[2] = image ? CStringGetTextDatum(image) : (Datum) 0;
	values[3] = Float8GetDatum(probability);
	values[4] = BoolGetDatum(inferred);
	tuplestore_putvalues(output->result->setResult, output->result->setDesc, values, nulls);
}

void
xmcoh_check_can_align(const DeployedModel *deployed, const char *key, const xmc_document *document)
{
	if (!deployed->model->has_alignment && xmc_align_is_open(document, false))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of the model cannot align texts with images", deployed->version),
				 errdetail("Document \"%s\" has texts and images in separate rows, and the version was trained on too few"
						   " documents whose rows have both.", key),
				 errhint("Train with documents whose rows have both a text and an image.")));
}

void
xmcoh_find_counterparts(xmc_arena *arena, const xmc_model *model, const xmc_document *document, Counterparts *out)
{
	xmc_ctx    *ctx = arena->ctx;
	Size		size = sizeof(int32) * (Size) (document->n + 1);

	XMCOH_TRY(xmc_align_documents(arena, model, 1, document, false, &out->alignment), ctx);
	out->of_text = palloc(size);
	out->of_image = palloc(size);
	out->number = palloc0(size);
	XMCOH_TRY(xmc_align_counterparts(ctx, document, false, &out->alignment, XMC_TEXT, true, out->of_text), ctx);
	XMCOH_TRY(xmc_align_counterparts(ctx, document, false, &out->alignment, XMC_IMAGE, true, out->of_image), ctx);
	for (int32 c = 0; c < out->alignment.n_text; c++)
		out->number[out->alignment.text[c]] = c;
	for (int32 r = 0; r < out->alignment.n_image; r++)
		out->number[out->alignment.image[r]] = r;
}

double
xmcoh_counterpart_probability(const Counterparts *counterparts, int32 image, int32 text)
{
	const xmc_alignment *alignment = &counterparts->alignment;
	int64		row = image >= 0 ? counterparts->number[image] : alignment->n_image;
	int64		column = text >= 0 ? counterparts->number[text] : alignment->n_text;

	return alignment->p[row * ((int64) alignment->n_text + 1) + column];
}

static void
put_alignment(void *arg, const BulkDocument *scored)
{
	AlignmentOutput *output = arg;
	const xmc_document *document = &scored->document;
	xmc_ctx		ctx = xmcoh_context();
	xmc_arena	arena;
	Counterparts counterparts;

	xmcoh_check_can_align(output->deployed, scored->key, document);
	output->document = CStringGetTextDatum(scored->key);
	xmc_arena_init(&arena, &ctx);
	xmcoh_find_counterparts(&arena, output->deployed->model, document, &counterparts);
	/* each item with a text, and its image */
	for (int32 i = 0; i < document->n; i++)
	{
		int32		image = counterparts.of_text[i];

		CHECK_FOR_INTERRUPTS();
		if (!(document->has[i] & XMC_HAS_TEXT))
			continue;
		if (document->has[i] & XMC_HAS_IMAGE)
			put_pair(output, scored->item[i], scored->item[i], 1, false);
		else
			put_pair(output, scored->item[i], image >= 0 ? scored->item[image] : NULL,
					 xmcoh_counterpart_probability(&counterparts, image, i), true);
	}
	/* the images without a text */
	for (int32 r = 0; r < counterparts.alignment.n_image; r++)
	{
		int32		image = counterparts.alignment.image[r];

		CHECK_FOR_INTERRUPTS();
		if (counterparts.of_image[image] < 0)
			put_pair(output, NULL, scored->item[image], xmcoh_counterpart_probability(&counterparts, image, -1), true);
	}
	xmc_arena_free(&arena);
}

Datum
xmcoh_alignment(PG_FUNCTION_ARGS)
{
	static const xmc_guidance_rule usual = {0};
	DeployedModel deployed;
	AlignmentOutput output = {.result = (ReturnSetInfo *) fcinfo->resultinfo,.deployed = &deployed};

	xmcoh_bulk_few(fcinfo, 3, false, &deployed, &usual, put_alignment, &output);
	return (Datum) 0;
}
