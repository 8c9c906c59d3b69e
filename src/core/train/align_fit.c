/* align_fit.c - InfoNCE, its gradient, and the fit of temperature and dustbin; see align_fit.h */
#include "xmcoh/align_fit.h"
#include "align/match.h"
#include "align/space.h"
#include "xmcoh/batch.h"
#include "numeric/blas.h"
#include "align/anchors.h"
#include "xmcoh/optimizer.h"
#include "xmcoh/train.h"
#include "numeric/vector.h"

#include <math.h>
#include <string.h>

#define BATCH_DOCUMENTS 32		/* a step's; its items are each other's negatives */
#define START_TEMPERATURE 10.0	/* cosines of unrelated items differ by about a tenth */
#define ABSENT 0.1				/* share of items that are taken away, and of photos that are added, to fit the dustbin */
#define FIT_DOCUMENTS 200		/* held-out documents that temperature and dustbin are fitted on, at most: they are two numbers */

/* One side of a batch: inputs, their images under the map, and these scaled to length 1. */
typedef struct side
{
	int32_t		in;
	float	   *x;				/* (rows, in) */
	float	   *z;				/* (rows, dim) */
	double	   *length;			/* (rows) before scaling */
} side;

static xmc_status
side_forward(xmc_arena *arena, const xmc_model *model, xmc_modality modality, int32_t n_documents,
			 const xmc_document *const *document, const int32_t *start, const int32_t *item, side *s)
{
	int32_t		rows = start[n_documents];
	int32_t		dim = xmc_align_space_dim(&model->options);
	const float *w = modality == XMC_TEXT ? model->align_text_w : model->align_image_w;

	s->in = xmc_align_input_dim(&model->options, modality);
	s->x = xmc_arena_alloc(arena, (size_t) rows * (size_t) s->in, sizeof(float));
	s->z = xmc_arena_alloc(arena, (size_t) rows * (size_t) dim, sizeof(float));
	s->length = xmc_arena_alloc(arena, (size_t) rows, sizeof(double));
	if (!s->x || !s->z || !s->length)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t d = 0; d < n_documents; d++)
		XMC_TRY(xmc_align_inputs(arena->ctx, model, modality, document[d], start[d + 1] - start[d], item + start[d],
								 s->x + (int64_t) start[d] * s->in));
	if (w)
		XMC_TRY(xmc_sgemm(arena->ctx, XMC_PLAIN, XMC_TRANSPOSED, rows, dim, s->in, 1, s->x, s->in, w, s->in, 0, s->z, dim));
	else
		memcpy(s->z, s->x, (size_t) rows * (size_t) dim * sizeof(float));
	for (int64_t r = 0; r < rows; r++)
	{
		float	   *z = s->z + r * dim;

		s->length[r] = sqrt(xmc_dot(dim, z, z));
		for (int32_t k = 0; k < dim; k++)
			z[k] = s->length[r] > 0 ? (float) (z[k] / s->length[r]) : 0;
	}
	return XMC_OK;
}

/* dw += of a side from dz (rows, dim), which becomes the gradient before scaling to length 1. */
static xmc_status
side_backward(xmc_ctx *ctx, int32_t rows, int32_t dim, const side *s, float *dz, float *dw)
{
	for (int64_t r = 0; r < rows; r++)
	{
		const float *z = s->z + r * dim;
		float	   *g = dz + r * dim;
		double		along = xmc_dot(dim, z, g);

		for (int32_t k = 0; k < dim; k++)
			g[k] = s->length[r] > 0 ? (float) ((g[k] - along * z[k]) / s->length[r]) : 0;
	}
	return xmc_sgemm(ctx, XMC_TRANSPOSED, XMC_PLAIN, dim, s->in, rows, 1, dz, dim, s->x, s->in, 1, dw, s->in);
}

/*
 * Cross-entropy of cell `own` among n logits temperature * c[k * stride], times weight; adds its gradient by the logits to
 * d[k * stride], which may be NULL.
 */
