/* dataset.c - documents: built from items, labelled, flattened to records and viewed, held out by a hash; see dataset.h */
#include "xmcoh/dataset.h"

#include "xmcoh/hash.h"

#include <math.h>
#include <string.h>

static bool
is_whole_number(const char *key, size_t length)
{
	for (size_t k = 0; k < length; k++)
		if (key[k] < '0' || key[k] > '9')
			return false;
	return length > 0;
}

int
xmc_key_compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
	bool		a_number = is_whole_number(a, a_length);
	bool		b_number = is_whole_number(b, b_length);
	size_t		shorter;
	int			by_bytes;

	if (a_number != b_number)
		return a_number ? -1 : 1;
	if (a_number)
	{
		/* Compare without leading zeros: the longer number is the larger one. */
		size_t		a_zeros = 0;
		size_t		b_zeros = 0;

		while (a_zeros < a_length && a[a_zeros] == '0')
			a_zeros++;
		while (b_zeros < b_length && b[b_zeros] == '0')
			b_zeros++;
		if (a_length - a_zeros != b_length - b_zeros)
			return a_length - a_zeros < b_length - b_zeros ? -1 : 1;
		by_bytes = memcmp(a + a_zeros, b + b_zeros, a_length - a_zeros);
		if (by_bytes != 0)
			return by_bytes;
		/* 7 before 07: the numbers are equal, the keys are not */
		return a_zeros == b_zeros ? 0 : a_zeros < b_zeros ? -1 : 1;
	}
	shorter = a_length < b_length ? a_length : b_length;
	by_bytes = shorter ? memcmp(a, b, shorter) : 0;
	if (by_bytes != 0)
		return by_bytes;
	return a_length == b_length ? 0 : a_length < b_length ? -1 : 1;
}

int
xmc_item_compare(const void *a, const void *b)
{
	const xmc_item *x = a;
	const xmc_item *y = b;

	return xmc_key_compare(x->key, x->key_length, y->key, y->key_length);
}

/* Copies one embedding of an item. Errors: XMC_BAD_INPUT (a value is not finite). */
static xmc_status
copy_embedding(xmc_ctx *ctx, const xmc_item *item, const char *what, const float *from, int32_t dim, float *to)
{
	for (int32_t k = 0; k < dim; k++)
	{
		if (!isfinite(from[k]))
			return xmc_fail(ctx, XMC_BAD_INPUT, "%s of item \"%.*s\" has %s at position %d; all values must be finite",
							what, (int) (item->key_length < 100 ? item->key_length : 100), item->key,
							isnan(from[k]) ? "NaN" : "infinity", (int) k + 1);
		to[k] = from[k];
	}
	return XMC_OK;
}

/* One array of all items' values (n), of which start (n + 1) says where those of each item begin. */
static xmc_status
join_values(xmc_ctx *ctx, int32_t n, const int32_t *start, uint32_t *const *value, uint32_t **out)
{
	*out = xmc_alloc(ctx, (size_t) start[n], sizeof(uint32_t));
	XMC_NEED(*out, ctx);
	for (int32_t i = 0; i < n; i++)
		if (start[i + 1] > start[i])
			memcpy(*out + start[i], value[i], (size_t) (start[i + 1] - start[i]) * sizeof(uint32_t));
	return XMC_OK;
}

/*
 * Sets feature[i] and word[i] to those of item i, for the caller to release, and copies them all to the document.
 */
static xmc_status
read_texts(xmc_ctx *ctx, xmc_tokeniser *tokeniser, int32_t n, const xmc_item *item, uint32_t **feature, uint32_t **word,
		   xmc_document *out)
{
	int64_t		total = 0;
	int64_t		words = 0;

	for (int32_t i = 0; i < n; i++)
	{
		int32_t		count = 0;
		int32_t		word_count = 0;

		out->feature_start[i] = (int32_t) total;
		out->word_start[i] = (int32_t) words;
		if (item[i].text)
		{
			XMC_TRY(xmc_check_stop(ctx));
			XMC_TRY(xmc_text_features(ctx, tokeniser, item[i].text, item[i].text_length, &feature[i], &count, &word[i],
									  &word_count));
			out->has[i] |= XMC_HAS_WORDS;
		}
		total += count;
		words += word_count;
		if (total > INT32_MAX || words > INT32_MAX)
			return xmc_fail(ctx, XMC_LIMIT, "document has more than %d text features", INT32_MAX);
	}
	out->feature_start[n] = (int32_t) total;
	out->word_start[n] = (int32_t) words;
	XMC_TRY(join_values(ctx, n, out->feature_start, feature, &out->feature));
	return join_values(ctx, n, out->word_start, word, &out->word);
}

