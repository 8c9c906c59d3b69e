/* inputs.c - standardised embeddings, bags and projected words: the inputs of the terms; see inputs.h */
#include "network/inputs.h"
#include "network/sparse.h"
#include "xmcoh/text.h"
#include "numeric/vector.h"

#include <math.h>
#include <string.h>

const float *
xmc_inputs_embedding(const xmc_options *options, xmc_modality modality, const xmc_document *document, int32_t item)
{
	if (!(document->has[item] & (modality == XMC_TEXT ? XMC_HAS_TEXT_EMBEDDING : XMC_HAS_IMAGE)))
		return NULL;
	return modality == XMC_TEXT ? document->text_embedding + (int64_t) item * options->text_dim
		: document->image + (int64_t) item * options->image_dim;
}

xmc_status
xmc_inputs_fit(xmc_arena *scratch, xmc_model *model, xmc_modality modality, int32_t n_documents,
			   const xmc_document *const *document)
{
	const xmc_network *network = &model->network[modality];
	int32_t		input_dim = network->input_dim;
	int32_t		bag = network->input_dim - network->embedding_dim;
	double	   *sum = xmc_arena_zalloc(scratch, (size_t) input_dim, sizeof(double));
	double	   *squares = xmc_arena_zalloc(scratch, (size_t) input_dim, sizeof(double));
	int64_t		rows = 0;
	double		variance = 0;	/* mean of the dimensions' variances */
	double		size = 0;		/* mean of the dimensions' squared means */

	if (!sum || !squares)
		return xmc_fail(scratch->ctx, XMC_NO_MEMORY, "out of memory");
	/* first the means, then the variances about them: in one pass the variances would lose precision */
	for (int pass = 0; pass < 2; pass++)
		for (int32_t d = 0; d < n_documents; d++)
		{
			XMC_TRY(xmc_check_stop(scratch->ctx));
			for (int32_t i = 0; i < document[d]->n; i++)
			{
				const float *x;

				x = input_dim == bag ? NULL : xmc_inputs_embedding(&model->options, modality, document[d], i);
				if (!x)
					continue;
				rows += pass == 0;
				for (int32_t k = bag; k < input_dim; k++)
					if (pass == 0)
						sum[k] += x[k - bag];
					else
						squares[k] += (x[k - bag] - sum[k] / (double) rows) * (x[k - bag] - sum[k] / (double) rows);
			}
		}
	/* The mean of each dimension, and the mean variance of all. */
	for (int32_t k = bag; k < input_dim && rows > 0; k++)
	{
		network->input_mean[k] = (float) (sum[k] / (double) rows);
		variance += squares[k] / (double) rows / network->embedding_dim;
		size += network->input_mean[k] * network->input_mean[k] / network->embedding_dim;
	}
	for (int32_t k = bag; k < input_dim; k++)
		/* A variance within rounding errors of the mean is that of a constant input, which gets scale 0. */
		network->input_scale[k] = variance > 1e-12 * size && variance > 1e-60 ? (float) (1 / sqrt(variance)) : 0;
	return XMC_OK;
}

/* out = (x - mean) * scale */
XMC_FOR_THIS_PROCESSOR static void
standardise(int32_t n, const float *x, const float *mean, const float *scale, float *out)
{
#pragma omp simd
	for (int32_t k = 0; k < n; k++)
		out[k] = (x[k] - mean[k]) * scale[k];
}

void
xmc_inputs_standardise(const xmc_network *network, const float *embedding, float *x)
{
	int32_t		bag = network->input_dim - network->embedding_dim;

	standardise(network->embedding_dim, embedding, network->input_mean + bag, network->input_scale + bag, x);
}

