/* anchors.c - see anchors.h */
#include "align/anchors.h"
#include "align/space.h"
#include "numeric/sgemm.h"
#include "numeric/vector.h"
#include "network/batch.h"

#include <math.h>

#define TILE 1024				/* anchors that are compared with at a time, so that scratch memory stays small */

/*
 * How many linked items the first documents have together, whole documents up to `limit` items; *n_used: how many
 * documents.
 */
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
fill(xmc_arena *arena, xmc_arena *scratch, xmc_model *model, int32_t n_documents, const xmc_document *const *all)
{
	const xmc_options *o = &model->options;
	int64_t		dim = xmc_align_space_dim(o);
	int64_t		limit = (XMC_MODEL_MAX_BYTES / (int64_t) sizeof(float) - model->n_parameters) / (XMC_MODALITIES * dim);
	int32_t		longest = 0;
	int32_t		n_used;
	int32_t		rows;
	int64_t		at = 0;
	int32_t    *item;			/* (longest) */
	float	   *block;			/* (XMC_MODALITIES, rows, dim) */
	const xmc_document **document = xmc_arena_alloc(arena, (size_t) n_documents, sizeof *document);
	xmc_random	random;

	XMC_NEED(document, arena->ctx);
	for (int32_t d = 0; d < n_documents; d++)
	{
		document[d] = all[d];
		longest = all[d]->n > longest ? all[d]->n : longest;
	}
	item = xmc_arena_alloc(arena, (size_t) longest, sizeof(int32_t));
	XMC_NEED(item, arena->ctx);
	/* A random sample of whole documents: a document that is left out is left out with all its items. */
	xmc_random_seed(&random, (uint64_t) o->seed);
	xmc_shuffle_documents(&random, n_documents, document);
	rows = count_rows(o, n_documents, document, o->align_memory < limit ? o->align_memory : limit, item, &n_used);
	if (rows == 0)
		return XMC_OK;
	block = xmc_alloc(arena->ctx, (size_t) (XMC_MODALITIES * rows * dim), sizeof(float));
	XMC_NEED(block, arena->ctx);
	model->anchors = (xmc_anchors) {.n = rows,.is_own = true,.z = {block, block + rows * dim}};
	for (int32_t d = 0; d < n_used; d++)
	{
		int32_t		linked = xmc_align_linked_items(o, document[d], item);

		for (int m = 0; m < XMC_MODALITIES; m++)
		{
			xmc_arena_reset(scratch);
			XMC_TRY(xmc_align_project(scratch, model, (xmc_modality) m, document[d], linked, item,
									  model->anchors.z[m] + at * dim));
		}
		at += linked;
		XMC_TRY(xmc_check_stop(scratch->ctx));
	}
	return XMC_OK;
}

xmc_status
xmc_anchors_fill(xmc_ctx *ctx, xmc_model *model, int32_t n_documents, const xmc_document *const *document)
{
	xmc_arena	arena;
	xmc_arena	scratch;
	xmc_status	status;

	xmc_model_forget_anchors(ctx, model);
	xmc_arena_init(&arena, ctx);
	xmc_arena_init(&scratch, ctx);
	status = fill(&arena, &scratch, model, n_documents, document);
	xmc_arena_free(&arena);
	xmc_arena_free(&scratch);
	return status;
}

/*
 * The relative representations r (n, TILE) of n items by `count` anchors from `first` on: max(0, cosine)^4. Adds the
 * squares of the values of each item to square (n).
 */
static xmc_status
represent(xmc_ctx *ctx, const xmc_model *model, xmc_modality side, int32_t n, const float *z, int32_t first, int32_t count,
		  float *r, double *square)
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

/* What the representations of the items of all documents are laid out in. */
typedef struct representations
{
	int32_t		n_image;
	int32_t		n_text;
	float	   *r_image;		/* (n_image, TILE) */
	float	   *r_text;			/* (n_text, TILE) */
	double	   *square_image;	/* (n_image) squared lengths so far */
	double	   *square_text;	/* (n_text) */
} representations;

/* Adds the products of the representations by one tile of anchors to the cells. */
static xmc_status
add_tile(xmc_ctx *ctx, const xmc_model *model, int32_t n, const float *image_z, const float *text_z, int32_t first,
		 int32_t count, const representations *r, const xmc_comparison *compared)
{
	const float *images = r->r_image;
	const float *texts = r->r_text;

	XMC_TRY(xmc_check_stop(ctx));
	XMC_TRY(represent(ctx, model, XMC_IMAGE, r->n_image, image_z, first, count, r->r_image, r->square_image));
	XMC_TRY(represent(ctx, model, XMC_TEXT, r->n_text, text_z, first, count, r->r_text, r->square_text));
	for (int32_t d = 0; d < n; d++)
	{
		const xmc_comparison *c = &compared[d];

		XMC_TRY(xmc_sgemm(ctx, XMC_PLAIN, XMC_TRANSPOSED, c->n_image, c->n_text, count, 1, images, TILE, texts, TILE, 1,
						  c->by_anchors, c->n_text));
		images += (int64_t) c->n_image * TILE;
		texts += (int64_t) c->n_text * TILE;
	}
	return XMC_OK;
}

/* Divides the products by the lengths, so that a cell is a cosine. */
static xmc_status
divide_by_lengths(xmc_ctx *ctx, int32_t n, const representations *r, const xmc_comparison *compared)
{
	const double *square_image = r->square_image;
	const double *square_text = r->square_text;
	int64_t		work = 0;

	for (int32_t d = 0; d < n; d++)
	{
		const xmc_comparison *c = &compared[d];

		for (int64_t i = 0; i < c->n_image; i++)
		{
			for (int64_t t = 0; t < c->n_text; t++)
			{
				double		length = sqrt(square_image[i] * square_text[t]);
				float	   *cell = &c->by_anchors[i * c->n_text + t];

				*cell = length > 0 ? (float) (*cell / length) : 0;
			}
			XMC_TRY(xmc_spend(ctx, &work, c->n_text));
		}
		square_image += c->n_image;
		square_text += c->n_text;
	}
	return XMC_OK;
}

xmc_status
xmc_anchors_similarity(xmc_arena *arena, const xmc_model *model, int32_t n, const float *image_z, const float *text_z,
					  const xmc_comparison *compared)
{
	representations r = {0};

	for (int32_t d = 0; d < n; d++)
	{
		XMC_TRY(xmc_clear(arena->ctx, compared[d].by_anchors,
						  (size_t) compared[d].n_image * (size_t) compared[d].n_text * sizeof(float)));
		r.n_image += compared[d].n_image;
		r.n_text += compared[d].n_text;
	}
	if (model->anchors.n == 0)
		return XMC_OK;
	r.r_image = xmc_arena_alloc(arena, (size_t) r.n_image * TILE, sizeof(float));
	r.r_text = xmc_arena_alloc(arena, (size_t) r.n_text * TILE, sizeof(float));
	r.square_image = xmc_arena_zalloc(arena, (size_t) r.n_image, sizeof(double));
	r.square_text = xmc_arena_zalloc(arena, (size_t) r.n_text, sizeof(double));
	if (!r.r_image || !r.r_text || !r.square_image || !r.square_text)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t first = 0; first < model->anchors.n; first += TILE)
	{
		int32_t		count = model->anchors.n - first < TILE ? model->anchors.n - first : TILE;

		XMC_TRY(add_tile(arena->ctx, model, n, image_z, text_z, first, count, &r, compared));
	}
	return divide_by_lengths(arena->ctx, n, &r, compared);
}
