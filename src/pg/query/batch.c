/* batch.c - a batch of documents in one block of memory: written, computed, read; see batch.h */
#include "query/batch.h"

#include <math.h>

#include "miscadmin.h"

#include "query/encoded.h"

#include "xmcoh/order.h"

/* Offsets are from the beginning of the block; 0: there is no such thing. */
typedef struct StoredItem
{
	Size		key;
	Size		key_length;
	Size		text;
	Size		text_length;
	Size		text_embedding;
	Size		image;
	Size		image_text;		/* that stands for the image */
	Size		image_text_length;
	Size		token;
	int32		n_tokens;
} StoredItem;

typedef struct StoredDocument
{
	Size		next;			/* the document after this one, or the end of the batch */
	int32		n;
	bool		encodes_text;
	bool		stale;
	uint64		group;
	Size		key;
	Size		by;
	Size		item;			/* StoredItem (n) */
	Size		position;
	Size		decided;
	Size		answer;			/* Answer */
	void	   *note;
} StoredDocument;

/* Moves (n_moves), or the order (n_ordered), follow; there is room for n of either. */
typedef struct Answer
{
	xmc_check	check;			/* its pointer is not used */
	int32		n_ordered;
	double		confidence;
} Answer;

#define ANSWER_HEAD MAXALIGN(sizeof(Answer))

static inline void *
at(const Batch *batch, Size offset)
{
	return offset == 0 ? NULL : (char *) unconstify(Batch *, batch) + offset;
}

/* ---- writing ---- */

/* The end of a block, or, with base NULL, a count of bytes alone. */
typedef struct Writer
{
	char	   *base;
	Size		end;
} Writer;

/* Appends bytes (data NULL: none, and the offset is 0) and gives their offset. */
static Size
append(Writer *writer, const void *data, Size size)
{
	Size		offset = writer->end;

	if (data == NULL)
		return 0;
	if (writer->base != NULL)
		memcpy(writer->base + offset, data, size);
	writer->end += MAXALIGN(size);
	return offset;
}

static StoredItem
append_item(Writer *writer, const xmc_options *options, const xmc_item *item, const xmc_encoder_text *image_text)
{
	return (StoredItem) {
		.key = append(writer, item->key, item->key_length + 1),
		.key_length = item->key_length,
		.text = append(writer, item->text, item->text_length),
		.text_length = item->text_length,
		.text_embedding = append(writer, item->text_embedding, sizeof(float) * (Size) options->text_dim),
		.image = append(writer, item->image, sizeof(float) * (Size) options->image_dim),
		.image_text = image_text ? append(writer, image_text->text, image_text->length) : 0,
		.image_text_length = image_text ? image_text->length : 0,
		.token = append(writer, item->token, sizeof(int32) * (Size) item->n_tokens),
		.n_tokens = item->n_tokens
	};
}

/* Appends a document, with room for its answer. The records come first, so that their places are known. */
static void
append_document(Writer *writer, const xmc_options *options, const BatchInput *input)
{
	const SourceDocument *document = input->document;
	Size		n = (Size) document->n;
	Size		start = writer->end;
	StoredDocument stored = {.n = document->n,.encodes_text = input->encodes_text,.stale = input->stale,
	.group = xmcoh_source_group(document),
	.note = input->note};

	writer->end += MAXALIGN(sizeof(StoredDocument));
	stored.item = writer->end;
	writer->end += MAXALIGN(n * sizeof(StoredItem));
	for (Size i = 0; i < n; i++)
	{
		StoredItem	item = append_item(writer, options, &document->item[i],
									   document->image_text ? &document->image_text[i] : NULL);

		if (writer->base != NULL)
			((StoredItem *) (writer->base + stored.item))[i] = item;
	}
	stored.key = append(writer, document->key, strlen(document->key) + 1);
	stored.by = append(writer, document->by, document->by ? strlen(document->by) + 1 : 0);
	stored.position = append(writer, document->position, n * sizeof(double));
	stored.decided = append(writer, input->decided, n * n);
	stored.answer = writer->end;
	writer->end += ANSWER_HEAD + MAXALIGN(n * Max(sizeof(xmc_move), sizeof(int32)));
	stored.next = writer->end;
	if (writer->base != NULL)
		memcpy(writer->base + start, &stored, sizeof stored);
}

