/* match.c - see match.h */
#include "align/match.h"
#include "align/space.h"
#include "numeric/sgemm.h"
#include "numeric/sinkhorn.h"

#include <math.h>

xmc_status
xmc_align_compare(xmc_arena *result_arena, xmc_arena *scratch, const xmc_model *model, int32_t n, const float *image_z,
				  const float *text_z, xmc_comparison *compared)
{
	int32_t		dim = xmc_align_space_dim(&model->options);
	const float *images = image_z;
	const float *texts = text_z;

	for (int32_t d = 0; d < n; d++)
	{
		xmc_comparison *c = &compared[d];

		c->cosine = xmc_arena_alloc(result_arena, (size_t) c->n_image * (size_t) c->n_text, sizeof(float));
		c->by_anchors = xmc_arena_alloc(result_arena, (size_t) c->n_image * (size_t) c->n_text, sizeof(float));
		if (!c->cosine || !c->by_anchors)
			return xmc_fail(result_arena->ctx, XMC_NO_MEMORY, "out of memory");
		XMC_TRY(xmc_sgemm(result_arena->ctx, XMC_PLAIN, XMC_TRANSPOSED, c->n_image, c->n_text, dim, 1, images, dim, texts, dim, 0,
						  c->cosine, c->n_text));
		images += (int64_t) c->n_image * dim;
		texts += (int64_t) c->n_text * dim;
	}
	return xmc_anchors_similarity(scratch, model, n, image_z, text_z, compared);
}

xmc_status
xmc_align_transport(xmc_arena *arena, const xmc_comparison *c, const double scale[XMC_ALIGN_SCALES], double *p)
{
	double		temperature = exp(scale[XMC_ALIGN_TEMPERATURE]);
	double		anchor_temperature = exp(scale[XMC_ALIGN_MEMORY]);
	int64_t		n_text = c->n_text;
	int64_t		work = 0;
	double	   *score = xmc_arena_alloc(arena, (size_t) c->n_image * (size_t) n_text, sizeof(double));

	XMC_NEED(score, arena->ctx);
	/* score = temperature * cosine + anchor_temperature * by_anchors */
	for (int64_t r = 0; r < c->n_image; r++)
	{
		for (int64_t k = r * n_text; k < (r + 1) * n_text; k++)
			score[k] = temperature * c->cosine[k] + anchor_temperature * c->by_anchors[k];
		XMC_TRY(xmc_spend(arena->ctx, &work, n_text));
	}
	return xmc_sinkhorn(arena, c->n_image, c->n_text, score, scale[XMC_ALIGN_DUSTBIN], p);
}

xmc_status
xmc_align_transport_by(xmc_arena *arena, const xmc_model *model, const xmc_comparison *c, double *p)
{
	double		scale[XMC_ALIGN_SCALES];

	for (int k = 0; k < XMC_ALIGN_SCALES; k++)
		scale[k] = model->align_scale[k];
	return xmc_align_transport(arena, c, scale, p);
}

xmc_status
xmc_align_match(xmc_arena *arena, const xmc_model *model, int32_t n_image, const float *image_z, int32_t n_text,
				const float *text_z, double *p)
{
	xmc_comparison c = {.n_image = n_image,.n_text = n_text};

	XMC_TRY(xmc_align_compare(arena, arena, model, 1, image_z, text_z, &c));
	return xmc_align_transport_by(arena, model, &c, p);
}

xmc_status
xmc_align_items(xmc_arena *arena, const xmc_model *model, const xmc_document *document, int32_t n_image, const int32_t *image,
				int32_t n_text, const int32_t *text, double *p)
{
	size_t		dim = (size_t) xmc_align_space_dim(&model->options);
	float	   *image_z = xmc_arena_alloc(arena, (size_t) n_image * dim, sizeof(float));
	float	   *text_z = xmc_arena_alloc(arena, (size_t) n_text * dim, sizeof(float));

	if (!image_z || !text_z)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(xmc_align_project(arena, model, XMC_IMAGE, document, n_image, image, image_z));
	XMC_TRY(xmc_align_project(arena, model, XMC_TEXT, document, n_text, text, text_z));
	return xmc_align_match(arena, model, n_image, image_z, n_text, text_z, p);
}
