/* quality.c - figures of all documents of a model, for snapshots; see quality.h */
#include "query/quality.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "base/statement.h"
#include "base/xmcoh.h"
#include "query/arguments.h"
#include "query/bulk.h"
#include "query/by_groups.h"

#include "xmcoh/agreement.h"
#include "xmcoh/check.h"
#include "xmcoh/drift.h"
#include "xmcoh/unknown_words.h"

PG_FUNCTION_INFO_V1(xmcoh_measure_quality);
PG_FUNCTION_INFO_V1(xmcoh_drift);
PG_FUNCTION_INFO_V1(xmcoh_drift_by_chance);

#define PRECISION 0.95			/* at which a document is suspect and a pair confident */

/* ---- what the extension's tables say ---- */

/* Of one document. */
typedef struct Note
{
	const char *document;		/* the first member, for xmcoh_first_of_document */
	int32		violations;		/* that are open */
	int64		decisions;
	double		answers;		/* pairs that were decided under the version */
	double		agreed;			/* of these, the model had the order right */
	double		promised;		/* sum of the probabilities that it gave its own answers */
	bool		read;			/* the document was read: two sources may have documents with one key */
} Note;

struct QualityNotes
{
	int32		version;
	int64		n;
	Note	   *note;			/* (n), sorted by document (bytes) */
};

QualityNotes *
xmcoh_quality_notes(int32 model_id)
{
	MemoryContext caller = CurrentMemoryContext;
	QualityNotes *notes = palloc0(sizeof *notes);
	Oid			types[2] = {INT4OID, INT4OID};
	Datum		values[2] = {Int32GetDatum(model_id)};
	bool		is_null = true;

	if (execute("SELECT deployed_version, name FROM xmcoh.model WHERE model_id = $1", SPI_OK_SELECT, 1, types, values, NULL) == 0)
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("model %d does not exist", model_id));
	notes->version = DatumGetInt32(first_value(1, &is_null));
	if (is_null)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("model \"%s\" has no deployed version", first_text(2)),
				errhint("Train the model with xmcoh.train, or deploy a version with xmcoh.deploy."));
	values[1] = Int32GetDatum(notes->version);
	notes->n = (int64) execute("SELECT x.document, sum(x.violation)::integer, sum(x.decision), sum(x.answer)::float8, sum(x.agreed)::float8,"
							   " sum(x.promised) FROM (SELECT v.document, 1 AS violation, 0 AS decision, 0 AS answer, 0 AS agreed,"
							   " 0::float8 AS promised FROM xmcoh.violation_record AS v"
							   " WHERE v.model_id = $1 AND v.accepted_at IS NULL AND v.resolved_at IS NULL"
							   " UNION ALL SELECT d.document, 0, (d.decided_at >= xmcoh_internal.deployed_since($1, $2))::integer,"
							   " a.counts::integer, (a.counts AND d.probability > 0.5)::integer,"
							   " CASE WHEN a.counts THEN greatest(d.probability, 1 - d.probability) ELSE 0 END"
							   " FROM xmcoh.decision AS d, LATERAL (SELECT d.kind = 'before' AND d.version = $2"
							   " AND d.probability IS NOT NULL AND d.withdrawn_by IS NULL) AS a (counts)"
							   " WHERE d.model_id = $1 AND d.kind <> 'withdrawal') AS x"
							   " GROUP BY x.document COLLATE \"C\", x.document ORDER BY x.document COLLATE \"C\"",
							   SPI_OK_SELECT, 2, types, values, NULL);
	notes->note = MemoryContextAllocHuge(caller, sizeof(Note) * ((Size) notes->n + 1));
	for (int64 k = 0; k < notes->n; k++)
	{
		HeapTuple	row = SPI_tuptable->vals[k];
		TupleDesc	desc = SPI_tuptable->tupdesc;

		notes->note[k] = (Note) {
			.document = MemoryContextStrdup(caller, SPI_getvalue(row, desc, 1)),
			.violations = DatumGetInt32(SPI_getbinval(row, desc, 2, &is_null)),
			.decisions = DatumGetInt64(SPI_getbinval(row, desc, 3, &is_null)),
			.answers = DatumGetFloat8(SPI_getbinval(row, desc, 4, &is_null)),
			.agreed = DatumGetFloat8(SPI_getbinval(row, desc, 5, &is_null)),
			.promised = DatumGetFloat8(SPI_getbinval(row, desc, 6, &is_null)),
		};
	}
	return notes;
}

/* ---- figures of a group ---- */

typedef struct Figures
{
	const char *name;			/* NULL: the whole */
	int32		documents;
	int64		items;
	int32		checked;		/* documents with a stored order of two items at least */
	double		coherence;		/* sums over these */
	double		gain;
	int32		suspect;
	int32		unsure;
	int32		stale;			/* of all documents */
	int64		pairs;
	int64		confident_pairs;
	int64		words;
	int64		unknown_words;
	int64		violations;
	int64		decisions;
	double		promised;
	xmc_answers answers;
	int64		coherences[XMC_COHERENCE_BINS];
} Figures;