static double
cross_entropy(int64_t n, const float *c, int64_t stride, double temperature, int64_t own, double weight, float *d)
{
	double		most = -INFINITY;
	double		sum = 0;

	for (int64_t k = 0; k < n; k++)
		most = fmax(most, temperature * c[k * stride]);
	for (int64_t k = 0; k < n; k++)
		sum += exp(temperature * c[k * stride] - most);
	for (int64_t k = 0; k < n && d; k++)
		d[k * stride] += (float) (weight * (exp(temperature * c[k * stride] - most) / sum - (k == own)));
	return weight * (most + log(sum) - temperature * c[own * stride]);
}

/* The linked items of documents side by side: start (n_documents + 1) and item, in the arena. */
static xmc_status
gather_linked(xmc_arena *arena, const xmc_options *options, int32_t n_documents, const xmc_document *const *document,
			  int32_t **start, int32_t **item)
{
	size_t		total = 0;

	for (int32_t d = 0; d < n_documents; d++)
		total += (size_t) document[d]->n;
	*start = xmc_arena_zalloc(arena, (size_t) n_documents + 1, sizeof(int32_t));
	*item = xmc_arena_alloc(arena, total, sizeof(int32_t));
	if (!*start || !*item)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t d = 0; d < n_documents; d++)
	{
		XMC_TRY(xmc_check_stop(arena->ctx));
		(*start)[d + 1] = (*start)[d] + xmc_align_linked_items(options, document[d], *item + (*start)[d]);
	}
	return XMC_OK;
}

xmc_status
xmc_align_gradient(xmc_arena *arena, const xmc_model *model, int32_t n_documents, const xmc_document *const *document,
				   const xmc_model *grad, double *loss, int32_t *items)
{
	int32_t    *start;
	int32_t    *item;
	int64_t		rows;
	int32_t		dim = xmc_align_space_dim(&model->options);
	double		temperature = exp(model->align_scale[XMC_ALIGN_TEMPERATURE]);
	double		along = 0;		/* sum of logit times its gradient */
	side		text;
	side		image;
	float	   *c;				/* (rows, rows) cosine of image r and text c */
	float	   *d;				/* (rows, rows) gradient by the logits, then by c */
	float	   *dz;				/* (rows, dim) */

	*loss = 0;
	XMC_TRY(gather_linked(arena, &model->options, n_documents, document, &start, &item));
	*items = start[n_documents];
	rows = *items;
	if (rows == 0)
		return XMC_OK;
	XMC_TRY(side_forward(arena, model, XMC_TEXT, n_documents, document, start, item, &text));
	XMC_TRY(side_forward(arena, model, XMC_IMAGE, n_documents, document, start, item, &image));
	c = xmc_arena_alloc(arena, (size_t) (rows * rows), sizeof(float));
	d = xmc_arena_zalloc(arena, (size_t) (rows * rows), sizeof(float));
	dz = xmc_arena_alloc(arena, (size_t) (rows * dim), sizeof(float));
	if (!c || !d || !dz)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(xmc_sgemm(arena->ctx, XMC_PLAIN, XMC_TRANSPOSED, rows, rows, dim, 1, image.z, dim, text.z, dim, 0, c, rows));

	for (int32_t k = 0; k < n_documents; k++)
	{
		int64_t		first = start[k];
		int64_t		n = start[k + 1] - first;

		if (k % 8 == 0)
			XMC_TRY(xmc_check_stop(arena->ctx));
		for (int64_t r = first; r < first + n; r++)
		{
			double		weight = 0.25 / (double) rows;

			*loss += cross_entropy(rows, c + r * rows, 1, temperature, r, weight, d + r * rows);
			*loss += cross_entropy(rows, c + r, rows, temperature, r, weight, d + r);
			*loss += cross_entropy(n, c + r * rows + first, 1, temperature, r - first, weight, d + r * rows + first);
			*loss += cross_entropy(n, c + first * rows + r, rows, temperature, r - first, weight, d + first * rows + r);
		}
	}
	for (int64_t k = 0; k < rows * rows; k++)
	{
		along += temperature * c[k] * d[k];
		d[k] = (float) (temperature * d[k]);
	}
	grad->align_scale[XMC_ALIGN_TEMPERATURE] += (float) along;
	if (model->options.shared_space)
		return XMC_OK;
	XMC_TRY(xmc_sgemm(arena->ctx, XMC_PLAIN, XMC_PLAIN, rows, dim, rows, 1, d, rows, text.z, dim, 0, dz, dim));
	XMC_TRY(side_backward(arena->ctx, (int32_t) rows, dim, &image, dz, grad->align_image_w));
	XMC_TRY(xmc_sgemm(arena->ctx, XMC_TRANSPOSED, XMC_PLAIN, rows, dim, rows, 1, d, rows, image.z, dim, 0, dz, dim));
	return side_backward(arena->ctx, (int32_t) rows, dim, &text, dz, grad->align_text_w);
}

