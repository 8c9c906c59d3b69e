/* align.c - Sinkhorn with a dustbin; the space in which texts and images are compared; a document's alignment. See align.h */
#include "xmcoh/align.h"
#include "numeric/blas.h"
#include "network/inputs.h"
#include "align/anchors.h"
#include "numeric/vector.h"

#include <math.h>
#include <string.h>

#define SINKHORN_ITERATIONS 200
#define SINKHORN_TOLERANCE 1e-9

/* ---- optimal transport ---- */

/* log of (exp(dustbin) + sum_k exp(x[k * stride] + y[k])) over n terms */
static double
log_sum(int64_t n, const double *x, int64_t stride, const double *y, double dustbin)
{
	double		most = dustbin;
	double		sum;

	for (int64_t k = 0; k < n; k++)
		most = fmax(most, x[k * stride] + y[k]);
	sum = exp(dustbin - most);
	for (int64_t k = 0; k < n; k++)
		sum += exp(x[k * stride] + y[k] - most);
	return most + log(sum);
}

/* Scales columns that got more than their mass down and gives the dustbins what is left. */
static xmc_status
settle(xmc_ctx *ctx, int32_t rows, int32_t columns, double *p)
{
	int64_t		width = (int64_t) columns + 1;
	int64_t		work = 0;

	for (int64_t c = 0; c < columns; c++)
	{
		double		sum = 0;

		for (int64_t r = 0; r < rows; r++)
			sum += p[r * width + c];
		for (int64_t r = 0; r < rows && sum > 1; r++)
			p[r * width + c] /= sum;
		p[rows * width + c] = sum < 1 ? 1 - sum : 0;
		XMC_TRY(xmc_spend(ctx, &work, rows));
	}
	for (int64_t r = 0; r < rows; r++)
	{
		double		sum = 0;

		for (int64_t c = 0; c < columns; c++)
			sum += p[r * width + c];
		p[r * width + columns] = sum < 1 ? 1 - sum : 0;
		XMC_TRY(xmc_spend(ctx, &work, columns));
	}
	p[rows * width + columns] = 0;
	return XMC_OK;
}

xmc_status
xmc_sinkhorn(xmc_arena *arena, int32_t rows, int32_t columns, const double *score, double dustbin, double *p)
{
	int64_t		width = (int64_t) columns + 1;
	double	   *u = xmc_arena_alloc(arena, (size_t) rows, sizeof(double));	/* log scaling of rows */
	double	   *v = xmc_arena_alloc(arena, (size_t) columns, sizeof(double));
	int			iterations = rows > 0 && columns > 0 ? SINKHORN_ITERATIONS : 0;	/* an empty side has no scores, either */
	int64_t		work = 0;

	if (!u || !v)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	/*
	 * A pair that clearly belongs together shares its score equally between the two scalings, as by symmetry in the end:
	 * from any other start its scalings would drift there ever more slowly, the surer the pair.
	 */
	for (int64_t c = 0; c < columns; c++)
	{
		v[c] = -dustbin;
		for (int64_t r = 0; r < rows; r++)
			v[c] = fmin(v[c], -score[r * columns + c] / 2);
		XMC_TRY(xmc_spend(arena->ctx, &work, rows));
	}
	for (int iteration = 0; iteration < iterations; iteration++)
	{
		double		worst = 0;	/* change of a column's scaling: how wrong its mass was, relatively */

		for (int64_t r = 0; r < rows; r++)
		{
			u[r] = -log_sum(columns, score + r * columns, 1, v, dustbin);
			XMC_TRY(xmc_spend(arena->ctx, &work, columns));
		}
		for (int64_t c = 0; c < columns; c++)
		{
			double		scale = -log_sum(rows, score + c, columns, u, dustbin);

			worst = fmax(worst, fabs(scale - v[c]));
			v[c] = scale;
			XMC_TRY(xmc_spend(arena->ctx, &work, rows));
		}
		if (worst < SINKHORN_TOLERANCE)
			break;
	}
	for (int64_t r = 0; r < rows; r++)
	{
		double		sum = 0;

		/* The last scaling was the columns'; a row above its mass by what was left wrong is brought down to it here. */
		for (int64_t c = 0; c < columns; c++)
			sum += p[r * width + c] = exp(score[r * columns + c] + u[r] + v[c]);
		for (int64_t c = 0; c < columns && sum > 1; c++)
			p[r * width + c] /= sum;
		XMC_TRY(xmc_spend(arena->ctx, &work, columns));
	}
	return settle(arena->ctx, rows, columns, p);
}

/* ---- the space ---- */

/* In a shared space there is nothing to learn that words could be mapped by. */
static bool
reads_words(const xmc_options *options)
{
	return options->words && !options->shared_space;
}

