/* train.c - see train.h: the order of the phases of a training. README.md in this folder says what each phase does. */
#include "xmcoh/train.h"
#include "network/inputs.h"
#include "network/term.h"
#include "network/tuned_inputs.h"
#include "train/checkpoint.h"
#include "train/choice.h"
#include "train/cross_modal.h"
#include "train/crossfit.h"
#include "train/epochs.h"
#include "train/evaluation.h"
#include "train/figures.h"
#include "train/folds.h"
#include "train/gap_fit.h"
#include "train/refit.h"
#include "train/reliability.h"
#include "train/rounds.h"
#include "train/term_fit.h"
#include "train/trainer.h"
#include "train/weigh.h"
#include "xmcoh/groups.h"

#include <math.h>
#include <string.h>

bool
xmc_can_be_guided(const xmc_document *document)
{
	int32_t		both = 0;

	for (int32_t i = 0; i < document->n; i++)
		both += xmc_has_both(document->has[i]);
	return document->n_pairs == 0 && both >= 2;
}

bool
xmc_wants_pool(const xmc_options *options)
{
	bool		aligns = options->image_dim > 0 && (options->words || options->text_dim > 0) && !options->shared_space;

	return options->pool_documents > 0 && (options->rounds > 0 || aligns);
}

/* On which side of the split a group has documents. */
enum
{
	TEACHES = 1, IS_HELD_OUT = 2
};

/* Sets what the report says of groups, and sides (n_groups), from all documents of t, which `number` numbers. */
static xmc_status
find_sides(xmc_trainer *t, const int32_t *number, int32_t n_groups, int32_t *size, uint8_t *sides)
{
	int32_t		n = t->report->approved_documents;

	xmc_group_sizes(n, number, n_groups, size);
	for (int32_t d = 0; d < n; d++)
		sides[number[d]] |= d < t->n_approved ? TEACHES : IS_HELD_OUT;
	for (int32_t g = 0; g < n_groups && size[g] > 0; g++)
	{
		if (sides[g] == (TEACHES | IS_HELD_OUT))
			return xmc_fail(t->ctx, XMC_BAD_INPUT, "some documents of one group are held out, others are not");
		t->report->groups++;
		t->report->held_out_groups += sides[g] == IS_HELD_OUT;
		if (t->report->largest_group < size[g])
			t->report->largest_group = size[g];
	}
	return XMC_OK;
}

/*
 * Checks that no group has approved documents on both sides. Removes the documents of held-out groups from the pool, and
 * marks those of groups that teach.
 */
static xmc_status
divide_groups(xmc_trainer *t)
{
	int32_t		approved = t->report->approved_documents;
	size_t		n = (size_t) approved + (size_t) t->n_pool;
	const xmc_document **all = xmc_arena_alloc(&t->term_arena, n, sizeof *all);	/* approved, held out, pool */
	int32_t    *number = xmc_arena_alloc(&t->term_arena, n, sizeof *number);
	int32_t    *size = xmc_arena_alloc(&t->term_arena, n, sizeof *size);
	uint8_t    *sides = xmc_arena_zalloc(&t->term_arena, n, 1);
	int32_t		n_groups;
	int32_t		kept = 0;

	t->pool_is_known = xmc_arena_zalloc(&t->run_arena, (size_t) t->n_pool, 1);
	if (!all || !number || !size || !sides || !t->pool_is_known)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	memcpy(all, t->approved, (size_t) t->n_approved * sizeof *all);
	memcpy(all + t->n_approved, t->held_out.document, (size_t) t->held_out.n_documents * sizeof *all);
	memcpy(all + approved, t->pool, (size_t) t->n_pool * sizeof *all);
	XMC_TRY(xmc_number_document_groups(t->ctx, (int32_t) n, all, number, &n_groups));
	XMC_TRY(find_sides(t, number, n_groups, size, sides));
	for (int32_t d = 0; d < t->n_pool; d++)
	{
		uint8_t		side = sides[number[approved + d]];

		if (side == IS_HELD_OUT)
			continue;
		t->pool_is_known[kept] = side == TEACHES;
		t->n_pool_new += side != TEACHES;
		t->pool[kept++] = t->pool[d];
	}
	t->n_pool = kept;
	xmc_arena_reset(&t->term_arena);
	return XMC_OK;
}

