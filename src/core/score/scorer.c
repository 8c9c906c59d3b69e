/* scorer.c - see scorer.h */
#include "xmcoh/scorer.h"
#include "numeric/dense.h"
#include "score/guidance_paper.h"
#include "network/term.h"

#include <math.h>

/* Adds the raw scores of one part to its modality's, or to the joint ones, for all documents. */
static xmc_status
add_part(xmc_arena *arena, const xmc_model *model, xmc_term term, int32_t n_documents,
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

static bool
share(const xmc_document *document, int64_t a, int64_t b, int has)
{
	return (document->has[a] & has) && (document->has[b] & has);
}

/* Calibrates one document's raw scores and fuses them pair by pair, by what both items of the pair have. */
static xmc_status
combine(xmc_ctx *ctx, const xmc_options *options, const xmc_calibration *c, const xmc_guidance_rule *rule,
		const xmc_document *document, xmc_scores *scores)
{
	int64_t		n = document->n;
	int64_t		work = 0;
	bool		fuse = xmc_guidance_has_fused(rule);

	for (int64_t a = 0; a < n; a++)
	{
		for (int64_t b = 0; b < n; b++)
		{
			bool		text = share(document, a, b, XMC_HAS_TEXT);
			bool		image = share(document, a, b, XMC_HAS_IMAGE);
			bool		all = xmc_batch_takes(options, XMC_JOINT, document->has[a]) &&
				xmc_batch_takes(options, XMC_JOINT, document->has[b]);
			int64_t		at = a * n + b;
			double		t = scores->raw[XMC_TEXT][at];
			double		i = scores->raw[XMC_IMAGE][at];
			float		own[XMC_MODALITIES] = {(float) (c->solo[XMC_TEXT] * t), (float) (c->solo[XMC_IMAGE] * i)};
			float		fused = (float) (all ? c->fused[XMC_TEXT] * t + c->fused[XMC_IMAGE] * i +
										 c->fused[XMC_JOINT] * scores->raw[XMC_JOINT][at]
										 : c->solo[XMC_TEXT] * t + c->solo[XMC_IMAGE] * i);

			scores->score[XMC_EVIDENCE_TEXT][at] = own[XMC_TEXT];
			scores->score[XMC_EVIDENCE_IMAGE][at] = own[XMC_IMAGE];
			scores->score[XMC_EVIDENCE_FUSED][at] = fuse ? fused : 0;
			scores->score[XMC_EVIDENCE_TEXT_GUIDED][at] = !fuse ? own[XMC_TEXT] : text ? fused : 0;
			scores->score[XMC_EVIDENCE_IMAGE_GUIDED][at] = !fuse ? own[XMC_IMAGE] : image ? fused : 0;
		}
		XMC_TRY(xmc_spend(ctx, &work, n));
	}
	return XMC_OK;
}

static void
put(float *score, int64_t n, int64_t a, int64_t b, double s)
{
	score[a * n + b] = (float) s;
	score[b * n + a] = (float) -s;
}

/* The alignment p[m] (n, n) through which modality m is guided. */
static xmc_status
alignments(xmc_arena *arena, const xmc_guidance_rule *rule, const xmc_document *document, const xmc_alignment *inferred,
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
		XMC_TRY(xmc_guidance_counterparts(arena->ctx, document, rule->inferred, inferred, (xmc_modality) m, true, counterpart));
		for (int64_t i = 0; i < n; i++)
			if (counterpart[i] >= 0)
				hard[m == XMC_IMAGE ? i * n + counterpart[i] : counterpart[i] * n + i] = 1;
		p[m] = hard;
	}
	return XMC_OK;
}

/* The paper's guided scores; `inferred` is empty where there is nothing to infer or nothing to infer it by. */
static xmc_status
guide_by_paper(xmc_arena *arena, const xmc_guidance_rule *rule, const xmc_document *document, const xmc_alignment *inferred,
			   xmc_scores *scores)
{
	int32_t    *counterpart[XMC_MODALITIES];	/* (n) */

	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		counterpart[m] = xmc_arena_alloc(arena, (size_t) document->n, sizeof(int32_t));
		XMC_NEED(counterpart[m], arena->ctx);
		XMC_TRY(xmc_guidance_counterparts(arena->ctx, document, rule->inferred, inferred, (xmc_modality) m, false,
										  counterpart[m]));
	}
	return xmc_guidance_paper(arena->ctx, document->n, counterpart[XMC_TEXT], counterpart[XMC_IMAGE], rule->rounds,
							  scores->score[XMC_EVIDENCE_TEXT_GUIDED], scores->score[XMC_EVIDENCE_IMAGE_GUIDED]);
}

