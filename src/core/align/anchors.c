/* anchors.c - see anchors.h */
#include "align/anchors.h"
#include "xmcoh/align.h"
#include "xmcoh/batch.h"
#include "numeric/blas.h"
#include "numeric/vector.h"

#include <math.h>
#include <string.h>

#define TILE 1024				/* remembered rows compared with at a time, so that scratch stays small */

void
xmc_anchors_forget(xmc_ctx *ctx, xmc_model *model)
{
	if (model->anchors.is_own)
		xmc_release(ctx, model->anchors.z[XMC_TEXT]);	/* both lie in it */
	model->anchors = (xmc_anchors) {0};
}

/* Rows of `limit` at most, of the documents in their order: their number, and of how many documents they are. */
static int32_t
count_rows(const xmc_options *options, int32_t n_documents, const xmc_document *const *document, int64_t limit, int32_t *item,
		   int32_t *n_used)
{
	int32_t		rows = 0;

	for (*n_used = 0; *n_used < n_documents; ++*n_used)
	{
		int32_t		linked = xmc_align_linked_items(options, document[*n_used], item);

		if (rows + (int64_t) linked > limit)
			break;
		rows += linked;
	}
	return rows;
}

static xmc_status
fill(xmc_arena *run_arena, xmc_arena *scratch, xmc_model *model, int32_t n_documents, const xmc_document *const *all)
{
	const xmc_options *o = &model->options;
	int64_t		dim = xmc_align_space_dim(o);
	int64_t		limit = (XMC_MODEL_MAX_BYTES / (int64_t) sizeof(float) - model->n_parameters) / (XMC_MODALITIES * dim);
	int32_t		longest = 0;
	int32_t		n_used;
	int32_t		rows;
	int64_t		at = 0;
	int32_t    *item;
	float	   *block;
	const xmc_document **document = xmc_arena_alloc(run_arena, (size_t) n_documents, sizeof *document);
	xmc_random	random;

	XMC_NEED(document, run_arena->ctx);
	for (int32_t d = 0; d < n_documents; d++)
	{
		document[d] = all[d];
		longest = all[d]->n > longest ? all[d]->n : longest;
	}
	item = xmc_arena_alloc(run_arena, (size_t) longest, sizeof(int32_t));
	XMC_NEED(item, run_arena->ctx);
	xmc_random_seed(&random, (uint64_t) o->seed);
	xmc_shuffle_documents(&random, n_documents, document);
	rows = count_rows(o, n_documents, document, o->align_memory < limit ? o->align_memory : limit, item, &n_used);
	if (rows == 0)
		return XMC_OK;
	block = xmc_alloc(run_arena->ctx, (size_t) (XMC_MODALITIES * rows * dim), sizeof(float));
	XMC_NEED(block, run_arena->ctx);
	model->anchors = (xmc_anchors) {.n = rows,.is_own = true,.z = {block, block + rows * dim}};
	for (int32_t d = 0; d < n_used; d++)
	{
		int32_t		linked = xmc_align_linked_items(o, document[d], item);

		for (int m = 0; m < XMC_MODALITIES; m++)
		{
			xmc_arena_reset(scratch);
			XMC_TRY(xmc_align_project(scratch, model, (xmc_modality) m, document[d], linked, item, model->anchors.z[m] + at * dim));
		}
		at += linked;
		XMC_TRY(xmc_check_stop(scratch->ctx));
	}
	return XMC_OK;
}

xmc_status
xmc_anchors_fill(xmc_ctx *ctx, xmc_model *model, int32_t n_documents, const xmc_document *const *document)
{
	xmc_arena	run_arena;
	xmc_arena	scratch;
	xmc_status	status;

	xmc_anchors_forget(ctx, model);
	xmc_arena_init(&run_arena, ctx);
	xmc_arena_init(&scratch, ctx);
	status = fill(&run_arena, &scratch, model, n_documents, document);
	xmc_arena_free(&run_arena);
	xmc_arena_free(&scratch);
	return status;
}