bool
xmc_align_reads_text(const xmc_options *options, uint8_t has)
{
	return ((has & XMC_HAS_TEXT_EMBEDDING) && options->text_dim > 0) || ((has & XMC_HAS_WORDS) && reads_words(options));
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

int32_t
xmc_align_input_dim(const xmc_options *options, xmc_modality side)
{
	return xmc_inputs_side_dim(options, side, side == XMC_TEXT && reads_words(options));
}

int32_t
xmc_align_space_dim(const xmc_options *options)
{
	return options->shared_space ? options->image_dim : options->align_dim;
}

xmc_status
xmc_align_inputs(xmc_ctx *ctx, const xmc_model *model, xmc_modality side, const xmc_document *document, int32_t n,
				 const int32_t *item, float *x)
{
	bool		words = side == XMC_TEXT && reads_words(&model->options);
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
xmc_align_project(xmc_arena *arena, const xmc_model *model, xmc_modality side, const xmc_document *document, int32_t n,
				  const int32_t *item, float *z)
{
	int32_t		in = xmc_align_input_dim(&model->options, side);
	int32_t		dim = xmc_align_space_dim(&model->options);
	const float *w = side == XMC_TEXT ? model->align_text_w : model->align_image_w;
	float	   *x = z;
	int64_t		work = 0;

	if (!model->options.shared_space)
	{
		x = xmc_arena_alloc(arena, (size_t) n * (size_t) in, sizeof(float));
		XMC_NEED(x, arena->ctx);
	}
	XMC_TRY(xmc_align_inputs(arena->ctx, model, side, document, n, item, x));
	if (!model->options.shared_space)
		XMC_TRY(xmc_sgemm(arena->ctx, XMC_PLAIN, XMC_TRANSPOSED, n, dim, in, 1, x, in, w, in, 0, z, dim));
	for (int64_t r = 0; r < n; r++)
	{
		double		length = sqrt(xmc_dot(dim, z + r * dim, z + r * dim));

		if (!isfinite(length))
			return xmc_fail(arena->ctx, XMC_BAD_INPUT, "a similarity is not finite: the numbers of an embedding are too large");
		for (int32_t k = 0; k < dim; k++)
			z[r * dim + k] = length > 0 ? (float) (z[r * dim + k] / length) : 0;
		XMC_TRY(xmc_spend(arena->ctx, &work, dim));
	}
	return XMC_OK;
}

xmc_status
xmc_align_compare(xmc_arena *run_arena, xmc_arena *scratch, const xmc_model *model, int32_t n, const float *image_z,
				  const float *text_z, xmc_comparison *compared)
{
	int32_t		dim = xmc_align_space_dim(&model->options);
	const float *images = image_z;
	const float *texts = text_z;

	for (int32_t d = 0; d < n; d++)
	{
		xmc_comparison *c = &compared[d];

		c->cosine = xmc_arena_alloc(run_arena, (size_t) c->n_image * (size_t) c->n_text, sizeof(float));
		c->recalled = xmc_arena_alloc(run_arena, (size_t) c->n_image * (size_t) c->n_text, sizeof(float));
		if (!c->cosine || !c->recalled)
			return xmc_fail(run_arena->ctx, XMC_NO_MEMORY, "out of memory");
		XMC_TRY(xmc_sgemm(run_arena->ctx, XMC_PLAIN, XMC_TRANSPOSED, c->n_image, c->n_text, dim, 1, images, dim, texts, dim, 0,
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
	double		memory_temperature = exp(scale[XMC_ALIGN_MEMORY]);
	int64_t		n_text = c->n_text;
	int64_t		work = 0;
	double	   *score = xmc_arena_alloc(arena, (size_t) c->n_image * (size_t) n_text, sizeof(double));

	XMC_NEED(score, arena->ctx);
	for (int64_t r = 0; r < c->n_image; r++)
	{
		for (int64_t k = r * n_text; k < (r + 1) * n_text; k++)
			score[k] = temperature * c->cosine[k] + memory_temperature * c->recalled[k];
		XMC_TRY(xmc_spend(arena->ctx, &work, n_text));
	}
	return xmc_sinkhorn(arena, c->n_image, c->n_text, score, scale[XMC_ALIGN_DUSTBIN], p);
}

/* By the model's own scales. */
static xmc_status
transport(xmc_arena *arena, const xmc_model *model, const xmc_comparison *c, double *p)
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
	return transport(arena, model, &c, p);
}

/* ---- a document ---- */

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
compare_documents(xmc_arena *arena, const xmc_model *model, int32_t n, const xmc_document *document, const xmc_alignment *sides,
				  xmc_comparison *compared)
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
			XMC_TRY(xmc_align_project(arena, model, XMC_IMAGE, &document[d], sides[d].n_image, sides[d].image, image_z + n_image * dim));
			XMC_TRY(xmc_align_project(arena, model, XMC_TEXT, &document[d], sides[d].n_text, sides[d].text, text_z + n_text * dim));
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
			XMC_TRY(transport(arena, model, &compared[d], out[d].p));
		else
			XMC_TRY(xmc_sinkhorn(arena, out[d].n_image, out[d].n_text, NULL, 0, out[d].p));
	return XMC_OK;
}
