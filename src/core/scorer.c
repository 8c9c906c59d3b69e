/* scorer.c - see scorer.h */
#include "xmcoh/scorer.h"
#include "xmcoh/dense.h"
#include "xmcoh/guidance.h"
#include "xmcoh/part.h"

#include <math.h>

/* Adds the raw scores of one part to its modality's, for all documents. */
static xmc_status
add_part(xmc_arena *arena, const xmc_model *model, xmc_part part, int32_t n_documents,
		 const xmc_document *const *document, xmc_scores *out)
{
	xmc_modality modality = xmc_part_modality(part);
	xmc_batch	batch;
	xmc_part_state state;

	XMC_TRY(xmc_batch_init(arena, modality, n_documents, document, &batch));
	if (batch.rows == 0)
		return XMC_OK;
	XMC_TRY(xmc_part_forward(arena, model, &batch, part, NULL, false, &state));
	for (int32_t k = 0; k < n_documents; k++)
	{
		int32_t		first = batch.row_start[k];
		int32_t		rows = batch.row_start[k + 1] - first;
		int64_t		n = document[k]->n;
		float	   *raw = out[k].raw[modality];

		for (int32_t i = 0; i < rows; i++)
			for (int32_t j = i + 1; j < rows; j++)
			{
				int64_t		a = batch.item[first + i];
				int64_t		b = batch.item[first + j];

				raw[a * n + b] += (float) xmc_part_score(&batch, &state, k, i, j);
				raw[b * n + a] = -raw[a * n + b];
			}
	}
	return XMC_OK;
}

/*
 * Calibrates one document's raw scores and fuses them pair by pair, by what both items of the pair have. Embeddings of finite
 * but absurd numbers can overflow on the way here; a score that is no number must not pass for an answer.
 */
static xmc_status
combine(xmc_ctx *ctx, const xmc_model *model, const xmc_document *document, xmc_scores *scores)
{
	const xmc_calibration *c = &model->calibration;
	int64_t		n = document->n;

	for (int64_t a = 0; a < n; a++)
		for (int64_t b = 0; b < n; b++)
		{
			bool		text = (document->has[a] & XMC_HAS_TEXT) && (document->has[b] & XMC_HAS_TEXT);
			bool		image = document->has[a] & document->has[b] & XMC_HAS_IMAGE;
			int64_t		at = a * n + b;
			double		t = scores->raw[XMC_TEXT][at];
			double		i = scores->raw[XMC_IMAGE][at];

			scores->score[XMC_EVIDENCE_TEXT][at] = (float) (c->solo[XMC_TEXT] * t);
			scores->score[XMC_EVIDENCE_IMAGE][at] = (float) (c->solo[XMC_IMAGE] * i);
			scores->score[XMC_EVIDENCE_FUSED][at] = (float)
				(text && image ? c->fused[XMC_TEXT] * t + c->fused[XMC_IMAGE] * i
				 : c->solo[XMC_TEXT] * t + c->solo[XMC_IMAGE] * i);
			if (!isfinite(scores->score[XMC_EVIDENCE_TEXT][at]) || !isfinite(scores->score[XMC_EVIDENCE_IMAGE][at])
				|| !isfinite(scores->score[XMC_EVIDENCE_FUSED][at]))
				return xmc_fail(ctx, XMC_BAD_INPUT, "a score is not finite: the numbers of an embedding are too large");
			scores->guided[XMC_TEXT][at] = text ? scores->score[XMC_EVIDENCE_FUSED][at] : 0;
			scores->guided[XMC_IMAGE][at] = image ? scores->score[XMC_EVIDENCE_FUSED][at] : 0;
		}
	return XMC_OK;
}

