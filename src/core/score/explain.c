/* explain.c - the parts of the fused score of a pair; see explain.h (doc/method.md, "Explanations") */
#include "xmcoh/explain.h"
#include "network/inputs.h"
#include "network/term.h"
#include "network/tuned_inputs.h"
#include "score/encoder_words.h"
#include "score/guidance.h"
#include "score/network_parts.h"
#include "score/shared_words.h"
#include "score/words.h"

#include <math.h>

/* What the parts of a document's pairs are made of. */
typedef struct explained
{
	xmc_arena  *arena;			/* of what all pairs use */
	xmc_arena  *scratch;		/* of one pair */
	const xmc_model *model;
	const xmc_calibration *calibration;
	xmc_tokeniser *tokeniser;
	const xmc_document *document;
	const xmc_item *item;		/* (n) */
	const xmc_scores *scores;
	const float *p;				/* (n, n) the alignment; NULL: nothing guides */
	const xmc_explain_inputs *inputs;	/* NULL: networks and embeddings are parts as a whole */
	float	   *term[XMC_TERMS];	/* (n_pairs) raw scores; NULL: no pair has any, and for terms over words */
} explained;

/* What the scores of a pair count in its fused score. */
typedef struct pair_weights
{
	double		own[XMC_MODALITIES + 1];	/* of the raw scores of its two items */
	double		carried[XMC_MODALITIES];	/* of the calibrated scores of their counterparts */
} pair_weights;

/* See `guide` in scorer.c. */
static pair_weights
weights_of(const explained *e, int32_t a, int32_t b)
{
	static const int has[XMC_MODALITIES] = {XMC_HAS_TEXT, XMC_HAS_IMAGE};
	const xmc_calibration *c = e->calibration;
	const uint8_t *of = e->document->has;
	pair_weights weights = {{0}, {0}};
	bool		shared[XMC_MODALITIES];

	for (int m = 0; m < XMC_MODALITIES; m++)
		shared[m] = (of[a] & has[m]) && (of[b] & has[m]);
	if (!e->p || !of[a] || !of[b] || (shared[XMC_TEXT] && shared[XMC_IMAGE]))
	{
		xmc_fused_weights(&e->model->options, c, of[a], of[b], weights.own);
		return weights;
	}
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		int			other = m == XMC_TEXT ? XMC_IMAGE : XMC_TEXT;

		if (shared[m])
		{
			weights.own[m] = c->guided[m][0] * c->solo[m];
			weights.carried[other] = c->guided[m][1];
		}
		else if (!shared[other])
			weights.carried[m] = c->cross_modal[m];
	}
	return weights;
}

/* ---- guided parts ---- */

/* With which probability item k stands for item i, of whose modality m the scores are carried. */
static double
stands_for(const explained *e, xmc_modality m, int32_t i, int32_t k)
{
	int64_t		n = e->document->n;

	if (e->document->has[i] & (m == XMC_TEXT ? XMC_HAS_TEXT : XMC_HAS_IMAGE))
		return i == k;
	return m == XMC_TEXT ? e->p[i * n + k] : e->p[k * n + i];
}

/* The items that stand for item i, into via (n) and probability (n). Returns their number. */
static int32_t
find_stand_ins(const explained *e, xmc_modality m, int32_t i, int32_t *via, double *probability)
{
	int32_t		count = 0;

	for (int32_t k = 0; k < e->document->n; k++)
	{
		double		p = stands_for(e, m, i, k);

		if (p == 0)
			continue;
		via[count] = k;
		probability[count++] = p;
	}
	return count;
}

/* Those of both items of a pair, in one modality. */
typedef struct stand_ins
{
	int32_t		n[2];
	int32_t    *via[2];
	double	   *probability[2];
} stand_ins;

static xmc_status
find_both_stand_ins(const explained *e, xmc_modality m, const xmc_pair *pair, stand_ins *out)
{
	size_t		n = (size_t) e->document->n;

	for (int side = 0; side < 2; side++)
	{
		out->via[side] = xmc_arena_alloc(e->scratch, n, sizeof(int32_t));
		out->probability[side] = xmc_arena_alloc(e->scratch, n, sizeof(double));
		if (!out->via[side] || !out->probability[side])
			return xmc_fail(e->scratch->ctx, XMC_NO_MEMORY, "out of memory");
		out->n[side] = find_stand_ins(e, m, side ? pair->after : pair->before, out->via[side], out->probability[side]);
	}
	return XMC_OK;
}

