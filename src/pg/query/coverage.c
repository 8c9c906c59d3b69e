/*
 * coverage.c - the SQL function coverage: how much may pass without a person, by the record of the deployed version's training.
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/xmcoh.h"
#include "query/arguments.h"
#include "query/bulk.h"
#include "query/by_groups.h"

#include "xmcoh/covered.h"
#include "xmcoh/results.h"

PG_FUNCTION_INFO_V1(xmcoh_coverage);

/* The columns of the result. */
enum
{
	GROUP, DOCUMENTS, JUDGED, SHARE, SHARE_LOW, SHARE_HIGH, THRESHOLD, PRECISION_REACHED, PRECISION_LOW, PRECISION_HIGH, REMARK, COLUMNS
};

/* What the rows of one call have in common. */
typedef struct CoverageOutput
{
	ReturnSetInfo *result;
	const xmc_model *model;
	xmc_coverage_level level;
	double		precision;
	xmc_covered all;
} CoverageOutput;

/* ---- rows ---- */

/* What a reader must know of the figures of all documents. */
static const char *
remark(const CoverageOutput *output)
{
	const xmc_coverage *coverage = &output->all.coverage;
	bool		has_groups = coverage->groups < output->all.documents;

	if (output->model->results.n == 0)
		return "no record of what the training measured: train the model again";
	if (coverage->state == XMC_COVERAGE_TOO_FEW)
		return psprintf("too few to tell: %d %s were measured, and at least %d are needed for a precision of %g", coverage->groups,
						has_groups ? "groups" : "documents", coverage->needed_groups, output->precision);
	if (coverage->state == XMC_COVERAGE_NOT_REACHED)
		return psprintf("no threshold reaches a precision of %g for sure, so nothing may pass", output->precision);
	if (has_groups)
		return psprintf("holds for new groups that are like these %d", coverage->groups);
	return "holds for new documents that are like these, each of which counts as a group of its own";
}

/* The same of a part of them, to which the threshold of all was applied. */
static const char *
remark_of_part(const CoverageOutput *output, const xmc_coverage *coverage)
{
	if (output->all.coverage.state != XMC_COVERAGE_REACHED)
		return remark(output);
	if (isnan(coverage->precision.mean))
		return "nothing passes here at the threshold of all documents";
	if (coverage->precision.high < output->precision)
		return "less precise than promised: the promise is about all documents together";
	if (coverage->passing_groups < coverage->needed_groups)
		return "too few to tell whether the precision is reached here; the promise is about all documents together";
	return "the promise is about all documents together";
}

/* NULL for NaN, and for bounds of a single observation. */
static void
put_interval(const xmc_interval *interval, int32 observations, int column, Datum *values, bool *nulls)
{
	values[column] = Float8GetDatum(interval->mean);
	values[column + 1] = Float8GetDatum(interval->low);
	values[column + 2] = Float8GetDatum(interval->high);
	nulls[column] = isnan(interval->mean);
	nulls[column + 1] = nulls[column + 2] = nulls[column] || observations == 1;
}

static void
put_row(const CoverageOutput *output, const char *group, const xmc_covered *covered, const char *text)
{
	const xmc_coverage *coverage = &covered->coverage;
	double		threshold = xmc_covered_probability(output->level, coverage->threshold);
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};

	values[GROUP] = group ? CStringGetTextDatum(group) : (Datum) 0;
	nulls[GROUP] = group == NULL;
	values[DOCUMENTS] = Int32GetDatum(covered->documents);
	values[JUDGED] = Int64GetDatum(coverage->judged);
	put_interval(&coverage->share, coverage->groups, SHARE, values, nulls);
	values[THRESHOLD] = Float8GetDatum(threshold);
	nulls[THRESHOLD] = isnan(threshold);
	put_interval(&coverage->precision, coverage->passing_groups, PRECISION_REACHED, values, nulls);
	values[REMARK] = CStringGetTextDatum(text);
	tuplestore_putvalues(output->result->setResult, output->result->setDesc, values, nulls);
}

