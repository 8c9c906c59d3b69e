/* choice.c - see choice.h */
#include "train/choice.h"
#include "train/epochs.h"

/* The fold of the evaluation that has the document: it has all that are approved. */
static int32_t
fold_of(const xmc_evaluation *e, const xmc_document *document)
{
	int32_t		d = 0;
	int32_t		k = 0;

	while (e->labels.document[d] != document)
		d++;
	while (d >= e->start[k + 1])
		k++;
	return k;
}

xmc_status
xmc_train_begin_choices(xmc_trainer *t)
{
	for (int p = 0; p < XMC_TERMS && t->evaluation.n_folds > 0; p++)
	{
		xmc_choice *c = &t->choice[p];
		const xmc_document *const *document;	/* (c->n) */

		if (!t->has_term[p] || xmc_has_changes(t->model, (xmc_term) p))
			continue;
		c->most = xmc_most_epochs(t->options, (xmc_term) p);
		c->by_held_out = !xmc_term_is_linear((xmc_term) p) || t->report->folds == 0;
		c->n = c->by_held_out ? t->held_out.n_documents : t->n_approved;
		document = c->by_held_out ? t->held_out.document : t->out_of_fold.document;
		c->loss = xmc_arena_zalloc(&t->run_arena, (size_t) c->most * (size_t) c->n, sizeof *c->loss);
		c->fold = xmc_arena_alloc(&t->run_arena, (size_t) c->n, sizeof *c->fold);
		if (!c->loss || !c->fold)
			return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
		for (int32_t d = 0; d < c->n; d++)
			c->fold[d] = fold_of(&t->evaluation, document[d]);
	}
	return XMC_OK;
}

void
xmc_train_note_losses(xmc_trainer *t, xmc_term term, int32_t epoch, const double *loss)
{
	xmc_choice *c = &t->choice[term];

	if (epoch > c->most)
		return;
	for (int32_t d = 0; d < c->n; d++)
		c->loss[(int64_t) (epoch - 1) * c->n + d] = (float) loss[d];
	c->epochs = epoch;
}

/* The epoch with the least loss without the folds j and k; 0: no other document takes part. */
static int32_t
best_without(const xmc_choice *c, int32_t j, int32_t k)
{
	int32_t		best = 0;
	double		least = 0;

	for (int32_t epoch = 1; epoch <= c->epochs; epoch++)
	{
		double		sum = 0;
		int32_t		n = 0;

		for (int32_t d = 0; d < c->n; d++)
			if (c->fold[d] != j && c->fold[d] != k)
			{
				sum += c->loss[(int64_t) (epoch - 1) * c->n + d];
				n++;
			}
		if (n > 0 && (best == 0 || sum < least))
		{
			best = epoch;
			least = sum;
		}
	}
	return best;
}

void
xmc_train_choose_without(const xmc_trainer *t, int32_t j, int32_t k, int32_t *epochs)
{
	for (int p = 0; p < XMC_TERMS; p++)
	{
		int32_t		best = best_without(&t->choice[p], j, k);

		epochs[p] = best > 0 ? best : t->best_epoch[p];
	}
}