static xmc_status
add_guided(const explained *e, xmc_modality m, double weight, const stand_ins *by, xmc_explanation *out)
{
	int64_t		n = e->document->n;
	int64_t		work = 0;

	for (int32_t k = 0; k < by->n[0]; k++)
	{
		for (int32_t l = 0; l < by->n[1]; l++)
		{
			xmc_part	part = {.kind = XMC_PART_GUIDED,.modality = m,.via = {by->via[0][k], by->via[1][l]},
				.probability = {by->probability[0][k], by->probability[1][l]}};

			part.contribution = weight * part.probability[0] * part.probability[1] *
				e->scores->score[m][part.via[0] * n + part.via[1]];	/* scores of a kind have the number of the modality */
			if (part.contribution != 0)
				out->part[out->n++] = part;
		}
		XMC_TRY(xmc_spend(e->scratch->ctx, &work, by->n[1]));
	}
	return XMC_OK;
}

/* ---- a pair ---- */

static const xmc_part_kind kind_of_term[XMC_TERMS] = {
	[XMC_TERM_TEXT_LINEAR] = XMC_PART_TEXT_EMBEDDING, [XMC_TERM_TEXT_NETWORK] = XMC_PART_NETWORK,
	[XMC_TERM_IMAGE_LINEAR] = XMC_PART_IMAGE, [XMC_TERM_IMAGE_NETWORK] = XMC_PART_NETWORK, [XMC_TERM_BILINEAR] = XMC_PART_TOGETHER
};

/* Whether a term of this modality scores the pair. */
static bool
takes(const explained *e, xmc_modality m, const xmc_pair *pair)
{
	return xmc_batch_takes(&e->model->options, m, e->document->has[pair->before]) &&
		xmc_batch_takes(&e->model->options, m, e->document->has[pair->after]);
}

/* Adds a part if it is not 0. */
static void
add_part(xmc_explanation *out, xmc_part_kind kind, xmc_modality modality, double contribution)
{
	if (contribution != 0)
		out->part[out->n++] = (xmc_part){.kind = kind,.modality = modality,.contribution = contribution};
}

/* What the parts leave of the fused score: rounding to float32 alone. */
static void
add_rounding(const explained *e, const xmc_pair *pair, xmc_explanation *out)
{
	double		rest = e->scores->score[XMC_SCORE_FUSED][(int64_t) pair->before * e->document->n + pair->after];

	for (int32_t k = 0; k < out->n; k++)
		rest -= out->part[k].contribution;
	if (fabs(rest) > XMC_EXPLAIN_ROUNDING)
		add_part(out, XMC_PART_ROUNDING, XMC_JOINT, rest);
}

/* The parts of the terms over words, which name them. */
static xmc_status
add_texts(const explained *e, const xmc_pair *pair, double weight, xmc_explanation *out)
{
	if (weight == 0 || !takes(e, XMC_TEXT, pair))
		return XMC_OK;
	if (e->model->sparse)
		XMC_TRY(xmc_word_parts(e->scratch, e->model, e->tokeniser, e->document, e->item, pair->before, pair->after, weight,
							   &out->n, out->part));
	if (e->model->mentions)
		XMC_TRY(xmc_shared_word_parts(e->scratch, e->model, e->tokeniser, e->document, e->item, pair->before, pair->after,
									  weight, &out->n, out->part));
	return XMC_OK;
}

/* The parts of any other term. *embeddings is set for a network. */
static xmc_status
add_term(const explained *e, xmc_term term, int32_t number, const xmc_pair *pair, const double *own,
		 xmc_embedding_parts *embeddings, xmc_explanation *out)
{
	xmc_modality m = xmc_term_modality(term);

	if (!e->term[term])
		return XMC_OK;
	if (e->inputs && xmc_term_is_network(term))
		return xmc_network_parts(e->scratch, e->model, m, e->tokeniser, e->document, e->item, pair->before, pair->after, own[m],
								 e->term[term][number], &out->n, out->part, embeddings);
	add_part(out, kind_of_term[term], m, own[m] * e->term[term][number]);
	return XMC_OK;
}

/* ---- embeddings that a text encoder has made ---- */

/* The parts of a modality's embeddings in a pair. */
typedef struct embedding_terms
{
	double		own;			/* factor of the terms */
	xmc_part   *linear;			/* of both embeddings together; NULL: there is none */
	xmc_embedding_parts network;
} embedding_terms;

/* The share of an item's embedding in the linear term, and its gradient, which is added to gradient (embedding_dim). */
static xmc_status
add_linear_share(const explained *e, xmc_modality m, int side, int32_t item, double own, double *gradient, double *share)
{
	const xmc_network *network = &e->model->network[m];
	const float *embedding = xmc_inputs_embedding(&e->model->options, m, e->document, item);
	float	   *x = xmc_arena_alloc(e->scratch, (size_t) network->embedding_dim, sizeof(float));

	XMC_NEED(x, e->scratch->ctx);
	if (!embedding)
		return XMC_OK;
	xmc_inputs_standardise(network, embedding, x);
	for (int32_t c = 0; c < network->embedding_dim; c++)
	{
		double		slope = (side ? own : -own) * network->linear[c];	/* s(a, b) = w x_b - w x_a */

		gradient[c] += slope;
		*share += slope * x[c];
	}
	return XMC_OK;
}

