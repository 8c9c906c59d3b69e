/*
 * toys.h - the smallest training that has all phases: words, supplied embeddings, images, a bag, an alignment, rounds. For
 * the tests and the fuzzer of checkpoints.
 */
#ifndef TOYS_H
#define TOYS_H

#include "xmcoh/random.h"
#include "xmcoh/train.h"
#include "xmcoh/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOYS 48
#define TOY_DIM 3

typedef struct toys
{
	xmc_options options;
	xmc_document document[TOYS];
	uint8_t		held_out[TOYS];
} toys;

/* The first 24 are approved, a third of them held out; the others are the pool. Texts show the order, images nearly. */
static inline xmc_status
toys_make(xmc_ctx *ctx, toys *out)
{
	static const char *const word[] = {"open", "take", "turn", "close"};
	xmc_options *o = &out->options;
	xmc_tokeniser *tokeniser;
	xmc_random	random;
	xmc_status	status;

	xmc_options_default(o);
	o->image_dim = o->text_dim = TOY_DIM;
	o->d_model = o->feed_forward = o->align_dim = 8;
	o->bilinear_dim = 2;
	o->heads = 2;
	o->hash_bits = o->bag_bits = 8;
	o->bag_dim = 4;
	o->bag_documents = 0;
	o->epochs = 3;
	o->learning_rate = 0.02;
	o->patience = 2;
	o->rounds = 2;
	o->folds = 3;				/* the evaluation of few documents has six */
	xmc_random_seed(&random, 3);
	status = xmc_tokeniser_new(ctx, &tokeniser);
	for (int d = 0; d < TOYS && status == XMC_OK; d++)
	{
		int32_t		n = 3 + d % 2;
		int32_t		order[4];
		char		key[4][12];
		char		text[4][32];
		float		text_embedding[4][TOY_DIM];
		float		image[4][TOY_DIM];
		xmc_item	item[4];

		for (int32_t i = 0; i < n; i++)
		{
			int32_t		place = (i + d) % n;	/* of item i */

			order[place] = i;
			snprintf(key[i], sizeof key[i], "%d", (int) i);
			snprintf(text[i], sizeof text[i], "%s part %d", word[place], d % 5);
			for (int k = 0; k < TOY_DIM; k++)
			{
				text_embedding[i][k] = (float) (place * (k + 1) + 0.3 * xmc_random_normal(&random));
				image[i][k] = (float) (place * (k - 1) + 0.6 * xmc_random_normal(&random));
			}
			item[i] = (xmc_item){.key = key[i],.key_length = strlen(key[i]),.text = text[i],.text_length = strlen(text[i]),
				.text_embedding = text_embedding[i],.image = image[i]};
		}
		status = xmc_document_build(ctx, o, tokeniser, n, item, &out->document[d]);
		if (status == XMC_OK && d < TOYS / 2)
			status = xmc_document_label_order(ctx, &out->document[d], order);
		out->held_out[d] = d < TOYS / 2 && d % 3 == 0;
	}
	xmc_tokeniser_free(tokeniser);
	return status;
}

static inline void
toys_free(xmc_ctx *ctx, toys *t)
{
	for (int d = 0; d < TOYS; d++)
		xmc_document_free(ctx, &t->document[d]);
}

/* ---- checkpoints of such a training, in memory ---- */

typedef struct tape
{
	unsigned char *bytes;		/* (capacity) */
	size_t		size;
	size_t		capacity;
} tape;

#define TAPES 256

/* What a training wrote, and what it reads. */
typedef struct recorder
{
	bool		is_due;			/* for every checkpoint that is offered */
	int64_t		expected;		/* bytes of the last that was offered */
	int			n;				/* whole ones */
	tape		written[TAPES];	/* malloc'ed */
	const unsigned char *read;
	size_t		read_size;
	size_t		read_at;
} recorder;

static inline bool
recorder_due(void *arg, int64_t bytes)
{
	recorder   *r = arg;

	r->expected = bytes;
	return r->is_due && r->n < TAPES;
}

static inline xmc_status
recorder_write(void *arg, const void *data, size_t size)
{
	recorder   *r = arg;
	tape	   *t = &r->written[r->n];

	if (!data)
	{
		r->n++;
		return XMC_OK;
	}
	if (t->size + size > t->capacity)
	{
		/* What is expected, with some room: with a sanitizer, growing large blocks takes longer than the training. */
		t->capacity = t->size == 0 ? size + (size_t) r->expected + 8192 : 2 * (t->size + size);
		t->bytes = realloc(t->bytes, t->capacity);
		if (!t->bytes)
			return XMC_NO_MEMORY;
	}
	memcpy(t->bytes + t->size, data, size);
	t->size += size;
	return XMC_OK;
}

static inline xmc_status
recorder_read(void *arg, void *data, size_t size, size_t *got)
{
	recorder   *r = arg;

	*got = size < r->read_size - r->read_at ? size : r->read_size - r->read_at;
	if (*got)
		memcpy(data, r->read + r->read_at, *got);
	r->read_at += *got;
	return XMC_OK;
}

static inline void
recorder_free(recorder *r)
{
	for (int k = 0; k < TAPES; k++)
		free(r->written[k].bytes);
}

#endif
