/*
 * encoded.c - vectors of texts, set where items lack them: of the items of a call, and of a source's documents in batches;
 * encoded.h is the contract.
 */
#include "query/encoded.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "model/encoders.h"

/* A batch of documents is full when it reaches one of these. */
#define BATCH_DOCUMENTS 256
#define BATCH_TEXTS 4096		/* to be encoded */
#define BATCH_BYTES (1 << 24)	/* of embeddings and texts */

void
xmcoh_list_text(TextList *list, const char *text, size_t length, const float **to)
{
	if (list->n == list->capacity)
	{
		list->capacity = Max(64, 2 * list->capacity);
		list->text = list->text == NULL ? palloc(sizeof(*list->text) * list->capacity)
			: repalloc_huge(list->text, sizeof(*list->text) * list->capacity);
		list->to = list->to == NULL ? palloc(sizeof(*list->to) * list->capacity)
			: repalloc_huge(list->to, sizeof(*list->to) * list->capacity);
	}
	list->text[list->n] = (xmc_encoder_text) {text, length};
	list->to[list->n++] = to;
}

/* Lists the texts of items that lack a text embedding. */
static void
list_texts(TextList *list, int32 n, xmc_item *item)
{
	for (int32 i = 0; i < n; i++)
		if (xmcoh_lacks_vector(&item[i]))
			xmcoh_list_text(list, item[i].text, item[i].text_length, &item[i].text_embedding);
}

/* ERROR unless the version was trained with this encoder of a modality. */
static void
check_encoder(const DeployedModel *deployed, int32 encoder_id, xmc_modality modality)
{
	const char *known = deployed->model->encoder[modality];
	const char *present = xmcoh_encoder_sha256(encoder_id);

	if (strcmp(known, present) != 0)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("version %d of the model was not trained with the encoder that the model has now", deployed->version),
				errdetail("The version was trained with %s, and the model has the encoder with SHA-256 %s.",
						  known[0] == '\0' ? "no encoder" : psprintf("the encoder with SHA-256 %s", known), present),
				errhint("Train the model anew."));
}

static void
check_dim(int32 encoder_id, int32 dim)
{
	if (xmcoh_encoder_shape(encoder_id)->dim != dim)
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("the model reads embeddings of %d numbers, but its encoder makes vectors of %d", dim,
					   xmcoh_encoder_shape(encoder_id)->dim));
}

/* Encodes the texts of a list, in CurrentMemoryContext. */
static void
encode_list(const TextList *list, const DeployedModel *deployed, int32 encoder_id, xmc_modality modality, int32 dim)
{
	float	   *vector;

	if (list->n == 0)
		return;
	check_encoder(deployed, encoder_id, modality);
	check_dim(encoder_id, dim);
	vector = palloc_extended(sizeof(float) * (Size) list->n * (Size) dim, MCXT_ALLOC_HUGE);
	xmcoh_encode_texts(encoder_id, list->n, list->text, vector);
	for (int32 k = 0; k < list->n; k++)
		*list->to[k] = vector + (Size) k * (Size) dim;
}

/* Sets the tokens of texts, in CurrentMemoryContext, if the version fine-tunes the encoder. deployed NULL: nothing is done. */
static void
set_tokens(const DeployedModel *deployed, int32 n, xmc_item *item)
{
	int32		encoder_id = deployed == NULL ? 0 : deployed->encoder[XMC_TEXT];

	if (encoder_id == 0 || !xmc_reads_tokens(deployed->model))
		return;
	check_encoder(deployed, encoder_id, XMC_TEXT);
	for (int32 i = 0; i < n; i++)
		if (item[i].text != NULL && item[i].text_length > 0)
			item[i].token = xmcoh_encoder_tokens(encoder_id, item[i].text, item[i].text_length, &item[i].n_tokens);
}

void
xmcoh_encode_items(const DeployedModel *deployed, int32 n, xmc_item *item)
{
	TextList	list = {0};

	if (deployed->encoder[XMC_TEXT] == 0)
		return;
	set_tokens(deployed, n, item);
	list_texts(&list, n, item);
	encode_list(&list, deployed, deployed->encoder[XMC_TEXT], XMC_TEXT, deployed->model->options.text_dim);
}

/* ---- documents of a source ---- */

struct EncodedReader
{
	const SourceColumns *columns;
	const EncodedRequest *request;
	SourceReader *source;
	bool		has_encoder;
	MemoryContext memory;		/* of the documents of the batch */
	int32		n;
	int32		next;
	SourceDocument document[BATCH_DOCUMENTS];
};

EncodedReader *
xmcoh_encoded_open(const SourceColumns *columns, const EncodedRequest *request)
{
	EncodedReader *reader = palloc0(sizeof(EncodedReader));

	reader->columns = columns;
	reader->request = request;
	reader->has_encoder = columns->encoder[XMC_TEXT] > 0 || columns->encoder[XMC_IMAGE] > 0;
	reader->memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh encoded documents", ALLOCSET_DEFAULT_SIZES);
	reader->source = xmcoh_source_open(columns, request->options, request->keys);
	return reader;
}