/*
 * Divides the documents into approved ones, held-out ones and the pool. Errors: XMC_BAD_INPUT (too few of the first two).
 */
static xmc_status
divide(xmc_trainer *t, int32_t n_documents, const xmc_document *document, const uint8_t *held_out)
{
	t->document = document;
	t->n_documents = n_documents;
	t->approved = xmc_arena_alloc(&t->run_arena, (size_t) n_documents, sizeof *t->approved);
	t->held_out.document = xmc_arena_alloc(&t->run_arena, (size_t) n_documents, sizeof *t->approved);
	t->pool = xmc_arena_alloc(&t->run_arena, (size_t) n_documents, sizeof *t->approved);
	if (!t->approved || !t->held_out.document || !t->pool)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t d = 0; d < n_documents; d++)
	{
		XMC_TRY(xmc_check_stop(t->ctx));
		if (document[d].n_pairs > 0 && held_out[d])
			t->held_out.document[t->held_out.n_documents++] = &document[d];
		else if (document[d].n_pairs > 0)
			t->approved[t->n_approved++] = &document[d];
		else if (xmc_can_be_guided(&document[d]))
			t->pool[t->n_pool++] = &document[d];
	}
	for (int32_t d = 0; d < n_documents; d++)
		t->n_labels += document[d].n_pairs;
	t->result = xmc_arena_zalloc(&t->run_arena, (size_t) n_documents, sizeof *t->result);
	t->log_odds = xmc_arena_zalloc(&t->run_arena, (size_t) t->n_labels, sizeof *t->log_odds);
	if (!t->result || !t->log_odds)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	t->train = t->approved;
	t->n_train = t->n_approved;
	t->report->approved_documents = t->n_train + t->held_out.n_documents;
	t->report->held_out_documents = t->held_out.n_documents;
	if (t->report->approved_documents < XMC_MIN_APPROVED_DOCUMENTS)
		return xmc_fail(t->ctx, XMC_BAD_INPUT, "%d approved documents, %d are needed", t->report->approved_documents,
						XMC_MIN_APPROVED_DOCUMENTS);
	if (t->n_train < XMC_MIN_TRAINING_DOCUMENTS || t->held_out.n_documents < XMC_MIN_HELD_OUT_DOCUMENTS)
		return xmc_fail(t->ctx, XMC_BAD_INPUT, "%d of %d approved documents are held out: that must be at least %d and leave %d"
						" to train on; option held_out says how many", t->held_out.n_documents, t->report->approved_documents,
						XMC_MIN_HELD_OUT_DOCUMENTS, XMC_MIN_TRAINING_DOCUMENTS);
	return divide_groups(t);
}

/* Whether the term reads anything of an item with these XMC_HAS_... */
static bool
term_reads(const xmc_options *options, xmc_term term, uint8_t has)
{
	if (term == XMC_TERM_SPARSE || term == XMC_TERM_MENTIONS || term == XMC_TERM_TEXT_LINEAR)
		return has & (term == XMC_TERM_TEXT_LINEAR ? XMC_HAS_TEXT_EMBEDDING : XMC_HAS_WORDS);
	return xmc_batch_takes(options, xmc_term_modality(term), has);
}

