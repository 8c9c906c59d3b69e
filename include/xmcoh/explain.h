/*
 * explain.h - why the fused score of a pair of items is what it is: parts in log-odds whose sum is the score. Calibration
 * and fusion only multiply, so each part is a score of the model times a factor, and the sum is complete.
 */
#ifndef XMCOH_EXPLAIN_H
#define XMCOH_EXPLAIN_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"
#include "xmcoh/scorer.h"
#include "xmcoh/text.h"
#include "xmcoh/text_encoder.h"

typedef enum xmc_part_kind
{
	XMC_PART_WORD,				/* a feature of the texts, by the sparse term */
	XMC_PART_MENTIONS,			/* a word of both texts, by the mention term: how they mention it */
	XMC_PART_TEXT_EMBEDDING,	/* the linear term of the text embeddings */
	XMC_PART_NETWORK,			/* the network of a modality, or one of its inputs */
	XMC_PART_IMAGE,				/* the linear term of the images */
	XMC_PART_GUIDED,			/* the own score of two items, carried through the alignment */
	XMC_PART_TOGETHER,			/* the bilinear term */
	XMC_PART_ENCODER,			/* a word of a text by its text encoder, through the terms that read the embedding; or what no single word adds */
	XMC_PART_ROUNDING,			/* what float32 lost, where that is more than XMC_EXPLAIN_ROUNDING */
	XMC_PART_KINDS
} xmc_part_kind;

#define XMC_EXPLAIN_ROUNDING 1e-5

typedef struct xmc_part
{
	xmc_part_kind kind;
	xmc_modality modality;		/* whose score that is; XMC_JOINT: of both together */
	double		contribution;	/* log-odds that the first item of the pair stands before the second */

	/*
	 * A word, and an input of a network that is a word: the feature under its own surface form, whatever else has the same weight. A word, the n-gram of all its
	 * characters and its beginning, if that is all of the word, are one part. A word by the encoder; NULL: what no single word adds.
	 */
	xmc_feature_kind feature_kind;
	const char *term;			/* (term_length) normalised, UTF-8; not zero-terminated */
	size_t		term_length;
	size_t		word_length;	/* of the beginning of a word: (word_length) of the word whose term that is; else term_length */
	/* which items of the pair hold the feature; of a part without `term`: whose embedding; neither: all other items */
	bool		in[2];

	/*
	 * A shared word: of each item the word beside the mention that counts most, behind the word if beside_after, else before it;
	 * NULL: the text begins or ends there.
	 */
	bool		beside_after;
	const char *beside[2];		/* (beside_length) as `term` */
	size_t		beside_length[2];

	/* A guided part: the items whose own score it is, in place of those of the pair, and with which probability. */
	int32_t		via[2];
	double		probability[2]; /* 1 where the item stands for itself */
} xmc_part;

typedef struct xmc_explanation
{
	int32_t		n;
	xmc_part   *part;			/* (n) */
} xmc_explanation;

/* Receives the explanation of a pair, which lives during the call, and whose parts the visitor may sort. */
typedef void (*xmc_explanation_visitor) (void *arg, const xmc_pair *pair, xmc_explanation *explanation);

/*
 * What is told beyond one part for each term: a network has a part for each of its inputs, by integrated gradients, at the cost of some
 * 50 passes; an embedding that an encoder has made has a part for each word of its text, by occlusion, at the cost of a pass of the
 * encoder for each word.
 */
typedef struct xmc_explain_inputs
{
	xmc_text_encoder *encoder[XMC_MODALITIES];	/* of the model; NULL: there is none, and the embedding is one part */
	const xmc_encoder_text *image_text; /* (n) texts that stand for images; NULL: none do */
} xmc_explain_inputs;

/*
 * Explains the fused scores of pairs, each that `before` stands before `after`, one after the other. `document` is built from
 * `item` (n), whose texts name the words; `scores` are its scores by `rule`, which is XMC_GUIDANCE_SOFT without `inferred`.
 * inputs NULL: a network is one part, and so is an embedding.
 * No part is 0. Memory is that of one pair. Errors: those of xmc_score_documents, of xmc_text_visit and of xmc_text_encoder_embed.
 */
extern xmc_status xmc_explain(xmc_ctx *ctx, const xmc_model *model, const xmc_guidance_rule *rule,
							  xmc_tokeniser *tokeniser, const xmc_document *document, const xmc_item *item,
							  const xmc_scores *scores, const xmc_explain_inputs *inputs, int32_t n_pairs, const xmc_pair *pair,
							  xmc_explanation_visitor visit, void *arg);

/*
 * effect (count): what each of the sorted, distinct features of a text adds, by texts alone, to the log-odds that its item
 * stands after another one. A feature of a known bucket has the same weight in all texts, but its share in a text differs.
 */
extern void xmc_word_effects(const xmc_model *model, int32_t count, const uint32_t *feature, double *effect);

#endif
