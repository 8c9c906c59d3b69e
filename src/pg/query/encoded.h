/*
 * encoded.h - items whose texts are made into vectors by the text encoders of a model: the items of a call, and the documents
 * of a source.
 *
 * An item that has a text embedding, or an image, keeps it. Where it has none, the encoder computes it from the text, which must
 * not be empty. Nothing is written to the database.
 */
#ifndef XMCOH_PG_ENCODED_H
#define XMCOH_PG_ENCODED_H

#include "postgres.h"

#include "model/weights.h"
#include "source/source.h"

/* Texts that one encoder is to make vectors of, and where each vector belongs. Begins with zeroes. */
typedef struct TextList
{
	int32		n;
	int32		capacity;
	xmc_encoder_text *text;		/* (n) */
	const float ***to;			/* (n) */
} TextList;

extern void xmcoh_list_text(TextList *list, const char *text, size_t length, const float **to);

/* Whether the text encoder of a model is to make the vector of an item's text. */
static inline bool
xmcoh_lacks_vector(const xmc_item *item)
{
	return item->text_embedding == NULL && item->text != NULL && item->text_length > 0;
}

/* Sets the text embeddings that the items of a call lack; in CurrentMemoryContext. Errors: those of xmcoh_encoded_next. */
extern void xmcoh_encode_items(const DeployedModel *deployed, int32 n, xmc_item *item);

/* Says whether a document is wanted, before any vector is computed for it. */
typedef bool (*EncodedFilter) (void *arg, const SourceDocument *document);

/* What to read. */
typedef struct EncodedRequest
{
	const xmc_options *options;
	const DeployedModel *deployed;	/* whose version the encoders must have taught; NULL: a version is being trained */
	const DocumentKeys *keys;	/* the wanted documents; NULL: all */
	EncodedFilter filter;		/* NULL: all documents that are read */
	void	   *arg;			/* of the filter */
	bool		lazily;			/* the vectors are computed later: documents are given as they are read */
} EncodedRequest;

typedef struct EncodedReader EncodedReader;

/*
 * A reader as xmcoh_source_open gives it, whose documents have all vectors. Where documents lack vectors they are read ahead, a
 * batch at a time, so that the texts of a batch are encoded together; the filter sees a document when it is read. Lives in CurrentMemoryContext. Errors: those of xmcoh_source_open and xmcoh_source_next, of
 * xmcoh_encode_texts; object_not_in_prerequisite_state: the version was trained with another encoder.
 */
extern EncodedReader *xmcoh_encoded_open(const SourceColumns *columns, const EncodedRequest *request);

/* The next wanted document, valid until the next call, or NULL at the end. */
extern const SourceDocument *xmcoh_encoded_next(EncodedReader *reader);
extern void xmcoh_encoded_close(EncodedReader *reader);

/* Visits the wanted documents of all sources of a list, as xmcoh_source_visit does. */
extern void xmcoh_encoded_visit(List *sources, const EncodedRequest *request, SourceVisitor visit, void *arg);

/*
 * ERROR, as xmcoh_encoded_next raises, unless the version was trained with the encoders that are to compute what a document lacks.
 * is_checked[m]: encoder m has been checked before.
 */
extern void xmcoh_check_encoders(const DeployedModel *deployed, const SourceDocument *document, bool is_checked[XMC_MODALITIES]);

#endif
