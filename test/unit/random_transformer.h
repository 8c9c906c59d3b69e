/* random_transformer.h - a text encoder with random weights, of any shape, for tests */
#ifndef XMCOH_TEST_RANDOM_TRANSFORMER_H
#define XMCOH_TEST_RANDOM_TRANSFORMER_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text_encoder/encoder_model.h"
#include "xmcoh/random.h"

#define VOCABULARY 50
#define MOST_TOKENS 320

/* `memory` is freed by the caller. */
static inline void
make_transformer(int32_t dim, int32_t heads, int32_t wide, int32_t layers, xmc_transformer *out, float **memory)
{
	xmc_encoder_tensor tensor[XMC_ENCODER_MAX_TENSORS];
	xmc_random	random;
	float	   *place;
	int32_t		n;

	*out = (xmc_transformer){.settings = {.shape = {.dim = dim,.heads = heads,.feed_forward = wide,.layers = layers,
		.vocabulary = VOCABULARY,.max_tokens = MOST_TOKENS},.positions = MOST_TOKENS + 2,.first_position = 2,.epsilon = 1e-7}};
	n = xmc_encoder_tensors(out, tensor);
	*memory = place = malloc((size_t) out->settings.shape.parameters * sizeof(float));
	xmc_random_seed(&random, (uint64_t) dim);
	for (int32_t k = 0; k < n; k++)
	{
		bool		norm = strstr(tensor[k].name, "norm") && strstr(tensor[k].name, "weight");
		double		spread = tensor[k].n_dimensions == 2 ? 1.2 / sqrt((double) tensor[k].shape[1]) : 0.3;

		*tensor[k].slot = place;
		for (int64_t v = 0; v < tensor[k].n_values; v++)
			*place++ = (float) ((norm ? 1 : 0) + spread * xmc_random_normal(&random));
	}
}

#endif
