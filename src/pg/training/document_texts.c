/* document_texts.c - vectors of the texts of a training's documents, computed and written to their file; see document_texts.h */
#include "training/document_texts.h"

#include "commands/tablespace.h"
#include "miscadmin.h"
#include "storage/buffile.h"
#include "utils/memutils.h"

#include "model/encoders.h"
#include "training/session.h"

#include "xmcoh/hash.h"

/* A batch is full when it reaches one of these. */
#define BATCH_TEXTS 512			/* distinct ones */
#define BATCH_BYTES (1 << 24)	/* of texts and vectors */

/* A text, and where its vector belongs. */
typedef struct WaitingText
{
	uint64		hash;			/* of the text */
	uint64		offset;			/* of the document's record in the documents' file */
	uint64		at;				/* of the text in the texts' file */
	int32		length;
	int32		item;
	int32		number;			/* of its vector in the batch */
	xmc_modality modality;
} WaitingText;

struct DocumentTexts
{
	int32		encoder[XMC_MODALITIES];
	int32		dim[XMC_MODALITIES];
	float	   *zeros;			/* (the larger dim) in place of a vector */
	bool		wants_tokens;	/* the version fine-tunes the encoder */
	BufFile    *file;			/* NULL: the model has no encoder */
	uint64		size;			/* bytes in it */
	int64		n;
	int64		capacity;
	WaitingText *text;			/* (n) */
};

DocumentTexts *
xmcoh_texts_create(const xmc_options *options, const int32 *encoder)
{
	DocumentTexts *texts = palloc0(sizeof(DocumentTexts));

	memcpy(texts->encoder, encoder, sizeof texts->encoder);
	texts->dim[XMC_TEXT] = options->text_dim;
	texts->dim[XMC_IMAGE] = options->image_dim;
	texts->wants_tokens = options->fine_tune > 0;
	if (encoder[XMC_TEXT] == 0 && encoder[XMC_IMAGE] == 0)
		return texts;
	texts->zeros = palloc0(sizeof(float) * (Size) Max(options->text_dim, options->image_dim));
	PrepareTempTablespaces();
	texts->file = BufFileCreateTemp(true);
	texts->capacity = 1024;
	texts->text = palloc(sizeof(WaitingText) * (Size) texts->capacity);
	return texts;
}

/* ---- while documents are read ---- */

void
xmcoh_texts_hold_place(const DocumentTexts *texts, const SourceDocument *source)
{
	for (int32 i = 0; i < source->n; i++)
	{
		xmc_item   *item = &source->item[i];

		if (texts->encoder[XMC_TEXT] > 0 && item->text != NULL && item->text_length > 0)
		{
			if (item->text_embedding == NULL)
				item->text_embedding = texts->zeros;
			if (texts->wants_tokens)
				item->token = xmcoh_encoder_tokens(texts->encoder[XMC_TEXT], item->text, item->text_length,
												   &item->n_tokens);
		}
		if (source->image_text != NULL && source->image_text[i].text != NULL)
			item->image = texts->zeros;
	}
}

static void
add_text(DocumentTexts *texts, uint64 offset, int32 item, xmc_modality modality, const char *text, size_t length)
{
	if (texts->n == texts->capacity)
	{
		texts->capacity *= 2;
		texts->text = repalloc_huge(texts->text, sizeof(WaitingText) * (Size) texts->capacity);
	}
	texts->text[texts->n++] = (WaitingText) {.hash = xmc_hash_bytes(text, length, 0),.offset = offset,.at = texts->size,
	.length = (int32) length,.item = item,.modality = modality};
	BufFileWrite(texts->file, unconstify(char *, text), length);
	texts->size += length;
}

void
xmcoh_texts_add(DocumentTexts *texts, const SourceDocument *source, uint64 offset)
{
	for (int32 i = 0; i < source->n && texts->file != NULL; i++)
	{
		const xmc_item *item = &source->item[i];

		if (item->text_embedding == texts->zeros)
			add_text(texts, offset, i, XMC_TEXT, item->text, item->text_length);
		if (item->image == texts->zeros)
			add_text(texts, offset, i, XMC_IMAGE, source->image_text[i].text, source->image_text[i].length);
	}
}

/* ---- afterwards ---- */

/* Keeps the texts of the documents that are in the set. Both are in the order of the documents' file. */
static void
forget_other_documents(DocumentTexts *texts, const Documents *documents)
{
	int64		kept = 0;
	int32		d = 0;

	for (int64 k = 0; k < texts->n; k++)
	{
		while (d < documents->n && xmcoh_documents_offset(documents, &documents->document[d]) < texts->text[k].offset)
			d++;
		if (d < documents->n && xmcoh_documents_offset(documents, &documents->document[d]) == texts->text[k].offset)
			texts->text[kept++] = texts->text[k];
	}
	texts->n = kept;
}

