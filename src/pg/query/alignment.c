/* alignment.c - alignment(model, document, source): which image shows the step of which text, and what has no counterpart */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "query/bulk.h"
#include "base/xmcoh.h"
#include "xmcoh/align.h"

PG_FUNCTION_INFO_V1(xmcoh_alignment);

typedef struct AlignmentOutput
{
	ReturnSetInfo *result;
	const DeployedModel *deployed;
} AlignmentOutput;

/* text or image NULL: the other one has no counterpart. */
static void
put_pair(const AlignmentOutput *output, const char *text, const char *image, double probability, bool inferred)
{
	Datum		values[4];
	bool		nulls[4] = {text == NULL, image == NULL, false, false};

	values[0] = text ? CStringGetTextDatum(text) : (Datum) 0;
	values[1] = image ? CStringGetTextDatum(image) : (Datum) 0;
	values[2] = Float8GetDatum(probability);
	values[3] = BoolGetDatum(inferred);
	tuplestore_putvalues(output->result->setResult, output->result->setDesc, values, nulls);
}

/* The likeliest counterpart of one text, n_image when that is none; equal probabilities go to the first in key order. */
static int32
best_image(const xmc_alignment *alignment, int32 text, double *probability)
{
	int64		width = (int64) alignment->n_text + 1;
	int32		best = alignment->n_image;

	for (int32 r = 0; r < alignment->n_image; r++)
		if (alignment->p[r * width + text] > alignment->p[best * width + text] ||
			(best == alignment->n_image && alignment->p[r * width + text] == alignment->p[best * width + text]))
			best = r;
	*probability = alignment->p[best * width + text];
	return best;
}

/* Whether none is likelier than any text. */
static bool
is_unmatched(const xmc_alignment *alignment, int32 image)
{
	const double *p = alignment->p + image * ((int64) alignment->n_text + 1);

	for (int32 c = 0; c < alignment->n_text; c++)
		if (p[c] >= p[alignment->n_text])
			return false;
	return true;
}

static void
put_alignment(void *arg, const BulkDocument *scored)
{
	const AlignmentOutput *output = arg;
	const xmc_model *model = output->deployed->model;
	const xmc_document *document = &scored->document;
	xmc_ctx		ctx = xmcoh_context();
	xmc_arena	arena;
	xmc_alignment alignment;
	int32		text = 0;		/* the next of alignment.text */
	double		probability;

	if (!model->has_alignment && xmc_align_is_open(document, false))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of the model cannot align texts with images", output->deployed->version),
				 errdetail("Document \"%s\" holds them in separate rows, and the version was trained on too few documents whose"
						   " rows hold both.", scored->key),
				 errhint("Train with documents whose rows hold both.")));
	xmc_arena_init(&arena, &ctx);
	XMCOH_TRY(xmc_align_documents(&arena, model, 1, document, false, &alignment), &ctx);
	for (int32 i = 0; i < document->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!(document->has[i] & XMC_HAS_TEXT))
			continue;
		if (document->has[i] & XMC_HAS_IMAGE)
			put_pair(output, scored->item[i], scored->item[i], 1, false);
		else
		{
			int32		image = best_image(&alignment, text++, &probability);

			put_pair(output, scored->item[i], image < alignment.n_image ? scored->item[alignment.image[image]] : NULL,
					 probability, true);
		}
	}
	for (int32 r = 0; r < alignment.n_image; r++)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_unmatched(&alignment, r))
			put_pair(output, NULL, scored->item[alignment.image[r]],
					 alignment.p[r * ((int64) alignment.n_text + 1) + alignment.n_text], true);
	}
	xmc_arena_free(&arena);
}

Datum
xmcoh_alignment(PG_FUNCTION_ARGS)
{
	static const xmc_guidance_rule usual = {0};
	DeployedModel deployed;
	AlignmentOutput output = {.result = (ReturnSetInfo *) fcinfo->resultinfo,.deployed = &deployed};

	xmcoh_bulk_one(fcinfo, &deployed, &usual, put_alignment, &output);
	return (Datum) 0;
}
