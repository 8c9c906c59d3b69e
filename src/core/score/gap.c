/* gap.c - see xmcoh/gap.h */
#include "xmcoh/gap.h"

#include "model/dims.h"
#include "network/inputs.h"
#include "numeric/sgemm.h"
#include "numeric/vector.h"

#include <math.h>
#include <string.h>

#define LENGTH_UNIT 4			/* of a logarithm: so that lengths are about as large as other features */
#define NEAR_CHANCE 0.6			/* a kind of place is told if the interval of its AUROC lies above this */
#define LACKING 0.5				/* the share of documents that lack a step for which probabilities are made */
#define SAME_END 0.5			/* similarity of two ends, which is less than that of two equal neighbours */

/* ---- steps ---- */

bool
xmc_gap_is_step(const xmc_options *options, uint8_t has)
{
	if (options->words || options->text_dim > 0)
		return has & XMC_HAS_TEXT;
	return has & XMC_HAS_IMAGE;
}

/* Reads one step: its inputs x (dim), divided by their length, and how long its text is. */
static xmc_status
read_step(xmc_ctx *ctx, const xmc_model *model, const xmc_document *document, int32_t item, int32_t dim, float *x, float *length)
{
	const xmc_options *options = &model->options;
	xmc_modality side = options->words || options->text_dim > 0 ? XMC_TEXT : XMC_IMAGE;
	int32_t		count;
	double		size;

	xmc_inputs_side(model, side, side == XMC_TEXT && options->words, document, item, x);
	size = sqrt(xmc_dot(dim, x, x));
	if (!isfinite(size))
		return xmc_fail(ctx, XMC_BAD_INPUT, "an embedding is too large to be compared");
	for (int32_t k = 0; k < dim && size > 0; k++)
		x[k] = (float) (x[k] / size);
	xmc_item_features(document, item, &count);
	*length = (float) (log1p(count) / LENGTH_UNIT);
	return XMC_OK;
}

xmc_status
xmc_steps_read(xmc_arena *arena, const xmc_model *model, const xmc_document *document, int32_t n, const int32_t *order,
			   xmc_steps *out)
{
	int64_t		work = 0;

	*out = (xmc_steps) {.dim = xmc_gap_dim(&model->options)};
	out->item = xmc_arena_alloc(arena, (size_t) n, sizeof *out->item);
	out->x = xmc_arena_alloc(arena, (size_t) n * (size_t) out->dim, sizeof *out->x);
	out->length = xmc_arena_alloc(arena, (size_t) n, sizeof *out->length);
	if (!out->item || !out->x || !out->length)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t k = 0; k < n; k++)
	{
		if (!xmc_gap_is_step(&model->options, document->has[order[k]]))
			continue;
		XMC_TRY(xmc_spend(arena->ctx, &work, out->dim + document->feature_start[order[k] + 1] - document->feature_start[order[k]]));
		XMC_TRY(read_step(arena->ctx, model, document, order[k], out->dim, out->x + (int64_t) out->n * out->dim,
						  &out->length[out->n]));
		out->item[out->n++] = order[k];
	}
	return XMC_OK;
}

/* ---- places ---- */

xmc_gap_kind
xmc_gap_kind_of(int32_t n, int32_t place)
{
	return place == 0 ? XMC_GAP_FIRST : place == n ? XMC_GAP_LAST : XMC_GAP_BETWEEN;
}

/* Step k of the steps without left_out; -1: there is none. */
static int32_t
step_at(const xmc_steps *steps, int32_t left_out, int32_t k)
{
	int32_t		n = steps->n - (left_out >= 0);

	if (k < 0 || k >= n)
		return -1;
	return left_out >= 0 && k >= left_out ? k + 1 : k;
}

/* The similarity of two steps; 0 where there is none. */
static float
cosine_of(const xmc_steps *steps, int32_t a, int32_t b)
{
	if (a < 0 || b < 0)
		return 0;
	return (float) xmc_dot(steps->dim, steps->x + (int64_t) a * steps->dim, steps->x + (int64_t) b * steps->dim);
}