/* ---- held-out documents ---- */

/* Unit vectors of the held-out documents' linked items. */
typedef struct views
{
	int32_t		n_documents;
	const int32_t *start;		/* (n_documents + 1) */
	int32_t		dim;
	float	   *z[XMC_MODALITIES];	/* (start[n_documents], dim) */
} views;

/* z in `lasting` the first time, overwritten afterwards. */
static xmc_status
view(xmc_arena *scratch, const xmc_model *model, const xmc_document *const *document, const int32_t *item, views *v)
{
	for (int32_t d = 0; d < v->n_documents; d++)
		for (int m = 0; m < XMC_MODALITIES; m++)
		{
			xmc_arena_reset(scratch);
			XMC_TRY(xmc_align_project(scratch, model, (xmc_modality) m, document[d], v->start[d + 1] - v->start[d],
									  item + v->start[d], v->z[m] + (int64_t) v->start[d] * v->dim));
		}
	return xmc_check_stop(scratch->ctx);
}

/* Mean cross-entropy within documents at a temperature; cosine holds each document's (n, n) one after the other. */
static double
within_loss(const views *v, const float *cosine, double temperature)
{
	double		sum = 0;

	for (int32_t d = 0; d < v->n_documents; d++)
	{
		int64_t		n = v->start[d + 1] - v->start[d];

		for (int64_t r = 0; r < n; r++)
			sum += cross_entropy(n, cosine + r * n, 1, temperature, r, 0.5, NULL) +
				cross_entropy(n, cosine + r, n, temperature, r, 0.5, NULL);
		cosine += n * n;
	}
	return sum / v->start[v->n_documents];
}

/* The held-out loss at its best temperature: a loss that punishes overconfidence turns up before the matching gets worse. */
static xmc_status
validation(xmc_arena *scratch, const views *v, double *loss, double *log_temperature)
{
	size_t		cells = 0;
	float	   *cosine;
	float	   *to;
	double		low = 0;
	double		high = 6;

	for (int32_t d = 0; d < v->n_documents; d++)
		cells += (size_t) (v->start[d + 1] - v->start[d]) * (size_t) (v->start[d + 1] - v->start[d]);
	xmc_arena_reset(scratch);
	to = cosine = xmc_arena_alloc(scratch, cells, sizeof(float));
	XMC_NEED(cosine, scratch->ctx);
	for (int32_t d = 0; d < v->n_documents; d++)
	{
		int64_t		n = v->start[d + 1] - v->start[d];
		int64_t		first = (int64_t) v->start[d] * v->dim;

		XMC_TRY(xmc_sgemm(scratch->ctx, XMC_PLAIN, XMC_TRANSPOSED, n, n, v->dim, 1, v->z[XMC_IMAGE] + first, v->dim,
						  v->z[XMC_TEXT] + first, v->dim, 0, to, n));
		to += n * n;
	}
	for (int step = 0; step < 24; step++)	/* ternary search: convex in the temperature */
	{
		double		a = low + (high - low) / 3;
		double		b = high - (high - low) / 3;

		if (within_loss(v, cosine, exp(a)) < within_loss(v, cosine, exp(b)))
			high = b;
		else
			low = a;
	}
	*log_temperature = (low + high) / 2;
	*loss = within_loss(v, cosine, exp(*log_temperature));
	return XMC_OK;
}

/* ---- temperature and dustbin ---- */

