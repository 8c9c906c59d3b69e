/* additive_fit.c - see additive_fit.h */
#include "train/additive_fit.h"
#include "network/batch.h"
#include "network/inputs.h"
#include "network/sparse.h"
#include "numeric/dense.h"
#include "numeric/lbfgs.h"
#include "numeric/vector.h"

#include <math.h>
#include <string.h>

#define FIRST_PENALTY 0.32		/* so strong that nothing but the mean differences of features is learned */
#define MAX_STEPS 40			/* of L-BFGS for one penalty */
#define TOLERANCE 1e-4			/* relative: a smaller decrease of the objective moves no order */
#define USUAL_IDF 5.5			/* with it a text's features have a length of about 1, for which the penalties are made */

/* Cells of features that are kept from one evaluation to the next, 4 bytes each. A test compiles this file with fewer. */
#ifndef KEPT_CELLS
#define KEPT_CELLS 8388608
#endif
#define ITEM_CELLS (2 * XMC_FEATURE_KINDS)	/* the memory of an item's shares */
#define KIND_BITS 3				/* of a cell, those of XMC_FEATURE_KIND_MASK */

/* What an evaluation of the sparse term reads of a document: where its features lead, without the table of buckets. */
typedef struct feature_cells
{
	uint32_t   *cell;			/* (features) the variable, shifted left by KIND_BITS, and the kind */
	double		(*share)[XMC_FEATURE_KINDS];	/* (items) xmc_sparse_shares */
} feature_cells;

/* A fit. A variable is v_k = w_k / scale_k of a bucket that occurs, or of a number of the embedding. */
struct xmc_additive_fit
{
	xmc_ctx    *ctx;
	xmc_model  *model;
	xmc_term	term;
	int32_t		n_documents;
	const xmc_document *const *document;	/* (n_documents) */
	double	   *answers;		/* (n_documents) weight of each: answers_of */
	double		all_answers;
	double	   *pair_weight;	/* (n_documents) xmc_batch_pair_weight */
	double		penalty;
	int64_t		n;				/* variables */
	int32_t    *column;			/* (2^hash_bits) the variable of each bucket, or -1; NULL for a linear term */
	double	   *scale;			/* (n) */
	double	   *w;				/* (n) */
	double	   *gradient;		/* (n) by w */
	feature_cells cells;		/* of the largest document: of one that is not kept */
	int32_t		n_kept;
	feature_cells *kept;		/* (n_kept) of the first documents */
	const float *mean;			/* (n) of a linear term: of the inputs; NULL for the sparse term */
	const float *input_scale;	/* (n) of a linear term: w weighs inputs as they are stored, v standardised ones */
	double		offset;			/* of a linear term: the sum of w times mean */
	double		sum_du;			/* of a linear term, over the items with an embedding */
	double	   *u;				/* (items of the largest document) */
	double	   *du;				/* (items of the largest document) */
	double		loss;
	const float *idf;			/* (2^hash_bits) of the sparse term */
	xmc_lbfgs	lbfgs;
	double	   *v;				/* (n) */
};

double
xmc_penalty(int32_t step)
{
	return ldexp(FIRST_PENALTY, 1 - step);
}

xmc_status
xmc_idf(xmc_ctx *ctx, const xmc_options *options, int32_t n_documents, const xmc_document *document, float *idf)
{
	int			shift = 32 - options->hash_bits;
	double		items = 0;

	memset(idf, 0, sizeof(float) << options->hash_bits);
	for (int32_t d = 0; d < n_documents; d++)
	{
		XMC_TRY(xmc_check_stop(ctx));
		items += document[d].n;
		for (int32_t f = 0; f < document[d].feature_start[document[d].n]; f++)
			idf[document[d].feature[f] >> shift]++;
	}
	for (int64_t k = 0; k < INT64_C(1) << options->hash_bits; k++)
		idf[k] = idf[k] < items ? (float) (log((1 + items) / (1 + idf[k])) + 1) : 1;
	return XMC_OK;
}

/*
 * How many answers of a person the labels stand for: the labelled items less one. labelled (items): scratch.
 */
static double
answers_of(const xmc_document *document, uint8_t *labelled)
{
	int32_t		items = 0;

	memset(labelled, 0, (size_t) document->n);
	for (int32_t p = 0; p < document->n_pairs; p++)
	{
		items += !labelled[document->pair[p].before];
		labelled[document->pair[p].before] = 1;
		items += !labelled[document->pair[p].after];
		labelled[document->pair[p].after] = 1;
	}
	return items - 1;
}

