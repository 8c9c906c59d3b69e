/* epochs.c - see epochs.h */
#include "train/epochs.h"

#include <math.h>
#include <string.h>

bool
xmc_has_changes(const xmc_model *model, xmc_term term)
{
	return term == XMC_TERM_TEXT_NETWORK && model->network[XMC_TEXT].n_changes > 0;
}

xmc_status
xmc_epochs_begin(xmc_arena *arena, const xmc_model *model, xmc_term term, const xmc_adamw *adamw, xmc_random *random,
				 int32_t n_train, const xmc_document **train, xmc_epochs *out)
{
	const xmc_options *o = &model->options;

	*out = (xmc_epochs){.ctx = arena->ctx,.term = term,.best_loss = INFINITY,.adamw = *adamw,.random = random,.n_train = n_train,.train = train};
	out->n_values = xmc_model_copy_term(model, term, NULL, true);
	out->best_values = xmc_arena_alloc(arena, (size_t) out->n_values, sizeof(float));
	XMC_NEED(out->best_values, arena->ctx);
	if (term == XMC_TERM_TEXT_NETWORK && model->has_bag)
		XMC_TRY(xmc_adagrad_init(arena, 1 << o->bag_bits, o->bag_dim, &out->hashed));
	xmc_random_seed(random, (uint64_t) o->seed * XMC_TERMS + (uint64_t) term);
	return XMC_OK;
}

/* Early stopping: the most epochs, of each part, and option patience (epochs without a better held-out loss). */
static bool
goes_on(const xmc_epochs *e, const xmc_model *model)
{
	const xmc_options *o = &model->options;
	int32_t		most = e->is_tuning ? e->frozen + o->fine_tune_epochs :
		xmc_has_changes(model, e->term) ? o->epochs : xmc_most_epochs(o, e->term);

	if (e->fixed > 0)
		return e->done < e->fixed;
	return e->done < most && e->done - e->best < o->patience;
}

/* So many held-out documents ask for half of what was learned before; chosen on stories (doc/quality.md, "Fine-tuning"). */
#define DOUBTFUL_DOCUMENTS 10.0

double
xmc_epochs_loss_to_beat(const xmc_epochs *e)
{
	double		taught = log(2) - e->best_loss;	/* a score that says nothing has a loss of log 2 */

	if (!e->is_tuning || e->best > e->frozen || e->best == 0 || taught <= 0)
		return e->best_loss;
	return log(2) - taught * e->n_held_out / (e->n_held_out + DOUBTFUL_DOCUMENTS);
}

/*
 * Counts an epoch with this held-out loss, and keeps the values of the term if it is the best so far; returns whether it
 * is.
 */
static bool
count(xmc_epochs *e, const xmc_model *model, double held_out_loss)
{
	bool		is_best = e->fixed > 0 ? e->done + 1 == e->fixed : held_out_loss < xmc_epochs_loss_to_beat(e);

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
		XMC_TRY(xmc_epochs_tune_if_due(e, model));
		if (!goes_on(e, model))
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
xmc_epochs_end(const xmc_epochs *e, xmc_model *model)
{
	if (e->best > 0)			/* otherwise no held-out loss was a number */
		xmc_model_copy_term(model, e->term, e->best_values, false);
	xmc_model_note_changes(model);
}

void
xmc_epochs_end_with_average(const xmc_epochs *e, xmc_model *model)
{
	float	   *weights = lead_to_average(e, model);

	xmc_model_copy_term(model, e->term, e->best_values, true);
	lead_back(e, model, weights);
	xmc_model_copy_term(model, e->term, e->best_values, false);
	xmc_model_note_changes(model);
}

xmc_status
xmc_epochs_tune_if_due(xmc_epochs *e, xmc_model *model)
{
	size_t		bytes = (size_t) e->adamw.n * sizeof(float);

	if (e->is_tuning || !xmc_has_changes(model, e->term))
		return XMC_OK;
	if (e->fixed > 0 ? e->done < e->frozen || e->done >= e->fixed : goes_on(e, model))
		return XMC_OK;
	if (e->fixed == 0)
	{
		e->frozen = e->done = e->best;
		XMC_TRY(xmc_model_renew_term(e->ctx, model, e->term));
	}
	memset(e->adamw.first, 0, bytes);
	memset(e->adamw.second, 0, bytes);
	memset(e->adamw.average, 0, bytes);
	e->adamw.step = 0;
	if (e->hashed.rows)
		memset(e->hashed.squares, 0, (size_t) e->hashed.rows * (size_t) e->hashed.width * sizeof(float));
	e->is_tuning = true;
	model->network[XMC_TEXT].uses_changes = true;
	return XMC_OK;
}
