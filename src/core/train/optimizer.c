/* optimizer.c - see optimizer.h */
#include "xmcoh/optimizer.h"
#include "numeric/vector.h"

#include <math.h>
#include <string.h>

/* Whether a tensor is a dense one of the term. */
static bool
is_of_term(const xmc_tensor *tensor, xmc_term term)
{
	return tensor->term == term && !tensor->hashed;
}

xmc_status
xmc_adamw_init(xmc_arena *arena, const xmc_model *model, xmc_term term, xmc_adamw *out)
{
	*out = (xmc_adamw){.n = xmc_model_term_values(model, term)};
	out->first = xmc_arena_zalloc(arena, (size_t) out->n, sizeof(float));
	out->second = xmc_arena_zalloc(arena, (size_t) out->n, sizeof(float));
	out->average = xmc_arena_zalloc(arena, (size_t) out->n, sizeof(float));
	if (!out->first || !out->second || !out->average)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	return XMC_OK;
}

#define BETA1 0.9
#define BETA2 0.999

/*
 * m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, w = keep w - step m / (sqrt(v) + 1e-8), with the bias
 * corrections in step_size and second_scale; then the running average of w.
 */
XMC_FOR_THIS_PROCESSOR static void
update_values(const xmc_adamw_update *up, float keep, int64_t n, const float *g, float *first, float *second, float *average,
			  float *w)
{
	xmc_adamw_update u = *up;

#pragma omp simd
	for (int64_t k = 0; k < n; k++)
	{
		float		gradient = g[k] * u.clip;

		first[k] = (float) BETA1 * first[k] + (float) (1 - BETA1) * gradient;
		second[k] = (float) BETA2 * second[k] + (float) (1 - BETA2) * gradient * gradient;
		w[k] = keep * w[k] - u.step_size * first[k] / (sqrtf(second[k] * u.second_scale) + 1e-8f);
		average[k] += u.fresh * (w[k] - average[k]);
	}
}

bool
xmc_adamw_prepare(xmc_adamw *adamw, double norm, double rate, double weight_decay, xmc_adamw_update *out)
{
	double		decay;

	if (!isfinite(norm))
		return false;
	adamw->step++;
	/* The decay of the average rises with the steps to its final value. */
	decay = adamw->step / (adamw->step + 10.0);
	out->clip = (float) (norm > XMC_CLIP_NORM ? XMC_CLIP_NORM / norm : 1);
	out->fresh = (float) (1 - (decay < XMC_AVERAGE_DECAY ? decay : XMC_AVERAGE_DECAY));
	out->step_size = (float) (rate / (1 - pow(BETA1, (double) adamw->step)));
	out->second_scale = (float) (1 / (1 - pow(BETA2, (double) adamw->step)));
	out->keep = (float) (1 - rate * weight_decay);
	return true;
}

void
xmc_adamw_apply(const xmc_adamw *adamw, const xmc_adamw_update *update, xmc_model *model, xmc_term term,
				const float *gradient, int64_t first, int64_t last)
{
	int64_t		start = 0;		/* of a tensor among the values of the term */
	int64_t		learning = xmc_model_learning_values(model, term);

	last = last < learning ? last : learning;
	for (int32_t t = 0; t < model->n_tensors; t++)
	{
		const xmc_tensor *tensor = &model->tensor[t];
		int64_t		from = first > start ? first : start;
		int64_t		to;
		xmc_adamw_update own = *update;

		if (!is_of_term(tensor, term))
			continue;
		if (tensor->is_change && !model->network[XMC_TEXT].uses_changes)
			own = (xmc_adamw_update) {.second_scale = 1, .fresh = own.fresh, .keep = 1};
		else if (tensor->is_change)
			own.step_size *= (float) (xmc_fine_tune_rate(&model->options) / model->options.learning_rate *
									  pow(model->options.fine_tune_decay, tensor->layers_above));
		to = last < start + tensor->n_values ? last : start + tensor->n_values;
		if (from < to)
			update_values(&own, tensor->n_dimensions > 1 ? own.keep : 1, to - from, gradient + from,
						  adamw->first + from, adamw->second + from, adamw->average + from,
						  *tensor->slot + (from - start));
		start += tensor->n_values;
	}
}

double
xmc_adamw_step(xmc_adamw *adamw, xmc_model *model, xmc_model *grad, xmc_term term, double rate,
			   double weight_decay)
{
	float	   *gradient = NULL;
	int64_t		learning = xmc_model_learning_values(model, term);
	int64_t		start = 0;
	double		squares = 0;
	double		norm;
	xmc_adamw_update update;

	for (int32_t t = 0; t < grad->n_tensors && start < learning; t++)
	{
		float	   *g = *grad->tensor[t].slot;

		if (!is_of_term(&grad->tensor[t], term))
			continue;
		if (!gradient)
			gradient = g;		/* the other tensors follow without gaps: see xmc_model_new */
		squares += xmc_dot(grad->tensor[t].n_values, g, g);
		start += grad->tensor[t].n_values;
	}
	norm = sqrt(squares);
	if (xmc_adamw_prepare(adamw, norm, rate, weight_decay, &update))
		xmc_adamw_apply(adamw, &update, model, term, gradient, 0, adamw->n);
	memset(gradient, 0, (size_t) learning * sizeof(float));
	return norm;
}

double
xmc_adamw_schedule(const xmc_adamw *adamw, int64_t steps)
{
	double		rise = steps / 10.0;
	double		step = (double) adamw->step + 1;

	if (step < rise)
		return step / rise;
	return step < (double) steps ? (steps + 1 - step) / (steps + 1 - rise) : 1 / (steps + 1 - rise);
}

double
xmc_adamw_warmup(const xmc_adamw *adamw)
{
	return adamw->step + 1 < XMC_WARMUP_STEPS ? (double) (adamw->step + 1) / XMC_WARMUP_STEPS : 1;
}