/* The text features and words of all items, as one array each. */
static xmc_status
build_texts(xmc_ctx *ctx, xmc_tokeniser *tokeniser, int32_t n, const xmc_item *item, xmc_document *out)
{
	uint32_t  **feature = xmc_zalloc(ctx, 2 * (size_t) n, sizeof *feature);	/* (2, n) then words */
	xmc_status	status;

	XMC_NEED(feature, ctx);
	status = read_texts(ctx, tokeniser, n, item, feature, feature + n, out);
	for (int64_t i = 0; i < 2 * (int64_t) n; i++)
		xmc_release(ctx, feature[i]);
	xmc_release(ctx, feature);
	return status;
}

/* The tokens of all items as one array. Errors: XMC_LIMIT, XMC_NO_MEMORY. */
static xmc_status
join_tokens(xmc_ctx *ctx, int32_t n, const xmc_item *item, xmc_document *out)
{
	int64_t		total = 0;

	out->token_start = xmc_zalloc(ctx, (size_t) n + 1, sizeof(int32_t));
	XMC_NEED(out->token_start, ctx);
	for (int32_t i = 0; i < n; i++)
	{
		total += item[i].n_tokens;
		if (total > INT32_MAX)
			return xmc_fail(ctx, XMC_LIMIT, "document has more than %d tokens", INT32_MAX);
		out->token_start[i + 1] = (int32_t) total;
	}
	out->token = xmc_alloc(ctx, (size_t) total, sizeof(int32_t));
	XMC_NEED(out->token, ctx);
	for (int32_t i = 0; i < n; i++)
		if (item[i].n_tokens > 0)
			memcpy(out->token + out->token_start[i], item[i].token, (size_t) item[i].n_tokens * sizeof(int32_t));
	return XMC_OK;
}

xmc_status
xmc_document_build(xmc_ctx *ctx, const xmc_options *options, xmc_tokeniser *tokeniser, int32_t n, const xmc_item *item,
				   xmc_document *out)
{
	*out = (xmc_document){.n = n};
	out->has = xmc_zalloc(ctx, (size_t) n, 1);
	out->feature_start = xmc_zalloc(ctx, (size_t) n + 1, sizeof(int32_t));
	out->word_start = xmc_zalloc(ctx, (size_t) n + 1, sizeof(int32_t));
	if (!out->has || !out->feature_start || !out->word_start)
		return xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t i = 1; i < n; i++)
		if (xmc_item_compare(&item[i - 1], &item[i]) == 0)
			return xmc_fail(ctx, XMC_BAD_INPUT, "item \"%.*s\" occurs twice",
							(int) (item[i].key_length < 100 ? item[i].key_length : 100), item[i].key);

	if (options->words)
		XMC_TRY(build_texts(ctx, tokeniser, n, item, out));
	if (options->text_dim > 0)
	{
		out->text_embedding = xmc_zalloc(ctx, (size_t) n * (size_t) options->text_dim, sizeof(float));
		XMC_NEED(out->text_embedding, ctx);
	}
	if (options->text_dim > 0)
		XMC_TRY(join_tokens(ctx, n, item, out));
	if (options->image_dim > 0)
	{
		out->image = xmc_zalloc(ctx, (size_t) n * (size_t) options->image_dim, sizeof(float));
		XMC_NEED(out->image, ctx);
	}
	for (int32_t i = 0; i < n; i++)
	{
		if (options->text_dim > 0 && item[i].text_embedding)
		{
			XMC_TRY(copy_embedding(ctx, &item[i], "text embedding", item[i].text_embedding, options->text_dim,
								   out->text_embedding + (int64_t) i * options->text_dim));
			out->has[i] |= XMC_HAS_TEXT_EMBEDDING;
		}
		if (options->image_dim > 0 && item[i].image)
		{
			XMC_TRY(copy_embedding(ctx, &item[i], "image embedding", item[i].image, options->image_dim,
								   out->image + (int64_t) i * options->image_dim));
			out->has[i] |= XMC_HAS_IMAGE;
		}
	}
	return XMC_OK;
}

