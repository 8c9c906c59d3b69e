/* network_parts.c - the score of a pair by a network as a sum over inputs; see network_parts.h */
#include "score/network_parts.h"
#include "network/attribution.h"
#include "network/inputs.h"
#include "network/sparse.h"
#include "network/term.h"
#include "network/tuned_inputs.h"
#include "score/words.h"

#include <math.h>

/* What the effect of a word on the network knows: the share of its embedding, and the gradient by the bag of its item. */
typedef struct bag_pair
{
	const xmc_model *model;
	double		factor;
	double		scale[2];
	const double *gradient[2];	/* (bag_dim) */
} bag_pair;

static double
bag_effect(const void *arg, int side, uint32_t feature)
{
	const bag_pair *pair = arg;
	int32_t		width = pair->model->options.bag_dim;
	const float *row = pair->model->bag + (int64_t) (feature >> (32 - pair->model->options.bag_bits)) * width;
	double		sum = 0;

	if (!xmc_in_bag(feature))
		return 0;
	for (int32_t c = 0; c < width; c++)
		sum += row[c] * pair->gradient[side][c];
	return pair->factor * pair->scale[side] * sum;
}

/* The sum over dimensions from `from` on of input times gradient, of one row. */
static double
attributed(const float *x, const double *gradient, int32_t from, int32_t dim)
{
	double		sum = 0;

	for (int32_t c = from; c < dim; c++)
		sum += x[c] * gradient[c];
	return sum;
}

/* Adds what makes the parts sum to `wanted`, to each part by its size. */
static void
complete(double wanted, int32_t n, xmc_part *part)
{
	double		sum = 0;
	double		size = 0;

	for (int32_t k = 0; k < n; k++)
	{
		sum += part[k].contribution;
		size += fabs(part[k].contribution);
	}
	for (int32_t k = 0; k < n && size > 0; k++)
		part[k].contribution += (wanted - sum) * fabs(part[k].contribution) / size;
}

/* The inputs of a document, and the mean gradient by them. */
typedef struct attributed_inputs
{
	xmc_batch	batch;
	int32_t		bag;			/* dimensions of words, in front of those of the embedding */
	int32_t		dim;
	float	   *x;				/* (rows, dim) */
	double	   *gradient;		/* (rows, dim) */
	int32_t		row[2];			/* of the pair */
} attributed_inputs;

static xmc_status
attribute(xmc_arena *arena, const xmc_model *model, xmc_modality modality, const xmc_document *document, int32_t a, int32_t b,
		  attributed_inputs *out)
{
	const xmc_network *network = &model->network[modality];
	size_t		values;
	int32_t    *row;

	XMC_TRY(xmc_batch_init(arena, &model->options, modality, 1, &document, &out->batch));
	row = xmc_batch_rows(arena, &out->batch, 0);
	XMC_NEED(row, arena->ctx);
	out->row[0] = row[a];
	out->row[1] = row[b];
	out->dim = network->input_dim;
	out->bag = network->input_dim - network->embedding_dim;
	values = (size_t) out->batch.rows * (size_t) out->dim;
	out->x = xmc_arena_alloc(arena, values, sizeof(float));
	out->gradient = xmc_arena_alloc(arena, values, sizeof(double));
	if (!out->x || !out->gradient)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(xmc_network_gather(arena, model, &out->batch, NULL, out->x, NULL));
	return xmc_network_mean_gradient(arena->ctx, model, &out->batch, out->x, out->row[0], out->row[1], out->gradient);
}

/* The parts of the embeddings of the pair, which go to *embeddings, too, and of all inputs of the other items. */
static void
add_input_parts(const attributed_inputs *in, xmc_modality modality, double factor, int32_t *n, xmc_part *part,
				xmc_embedding_parts *embeddings)
{
	double		sum[XMC_NETWORK_PARTS] = {0};	/* the two items, the others */

	for (int32_t r = 0; r < in->batch.rows; r++)
	{
		int			which = r == in->row[0] ? 0 : r == in->row[1] ? 1 : 2;
		int64_t		first = (int64_t) r * in->dim;

		sum[which] += attributed(in->x + first, in->gradient + first, which < 2 ? in->bag : 0, in->dim);
	}
	for (int k = 0; k < XMC_NETWORK_PARTS; k++)
	{
		if (factor * sum[k] == 0)
			continue;
		part[*n] = (xmc_part){.kind = XMC_PART_NETWORK,.modality = modality,.in = {k == 0, k == 1},
			.contribution = factor * sum[k]};
		if (k < 2)
		{
			embeddings->part[k] = &part[*n];
			embeddings->gradient[k] = in->gradient + (int64_t) in->row[k] * in->dim + in->bag;
		}
		++*n;
	}
}

xmc_status
xmc_network_parts(xmc_arena *arena, const xmc_model *model, xmc_modality modality, xmc_tokeniser *tokeniser,
				  const xmc_document *document, const xmc_item *item, int32_t a, int32_t b, double factor, double score,
				  int32_t *n, xmc_part *part, xmc_embedding_parts *embeddings)
{
	const int32_t pair[2] = {a, b};
	int32_t		before = *n;
	attributed_inputs in;

	*embeddings = (xmc_embedding_parts){.part = {NULL, NULL}};
	if (factor * score == 0)
		return XMC_OK;
	XMC_TRY(attribute(arena, model, modality, document, a, b, &in));
	add_input_parts(&in, modality, factor, n, part, embeddings);
	if (in.bag > 0)
	{
		bag_pair	words = {.model = model,.factor = factor};

		for (int side = 0; side < 2; side++)
		{
			int32_t		count;
			const uint32_t *feature = xmc_item_features(document, pair[side], &count);

			words.scale[side] = xmc_bag_scale(feature, count);
			words.gradient[side] = in.gradient + (int64_t) in.row[side] * in.dim;
		}
		XMC_TRY(xmc_feature_parts(arena, tokeniser, document, item, a, b, XMC_PART_NETWORK, bag_effect, &words, n, part));
	}
	if (*n == before)			/* no input is different from the baseline: the score is a rounding error */
		part[(*n)++] = (xmc_part){.kind = XMC_PART_NETWORK,.modality = modality,.contribution = factor * score};
	complete(factor * score, *n - before, part + before);
	return XMC_OK;
}
