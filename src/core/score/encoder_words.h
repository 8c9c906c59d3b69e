/*
 * encoder_words.h - what the embedding of an item adds to the score of a pair, as a sum over the words of the text that a text encoder
 * has made it from: by occlusion (Zeiler and Fergus 2014; Li et al. 2016), each word in turn taken out of the text.
 */
#ifndef XMCOH_ENCODER_WORDS_H
#define XMCOH_ENCODER_WORDS_H

#include "xmcoh/explain.h"

/* The text that an item's embedding is made from. */
typedef struct xmc_encoded_text
{
	const xmc_model *model;
	xmc_modality modality;
	xmc_text_encoder *encoder;
	xmc_tokeniser *tokeniser;
	const xmc_document *document;
	int32_t		item;
	int			side;			/* of the pair */
	xmc_encoder_text text;
} xmc_encoded_text;

/* What the vectors of a text by one encoder add. */
typedef struct xmc_vector_share
{
	double		share;			/* log-odds */
	const double *gradient;		/* (embedding_dim) of the log-odds by the standardised vector; NULL: nothing is added */
	bool		is_told;		/* result: the vector is that of the text, so its share is among the parts */
} xmc_vector_share;

enum
{
	XMC_VECTOR_IMPORTED,		/* by the encoder as it was imported */
	XMC_VECTOR_TUNED,			/* by the text network's changed encoder */
	XMC_VECTORS
};

/*
 * Appends the parts of the shares: one for each word, by its normalised form, wherever it stands in the text; and what no single word
 * adds, without `term`. A word adds gradient times (vector of the text - vector of the text without the word); the rest makes the
 * parts sum to the shares. The first XMC_OCCLUDED_WORDS words of the text have parts. A share whose vector is not that of the text,
 * because the row has another one, is not told. To part, from *n on, which has room for XMC_OCCLUDED_WORDS + 1 more. All texts
 * are encoded together. Errors: those of xmc_text_words and xmc_text_encoder_embed.
 */
#define XMC_OCCLUDED_WORDS 256
extern xmc_status xmc_encoder_word_parts(xmc_arena *arena, const xmc_encoded_text *of, xmc_vector_share share[XMC_VECTORS],
										 int32_t *n, xmc_part *part);

#endif
