/*
 * explain.c - the SQL functions explain and explain_document: what the score of a pair is made of, and which pairs of a
 * document are probably in the wrong order, in sentences for people.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/xmcoh.h"
#include "model/encoders.h"
#include "query/arguments.h"
#include "query/bulk.h"
#include "query/phrases.h"

#include "xmcoh/check.h"
#include "xmcoh/decided.h"
#include "xmcoh/explain.h"
#include "xmcoh/order.h"

PG_FUNCTION_INFO_V1(xmcoh_explain);
PG_FUNCTION_INFO_V1(xmcoh_explain_document);

/* What both functions have: one document, and where the rows go. */
typedef struct Explaining
{
	ReturnSetInfo *result;
	char	   *model_name;
	char	   *document;
	DeployedModel deployed;
	const xmc_guidance_rule *rule;
	bool		found;			/* a source has the document */
	const BulkDocument *scored; /* that is being explained */

	/* explain */
	char	   *item[2];
	const char *missing;		/* an item that the document lacks, as long as none has both */
	bool		complete;		/* a document with both items was explained */
	int32		top;

	/* explain_document */
	double		threshold;
	int32		most;			/* pairs */
	Language	language;
	const uint8 *decided;		/* (n, n) about the document; NULL: nothing is */
	char	  **label;			/* (n) what its items are called */
} Explaining;

/* Scores the document, with its texts, and visits it; an error if no source has it. */
static void
explain_one(FunctionCallInfo fcinfo, NullableDatum source, BulkVisitor visit, Explaining *e)
{
	const char *key = e->document;
	DocumentKeys keys = {.n = 1,.key = &key};
	BulkRequest request = {.source = source.isnull ? InvalidOid : DatumGetObjectId(source.value),.keys = &keys,
	.decided = true,.texts = true,.visit = visit,.arg = e};

	e->result = (ReturnSetInfo *) fcinfo->resultinfo;
	InitMaterializedSRF(fcinfo, 0);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	xmcoh_bulk_score(&e->deployed, e->rule, &request);
	SPI_finish();
	if (!e->found)
		xmcoh_refuse_unknown(e->model_name, e->document, NULL);
}

/* Explains pairs of a document; in_detail: networks by their inputs, and embeddings by the words of the texts they are made from. */
static void
explain_pairs(Explaining *e, const BulkDocument *scored, bool in_detail, int32 n, const xmc_pair *pair,
			  xmc_explanation_visitor visit)
{
	xmc_ctx		ctx = xmcoh_context();
	xmc_explain_inputs inputs = {.image_text = scored->image_text};

	for (int m = 0; in_detail && m < XMC_MODALITIES; m++)
	{
		int32		encoder_id = e->deployed.encoder[m];

		if (encoder_id != 0 && strcmp(xmcoh_encoder_sha256(encoder_id), e->deployed.model->encoder[m]) == 0)
			inputs.encoder[m] = xmcoh_text_encoder_of(xmcoh_open_encoder(encoder_id));
	}
	e->scored = scored;
	XMCOH_TRY(xmc_explain(&ctx, e->deployed.model, e->rule, xmcoh_tokeniser(), &scored->document, scored->text, &scored->scores,
						  in_detail ? &inputs : NULL, n, pair, visit, e), &ctx);
}

static void
take_model(FunctionCallInfo fcinfo, Explaining *e)
{
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);

	e->model_name = text_to_cstring(model);
	e->document = xmcoh_text_argument(fcinfo->args[1], "document");
	e->deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
}

/* ---- explain(model, document, item_a, item_b, top, source) ---- */

static const char *const kind_names[XMC_PART_KINDS] = {
	[XMC_PART_WORD] = "word", [XMC_PART_MENTIONS] = "shared word", [XMC_PART_TEXT_EMBEDDING] = "text embedding",
	[XMC_PART_NETWORK] = "network", [XMC_PART_IMAGE] = "image", [XMC_PART_GUIDED] = "guided", [XMC_PART_TOGETHER] = "fused together",
	[XMC_PART_ENCODER] = "encoder", [XMC_PART_ROUNDING] = "calibration"
};