static int
compare_texts(const void *a, const void *b)
{
	const WaitingText *x = a;
	const WaitingText *y = b;

	if (x->modality != y->modality)
		return (x->modality > y->modality) - (x->modality < y->modality);
	if (x->hash != y->hash)
		return x->hash > y->hash ? 1 : -1;
	return (x->at > y->at) - (x->at < y->at);
}

static char *
read_text(const DocumentTexts *texts, const WaitingText *waiting)
{
	char	   *text = MemoryContextAllocHuge(CurrentMemoryContext, (Size) waiting->length);

	if (BufFileSeek(texts->file, 0, (off_t) waiting->at, SEEK_SET) != 0 ||
		BufFileRead(texts->file, text, (size_t) waiting->length) != (size_t) waiting->length)
		ereport(ERROR, errcode_for_file_access(), errmsg("could not read the temporary file of texts: %m"));
	return text;
}

/*
 * Reads the distinct texts of a batch, which begins with text number `first`. Equal texts stand side by side, because their
 * hashes are equal. Returns the number of the text after the batch.
 */
static int64
read_batch(DocumentTexts *texts, int64 first, xmc_encoder_text *distinct, int32 *n)
{
	xmc_modality modality = texts->text[first].modality;
	Size		bytes = 0;
	int64		k;

	*n = 0;
	for (k = first; k < texts->n && texts->text[k].modality == modality && bytes < BATCH_BYTES; k++)
	{
		WaitingText *waiting = &texts->text[k];
		char	   *text = read_text(texts, waiting);
		const xmc_encoder_text *last = *n > 0 ? &distinct[*n - 1] : NULL;

		CHECK_FOR_INTERRUPTS();
		if (last != NULL && last->length == (size_t) waiting->length && memcmp(last->text, text, last->length) == 0)
			pfree(text);
		else if (*n == BATCH_TEXTS)
			break;
		else
		{
			distinct[(*n)++] = (xmc_encoder_text) {text, (size_t) waiting->length};
			bytes += (Size) waiting->length + sizeof(float) * (Size) texts->dim[modality];
		}
		waiting->number = *n - 1;
	}
	return k;
}

/* Writes the vectors of the texts from number `first` to `end` to their places. */
static void
write_vectors(const DocumentTexts *texts, Documents *documents, int64 first, int64 end, const float *vector)
{
	File		handle = xmcoh_documents_open(documents);

	for (int64 k = first; k < end; k++)
	{
		const WaitingText *waiting = &texts->text[k];
		Size		dim = (Size) texts->dim[waiting->modality];
		xmc_document document;

		CHECK_FOR_INTERRUPTS();
		xmcoh_documents_view(documents, waiting->offset, &document);
		xmcoh_documents_write(documents, handle, (waiting->modality == XMC_TEXT ? document.text_embedding : document.image) +
							  (Size) waiting->item * dim, vector + (Size) waiting->number * dim, sizeof(float) * dim);
		xmcoh_documents_maybe_trim();
	}
	FileClose(handle);
}

void
xmcoh_texts_encode(DocumentTexts *texts, Documents *documents, TextProgress progress, void *arg)
{
	MemoryContext memory;
	MemoryContext caller;
	int64		next;

	if (texts->file == NULL)
		return;
	memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh texts", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(memory);
	forget_other_documents(texts, documents);
	qsort(texts->text, (size_t) texts->n, sizeof(WaitingText), compare_texts);
	if (texts->n > 0)
		progress(arg, 0, texts->n);
	for (int64 first = 0; first < texts->n; first = next)
	{
		xmc_encoder_text *distinct = palloc(sizeof(xmc_encoder_text) * BATCH_TEXTS);
		xmc_modality modality = texts->text[first].modality;
		float	   *vector;
		int32		n;

		next = read_batch(texts, first, distinct, &n);
		vector = MemoryContextAllocHuge(memory, sizeof(float) * (Size) n * (Size) texts->dim[modality]);
		worker_begin(false);
		MemoryContextSwitchTo(memory);
		xmcoh_encode_texts(texts->encoder[modality], n, distinct, vector);
		write_vectors(texts, documents, first, next, vector);
		worker_commit();
		MemoryContextReset(memory);
		progress(arg, next, texts->n);
		MemoryContextSwitchTo(memory);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
	BufFileClose(texts->file);
	texts->file = NULL;
	pfree(texts->text);
	texts->n = 0;
}