/*
 * One held-out document with what goes wrong in practice: a photo is missing, a photo shows no step of it, a photo comes
 * from elsewhere. score's rows are photos.
 */
typedef struct trial
{
	xmc_comparison comparison;
	int32_t    *text_of;		/* (n_image) the text's place here; n_text: none */
	uint8_t    *is_matched;		/* (n_text) */
} trial;

/* Puts item `row`'s unit vector behind the *n that are in z. */
static void
take(const views *v, xmc_modality modality, int32_t row, float *z, int32_t *n)
{
	memcpy(z + (int64_t) (*n)++ * v->dim, v->z[modality] + (int64_t) row * v->dim, (size_t) v->dim * sizeof(float));
}

static xmc_status
make_trial(xmc_arena *arena, xmc_arena *scratch, const xmc_model *model, const views *v, int32_t d, xmc_random *random, trial *t)
{
	int32_t		n = v->start[d + 1] - v->start[d];
	int32_t		other = (d + 1) % v->n_documents;
	int32_t    *place = xmc_arena_alloc(arena, (size_t) n, sizeof(int32_t));	/* of a text here; -1: taken away */
	size_t		dim = (size_t) v->dim;
	int32_t		n_text = 0;
	int32_t		n_image = 0;
	float	   *text_z;			/* (n_text, dim) */
	float	   *image_z;		/* (n_image, dim) */

	xmc_arena_reset(scratch);
	text_z = xmc_arena_alloc(scratch, (size_t) n * dim, sizeof(float));
	image_z = xmc_arena_alloc(scratch, 2 * (size_t) n * dim, sizeof(float));
	t->text_of = xmc_arena_alloc(arena, 2 * (size_t) n, sizeof(int32_t));
	t->is_matched = xmc_arena_zalloc(arena, (size_t) n, 1);
	if (!place || !text_z || !image_z || !t->text_of || !t->is_matched)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t i = 0; i < n; i++)
	{
		place[i] = xmc_random_uniform(random) < ABSENT ? -1 : n_text;
		if (place[i] >= 0)
			take(v, XMC_TEXT, v->start[d] + i, text_z, &n_text);
	}
	for (int32_t i = 0; i < n; i++)
	{
		if (xmc_random_uniform(random) >= ABSENT)
		{
			t->text_of[n_image] = place[i] >= 0 ? place[i] : n_text;
			take(v, XMC_IMAGE, v->start[d] + i, image_z, &n_image);
			if (place[i] >= 0)
				t->is_matched[place[i]] = 1;
		}
		if (xmc_random_uniform(random) < ABSENT)
		{
			int32_t		foreign = (int32_t) xmc_random_below(random, (uint32_t) (v->start[other + 1] - v->start[other]));

			t->text_of[n_image] = n_text;
			take(v, XMC_IMAGE, v->start[other] + foreign, image_z, &n_image);
		}
	}
	t->comparison = (xmc_comparison) {.n_image = n_image,.n_text = n_text};
	return xmc_align_compare(arena, scratch, model, 1, image_z, text_z, &t->comparison);
}

/* Minus the mean log-probability of what is true of each item: its counterpart, or that it has none. */
static xmc_status
trial_loss(xmc_arena *scratch, int32_t n_trials, const trial *t, const double at[XMC_ALIGN_SCALES], double *loss)
{
	double		sum = 0;
	int64_t		items = 0;

	for (int32_t k = 0; k < n_trials; k++, t++)
	{
		int32_t		n_image = t->comparison.n_image;
		int32_t		n_text = t->comparison.n_text;
		int64_t		width = n_text + 1;
		double	   *p;

		xmc_arena_reset(scratch);
		p = xmc_arena_alloc(scratch, ((size_t) n_image + 1) * (size_t) width, sizeof(double));
		XMC_NEED(p, scratch->ctx);
		XMC_TRY(xmc_align_transport(scratch, &t->comparison, at, p));
		/* A matched pair is two items, and is counted twice. */
		for (int32_t r = 0; r < n_image; r++)
			sum -= (t->text_of[r] < n_text ? 2 : 1) * log(fmax(p[r * width + t->text_of[r]], 1e-9));
		for (int32_t c = 0; c < n_text; c++)
			if (!t->is_matched[c])
				sum -= log(fmax(p[n_image * width + c], 1e-9));
		items += n_image + n_text;
		XMC_TRY(xmc_check_stop(scratch->ctx));
	}
	*loss = items > 0 ? sum / (double) items : 0;
	return XMC_OK;
}

