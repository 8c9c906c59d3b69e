/* align_fit.c - see align_fit.h */
#include "train/align_fit.h"
#include "align/match.h"
#include "align/space.h"
#include "numeric/sgemm.h"
#include "numeric/vector.h"
#include "network/batch.h"
#include "xmcoh/optimizer.h"

#include <math.h>
#include <string.h>

#define BATCH_DOCUMENTS 32		/* of a step; the items of a batch are the negatives of each other */
#define START_TEMPERATURE 10.0	/* cosines of unrelated items differ by about 0.1 */
#define ABSENT 0.1				/* share of items removed, and of foreign images added, to fit the dustbin */
#define FIT_DOCUMENTS 200		/* held-out documents, at most, for temperatures and dustbin: three numbers */

/* ---- InfoNCE ---- */

/* One side of a batch: inputs and their unit vectors in the space. */
typedef struct side
{
	int32_t		in;
	float	   *x;				/* (rows, in) */
	float	   *z;				/* (rows, dim) */
	double	   *length;			/* (rows) of the mapped inputs, before they were divided by it */
} side;

static xmc_status
side_forward(xmc_arena *arena, const xmc_model *model, xmc_modality modality, int32_t n_documents,
			 const xmc_document *const *document, const int32_t *start, const int32_t *item, side *s)
{
	int32_t		rows = start[n_documents];
	int32_t		dim = xmc_align_space_dim(&model->options);

	s->in = xmc_align_input_dim(&model->options, modality);
	s->x = xmc_arena_alloc(arena, (size_t) rows * (size_t) s->in, sizeof(float));
	s->z = xmc_arena_alloc(arena, (size_t) rows * (size_t) dim, sizeof(float));
	s->length = xmc_arena_alloc(arena, (size_t) rows, sizeof(double));
	if (!s->x || !s->z || !s->length)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t d = 0; d < n_documents; d++)
		XMC_TRY(xmc_align_inputs(arena->ctx, model, modality, document[d], start[d + 1] - start[d], item + start[d],
								 s->x + (int64_t) start[d] * s->in));
	return xmc_align_unit_vectors(arena->ctx, model, modality, rows, s->x, s->z, s->length);
}

/*
 * Adds the gradient of the map of a side to dw, from dz (rows, dim), the gradient by the unit vectors; dz is overwritten.
 */
static xmc_status
side_backward(xmc_ctx *ctx, int32_t rows, int32_t dim, const side *s, float *dz, float *dw)
{
	/* Through z / |z|: dz - (z . dz) z, over the length. */
	for (int64_t r = 0; r < rows; r++)
	{
		const float *z = s->z + r * dim;
		float	   *g = dz + r * dim;
		double		along = xmc_dot(dim, z, g);

		for (int32_t k = 0; k < dim; k++)
			g[k] = s->length[r] > 0 ? (float) ((g[k] - along * z[k]) / s->length[r]) : 0;
	}
	/* Through z = x W^T. */
	return xmc_sgemm(ctx, XMC_TRANSPOSED, XMC_PLAIN, dim, s->in, rows, 1, dz, dim, s->x, s->in, 1, dw, s->in);
}

/*
 * The cross-entropy of cell `own` among n logits temperature * c[k * stride], times weight. Adds its gradient by the
 * logits, weight * (softmax - 1 of `own`), to d[k * stride]; d may be NULL.
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

/* The linked items of all documents, one document behind the other: start (n_documents + 1) and item, in the arena. */
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

/*
 * The loss over the cosines c (rows, rows) of image r and text c of a batch, with the gradient by the logits in d (rows,
 * rows): for each item among all rows, and among the rows of its own document.
 */