/* Whether the term can score any labelled pair of these documents. */
static xmc_status
find_evidence(const xmc_trainer *t, int32_t n_documents, const xmc_document *const *document, xmc_term term, bool *found)
{
	*found = false;
	for (int32_t d = 0; d < n_documents && !*found; d++)
	{
		XMC_TRY(xmc_check_stop(t->ctx));
		for (int32_t p = 0; p < document[d]->n_pairs && !*found; p++)
			*found = term_reads(t->options, term, document[d]->has[document[d]->pair[p].before]) &&
				term_reads(t->options, term, document[d]->has[document[d]->pair[p].after]);
	}
	return XMC_OK;
}

/*
 * Finds which terms can be trained: those that can score labelled pairs of training and of held-out documents. *epochs: the
 * most that they take together.
 */
static xmc_status
find_terms(xmc_trainer *t, int64_t *epochs)
{
	*epochs = 0;
	for (int p = 0; p < XMC_TERMS; p++)
	{
		t->has_term[p] = xmc_has_term(t->model, (xmc_term) p);
		if (t->has_term[p])
			XMC_TRY(find_evidence(t, t->n_train, t->train, (xmc_term) p, &t->has_term[p]));
		if (t->has_term[p])
			XMC_TRY(find_evidence(t, t->held_out.n_documents, t->held_out.document, (xmc_term) p,
								  &t->has_term[p]));
		*epochs += t->has_term[p] ? xmc_most_epochs(t->options, (xmc_term) p) : 0;
	}
	if (*epochs == 0)
		return xmc_fail(t->ctx, XMC_BAD_INPUT, "no approved pair has two items with a text or an image that the model reads");
	return XMC_OK;
}

/* The weights of the terms, of the modalities and of guidance, from documents that trained none of them. */
static xmc_status
calibrate(xmc_trainer *t)
{
	XMC_TRY(xmc_train_crossfit(t));
	t->progress.phase = "calibrating";
	XMC_TRY(xmc_train_report_progress(t));
	for (int m = 0; m < XMC_MODALITIES; m++)
		XMC_TRY(xmc_train_weigh_terms(t, (xmc_modality) m, xmc_fit_labels(t), false));
	XMC_TRY(xmc_train_fit_fusion(t, xmc_fit_labels(t)));
	XMC_TRY(xmc_train_fit_guidance(t));
	XMC_TRY(xmc_train_fit_known(t));
	XMC_TRY(xmc_train_fit_reliability(t));
	return xmc_train_cross_fitted_figures(t);
}

static bool
any_round_kept(const xmc_train_report *report)
{
	bool		any = false;

	for (int k = 0; k < report->n_rounds; k++)
		any = any || report->round[k].kept;
	return any;
}

/*
 * The figures of the report, unless cross-fitting has given them. A round that was kept changed what scores are worth. A
 * checkpoint of the refit contains the results.
 */
static xmc_status
measure(xmc_trainer *t)
{
	XMC_TRY(xmc_train_fill_anchors(t));
	if (any_round_kept(t->report))
		XMC_TRY(xmc_train_fit_reliability(t));
	return xmc_train_held_out_figures(t);
}

