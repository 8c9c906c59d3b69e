/* optimizer.c - see optimizer.h */
#include "xmcoh/optimizer.h"

#include <math.h>
#include <string.h>

static bool
is_mine(const xmc_tensor *tensor, xmc_part part)
{
	return tensor->part == part && !tensor->hashed;
}

xmc_status
xmc_adamw_init(xmc_ctx *ctx, const xmc_model *model, xmc_part part, xmc_adamw *out)
{
	*out = (xmc_adamw){0};
	for (int32_t t = 0; t < model->n_tensors; t++)
		if (is_mine(&model->tensor[t], part))
			out->n += model->tensor[t].n_values;
	out->first = xmc_zalloc(ctx, (size_t) out->n, sizeof(float));
	out->second = xmc_zalloc(ctx, (size_t) out->n, sizeof(float));
	out->average = xmc_zalloc(ctx, (size_t) out->n, sizeof(float));
	if (!out->first || !out->second || !out->average)
		return xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	return XMC_OK;
}

void
xmc_adamw_free(xmc_ctx *ctx, xmc_adamw *adamw)
{
	xmc_release(ctx, adamw->first);
	xmc_release(ctx, adamw->second);
	xmc_release(ctx, adamw->average);
	*adamw = (xmc_adamw){0};
}

double
xmc_adamw_step(xmc_adamw *adamw, xmc_model *model, xmc_model *grad, xmc_part part, double rate,
			   double weight_decay)
{
	const double beta1 = 0.9;
	const double beta2 = 0.999;
	double		squares = 0;
	double		norm;
	float		clip;
	float		step_size;
	float		second_scale;
	float	   *first = adamw->first;
	float	   *second = adamw->second;
	float	   *average = adamw->average;
	double		decay;
	float		fresh;

	for (int32_t t = 0; t < grad->n_tensors; t++)
	{
		const float *g = *grad->tensor[t].slot;

		if (!is_mine(&grad->tensor[t], part))
			continue;
		for (int64_t k = 0; k < grad->tensor[t].n_values; k++)
			squares += (double) g[k] * g[k];
	}
	norm = sqrt(squares);
	clip = (float) (norm > XMC_CLIP_NORM ? XMC_CLIP_NORM / norm : 1);
	if (isfinite(norm))
		adamw->step++;
	decay = adamw->step / (adamw->step + 10.0);
	fresh = (float) (1 - (decay < XMC_AVERAGE_DECAY ? decay : XMC_AVERAGE_DECAY));
	step_size = (float) (rate / (1 - pow(beta1, (double) adamw->step)));
	second_scale = (float) (1 / (1 - pow(beta2, (double) adamw->step)));

	for (int32_t t = 0; t < model->n_tensors; t++)
	{
		const xmc_tensor *tensor = &model->tensor[t];
		float	   *w = *tensor->slot;
		float	   *g = *grad->tensor[t].slot;
		float		keep = (float) (1 - (tensor->n_dimensions > 1 ? rate * weight_decay : 0));

		if (!is_mine(tensor, part))
			continue;
		if (isfinite(norm))
			for (int64_t k = 0; k < tensor->n_values; k++)
			{
				float		gradient = g[k] * clip;

				first[k] = (float) beta1 * first[k] + (float) (1 - beta1) * gradient;
				second[k] = (float) beta2 * second[k] + (float) (1 - beta2) * gradient * gradient;
				w[k] = keep * w[k] - step_size * first[k] / (sqrtf(second[k] * second_scale) + 1e-8f);
				average[k] += fresh * (w[k] - average[k]);
			}
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
