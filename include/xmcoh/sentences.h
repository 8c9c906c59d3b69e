/*
 * sentences.h - a text as a document whose items are its sentences. Their order is known without any person: that of the text.
 */
#ifndef XMCOH_SENTENCES_H
#define XMCOH_SENTENCES_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/options.h"
#include "xmcoh/text.h"

#define XMC_MOST_SENTENCES 32	/* of a text; those behind are not read */
#define XMC_SENTENCE_BYTES 8192	/* of a text; sentences that end behind are not read */
#define XMC_MOST_TEXTS 16384	/* that a training is given; the document of a text takes about 2 kB */

/* The first sentence of a text: its length in bytes, at most `length`, with its end mark and white space that follows. */
extern size_t xmc_sentence_length(const char *text, size_t length);

/* Whether a text has several sentences, as far as it is read. */
extern bool xmc_has_sentences(const char *text, size_t length);

/* The options that such documents are built and flattened with: those of the model, for words alone. */
extern xmc_options xmc_sentence_options(const xmc_options *options);

/*
 * Builds the document of a text, all pairs of its sentences labelled but those with a sentence of less than two words. It has no
 * pairs if the text says nothing of an order. Everything is allocated by ctx; free it with xmc_document_free, after an error, too.
 * Errors: those of xmc_document_build.
 */
extern xmc_status xmc_document_of_sentences(xmc_ctx *ctx, const xmc_options *options, xmc_tokeniser *tokeniser, const char *text,
											size_t length, xmc_document *out);

#endif
