/* guidance_paper.c - see guidance_paper.h */
#include "score/guidance_paper.h"

#include <math.h>

#define TEXT_CONFIDENCE 0.8
#define IMAGE_CONFIDENCE 0.9
#define TEXT_WEIGHT 1.0			/* lambda_t: of text scores for images */
#define IMAGE_WEIGHT 0.25		/* lambda_i: of image scores for texts */

/* Adds the confident scores of `guide` to `guided`, in the cells of the counterparts; both (n, n). */
static xmc_status
update(xmc_ctx *ctx, int64_t n, const float *guide, const int32_t *counterpart, double confidence, double weight, float *guided)
{
	double		least = log(confidence / (1 - confidence));
	int64_t		work = 0;

	for (int64_t i = 0; i < n; i++)
	{
		for (int64_t j = i + 1; j < n; j++)
		{
			int64_t		a = counterpart[i];
			int64_t		b = counterpart[j];
			float		s = (float) (weight * guide[i * n + j]);

			if (!(fabs(guide[i * n + j]) > least) || a < 0 || b < 0 || a == b)
				continue;
			/* The turned pair has the same weight; adding both here keeps `guided` antisymmetric to the bit. */
			guided[a * n + b] += s;
			guided[b * n + a] -= s;
		}
		XMC_TRY(xmc_spend(ctx, &work, n - i));
	}
	return XMC_OK;
}

xmc_status
xmc_guidance_paper(xmc_ctx *ctx, int32_t n, const int32_t *image_of, const int32_t *text_of, int32_t rounds, float *text,
				   float *image)
{
	for (int32_t round = 0; round < rounds; round++)
	{
		XMC_TRY(xmc_check_stop(ctx));
		XMC_TRY(update(ctx, n, text, image_of, TEXT_CONFIDENCE, TEXT_WEIGHT, image));
		XMC_TRY(update(ctx, n, image, text_of, IMAGE_CONFIDENCE, IMAGE_WEIGHT, text));
	}
	return XMC_OK;
}