/* Tells what the embedding of one item adds by words, and takes that from the parts of the terms. */
static xmc_status
tell_by_words(const explained *e, xmc_modality m, int side, int32_t item, const embedding_terms *terms, xmc_explanation *out)
{
	size_t		d = (size_t) e->model->network[m].embedding_dim;
	double	   *gradient[XMC_VECTORS] = {xmc_arena_zalloc(e->scratch, d, sizeof(double)), xmc_arena_zalloc(e->scratch, d, sizeof(double))};
	int			vector = xmc_is_tuned(e->model, m) ? XMC_VECTOR_TUNED : XMC_VECTOR_IMPORTED;	/* that the network reads */
	xmc_part   *network = terms->network.part[side];
	xmc_vector_share share[XMC_VECTORS] = {{.gradient = NULL}, {.gradient = NULL}};
	double		linear = 0;
	xmc_encoded_text of = {.model = e->model,.modality = m,.encoder = e->inputs->encoder[m],.tokeniser = e->tokeniser,
	.document = e->document,.item = item,.side = side};

	XMC_NEED(gradient[XMC_VECTOR_IMPORTED], e->scratch->ctx);
	XMC_NEED(gradient[XMC_VECTOR_TUNED], e->scratch->ctx);
	if (m == XMC_TEXT)
		of.text = (xmc_encoder_text) {e->item[item].text, e->item[item].text_length};
	else if (e->inputs->image_text)
		of.text = e->inputs->image_text[item];
	if (terms->linear)
	{
		XMC_TRY(add_linear_share(e, m, side, item, terms->own, gradient[XMC_VECTOR_IMPORTED], &linear));
		share[XMC_VECTOR_IMPORTED] = (xmc_vector_share) {.share = linear,.gradient = gradient[XMC_VECTOR_IMPORTED]};
	}
	if (network)
	{
		for (size_t c = 0; c < d; c++)
			gradient[vector][c] += terms->own * terms->network.gradient[side][c];
		share[vector].share += network->contribution;
		share[vector].gradient = gradient[vector];
	}
	XMC_TRY(xmc_encoder_word_parts(e->scratch, &of, share, &out->n, out->part));
	if (terms->linear && share[XMC_VECTOR_IMPORTED].is_told)
		terms->linear->contribution -= linear;
	if (network && share[vector].is_told)
		network->contribution = 0;
	return XMC_OK;
}

/* The same for both items of a pair. */
static xmc_status
tell_embeddings(const explained *e, xmc_modality m, const xmc_pair *pair, const embedding_terms *terms, xmc_explanation *out)
{
	double		rounding;
	int32_t		kept = 0;

	if (!terms->linear && !terms->network.part[0] && !terms->network.part[1])
		return XMC_OK;
	rounding = terms->linear ? 1e-6 * fabs(terms->linear->contribution) : 0;
	XMC_TRY(tell_by_words(e, m, 0, pair->before, terms, out));
	XMC_TRY(tell_by_words(e, m, 1, pair->after, terms, out));
	if (terms->linear && fabs(terms->linear->contribution) <= rounding)
		terms->linear->contribution = 0;
	for (int32_t k = 0; k < out->n; k++)
		if (out->part[k].contribution != 0)
			out->part[kept++] = out->part[k];
	out->n = kept;
	return XMC_OK;
}

/* The parts of all terms but those over words. */
static xmc_status
add_terms(const explained *e, int32_t number, const xmc_pair *pair, const double *own, xmc_explanation *out)
{
	for (int m = 0; m <= XMC_JOINT; m++)
	{
		embedding_terms terms = {.own = own[m]};

		for (int t = 0; t < XMC_TERMS; t++)
		{
			int32_t		before = out->n;

			if (xmc_term_modality((xmc_term) t) != (xmc_modality) m)
				continue;
			XMC_TRY(add_term(e, (xmc_term) t, number, pair, own, &terms.network, out));
			if (t == XMC_TERM_TEXT_LINEAR || t == XMC_TERM_IMAGE_LINEAR)
				terms.linear = out->n > before ? &out->part[before] : NULL;
		}
		if (m != XMC_JOINT && e->inputs && e->inputs->encoder[m])
			XMC_TRY(tell_embeddings(e, (xmc_modality) m, pair, &terms, out));
	}
	return XMC_OK;
}