static const SourceDocument *
next_wanted(EncodedReader *reader)
{
	const EncodedRequest *request = reader->request;
	const SourceDocument *document;

	do
		document = xmcoh_source_next(reader->source);
	while (document != NULL && request->filter != NULL && !request->filter(request->arg, document));
	if (document != NULL)
		set_tokens(request->deployed, document->n, document->item);
	return document;
}

/* Lists the texts of a document that are to be encoded. */
static void
list_document(const EncodedReader *reader, const SourceDocument *document, TextList *list)
{
	if (reader->columns->encoder[XMC_TEXT] > 0)
		list_texts(&list[XMC_TEXT], document->n, document->item);
	for (int32 i = 0; i < document->n && document->image_text != NULL; i++)
		if (document->image_text[i].text != NULL)
			xmcoh_list_text(&list[XMC_IMAGE], document->image_text[i].text, document->image_text[i].length,
					 &document->item[i].image);
}

/*
 * Reads a batch and computes the vectors that its items lack. A batch begins with a document that lacks vectors. A document before
 * it is returned and not kept, so documents whose vectors are stored cost no more than without an encoder.
 */
static const SourceDocument *
read_batch(EncodedReader *reader)
{
	const xmc_options *options = reader->request->options;
	TextList	list[XMC_MODALITIES] = {0};
	int64		bytes = 0;

	MemoryContextReset(reader->memory);
	reader->n = reader->next = 0;
	while (reader->n < BATCH_DOCUMENTS && list[XMC_TEXT].n + list[XMC_IMAGE].n < BATCH_TEXTS && bytes < BATCH_BYTES)
	{
		const SourceDocument *document = next_wanted(reader);

		if (document == NULL)
			break;
		list_document(reader, document, list);
		if (list[XMC_TEXT].n + list[XMC_IMAGE].n == 0)
			return document;
		for (int32 i = 0; i < document->n; i++)
			bytes += (int64) document->item[i].text_length + (int64) sizeof(float) * (options->image_dim + options->text_dim);
		xmcoh_source_keep(reader->source, reader->memory, &reader->document[reader->n++]);
	}
	encode_list(&list[XMC_TEXT], reader->request->deployed, reader->columns->encoder[XMC_TEXT], XMC_TEXT, options->text_dim);
	encode_list(&list[XMC_IMAGE], reader->request->deployed, reader->columns->encoder[XMC_IMAGE], XMC_IMAGE,
				options->image_dim);
	return reader->n > 0 ? &reader->document[reader->next++] : NULL;
}

const SourceDocument *
xmcoh_encoded_next(EncodedReader *reader)
{
	const SourceDocument *document;
	MemoryContext caller;

	if (!reader->has_encoder || reader->request->lazily)
		return next_wanted(reader);
	if (reader->next < reader->n)
		return &reader->document[reader->next++];
	caller = MemoryContextSwitchTo(reader->memory);
	document = read_batch(reader);
	MemoryContextSwitchTo(caller);
	return document;
}

void
xmcoh_encoded_close(EncodedReader *reader)
{
	xmcoh_source_close(reader->source);
	MemoryContextDelete(reader->memory);
	pfree(reader);
}

void
xmcoh_encoded_visit(List *sources, const EncodedRequest *request, SourceVisitor visit, void *arg)
{
	ListCell   *cell;
	bool		more = true;

	foreach(cell, sources)
	{
		EncodedReader *reader = xmcoh_encoded_open(lfirst(cell), request);
		const SourceDocument *document;

		while (more && (document = xmcoh_encoded_next(reader)) != NULL)
			more = visit(arg, document);
		xmcoh_encoded_close(reader);
	}
}

void
xmcoh_check_encoders(const DeployedModel *deployed, const SourceDocument *document, bool is_checked[XMC_MODALITIES])
{
	const xmc_options *options = &deployed->model->options;
	bool		lacks[XMC_MODALITIES] = {false};

	for (int32 i = 0; i < document->n; i++)
	{
		lacks[XMC_TEXT] = lacks[XMC_TEXT] || (deployed->encoder[XMC_TEXT] > 0 && xmcoh_lacks_vector(&document->item[i]));
		lacks[XMC_IMAGE] = lacks[XMC_IMAGE] || (document->image_text != NULL && document->image_text[i].text != NULL);
	}
	for (int m = 0; m < XMC_MODALITIES; m++)
		if (lacks[m] && !is_checked[m])
		{
			is_checked[m] = true;
			check_encoder(deployed, deployed->encoder[m], (xmc_modality) m);
			check_dim(deployed->encoder[m], m == XMC_TEXT ? options->text_dim : options->image_dim);
		}
}
