/* epochs.c - see epochs.h */
#include "xmcoh/epochs.h"

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
	if (term == XMC_TERM_SPARSE)
		XMC_TRY(xmc_adagrad_init(arena, 1 << o->hash_bits, 1, &out->hashed));
	if (term == XMC_TERM_TEXT_NETWORK && model->has_bag)
		XMC_TRY(xmc_adagrad_init(arena, 1 << o->bag_bits, o->bag_dim, &out->hashed));
	xmc_random_seed(random, (uint64_t) o->seed * XMC_TERMS + (uint64_t) term);
	return XMC_OK;
}

bool
xmc_epochs_go_on(const xmc_epochs *e, const xmc_options *options)
{
	return e->done < options->epochs && e->done - e->best < options->patience;
}

bool
xmc_epochs_count(xmc_epochs *e, const xmc_model *model, double held_out_loss)
{
	bool		is_best = held_out_loss < e->best_loss;

	e->done++;
	if (is_best)
	{
		e->best = e->done;
		e->best_loss = held_out_loss;
		xmc_model_copy_term(model, e->term, e->best_values, true);
	}
	return is_best;
}

void
xmc_epochs_end(const xmc_epochs *e, const xmc_model *model)
{
	if (e->best > 0)			/* no loss was a number otherwise */
		xmc_model_copy_term(model, e->term, e->best_values, false);
}
