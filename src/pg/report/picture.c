/*
 * picture.c - the SQL function picture: one picture of a model or of a document, as SVG.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/xmcoh.h"
#include "model/weights.h"
#include "report/pictures.h"

PG_FUNCTION_INFO_V1(xmcoh_picture);

static const char *const picture_names[PICTURE_KINDS] = {
	[PICTURE_PAIRS] = "pairs", [PICTURE_ORDER] = "order", [PICTURE_ALIGNMENT] = "alignment", [PICTURE_RELIABILITY] = "reliability",
	[PICTURE_LEARNING] = "learning", [PICTURE_QUALITY] = "quality", [PICTURE_ROUNDS] = "rounds"
};

/* What makes that of which a picture has nothing to show. */
static const char *const hints[PICTURE_KINDS] = {
	[PICTURE_RELIABILITY] = "Train the model again, so that its version records how reliable it is.",
	[PICTURE_LEARNING] = "Call xmcoh.study_learning_curve.", [PICTURE_QUALITY] = "Call xmcoh.snapshot_quality, or xmcoh.schedule_snapshot.",
	[PICTURE_ROUNDS] = "Train with rounds: xmcoh.train(..., rounds => 2)."
};

/* The argument `what`. ERROR null_value_not_allowed, invalid_parameter_value. */
static PictureKind
kind_argument(NullableDatum argument)
{
	char	   *name = xmcoh_text_argument(argument, "what");

	for (int k = 0; k < PICTURE_KINDS; k++)
		if (strcmp(name, picture_names[k]) == 0)
			return (PictureKind) k;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no picture \"%s\"", name),
			 errhint("Pictures are pairs, order and alignment of a document, and reliability, learning, quality and rounds of a model.")));
}

Datum
xmcoh_picture(PG_FUNCTION_ARGS)
{
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);
	PictureKind kind = kind_argument(fcinfo->args[1]);
	bool		has_document = !PG_ARGISNULL(2);
	Language	language = xmcoh_language_argument(fcinfo->args[3]);
	Oid			source = PG_ARGISNULL(4) ? InvalidOid : PG_GETARG_OID(4);
	xmc_ctx		ctx = xmcoh_context_in(CurrentMemoryContext);
	xmc_markup	out;
	char	   *svg;
	size_t		length;

	if (IS_OF_DOCUMENT(kind) != has_document)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(has_document ? "the picture \"%s\" is of a model, not of a document" : "the picture \"%s\" needs a document",
						picture_names[kind])));
	xmc_markup_init(&out, &ctx, GetDatabaseEncoding() != PG_UTF8);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (has_document)
		xmcoh_draw_document(&out, kind, model, text_to_cstring(PG_GETARG_TEXT_PP(2)), source, language);
	else
	{
		char	   *name = text_to_cstring(model);

		xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
		if (!xmcoh_draw_chart(&out, kind, name, language))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("model \"%s\" has nothing to show in the picture \"%s\"", name, picture_names[kind]),
					 errhint("%s", hints[kind])));
	}
	SPI_finish();
	XMCOH_TRY(xmc_markup_end(&out, &svg, &length), &ctx);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(svg, (int) length));
}