/* Sets the weights of the documents. labelled (items of the largest document): scratch. */
static xmc_status
weigh_documents(xmc_additive_fit *fit, uint8_t *labelled)
{
	for (int32_t d = 0; d < fit->n_documents; d++)
	{
		XMC_TRY(xmc_check_stop(fit->ctx));
		fit->answers[d] = answers_of(fit->document[d], labelled);
		fit->all_answers += fit->answers[d];
		fit->pair_weight[d] = xmc_batch_pair_weight(&fit->model->options, xmc_term_modality(fit->term), fit->document[d]);
	}
	return XMC_OK;
}

/* Sets the cells and shares of a document. */
static void
read_features(const xmc_additive_fit *fit, const xmc_document *document, const feature_cells *out)
{
	int			shift = 32 - fit->model->options.hash_bits;

	for (int32_t i = 0; i < document->n; i++)
	{
		int32_t		count;
		const uint32_t *feature = xmc_item_features(document, i, &count);

		xmc_sparse_shares(feature, count, out->share[i]);
	}
	for (int32_t f = 0; f < document->feature_start[document->n]; f++)
		out->cell[f] = (uint32_t) fit->column[document->feature[f] >> shift] << KIND_BITS |
			(uint32_t) xmc_feature_kind_of(document->feature[f]);
}

/* The cells of document d; NULL for a linear term. */
static const feature_cells *
cells_of(const xmc_additive_fit *fit, int32_t d)
{
	if (!fit->column)
		return NULL;
	if (d < fit->n_kept)
		return &fit->kept[d];
	read_features(fit, fit->document[d], &fit->cells);
	return &fit->cells;
}

/* The sum of share times weight over n features. */
XMC_FOR_THIS_PROCESSOR static double
sum_weights(int32_t n, const uint32_t *cell, const double *share, const double *w)
{
	double		sum = 0;

#pragma omp simd reduction(+:sum)
	for (int32_t f = 0; f < n; f++)
		sum += share[cell[f] & XMC_FEATURE_KIND_MASK] * w[cell[f] >> KIND_BITS];
	return sum;
}

/* u (items) of a document. */
static void
score_items(xmc_additive_fit *fit, const xmc_document *document, const feature_cells *cells)
{
	for (int32_t i = 0; i < document->n; i++)
	{
		int32_t		start = document->feature_start[i];

		if (cells)
			fit->u[i] = sum_weights(document->feature_start[i + 1] - start, cells->cell + start, cells->share[i], fit->w);
		else
		{
			const float *x = xmc_inputs_embedding(&fit->model->options, xmc_term_modality(fit->term), document, i);

			fit->u[i] = x ? xmc_dot_double(fit->n, fit->w, x) - fit->offset : 0;
		}
	}
}

/* Adds the gradient by the weights, from du (items). */
static void
add_gradient(xmc_additive_fit *fit, const xmc_document *document, const feature_cells *cells)
{
	for (int32_t i = 0; i < document->n; i++)
	{
		if (fit->du[i] == 0)
			continue;
		if (cells)
		{
			double		by[XMC_FEATURE_KINDS];

			for (int kind = 0; kind < XMC_FEATURE_KINDS; kind++)
				by[kind] = cells->share[i][kind] * fit->du[i];
			for (int32_t f = document->feature_start[i]; f < document->feature_start[i + 1]; f++)
				fit->gradient[cells->cell[f] >> KIND_BITS] += by[cells->cell[f] & XMC_FEATURE_KIND_MASK];
		}
		else
		{
			const float *x = xmc_inputs_embedding(&fit->model->options, xmc_term_modality(fit->term), document, i);

			if (!x)
				continue;
			xmc_add_times(fit->n, fit->du[i], x, fit->gradient);
			fit->sum_du += fit->du[i];
		}
	}
}

/* Adds the loss of document d to fit->loss and sets du (items), its gradient by u. */
static void
score_pairs(xmc_additive_fit *fit, int32_t d)
{
	const xmc_document *document = fit->document[d];
	const xmc_options *options = &fit->model->options;
	xmc_modality modality = xmc_term_modality(fit->term);

	memset(fit->du, 0, (size_t) document->n * sizeof(double));
	for (int32_t p = 0; p < document->n_pairs; p++)
	{
		const xmc_pair *pair = &document->pair[p];
		double		weight;
		double		s;
		double		slope;

		if (!xmc_batch_takes_pair(options, modality, document, pair))
			continue;
		weight = pair->weight / fit->pair_weight[d] * fit->answers[d] / fit->all_answers;
		s = fit->u[pair->after] - fit->u[pair->before];
		fit->loss += weight * xmc_softplus_slope(-s, &slope);
		fit->du[pair->after] -= weight * slope;
		fit->du[pair->before] += weight * slope;
	}
}