/* Puts what was inferred of the alignment between text-only and image-only items into the fused and guided scores. */
static xmc_status
guide(xmc_arena *arena, const xmc_model *model, const xmc_document *document, xmc_scores *scores)
{
	const xmc_calibration *c = &model->calibration;
	int64_t		n = document->n;
	const float *s_text = scores->score[XMC_EVIDENCE_TEXT];
	const float *s_image = scores->score[XMC_EVIDENCE_IMAGE];
	xmc_alignment inferred;
	float	   *p;				/* (n, n) */
	xmc_guides	guides;

	XMC_TRY(xmc_align_document(arena, model, document, &inferred));
	p = xmc_guidance_alignment(arena, document, &inferred);
	XMC_NEED(p, arena->ctx);
	XMC_TRY(xmc_guidance(arena, document->n, document->n, p, s_text, s_image, &guides));
	for (int64_t a = 0; a < n; a++)
		for (int64_t b = a + 1; b < n; b++)
		{
			bool		text = (document->has[a] & XMC_HAS_TEXT) && (document->has[b] & XMC_HAS_TEXT);
			bool		image = document->has[a] & document->has[b] & XMC_HAS_IMAGE;
			int64_t		at = a * n + b;
			int64_t		turned = b * n + a;
			double		s = 0;

			if ((text && image) || !document->has[a] || !document->has[b])
				continue;
			if (text)
				s = c->guided[XMC_TEXT][0] * s_text[at] + c->guided[XMC_TEXT][1] * guides.text[at];
			else if (image)
				s = c->guided[XMC_IMAGE][0] * s_image[at] + c->guided[XMC_IMAGE][1] * guides.image[at];
			else				/* the guides hold the image's row and the text's column */
			{
				bool		image_first = document->has[a] & XMC_HAS_IMAGE;
				int64_t		cell = image_first ? at : turned;

				for (int m = 0; m < XMC_MODALITIES; m++)
					s += (image_first ? 1 : -1) * c->crossed[m] * guides.crossed[m][cell];
			}
			scores->score[XMC_EVIDENCE_FUSED][at] = (float) s;
			scores->score[XMC_EVIDENCE_FUSED][turned] = (float) -s;
			if (!text && !image)
				continue;
			scores->guided[text ? XMC_TEXT : XMC_IMAGE][at] = (float) s;
			scores->guided[text ? XMC_TEXT : XMC_IMAGE][turned] = (float) -s;
		}
	return XMC_OK;
}

/*
 * Items that are scored at a time (documents are not split): enough for products near their full speed, and few enough for what
 * passes between them to stay in the processor's cache and not to be got from the system again and again.
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
score_slice(xmc_arena *arena, const xmc_model *model, int32_t n_documents, const xmc_document *document, xmc_scores *out)
{
	const xmc_document **pointer;	/* (n_documents) */

	for (int part = 0; part < XMC_PARTS; part++)
	{
		if (!xmc_has_part(model, (xmc_part) part))
			continue;
		xmc_arena_reset(arena);
		pointer = xmc_arena_alloc(arena, (size_t) n_documents, sizeof *pointer);
		XMC_NEED(pointer, arena->ctx);
		for (int32_t k = 0; k < n_documents; k++)
			pointer[k] = &document[k];
		XMC_TRY(add_part(arena, model, (xmc_part) part, n_documents, pointer, out));
	}
	for (int32_t k = 0; k < n_documents; k++)
	{
		XMC_TRY(combine(arena->ctx, model, &document[k], &out[k]));
		if (!model->has_alignment || !xmc_align_is_open(&document[k]))
			continue;
		xmc_arena_reset(arena);
		XMC_TRY(guide(arena, model, &document[k], &out[k]));
	}
	return XMC_OK;
}

static xmc_status
score(xmc_arena *arena, const xmc_model *model, int32_t n_documents, const xmc_document *document, xmc_scores *out)
{
	for (int32_t k = 0; k < n_documents; k++)
	{
		size_t		cells = (size_t) document[k].n * (size_t) document[k].n;
		float	   *block = xmc_zalloc(arena->ctx, (2 * XMC_MODALITIES + XMC_EVIDENCES) * cells, sizeof(float));

		XMC_NEED(block, arena->ctx);
		out[k].n = document[k].n;
		for (int m = 0; m < XMC_MODALITIES; m++)
			out[k].raw[m] = block + (size_t) m * cells;
		for (int e = 0; e < XMC_EVIDENCES; e++)
			out[k].score[e] = block + (size_t) (XMC_MODALITIES + e) * cells;
		for (int m = 0; m < XMC_MODALITIES; m++)
			out[k].guided[m] = block + (size_t) (XMC_MODALITIES + XMC_EVIDENCES + m) * cells;
	}
	for (int32_t first = 0, end; first < n_documents; first = end)
	{
		end = slice_end(first, n_documents, document);
		XMC_TRY(score_slice(arena, model, end - first, document + first, out + first));
	}
	return XMC_OK;
}

xmc_status
xmc_score_documents(xmc_ctx *ctx, const xmc_model *model, int32_t n_documents, const xmc_document *document,
					xmc_scores *out)
{
	xmc_arena	arena;
	xmc_status	status;

	xmc_arena_init(&arena, ctx);
	for (int32_t k = 0; k < n_documents; k++)
		out[k] = (xmc_scores){0};
	status = score(&arena, model, n_documents, document, out);
	xmc_arena_free(&arena);
	for (int32_t k = 0; k < n_documents && status != XMC_OK; k++)
		xmc_scores_free(ctx, &out[k]);
	return status;
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

double
xmc_coherence(int32_t n, const float *s, const int32_t *order)
{
	double		sum = 0;

	if (n < 2)
		return NAN;
	for (int32_t a = 0; a < n; a++)
		for (int32_t b = a + 1; b < n; b++)
			sum += 2 * xmc_sigmoid(s[(int64_t) order[a] * n + order[b]]) - 1;
	return sum / ((double) n * (n - 1) / 2);
}