/*
 * What guides through p: out[0] by scores, and if stored orders count, out[1] by these; then scores are silent where an order
 * speaks. Returns how many of the two there are in *n_out.
 */
static xmc_status
carry(xmc_arena *arena, const xmc_guidance_rule *rule, const xmc_document *document, const float *const p[XMC_MODALITIES],
	  const xmc_scores *scores, int *n_out, xmc_guides out[2])
{
	static const int has[XMC_MODALITIES] = {XMC_HAS_TEXT, XMC_HAS_IMAGE};
	int64_t		n = document->n;
	int64_t		work = 0;
	const float *score[XMC_MODALITIES] = {scores->score[XMC_EVIDENCE_TEXT], scores->score[XMC_EVIDENCE_IMAGE]};
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

/* Puts what was inferred of the alignment into the guided scores and the fused one, where there is one. */
static xmc_status
guide(xmc_arena *arena, const xmc_calibration *c, const xmc_guidance_rule *rule, const xmc_document *document,
	  const xmc_alignment *inferred, xmc_scores *scores)
{
	int64_t		n = document->n;
	const float *p[XMC_MODALITIES];
	xmc_guides	guides[2];
	int			n_guides;
	int64_t		work = 0;

	XMC_TRY(alignments(arena, rule, document, inferred, p));
	XMC_TRY(carry(arena, rule, document, p, scores, &n_guides, guides));
	for (int64_t a = 0; a < n; a++)
	{
		XMC_TRY(xmc_spend(arena->ctx, &work, n - a));
		for (int64_t b = a + 1; b < n; b++)
		{
			bool		shared[XMC_MODALITIES] = {share(document, a, b, XMC_HAS_TEXT), share(document, a, b, XMC_HAS_IMAGE)};
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
					put(scores->score[XMC_EVIDENCE_TEXT_GUIDED + m], n, a, b, s);
				}
			if (rule->inferred)
				continue;
			if (!shared[XMC_TEXT] && !shared[XMC_IMAGE])	/* the guides hold the image's row and the text's column */
			{
				bool		image_first = document->has[a] & XMC_HAS_IMAGE;
				int64_t		cell = image_first ? at : b * n + a;

				for (int g = 0; g < n_guides; g++)
					for (int m = 0; m < XMC_MODALITIES; m++)
						s += (image_first ? 1 : -1) * c->cross_modal[XMC_MODALITIES * g + m] * guides[g].cross_modal[m][cell];
			}
			put(scores->score[XMC_EVIDENCE_FUSED], n, a, b, s);
		}
	}
	return XMC_OK;
}

/* What the stored order says of a pair is as good as certain, and of rows that hold both their guide says it too. */
static xmc_status
decide(xmc_ctx *ctx, const xmc_document *document, xmc_scores *scores)
{
	int64_t		work = 0;

	for (int32_t k = 0; k < document->n_pairs; k++)
	{
		int32_t		a = document->pair[k].before;
		int32_t		b = document->pair[k].after;

		put(scores->score[XMC_EVIDENCE_FUSED], document->n, a, b, XMC_STORED_LOG_ODDS);
		if (share(document, a, b, XMC_HAS_TEXT) && share(document, a, b, XMC_HAS_IMAGE))
			for (int m = 0; m < XMC_MODALITIES; m++)
				put(scores->score[XMC_EVIDENCE_TEXT_GUIDED + m], document->n, a, b, XMC_STORED_LOG_ODDS);
		XMC_TRY(xmc_spend(ctx, &work, 1));
	}
	return XMC_OK;
}

/* Embeddings of finite but absurd numbers can overflow on the way here; a score that is no number must not pass for an answer. */
static xmc_status
check_finite(xmc_ctx *ctx, const xmc_scores *scores)
{
	int64_t		n = scores->n;
	int64_t		work = 0;

	for (int e = 0; e < XMC_EVIDENCES; e++)
		for (int64_t a = 0; a < n; a++)
		{
			for (int64_t k = a * n; k < (a + 1) * n; k++)
				if (!isfinite(scores->score[e][k]))
					return xmc_fail(ctx, XMC_BAD_INPUT, "a score is not finite: the numbers of an embedding are too large");
			XMC_TRY(xmc_spend(ctx, &work, n));
		}
	return XMC_OK;
}

