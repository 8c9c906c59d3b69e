/*
 * plain_transformer.h - the forward pass of a text encoder, written plainly and in double: one text, one sum after the
 * other. xmcoh's own, which is vectorised and takes many texts at a time, is compared with it.
 */
#ifndef TEST_PLAIN_TRANSFORMER_H
#define TEST_PLAIN_TRANSFORMER_H

#include "text_encoder/transformer.h"

#include <math.h>
#include <stdlib.h>

static inline void
plain_linear(int inputs, int outputs, const double *x, const float *w, const float *b, double *y)
{
	for (int o = 0; o < outputs; o++)
	{
		y[o] = b[o];
		for (int k = 0; k < inputs; k++)
			y[o] += x[k] * w[o * inputs + k];
	}
}

static inline void
plain_norm(int d, double epsilon, const float *w, const float *b, double *x)
{
	double		mean = 0;
	double		variance = 0;

	for (int k = 0; k < d; k++)
		mean += x[k] / d;
	for (int k = 0; k < d; k++)
		variance += (x[k] - mean) * (x[k] - mean) / d;
	for (int k = 0; k < d; k++)
		x[k] = (x[k] - mean) / sqrt(variance + epsilon) * w[k] + b[k];
}

/* The factors of a dropout in one layer of one text; NULL: there is none. */
typedef struct plain_masks
{
	const float *probability;	/* (heads, n, n) */
	const float *attention;		/* (n, d) */
	const float *output;		/* (n, d) */
} plain_masks;

/* x (n, d): the input of a layer, replaced by its output */
static inline void
plain_layer(const xmc_transformer *t, const xmc_layer *w, int n, plain_masks mask, double *x)
{
	int			d = t->settings.shape.dim;
	int			wide = t->settings.shape.feed_forward;
	int			width = d / t->settings.shape.heads;
	double	   *qkv = malloc((size_t) n * 3 * (size_t) d * sizeof(double));
	double	   *hidden = malloc((size_t) (wide > d ? wide : d) * sizeof(double));
	double	   *p = malloc((size_t) n * sizeof(double));
	double	   *out = malloc((size_t) d * sizeof(double));

	for (int i = 0; i < n; i++)
		plain_linear(d, 3 * d, x + i * d, w->qkv_w, w->qkv_b, qkv + i * 3 * d);
	for (int i = 0; i < n; i++)
	{
		for (int h = 0; h < t->settings.shape.heads; h++)
		{
			double		sum = 0;

			for (int j = 0; j < n; j++)
			{
				double		dot = 0;

				for (int k = 0; k < width; k++)
					dot += qkv[i * 3 * d + h * width + k] * qkv[j * 3 * d + d + h * width + k];
				sum += p[j] = exp(dot / sqrt((double) width));
			}
			for (int k = 0; k < width; k++)
			{
				hidden[h * width + k] = 0;
				for (int j = 0; j < n; j++)
					hidden[h * width + k] += p[j] / sum * (mask.probability ? mask.probability[(h * n + i) * n + j] : 1) *
						qkv[j * 3 * d + 2 * d + h * width + k];
			}
		}
		plain_linear(d, d, hidden, w->out_w, w->out_b, out);
		for (int k = 0; k < d; k++)
			x[i * d + k] += out[k] * (mask.attention ? mask.attention[i * d + k] : 1);
		plain_norm(d, t->settings.epsilon, w->norm1_w, w->norm1_b, x + i * d);
		plain_linear(d, wide, x + i * d, w->ff1_w, w->ff1_b, hidden);
		for (int k = 0; k < wide; k++)
			hidden[k] *= 0.5 * erfc(-hidden[k] / sqrt(2.0));
		plain_linear(wide, d, hidden, w->ff2_w, w->ff2_b, out);
		for (int k = 0; k < d; k++)
			x[i * d + k] += out[k] * (mask.output ? mask.output[i * d + k] : 1);
		plain_norm(d, t->settings.epsilon, w->norm2_w, w->norm2_b, x + i * d);
	}
	free(qkv);
	free(hidden);
	free(p);
	free(out);
}

/*
 * The vectors of a text's n tokens, (n, dim), with the dropout of a forward pass: the text's rows begin at `row` of the pass, its
 * probabilities at `probability`. state NULL: no dropout. The caller frees them.
 */
static inline double *
plain_forward_dropped(const xmc_transformer *t, int n, const int32_t *token, const xmc_transformer_state *state, int row,
					  int probability)
{
	int			d = t->settings.shape.dim;
	double	   *x = malloc((size_t) n * (size_t) d * sizeof(double));

	for (int i = 0; i < n; i++)
	{
		for (int k = 0; k < d; k++)
			x[i * d + k] = (double) t->token[token[i] * d + k] + t->position[(t->settings.first_position + i) * d + k] + t->type[k];
		plain_norm(d, t->settings.epsilon, t->norm_w, t->norm_b, x + i * d);
	}
	for (int l = 0; l < t->settings.shape.layers; l++)
	{
		plain_masks mask = {0};

		if (state && state->layer[l].output_mask)
			mask = (plain_masks) {state->layer[l].probability_mask + probability, state->layer[l].attention_mask + row * d,
				state->layer[l].output_mask + row * d};
		plain_layer(t, &t->layer[l], n, mask, x);
	}
	return x;
}

static inline double *
plain_forward(const xmc_transformer *t, int n, const int32_t *token)
{
	return plain_forward_dropped(t, n, token, NULL, 0, 0);
}

#endif