/* All phases, in their order. */
static xmc_status
run(xmc_trainer *t)
{
	int64_t		epochs;			/* of all terms together, at most */
	int32_t		n_aligned;		/* documents that the alignment is trained on */

	XMC_TRY(find_terms(t, &epochs));
	XMC_TRY(xmc_labels_init(t, &t->held_out, false));
	if (t->options->rounds > 0)
	{
		t->apart.n_documents = t->held_out.n_documents;
		t->apart.document = t->held_out.document;
		XMC_TRY(xmc_labels_init(t, &t->apart, false));
	}
	XMC_TRY(xmc_train_assign_folds(t));
	XMC_TRY(xmc_train_plan_evaluation(t));
	XMC_TRY(xmc_train_begin_choices(t));
	t->validation = &t->held_out;
	n_aligned = t->model->align_scale ? xmc_train_count_alignment_documents(t) : 0;
	t->progress = (xmc_train_progress){.train_loss = NAN,.held_out_loss = NAN,.held_out_tau = NAN,
		.total = epochs * t->n_train + (int64_t) n_aligned * t->options->epochs};
	for (int m = 0; m < XMC_MODALITIES; m++)
		if (t->model->network[m].input_dim > 0)
			XMC_TRY(xmc_inputs_fit(&t->run_arena, t->model, (xmc_modality) m, t->n_train, t->train));
	if (t->has_term[XMC_TERM_MENTIONS])
		XMC_TRY(xmc_mention_idf(t->ctx, t->n_documents, t->document, t->model->mention_idf));
	/* 1. The alignment. */
	if (t->model->align_scale)
		XMC_TRY(xmc_train_fit_alignment(t));
	/* 2. The terms, each on its own. */
	for (int p = 0; p < XMC_TERMS; p++)
		if (t->has_term[p])
			XMC_TRY(xmc_train_term_to_best(t, (xmc_term) p));
	/* 3. Weights of terms, fusion, guidance. A checkpoint in a later stage contains the result. */
	if (!xmc_is_resuming(t))
		XMC_TRY(calibrate(t));
	/* 4. The rounds. */
	XMC_TRY(xmc_train_run_rounds(t));
	if (!xmc_leaves_out(t, XMC_STAGE_MEASURED))
		XMC_TRY(xmc_checkpoint_load_or_save(t, XMC_STAGE_MEASURED, NULL));
	xmc_train_free_folds(t);
	/* 5. The figures. */
	if (!xmc_is_resuming(t))
		XMC_TRY(measure(t));
	/* 6. All approved documents teach. */
	XMC_TRY(xmc_train_refit(t));
	/* 7. The figures of all approved documents, where these are few. */
	XMC_TRY(xmc_train_evaluate(t));
	/* 8. Where steps are missing. */
	XMC_TRY(xmc_train_fit_gaps(t));
	XMC_TRY(xmc_train_fill_anchors(t));
	return xmc_results_fill(t->ctx, t->model, t->n_documents, t->document, t->result, t->log_odds, t->widening);
}

xmc_status
xmc_train(xmc_ctx *ctx, const xmc_options *options, int32_t n_documents, const xmc_document *document,
		  const uint8_t *held_out, const xmc_train_hooks *hooks, xmc_model **out, xmc_train_report *report)
{
	xmc_trainer t = {.ctx = ctx,.options = options,.report = report};
	bool		has_bag;
	xmc_status	status;

	*out = NULL;
	*report = (xmc_train_report){0};
	if (hooks)
		t.hooks = *hooks;
	xmc_arena_init(&t.batch_arena, ctx);
	xmc_arena_init(&t.fit_arena, ctx);
	xmc_arena_init(&t.term_arena, ctx);
	xmc_arena_init(&t.run_arena, ctx);
	status = divide(&t, n_documents, document, held_out);
	has_bag = options->words && options->bag_dim > 0 && t.n_train >= options->bag_documents;
	if (status == XMC_OK)
		status = xmc_model_new(ctx, options, has_bag, &t.model);
	if (status == XMC_OK)
		status = xmc_model_new_zero(ctx, options, has_bag, &t.grad);
	if (status == XMC_OK)
	{
		t.model->base_encoder = t.hooks.encoder;
		status = xmc_tuned_check(ctx, t.model);
	}
	if (status == XMC_OK)
		status = xmc_checkpoint_open(&t, held_out);
	if (status == XMC_OK)
		status = run(&t);
	xmc_leader_end(&t.leader);
	xmc_arena_free(&t.batch_arena);
	xmc_arena_free(&t.fit_arena);
	xmc_arena_free(&t.term_arena);
	xmc_arena_free(&t.run_arena);
	xmc_train_free_folds(&t);
	if (t.grad)
		xmc_model_free(ctx, t.grad);
	if (status == XMC_OK)
		*out = t.model;
	else if (t.model)
		xmc_model_free(ctx, t.model);
	return status;
}