/* r (n, TILE) of `count` remembered rows from `first` on; adds the squares of each item's to square (n). */
static xmc_status
represent(xmc_ctx *ctx, const xmc_model *model, xmc_modality side, int32_t n, const float *z, int32_t first, int32_t count, float *r,
		  double *square)
{
	int32_t		dim = xmc_align_space_dim(&model->options);
	int64_t		work = 0;

	XMC_TRY(xmc_sgemm(ctx, XMC_PLAIN, XMC_TRANSPOSED, n, count, dim, 1, z, dim, model->anchors.z[side] + (int64_t) first * dim, dim,
					  0, r, TILE));
	for (int64_t i = 0; i < n; i++)
	{
		float	   *row = r + i * TILE;

		for (int32_t k = 0; k < count; k++)
		{
			float		c = row[k] > 0 ? row[k] * row[k] : 0;

			row[k] = c * c;
		}
		square[i] += xmc_dot(count, row, row);
		XMC_TRY(xmc_spend(ctx, &work, count));
	}
	return XMC_OK;
}

xmc_status
xmc_anchors_similarity(xmc_arena *arena, const xmc_model *model, int32_t n, const float *image_z, const float *text_z,
					  const xmc_comparison *compared)
{
	int32_t		n_image = 0;
	int32_t		n_text = 0;
	float	   *r_image;		/* (n_image, TILE) */
	float	   *r_text;			/* (n_text, TILE) */
	double	   *square_image;	/* (n_image) */
	double	   *square_text;	/* (n_text) */
	int64_t		work = 0;

	for (int32_t d = 0; d < n; d++)
	{
		XMC_TRY(xmc_clear(arena->ctx, compared[d].recalled,
						  (size_t) compared[d].n_image * (size_t) compared[d].n_text * sizeof(float)));
		n_image += compared[d].n_image;
		n_text += compared[d].n_text;
	}
	if (model->anchors.n == 0)
		return XMC_OK;
	r_image = xmc_arena_alloc(arena, (size_t) n_image * TILE, sizeof(float));
	r_text = xmc_arena_alloc(arena, (size_t) n_text * TILE, sizeof(float));
	square_image = xmc_arena_zalloc(arena, (size_t) n_image, sizeof(double));
	square_text = xmc_arena_zalloc(arena, (size_t) n_text, sizeof(double));
	if (!r_image || !r_text || !square_image || !square_text)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t first = 0; first < model->anchors.n; first += TILE)
	{
		int32_t		count = model->anchors.n - first < TILE ? model->anchors.n - first : TILE;
		const float *images = r_image;
		const float *texts = r_text;

		XMC_TRY(xmc_check_stop(arena->ctx));
		XMC_TRY(represent(arena->ctx, model, XMC_IMAGE, n_image, image_z, first, count, r_image, square_image));
		XMC_TRY(represent(arena->ctx, model, XMC_TEXT, n_text, text_z, first, count, r_text, square_text));
		for (int32_t d = 0; d < n; d++)
		{
			const xmc_comparison *c = &compared[d];

			XMC_TRY(xmc_sgemm(arena->ctx, XMC_PLAIN, XMC_TRANSPOSED, c->n_image, c->n_text, count, 1, images, TILE, texts, TILE,
							  1, c->recalled, c->n_text));
			images += (int64_t) c->n_image * TILE;
			texts += (int64_t) c->n_text * TILE;
		}
	}
	for (int32_t d = 0; d < n; d++)
	{
		const xmc_comparison *c = &compared[d];

		for (int64_t i = 0; i < c->n_image; i++)
		{
			for (int64_t t = 0; t < c->n_text; t++)
			{
				double		length = sqrt(square_image[i] * square_text[t]);
				float	   *cell = &c->recalled[i * c->n_text + t];

				*cell = length > 0 ? (float) (*cell / length) : 0;
			}
			XMC_TRY(xmc_spend(arena->ctx, &work, c->n_text));
		}
		square_image += c->n_image;
		square_text += c->n_text;
	}
	return XMC_OK;
}