/* Compass search (Hooke and Jeeves 1961) from the temperature that suits the cosines without a dustbin. */
static xmc_status
fit_scale(xmc_arena *run_arena, xmc_arena *scratch, xmc_model *model, const views *v, double log_temperature)
{
	int32_t		n = v->n_documents < FIT_DOCUMENTS ? v->n_documents : FIT_DOCUMENTS;
	trial	   *t = xmc_arena_alloc(run_arena, (size_t) n, sizeof *t);
	/* The dustbin is as far as a cosine times the temperature; a step of either is about as much. */
	const double unit[XMC_ALIGN_SCALES] = {[XMC_ALIGN_TEMPERATURE] = 1,[XMC_ALIGN_DUSTBIN] = 3,[XMC_ALIGN_MEMORY] = 1};
	const double low[XMC_ALIGN_SCALES] = {[XMC_ALIGN_TEMPERATURE] = -2,[XMC_ALIGN_DUSTBIN] = -INFINITY,[XMC_ALIGN_MEMORY] = -2};
	const double high[XMC_ALIGN_SCALES] = {[XMC_ALIGN_TEMPERATURE] = 7,[XMC_ALIGN_DUSTBIN] = INFINITY,[XMC_ALIGN_MEMORY] = 7};
	int			n_scales = model->anchors.n > 0 ? XMC_ALIGN_SCALES : XMC_ALIGN_MEMORY;
	double		at[XMC_ALIGN_SCALES] = {[XMC_ALIGN_TEMPERATURE] = log_temperature};
	double		best;
	xmc_random	random;

	XMC_NEED(t, run_arena->ctx);
	xmc_random_seed(&random, (uint64_t) model->options.seed);
	for (int32_t k = 0; k < n; k++)
		XMC_TRY(make_trial(run_arena, scratch, model, v, k, &random, &t[k]));
	XMC_TRY(trial_loss(scratch, n, t, at, &best));
	for (double step = 1; step > 0.03;)
	{
		bool		better = false;

		for (int k = 0; k < n_scales; k++)
			for (int sign = 1; sign >= -1; sign -= 2)
			{
				double		kept = at[k];
				double		loss;

				at[k] += sign * step * unit[k];
				XMC_TRY(trial_loss(scratch, n, t, at, &loss));
				if (loss < best && at[k] >= low[k] && at[k] <= high[k])
				{
					best = loss;
					better = true;
					break;
				}
				at[k] = kept;
			}
		if (!better)
			step /= 2;
	}
	for (int k = 0; k < XMC_ALIGN_SCALES; k++)
		model->align_scale[k] = (float) at[k];
	return XMC_OK;
}

/* How many photos of the whole held-out documents have their own step for the likeliest. */
static xmc_status
measure(xmc_arena *scratch, const xmc_model *model, const views *v, xmc_align_report *report)
{
	int64_t		right = 0;

	for (int32_t d = 0; d < v->n_documents; d++)
	{
		int64_t		n = v->start[d + 1] - v->start[d];
		double	   *p;

		xmc_arena_reset(scratch);
		p = xmc_arena_alloc(scratch, (size_t) ((n + 1) * (n + 1)), sizeof(double));
		XMC_NEED(p, scratch->ctx);
		XMC_TRY(xmc_align_match(scratch, model, (int32_t) n, v->z[XMC_IMAGE] + (int64_t) v->start[d] * v->dim, (int32_t) n,
								v->z[XMC_TEXT] + (int64_t) v->start[d] * v->dim, p));
		for (int64_t r = 0; r < n; r++)
		{
			int64_t		best = 0;

			for (int64_t c = 1; c < n; c++)
				if (p[r * (n + 1) + c] > p[r * (n + 1) + best])
					best = c;
			right += best == r;
		}
	}
	report->documents = v->n_documents;
	report->accuracy = (double) right / v->start[v->n_documents];
	report->chance = (double) v->n_documents / v->start[v->n_documents];
	return XMC_OK;
}

