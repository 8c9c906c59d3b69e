/* encoder_words.c - the share of a text's embedding by words; see encoder_words.h (doc/method.md, "Explanations") */
#include "score/encoder_words.h"
#include "network/inputs.h"
#include "network/tuned_inputs.h"
#include "score/words.h"

#include <math.h>
#include <string.h>

/* A stored vector is that of the text if it differs by rounding to float16 at most, in proportion to its length. */
#define SAME_VECTOR 1e-3

/* A word of the text. */
typedef struct occluded_word
{
	uint64_t	hash;
	const char *term;
	size_t		term_length;
	double		effect;			/* log-odds */
} occluded_word;

/* Where a word stands. */
typedef struct occurrence
{
	int32_t		word;			/* its number */
	size_t		begin;
	size_t		end;
} occurrence;

typedef struct occluded_text
{
	const xmc_encoded_text *of;
	xmc_arena  *arena;
	size_t		length;			/* of the text as far as it is read */
	int32_t		n_words;
	occluded_word *word;		/* (n_words) */
	size_t		n_occurrences;
	occurrence *occurrence;		/* (n_occurrences) */
	xmc_names	names;
	xmc_status	status;			/* the error so far: the visitor cannot return one */
} occluded_text;

/* ---- the words ---- */

static int32_t
find_word(const occluded_text *t, uint64_t hash, const char *term, size_t length)
{
	for (int32_t k = 0; k < t->n_words; k++)
		if (t->word[k].hash == hash && t->word[k].term_length == length && memcmp(t->word[k].term, term, length) == 0)
			return k;
	return -1;
}

/* A visitor that adds an occurrence of a word. */
static void
add_occurrence(void *arg, size_t begin, size_t end, const char *term, size_t length)
{
	occluded_text *t = arg;
	uint64_t	hash = xmc_hash_bytes(term, length, 0);
	int32_t		word = find_word(t, hash, term, length);

	if (t->status != XMC_OK)
		return;
	if (word < 0 && t->n_words == XMC_OCCLUDED_WORDS)
		return;
	if (word < 0)
	{
		char	   *copy = xmc_name_copy(&t->names, term, length);

		if (!copy)
		{
			t->status = xmc_fail(t->arena->ctx, XMC_NO_MEMORY, "out of memory");
			return;
		}
		word = t->n_words++;
		t->word[word] = (occluded_word) {.hash = hash, .term = copy, .term_length = length};
	}
	t->occurrence[t->n_occurrences++] = (occurrence) {.word = word, .begin = begin, .end = end};
}