void
xmcoh_batch_begin(Batch *batch)
{
	*batch = (Batch) {.size = XMCOH_BATCH_HEAD};
}

Size
xmcoh_batch_room(const xmc_options *options, const BatchInput *input)
{
	Writer		writer = {0};

	append_document(&writer, options, input);
	return writer.end;
}

void
xmcoh_batch_add(Batch *batch, const xmc_options *options, const BatchInput *input)
{
	Writer		writer = {.base = (char *) batch,.end = batch->size};

	append_document(&writer, options, input);
	for (int32 i = 0; i < input->document->n; i++)
	{
		const xmc_encoder_text *image = input->document->image_text;

		batch->encodes[XMC_TEXT] |= input->encodes_text && xmcoh_lacks_vector(&input->document->item[i]);
		batch->encodes[XMC_IMAGE] |= image != NULL && image[i].text != NULL;
	}
	batch->size = writer.end;
	batch->n++;
	batch->items += input->document->n;
}

/* ---- computing ---- */

/* The document at an offset. */
static const StoredDocument *
stored_at(const Batch *batch, Size offset)
{
	return at(batch, offset);
}

/* The items of a stored document. Adds the texts whose vectors they lack to the lists. */
static xmc_item *
view_items(const Batch *batch, const StoredDocument *stored, TextList list[XMC_MODALITIES])
{
	const StoredItem *from = at(batch, stored->item);
	xmc_item   *item = palloc(((Size) stored->n + 1) * sizeof(xmc_item));

	for (int32 i = 0; i < stored->n; i++)
	{
		item[i] = (xmc_item) {.key = at(batch, from[i].key),.key_length = from[i].key_length,.text = at(batch, from[i].text),
			.text_length = from[i].text_length,.text_embedding = at(batch, from[i].text_embedding),
			.image = at(batch, from[i].image),.token = at(batch, from[i].token),.n_tokens = from[i].n_tokens};
		if (stored->encodes_text && xmcoh_lacks_vector(&item[i]))
			xmcoh_list_text(&list[XMC_TEXT], item[i].text, item[i].text_length, &item[i].text_embedding);
		if (from[i].image_text != 0)
			xmcoh_list_text(&list[XMC_IMAGE], at(batch, from[i].image_text), from[i].image_text_length, &item[i].image);
	}
	return item;
}

/* Computes the vectors of a list. */
static xmc_status
encode(xmc_ctx *ctx, const OpenEncoder *encoder, const TextList *list, int32 dim)
{
	float	   *vector;

	if (list->n == 0)
		return XMC_OK;
	if (encoder == NULL)
		return xmc_fail(ctx, XMC_CHANGED, "the text encoder is not open");
	vector = palloc_extended(sizeof(float) * (Size) list->n * (Size) dim, MCXT_ALLOC_HUGE);
	XMC_TRY(xmcoh_encode_texts_by(ctx, encoder, list->n, list->text, vector));
	for (int32 k = 0; k < list->n; k++)
		*list->to[k] = vector + (Size) k * (Size) dim;
	return XMC_OK;
}