/* ---- by a column ---- */

typedef struct PartReading
{
	const xmc_model *model;
	ByGroups   *by;
	int32	   *part;			/* (recorded documents) number of the group; -1: the document is in no source */
	int32		found;
} PartReading;

/* Of two sources that have a document, the one that marks it as approved says its group. */
static bool
note_part(void *arg, const SourceDocument *document)
{
	PartReading *reading = arg;
	int32		row = xmc_results_row(reading->model, document->key);

	CHECK_FOR_INTERRUPTS();
	if (row < 0)
		return true;
	reading->found += reading->part[row] < 0;
	if (reading->part[row] < 0 || document->approved)
		reading->part[row] = xmcoh_by_number(reading->by, document->by);
	return true;
}

/* Reads the group of each recorded document, by its key. No vector is computed. */
static PartReading
read_parts(const DeployedModel *deployed, const char *column)
{
	const xmc_results *results = &deployed->model->results;
	PartReading reading = {.model = deployed->model,.by = xmcoh_by_groups(CurrentMemoryContext),
		.part = palloc_extended(sizeof(int32) * (Size) Max(results->n, 1), MCXT_ALLOC_HUGE)};
	List	   *sources = xmcoh_bulk_sources(deployed->model_id, InvalidOid);

	for (int32 r = 0; r < results->n; r++)
		reading.part[r] = -1;
	xmcoh_sources_by(sources, column);
	xmcoh_source_visit(sources, &deployed->model->options, NULL, note_part, &reading);
	if (reading.found < results->n)
		ereport(NOTICE,
				(errmsg("%d of the %d documents that the training of version %d measured are in the sources", reading.found,
						results->n, deployed->version),
				 errdetail("The others belong to no group, but to the threshold of all.")));
	return reading;
}

/* A row for each value of the column. */
static void
put_parts(const CoverageOutput *output, const PartReading *reading)
{
	const xmc_coverage *all = &output->all.coverage;
	int32	   *order = xmcoh_by_order(reading->by);

	for (int32 k = 0; k < reading->by->n; k++)
	{
		xmc_ctx		ctx = xmcoh_context();
		xmc_covered part;

		XMCOH_TRY(xmc_covered_by_record(&ctx, output->model, output->level, output->precision, reading->part, order[k],
										&all->threshold, &part), &ctx);
		part.coverage.needed_groups = all->needed_groups;
		if (all->state != XMC_COVERAGE_REACHED)
			part.coverage.share = xmc_nothing_passes(all->state);
		put_row(output, reading->by->name[order[k]], &part, remark_of_part(output, &part.coverage));
	}
}

Datum
xmcoh_coverage(PG_FUNCTION_ARGS)
{
	text	   *name = xmcoh_model_argument(fcinfo->args[0]);
	CoverageOutput output = {.result = (ReturnSetInfo *) fcinfo->resultinfo,
		.precision = xmcoh_precision_argument(fcinfo->args[1]),.level = xmcoh_coverage_level_argument(fcinfo->args[2])};
	char	   *column = xmcoh_by_argument(fcinfo->args[3]);
	xmc_ctx		ctx = xmcoh_context();
	DeployedModel deployed;

	InitMaterializedSRF(fcinfo, 0);
	deployed = xmcoh_find_deployed(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	output.model = deployed.model;
	XMCOH_TRY(xmc_covered_by_record(&ctx, deployed.model, output.level, output.precision, NULL, 0, NULL, &output.all), &ctx);
	if (column != NULL)
	{
		PartReading reading;

		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "could not connect to SPI");
		reading = read_parts(&deployed, column);
		put_parts(&output, &reading);
		SPI_finish();
	}
	else
		put_row(&output, NULL, &output.all, remark(&output));
	return (Datum) 0;
}
