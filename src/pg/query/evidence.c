/* evidence.c - an item's evidence out of datums and into the core; see evidence.h */
#include "query/evidence.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "source/source.h"
#include "base/xmcoh.h"

static const char *
described(const char *what, const char *item)
{
	return item ? psprintf("%s of item \"%s\"", what, item) : what;
}

static const float *
read_embedding(NullableDatum datum, const char *what, EvidenceName name, void *arg, int32 *length)
{
	ArrayType  *array;

	*length = -1;
	if (datum.isnull)
		return NULL;
	array = DatumGetArrayTypeP(datum.value);
	*length = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	/*
	 * The wanted length is the model's, known only when the document is complete; an empty array is one of a wrong
	 * length.
	 */
	if (*length == 0 || xmcoh_embedding_is_good(array, *length))
		return (const float *) ARR_DATA_PTR(array);
	return xmcoh_check_embedding(array, *length, described(what, name == NULL ? NULL : name(arg)));
}

void
xmcoh_evidence_read(NullableDatum text, NullableDatum image, NullableDatum embedding, EvidenceName name, void *arg,
					Evidence *out)
{
	out->text = NULL;
	out->text_length = -1;
	if (!text.isnull)
	{
		struct varlena *value = PG_DETOAST_DATUM_PACKED(text.value);

		out->text = VARDATA_ANY(value);
		out->text_length = (int32) VARSIZE_ANY_EXHDR(value);
	}
	out->image = read_embedding(image, "image", name, arg, &out->image_length);
	out->embedding = read_embedding(embedding, "text embedding", name, arg, &out->embedding_length);
}

static const float *
wanted_embedding(const float *values, int32 got, int32 wanted, const char *what, const char *item)
{
	if (wanted == 0 || got < 0)
		return NULL;
	if (got != wanted)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("%s has %d numbers, but the model wants %d", described(what, item), got, wanted)));
	return values;
}

void
xmcoh_evidence_item(const Evidence *evidence, const xmc_options *options, const char *key,
					size_t key_length, bool name_item, xmc_item *out)
{
	const char *item = NULL;

	if (name_item && (evidence->image_length != options->image_dim || evidence->embedding_length != options->text_dim))
		item = pnstrdup(key, key_length);
	*out = (xmc_item){.key = key, .key_length = key_length};
	if (evidence->text_length >= 0 && options->words)
	{
		char	   *utf8 = pg_server_to_any(evidence->text, evidence->text_length, PG_UTF8);

		out->text = utf8;
		out->text_length = utf8 == evidence->text ? (size_t) evidence->text_length : strlen(utf8);
	}
	out->image = wanted_embedding(evidence->image, evidence->image_length, options->image_dim, "image", item);
	out->text_embedding = wanted_embedding(evidence->embedding, evidence->embedding_length, options->text_dim,
										   "text embedding", item);
}

void
xmcoh_score_items(const xmc_model *model, int32 n, const xmc_item *item, ScoredDocument *out)
{
	xmc_ctx		ctx = xmcoh_context();

	XMCOH_TRY(xmc_document_build(&ctx, &model->options, xmcoh_tokeniser(), n, item, &out->document), &ctx);
	XMCOH_TRY(xmc_score_documents(&ctx, model, 1, &out->document, &out->scores), &ctx);
}

void
xmcoh_notice_evidence(const xmc_options *options, bool takes_embedding, xmc_score_kind evidence,
					  const xmc_document *document, EvidenceNotices *given)
{
	if (options->text_dim > 0 && !takes_embedding && !given->no_embedding && document->n > 0)
	{
		given->no_embedding = true;
		ereport(NOTICE,
				(errmsg("the model reads text embeddings of %d numbers, and this call leaves them out", options->text_dim),
				 errhint("Give them as the argument text_embedding.")));
	}
	for (int32 i = 0; i < document->n && evidence == XMC_EVIDENCE_FUSED && !given->no_evidence; i++)
		if (document->has[i] == 0)
		{
			given->no_evidence = true;
			ereport(NOTICE,
					(errmsg("some items have nothing that the model reads"),
					 errdetail("They take part without evidence: their place is a guess.")));
		}
}