static xmc_status
batch_loss(xmc_ctx *ctx, int32_t n_documents, const int32_t *start, const float *c, double temperature, float *d,
		   double *loss)
{
	int64_t		rows = start[n_documents];

	for (int32_t k = 0; k < n_documents; k++)
	{
		int64_t		first = start[k];
		int64_t		n = start[k + 1] - first;

		if (k % 8 == 0)
			XMC_TRY(xmc_check_stop(ctx));
		for (int64_t r = first; r < first + n; r++)
		{
			double		weight = 0.25 / (double) rows;

			*loss += cross_entropy(rows, c + r * rows, 1, temperature, r, weight, d + r * rows);
			*loss += cross_entropy(rows, c + r, rows, temperature, r, weight, d + r);
			*loss += cross_entropy(n, c + r * rows + first, 1, temperature, r - first, weight, d + r * rows + first);
			*loss += cross_entropy(n, c + first * rows + r, rows, temperature, r - first, weight, d + first * rows + r);
		}
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
	double		along = 0;		/* sum of logit times its gradient: the gradient by the logarithm of the temperature */
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
	XMC_TRY(batch_loss(arena->ctx, n_documents, start, c, temperature, d, loss));
	/* logit = temperature * c */
	for (int64_t k = 0; k < rows * rows; k++)
	{
		along += temperature * c[k] * d[k];
		d[k] = (float) (temperature * d[k]);
	}
	grad->align_scale[XMC_ALIGN_TEMPERATURE] += (float) along;
	if (model->options.shared_space)
		return XMC_OK;
	/* c = Z_image Z_text^T */
	XMC_TRY(xmc_sgemm(arena->ctx, XMC_PLAIN, XMC_PLAIN, rows, dim, rows, 1, d, rows, text.z, dim, 0, dz, dim));
	XMC_TRY(side_backward(arena->ctx, (int32_t) rows, dim, &image, dz, grad->align_image_w));
	XMC_TRY(xmc_sgemm(arena->ctx, XMC_TRANSPOSED, XMC_PLAIN, rows, dim, rows, 1, d, rows, image.z, dim, 0, dz, dim));
	return side_backward(arena->ctx, (int32_t) rows, dim, &text, dz, grad->align_text_w);
}

/* ---- held-out documents ---- */

/* The linked items of the held-out documents, and their unit vectors. */
typedef struct validation_set
{
	int32_t		n_documents;
	const xmc_document *const *document;	/* (n_documents) */
	const int32_t *item;	/* (start[n_documents]) */
	const int32_t *start;		/* (n_documents + 1) */
	int32_t		dim;
	float	   *z[XMC_MODALITIES];	/* (start[n_documents], dim) */
} validation_set;

/* Sets v->z by the model as it is. */
static xmc_status
project(xmc_arena *scratch, const xmc_model *model, validation_set *v)
{
	for (int32_t d = 0; d < v->n_documents; d++)
		for (int m = 0; m < XMC_MODALITIES; m++)
		{
			xmc_arena_reset(scratch);
			XMC_TRY(xmc_align_project(scratch, model, (xmc_modality) m, v->document[d], v->start[d + 1] - v->start[d],
									  v->item + v->start[d], v->z[m] + (int64_t) v->start[d] * v->dim));
		}
	return xmc_check_stop(scratch->ctx);
}

/* The mean cross-entropy within documents at a temperature; cosine holds (n, n) of each document, one behind the other. */
static double
within_loss(const validation_set *v, const float *cosine, double temperature)
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

/*
 * The loss within the held-out documents at its best temperature: a loss that punishes overconfidence rises before the
 * matching gets worse.
 */
static xmc_status
validate(xmc_arena *scratch, const validation_set *v, double *loss, double *log_temperature)
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
	/* Ternary search over the logarithm of the temperature: the loss is convex in the temperature. */
	for (int step = 0; step < 24; step++)
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
 * One held-out document with the errors of practice: an image is missing, a text is missing, an image is from another
 * document.
 */
typedef struct trial
{
	xmc_comparison comparison;
	int32_t    *text_of;		/* (n_image) the number of the text of an image; n_text: it has none */
	uint8_t    *is_matched;		/* (n_text) */
} trial;

/* Appends the unit vector of item `row` to the *n vectors in z. */
static void
append(const validation_set *v, xmc_modality modality, int32_t row, float *z, int32_t *n)
{
	memcpy(z + (int64_t) (*n)++ * v->dim, v->z[modality] + (int64_t) row * v->dim, (size_t) v->dim * sizeof(float));
}

/* Makes a trial of document d: items are missing, and images of the next document are added, each with probability ABSENT. */
static xmc_status
make_trial(xmc_arena *arena, xmc_arena *scratch, const xmc_model *model, const validation_set *v, int32_t d,
		   xmc_random *random, trial *t)
{
	int32_t		n = v->start[d + 1] - v->start[d];
	int32_t		other = (d + 1) % v->n_documents;
	int32_t    *place = xmc_arena_alloc(arena, (size_t) n, sizeof(int32_t));	/* of a text in the trial; -1: missing */
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
	/* The texts that are left. */
	for (int32_t i = 0; i < n; i++)
	{
		place[i] = xmc_random_uniform(random) < ABSENT ? -1 : n_text;
		if (place[i] >= 0)
			append(v, XMC_TEXT, v->start[d] + i, text_z, &n_text);
	}
	/* The images that are left, and foreign images. */
	for (int32_t i = 0; i < n; i++)
	{
		if (xmc_random_uniform(random) >= ABSENT)
		{
			t->text_of[n_image] = place[i] >= 0 ? place[i] : n_text;
			append(v, XMC_IMAGE, v->start[d] + i, image_z, &n_image);
			if (place[i] >= 0)
				t->is_matched[place[i]] = 1;
		}
		if (xmc_random_uniform(random) < ABSENT)
		{
			int32_t		foreign = (int32_t) xmc_random_below(random, (uint32_t) (v->start[other + 1] - v->start[other]));

			t->text_of[n_image] = n_text;
			append(v, XMC_IMAGE, v->start[other] + foreign, image_z, &n_image);
		}
	}
	t->comparison = (xmc_comparison) {.n_image = n_image,.n_text = n_text};
	return xmc_align_compare(arena, scratch, model, 1, image_z, text_z, &t->comparison);
}

/* The mean over items of minus the log-probability of the truth: of the counterpart, or of having none. */
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
		/* A pair that belongs together is two items, and counts twice. */
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

/* Minimises trial_loss by compass search (Hooke and Jeeves 1961), from the best temperature without a dustbin. */
static xmc_status
fit_scale(xmc_arena *run_arena, xmc_arena *scratch, xmc_model *model, const validation_set *v, double log_temperature)
{
	int32_t		n = v->n_documents < FIT_DOCUMENTS ? v->n_documents : FIT_DOCUMENTS;
	trial	   *t = xmc_arena_alloc(run_arena, (size_t) n, sizeof *t);
	/* The score of the dustbin is of the size of a cosine times the temperature, so its steps are larger. */
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

/* The share of images of the complete held-out documents whose likeliest text is their own. */
static xmc_status
evaluate(xmc_arena *scratch, const xmc_model *model, const validation_set *v, xmc_align_report *report)
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

/* Initial values. Embeddings of equal width may lie in one space already: their maps begin equal, so near its cosine. */
static void
initialise(xmc_model *model)
{
	memset(model->align_scale, 0, XMC_ALIGN_SCALES * sizeof(float));
	model->align_scale[XMC_ALIGN_TEMPERATURE] = (float) log(START_TEMPERATURE);
	if (!model->options.shared_space && model->options.text_dim == model->options.image_dim)
		for (int64_t r = 0; r < model->options.align_dim; r++)
			memcpy(model->align_text_w + r * xmc_align_input_dim(&model->options, XMC_TEXT),
				   model->align_image_w + r * model->options.image_dim, (size_t) model->options.image_dim * sizeof(float));
}

/* The documents with at least two linked items, allocated in result_arena. */
static xmc_status
select_linked(xmc_arena *result_arena, xmc_arena *scratch, const xmc_options *options, int32_t n_documents,
	   const xmc_document *const *document, int32_t *n, const xmc_document ***out)
{
	const xmc_document **chosen = xmc_arena_alloc(result_arena, (size_t) n_documents, sizeof *chosen);

	*out = chosen;
	*n = 0;
	XMC_NEED(chosen, result_arena->ctx);
	for (int32_t d = 0; d < n_documents; d++)
	{
		int32_t    *item;

		XMC_TRY(xmc_check_stop(result_arena->ctx));
		xmc_arena_reset(scratch);
		item = xmc_arena_alloc(scratch, (size_t) document[d]->n, sizeof(int32_t));
		XMC_NEED(item, result_arena->ctx);
		if (xmc_align_linked_items(options, document[d], item) >= 2)
			chosen[(*n)++] = document[d];
	}
	return XMC_OK;
}

/* What the steps of the loop over epochs share. */
typedef struct map_fit
{
	xmc_arena  *scratch;
	xmc_model  *model;
	xmc_model  *grad;
	validation_set *validation;
	const xmc_align_hooks *hooks;
	xmc_align_progress progress;
} map_fit;

static xmc_status
checkpoint_step(void *arg, xmc_epochs *e)
{
	const map_fit *fit = arg;

	return fit->hooks->checkpoint(fit->hooks->arg, e);
}

/* One pass over the training documents in a new random order. */
static xmc_status
train_step(void *arg, xmc_epochs *e)
{
	map_fit    *fit = arg;
	const xmc_options *o = &fit->model->options;
	int32_t		batch = xmc_batch_size(e->n_train, BATCH_DOCUMENTS, 2);
	double		sum = 0;
	int64_t		all = 0;

	fit->progress.epoch = e->done;
	fit->progress.epoch_ended = false;
	xmc_shuffle_documents(e->random, e->n_train, e->train);
	for (int32_t first = 0; first < e->n_train; first += batch)
	{
		int32_t		count = e->n_train - first < batch ? e->n_train - first : batch;
		double		loss;
		int32_t		items;

		xmc_arena_reset(fit->scratch);
		XMC_TRY(xmc_align_gradient(fit->scratch, fit->model, count, e->train + first, fit->grad, &loss, &items));
		xmc_adamw_step(&e->adamw, fit->model, fit->grad, XMC_TERM_ALIGNMENT,
					   xmc_adamw_warmup(&e->adamw) * o->align_learning_rate, o->weight_decay);
		sum += loss * items;
		all += items;
		fit->progress.documents = count;
		XMC_TRY(fit->hooks->progress(fit->hooks->arg, &fit->progress));
	}
	fit->progress.train_loss = sum / (double) all;
	return XMC_OK;
}

static xmc_status
validate_step(void *arg, double *held_out_loss)
{
	map_fit    *fit = arg;
	double		log_temperature;

	XMC_TRY(project(fit->scratch, fit->model, fit->validation));
	XMC_TRY(validate(fit->scratch, fit->validation, held_out_loss, &log_temperature));
	fit->progress.held_out_loss = *held_out_loss;
	return XMC_OK;
}

static xmc_status
end_step(void *arg, const xmc_epochs *e, bool is_best)
{
	map_fit    *fit = arg;

	(void) is_best;
	fit->progress.epoch = e->done;
	fit->progress.documents = 0;
	fit->progress.epoch_ended = true;
	return fit->hooks->progress(fit->hooks->arg, &fit->progress);
}

static xmc_status
train_maps(xmc_arena *run_arena, xmc_arena *scratch, xmc_model *model, xmc_model *grad, int32_t n_train,
		   const xmc_document **train, validation_set *v, const xmc_align_hooks *hooks)
{
	map_fit		fit = {.scratch = scratch,.model = model,.grad = grad,.validation = v,.hooks = hooks,
		.progress = {.train_loss = NAN,.held_out_loss = NAN}};
	const xmc_epochs_steps steps = {.arg = &fit,.checkpoint = checkpoint_step,.train = train_step,.validate = validate_step,
		.end = end_step};
	xmc_adamw	adamw;
	xmc_epochs	e;
	xmc_random	random;

	XMC_TRY(xmc_adamw_init(run_arena, model, XMC_TERM_ALIGNMENT, &adamw));
	XMC_TRY(xmc_epochs_begin(run_arena, model, XMC_TERM_ALIGNMENT, &adamw, &random, n_train, train, &e));
	XMC_TRY(xmc_epochs_run(&e, model, &steps));
	xmc_epochs_end(&e, model);
	return XMC_OK;
}

/* `linked` and held_out have at least two linked items each; `all` are all training documents, for the anchors. */
static xmc_status
train(xmc_arena *run_arena, xmc_arena *scratch, xmc_model *model, xmc_model *grad, int32_t n_linked,
	  const xmc_document **linked, int32_t n_all, const xmc_document *const *all, int32_t n_held_out,
	  const xmc_document *const *held_out, const xmc_align_hooks *hooks, xmc_align_report *report)
{
	validation_set v = {.n_documents = n_held_out,.document = held_out,.dim = xmc_align_space_dim(&model->options)};
	int32_t    *start;
	int32_t    *item;
	double		loss;
	double		log_temperature;

	initialise(model);
	XMC_TRY(gather_linked(run_arena, &model->options, n_held_out, held_out, &start, &item));
	v.start = start;
	v.item = item;
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		v.z[m] = xmc_arena_alloc(run_arena, (size_t) start[n_held_out] * (size_t) v.dim, sizeof(float));
		XMC_NEED(v.z[m], run_arena->ctx);
	}
	/* 1. The linear maps. */
	if (!model->options.shared_space)
		XMC_TRY(train_maps(run_arena, scratch, model, grad, n_linked, linked, &v, hooks));
	/* 2. The anchors, which need the maps. */
	XMC_TRY(xmc_anchors_fill(run_arena->ctx, model, n_all, all));
	/* 3. Temperatures and dustbin, which need both. */
	XMC_TRY(project(scratch, model, &v));
	XMC_TRY(validate(scratch, &v, &loss, &log_temperature));
	XMC_TRY(fit_scale(run_arena, scratch, model, &v, log_temperature));
	XMC_TRY(evaluate(scratch, model, &v, report));
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
	status = select_linked(run_arena, &scratch, &model->options, n_train, all_train, &n_linked, &linked);
	if (status == XMC_OK)
		status = select_linked(run_arena, &scratch, &model->options, n_held_out, all_held_out, &n_held_out, &held_out);
	if (status == XMC_OK && n_linked >= XMC_MIN_TRAINING_DOCUMENTS && n_held_out >= XMC_MIN_HELD_OUT_DOCUMENTS)
		status = train(run_arena, &scratch, model, grad, n_linked, linked, n_train, all_train, n_held_out, held_out, hooks,
					   report);
	else if (status == XMC_OK)	/* too few documents */
		for (int32_t k = 0; k < model->n_tensors; k++)
			if (model->tensor[k].term == XMC_TERM_ALIGNMENT)
				memset(*model->tensor[k].slot, 0, (size_t) model->tensor[k].n_values * sizeof(float));
	xmc_arena_free(&scratch);
	return status;
}