/* From raw scores to all others; `inferred` NULL: nothing of the alignment is to be inferred. */
static xmc_status
finish(xmc_arena *arena, const xmc_model *model, const xmc_guidance_rule *rule, const xmc_document *document,
	   const xmc_alignment *inferred, xmc_scores *scores)
{
	static const xmc_calibration none = {{1, 1}, {1, 1, 1}, {{1, 1}, {1, 1}}, {1, 1}};	/* scores alone guide: no stored order */
	static const xmc_alignment nothing = {0};
	const xmc_calibration *c = rule->mode == XMC_GUIDANCE_UNCALIBRATED ? &none : &model->calibration;

	XMC_TRY(combine(arena->ctx, &model->options, c, rule, document, scores));
	if (rule->mode == XMC_GUIDANCE_PAPER)
		XMC_TRY(guide_by_paper(arena, rule, document, inferred ? inferred : &nothing, scores));
	else if (inferred)
		XMC_TRY(guide(arena, c, rule, document, inferred, scores));
	if (rule->mode == XMC_GUIDANCE_STORED && !rule->inferred)
		XMC_TRY(decide(arena->ctx, document, scores));
	return check_finite(arena->ctx, scores);
}

/*
 * Items that are scored at a time (documents are not split): enough for products near their full speed, and few enough for
 * what passes between them to stay in the processor's cache and not to be got from the system again and again.
 */
#define SLICE_ITEMS 256

/* The documents from `first` on that make one slice; gives the document behind it. */
static int32_t
slice_end(int32_t first, int32_t n_documents, const xmc_document *document)
{
	int32_t		last = first + 1;

	for (int64_t items = document[first].n; last < n_documents; last++)
		if ((items += document[last].n) > SLICE_ITEMS)
			break;
	return last;
}

static xmc_status
score_slice(xmc_arena *arena, const xmc_model *model, const xmc_guidance_rule *rule, int32_t n_documents,
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
		XMC_TRY(add_part(arena, model, (xmc_term) term, n_documents, pointer, out));
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

		XMC_TRY(finish(arena, model, rule, &document[k], open ? &inferred[k] : NULL, &out[k]));
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
		float	   *block = xmc_alloc(arena->ctx, (XMC_MODALITIES + 1 + XMC_EVIDENCES) * cells, sizeof(float));

		XMC_NEED(block, arena->ctx);
		out[k].n = document[k].n;
		for (int m = 0; m <= XMC_JOINT; m++)
			out[k].raw[m] = block + (size_t) m * cells;
		for (int e = 0; e < XMC_EVIDENCES; e++)
			out[k].score[e] = block + (size_t) (XMC_MODALITIES + 1 + e) * cells;
		XMC_TRY(xmc_clear(arena->ctx, block, (XMC_MODALITIES + 1 + XMC_EVIDENCES) * cells * sizeof(float)));
	}
	for (int32_t first = 0, end; first < n_documents; first = end)
	{
		end = slice_end(first, n_documents, document);
		XMC_TRY(score_slice(arena, model, rule, end - first, document + first, out + first));
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

double
xmc_probability(double log_odds)
{
	return xmc_sigmoid(log_odds);
}

int32_t
xmc_score_kind_items(const xmc_document *document, xmc_score_kind evidence, int32_t *item)
{
	bool		text = evidence == XMC_EVIDENCE_TEXT || evidence == XMC_EVIDENCE_TEXT_GUIDED;
	int			wanted = text ? XMC_HAS_TEXT : XMC_HAS_IMAGE;
	int32_t		m = 0;

	for (int32_t i = 0; i < document->n; i++)
		if (evidence == XMC_EVIDENCE_FUSED || (document->has[i] & wanted))
			item[m++] = i;
	return m;
}

xmc_status
xmc_submatrix(xmc_ctx *ctx, int32_t n, const float *s, int32_t m, const int32_t *item, float *to)
{
	int64_t		work = 0;

	for (int64_t a = 0; a < m; a++)
	{
		for (int64_t b = 0; b < m; b++)
			to[a * m + b] = s[(int64_t) item[a] * n + item[b]];
		XMC_TRY(xmc_spend(ctx, &work, m));
	}
	return XMC_OK;
}

xmc_status
xmc_coherence(xmc_ctx *ctx, int32_t n, const float *s, int32_t m, const int32_t *order, double *coherence)
{
	double		sum = 0;
	int64_t		work = 0;

	for (int32_t a = 0; a < m; a++)
	{
		for (int32_t b = a + 1; b < m; b++)
			sum += 2 * xmc_sigmoid(s[(int64_t) order[a] * n + order[b]]) - 1;
		XMC_TRY(xmc_spend(ctx, &work, m - a));
	}
	*coherence = m < 2 ? NAN : sum / ((double) m * (m - 1) / 2);
	return XMC_OK;
}