/* One row; modality, feature and item may be NULL. */
static void
put_row(const Explaining *e, const char *modality, const char *kind, const char *feature, const char *item, double contribution)
{
	const char *column[4] = {modality, kind, feature, item};
	Datum		values[5];
	bool		nulls[5] = {false};

	for (int k = 0; k < 4; k++)
	{
		nulls[k] = column[k] == NULL;
		values[k] = nulls[k] ? (Datum) 0 : CStringGetTextDatum(column[k]);
	}
	values[4] = Float8GetDatum(contribution);
	tuplestore_putvalues(e->result->setResult, e->result->setDesc, values, nulls);
}

static const char *
modality_name(const xmc_part *part)
{
	return part->modality == XMC_JOINT ? NULL : xmcoh_score_kind_name((xmc_score_kind) part->modality);
}

/* The items that stand for those of the pair, with the probability of the alignment: 12 (0.93), 14 (0.88). */
static char *
guides(const BulkDocument *scored, const xmc_part *part, const xmc_pair *pair)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int side = 0; side < 2; side++)
		if (part->via[side] != (side ? pair->after : pair->before))
			appendStringInfo(&text, "%s%s (%.2f)", text.len > 0 ? ", " : "", scored->item[part->via[side]],
							 part->probability[side]);
	return text.data;
}

/* For qsort: by falling size, then by kind, then by what is told of a part. */
static int
compare_parts(const void *a, const void *b)
{
	const xmc_part *x = a;
	const xmc_part *y = b;
	double		x_size = fabs(x->contribution);
	double		y_size = fabs(y->contribution);

	CHECK_FOR_INTERRUPTS();
	if (x_size != y_size)
		return x_size > y_size ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->modality != y->modality)
		return x->modality < y->modality ? -1 : 1;
	if ((x->term == NULL) != (y->term == NULL))
		return x->term == NULL ? -1 : 1;
	if (x->term != NULL)
	{
		int			compared = xmc_key_compare(x->term, x->term_length, y->term, y->term_length);

		if (compared != 0 || x->feature_kind != y->feature_kind)
			return compared != 0 ? compared : (int) x->feature_kind - (int) y->feature_kind;
	}
	if (x->in[0] != y->in[0])
		return x->in[0] ? -1 : 1;
	if (x->via[0] != y->via[0])
		return x->via[0] < y->via[0] ? -1 : 1;
	return (x->via[1] > y->via[1]) - (x->via[1] < y->via[1]);
}

/* What a part is called that is of an item, or of other items, and names no word. */
static const char *
input_name(const xmc_part *part)
{
	if (part->kind == XMC_PART_ENCODER)
		return "no single word";
	if (part->in[0] == part->in[1])
		return "other items";
	return kind_names[part->modality == XMC_TEXT ? XMC_PART_TEXT_EMBEDDING : XMC_PART_IMAGE];
}

static void
put_part(const Explaining *e, const BulkDocument *scored, const xmc_pair *pair, const xmc_part *part)
{
	const char *feature = NULL;
	const char *item = NULL;

	if (part->kind == XMC_PART_WORD || part->kind == XMC_PART_NETWORK || part->kind == XMC_PART_ENCODER)
	{
		feature = part->term == NULL ? input_name(part) : xmcoh_feature_name(part->feature_kind, part->term, part->term_length);
		if (part->in[0] != part->in[1])
			item = scored->item[part->in[0] ? pair->before : pair->after];
	}
	else if (part->kind == XMC_PART_MENTIONS)
		feature = psprintf("%s (%s, %s)", xmcoh_feature_name(XMC_FEATURE_WORD, part->term, part->term_length),
						   xmcoh_mention_name(part, 0), xmcoh_mention_name(part, 1));
	else if (part->kind == XMC_PART_GUIDED)
		feature = guides(scored, part, pair);
	else if (part->kind == XMC_PART_ROUNDING)
		feature = "rounding";
	put_row(e, modality_name(part), kind_names[part->kind], feature, item, part->contribution);
}

/* Of these kinds at most `top` parts of a modality have rows, and the others one row of this name. */
static const char *const others[XMC_PART_KINDS] = {
	[XMC_PART_WORD] = "other words", [XMC_PART_MENTIONS] = "other shared words", [XMC_PART_NETWORK] = "other inputs",
	[XMC_PART_GUIDED] = "other counterparts", [XMC_PART_ENCODER] = "other words"
};

/* Whether a part is one of the parts that `top` limits. What no single word adds by an encoder always has a row. */
static bool
is_limited(const xmc_part *part)
{
	return others[part->kind] != NULL && !(part->kind == XMC_PART_ENCODER && part->term == NULL);
}

