/* scorer.c - see scorer.h */
#include "xmcoh/scorer.h"
#include "xmcoh/seen.h"
#include "network/term.h"
#include "score/guidance.h"
#include "score/guidance_paper.h"
#include "network/batch.h"

#include <math.h>

bool
xmc_guidance_has_fused(const xmc_guidance_rule *rule)
{
	return !rule->inferred && rule->mode != XMC_GUIDANCE_PAPER;
}

const xmc_calibration *
xmc_calibration_of(const xmc_model *model, const xmc_guidance_rule *rule, const xmc_document *document)
{
	static const xmc_calibration none = {{1, 1}, {1, 1, 1}, {{1, 1}, {1, 1}}, {1, 1}};	/* the weight of stored orders is 0 */

	if (rule->mode == XMC_GUIDANCE_UNCALIBRATED)
		return &none;
	return !rule->as_new && xmc_seen_group(model, document->group) ? &model->known : &model->calibration;
}

void
xmc_fused_weights(const xmc_options *options, const xmc_calibration *c, uint8_t has_a, uint8_t has_b,
				  double weight[XMC_MODALITIES + 1])
{
	bool		all = xmc_batch_takes(options, XMC_JOINT, has_a) && xmc_batch_takes(options, XMC_JOINT, has_b);

	for (int m = 0; m < XMC_MODALITIES; m++)
		weight[m] = all ? c->fused[m] : c->solo[m];
	weight[XMC_JOINT] = all ? c->fused[XMC_JOINT] : 0;
}

/* ---- raw scores, calibration, fusion ---- */

/* Adds the raw scores of one term to those of its modality, or of both together, for all documents. */
static xmc_status
add_term(xmc_arena *arena, const xmc_model *model, xmc_term term, int32_t n_documents,
		 const xmc_document *const *document, xmc_scores *out)
{
	xmc_modality modality = xmc_term_modality(term);
	xmc_batch	batch;
	xmc_term_state state;
	int64_t		work = 0;

	XMC_TRY(xmc_batch_init(arena, &model->options, modality, n_documents, document, &batch));
	if (batch.rows == 0)
		return XMC_OK;
	XMC_TRY(xmc_term_forward(arena, model, &batch, term, NULL, false, &state));
	for (int32_t k = 0; k < n_documents; k++)
	{
		int32_t		first = batch.row_start[k];
		int32_t		rows = batch.row_start[k + 1] - first;
		int64_t		n = document[k]->n;
		float	   *raw = out[k].raw[modality];

		for (int32_t i = 0; i < rows; i++)
		{
			for (int32_t j = i + 1; j < rows; j++)
			{
				int64_t		a = batch.item[first + i];
				int64_t		b = batch.item[first + j];

				raw[a * n + b] += (float) xmc_term_score(&batch, &state, k, i, j);
				raw[b * n + a] = -raw[a * n + b];
			}
			XMC_TRY(xmc_spend(arena->ctx, &work, rows - i));
		}
	}
	return XMC_OK;
}

/* Whether both items of a pair hold any of `has` (XMC_HAS_...). */
static bool
both_hold(const xmc_document *document, int64_t a, int64_t b, int has)
{
	return (document->has[a] & has) && (document->has[b] & has);
}

