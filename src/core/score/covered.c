/* covered.c - see covered.h (doc/method.md, "Coverage") */
#include "xmcoh/covered.h"
#include "xmcoh/check.h"
#include "xmcoh/order.h"
#include "xmcoh/results.h"

#include <math.h>

/* The wanted documents of the record. */
typedef struct selection
{
	xmc_ctx    *ctx;
	const xmc_model *model;
	xmc_coverage_level level;
	const int32_t *part;
	int32_t		of;
} selection;

/* Reads row r; false: it is not wanted, or says nothing at the level. */
static bool
read_row(const selection *s, int32_t r, xmc_found_result *found)
{
	double		items;

	if ((s->part && s->part[r] != s->of) || !xmc_results_get(s->model, r, found))
		return false;
	items = (double) found->result.order[XMC_SCORE_FUSED].items;
	switch (s->level)
	{
		case XMC_COVERED_DOCUMENTS:
			return items > 1;
		case XMC_COVERED_PAIRS:
			return found->n_pairs > 0;
		default:
			return found->n_pairs > 0 && 4.0 * found->n_pairs >= items * (items - 1);
	}
}

/* ---- documents and pairs ---- */

/* The units of a document behind the *n first ones of `unit`; NULL: they are only counted. */
static void
add_units(const selection *s, const xmc_found_result *found, xmc_judged *unit, int32_t *n)
{
	if (s->level == XMC_COVERED_DOCUMENTS)
	{
		if (unit)
			unit[*n] = (xmc_judged) {.confidence = found->result.confidence,.group = found->group,
				.right = found->result.order[XMC_SCORE_FUSED].perfect == 1};
		++*n;
		return;
	}
	for (int32_t k = 0; k < found->n_pairs; k++)
	{
		if (unit)
			unit[*n] = (xmc_judged) {.confidence = fabsf(found->log_odds[k]),.group = found->group,.right = found->log_odds[k] > 0};
		++*n;
	}
}

static xmc_status
gather(const selection *s, xmc_judged *unit, int32_t *n, int32_t *documents)
{
	*n = *documents = 0;
	for (int32_t r = 0; r < s->model->results.n; r++)
	{
		xmc_found_result found;

		XMC_TRY(xmc_check_stop(s->ctx));
		if (!read_row(s, r, &found))
			continue;
		++*documents;
		add_units(s, &found, unit, n);
	}
	return XMC_OK;
}

double
xmc_covered_probability(xmc_coverage_level level, double threshold)
{
	if (isinf(threshold))
		return NAN;
	return level == XMC_COVERED_DOCUMENTS ? exp(threshold) : xmc_probability(threshold);
}

static xmc_status
cover_units(const selection *s, double precision, const double *threshold, xmc_covered *out)
{
	int32_t		n;
	xmc_judged *unit;
	xmc_status	status;

	XMC_TRY(gather(s, NULL, &n, &out->documents));
	unit = xmc_alloc(s->ctx, (size_t) (n > 0 ? n : 1), sizeof *unit);
	XMC_NEED(unit, s->ctx);
	status = gather(s, unit, &n, &out->documents);
	if (status == XMC_OK && threshold)
		status = xmc_coverage_at(s->ctx, n, unit, *threshold, &out->coverage);
	else if (status == XMC_OK)
		status = xmc_coverage_find(s->ctx, n, unit, precision, &out->coverage);
	xmc_release(s->ctx, unit);
	return status;
}

/* ---- violations ---- */

/* Sums over the documents of each group. */
typedef struct group_check
{
	int32_t		documents;
	double		quiet;			/* documents that are not suspect when their order is right */
	double		found;			/* sum over documents of the share of pairs that are found when they are turned round */
} group_check;

/* The highest threshold at which a document is suspect when its order is right. */
static float
highest_alarm(const xmc_found_result *found)
{
	float		highest = -INFINITY;

	for (int32_t k = 0; k < found->n_pairs; k++)
		highest = fmaxf(highest, -found->log_odds[k]);
	return highest;
}

static void
check_document(const xmc_found_result *found, double threshold, group_check *to)
{
	int32_t		turned = 0;

	for (int32_t k = 0; k < found->n_pairs; k++)
		turned += found->log_odds[k] >= threshold;
	to->documents++;
	to->quiet += highest_alarm(found) < threshold;
	to->found += (double) turned / found->n_pairs;
}

