/*
 * text_encoder.h - an imported language model that makes a vector of a text: the files in which such models are published,
 * the one file that is made of them, tokens, and vectors (design section 4, "Text encoders").
 *
 * Encoders of the BERT and XLM-RoBERTa families are read: Devlin et al. 2019 (arXiv:1810.04805), Conneau et al. 2020
 * (arXiv:1911.02116). A text is cut into tokens (WordPiece or Unigram), at most max_tokens of them; post-norm Transformer
 * layers with GELU and absolute positions give one vector for each token; their mean, or the vector of the first token, is the
 * vector of the text, divided by its length where the encoder says so.
 */
#ifndef XMCOH_TEXT_ENCODER_H
#define XMCOH_TEXT_ENCODER_H

#include "xmcoh/base.h"

#define XMC_ENCODER_MAX_DIM 4096
#define XMC_ENCODER_MAX_LAYERS 48
#define XMC_ENCODER_MAX_TOKENS 8192

/* One file as it was published; bytes NULL: there is none. */
typedef struct xmc_published_file
{
	const void *bytes;
	size_t		size;
} xmc_published_file;

/* The files of a published encoder. The first three are needed. */
typedef struct xmc_published_encoder
{
	xmc_published_file weights; /* model.safetensors: F32, F16 or BF16 */
	xmc_published_file config;	/* config.json */
	xmc_published_file tokenizer;	/* tokenizer.json */
	xmc_published_file modules; /* modules.json: whether vectors are normalised; none: they are not */
	xmc_published_file pooling; /* 1_Pooling/config.json; none: the mean over the tokens */
	xmc_published_file sentence;	/* sentence_bert_config.json: max_seq_length; none: what the positions allow */
} xmc_published_encoder;

/* What the files say of an encoder. */
typedef struct xmc_text_encoder_shape
{
	const char *family;			/* 'bert' or 'xlm-roberta' */
	int32_t		dim;			/* numbers in a vector */
	int32_t		layers;
	int32_t		heads;
	int32_t		feed_forward;
	int32_t		vocabulary;		/* tokens */
	int32_t		max_tokens;		/* of a text, the special ones included; what is beyond is not read */
	int64_t		parameters;
	bool		first_token;	/* pooling: the vector of the first token; else the mean over all */
	bool		normalised;		/* vectors have length 1 */
} xmc_text_encoder_shape;

/*
 * Makes the one file of an encoder from its published files: a safetensors file of F32 weights with the encoder's own names, the
 * tables of the tokenizer as further tensors, and the shape as metadata. *out is allocated by ctx. The same input gives the same
 * bytes. Everything is checked: the input may be hostile. Errors: XMC_BAD_INPUT (a file is damaged, of another family, or says
 * something that is not supported; the message names the file, the field and what was found), XMC_LIMIT, XMC_NO_MEMORY,
 * XMC_STOPPED.
 */
extern xmc_status xmc_text_encoder_compile(xmc_ctx *ctx, const xmc_published_encoder *published, void **out, size_t *out_size);

typedef struct xmc_text_encoder xmc_text_encoder;

/*
 * Opens the file of an encoder, which must outlive it: the encoder reads weights and tables in place. Takes a few milliseconds,
 * whatever the size. The file is checked as far as memory safety needs: every offset and token, not every weight. Errors:
 * XMC_BAD_MODEL (damaged; the message says what is wrong), XMC_NO_MEMORY.
 */
extern xmc_status xmc_text_encoder_open(xmc_ctx *ctx, const void *file, size_t size, xmc_text_encoder **out);
extern void xmc_text_encoder_close(xmc_ctx *ctx, xmc_text_encoder *encoder);
extern const xmc_text_encoder_shape *xmc_text_encoder_get_shape(const xmc_text_encoder *encoder);

/* Checks every weight, for a file that comes from elsewhere. Errors: XMC_BAD_MODEL (NaN or infinite), XMC_STOPPED. */
extern xmc_status xmc_text_encoder_check_finite(xmc_ctx *ctx, const xmc_text_encoder *encoder);

/* The encoder's parameters, for a model that fine-tunes it (xmcoh/model.h); valid as long as the encoder. */
extern const struct xmc_transformer *xmc_text_encoder_transformer(const xmc_text_encoder *encoder);

/* A text to be embedded, in UTF-8. */
typedef struct xmc_encoder_text
{
	const char *text;
	size_t		length;
} xmc_encoder_text;

/*
 * The tokens of a text, special ones included: id (max_tokens) is filled to *n. Invalid UTF-8 is an error: XMC_BAD_INPUT. Other
 * errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_text_encoder_tokens(xmc_ctx *ctx, xmc_text_encoder *encoder, const char *text, size_t length,
										  int32_t *id, int32_t *n);

/*
 * The vectors of n texts, out (n, dim). Texts are computed in batches of bounded memory, without padding. The vector of a
 * text is the same to the bit whatever other texts stand in the call. Errors: as xmc_text_encoder_tokens, and XMC_BAD_MODEL
 * (a vector is not finite).
 */
extern xmc_status xmc_text_encoder_embed(xmc_ctx *ctx, xmc_text_encoder *encoder, int32_t n, const xmc_encoder_text *text,
										 float *out);

#endif