/*
 * The rows of a pair: the decision, if there is one; the parts, of words, shared words, inputs of a network, words by an encoder and
 * guided parts of a modality at most `top` each; then what is left of these, one row each.
 */
static void
put_explanation(void *arg, const xmc_pair *pair, xmc_explanation *explanation)
{
	const Explaining *e = arg;
	const BulkDocument *scored = e->scored;
	const char *decided = xmcoh_decision_name(scored, (int64) pair->before * scored->document.n + pair->after);
	int32		shown[XMC_PART_KINDS][XMC_MODALITIES + 1] = {0};
	double		rest[XMC_PART_KINDS][XMC_MODALITIES + 1] = {0};

	qsort(explanation->part, (size_t) explanation->n, sizeof(xmc_part), compare_parts);
	if (decided != NULL)
		put_row(e, NULL, "approved", decided, NULL, 0);
	for (int32 k = 0; k < explanation->n; k++)
	{
		const xmc_part *part = &explanation->part[k];

		CHECK_FOR_INTERRUPTS();
		if (!is_limited(part) || shown[part->kind][part->modality] < e->top)
			put_part(e, scored, pair, part);
		else
			rest[part->kind][part->modality] += part->contribution;
		shown[part->kind][part->modality] += is_limited(part);
	}
	for (int kind = 0; kind < XMC_PART_KINDS; kind++)
		for (int m = 0; m < XMC_MODALITIES; m++)
			if (others[kind] != NULL && shown[kind][m] > e->top)
				put_row(e, xmcoh_score_kind_name((xmc_score_kind) m), kind_names[kind], others[kind], NULL, rest[kind][m]);
}

/* The visitor: two sources may have documents with one key, and the one with both items is meant. */
static void
explain_pair(void *arg, const BulkDocument *scored)
{
	Explaining *e = arg;
	xmc_pair	pair = {xmcoh_scored_item(scored, e->item[0]), xmcoh_scored_item(scored, e->item[1]), 1};

	e->found = true;
	if (pair.before < 0 || pair.after < 0)
	{
		e->missing = e->item[pair.before < 0 ? 0 : 1];
		return;
	}
	e->complete = true;
	explain_pairs(e, scored, true, 1, &pair, put_explanation);
}

Datum
xmcoh_explain(PG_FUNCTION_ARGS)
{
	static const xmc_guidance_rule usual = {0};
	Explaining	e = {.rule = &usual};

	take_model(fcinfo, &e);
	e.item[0] = xmcoh_text_argument(fcinfo->args[2], "item_a");
	e.item[1] = xmcoh_text_argument(fcinfo->args[3], "item_b");
	e.top = xmcoh_count_argument(fcinfo->args[4], "top", 0, XMCOH_MOST_LISTED, 10);
	if (strcmp(e.item[0], e.item[1]) == 0)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("item_a and item_b are the same item \"%s\"", e.item[0]));
	explain_one(fcinfo, fcinfo->args[5], explain_pair, &e);
	if (!e.complete)
		xmcoh_refuse_unknown(e.model_name, e.document, e.missing);
	return (Datum) 0;
}

/* ---- explain_document(model, document, source, precision, n, language) ---- */

#define TOP_WORDS 5

/* The columns of the result. */
enum
{
	VERDICT, BEFORE_ITEM, AFTER_ITEM, BEFORE_POSITION, AFTER_POSITION, BEFORE_TEXT, AFTER_TEXT, PROBABILITY, TEXT_SHARE,
	IMAGE_SHARE, WORDS_FOR, WORDS_AGAINST, EXPLANATION, COLUMNS
};

static Datum
text_of_item(const xmc_item *item, bool *is_null)
{
	char	   *text = xmcoh_item_text(item);

	*is_null = text == NULL;
	return *is_null ? (Datum) 0 : CStringGetTextDatum(text);
}

