/* guidance.c - see guidance.h */
#include "score/guidance.h"
#include "numeric/sgemm.h"

xmc_status
xmc_guidance(xmc_arena *arena, int32_t n_image, int32_t n_text, const float *const p[XMC_MODALITIES], const float *s_text,
			 const float *s_image, xmc_guides *out)
{
	size_t		images = (size_t) n_image;
	size_t		texts = (size_t) n_text;
	xmc_ctx    *ctx = arena->ctx;

	out->image = xmc_arena_alloc(arena, images * images, sizeof(float));
	out->text = xmc_arena_alloc(arena, texts * texts, sizeof(float));
	for (int m = 0; m < XMC_MODALITIES; m++)
		out->cross_modal[m] = xmc_arena_alloc(arena, images * texts, sizeof(float));
	if (!out->image || !out->text || !out->cross_modal[XMC_TEXT] || !out->cross_modal[XMC_IMAGE])
		return xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	/* P S_text, then P S_text P^T */
	XMC_TRY(xmc_sgemm_forward(ctx, XMC_PLAIN, XMC_PLAIN, n_image, n_text, n_text, 1, p[XMC_IMAGE], n_text, s_text, n_text,
							  0, out->cross_modal[XMC_TEXT], n_text));
	XMC_TRY(xmc_sgemm_forward(ctx, XMC_PLAIN, XMC_TRANSPOSED, n_image, n_image, n_text, 1, out->cross_modal[XMC_TEXT],
							  n_text, p[XMC_IMAGE], n_text, 0, out->image, n_image));
	/* S_image P, then P^T S_image P */
	XMC_TRY(xmc_sgemm_forward(ctx, XMC_PLAIN, XMC_PLAIN, n_image, n_text, n_image, 1, s_image, n_image, p[XMC_TEXT], n_text,
							  0, out->cross_modal[XMC_IMAGE], n_text));
	return xmc_sgemm_forward(ctx, XMC_TRANSPOSED, XMC_PLAIN, n_text, n_text, n_image, 1, p[XMC_TEXT], n_text,
							 out->cross_modal[XMC_IMAGE], n_text, 0, out->text, n_text);
}

/* (n, n) of zeros in the arena. */
static xmc_status
zeros(xmc_arena *arena, int64_t n, float **out)
{
	*out = xmc_arena_alloc(arena, (size_t) (n * n), sizeof(float));
	XMC_NEED(*out, arena->ctx);
	return xmc_clear(arena->ctx, *out, (size_t) (n * n) * sizeof(float));
}

xmc_status
xmc_guidance_alignment(xmc_arena *arena, const xmc_document *document, bool split, const xmc_alignment *inferred,
					   const float **out)
{
	int64_t		n = document->n;
	int64_t		work = 0;
	float	   *p;

	XMC_TRY(zeros(arena, n, &p));
	for (int64_t i = 0; !split && i < n; i++)
		if (xmc_has_both(document->has[i]))
			p[i * n + i] = 1;
	for (int64_t r = 0; r < inferred->n_image; r++)
	{
		for (int64_t c = 0; c < inferred->n_text; c++)
			p[inferred->image[r] * n + inferred->text[c]] = (float) inferred->p[r * (inferred->n_text + 1) + c];
		XMC_TRY(xmc_spend(arena->ctx, &work, inferred->n_text));
	}
	*out = p;
	return XMC_OK;
}

xmc_status
xmc_guidance_stored(xmc_arena *arena, const xmc_document *document, int has, const float **out)
{
	int64_t		n = document->n;
	int64_t		work = 0;
	float	   *o;

	XMC_TRY(zeros(arena, n, &o));
	for (int32_t k = 0; k < document->n_pairs; k++)
	{
		int32_t		a = document->pair[k].before;
		int32_t		b = document->pair[k].after;

		if ((document->has[a] & has) && (document->has[b] & has))
		{
			o[a * n + b] = 1;
			o[b * n + a] = -1;
		}
		XMC_TRY(xmc_spend(arena->ctx, &work, 1));
	}
	*out = o;
	return XMC_OK;
}
