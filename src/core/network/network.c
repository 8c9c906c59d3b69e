/* network.c - encoder and pair head of one modality, one after the other, forward and backward; see network.h */
#include "network/network.h"
#include "network/tuned_inputs.h"

#include <string.h>

xmc_status
xmc_network_forward(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, const float *x,
					xmc_random *random, bool learn, xmc_network_state *state)
{
	const xmc_network *network = &model->network[batch->modality];

	*state = (xmc_network_state){0};
	state->g = xmc_arena_alloc(arena, (size_t) batch->pair_start[batch->n_documents], sizeof(float));
	XMC_NEED(state->g, arena->ctx);
	XMC_TRY(xmc_encoder_forward(arena, &model->options, network, batch, x, random, &state->encoder));
	return xmc_pairhead_forward(arena, model->options.d_model, network, batch, state->encoder.output, learn,
								&state->head, state->g);
}

xmc_status
xmc_network_backward(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, const xmc_network_state *state,
					 const float *dg, const xmc_network *grad, xmc_adagrad *bag_grad, float *d_bag)
{
	const xmc_network *network = &model->network[batch->modality];
	size_t		rows = (size_t) batch->rows;
	float	   *dh = xmc_arena_alloc(arena, rows * (size_t) model->options.d_model, sizeof(float));
	float	   *dx = NULL;
	bool		has_bag = network->input_dim > network->embedding_dim;

	XMC_NEED(dh, arena->ctx);
	/* The gradient by the input is needed for the bag and the text encoder alone. */
	if (has_bag || state->tuned)
	{
		dx = xmc_arena_alloc(arena, rows * (size_t) network->input_dim, sizeof(float));
		XMC_NEED(dx, arena->ctx);
	}
	XMC_TRY(xmc_pairhead_backward(arena, model->options.d_model, network, batch, &state->head, dg, grad, dh));
	XMC_TRY(xmc_encoder_backward(arena, &model->options, network, batch, &state->encoder, dh, grad, dx));
	if (state->tuned)
		XMC_TRY(xmc_tuned_inputs_backward(arena, model, state->tuned, dx, grad));
	if (has_bag && bag_grad)
		xmc_bag_backward(model, batch, dx, network->input_dim, bag_grad);
	else if (has_bag)
		for (size_t r = 0; r < rows; r++)
			memcpy(d_bag + r * (size_t) model->options.bag_dim, dx + r * (size_t) network->input_dim,
				   (size_t) model->options.bag_dim * sizeof(float));
	return XMC_OK;
}