/* The core's documents of a batch. */
static xmc_status
build(xmc_ctx *ctx, const xmc_model *model, const OpenEncoder *const encoder[XMC_MODALITIES], const BatchTask *task,
	  const Batch *batch, xmc_document *document)
{
	const xmc_options *options = &model->options;
	xmc_item  **item = palloc((Size) batch->n * sizeof(xmc_item *));
	TextList	list[XMC_MODALITIES] = {0};
	Size		offset = XMCOH_BATCH_HEAD;

	for (int32 d = 0; d < batch->n; d++, offset = stored_at(batch, offset)->next)
		item[d] = view_items(batch, stored_at(batch, offset), list);
	XMC_TRY(encode(ctx, encoder[XMC_TEXT], &list[XMC_TEXT], options->text_dim));
	XMC_TRY(encode(ctx, encoder[XMC_IMAGE], &list[XMC_IMAGE], options->image_dim));
	offset = XMCOH_BATCH_HEAD;
	for (int32 d = 0; d < batch->n; d++)
	{
		const StoredDocument *stored = stored_at(batch, offset);

		XMC_TRY(xmc_document_build(ctx, options, xmcoh_tokeniser(), stored->n, item[d], &document[d]));
		document[d].group = stored->group;
		if (task->rule.mode == XMC_GUIDANCE_STORED)
			XMC_TRY(xmc_document_label_positions(ctx, &document[d], at(batch, stored->position)));
		offset = stored->next;
	}
	return XMC_OK;
}

static xmc_status
answer_document(xmc_ctx *ctx, const BatchTask *task, const Batch *batch, const StoredDocument *stored,
				const xmc_document *document, const xmc_scores *scores)
{
	Answer	   *answer = at(batch, stored->answer);
	const uint8 *decided = at(batch, stored->decided);
	void	   *rest = (char *) answer + ANSWER_HEAD;

	if (task->wants_order)
	{
		XMC_TRY(xmc_recover_order(ctx, document, scores, task->kind, decided, NULL, rest, &answer->n_ordered));
		answer->confidence = exp(xmc_order_confidence(stored->n, scores->score[task->kind], decided, answer->n_ordered, rest));
		return XMC_OK;
	}
	XMC_TRY(xmc_check_order(ctx, stored->n, scores->score[XMC_SCORE_FUSED], decided, at(batch, stored->position),
							task->threshold, &answer->check));
	if (answer->check.n_moves > 0)
		memcpy(rest, answer->check.move, (Size) answer->check.n_moves * sizeof(xmc_move));
	return XMC_OK;
}

xmc_status
xmcoh_batch_compute(xmc_ctx *ctx, const xmc_model *model, const OpenEncoder *const encoder[XMC_MODALITIES],
					const BatchTask *task, Batch *batch)
{
	xmc_document *document = palloc((Size) batch->n * sizeof(xmc_document));
	xmc_scores *scores = palloc((Size) batch->n * sizeof(xmc_scores));
	Size		offset = XMCOH_BATCH_HEAD;

	XMC_TRY(build(ctx, model, encoder, task, batch, document));
	XMC_TRY(xmc_score_documents_by(ctx, model, &task->rule, batch->n, document, scores));
	for (int32 d = 0; d < batch->n; d++, offset = stored_at(batch, offset)->next)
	{
		XMC_TRY(xmc_check_stop(ctx));
		XMC_TRY(answer_document(ctx, task, batch, stored_at(batch, offset), &document[d], &scores[d]));
	}
	return XMC_OK;
}

/* ---- reading ---- */

void
xmcoh_batch_visit(const Batch *batch, bool has_orders, BatchVisitor visit, void *arg)
{
	Size		offset = XMCOH_BATCH_HEAD;

	for (int32 d = 0; d < batch->n; d++)
	{
		const StoredDocument *stored = stored_at(batch, offset);
		const StoredItem *item = at(batch, stored->item);
		Answer	   *answer = at(batch, stored->answer);
		void	   *rest = (char *) answer + ANSWER_HEAD;
		BatchDocument document = {.key = at(batch, stored->key),.n = stored->n,.by = at(batch, stored->by),
			.position = at(batch, stored->position),.stale = stored->stale,.note = stored->note};

		CHECK_FOR_INTERRUPTS();
		document.item = palloc(((Size) stored->n + 1) * sizeof(char *));
		for (int32 i = 0; i < stored->n; i++)
			document.item[i] = at(batch, item[i].key);
		if (has_orders)
		{
			document.n_ordered = answer->n_ordered;
			document.order = rest;
			document.confidence = answer->confidence;
		}
		else
		{
			document.check = answer->check;
			document.check.move = rest;
		}
		visit(arg, &document);
		offset = stored->next;
	}
}