static xmc_status
find_words(occluded_text *t)
{
	const xmc_encoder_text *text = &t->of->text;

	t->length = text->length;
	if (t->length > XMC_SPOTTED_BYTES)
		for (t->length = XMC_SPOTTED_BYTES; ((unsigned char) text->text[t->length] & 0xC0) == 0x80;)
			t->length--;		/* back to the beginning of a character */
	t->word = xmc_arena_alloc(t->arena, XMC_OCCLUDED_WORDS, sizeof *t->word);
	t->occurrence = xmc_arena_alloc(t->arena, t->length, sizeof *t->occurrence);	/* a word has at least one byte */
	if (!t->word || !t->occurrence)
		return xmc_fail(t->arena->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(xmc_text_words(t->arena->ctx, t->of->tokeniser, text->text, t->length, add_occurrence, t));
	return t->status;
}

/* ---- the texts: that of the item, then the same without each word ---- */

static bool
is_space(const occluded_text *t, size_t at)
{
	return at < t->length && t->of->text.text[at] == ' ';
}

/* Writes the text without a word to `to`, and without one of two spaces that then stand side by side. Returns its length. */
static size_t
occlude(const occluded_text *t, int32_t word, char *to)
{
	const char *text = t->of->text.text;
	size_t		length = 0;
	size_t		from = 0;

	for (size_t k = 0; k < t->n_occurrences; k++)
	{
		const occurrence *o = &t->occurrence[k];

		if (o->word != word)
			continue;
		memcpy(to + length, text + from, o->begin - from);
		length += o->begin - from;
		from = o->end + (is_space(t, o->end) && (length == 0 || to[length - 1] == ' '));
	}
	memcpy(to + length, text + from, t->length - from);
	return length + t->length - from;
}

static xmc_status
make_texts(const occluded_text *t, xmc_encoder_text **out)
{
	xmc_encoder_text *text = xmc_arena_alloc(t->arena, (size_t) t->n_words + 1, sizeof *text);
	char	   *room = xmc_arena_alloc(t->arena, (size_t) t->n_words * t->length, 1);
	int64_t		work = 0;

	if (!text || !room)
		return xmc_fail(t->arena->ctx, XMC_NO_MEMORY, "out of memory");
	text[0] = (xmc_encoder_text) {t->of->text.text, t->length};
	for (int32_t k = 0; k < t->n_words; k++)
	{
		text[k + 1] = (xmc_encoder_text) {room, occlude(t, k, room)};
		room += text[k + 1].length;
		XMC_TRY(xmc_spend(t->arena->ctx, &work, (int64_t) (t->length + t->n_occurrences)));
	}
	*out = text;
	return XMC_OK;
}

/* ---- the vectors ---- */

/* Adds what each word adds to the score by vectors (n_words + 1, embedding_dim) of the texts, not standardised. */
static void
add_effects(const occluded_text *t, const float *vector, const double *gradient)
{
	const xmc_network *network = &t->of->model->network[t->of->modality];
	const float *scale = network->input_scale + (network->input_dim - network->embedding_dim);
	int32_t		d = network->embedding_dim;

	for (int32_t k = 0; k < t->n_words; k++)
	{
		const float *without = vector + (int64_t) (k + 1) * d;

		for (int32_t c = 0; c < d; c++)
			t->word[k].effect += gradient[c] * scale[c] * ((double) vector[c] - without[c]);
	}
}

/* Whether the vector of the text is the item's embedding. */
static bool
is_embedding(const occluded_text *t, const float *vector)
{
	const xmc_encoded_text *of = t->of;
	const float *embedding = xmc_inputs_embedding(&of->model->options, of->modality, of->document, of->item);
	double		difference = 0;
	double		size = 0;

	if (!embedding)
		return false;
	for (int32_t c = 0; c < of->model->network[of->modality].embedding_dim; c++)
	{
		difference += ((double) vector[c] - embedding[c]) * ((double) vector[c] - embedding[c]);
		size += (double) vector[c] * vector[c];
	}
	return sqrt(difference) <= SAME_VECTOR * sqrt(size);
}

static xmc_status
add_imported(const occluded_text *t, const xmc_encoder_text *text, xmc_vector_share *share)
{
	size_t		d = (size_t) t->of->model->network[t->of->modality].embedding_dim;
	float	   *vector;

	if ((size_t) xmc_text_encoder_get_shape(t->of->encoder)->dim != d)
		return XMC_OK;
	vector = xmc_arena_alloc(t->arena, ((size_t) t->n_words + 1) * d, sizeof(float));
	XMC_NEED(vector, t->arena->ctx);
	XMC_TRY(xmc_text_encoder_embed(t->arena->ctx, t->of->encoder, t->n_words + 1, text, vector));
	share->is_told = is_embedding(t, vector);
	if (share->is_told)
		add_effects(t, vector, share->gradient);
	return XMC_OK;
}

/* Whether the item's tokens are those of the text. */
static bool
are_tokens(const occluded_text *t, const int32_t *token, int32_t n)
{
	const xmc_document *document = t->of->document;
	int32_t		first = document->token_start[t->of->item];

	return document->token_start[t->of->item + 1] - first == n &&
		memcmp(document->token + first, token, (size_t) n * sizeof *token) == 0;
}

static xmc_status
add_tuned(const occluded_text *t, const xmc_encoder_text *text, xmc_vector_share *share)
{
	const xmc_text_encoder_shape *shape = xmc_text_encoder_get_shape(t->of->encoder);
	size_t		texts = (size_t) t->n_words + 1;
	int32_t    *start = xmc_arena_alloc(t->arena, texts + 1, sizeof *start);
	int32_t    *token = xmc_arena_alloc(t->arena, texts * (size_t) shape->max_tokens, sizeof *token);
	float	   *vector = xmc_arena_alloc(t->arena, texts * (size_t) shape->dim, sizeof *vector);

	if (!start || !token || !vector)
		return xmc_fail(t->arena->ctx, XMC_NO_MEMORY, "out of memory");
	start[0] = 0;
	for (int32_t k = 0; k <= t->n_words; k++)
	{
		int32_t		n;

		XMC_TRY(xmc_text_encoder_tokens(t->arena->ctx, t->of->encoder, text[k].text, text[k].length, token + start[k], &n));
		start[k + 1] = start[k] + n;
		if (k == 0 && !are_tokens(t, token, n))
			return XMC_OK;
	}
	XMC_TRY(xmc_tuned_text_vectors(t->arena, t->of->model,
								   &(xmc_token_batch) {.n_texts = (int32_t) texts, .row_start = start, .token = token}, vector));
	share->is_told = true;
	add_effects(t, vector, share->gradient);
	return XMC_OK;
}

xmc_status
xmc_encoder_word_parts(xmc_arena *arena, const xmc_encoded_text *of, xmc_vector_share share[XMC_VECTORS], int32_t *n,
					   xmc_part *part)
{
	occluded_text t = {.of = of, .arena = arena, .names.arena = arena};
	xmc_encoder_text *text = NULL;
	double		rest = 0;

	share[XMC_VECTOR_IMPORTED].is_told = share[XMC_VECTOR_TUNED].is_told = false;
	if (!of->text.text || of->text.length == 0)
		return XMC_OK;
	XMC_TRY(find_words(&t));
	XMC_TRY(make_texts(&t, &text));
	if (share[XMC_VECTOR_IMPORTED].gradient)
		XMC_TRY(add_imported(&t, text, &share[XMC_VECTOR_IMPORTED]));
	if (share[XMC_VECTOR_TUNED].gradient)
		XMC_TRY(add_tuned(&t, text, &share[XMC_VECTOR_TUNED]));
	for (int v = 0; v < XMC_VECTORS; v++)
		rest += share[v].is_told ? share[v].share : 0;
	for (int32_t k = 0; k < t.n_words; k++)
	{
		if (t.word[k].effect == 0)
			continue;
		part[(*n)++] = (xmc_part) {.kind = XMC_PART_ENCODER, .modality = of->modality, .feature_kind = XMC_FEATURE_WORD,
			.term = t.word[k].term, .term_length = t.word[k].term_length, .word_length = t.word[k].term_length,
			.in = {of->side == 0, of->side == 1}, .contribution = t.word[k].effect};
		rest -= t.word[k].effect;
	}
	if (rest != 0)
		part[(*n)++] = (xmc_part) {.kind = XMC_PART_ENCODER, .modality = of->modality, .in = {of->side == 0, of->side == 1},
			.contribution = rest};
	return XMC_OK;
}
