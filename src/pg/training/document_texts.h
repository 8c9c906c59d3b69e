/*
 * document_texts.h - texts of a training's documents that a text encoder makes into vectors.
 *
 * A document is written to the documents' file with zeros in place of the vectors that its items lack; their texts wait in a
 * temporary file of their own. When all documents are read, each distinct text is encoded once, in batches, each in a
 * transaction of its own, and its vector is written to its places in the documents' file.
 */
#ifndef XMCOH_PG_DOCUMENT_TEXTS_H
#define XMCOH_PG_DOCUMENT_TEXTS_H

#include "source/source.h"
#include "training/document_file.h"

typedef struct DocumentTexts DocumentTexts;

/*
 * No texts yet, in CurrentMemoryContext. `encoder` (XMC_MODALITIES): the numbers of the model's encoders; 0: none. Needs a
 * transaction, in which all texts are added.
 */
extern DocumentTexts *xmcoh_texts_create(const xmc_options *options, const int32 *encoder);

/*
 * Gives the items of a document that lack a vector, and have a text for it, zeros in its place; where the version fine-tunes the
 * encoder, also the tokens of their texts, in CurrentMemoryContext. Before xmc_document_build.
 */
extern void xmcoh_texts_hold_place(const DocumentTexts *texts, const SourceDocument *source);

/* Adds the texts of these items. `offset`: where the document's record begins in the documents' file. */
extern void xmcoh_texts_add(DocumentTexts *texts, const SourceDocument *source, uint64 offset);

/* Called after each batch, outside of any transaction. */
typedef void (*TextProgress) (void *arg, int64 done, int64 total);

/*
 * Encodes the texts of the documents that are in the set, which must be mapped, and forgets all texts. Not in a transaction.
 * Errors: those of xmcoh_encode_texts; file errors.
 */
extern void xmcoh_texts_encode(DocumentTexts *texts, Documents *documents, TextProgress progress, void *arg);

#endif
