/*
 * texts.h - for the tests of text.c: a tokeniser, a context that counts, fails and stops when told to, and the features of a
 * text as one string.
 */
#ifndef TEXTS_H
#define TEXTS_H

#include "xmcoh/text.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

static xmc_tokeniser *tokeniser;

static inline int
open_tokeniser(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();

	(void) state;
	return xmc_tokeniser_new(&ctx, &tokeniser) == XMC_OK ? 0 : -1;
}

static inline int
close_tokeniser(void **state)
{
	(void) state;
	xmc_tokeniser_free(tokeniser);
	return 0;
}

/* ---- a context that counts, fails and stops when told to ---- */

typedef struct watched
{
	int			live;			/* allocations not given back */
	int			allocations_left;	/* negative: no limit */
	int			questions_left; /* before stop says true; negative: never */
	jmp_buf    *leave;			/* when set, stop leaves by longjmp instead of saying true */
} watched;

static inline void *
watched_alloc(void *arg, size_t size)
{
	watched    *w = arg;

	if (w->allocations_left == 0)
		return NULL;
	w->allocations_left--;
	w->live++;
	return malloc(size);
}

static inline void
watched_release(void *arg, void *pointer)
{
	watched    *w = arg;

	w->live--;
	free(pointer);
}

static inline bool
watched_stop(void *arg)
{
	watched    *w = arg;

	if (w->questions_left == 0 && w->leave)
		longjmp(*w->leave, 1);
	if (w->questions_left == 0)
		return true;
	w->questions_left--;
	return false;
}

static inline xmc_ctx
watched_ctx(watched *w)
{
	*w = (watched) {.allocations_left = -1, .questions_left = -1};
	return (xmc_ctx) {.alloc = watched_alloc, .release = watched_release, .stop = watched_stop, .arg = w};
}

/* ---- what the visitor sees, as text: "w:boil b:boil water ..." with one letter for the kind ---- */

typedef struct log
{
	char	   *text;
	size_t		length;
	size_t		capacity;
	const char *kinds;			/* letters to record; NULL: all */
} log;

static inline void
log_append(log *log, const char *bytes, size_t n)
{
	if (log->length + n + 1 > log->capacity)
	{
		log->capacity = 2 * (log->length + n + 1);
		log->text = realloc(log->text, log->capacity);
		assert_non_null(log->text);
	}
	memcpy(log->text + log->length, bytes, n);
	log->length += n;
	log->text[log->length] = '\0';
}

static inline void
log_feature(void *arg, xmc_feature_kind kind, const char *term, size_t term_length, uint64_t hash)
{
	static const char letter[] = "?wbWBcLs";
	log		   *log = arg;

	(void) hash;
	if (log->kinds && !strchr(log->kinds, letter[kind]))
		return;
	if (log->length > 0)
		log_append(log, "|", 1);
	log_append(log, (char[]) {letter[kind], ':'}, 2);
	log_append(log, term, term_length);
}

static inline void
assert_visits_bytes(const char *text, size_t length, const char *kinds, const char *expected)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	log			log = {.kinds = kinds};

	assert_int_equal(xmc_text_visit(&ctx, tokeniser, text, length, log_feature, &log), XMC_OK);
	assert_string_equal(log.text ? log.text : "", expected);
	free(log.text);
}

static inline void
assert_visits(const char *text, const char *kinds, const char *expected)
{
	assert_visits_bytes(text, strlen(text), kinds, expected);
}

static inline uint32_t *
features_of(const char *text, size_t length, int32_t *n)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	uint32_t   *values;

	assert_int_equal(xmc_text_features(&ctx, tokeniser, text, length, &values, n, NULL, NULL), XMC_OK);
	assert_non_null(values);
	return values;
}

static inline void
count_kinds(void *arg, xmc_feature_kind kind, const char *term, size_t term_length, uint64_t hash)
{
	uint64_t   *count = arg;

	(void) term;
	(void) term_length;
	(void) hash;
	count[kind]++;
}

static inline char *
repeated(const char *piece, size_t times, size_t *length)
{
	size_t		n = strlen(piece);
	char	   *text = malloc(n * times);

	for (size_t k = 0; k < times; k++)
		memcpy(text + k * n, piece, n);
	*length = n * times;
	return text;
}

#endif