/* Own and fused scores of one document from its raw scores: own = solo[m] * raw[m], fused by xmc_fused_weights. */
static xmc_status
fuse(xmc_ctx *ctx, const xmc_options *options, const xmc_calibration *c, const xmc_guidance_rule *rule,
		const xmc_document *document, xmc_scores *scores)
{
	int64_t		n = document->n;
	int64_t		work = 0;
	bool		has_fused = xmc_guidance_has_fused(rule);

	for (int64_t a = 0; a < n; a++)
	{
		for (int64_t b = 0; b < n; b++)
		{
			bool		text = both_hold(document, a, b, XMC_HAS_TEXT);
			bool		image = both_hold(document, a, b, XMC_HAS_IMAGE);
			int64_t		at = a * n + b;
			double		t = scores->raw[XMC_TEXT][at];
			double		i = scores->raw[XMC_IMAGE][at];
			float		own[XMC_MODALITIES] = {(float) (c->solo[XMC_TEXT] * t), (float) (c->solo[XMC_IMAGE] * i)};
			double		weight[XMC_MODALITIES + 1];
			float		fused;

			xmc_fused_weights(options, c, document->has[a], document->has[b], weight);
			fused = (float) (weight[XMC_TEXT] * t + weight[XMC_IMAGE] * i + weight[XMC_JOINT] * scores->raw[XMC_JOINT][at]);
			scores->score[XMC_SCORE_TEXT][at] = own[XMC_TEXT];
			scores->score[XMC_SCORE_IMAGE][at] = own[XMC_IMAGE];
			scores->score[XMC_SCORE_FUSED][at] = has_fused ? fused : 0;
			scores->score[XMC_SCORE_TEXT_GUIDED][at] = !has_fused ? own[XMC_TEXT] : text ? fused : 0;
			scores->score[XMC_SCORE_IMAGE_GUIDED][at] = !has_fused ? own[XMC_IMAGE] : image ? fused : 0;
		}
		XMC_TRY(xmc_spend(ctx, &work, n));
	}
	return XMC_OK;
}

/* ---- guidance ---- */

/* Sets the score of a pair and of the turned pair. */
static void
put_pair(float *score, int64_t n, int64_t a, int64_t b, double s)
{
	score[a * n + b] = (float) s;
	score[b * n + a] = (float) -s;
}

/* The alignment p[m] (n, n) through which modality m is guided. By XMC_GUIDANCE_HARD its cells are 0 or 1. */
static xmc_status
find_alignments(xmc_arena *arena, const xmc_guidance_rule *rule, const xmc_document *document, const xmc_alignment *inferred,
		   const float *p[XMC_MODALITIES])
{
	int64_t		n = document->n;
	int32_t    *counterpart;	/* (n) */

	if (rule->mode != XMC_GUIDANCE_HARD)
	{
		XMC_TRY(xmc_guidance_alignment(arena, document, rule->inferred, inferred, &p[XMC_TEXT]));
		p[XMC_IMAGE] = p[XMC_TEXT];
		return XMC_OK;
	}
	counterpart = xmc_arena_alloc(arena, (size_t) n, sizeof(int32_t));
	XMC_NEED(counterpart, arena->ctx);
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		float	   *hard = xmc_arena_alloc(arena, (size_t) (n * n), sizeof(float));

		XMC_NEED(hard, arena->ctx);
		XMC_TRY(xmc_clear(arena->ctx, hard, (size_t) (n * n) * sizeof(float)));
		XMC_TRY(xmc_align_counterparts(arena->ctx, document, rule->inferred, inferred, (xmc_modality) m, true, counterpart));
		for (int64_t i = 0; i < n; i++)
			if (counterpart[i] >= 0)
				hard[m == XMC_IMAGE ? i * n + counterpart[i] : counterpart[i] * n + i] = 1;
		p[m] = hard;
	}
	return XMC_OK;
}

/*
 * Guided scores by the rule of the paper. `inferred` is empty where nothing is to be inferred, or the model cannot infer.
 */
static xmc_status
guide_by_paper(xmc_arena *arena, const xmc_guidance_rule *rule, const xmc_document *document, const xmc_alignment *inferred,
			   xmc_scores *scores)
{
	int32_t    *counterpart[XMC_MODALITIES];	/* (n) */

	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		counterpart[m] = xmc_arena_alloc(arena, (size_t) document->n, sizeof(int32_t));
		XMC_NEED(counterpart[m], arena->ctx);
		XMC_TRY(xmc_align_counterparts(arena->ctx, document, rule->inferred, inferred, (xmc_modality) m, false,
										  counterpart[m]));
	}
	return xmc_guidance_paper(arena->ctx, document->n, counterpart[XMC_TEXT], counterpart[XMC_IMAGE], rule->rounds,
							  scores->score[XMC_SCORE_TEXT_GUIDED], scores->score[XMC_SCORE_IMAGE_GUIDED]);
}

