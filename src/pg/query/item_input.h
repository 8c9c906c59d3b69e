/*
 * item_input.h - what the arguments of one row say about one item: its text, its image, its text embedding.
 *
 * An input is read from datums first and checked against a model's options later, because an aggregate knows the model's
 * options only when it is finished. Each of the three may be NULL.
 */
#ifndef XMCOH_PG_ITEM_INPUT_H
#define XMCOH_PG_ITEM_INPUT_H

#include "postgres.h"

#include "fmgr.h"

#include "model/weights.h"

#include "xmcoh/dataset.h"
#include "xmcoh/scorer.h"

typedef struct ItemInput
{
	int32		text_length;	/* bytes, in the server's encoding; -1: NULL */
	int32		image_length;	/* numbers; -1: NULL */
	int32		embedding_length;	/* numbers; -1: NULL */
	const char *text;
	const float *image;			/* (image_length) */
	const float *embedding;		/* (embedding_length) */
} ItemInput;

/* Gives the name of an item; called only for an error that names the item. */
typedef const char *(*ItemNamer) (void *arg);

/*
 * Reads text, real[] and real[] from their datums. Detoasts into the current context, else points into the datums. `name`
 * NULL: the item has no name. ERROR data_exception for an embedding that has more than one dimension, a NULL, a NaN or an
 * infinity.
 */
extern void xmcoh_item_input_read(NullableDatum text, NullableDatum image, NullableDatum embedding, ItemNamer name,
								  void *arg, ItemInput *out);

/*
 * The item as the core takes it: its text in UTF-8, and the embeddings that the model reads. ERROR data_exception, with
 * what was got and what is wanted, for an embedding of another length. `name_item`: the error names the item by its key.
 */
extern void xmcoh_item_of_input(const ItemInput *input, const DeployedModel *deployed, const char *key, size_t key_length,
								bool name_item, xmc_item *out);

/* Which notices one call site has given. */
typedef struct InputNotices
{
	bool		no_input;
	bool		no_embedding;
} InputNotices;

/*
 * Two NOTICEs, each once in a call site. One: the model reads text embeddings and has no encoder that makes them, but the call
 * has none (takes_embedding false: the function's form has no such argument). The other, for the fused score alone: an item has nothing that the
 * model reads.
 */
extern void xmcoh_notice_missing_input(const DeployedModel *deployed, bool takes_embedding, xmc_score_kind kind,
									   const xmc_document *document, InputNotices *given);

/* ERROR program_limit_exceeded when n is above xmcoh.max_document_items. */
extern void xmcoh_check_item_count(int64 n);

#endif
