/* space.c - see space.h */
#include "align/space.h"
#include "network/inputs.h"
#include "numeric/sgemm.h"
#include "numeric/vector.h"

#include <math.h>
#include <string.h>

bool
xmc_align_reads_text(const xmc_options *options, uint8_t has)
{
	return ((has & XMC_HAS_TEXT_EMBEDDING) && options->text_dim > 0) || ((has & XMC_HAS_WORDS) && xmc_align_reads_words(options));
}

int32_t
xmc_align_linked_items(const xmc_options *options, const xmc_document *document, int32_t *item)
{
	int32_t		n = 0;

	for (int32_t i = 0; i < document->n; i++)
		if ((document->has[i] & XMC_HAS_IMAGE) && xmc_align_reads_text(options, document->has[i]))
			item[n++] = i;
	return n;
}

xmc_status
xmc_align_inputs(xmc_ctx *ctx, const xmc_model *model, xmc_modality side, const xmc_document *document, int32_t n,
				 const int32_t *item, float *x)
{
	bool		words = side == XMC_TEXT && xmc_align_reads_words(&model->options);
	int64_t		dim = xmc_align_input_dim(&model->options, side);
	int64_t		work = 0;

	for (int32_t r = 0; r < n; r++)
	{
		xmc_inputs_side(model, side, words, document, item[r], x + r * dim);
		XMC_TRY(xmc_spend(ctx, &work, xmc_inputs_side_work(&model->options, side, words, document, item[r])));
	}
	return XMC_OK;
}

xmc_status
xmc_align_unit_vectors(xmc_ctx *ctx, const xmc_model *model, xmc_modality side, int32_t n, const float *x, float *z,
					   double *length)
{
	int32_t		in = xmc_align_input_dim(&model->options, side);
	int32_t		dim = xmc_align_space_dim(&model->options);
	const float *w = side == XMC_TEXT ? model->align_text_w : model->align_image_w;
	int64_t		work = 0;

	/* z = x W^T; in a shared space z = x */
	if (w)
		XMC_TRY(xmc_sgemm(ctx, XMC_PLAIN, XMC_TRANSPOSED, n, dim, in, 1, x, in, w, in, 0, z, dim));
	else if (x != z)
		memcpy(z, x, (size_t) n * (size_t) dim * sizeof(float));
	/* z = z / |z| */
	for (int64_t r = 0; r < n; r++)
	{
		float	   *vector = z + r * dim;

		length[r] = sqrt(xmc_dot(dim, vector, vector));
		for (int32_t k = 0; k < dim; k++)
			vector[k] = length[r] > 0 ? (float) (vector[k] / length[r]) : 0;
		XMC_TRY(xmc_spend(ctx, &work, dim));
	}
	return XMC_OK;
}

xmc_status
xmc_align_project(xmc_arena *arena, const xmc_model *model, xmc_modality side, const xmc_document *document, int32_t n,
				  const int32_t *item, float *z)
{
	size_t		in = (size_t) xmc_align_input_dim(&model->options, side);
	double	   *length = xmc_arena_alloc(arena, (size_t) n, sizeof(double));
	float	   *x = model->options.shared_space ? z : xmc_arena_alloc(arena, (size_t) n * in, sizeof(float));

	if (!length || !x)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(xmc_align_inputs(arena->ctx, model, side, document, n, item, x));
	XMC_TRY(xmc_align_unit_vectors(arena->ctx, model, side, n, x, z, length));
	for (int32_t r = 0; r < n; r++)
		if (!isfinite(length[r]))
			return xmc_fail(arena->ctx, XMC_BAD_INPUT, "a similarity is not finite: the numbers of an embedding are too large");
	return XMC_OK;
}