/*
 * Carries what guides through p: out[0] from scores and, by XMC_GUIDANCE_STORED, out[1] from stored orders; then the scores
 * of pairs that have a stored order count as 0. *n_out: how many of the two there are.
 */
static xmc_status
carry(xmc_arena *arena, const xmc_guidance_rule *rule, const xmc_document *document, const float *const p[XMC_MODALITIES],
	  const xmc_scores *scores, int *n_out, xmc_guides out[2])
{
	static const int has[XMC_MODALITIES] = {XMC_HAS_TEXT, XMC_HAS_IMAGE};
	int64_t		n = document->n;
	int64_t		work = 0;
	const float *score[XMC_MODALITIES] = {scores->score[XMC_SCORE_TEXT], scores->score[XMC_SCORE_IMAGE]};
	const float *stored[XMC_MODALITIES];

	*n_out = rule->mode == XMC_GUIDANCE_STORED ? 2 : 1;
	for (int m = 0; m < XMC_MODALITIES && *n_out == 2; m++)
	{
		float	   *rest = xmc_arena_alloc(arena, (size_t) (n * n), sizeof(float));

		XMC_NEED(rest, arena->ctx);
		XMC_TRY(xmc_guidance_stored(arena, document, has[m], &stored[m]));
		for (int64_t a = 0; a < n; a++)
		{
			for (int64_t k = a * n; k < (a + 1) * n; k++)
				rest[k] = stored[m][k] == 0 ? score[m][k] : 0;
			XMC_TRY(xmc_spend(arena->ctx, &work, n));
		}
		score[m] = rest;
	}
	XMC_TRY(xmc_guidance(arena, document->n, document->n, p, score[XMC_TEXT], score[XMC_IMAGE], &out[0]));
	return *n_out == 1 ? XMC_OK : xmc_guidance(arena, document->n, document->n, p, stored[XMC_TEXT], stored[XMC_IMAGE], &out[1]);
}

/*
 * Sets the guided and fused scores that the inferred alignment changes. A pair that shares modality m: guided[m][0] * own
 * score + guided[m][1 + g] * carried score, over the guides g; that is the fused score too. A text-only and an image-only
 * item: the sum of cross_modal coefficients times the carried scores. Items that hold both keep their fused score.
 */
static xmc_status
guide(xmc_arena *arena, const xmc_calibration *c, const xmc_guidance_rule *rule, const xmc_document *document,
	  const xmc_alignment *inferred, xmc_scores *scores)
{
	int64_t		n = document->n;
	const float *p[XMC_MODALITIES];
	xmc_guides	guides[2];
	int			n_guides;
	int64_t		work = 0;

	XMC_TRY(find_alignments(arena, rule, document, inferred, p));
	XMC_TRY(carry(arena, rule, document, p, scores, &n_guides, guides));
	for (int64_t a = 0; a < n; a++)
	{
		XMC_TRY(xmc_spend(arena->ctx, &work, n - a));
		for (int64_t b = a + 1; b < n; b++)
		{
			bool		shared[XMC_MODALITIES] = {both_hold(document, a, b, XMC_HAS_TEXT),
				both_hold(document, a, b, XMC_HAS_IMAGE)};
			int64_t		at = a * n + b;
			double		s = 0;

			if (!document->has[a] || !document->has[b] || (shared[XMC_TEXT] && shared[XMC_IMAGE] && !rule->inferred))
				continue;
			for (int m = 0; m < XMC_MODALITIES; m++)
				if (shared[m])
				{
					s = c->guided[m][0] * scores->score[m][at];
					for (int g = 0; g < n_guides; g++)
						s += c->guided[m][1 + g] * (m == XMC_TEXT ? guides[g].text : guides[g].image)[at];
					put_pair(scores->score[XMC_SCORE_TEXT_GUIDED + m], n, a, b, s);
				}
			if (rule->inferred)
				continue;
			if (!shared[XMC_TEXT] && !shared[XMC_IMAGE])	/* carried scores: row of the image, column of the text */
			{
				bool		image_first = document->has[a] & XMC_HAS_IMAGE;
				int64_t		cell = image_first ? at : b * n + a;

				for (int g = 0; g < n_guides; g++)
					for (int m = 0; m < XMC_MODALITIES; m++)
						s += (image_first ? 1 : -1) * c->cross_modal[XMC_MODALITIES * g + m] * guides[g].cross_modal[m][cell];
			}
			put_pair(scores->score[XMC_SCORE_FUSED], n, a, b, s);
		}
	}
	return XMC_OK;
}