/* ---- training ---- */

/* Where the two embeddings are equally wide, they may lie in one space already: their maps begin alike, near its cosine. */
static void
start_maps(xmc_model *model)
{
	memset(model->align_scale, 0, XMC_ALIGN_SCALES * sizeof(float));
	model->align_scale[XMC_ALIGN_TEMPERATURE] = (float) log(START_TEMPERATURE);
	if (!model->options.shared_space && model->options.text_dim == model->options.image_dim)
		for (int64_t r = 0; r < model->options.align_dim; r++)
			memcpy(model->align_text_w + r * xmc_align_input_dim(&model->options, XMC_TEXT),
				   model->align_image_w + r * model->options.image_dim, (size_t) model->options.image_dim * sizeof(float));
}

/* The documents with at least two linked items, in `arena`. */
static xmc_status
choose(xmc_arena *arena, xmc_arena *scratch, const xmc_options *options, int32_t n_documents,
	   const xmc_document *const *document, int32_t *n, const xmc_document ***out)
{
	const xmc_document **chosen = xmc_arena_alloc(arena, (size_t) n_documents, sizeof *chosen);

	*out = chosen;
	*n = 0;
	XMC_NEED(chosen, arena->ctx);
	for (int32_t d = 0; d < n_documents; d++)
	{
		int32_t    *item;

		XMC_TRY(xmc_check_stop(arena->ctx));
		xmc_arena_reset(scratch);
		item = xmc_arena_alloc(scratch, (size_t) document[d]->n, sizeof(int32_t));
		XMC_NEED(item, arena->ctx);
		if (xmc_align_linked_items(options, document[d], item) >= 2)
			chosen[(*n)++] = document[d];
	}
	return XMC_OK;
}

static xmc_status
train_epoch(xmc_arena *scratch, xmc_model *model, xmc_model *grad, xmc_adamw *adamw, int32_t n, const xmc_document **train,
			xmc_random *random, const xmc_align_hooks *hooks, xmc_align_progress *progress)
{
	const xmc_options *o = &model->options;
	int32_t		batch = xmc_batch_size(n, BATCH_DOCUMENTS, 2);
	double		sum = 0;
	int64_t		all = 0;

	xmc_shuffle_documents(random, n, train);
	for (int32_t first = 0; first < n; first += batch)
	{
		int32_t		count = n - first < batch ? n - first : batch;
		double		loss;
		int32_t		items;

		xmc_arena_reset(scratch);
		XMC_TRY(xmc_align_gradient(scratch, model, count, train + first, grad, &loss, &items));
		xmc_adamw_step(adamw, model, grad, XMC_TERM_ALIGNMENT, xmc_adamw_warmup(adamw) * o->align_learning_rate, o->weight_decay);
		sum += loss * items;
		all += items;
		progress->documents = count;
		XMC_TRY(hooks->progress(hooks->arg, progress));
	}
	progress->train_loss = sum / (double) all;
	return XMC_OK;
}

