/* changes.c - what fine-tuning changes in an encoder's layers; see changes.h (design section 4, "Fine-tuning") */
#include "text_encoder/changes.h"
#include "model/dtype.h"
#include "numeric/sgemm.h"

#include <string.h>

#define PROJECTIONS 2			/* that are adapted: queries and values */

/* Where a projection's rows begin in qkv_w (3 d, d), in units of d. */
static const int block_of[PROJECTIONS] = {0, 2};

/* A (rank, d) and B (d, rank) of one projection. */
static void
projection(const xmc_change *adapter, int p, float **a, float **b)
{
	*a = p == 0 ? adapter->query_a : adapter->value_a;
	*b = p == 0 ? adapter->query_b : adapter->value_b;
}

xmc_status
xmc_changes_check(xmc_ctx *ctx, const xmc_transformer *base, int32_t dim, int32_t n, int32_t rank)
{
	const xmc_text_encoder_shape *shape = &base->settings.shape;

	if (shape->dim != dim || shape->layers < n)
		return xmc_fail(ctx, XMC_BAD_MODEL,
						"the model fine-tunes %d layers of a text encoder of %d numbers, but the encoder has %d layers of %d numbers",
						n, dim, shape->layers, shape->dim);
	if (rank == 0 && shape->feed_forward != XMC_WIDENING * dim)
		return xmc_fail(ctx, XMC_BAD_MODEL,
						"option \"adapter_rank\" 0 needs a text encoder whose feed-forward network has %d numbers, but it has %d",
						XMC_WIDENING * dim, shape->feed_forward);
	return XMC_OK;
}

/* The tensors of layer l, whose slots are in `transformer`. */
static const xmc_encoder_tensor *
tensors_of(xmc_transformer *transformer, int32_t l, xmc_encoder_tensor tensor[XMC_ENCODER_MAX_TENSORS])
{
	xmc_encoder_tensors(transformer, tensor);
	return tensor + XMC_ENCODER_OWN_TENSORS + l * XMC_ENCODER_LAYER_TENSORS;
}

xmc_layer
xmc_layer_at(const xmc_transformer *base, int32_t l, float *values)
{
	xmc_transformer layout = {.settings = base->settings};
	xmc_encoder_tensor tensor[XMC_ENCODER_MAX_TENSORS];
	const xmc_encoder_tensor *of = tensors_of(&layout, l, tensor);

	for (int k = 0; k < XMC_ENCODER_LAYER_TENSORS; k++)
	{
		*of[k].slot = values;
		values += of[k].n_values;
	}
	return layout.layer[l];
}

/* Layer l of *out becomes that of the encoder with the difference added. */
static xmc_status
add_difference(xmc_arena *arena, const xmc_change *change, int32_t l, xmc_transformer *out)
{
	int64_t		done = 0;		/* values of the change */
	xmc_encoder_tensor tensor[XMC_ENCODER_MAX_TENSORS];
	const xmc_encoder_tensor *of = tensors_of(out, l, tensor);

	for (int k = 0; k < XMC_ENCODER_LAYER_TENSORS; k++)
	{
		int64_t		n = of[k].n_values;
		float	   *sum = xmc_arena_alloc(arena, (size_t) n, sizeof(float));

		XMC_NEED(sum, arena->ctx);
		XMC_TRY(xmc_check_stop(arena->ctx));
		if (change->half)
			xmc_add_halves(n, *of[k].slot, (const unsigned char *) change->half + 2 * done, sum);
		else
			xmc_add_rounded(n, *of[k].slot, change->difference + done, sum);
		*of[k].slot = sum;
		done += n;
	}
	return XMC_OK;
}

/* Layer l of *out becomes that of the encoder with adapters. */
static xmc_status
add_adapters(xmc_arena *arena, int32_t rank, const xmc_change *adapter, int32_t l, xmc_transformer *out)
{
	int64_t		d = out->settings.shape.dim;
	float	   *w = xmc_arena_alloc(arena, (size_t) (3 * d * d), sizeof(float));

	XMC_NEED(w, arena->ctx);
	memcpy(w, out->layer[l].qkv_w, (size_t) (3 * d * d) * sizeof(float));
	for (int p = 0; p < PROJECTIONS; p++)
	{
		float	   *a;
		float	   *b;

		/* W += scale B A */
		projection(adapter, p, &a, &b);
		XMC_TRY(xmc_sgemm_forward(arena->ctx, XMC_PLAIN, XMC_PLAIN, d, d, rank, XMC_ADAPTER_SCALE, b, rank, a, d, 1.0f,
								  w + block_of[p] * d * d, d));
	}
	out->layer[l].qkv_w = w;
	return XMC_OK;
}

xmc_status
xmc_changed_layer(xmc_arena *arena, const xmc_transformer *base, const xmc_changes *changes, int32_t l, xmc_layer *out)
{
	xmc_transformer changed = *base;
	int32_t		k = l - (base->settings.shape.layers - changes->n);

	if (k >= 0)
	{
		if (changes->rank > 0)
			XMC_TRY(add_adapters(arena, changes->rank, &changes->layer[k], l, &changed));
		else
			XMC_TRY(add_difference(arena, &changes->layer[k], l, &changed));
	}
	*out = changed.layer[l];
	return XMC_OK;
}

xmc_status
xmc_changes_apply(xmc_arena *arena, const xmc_transformer *base, const xmc_changes *changes, xmc_transformer *out)
{
	*out = *base;
	for (int32_t l = 0; l < base->settings.shape.layers; l++)
		XMC_TRY(xmc_changed_layer(arena, base, changes, l, &out->layer[l]));
	return XMC_OK;
}

xmc_status
xmc_adapter_gradient(xmc_ctx *ctx, int32_t d, int32_t rank, const xmc_change *adapter, int64_t rows, const float *input,
					 const float *d_qkv, float *scratch, const xmc_change *grad)
{
	for (int p = 0; p < PROJECTIONS; p++)
	{
		const float *dy = d_qkv + (int64_t) block_of[p] * d;
		float	   *a;
		float	   *b;
		float	   *da;
		float	   *db;

		projection(adapter, p, &a, &b);
		projection(grad, p, &da, &db);
		/* y = x W^T + scale (x A^T) B^T, so dB += scale dy^T (x A^T) and dA += scale (dy B)^T x */
		XMC_TRY(xmc_sgemm(ctx, XMC_PLAIN, XMC_TRANSPOSED, rows, rank, d, 1.0f, input, d, a, d, 0, scratch, rank));
		XMC_TRY(xmc_sgemm(ctx, XMC_TRANSPOSED, XMC_PLAIN, d, rank, rows, XMC_ADAPTER_SCALE, dy, 3 * d, scratch, rank, 1.0f, db, rank));
		XMC_TRY(xmc_sgemm(ctx, XMC_PLAIN, XMC_PLAIN, rows, rank, d, 1.0f, dy, 3 * d, b, rank, 0, scratch, rank));
		XMC_TRY(xmc_sgemm(ctx, XMC_TRANSPOSED, XMC_PLAIN, rank, d, rows, XMC_ADAPTER_SCALE, scratch, rank, input, d, 1.0f, da, d));
	}
	return XMC_OK;
}