static xmc_status
explain_pair(const explained *e, int32_t number, const xmc_pair *pair, xmc_explanation *out)
{
	pair_weights weights = weights_of(e, pair->before, pair->after);
	const int32_t *start = e->document->feature_start;
	size_t		most = XMC_TERMS + 1 + XMC_MODALITIES * XMC_NETWORK_PARTS;
	stand_ins	by[XMC_MODALITIES];

	/* room for all parts: features twice, by the sparse term and by the network */
	most += 2 * (size_t) (start[pair->before + 1] - start[pair->before] + start[pair->after + 1] - start[pair->after]);
	most += (size_t) xmc_item_words(e->document, pair->before);
	for (int m = 0; m < XMC_MODALITIES; m++)
		if (e->inputs && e->inputs->encoder[m])
			most += 2 * (XMC_OCCLUDED_WORDS + 1);
	for (int m = 0; m < XMC_MODALITIES; m++)
		if (weights.carried[m] != 0)
		{
			XMC_TRY(find_both_stand_ins(e, (xmc_modality) m, pair, &by[m]));
			most += (size_t) by[m].n[0] * (size_t) by[m].n[1];
		}
	*out = (xmc_explanation){.part = xmc_arena_alloc(e->scratch, most, sizeof(xmc_part))};
	XMC_NEED(out->part, e->scratch->ctx);
	XMC_TRY(add_texts(e, pair, weights.own[XMC_TEXT], out));
	XMC_TRY(add_terms(e, number, pair, weights.own, out));
	for (int m = 0; m < XMC_MODALITIES; m++)
		if (weights.carried[m] != 0)
			XMC_TRY(add_guided(e, (xmc_modality) m, weights.carried[m], &by[m], out));
	add_rounding(e, pair, out);
	return XMC_OK;
}

/* The raw scores of each term for these pairs: those of a document with these labels. */
static xmc_status
score_terms(explained *e, int32_t n_pairs, const xmc_pair *pair)
{
	xmc_document labelled = *e->document;
	const xmc_document *one = &labelled;

	labelled.n_pairs = n_pairs;
	labelled.pair = (xmc_pair *) pair;
	for (int t = 0; t < XMC_TERMS; t++)
	{
		bool		is_needed = false;

		for (int32_t k = 0; k < n_pairs && !is_needed; k++)
			is_needed = takes(e, xmc_term_modality((xmc_term) t), &pair[k]);
		if (t == XMC_TERM_SPARSE || t == XMC_TERM_MENTIONS || !is_needed || !xmc_has_term(e->model, (xmc_term) t))
			continue;
		e->term[t] = xmc_arena_alloc(e->arena, (size_t) n_pairs, sizeof(float));
		XMC_NEED(e->term[t], e->arena->ctx);
		XMC_TRY(xmc_term_pair_scores(e->arena, e->model, (xmc_term) t, 1, &one, e->term[t]));
	}
	return XMC_OK;
}

static xmc_status
explain_pairs(explained *e, int32_t n_pairs, const xmc_pair *pair, xmc_explanation_visitor visit, void *arg)
{
	XMC_TRY(score_terms(e, n_pairs, pair));
	if (e->model->has_alignment && xmc_align_is_open(e->document, false))
	{
		xmc_alignment inferred;

		XMC_TRY(xmc_align_documents(e->arena, e->model, 1, e->document, false, &inferred));
		XMC_TRY(xmc_guidance_alignment(e->arena, e->document, false, &inferred, &e->p));
	}
	for (int32_t k = 0; k < n_pairs; k++)
	{
		xmc_explanation explanation;

		XMC_TRY(explain_pair(e, k, &pair[k], &explanation));
		visit(arg, &pair[k], &explanation);
		xmc_arena_reset(e->scratch);
	}
	return XMC_OK;
}

xmc_status
xmc_explain(xmc_ctx *ctx, const xmc_model *model, const xmc_guidance_rule *rule, xmc_tokeniser *tokeniser,
			const xmc_document *document, const xmc_item *item, const xmc_scores *scores, const xmc_explain_inputs *inputs, int32_t n_pairs,
			const xmc_pair *pair, xmc_explanation_visitor visit, void *arg)
{
	xmc_arena	arena;
	xmc_arena	scratch;
	explained	e = {.arena = &arena,.scratch = &scratch,.model = model,
		.calibration = xmc_calibration_of(model, rule, document),.tokeniser = tokeniser,.document = document,.item = item,
		.scores = scores,.inputs = inputs};
	xmc_status	status;

	xmc_arena_init(&arena, ctx);
	xmc_arena_init(&scratch, ctx);
	status = explain_pairs(&e, n_pairs, pair, visit, arg);
	xmc_arena_free(&scratch);
	xmc_arena_free(&arena);
	return status;
}
