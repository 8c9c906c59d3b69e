/* epochs.c - see epochs.h */
#include "train/epochs.h"

#include <math.h>

xmc_status
xmc_epochs_begin(xmc_arena *arena, const xmc_model *model, xmc_term term, const xmc_adamw *adamw, xmc_random *random,
				 int32_t n_train, const xmc_document **train, xmc_epochs *out)
{
	const xmc_options *o = &model->options;

	*out = (xmc_epochs){.term = term,.best_loss = INFINITY,.adamw = *adamw,.random = random,.n_train = n_train,.train = train};
	out->n_values = xmc_model_copy_term(model, term, NULL, true);
	out->best_values = xmc_arena_alloc(arena, (size_t) out->n_values, sizeof(float));
	XMC_NEED(out->best_values, arena->ctx);
	if (term == XMC_TERM_TEXT_NETWORK && model->has_bag)
		XMC_TRY(xmc_adagrad_init(arena, 1 << o->bag_bits, o->bag_dim, &out->hashed));
	xmc_random_seed(random, (uint64_t) o->seed * XMC_TERMS + (uint64_t) term);
	return XMC_OK;
}

/* Early stopping: xmc_most_epochs (at most) and option patience (epochs without a better held-out loss). */
static bool
goes_on(const xmc_epochs *e, const xmc_options *options)
{
	if (e->fixed > 0)
		return e->done < e->fixed;
	return e->done < xmc_most_epochs(options, e->term) && e->done - e->best < options->patience;
}

/*
 * Counts an epoch with this held-out loss, and keeps the values of the term if it is the best so far; returns whether it
 * is.
 */
static bool
count(xmc_epochs *e, const xmc_model *model, double held_out_loss)
{
	bool		is_best = e->fixed > 0 ? e->done + 1 == e->fixed : held_out_loss < e->best_loss;

	e->done++;
	if (is_best)
	{
		e->best = e->done;
		e->best_loss = held_out_loss;
		xmc_model_copy_term(model, e->term, e->best_values, true);
	}
	return is_best;
}

/*
 * Leads the dense parameters of the term to their running average; returns where the weights are (NULL: no dense
 * parameters).
 */
static float *
lead_to_average(const xmc_epochs *e, xmc_model *model)
{
	return e->adamw.average ? xmc_model_lead_term(model, e->term, e->adamw.average) : NULL;
}

static void
lead_back(const xmc_epochs *e, xmc_model *model, float *weights)
{
	if (weights)
		xmc_model_lead_term(model, e->term, weights);
}

xmc_status
xmc_epochs_run(xmc_epochs *e, xmc_model *model, const xmc_epochs_steps *steps)
{
	for (;;)
	{
		double		held_out_loss;
		bool		is_best;
		float	   *weights;

		XMC_TRY(steps->checkpoint(steps->arg, e));
		if (!goes_on(e, &model->options))
			return XMC_OK;
		XMC_TRY(steps->train(steps->arg, e));
		weights = lead_to_average(e, model);
		XMC_TRY(steps->validate(steps->arg, &held_out_loss));
		is_best = count(e, model, held_out_loss);
		lead_back(e, model, weights);
		XMC_TRY(steps->end(steps->arg, e, is_best));
	}
}

void
xmc_epochs_end(const xmc_epochs *e, const xmc_model *model)
{
	if (e->best > 0)			/* otherwise no held-out loss was a number */
		xmc_model_copy_term(model, e->term, e->best_values, false);
}

void
xmc_epochs_end_with_average(const xmc_epochs *e, xmc_model *model)
{
	float	   *weights = lead_to_average(e, model);

	xmc_model_copy_term(model, e->term, e->best_values, true);
	lead_back(e, model, weights);
	xmc_model_copy_term(model, e->term, e->best_values, false);
}