void
xmc_inputs_gather(const xmc_model *model, const xmc_batch *batch, float *x)
{
	const xmc_network *network = &model->network[batch->modality];
	int32_t		input_dim = network->input_dim;
	int32_t		bag = network->input_dim - network->embedding_dim;

	if (bag)
		xmc_bag_forward(model, batch, x, input_dim);
	for (int32_t d = 0; d < batch->n_documents && input_dim > bag; d++)
		for (int32_t r = batch->row_start[d]; r < batch->row_start[d + 1]; r++)
		{
			float	   *row = x + (int64_t) r * input_dim + bag;
			const float *embedding = xmc_inputs_embedding(&model->options, batch->modality, batch->document[d], batch->item[r]);

			if (embedding)
				xmc_inputs_standardise(network, embedding, row);
			else
				memset(row, 0, (size_t) (input_dim - bag) * sizeof(float));	/* 0 is the standardised mean */
		}
}

#define SIGN_WORDS (XMC_WORD_SIGNS / 64)
#define MOST_IN_A_BYTE 255

/*
 * Adds the signs of up to MOST_IN_A_BYTE features to x (XMC_WORD_SIGNS): 1 for a set bit, -1 for another. Set bits are counted in
 * bytes: byte k of ones[s][w] counts bit 8 k + s of word w.
 */
XMC_FOR_THIS_PROCESSOR static void
add_signs(int32_t n, const uint32_t *feature, float *x)
{
	uint64_t	ones[8][SIGN_WORDS] = {{0}};

	for (int32_t f = 0; f < n; f++)
	{
		uint64_t	state = feature[f]; /* seeds as many bits as there are signs; the feature's own hash is too short */
		uint64_t	bits[SIGN_WORDS];

		for (int w = 0; w < SIGN_WORDS; w++)
			bits[w] = xmc_splitmix64(&state);
		for (int s = 0; s < 8; s++)
#pragma omp simd
			for (int w = 0; w < SIGN_WORDS; w++)
				ones[s][w] += bits[w] >> s & UINT64_C(0x0101010101010101);
	}
	for (int w = 0; w < SIGN_WORDS; w++)
	{
		uint64_t	of_word[8];

		for (int s = 0; s < 8; s++)
			of_word[s] = ones[s][w];
		for (int k = 0; k < 8; k++, x += 8)
#pragma omp simd
			for (int s = 0; s < 8; s++)
				x[s] += (float) (2 * (int32_t) (of_word[s] >> 8 * k & 0xff) - n);
	}
}

/*
 * x (XMC_WORD_SIGNS) = the sum of the signs of n features, divided by the square root of their number; x is 0 before. Only
 * words and character n-grams count: they name things, while bigrams and first words tell an order.
 */
static void
project_words(int32_t n, const uint32_t *feature, float *x)
{
	int32_t		count = 0;
	float		scale;

	for (int32_t f = 0; f < n;)
	{
		uint32_t	naming[MOST_IN_A_BYTE];
		int32_t		n_naming = 0;

		for (; f < n && n_naming < MOST_IN_A_BYTE; f++)
		{
			xmc_feature_kind kind = xmc_feature_kind_of(feature[f]);

			naming[n_naming] = feature[f];
			n_naming += kind == XMC_FEATURE_WORD || kind == XMC_FEATURE_CHARACTERS;
		}
		add_signs(n_naming, naming, x);
		count += n_naming;
	}
	scale = sqrtf((float) count);
	for (int32_t k = 0; k < XMC_WORD_SIGNS && count > 0; k++)
		x[k] /= scale;
}

void
xmc_inputs_side(const xmc_model *model, xmc_modality side, bool words, const xmc_document *document, int32_t item, float *x)
{
	const xmc_network *network = &model->network[side];
	int32_t		dim = network->embedding_dim;
	int32_t		bag = network->input_dim - dim;
	const float *embedding = dim > 0 ? xmc_inputs_embedding(&model->options, side, document, item) : NULL;

	memset(x, 0, (size_t) xmc_inputs_side_dim(&model->options, side, words) * sizeof(float));
	if (embedding)
		standardise(dim, embedding, network->input_mean + bag, network->input_scale + bag, x);
	if (words && (document->has[item] & XMC_HAS_WORDS))
	{
		int32_t		count;
		const uint32_t *feature = xmc_item_features(document, item, &count);

		project_words(count, feature, x + dim);
	}
}