typedef struct Survey
{
	const xmc_model *model;
	double		threshold;
	double		used_rows;
	const char *by;
	QualityNotes *notes;
	Figures		whole;
	ByGroups   *groups;			/* that have a name */
	Figures    *group[XMCOH_MOST_GROUPS];	/* by the number of the group */
} Survey;

/* The figures of the group with this name. */
static Figures *
find_group(Survey *survey, const char *name)
{
	int32		number = xmcoh_by_number(survey->groups, name);

	if (number == XMCOH_MOST_GROUPS)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("column \"%s\" names more than %d groups of documents", survey->by, XMCOH_MOST_GROUPS),
				errhint("Take the snapshot by a column with fewer values."));
	if (survey->group[number] == NULL)
	{
		survey->group[number] = MemoryContextAllocZero(survey->groups->memory, sizeof(Figures));
		survey->group[number]->name = survey->groups->name[number];
	}
	return survey->group[number];
}

static void
add_note(Figures *group, const Note *note)
{
	group->violations += note->violations;
	group->decisions += note->decisions;
	group->promised += note->promised;
	xmc_answers_add(&group->answers, note->answers, note->agreed);
}

/* Adds one document to the figures of a group. */
static void
add_document(const Survey *survey, Figures *group, const BulkDocument *scored, const xmc_check *check)
{
	group->documents++;
	group->items += scored->document.n;
	group->stale += scored->stale;
	if (survey->model->sparse)
		xmc_count_unknown_words(survey->model, &scored->document, &group->words, &group->unknown_words);
	if (check->pairs == 0)
		return;
	group->checked++;
	group->coherence += check->coherence;
	group->gain += check->gain;
	group->suspect += check->verdict == XMC_VERDICT_SUSPECT;
	group->unsure += check->verdict == XMC_VERDICT_UNSURE && !scored->stale;
	group->pairs += check->pairs;
	group->confident_pairs += check->confident_pairs;
	group->coherences[xmc_coherence_bin(check->coherence)]++;
}

static void
visit(void *arg, const BulkDocument *scored)
{
	Survey	   *survey = arg;
	QualityNotes *notes = survey->notes;
	xmc_ctx		ctx = xmcoh_context();
	Figures    *group = scored->by != NULL ? find_group(survey, scored->by) : NULL;
	int64		k = xmcoh_first_of_document(notes->note, notes->n, sizeof(Note), scored->key);
	xmc_check	check;

	XMCOH_TRY(xmc_check_order(&ctx, scored->document.n, scored->scores.score[XMC_SCORE_FUSED], xmcoh_decided_with_order(scored),
							  scored->position, survey->threshold, &check), &ctx);
	add_document(survey, &survey->whole, scored, &check);
	if (group != NULL)
		add_document(survey, group, scored, &check);
	if (k < notes->n && strcmp(notes->note[k].document, scored->key) == 0 && !notes->note[k].read)
	{
		notes->note[k].read = true;
		if (group != NULL)
			add_note(group, &notes->note[k]);
	}
}

/* ---- the result ---- */

static void
append_number(StringInfo out, const char *name, double value)
{
	appendStringInfo(out, ", \"%s\": %s", name, isfinite(value) ? float8out_internal(value) : "null");
}

static void
append_group(StringInfo out, const Survey *survey, const Figures *group)
{
	double		checked = group->checked > 0 ? group->checked : NAN;
	double		share;
	double		low;
	double		high;

	xmc_agreement(&group->answers, &share, &low, &high);
	appendStringInfoString(out, "{\"group\": ");
	if (group->name != NULL)
		escape_json(out, group->name);
	else
		appendStringInfoString(out, "null");
	appendStringInfo(out, ", \"documents\": %d, \"items\": " INT64_FORMAT ", \"violations_open\": " INT64_FORMAT ", \"decisions\": "
					 INT64_FORMAT, group->documents, group->items, group->violations, group->decisions);
	append_number(out, "coherence", group->coherence / checked);
	append_number(out, "gain", group->gain / checked);
	append_number(out, "suspect", group->suspect / checked);
	append_number(out, "unsure", group->unsure / checked);
	append_number(out, "stale", group->documents > 0 ? (double) group->stale / group->documents : NAN);
	append_number(out, "confident", group->pairs > 0 ? (double) group->confident_pairs / (double) group->pairs : NAN);
	append_number(out, "unknown_words",
				  xmc_unknown_share(survey->used_rows, (double) group->words, (double) group->unknown_words));
	append_number(out, "agreement", share);
	append_number(out, "agreement_low", low);
	append_number(out, "agreement_high", high);
	append_number(out, "promised", group->answers.n > 0 ? group->promised / group->answers.n : NAN);
	for (int k = 0; k < XMC_COHERENCE_BINS; k++)
		appendStringInfo(out, "%s" INT64_FORMAT, k == 0 ? ", \"coherences\": [" : ",", group->coherences[k]);
	appendStringInfoString(out, "]}");
}