static xmc_status
train_maps(xmc_arena *run_arena, xmc_arena *scratch, xmc_model *model, xmc_model *grad, int32_t n_train,
		   const xmc_document **train, const xmc_document *const *held_out, const int32_t *item, views *v,
		   const xmc_align_hooks *hooks)
{
	xmc_align_progress progress = {.train_loss = NAN,.held_out_loss = NAN};
	xmc_adamw	adamw;
	xmc_epochs	e;
	xmc_random	random;

	XMC_TRY(xmc_adamw_init(run_arena, model, XMC_TERM_ALIGNMENT, &adamw));
	XMC_TRY(xmc_epochs_begin(run_arena, model, XMC_TERM_ALIGNMENT, &adamw, &random, n_train, train, &e));
	for (;;)
	{
		double		log_temperature;

		XMC_TRY(hooks->checkpoint(hooks->arg, &e));
		if (!xmc_epochs_go_on(&e, &model->options))
			break;
		progress.epoch = e.done;
		progress.epoch_ended = false;
		XMC_TRY(train_epoch(scratch, model, grad, &e.adamw, n_train, train, &random, hooks, &progress));
		xmc_adamw_swap_average(&e.adamw, model, XMC_TERM_ALIGNMENT);
		XMC_TRY(view(scratch, model, held_out, item, v));
		XMC_TRY(validation(scratch, v, &progress.held_out_loss, &log_temperature));
		xmc_epochs_count(&e, model, progress.held_out_loss);
		xmc_adamw_swap_average(&e.adamw, model, XMC_TERM_ALIGNMENT);
		progress.epoch = e.done;
		progress.documents = 0;
		progress.epoch_ended = true;
		XMC_TRY(hooks->progress(hooks->arg, &progress));
	}
	xmc_epochs_end(&e, model);
	return XMC_OK;
}

static xmc_status
train(xmc_arena *run_arena, xmc_arena *scratch, xmc_model *model, xmc_model *grad, int32_t n_train,
	  const xmc_document **linked, int32_t n_remembered, const xmc_document *const *remembered, int32_t n_held_out,
	  const xmc_document *const *held_out, const xmc_align_hooks *hooks, xmc_align_report *report)
{
	views		v = {.n_documents = n_held_out,.dim = xmc_align_space_dim(&model->options)};
	int32_t    *start;
	int32_t    *item;
	double		loss;
	double		log_temperature;

	start_maps(model);
	XMC_TRY(gather_linked(run_arena, &model->options, n_held_out, held_out, &start, &item));
	v.start = start;
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		v.z[m] = xmc_arena_alloc(run_arena, (size_t) start[n_held_out] * (size_t) v.dim, sizeof(float));
		XMC_NEED(v.z[m], run_arena->ctx);
	}
	if (!model->options.shared_space)
		XMC_TRY(train_maps(run_arena, scratch, model, grad, n_train, linked, held_out, item, &v, hooks));
	XMC_TRY(xmc_anchors_fill(run_arena->ctx, model, n_remembered, remembered));
	XMC_TRY(view(scratch, model, held_out, item, &v));
	XMC_TRY(validation(scratch, &v, &loss, &log_temperature));
	XMC_TRY(fit_scale(run_arena, scratch, model, &v, log_temperature));
	XMC_TRY(measure(scratch, model, &v, report));
	model->has_alignment = true;
	return XMC_OK;
}

xmc_status
xmc_align_train(xmc_arena *run_arena, xmc_model *model, xmc_model *grad, int32_t n_train, const xmc_document *const *all_train,
				int32_t n_held_out, const xmc_document *const *all_held_out, const xmc_align_hooks *hooks,
				xmc_align_report *report)
{
	const xmc_document **linked;
	const xmc_document **held_out;
	int32_t		n_linked;
	xmc_arena	scratch;
	xmc_status	status;

	*report = (xmc_align_report){.accuracy = NAN,.chance = NAN};
	model->has_alignment = false;
	if (!model->align_scale)
		return XMC_OK;
	xmc_arena_init(&scratch, run_arena->ctx);
	status = choose(run_arena, &scratch, &model->options, n_train, all_train, &n_linked, &linked);
	if (status == XMC_OK)
		status = choose(run_arena, &scratch, &model->options, n_held_out, all_held_out, &n_held_out, &held_out);
	if (status == XMC_OK && n_linked >= XMC_MIN_TRAINING_DOCUMENTS && n_held_out >= XMC_MIN_HELD_OUT_DOCUMENTS)
		status = train(run_arena, &scratch, model, grad, n_linked, linked, n_train, all_train, n_held_out, held_out, hooks, report);
	else if (status == XMC_OK)
		for (int32_t k = 0; k < model->n_tensors; k++)
			if (model->tensor[k].term == XMC_TERM_ALIGNMENT)
				memset(*model->tensor[k].slot, 0, (size_t) model->tensor[k].n_values * sizeof(float));
	xmc_arena_free(&scratch);
	return status;
}