/*
 * By XMC_GUIDANCE_STORED: a labelled pair gets the log-odds of certainty, in the guided scores too if its items hold
 * both.
 */
static xmc_status
put_stored_order(xmc_ctx *ctx, const xmc_document *document, xmc_scores *scores)
{
	int64_t		work = 0;

	for (int32_t k = 0; k < document->n_pairs; k++)
	{
		int32_t		a = document->pair[k].before;
		int32_t		b = document->pair[k].after;

		put_pair(scores->score[XMC_SCORE_FUSED], document->n, a, b, XMC_STORED_LOG_ODDS);
		if (both_hold(document, a, b, XMC_HAS_TEXT) && both_hold(document, a, b, XMC_HAS_IMAGE))
			for (int m = 0; m < XMC_MODALITIES; m++)
				put_pair(scores->score[XMC_SCORE_TEXT_GUIDED + m], document->n, a, b, XMC_STORED_LOG_ODDS);
		XMC_TRY(xmc_spend(ctx, &work, 1));
	}
	return XMC_OK;
}

/* Embeddings of finite but absurdly large numbers can overflow. */
static xmc_status
check_finite(xmc_ctx *ctx, const xmc_scores *scores)
{
	int64_t		n = scores->n;
	int64_t		work = 0;

	for (int e = 0; e < XMC_SCORE_KINDS; e++)
		for (int64_t a = 0; a < n; a++)
		{
			for (int64_t k = a * n; k < (a + 1) * n; k++)
				if (!isfinite(scores->score[e][k]))
					return xmc_fail(ctx, XMC_BAD_INPUT, "a score is not finite: the numbers of an embedding are too large");
			XMC_TRY(xmc_spend(ctx, &work, n));
		}
	return XMC_OK;
}

/* ---- documents ---- */

/* Sets all calibrated scores from the raw ones. `inferred` NULL: nothing of the alignment is to be inferred. */
static xmc_status
fill_scores(xmc_arena *arena, const xmc_model *model, const xmc_guidance_rule *rule, const xmc_document *document,
	   const xmc_alignment *inferred, xmc_scores *scores)
{
	static const xmc_alignment nothing = {0};
	const xmc_calibration *c = xmc_calibration_of(model, rule, document);

	XMC_TRY(fuse(arena->ctx, &model->options, c, rule, document, scores));
	if (rule->mode == XMC_GUIDANCE_PAPER)
		XMC_TRY(guide_by_paper(arena, rule, document, inferred ? inferred : &nothing, scores));
	else if (inferred)
		XMC_TRY(guide(arena, c, rule, document, inferred, scores));
	if (rule->mode == XMC_GUIDANCE_STORED && !rule->inferred)
		XMC_TRY(put_stored_order(arena->ctx, document, scores));
	return check_finite(arena->ctx, scores);
}

/*
 * Items that are scored at a time (documents are not split): enough for matrix products near full speed, and so few that
 * intermediate values stay in the cache of the processor.
 */
#define CHUNK_ITEMS 256

/* The end of the chunk of documents that begins at `first`. */
static int32_t
chunk_end(int32_t first, int32_t n_documents, const xmc_document *document)
{
	int32_t		last = first + 1;

	for (int64_t items = document[first].n; last < n_documents; last++)
		if ((items += document[last].n) > CHUNK_ITEMS)
			break;
	return last;
}