void
xmc_gap_read(const xmc_steps *steps, int32_t left_out, int32_t place, float *feature)
{
	int32_t		before = step_at(steps, left_out, place - 1);
	int32_t		after = step_at(steps, left_out, place);
	int32_t		before2 = step_at(steps, left_out, place - 2);
	int32_t		after2 = step_at(steps, left_out, place + 1);
	int32_t		only = before >= 0 ? before : after;

	if (before >= 0 && after >= 0)
	{
		/* The two neighbours, and each with its other neighbour and with that of the other one. */
		feature[0] = cosine_of(steps, before, after);
		feature[1] = cosine_of(steps, before2, before);
		feature[2] = cosine_of(steps, after, after2);
		feature[3] = cosine_of(steps, before2, after);
		feature[4] = cosine_of(steps, before, after2);
		feature[5] = steps->length[before];
		feature[6] = steps->length[after];
		return;
	}
	memcpy(feature, steps->x + (int64_t) only * steps->dim, (size_t) steps->dim * sizeof(float));
	feature[steps->dim] = steps->length[only];
}

/* ---- scores ---- */

static const float *
row_of(const xmc_model *model, xmc_gap_kind kind)
{
	return model->gaps.row + (int64_t) kind * xmc_gap_columns(&model->options);
}

bool
xmc_gap_is_measured(const xmc_model *model, xmc_gap_kind kind)
{
	return model->gaps.row && row_of(model, kind)[XMC_GAP_AUROC] > 0;
}

bool
xmc_gap_is_told(const xmc_model *model, xmc_gap_kind kind)
{
	return xmc_gap_is_measured(model, kind) && row_of(model, kind)[XMC_GAP_LOW] > NEAR_CHANCE;
}

xmc_interval
xmc_gap_auroc(const xmc_model *model, xmc_gap_kind kind)
{
	const float *row = row_of(model, kind);

	return (xmc_interval) {row[XMC_GAP_AUROC], row[XMC_GAP_LOW], row[XMC_GAP_HIGH]};
}

/* The score of one place; NaN: not measured. feature: scratch. */
static double
score_place(const xmc_model *model, const xmc_steps *steps, int32_t place, float *feature)
{
	xmc_gap_kind kind = xmc_gap_kind_of(steps->n, place);
	int32_t		n = xmc_gap_features(&model->options, kind);
	const float *w;

	if (!xmc_gap_is_measured(model, kind))
		return NAN;
	w = row_of(model, kind) + XMC_GAP_WEIGHTS;
	xmc_gap_read(steps, -1, place, feature);
	return xmc_dot(n, w, feature) + (double) w[n];
}

xmc_status
xmc_gap_score(xmc_ctx *ctx, const xmc_model *model, const xmc_steps *steps, double *score, double *probability)
{
	int32_t		places = steps->n + 1;
	float	   *feature;
	double		sum = 0;		/* of the likelihood ratios of a gap at each place */

	if (steps->n == 0)
		return XMC_OK;
	feature = xmc_alloc(ctx, (size_t) xmc_gap_columns(&model->options), sizeof *feature);
	XMC_NEED(feature, ctx);
	for (int32_t k = 0; k < places; k++)
	{
		score[k] = score_place(model, steps, k, feature);
		/* A place that tells nothing has ratio 1. Bounded, so that no exponential overflows. */
		probability[k] = xmc_gap_is_told(model, xmc_gap_kind_of(steps->n, k)) ? exp(fmin(score[k], 300)) : 1;
		sum += probability[k];
	}
	/* Bayes: one place of the document lacks a step, or none does. */
	for (int32_t k = 0; k < places; k++)
		probability[k] = !xmc_gap_is_told(model, xmc_gap_kind_of(steps->n, k)) ? NAN
			: LACKING * probability[k] / places / (1 - LACKING + LACKING * sum / places);
	xmc_release(ctx, feature);
	return XMC_OK;
}

/* ---- candidates ---- */

xmc_status
xmc_steps_compare(xmc_ctx *ctx, const xmc_steps *a, const xmc_steps *b, float *cosine)
{
	return xmc_sgemm(ctx, XMC_PLAIN, XMC_TRANSPOSED, a->n, b->n, a->dim, 1, a->x, a->dim, b->x, b->dim, 0, cosine, b->n);
}

/* The similarity of step k of n with step c of m, either of which may be beyond an end. */
static double
side_similarity(const float *cosine, int32_t n, int32_t k, int32_t m, int32_t c)
{
	bool		is_end = k < 0 || k >= n;
	bool		other_is_end = c < 0 || c >= m;

	if (is_end || other_is_end)
		return is_end && other_is_end ? SAME_END : 0;
	return fmax(-1, fmin(1, (double) cosine[(int64_t) k * m + c]));	/* without rounding errors */
}

double
xmc_gap_fit(const float *cosine, int32_t n, int32_t place, int32_t m, int32_t c)
{
	return (side_similarity(cosine, n, place - 1, m, c - 1) + side_similarity(cosine, n, place, m, c + 1)) / 2;
}