/* The objective at v (n), for xmc_lbfgs_minimise. */
static xmc_status
objective(void *arg, const double *v, double *value, double *gradient)
{
	xmc_additive_fit *fit = arg;
	double		squares = 0;

	fit->offset = fit->sum_du = fit->loss = 0;
	for (int64_t k = 0; k < fit->n; k++)
	{
		fit->w[k] = v[k] * fit->scale[k] * (fit->mean ? fit->input_scale[k] : 1);
		fit->offset += fit->mean ? fit->w[k] * fit->mean[k] : 0;
	}
	memset(fit->gradient, 0, (size_t) fit->n * sizeof(double));
	for (int32_t d = 0; d < fit->n_documents; d++)
	{
		const feature_cells *cells;

		XMC_TRY(xmc_check_stop(fit->ctx));
		cells = cells_of(fit, d);
		score_items(fit, fit->document[d], cells);
		score_pairs(fit, d);
		add_gradient(fit, fit->document[d], cells);
	}
	for (int64_t k = 0; k < fit->n; k++)
	{
		if (fit->mean)
			fit->gradient[k] = (fit->gradient[k] - fit->sum_du * fit->mean[k]) * fit->input_scale[k];
		gradient[k] = fit->gradient[k] * fit->scale[k] + fit->penalty * v[k];
		squares += v[k] * v[k];
	}
	*value = fit->loss + fit->penalty / 2 * squares;
	return XMC_OK;
}

/* Numbers the buckets that occur, in the order in which the documents have them; n is their number. */
static xmc_status
number_buckets(xmc_arena *arena, xmc_additive_fit *fit)
{
	int			bits = fit->model->options.hash_bits;

	fit->column = xmc_arena_alloc(arena, (size_t) 1 << bits, sizeof *fit->column);
	XMC_NEED(fit->column, arena->ctx);
	memset(fit->column, 0xff, sizeof(*fit->column) << bits);
	for (int32_t d = 0; d < fit->n_documents; d++)
	{
		const xmc_document *document = fit->document[d];

		XMC_TRY(xmc_check_stop(arena->ctx));
		for (int32_t f = 0; f < document->feature_start[document->n]; f++)
		{
			int32_t    *column = &fit->column[document->feature[f] >> (32 - bits)];

			if (*column < 0)
				*column = (int32_t) fit->n++;
		}
	}
	return XMC_OK;
}

static bool
alloc_cells(xmc_arena *arena, size_t features, size_t items, feature_cells *out)
{
	out->cell = xmc_arena_alloc(arena, features, sizeof *out->cell);
	out->share = xmc_arena_alloc(arena, items, sizeof *out->share);
	return out->cell && out->share;
}

/* Reads the first documents once for all evaluations, as far as memory is meant for that. */
static xmc_status
keep_cells(xmc_arena *arena, xmc_additive_fit *fit)
{
	size_t		kept = 0;
	size_t		features = 0;	/* of the document that has most */
	size_t		items = 0;

	fit->kept = xmc_arena_alloc(arena, (size_t) fit->n_documents, sizeof *fit->kept);
	XMC_NEED(fit->kept, arena->ctx);
	for (int32_t d = 0; d < fit->n_documents; d++)
	{
		const xmc_document *document = fit->document[d];
		size_t		own = (size_t) document->feature_start[document->n];
		feature_cells *cells = &fit->kept[d];

		XMC_TRY(xmc_check_stop(fit->ctx));
		features = features > own ? features : own;
		items = items > (size_t) document->n ? items : (size_t) document->n;
		kept += own + (size_t) document->n * ITEM_CELLS;
		if (d > fit->n_kept || kept > KEPT_CELLS)
			continue;
		if (!alloc_cells(arena, own, (size_t) document->n, cells))
			return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
		read_features(fit, document, cells);
		fit->n_kept++;
	}
	if (fit->n_kept < fit->n_documents && !alloc_cells(arena, features, items, &fit->cells))
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	return XMC_OK;
}