void
xmcoh_check_item_count(int64 n, const char *document)
{
	if (n <= xmcoh_max_document_items)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 document ? errmsg("document \"%s\" has more than %d items", document, xmcoh_max_document_items)
			 : errmsg("a document has more than %d items", xmcoh_max_document_items),
			 errhint("Does each document have a key of its own? If documents are this long, raise"
					 " xmcoh.max_document_items.")));
}

static const char *const evidence_names[XMC_EVIDENCES] = {
	[XMC_EVIDENCE_TEXT] = "text", [XMC_EVIDENCE_IMAGE] = "image", [XMC_EVIDENCE_FUSED] = "fused",
	[XMC_EVIDENCE_TEXT_GUIDED] = "text guided", [XMC_EVIDENCE_IMAGE_GUIDED] = "image guided"
};
static const char *const guidance_names[XMC_GUIDANCE_MODES] = {
	[XMC_GUIDANCE_SOFT] = "soft", [XMC_GUIDANCE_HARD] = "hard", [XMC_GUIDANCE_UNCALIBRATED] = "uncalibrated",
	[XMC_GUIDANCE_PAPER] = "paper",[XMC_GUIDANCE_STORED] = "stored"
};
static const char *const alignment_names[] = {"known", "inferred"};	/* by xmc_guidance_rule.inferred */

/* The number of an argument's value among the names; NULL: the usual one. */
static int
choice(NullableDatum argument, const char *what, int usual, int n, const char *const *names)
{
	StringInfoData known;
	char	   *name;

	if (argument.isnull)
		return usual;
	name = text_to_cstring(DatumGetTextPP(argument.value));
	for (int k = 0; k < n; k++)
		if (strcmp(name, names[k]) == 0)
		{
			pfree(name);
			return k;
		}
	initStringInfo(&known);
	for (int k = 0; k < n; k++)
		appendStringInfo(&known, "%s%s", k == 0 ? "" : k == n - 1 ? " and " : ", ", names[k]);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown %s \"%s\"", what, name),
			 errhint("Known are %s.", known.data)));
}

xmc_score_kind
xmcoh_evidence_argument(NullableDatum argument)
{
	return (xmc_score_kind) choice(argument, "evidence", XMC_EVIDENCE_FUSED, XMC_EVIDENCES, evidence_names);
}

const char *
xmcoh_evidence_name(xmc_score_kind evidence)
{
	return evidence_names[evidence];
}

xmc_guidance_rule
xmcoh_guidance_arguments(FunctionCallInfo fcinfo, int first)
{
	const NullableDatum *argument = &fcinfo->args[first];
	xmc_guidance_rule rule = {
		.mode = (xmc_guidance_mode) choice(argument[0], "guidance", XMC_GUIDANCE_SOFT, XMC_GUIDANCE_MODES, guidance_names),
		.inferred = choice(argument[1], "alignment", 0, lengthof(alignment_names), alignment_names),
		.rounds = argument[2].isnull ? 3 : DatumGetInt32(argument[2].value)
	};

	if (rule.rounds < 1 || rule.rounds > XMC_GUIDANCE_MAX_ROUNDS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rounds must be between 1 and %d", XMC_GUIDANCE_MAX_ROUNDS)));
	return rule;
}

int32
xmcoh_decode_evidence(const xmc_document *document, const xmc_scores *scores, xmc_score_kind evidence, int32 *order)
{
	xmc_ctx		ctx = xmcoh_context();
	int32		m;

	XMCOH_TRY(xmc_recover_order(&ctx, document, scores, evidence, NULL, order, &m), &ctx);
	return m;
}
