/* optimizer.c - see optimizer.h */
#include "xmcoh/optimizer.h"

#include <math.h>
#include <string.h>

bool
xmc_is_network_tensor(const xmc_model *model, const xmc_tensor *tensor, xmc_modality modality)
{
	const char *slot = (const char *) tensor->slot;
	const char *network = (const char *) &model->network[modality];

	return slot >= network && slot < network + sizeof(xmc_network);
}

xmc_status
xmc_adamw_init(xmc_ctx *ctx, const xmc_model *model, xmc_modality modality, xmc_adamw *out)
{
	*out = (xmc_adamw){0};
	for (int32_t t = 0; t < model->n_tensors; t++)
		if (xmc_is_network_tensor(model, &model->tensor[t], modality))
			out->n += model->tensor[t].n_values;
	out->first = xmc_zalloc(ctx, (size_t) out->n, sizeof(float));
	out->second = xmc_zalloc(ctx, (size_t) out->n, sizeof(float));
	if (!out->first || !out->second)
		return xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	return XMC_OK;
}

void
xmc_adamw_free(xmc_ctx *ctx, xmc_adamw *adamw)
{
	xmc_release(ctx, adamw->first);
	xmc_release(ctx, adamw->second);
	*adamw = (xmc_adamw){0};
}

double
xmc_adamw_step(xmc_adamw *adamw, xmc_model *model, xmc_model *grad, xmc_modality modality, double rate,
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

	for (int32_t t = 0; t < grad->n_tensors; t++)
	{
		const float *g = *grad->tensor[t].slot;

		if (!xmc_is_network_tensor(grad, &grad->tensor[t], modality))
			continue;
		for (int64_t k = 0; k < grad->tensor[t].n_values; k++)
			squares += (double) g[k] * g[k];
	}
	norm = sqrt(squares);
	clip = (float) (norm > XMC_CLIP_NORM ? XMC_CLIP_NORM / norm : 1);
	if (isfinite(norm))
		adamw->step++;
	step_size = (float) (rate / (1 - pow(beta1, (double) adamw->step)));
	second_scale = (float) (1 / (1 - pow(beta2, (double) adamw->step)));

	for (int32_t t = 0; t < model->n_tensors; t++)
	{
		const xmc_tensor *tensor = &model->tensor[t];
		float	   *w = *tensor->slot;
		float	   *g = *grad->tensor[t].slot;
		float		keep = (float) (1 - (tensor->n_dimensions > 1 ? rate * weight_decay : 0));

		if (!xmc_is_network_tensor(model, tensor, modality))
			continue;
		if (isfinite(norm))
			for (int64_t k = 0; k < tensor->n_values; k++)
			{
				float		gradient = g[k] * clip;

				first[k] = (float) beta1 * first[k] + (float) (1 - beta1) * gradient;
				second[k] = (float) beta2 * second[k] + (float) (1 - beta2) * gradient * gradient;
				w[k] = keep * w[k] - step_size * first[k] / (sqrtf(second[k] * second_scale) + 1e-8f);
			}
		memset(g, 0, (size_t) tensor->n_values * sizeof(float));
		first += tensor->n_values;
		second += tensor->n_values;
	}
	return norm;
}
