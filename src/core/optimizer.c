/* optimizer.c - see optimizer.h */
#include "xmcoh/optimizer.h"
#include "xmcoh/vector.h"

#include <math.h>
#include <string.h>

static bool
is_mine(const xmc_tensor *tensor, xmc_part part)
{
	return tensor->part == part && !tensor->hashed;
}

xmc_status
xmc_adamw_init(xmc_arena *arena, const xmc_model *model, xmc_part part, xmc_adamw *out)
{
	*out = (xmc_adamw){0};
	for (int32_t t = 0; t < model->n_tensors; t++)
		if (is_mine(&model->tensor[t], part))
			out->n += model->tensor[t].n_values;
	out->first = xmc_arena_zalloc(arena, (size_t) out->n, sizeof(float));
	out->second = xmc_arena_zalloc(arena, (size_t) out->n, sizeof(float));
	out->average = xmc_arena_zalloc(arena, (size_t) out->n, sizeof(float));
	if (!out->first || !out->second || !out->average)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	return XMC_OK;
}

/* What one step's update of every value has in common. */
typedef struct update
{
	float		clip;			/* the gradient's factor */
	float		step_size;		/* with the first mean's bias correction */
	float		second_scale;	/* the second mean's */
	float		fresh;			/* share of the new weights in their average */
} update;

#define BETA1 0.9
#define BETA2 0.999

XMC_FOR_THIS_PROCESSOR static void
update_tensor(const update *up, float keep, int64_t n, const float *g, float *first, float *second, float *average, float *w)
{
	update		u = *up;

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

double
xmc_adamw_step(xmc_adamw *adamw, xmc_model *model, xmc_model *grad, xmc_part part, double rate,
			   double weight_decay)
{
	double		squares = 0;
	double		norm;
	update		up;
	float	   *first = adamw->first;
	float	   *second = adamw->second;
	float	   *average = adamw->average;
	double		decay;

	for (int32_t t = 0; t < grad->n_tensors; t++)
	{
		const float *g = *grad->tensor[t].slot;

		if (!is_mine(&grad->tensor[t], part))
			continue;
		squares += xmc_dot(grad->tensor[t].n_values, g, g);
	}
	norm = sqrt(squares);
	up.clip = (float) (norm > XMC_CLIP_NORM ? XMC_CLIP_NORM / norm : 1);
	if (isfinite(norm))
		adamw->step++;
	decay = adamw->step / (adamw->step + 10.0);
	up.fresh = (float) (1 - (decay < XMC_AVERAGE_DECAY ? decay : XMC_AVERAGE_DECAY));
	up.step_size = (float) (rate / (1 - pow(BETA1, (double) adamw->step)));
	up.second_scale = (float) (1 / (1 - pow(BETA2, (double) adamw->step)));

	for (int32_t t = 0; t < model->n_tensors; t++)
	{
		const xmc_tensor *tensor = &model->tensor[t];
		float	   *w = *tensor->slot;
		float	   *g = *grad->tensor[t].slot;
		float		keep = (float) (1 - (tensor->n_dimensions > 1 ? rate * weight_decay : 0));

		if (!is_mine(tensor, part))
			continue;
		if (isfinite(norm))
			update_tensor(&up, keep, tensor->n_values, g, first, second, average, w);
		memset(g, 0, (size_t) tensor->n_values * sizeof(float));
		first += tensor->n_values;
		second += tensor->n_values;
		average += tensor->n_values;
	}
	return norm;
}

void
xmc_adamw_swap_average(xmc_adamw *adamw, xmc_model *model, xmc_part part)
{
	float	   *average = adamw->average;	/* NULL for the sparse term, which AdamW does not train */

	for (int32_t t = 0; average && t < model->n_tensors; t++)
	{
		float	   *w = *model->tensor[t].slot;

		if (!is_mine(&model->tensor[t], part))
			continue;
		for (int64_t k = 0; k < model->tensor[t].n_values; k++, average++)
		{
			float		kept = w[k];

			w[k] = *average;
			*average = kept;
		}
	}
}

double
xmc_adamw_warmth(const xmc_adamw *adamw)
{
	return adamw->step + 1 < XMC_WARM_UP_STEPS ? (double) (adamw->step + 1) / XMC_WARM_UP_STEPS : 1;
}
