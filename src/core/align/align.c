/* align.c - see align.h */
#include "xmcoh/align.h"
#include "align/match.h"
#include "align/space.h"
#include "numeric/sinkhorn.h"

/* Whether an item stands on this side of the alignment. */
static bool
is_on_side(uint8_t has, xmc_modality side, bool split)
{
	bool		text = has & XMC_HAS_TEXT;
	bool		image = has & XMC_HAS_IMAGE;

	return side == XMC_TEXT ? text && (split || !image) : image && (split || !text);
}

bool
xmc_align_is_open(const xmc_document *document, bool split)
{
	bool		text = false;
	bool		image = false;

	for (int32_t i = 0; i < document->n && !(text && image); i++)
	{
		text |= is_on_side(document->has[i], XMC_TEXT, split);
		image |= is_on_side(document->has[i], XMC_IMAGE, split);
	}
	return text && image;
}

/* Which items of a document stand on which side, in the arena; p is not set yet. */
static xmc_status
find_sides(xmc_arena *arena, const xmc_document *document, bool split, xmc_alignment *out)
{
	size_t		n = (size_t) document->n;

	*out = (xmc_alignment){0};
	out->image = xmc_arena_alloc(arena, n, sizeof(int32_t));
	out->text = xmc_arena_alloc(arena, n, sizeof(int32_t));
	if (!out->image || !out->text)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t i = 0; i < document->n; i++)
	{
		if (is_on_side(document->has[i], XMC_IMAGE, split))
			out->image[out->n_image++] = i;
		if (is_on_side(document->has[i], XMC_TEXT, split))
			out->text[out->n_text++] = i;
	}
	out->p = xmc_arena_alloc(arena, ((size_t) out->n_image + 1) * ((size_t) out->n_text + 1), sizeof(double));
	XMC_NEED(out->p, arena->ctx);
	return XMC_OK;
}

/* Compares the items of both sides of n documents that have both. */
static xmc_status
compare_documents(xmc_arena *arena, const xmc_model *model, int32_t n, const xmc_document *document,
				  const xmc_alignment *sides, xmc_comparison *compared)
{
	size_t		dim = (size_t) xmc_align_space_dim(&model->options);
	size_t		n_image = 0;
	size_t		n_text = 0;
	float	   *image_z;		/* (n_image, dim) */
	float	   *text_z;			/* (n_text, dim) */

	for (int32_t d = 0; d < n; d++)
	{
		bool		both = sides[d].n_image > 0 && sides[d].n_text > 0;

		compared[d] = (xmc_comparison) {.n_image = both ? sides[d].n_image : 0,.n_text = both ? sides[d].n_text : 0};
		n_image += (size_t) compared[d].n_image;
		n_text += (size_t) compared[d].n_text;
	}
	if (n_image == 0)
		return XMC_OK;
	image_z = xmc_arena_alloc(arena, n_image * dim, sizeof(float));
	text_z = xmc_arena_alloc(arena, n_text * dim, sizeof(float));
	if (!image_z || !text_z)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	n_image = n_text = 0;
	for (int32_t d = 0; d < n; d++)
		if (compared[d].n_image > 0)
		{
			XMC_TRY(xmc_align_project(arena, model, XMC_IMAGE, &document[d], sides[d].n_image, sides[d].image,
									  image_z + n_image * dim));
			XMC_TRY(xmc_align_project(arena, model, XMC_TEXT, &document[d], sides[d].n_text, sides[d].text,
									  text_z + n_text * dim));
			n_image += (size_t) sides[d].n_image;
			n_text += (size_t) sides[d].n_text;
		}
	return xmc_align_compare(arena, arena, model, n, image_z, text_z, compared);
}

xmc_status
xmc_align_documents(xmc_arena *arena, const xmc_model *model, int32_t n, const xmc_document *document, bool split,
					xmc_alignment *out)
{
	xmc_comparison *compared = xmc_arena_alloc(arena, (size_t) n, sizeof *compared);	/* (n) */

	XMC_NEED(compared, arena->ctx);
	for (int32_t d = 0; d < n; d++)
		XMC_TRY(find_sides(arena, &document[d], split, &out[d]));
	XMC_TRY(compare_documents(arena, model, n, document, out, compared));
	for (int32_t d = 0; d < n; d++)
		if (compared[d].n_image > 0)
			XMC_TRY(xmc_align_transport_by(arena, model, &compared[d], out[d].p));
		else
			XMC_TRY(xmc_sinkhorn(arena, out[d].n_image, out[d].n_text, NULL, 0, out[d].p));
	return XMC_OK;
}

xmc_status
xmc_align_counterparts(xmc_ctx *ctx, const xmc_document *document, bool split, const xmc_alignment *inferred,
					   xmc_modality side, bool or_none, int32_t *counterpart)
{
	bool		image = side == XMC_IMAGE;
	const int32_t *own = image ? inferred->image : inferred->text;
	const int32_t *other = image ? inferred->text : inferred->image;
	int32_t		n_own = image ? inferred->n_image : inferred->n_text;
	int32_t		n_other = image ? inferred->n_text : inferred->n_image;
	int64_t		width = (int64_t) inferred->n_text + 1;
	int64_t		step = image ? 1 : width;	/* between the cells of two counterparts; the last cell: none */
	int64_t		work = 0;

	for (int32_t i = 0; i < document->n; i++)
		counterpart[i] = !split && xmc_has_both(document->has[i]) ? i : -1;
	for (int32_t k = 0; k < n_own; k++)
	{
		const double *p = inferred->p + k * (image ? width : 1);
		int32_t		best = 0;

		for (int32_t c = 1; c < n_other; c++)
			if (p[c * step] > p[best * step])
				best = c;
		if (n_other > 0 && !(or_none && p[n_other * step] > p[best * step]))
			counterpart[own[k]] = other[best];
		XMC_TRY(xmc_spend(ctx, &work, n_other));
	}
	return XMC_OK;
}
