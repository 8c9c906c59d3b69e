/* models.h - options of a model that has every term, as small as the bounds allow; its tensors and its file */
#ifndef XMCOH_TEST_MODELS_H
#define XMCOH_TEST_MODELS_H

#include "counting.h"
#include "xmcoh/model.h"

static xmc_options
small_options(void)
{
	xmc_options options;

	xmc_options_default(&options);
	options.image_dim = 3;
	options.text_dim = 2;
	options.d_model = 8;
	options.heads = 2;
	options.layers = 2;
	options.feed_forward = 12;
	options.hash_bits = 8;
	options.bag_bits = 8;
	options.bag_dim = 4;
	options.align_dim = 8;
	options.bilinear_dim = 5;
	options.seed = 7;
	return options;
}

static const xmc_tensor *
find(const xmc_model *model, const char *name)
{
	for (int32_t t = 0; t < model->n_tensors; t++)
		if (strcmp(model->tensor[t].name, name) == 0)
			return &model->tensor[t];
	return NULL;
}

/* The file of a model, to be freed. */
static inline unsigned char *
save(xmc_ctx *ctx, const xmc_model *model, size_t *size)
{
	unsigned char *file;

	if (xmc_model_save(ctx, model, NULL, size) != XMC_OK)
		fail_msg("%s", ctx->message);
	file = malloc(*size);
	if (xmc_model_save(ctx, model, file, size) != XMC_OK)
		fail_msg("%s", ctx->message);
	return file;
}

#endif