void
xmc_document_free(xmc_ctx *ctx, xmc_document *document)
{
	xmc_release(ctx, document->has);
	xmc_release(ctx, document->feature_start);
	xmc_release(ctx, document->feature);
	xmc_release(ctx, document->word_start);
	xmc_release(ctx, document->word);
	xmc_release(ctx, document->text_embedding);
	xmc_release(ctx, document->image);
	xmc_release(ctx, document->token_start);
	xmc_release(ctx, document->token);
	xmc_release(ctx, document->pair);
	*document = (xmc_document){0};
}

static void
add_array(xmc_checksum *sum, const void *data, int64_t n, size_t size)
{
	uint8_t		is_there = data != NULL && n > 0;	/* an empty array of a built document may be none in a record's view */

	xmc_checksum_add(sum, &is_there, 1);
	if (is_there)
		xmc_checksum_add(sum, data, (size_t) n * size);
}

void
xmc_document_checksum(xmc_checksum *sum, const xmc_options *options, const xmc_document *d)
{
	xmc_checksum_add(sum, &d->n, sizeof d->n);
	add_array(sum, d->has, d->n, 1);
	add_array(sum, d->feature_start, d->n + 1, sizeof *d->feature_start);
	add_array(sum, d->feature, d->feature_start[d->n], sizeof *d->feature);
	if (d->word_start)
	{
		add_array(sum, d->word_start, d->n + 1, sizeof *d->word_start);
		add_array(sum, d->word, d->word_start[d->n], sizeof *d->word);
	}
	add_array(sum, d->text_embedding, (int64_t) d->n * options->text_dim, sizeof(float));
	add_array(sum, d->image, (int64_t) d->n * options->image_dim, sizeof(float));
	xmc_checksum_add(sum, &d->n_pairs, sizeof d->n_pairs);
	add_array(sum, d->n_pairs ? d->pair : NULL, d->n_pairs, sizeof *d->pair);
}

/* Removes all labels and allocates room for one of every pair. */
static xmc_status
clear_labels(xmc_ctx *ctx, xmc_document *document)
{
	size_t		n = (size_t) document->n;

	xmc_release(ctx, document->pair);
	document->n_pairs = 0;
	document->pair = xmc_alloc(ctx, n * (n > 0 ? n - 1 : 0) / 2, sizeof(xmc_pair));
	XMC_NEED(document->pair, ctx);
	return XMC_OK;
}

static void
label(xmc_document *document, int32_t before, int32_t after)
{
	document->pair[document->n_pairs++] = (xmc_pair){before, after, 1.0f};
}

xmc_status
xmc_document_label_order(xmc_ctx *ctx, xmc_document *document, const int32_t *order)
{
	int64_t		work = 0;

	XMC_TRY(clear_labels(ctx, document));
	for (int32_t a = 0; a < document->n; a++)
	{
		for (int32_t b = a + 1; b < document->n; b++)
			label(document, order[a], order[b]);
		XMC_TRY(xmc_spend(ctx, &work, document->n - a));
	}
	return XMC_OK;
}

xmc_status
xmc_document_label_positions(xmc_ctx *ctx, xmc_document *document, const double *position)
{
	int64_t		work = 0;

	XMC_TRY(clear_labels(ctx, document));
	for (int32_t a = 0; a < document->n; a++)
	{
		for (int32_t b = 0; b < document->n; b++)
			if (position[a] < position[b])	/* false if either is NaN */
				label(document, a, b);
		XMC_TRY(xmc_spend(ctx, &work, document->n));
	}
	return XMC_OK;
}

/* ---- flat records ---- */

/* The first bytes of a record. */
typedef struct record_head
{
	int32_t		n;
	int32_t		n_features;
	int32_t		n_pairs;
	int32_t		n_words;
	uint64_t	group;
	int32_t		n_tokens;
	int32_t		unused;
} record_head;

/* The sections after the head. Each begins at a multiple of XMC_RECORD_ALIGN. */
enum
{
	STARTS,						/* first, because xmc_document_record finds the head by it */
	TEXT_EMBEDDING, IMAGE, PAIRS, FEATURES, WORD_STARTS, WORDS, HAS, TOKEN_STARTS, TOKENS, SECTIONS
};

