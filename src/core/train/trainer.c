/* trainer.c - see trainer.h */
#include "train/trainer.h"
#include "network/term.h"
#include "numeric/dense.h"
#include "xmcoh/groups.h"
#include "xmcoh/scorer.h"

#include <stdlib.h>

#define BOOTSTRAP_SEED 1

xmc_status
xmc_train_report_progress(xmc_trainer *t)
{
	xmc_status	status;

	/* The total of a checkpoint may be less than what is done in the end. */
	if (t->progress.total < t->progress.done)
		t->progress.total = t->progress.done;
	status = t->hooks.progress ? t->hooks.progress(t->hooks.arg, &t->progress) : XMC_OK;
	t->progress.epoch_ended = false;
	return status == XMC_OK ? xmc_check_stop(t->ctx) : status;
}

void *
xmc_train_spill_alloc(xmc_trainer *t, size_t count, size_t size)
{
	return t->hooks.spill ? t->hooks.spill(t->hooks.arg, count * size) : xmc_arena_zalloc(&t->run_arena, count, size);
}

/* All documents of a training are in one array, in the order in which they were given. */
static int
compare_places(const void *a, const void *b)
{
	const xmc_document *x = *(const xmc_document *const *) a;
	const xmc_document *y = *(const xmc_document *const *) b;

	return (x > y) - (x < y);
}

void
xmc_train_sort_documents(int32_t n, const xmc_document **document)
{
	qsort(document, (size_t) n, sizeof *document, compare_places);
}

xmc_status
xmc_labels_init(xmc_trainer *t, xmc_labels *l, bool of_pool)
{
	int64_t		total = 0;
	size_t		count;			/* of numbers in all arrays */
	float	   *array;

	for (int32_t d = 0; d < l->n_documents; d++)
		total += l->document[d]->n_pairs;
	if (total > INT32_MAX / 4)
		return xmc_fail(t->ctx, XMC_LIMIT, "%lld labelled pairs to evaluate on; at most %d", (long long) total,
						INT32_MAX / 4);
	l->n = (int32_t) total;
	if (!of_pool)
	{
		l->group = xmc_arena_alloc(&t->run_arena, (size_t) l->n_documents, sizeof *l->group);
		XMC_NEED(l->group, t->ctx);
		XMC_TRY(xmc_number_document_groups(t->ctx, l->n_documents, l->document, l->group, &l->n_groups));
	}
	/* All arrays are one block. */
	count = (size_t) total * (2 + XMC_TERMS + XMC_MODALITIES);
	array = of_pool ? xmc_train_spill_alloc(t, count, sizeof *array) : xmc_arena_zalloc(&t->run_arena, count, sizeof *array);
	XMC_NEED(array, t->ctx);
	l->weight = array;
	l->s = array += total;
	for (int p = 0; p < XMC_TERMS; p++)
		l->term_s[p] = array += total;
	for (int m = 0; m < XMC_MODALITIES; m++)
		l->score[m] = array += total;
	for (int32_t d = 0, at = 0; d < l->n_documents; d++)
	{
		const xmc_document *document = l->document[d];
		double		sum = 0;

		XMC_TRY(xmc_check_stop(t->ctx));
		for (int32_t p = 0; p < document->n_pairs; p++)
			sum += document->pair[p].weight;
		for (int32_t p = 0; p < document->n_pairs; p++, at++)
			l->weight[at] = (float) (document->pair[p].weight / sum);
	}
	return XMC_OK;
}

xmc_status
xmc_train_score_term(xmc_trainer *t, const xmc_labels *l, xmc_term term, float *s)
{
	if (t->leader.view.shape.shards > 0 && l == &t->held_out)
		return xmc_leader_score(&t->leader, l->document, s);
	for (int32_t first = 0; first < l->n_documents; first += XMC_SCORE_BATCH)
	{
		int32_t		count = l->n_documents - first < XMC_SCORE_BATCH ? l->n_documents - first : XMC_SCORE_BATCH;

		XMC_TRY(xmc_train_report_progress(t));
		xmc_arena_reset(&t->batch_arena);
		XMC_TRY(xmc_term_pair_scores(&t->batch_arena, t->model, term, count, l->document + first, s));
		for (int32_t k = 0; k < count; k++)
			s += l->document[first + k]->n_pairs;
	}
	return XMC_OK;
}

void
xmc_labels_evaluate(const xmc_labels *l, const float *s, double scale, double *loss, double *tau,
					double *document_loss, double *document_tau)
{
	*loss = *tau = 0;
	for (int32_t d = 0, p = 0; d < l->n_documents; d++)
	{
		double		own_loss = 0;
		double		own_tau = 0;

		for (int32_t k = 0; k < l->document[d]->n_pairs; k++, p++)
		{
			own_loss += l->weight[p] * xmc_softplus(-scale * s[p]);
			own_tau += l->weight[p] * ((s[p] > 0) - (s[p] < 0));
		}
		*loss += own_loss / l->n_documents;
		*tau += own_tau / l->n_documents;
		if (document_loss)
			document_loss[d] = own_loss;
		if (document_tau)
			document_tau[d] = own_tau;
	}
}

xmc_status
xmc_labels_interval(xmc_trainer *t, const xmc_labels *l, const double *value, xmc_interval *out)
{
	return xmc_bootstrap_groups(t->ctx, l->n_documents, value, NULL, l->group, XMC_BOOTSTRAP_REPLICATES, BOOTSTRAP_SEED,
								out);
}