/* group (results.n), zeroed; share (results.n): scratch. */
static xmc_status
check_groups(const selection *s, double threshold, group_check *group, double *share, xmc_covered *out)
{
	xmc_coverage *coverage = &out->coverage;

	for (int32_t r = 0; r < s->model->results.n; r++)
	{
		xmc_found_result found;

		XMC_TRY(xmc_check_stop(s->ctx));
		if (!read_row(s, r, &found))
			continue;
		out->documents++;
		coverage->judged += found.n_pairs;
		check_document(&found, threshold, &group[found.group]);
	}
	for (int32_t g = 0; g < s->model->results.n; g++)
		if (group[g].documents > 0)
			share[coverage->groups++] = group[g].quiet / group[g].documents;
	coverage->precision = xmc_share_interval(coverage->groups, share);
	coverage->groups = 0;
	for (int32_t g = 0; g < s->model->results.n; g++)
		if (group[g].documents > 0)
			share[coverage->groups++] = group[g].found / group[g].documents;
	coverage->share = xmc_share_interval(coverage->groups, share);
	coverage->passing_groups = coverage->groups;
	return XMC_OK;
}

/* The documents; confidence: highest_alarm. */
static xmc_status
gather_alarms(const selection *s, xmc_judged *unit, int32_t *n)
{
	*n = 0;
	for (int32_t r = 0; r < s->model->results.n; r++)
	{
		xmc_found_result found;

		XMC_TRY(xmc_check_stop(s->ctx));
		if (read_row(s, r, &found))
			unit[(*n)++] = (xmc_judged) {.confidence = highest_alarm(&found),.group = found.group};
	}
	return XMC_OK;
}

/* It is not below that of xmc_check_threshold, so that what it finds is among what the check finds. */
static xmc_status
find_threshold(const selection *s, double precision, xmc_judged *unit, double *threshold)
{
	int32_t		n;

	XMC_TRY(gather_alarms(s, unit, &n));
	XMC_TRY(xmc_alarm_threshold(s->ctx, n, unit, precision, threshold));
	*threshold = fmax(*threshold, xmc_check_threshold(s->model, XMC_SCORE_FUSED, precision));
	return XMC_OK;
}

static xmc_status
cover_violations(const selection *s, double precision, const double *threshold, xmc_covered *out)
{
	size_t		n = (size_t) (s->model->results.n > 0 ? s->model->results.n : 1);
	xmc_judged *unit = xmc_alloc(s->ctx, n, sizeof *unit);
	group_check *group = xmc_zalloc(s->ctx, n, sizeof *group);
	double	   *share = xmc_alloc(s->ctx, n, sizeof *share);
	xmc_coverage *coverage = &out->coverage;
	xmc_status	status = XMC_OK;

	if (!unit || !group || !share)
		status = xmc_fail(s->ctx, XMC_NO_MEMORY, "out of memory");
	else if (threshold)
		coverage->threshold = *threshold;
	else
		status = find_threshold(s, precision, unit, &coverage->threshold);
	if (status == XMC_OK)
		status = check_groups(s, coverage->threshold, group, share, out);
	xmc_release(s->ctx, share);
	xmc_release(s->ctx, group);
	xmc_release(s->ctx, unit);
	coverage->needed_groups = xmc_coverage_needed(precision);
	coverage->state = !isinf(coverage->threshold) ? XMC_COVERAGE_REACHED
		: coverage->groups < coverage->needed_groups ? XMC_COVERAGE_TOO_FEW : XMC_COVERAGE_NOT_REACHED;
	if (isinf(coverage->threshold))
	{
		coverage->share = xmc_nothing_passes(coverage->state);
		coverage->precision = (xmc_interval) {NAN, NAN, NAN};
	}
	return status;
}

xmc_status
xmc_covered_by_record(xmc_ctx *ctx, const xmc_model *model, xmc_coverage_level level, double precision, const int32_t *part,
					  int32_t of, const double *threshold, xmc_covered *out)
{
	const selection s = {ctx, model, level, part, of};

	*out = (xmc_covered) {0};
	return level == XMC_COVERED_VIOLATIONS ? cover_violations(&s, precision, threshold, out) : cover_units(&s, precision, threshold, out);
}
