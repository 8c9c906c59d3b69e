/*
 * coverage.c - the SQL function coverage: how much may pass without a person, by the record of the deployed version's training.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "base/xmcoh.h"
#include "model/weights.h"
#include "query/arguments.h"

#include "xmcoh/covered.h"

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
} CoverageOutput;

/* What a reader must know of the figures. */
static const char *
remark(const CoverageOutput *output, const xmc_covered *covered)
{
	const xmc_coverage *coverage = &covered->coverage;
	bool		has_groups = coverage->groups < covered->documents;

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

static void
put_number(double number, int column, Datum *values, bool *nulls)
{
	values[column] = Float8GetDatum(number);
	nulls[column] = isnan(number);
}

/* One row. group NULL: all documents. */
static void
put_row(const CoverageOutput *output, const char *group, const xmc_covered *covered)
{
	const xmc_coverage *coverage = &covered->coverage;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};

	values[GROUP] = group ? CStringGetTextDatum(group) : (Datum) 0;
	nulls[GROUP] = group == NULL;
	values[DOCUMENTS] = Int32GetDatum(covered->documents);
	values[JUDGED] = Int64GetDatum(coverage->judged);
	put_number(coverage->share.mean, SHARE, values, nulls);
	put_number(coverage->share.low, SHARE_LOW, values, nulls);
	put_number(coverage->share.high, SHARE_HIGH, values, nulls);
	put_number(xmc_covered_probability(output->level, coverage->threshold), THRESHOLD, values, nulls);
	put_number(coverage->precision.mean, PRECISION_REACHED, values, nulls);
	put_number(coverage->precision.low, PRECISION_LOW, values, nulls);
	put_number(coverage->precision.high, PRECISION_HIGH, values, nulls);
	values[REMARK] = CStringGetTextDatum(remark(output, covered));
	tuplestore_putvalues(output->result->setResult, output->result->setDesc, values, nulls);
}

Datum
xmcoh_coverage(PG_FUNCTION_ARGS)
{
	text	   *name = xmcoh_model_argument(fcinfo->args[0]);
	CoverageOutput output = {.result = (ReturnSetInfo *) fcinfo->resultinfo,
		.precision = xmcoh_precision_argument(fcinfo->args[1]),.level = xmcoh_coverage_level_argument(fcinfo->args[2])};
	xmc_ctx		ctx = xmcoh_context();
	DeployedModel deployed;
	xmc_covered all;

	InitMaterializedSRF(fcinfo, 0);
	deployed = xmcoh_find_deployed(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	output.model = deployed.model;
	XMCOH_TRY(xmc_covered_by_record(&ctx, deployed.model, output.level, output.precision, NULL, 0, NULL, &all), &ctx);
	put_row(&output, NULL, &all);
	return (Datum) 0;
}