static Datum
words_array(const xmc_explanation *explanation, int sign)
{
	char	   *word[TOP_WORDS];
	Datum		element[TOP_WORDS];
	int			n = xmcoh_top_words(explanation, -1, sign, TOP_WORDS, word);

	for (int k = 0; k < n; k++)
		element[k] = CStringGetTextDatum(word[k]);
	return PointerGetDatum(construct_array(element, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* How sure the order of a violated pair is, and its probability. */
static Sureness
sureness_of(const Explaining *e, const xmc_pair *pair, double *probability)
{
	Size		at = (Size) pair->before * e->scored->document.n + pair->after;
	double		score = e->scored->scores.score[XMC_SCORE_FUSED][at];

	*probability = 1;
	if (e->decided != NULL && e->decided[at] == XMC_DECIDED_BEFORE)
		return APPROVED;
	*probability = xmc_probability(score);
	return score >= e->threshold ? PROBABLY : PERHAPS;
}

/* A row of the result. */
static void
put_violated(void *arg, const xmc_pair *pair, xmc_explanation *explanation)
{
	const Explaining *e = arg;
	const BulkDocument *scored = e->scored;
	double		probability;
	Sureness	sureness = sureness_of(e, pair, &probability);
	double		share[XMC_MODALITIES + 1] = {0};
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};

	CHECK_FOR_INTERRUPTS();
	for (int32 k = 0; k < explanation->n; k++)
		share[explanation->part[k].modality] += explanation->part[k].contribution;
	values[VERDICT] = CStringGetTextDatum(sureness == PERHAPS ? "doubtful" : "violated");
	values[BEFORE_ITEM] = CStringGetTextDatum(scored->item[pair->before]);
	values[AFTER_ITEM] = CStringGetTextDatum(scored->item[pair->after]);
	values[BEFORE_POSITION] = Float8GetDatum(scored->position[pair->before]);
	values[AFTER_POSITION] = Float8GetDatum(scored->position[pair->after]);
	values[BEFORE_TEXT] = text_of_item(&scored->text[pair->before], &nulls[BEFORE_TEXT]);
	values[AFTER_TEXT] = text_of_item(&scored->text[pair->after], &nulls[AFTER_TEXT]);
	values[PROBABILITY] = Float8GetDatum(probability);
	values[TEXT_SHARE] = Float8GetDatum(share[XMC_TEXT]);
	values[IMAGE_SHARE] = Float8GetDatum(share[XMC_IMAGE]);
	values[WORDS_FOR] = words_array(explanation, 1);
	values[WORDS_AGAINST] = words_array(explanation, -1);
	values[EXPLANATION] = CStringGetTextDatum(xmcoh_why_before(e->language, scored->position, e->label, pair, sureness,
															   probability, explanation));
	tuplestore_putvalues(e->result->setResult, e->result->setDesc, values, nulls);
}

/* The visitor: pairs that are stored the other way round than is decided or more likely, the surest first. */
static void
explain_order(void *arg, const BulkDocument *scored)
{
	Explaining *e = arg;
	int32		n = scored->document.n;
	xmc_ctx		ctx = xmcoh_context();
	xmc_violated_pair *violated = palloc(sizeof(xmc_violated_pair) * ((Size) e->most + 1));
	xmc_pair   *pair = palloc(sizeof(xmc_pair) * ((Size) e->most + 1));
	int64_t		all;
	int32		listed;

	e->found = true;
	e->decided = xmcoh_decided_with_order(scored);
	XMCOH_TRY(xmc_list_violated(&ctx, n, scored->scores.score[XMC_SCORE_FUSED], e->decided, scored->position, 0, e->most,
								violated, &all), &ctx);
	listed = (int32) Min(all, e->most);
	for (int32 k = 0; k < listed; k++)
		pair[k] = (xmc_pair) {violated[k].before, violated[k].after, 1};
	e->label = palloc(sizeof(char *) * ((Size) n + 1));
	for (int32 i = 0; i < n; i++)
		e->label[i] = xmcoh_item_label(e->language, scored->position[i], &scored->text[i]);
	explain_pairs(e, scored, false, listed, pair, put_violated);
}

Datum
xmcoh_explain_document(PG_FUNCTION_ARGS)
{
	static const xmc_guidance_rule as_new = {.as_new = true};	/* as the table of reliability was made */
	Explaining	e = {.rule = &as_new,.language = xmcoh_language_argument(fcinfo->args[5])};
	double		precision = xmcoh_precision_argument(fcinfo->args[3]);

	take_model(fcinfo, &e);
	e.most = xmcoh_count_argument(fcinfo->args[4], "n", 0, XMCOH_MOST_LISTED, 10);
	e.threshold = xmc_check_threshold(e.deployed.model, XMC_SCORE_FUSED, precision);
	explain_one(fcinfo, fcinfo->args[2], explain_order, &e);
	return (Datum) 0;
}