static Jsonb *
survey_json(const Survey *survey)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "{\"version\": %d, \"groups\": [", survey->notes->version);
	append_group(&out, survey, &survey->whole);
	for (int32 k = 0; k < survey->groups->n; k++)
	{
		appendStringInfoString(&out, ", ");
		append_group(&out, survey, survey->group[k]);
	}
	appendStringInfoString(&out, "]}");
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data)));
}

Jsonb *
xmcoh_quality_measure(const char *model, const char *by, QualityNotes *notes)
{
	static const xmc_guidance_rule as_new = {.as_new = true};	/* as the table of reliability was made */
	DeployedModel deployed = xmcoh_find_deployed(model, strlen(model));
	Survey	   *survey = palloc0(sizeof *survey);
	BulkRequest request = {.source = InvalidOid,.by = by,.decided = true,.visit = visit,.arg = survey};

	if (deployed.version != notes->version)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_IN_USE),
				errmsg("another version of model \"%s\" was deployed meanwhile", model));
	survey->model = deployed.model;
	survey->threshold = xmc_check_threshold(deployed.model, XMC_SCORE_FUSED, PRECISION);
	survey->used_rows = xmc_used_rows(deployed.model);
	survey->by = by;
	survey->notes = notes;
	survey->groups = xmcoh_by_groups(CurrentMemoryContext);
	xmcoh_bulk_score(&deployed, &as_new, &request);
	/* Of the whole count decisions about documents that are gone, too. */
	for (int64 k = 0; k < notes->n; k++)
		add_note(&survey->whole, &notes->note[k]);
	return survey_json(survey);
}

/* ---- SQL functions ---- */

/* measure_quality(caller oid, model text, by text) RETURNS jsonb */
Datum
xmcoh_measure_quality(PG_FUNCTION_ARGS)
{
	Oid			caller = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	char	   *model = xmcoh_text_argument(fcinfo->args[1], "model");
	char	   *by = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	MemoryContext memory = CurrentMemoryContext;
	MemoryContext spi;
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(model)};
	QualityNotes *notes;
	Jsonb	   *measured;
	bool		is_null;
	Oid			user;
	int			security;

	(void) GetUserNameFromId(caller, false);	/* an ERROR for an OID that is no role's */
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (execute("SELECT model_id FROM xmcoh.model WHERE name = $1", SPI_OK_SELECT, 1, types, values, NULL) != 1)
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("model \"%s\" does not exist", model));
	notes = xmcoh_quality_notes(DatumGetInt32(first_value(1, &is_null)));
	/* As the role that takes the snapshot. The change of user makes the reading a restricted operation (restricted.h). */
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(caller, security | SECURITY_LOCAL_USERID_CHANGE);
	measured = xmcoh_quality_measure(model, by, notes);
	SetUserIdAndSecContext(user, security);
	spi = MemoryContextSwitchTo(memory);
	measured = (Jsonb *) pg_detoast_datum_copy((struct varlena *) measured);
	MemoryContextSwitchTo(spi);
	SPI_finish();
	PG_RETURN_JSONB_P(measured);
}

/* The counts of a histogram; NULL: that is no list of numbers. */
static int64 *
histogram(ArrayType *array, int *bins)
{
	int64	   *count = (int64 *) ARR_DATA_PTR(array);

	*bins = ARR_NDIM(array) == 1 ? ARR_DIMS(array)[0] : 0;
	if (*bins == 0 || ARR_HASNULL(array))
		return NULL;
	for (int k = 0; k < *bins; k++)
		if (count[k] < 0)
			return NULL;
	return count;
}

/* drift(a bigint[], b bigint[]) RETURNS double precision */
Datum
xmcoh_drift(PG_FUNCTION_ARGS)
{
	int			bins[2];
	int64	   *a = histogram(PG_GETARG_ARRAYTYPE_P(0), &bins[0]);
	int64	   *b = histogram(PG_GETARG_ARRAYTYPE_P(1), &bins[1]);
	double		drift = a != NULL && b != NULL && bins[0] == bins[1] ? xmc_drift(bins[0], a, b) : NAN;

	if (isnan(drift))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(drift);
}

/* drift_by_chance(a bigint[], b bigint[]) RETURNS double precision */
Datum
xmcoh_drift_by_chance(PG_FUNCTION_ARGS)
{
	double		n[2] = {0, 0};
	double		drift;

	for (int side = 0; side < 2; side++)
	{
		int			bins;
		int64	   *count = histogram(PG_GETARG_ARRAYTYPE_P(side), &bins);

		for (int k = 0; count != NULL && k < bins; k++)
			n[side] += (double) count[k];
	}
	drift = xmc_drift_by_chance(n[0], n[1]);
	if (isinf(drift))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(drift);
}