/* Sets where the sections of a record begin and their lengths; returns the size of the record. */
static size_t
lay_out_record(const record_head *head, const xmc_options *options, size_t offset[SECTIONS], size_t bytes[SECTIONS])
{
	size_t		n = (size_t) head->n;
	size_t		at = XMC_RECORD_ALIGN;

	bytes[STARTS] = (n + 1) * sizeof(int32_t);
	bytes[TEXT_EMBEDDING] = n * (size_t) options->text_dim * sizeof(float);
	bytes[IMAGE] = n * (size_t) options->image_dim * sizeof(float);
	bytes[PAIRS] = (size_t) head->n_pairs * sizeof(xmc_pair);
	bytes[FEATURES] = (size_t) head->n_features * sizeof(uint32_t);
	bytes[WORD_STARTS] = (n + 1) * sizeof(int32_t);
	bytes[WORDS] = (size_t) head->n_words * sizeof(uint32_t);
	bytes[HAS] = n;
	bytes[TOKEN_STARTS] = options->text_dim > 0 ? (n + 1) * sizeof(int32_t) : 0;
	bytes[TOKENS] = (size_t) head->n_tokens * sizeof(int32_t);
	for (int k = 0; k < SECTIONS; k++)
	{
		offset[k] = at;
		at += (bytes[k] + XMC_RECORD_ALIGN - 1) & ~(size_t) (XMC_RECORD_ALIGN - 1);
	}
	return at;
}

size_t
xmc_document_flatten(const xmc_document *document, const xmc_options *options, void *buffer)
{
	const record_head head = {document->n, document->feature_start[document->n], document->n_pairs,
		document->word_start[document->n], document->group,
		document->token_start ? document->token_start[document->n] : 0, 0};
	const void *const from[SECTIONS] = {
		[STARTS] = document->feature_start,[TEXT_EMBEDDING] = document->text_embedding,[IMAGE] = document->image,
		[PAIRS] = document->pair,[FEATURES] = document->feature,
		[WORD_STARTS] = document->word_start,[WORDS] = document->word,[HAS] = document->has,
		[TOKEN_STARTS] = document->token_start,[TOKENS] = document->token
	};
	size_t		offset[SECTIONS];
	size_t		bytes[SECTIONS];
	size_t		size = lay_out_record(&head, options, offset, bytes);

	if (!buffer)
		return size;
	memset(buffer, 0, size);
	memcpy(buffer, &head, sizeof head);
	for (int k = 0; k < SECTIONS; k++)
		if (bytes[k])
			memcpy((char *) buffer + offset[k], from[k], bytes[k]);
	return size;
}

void
xmc_document_view(const void *record, const xmc_options *options, xmc_document *out)
{
	const record_head *head = record;
	char	   *base = (char *) (uintptr_t) record;	/* a view is read-only */
	size_t		offset[SECTIONS];
	size_t		bytes[SECTIONS];

	lay_out_record(head, options, offset, bytes);
	*out = (xmc_document){.n = head->n,.n_pairs = head->n_pairs,.group = head->group};
	out->feature_start = (int32_t *) (void *) (base + offset[STARTS]);
	out->feature = (uint32_t *) (void *) (base + offset[FEATURES]);
	out->word_start = (int32_t *) (void *) (base + offset[WORD_STARTS]);
	out->word = (uint32_t *) (void *) (base + offset[WORDS]);
	out->has = (uint8_t *) (base + offset[HAS]);
	if (options->text_dim > 0)
	{
		out->token_start = (int32_t *) (void *) (base + offset[TOKEN_STARTS]);
		out->token = (int32_t *) (void *) (base + offset[TOKENS]);
	}
	if (options->text_dim > 0)
		out->text_embedding = (float *) (void *) (base + offset[TEXT_EMBEDDING]);
	if (options->image_dim > 0)
		out->image = (float *) (void *) (base + offset[IMAGE]);
	if (head->n_pairs > 0)
		out->pair = (xmc_pair *) (void *) (base + offset[PAIRS]);
}

const void *
xmc_document_record(const xmc_document *view)
{
	return (const char *) view->feature_start - XMC_RECORD_ALIGN;
}

bool
xmc_held_out(const char *key, size_t key_length, int32_t seed, double share)
{
	uint64_t	hash = xmc_hash_bytes(key, key_length, (uint64_t) seed + UINT64_C(0x68656c646f757400));

	return (double) (hash >> 11) * 0x1.0p-53 < share;
}