/* The weights of the term in the model. */
static float *
term_weights(const xmc_additive_fit *fit)
{
	return fit->column ? fit->model->sparse : fit->model->network[xmc_term_modality(fit->term)].linear;
}

/* Sets the scales, and the variables from the model's weights; or, to store, the weights from the variables. */
static void
exchange(xmc_additive_fit *fit, bool store)
{
	int64_t		n = fit->column ? INT64_C(1) << fit->model->options.hash_bits : fit->n;
	float	   *weight = term_weights(fit);

	for (int64_t k = 0; k < n; k++)
	{
		int64_t		variable = fit->column ? fit->column[k] : k;

		if (variable < 0)
			continue;
		if (store)
			weight[k] = (float) (fit->v[variable] * fit->scale[variable]);
		else
		{
			fit->scale[variable] = fit->column ? fit->idf[k] / USUAL_IDF : 1 / sqrt((double) fit->n);
			fit->v[variable] = weight[k] / fit->scale[variable];
		}
	}
}

/* The arrays whose lengths are known: n, and the items of the largest document. */
static xmc_status
alloc_arrays(xmc_arena *arena, xmc_additive_fit *fit, size_t most_items)
{
	size_t		n = (size_t) fit->n;
	size_t		documents = (size_t) fit->n_documents;

	fit->v = xmc_arena_alloc(arena, n, sizeof(double));
	fit->scale = xmc_arena_alloc(arena, n, sizeof(double));
	fit->w = xmc_arena_alloc(arena, n, sizeof(double));
	fit->gradient = xmc_arena_alloc(arena, n, sizeof(double));
	fit->u = xmc_arena_alloc(arena, most_items, sizeof(double));
	fit->du = xmc_arena_alloc(arena, most_items, sizeof(double));
	fit->answers = xmc_arena_alloc(arena, documents, sizeof(double));
	fit->pair_weight = xmc_arena_alloc(arena, documents, sizeof(double));
	if (!fit->v || !fit->scale || !fit->w || !fit->gradient || !fit->u || !fit->du || !fit->answers || !fit->pair_weight)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	return XMC_OK;
}

xmc_status
xmc_additive_begin(xmc_arena *arena, xmc_model *model, xmc_term term, const float *idf, int32_t n_documents,
				   const xmc_document *const *document, xmc_additive_fit **out)
{
	xmc_additive_fit *fit = xmc_arena_alloc(arena, 1, sizeof *fit);
	size_t		most_items = 0;
	uint8_t    *labelled;		/* (items of the largest document) */

	XMC_NEED(fit, arena->ctx);
	*fit = (xmc_additive_fit) {.ctx = arena->ctx,.model = model,.term = term,.idf = idf,.n_documents = n_documents,.document = document};
	if (term == XMC_TERM_SPARSE)
	{
		XMC_TRY(number_buckets(arena, fit));
		XMC_TRY(keep_cells(arena, fit));
	}
	else
	{
		const xmc_network *network = &model->network[xmc_term_modality(term)];
		int32_t		bag = network->input_dim - network->embedding_dim;

		fit->n = network->embedding_dim;
		fit->mean = network->input_mean + bag;
		fit->input_scale = network->input_scale + bag;
	}
	for (int32_t d = 0; d < n_documents; d++)
		if (most_items < (size_t) document[d]->n)
			most_items = (size_t) document[d]->n;
	XMC_TRY(alloc_arrays(arena, fit, most_items));
	labelled = xmc_arena_alloc(arena, most_items, 1);
	XMC_NEED(labelled, arena->ctx);
	XMC_TRY(weigh_documents(fit, labelled));
	XMC_TRY(xmc_lbfgs_init(arena, fit->n, &fit->lbfgs));
	exchange(fit, false);
	*out = fit;
	return XMC_OK;
}

xmc_status
xmc_additive_step(xmc_additive_fit *fit, int32_t step, double *loss)
{
	double		value;

	xmc_lbfgs_add_ridge(&fit->lbfgs, xmc_penalty(step) - fit->penalty);
	fit->penalty = xmc_penalty(step);
	XMC_TRY(xmc_lbfgs_minimise(&fit->lbfgs, objective, fit, MAX_STEPS, TOLERANCE, fit->v, &value));
	exchange(fit, true);
	*loss = fit->loss;			/* of the last trial, which is the minimum or beside it */
	return XMC_OK;
}