static xmc_status
score_chunk(xmc_arena *arena, const xmc_model *model, const xmc_guidance_rule *rule, int32_t n_documents,
			const xmc_document *document, xmc_scores *out)
{
	const xmc_document **pointer;	/* (n_documents) */
	xmc_alignment *inferred = NULL; /* (n_documents), if any is open */

	for (int term = 0; term < XMC_TERMS; term++)
	{
		if (!xmc_has_term(model, (xmc_term) term))
			continue;
		xmc_arena_reset(arena);
		pointer = xmc_arena_alloc(arena, (size_t) n_documents, sizeof *pointer);
		XMC_NEED(pointer, arena->ctx);
		for (int32_t k = 0; k < n_documents; k++)
			pointer[k] = &document[k];
		XMC_TRY(add_term(arena, model, (xmc_term) term, n_documents, pointer, out));
	}
	xmc_arena_reset(arena);
	for (int32_t k = 0; k < n_documents && model->has_alignment && !inferred; k++)
		if (xmc_align_is_open(&document[k], rule->inferred))
		{
			inferred = xmc_arena_alloc(arena, (size_t) n_documents, sizeof *inferred);
			XMC_NEED(inferred, arena->ctx);
			XMC_TRY(xmc_align_documents(arena, model, n_documents, document, rule->inferred, inferred));
		}
	for (int32_t k = 0; k < n_documents; k++)
	{
		bool		open = inferred && inferred[k].n_image > 0 && inferred[k].n_text > 0;

		XMC_TRY(fill_scores(arena, model, rule, &document[k], open ? &inferred[k] : NULL, &out[k]));
	}
	return XMC_OK;
}

static xmc_status
score(xmc_arena *arena, const xmc_model *model, const xmc_guidance_rule *rule, int32_t n_documents,
	  const xmc_document *document, xmc_scores *out)
{
	for (int32_t k = 0; k < n_documents; k++)
	{
		size_t		cells = (size_t) document[k].n * (size_t) document[k].n;
		float	   *block = xmc_alloc(arena->ctx, (XMC_MODALITIES + 1 + XMC_SCORE_KINDS) * cells, sizeof(float));

		XMC_NEED(block, arena->ctx);
		out[k].n = document[k].n;
		for (int m = 0; m <= XMC_JOINT; m++)
			out[k].raw[m] = block + (size_t) m * cells;
		for (int e = 0; e < XMC_SCORE_KINDS; e++)
			out[k].score[e] = block + (size_t) (XMC_MODALITIES + 1 + e) * cells;
		XMC_TRY(xmc_clear(arena->ctx, block, (XMC_MODALITIES + 1 + XMC_SCORE_KINDS) * cells * sizeof(float)));
	}
	for (int32_t first = 0, end; first < n_documents; first = end)
	{
		end = chunk_end(first, n_documents, document);
		XMC_TRY(score_chunk(arena, model, rule, end - first, document + first, out + first));
	}
	return XMC_OK;
}

xmc_status
xmc_score_documents_by(xmc_ctx *ctx, const xmc_model *model, const xmc_guidance_rule *rule, int32_t n_documents,
					   const xmc_document *document, xmc_scores *out)
{
	xmc_arena	arena;
	xmc_status	status;

	xmc_arena_init(&arena, ctx);
	for (int32_t k = 0; k < n_documents; k++)
		out[k] = (xmc_scores){0};
	status = score(&arena, model, rule, n_documents, document, out);
	if (status == XMC_OK)
		status = xmc_arena_drain(&arena);
	xmc_arena_free(&arena);
	for (int32_t k = 0; k < n_documents && status != XMC_OK; k++)
		xmc_scores_free(ctx, &out[k]);
	return status;
}

xmc_status
xmc_score_documents(xmc_ctx *ctx, const xmc_model *model, int32_t n_documents, const xmc_document *document, xmc_scores *out)
{
	static const xmc_guidance_rule usual = {0};

	return xmc_score_documents_by(ctx, model, &usual, n_documents, document, out);
}

void
xmc_scores_free(xmc_ctx *ctx, xmc_scores *scores)
{
	xmc_release(ctx, scores->raw[0]);	/* one block holds them all */
	*scores = (xmc_scores){0};
}
