/*
 * text.c - from UTF-8 text to hashed features; see text.h (design section 4, "Text features").
 *
 * A text streams through two buffers of fixed size. So memory, and the time between two calls of the stop callback, are
 * bounded for texts of any length:
 *
 *	UTF-8 -> chunks of UTF-16 -> NFKC_Casefold -> window -> break iterator -> features
 *
 * Chunks end at normalisation boundaries, so the normalised chunks concatenate to the normalised text. A window begins at a
 * word boundary. ICU's rules look forward from one boundary to the next and never behind it, so the words are those of the
 * whole text, with two exceptions. A word of more than WINDOW_UNITS - MARGIN_UNITS is cut. A run of a dictionary script
 * (such as Thai) that crosses the end of a window may be divided differently there. In any case the result depends on the
 * text alone.
 */
#include "xmcoh/text.h"

#include "xmcoh/hash.h"

#include <stdlib.h>
#include <string.h>

#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

/*
 * Canonical reordering takes time quadratic in the length of a sequence of combining marks; chunks bound that length. A
 * chunk is extended by at most SLACK_UNITS to reach a normalisation boundary. No real text has a longer sequence; a longer
 * one is cut. (The fuzzer compiles this file with smaller sizes, which short texts fill.)
 */
#ifndef CHUNK_UNITS
#define CHUNK_UNITS 1024
#define SLACK_UNITS 128
#endif
#define EXPANSION 18			/* NFKC's largest growth in UTF-16, that of U+FDFA (Unicode normalisation FAQ) */

/* A window is segmented when it has WINDOW_UNITS. Word breaks in its last MARGIN_UNITS wait for the text that follows. */
#ifndef WINDOW_UNITS
#define WINDOW_UNITS 32768
#define MARGIN_UNITS 1024
#endif
#define WINDOW_CAPACITY (WINDOW_UNITS + EXPANSION * (CHUNK_UNITS + SLACK_UNITS))
#define WORD_CAPACITY (3 * WINDOW_CAPACITY)	/* UTF-8 takes at most three bytes for each UTF-16 unit */

#define STOP_BYTES 65536		/* bytes of input between two calls of the stop callback */
#define GRAM_MAX 4				/* longest n-gram of code points */

#define ZERO_WIDTH_SPACE 0x200B

struct xmc_tokeniser
{
	const UNormalizer2 *normaliser; /* NFKC_Casefold; ICU's own, never closed */
	UBreakIterator *breaker;	/* words, root locale, which includes the dictionaries of scripts without spaces */
	UChar		chunk[CHUNK_UNITS + SLACK_UNITS];	/* decoded, not yet normalised */
	UChar		window[WINDOW_CAPACITY];	/* normalised, not yet segmented */
	char		terms[2 * WORD_CAPACITY + 1];	/* the previous word, a space, the current word: together the bigram */
};

/* The state of one text that passes through a tokeniser. */
typedef struct text_scan
{
	xmc_ctx    *ctx;
	xmc_tokeniser *tokeniser;
	xmc_feature_visitor visit;
	void	   *arg;

	const unsigned char *text;	/* (length), valid UTF-8 */
	size_t		length;
	size_t		position;		/* first byte of text not yet decoded */
	int32_t		filled;			/* units in tokeniser->window */

	uint64_t	n_words;
	size_t		word_length;	/* bytes of the last word, which is at the start of tokeniser->terms */

	/* The last code points, at most GRAM_MAX, of the current run of a script without spaces. */
	char		gram[GRAM_MAX * U8_MAX_LENGTH];
	int			gram_bytes[GRAM_MAX];
	int			n_gram;
	int			gram_length;	/* sum of gram_bytes */
} text_scan;

/* The text is valid and the buffers are large enough, so ICU can fail only for lack of memory or of its data. */
static xmc_status
icu_fail(xmc_ctx *ctx, const char *what, UErrorCode code)
{
	return xmc_fail(ctx, code == U_MEMORY_ALLOCATION_ERROR ? XMC_NO_MEMORY : XMC_LIMIT,
					"could not %s: ICU reports %s", what, u_errorName(code));
}

xmc_status
xmc_tokeniser_new(xmc_ctx *ctx, xmc_tokeniser **out)
{
	UErrorCode	code = U_ZERO_ERROR;
	xmc_tokeniser *tokeniser = malloc(sizeof(xmc_tokeniser));

	*out = NULL;
	XMC_NEED(tokeniser, ctx);
	tokeniser->normaliser = unorm2_getNFKCCasefoldInstance(&code);
	if (U_FAILURE(code))
	{
		free(tokeniser);
		return icu_fail(ctx, "load ICU's NFKC_Casefold data", code);
	}
	tokeniser->breaker = ubrk_open(UBRK_WORD, "", NULL, 0, &code);
	if (U_FAILURE(code))
	{
		free(tokeniser);
		return icu_fail(ctx, "open ICU's word break iterator", code);
	}
	*out = tokeniser;
	return XMC_OK;
}

void
xmc_tokeniser_free(xmc_tokeniser *tokeniser)
{
	if (tokeniser)
	{
		ubrk_close(tokeniser->breaker);
		free(tokeniser);
	}
}

/* Checks that the text is valid UTF-8, as utf8.h says; eight ASCII bytes at a time, with the stop callback in between. */
static xmc_status
validate(xmc_ctx *ctx, const unsigned char *text, size_t length)
{
	size_t		k = 0;
	size_t		next_stop = STOP_BYTES;

	while (k < length)
	{
		uint64_t	eight;
		size_t		start = k;
		UChar32		c;

		if (k >= next_stop)
		{
			XMC_TRY(xmc_check_stop(ctx));
			next_stop = k + STOP_BYTES;
		}
		if (length - k >= sizeof eight)
		{
			memcpy(&eight, text + k, sizeof eight);
			if (!(eight & UINT64_C(0x8080808080808080)))
			{
				k += sizeof eight;
				continue;
			}
		}
		U8_NEXT(text, k, length, c);
		if (c < 0)
			return xmc_fail(ctx, XMC_BAD_INPUT,
							"invalid UTF-8 at byte %zu of %zu: 0x%02x does not begin a valid sequence",
							start, length, text[start]);
	}
	return XMC_OK;
}

/* Decodes one chunk of the text and appends its normal form to the window. Precondition: filled < WINDOW_UNITS. */
static xmc_status
append_chunk(text_scan *scan)
{
	xmc_tokeniser *tokeniser = scan->tokeniser;
	UErrorCode	code = U_ZERO_ERROR;
	int32_t		n = 0;

	while (scan->position < scan->length && n < CHUNK_UNITS + SLACK_UNITS - 1)
	{
		size_t		next = scan->position;
		UChar32		c;

		U8_NEXT_UNSAFE(scan->text, next, c);
		if (n >= CHUNK_UNITS && unorm2_hasBoundaryBefore(tokeniser->normaliser, c))
			break;
		/* This character separates words in scripts without spaces, but NFKC_Casefold would remove it. */
		if (c == ZERO_WIDTH_SPACE)
			c = ' ';
		U16_APPEND_UNSAFE(tokeniser->chunk, n, c);
		scan->position = next;
	}
	scan->filled += unorm2_normalize(tokeniser->normaliser, tokeniser->chunk, n, tokeniser->window + scan->filled,
									 WINDOW_CAPACITY - scan->filled, &code);
	if (U_FAILURE(code))
		return icu_fail(scan->ctx, "normalize text", code);
	return XMC_OK;
}

/* Appends chunks until the window is full or the text ends. */
static xmc_status
fill_window(text_scan *scan)
{
	size_t		next_stop = scan->position + STOP_BYTES;

	while (scan->position < scan->length && scan->filled < WINDOW_UNITS)
	{
		if (scan->position >= next_stop)	/* happens if normalisation removes the text, as it does soft hyphens */
		{
			XMC_TRY(xmc_check_stop(scan->ctx));
			next_stop = scan->position + STOP_BYTES;
		}
		XMC_TRY(append_chunk(scan));
	}
	return XMC_OK;
}

/*
 * The hash of a feature. The seeds of two kinds must differ in more than their lowest byte: FNV-1a begins with seed XOR first
 * byte, so with the bare kind as seed the word "pan" would get the hash of the first word "ran".
 */
static uint64_t
hash_feature(xmc_feature_kind kind, const char *term, size_t length)
{
	return xmc_hash_bytes(term, length, kind * UINT64_C(0x9e3779b97f4a7c15));
}

uint32_t
xmc_feature_of(xmc_feature_kind kind, const char *term, size_t length)
{
	return xmc_feature_value(kind, hash_feature(kind, term, length));
}

/* Visits one feature. */
static void
emit(text_scan *scan, xmc_feature_kind kind, const char *term, size_t length)
{
	scan->visit(scan->arg, kind, term, length, hash_feature(kind, term, length));
}

/*
 * Whether c belongs to a run of a script that is written without spaces. Characters of several such scripts, such as the
 * prolonged sound mark U+30FC, are found by their script extensions. A combining mark, whose script is inherited, belongs
 * to the run that it continues. Punctuation and symbols end a run.
 */
static bool
in_run(UChar32 c, bool continues)
{
	static const UScriptCode unspaced[] =
	{
		USCRIPT_HAN, USCRIPT_HIRAGANA, USCRIPT_KATAKANA, USCRIPT_THAI, USCRIPT_LAO, USCRIPT_KHMER, USCRIPT_MYANMAR
	};
	UErrorCode	code = U_ZERO_ERROR;
	UScriptCode script;
	bool		shared;

	if (c < 0x300)				/* none of these is a mark or of such a script; saves the look-ups below */
		return false;
	if (!(U_GET_GC_MASK(c) & (U_GC_L_MASK | U_GC_M_MASK | U_GC_N_MASK)))
		return false;
	script = uscript_getScript(c, &code);
	shared = script == USCRIPT_COMMON || script == USCRIPT_INHERITED;
	for (size_t k = 0; k < sizeof unspaced / sizeof unspaced[0]; k++)
		if (script == unspaced[k] || (shared && uscript_hasScript(c, unspaced[k])))
			return true;
	return script == USCRIPT_INHERITED && continues;
}

/* Visits the n-grams that end with the run's next code point, which is utf8 (n_bytes). */
static void
extend_run(text_scan *scan, const char *utf8, int n_bytes)
{
	int			start;

	/* Forget the oldest code point if there are GRAM_MAX. */
	if (scan->n_gram == GRAM_MAX)
	{
		int			dropped = scan->gram_bytes[0];

		scan->gram_length -= dropped;
		scan->n_gram--;
		memmove(scan->gram, scan->gram + dropped, scan->gram_length);
		memmove(scan->gram_bytes, scan->gram_bytes + 1, scan->n_gram * sizeof scan->gram_bytes[0]);
	}
	memcpy(scan->gram + scan->gram_length, utf8, n_bytes);
	scan->gram_length += n_bytes;
	scan->gram_bytes[scan->n_gram++] = n_bytes;
	/* The n-grams, from the shortest to the longest. */
	start = scan->gram_length;
	for (int k = scan->n_gram - 1; k >= 0; k--)
	{
		start -= scan->gram_bytes[k];
		emit(scan, XMC_FEATURE_CHARACTERS, scan->gram + start, scan->gram_length - start);
	}
}

/*
 * Visits the features that segment [from, to) of the window completes. is_word: it is a word; else it only separates words.
 */
static void
visit_segment(text_scan *scan, int32_t from, int32_t to, bool is_word)
{
	const UChar *window = scan->tokeniser->window;
	char	   *terms = scan->tokeniser->terms;
	size_t		start = scan->n_words > 0 ? scan->word_length + 1 : 0;	/* of the word, in terms */
	size_t		end = start;
	size_t		stem_end = 0;	/* 0: the word is not longer than a stem */
	int			n_characters = 0;

	/* Convert the segment to UTF-8 and visit the n-grams of its runs. */
	while (from < to)
	{
		UChar32		c;
		char		utf8[U8_MAX_LENGTH];
		int			n_bytes = 0;

		if (n_characters++ == XMC_STEM_CHARACTERS)
			stem_end = end;

		U16_NEXT_UNSAFE(window, from, c);
		U8_APPEND_UNSAFE(utf8, n_bytes, c);
		if (in_run(c, scan->n_gram > 0))
			extend_run(scan, utf8, n_bytes);
		else
			scan->n_gram = scan->gram_length = 0;
		if (is_word)
		{
			memcpy(terms + end, utf8, n_bytes);
			end += n_bytes;
		}
	}
	if (!is_word)
		return;

	/* The word, its stem, and the bigram with the word before. The word then becomes the previous word. */
	emit(scan, XMC_FEATURE_WORD, terms + start, end - start);
	if (scan->n_gram == 0)
		emit(scan, XMC_FEATURE_STEM, terms + start, (stem_end ? stem_end : end) - start);
	if (scan->n_words == 0)
		emit(scan, XMC_FEATURE_FIRST_WORD, terms, end);
	else
	{
		terms[start - 1] = ' ';
		emit(scan, XMC_FEATURE_BIGRAM, terms, end);
		if (scan->n_words == 1)
			emit(scan, XMC_FEATURE_FIRST_BIGRAM, terms, end);
		memmove(terms, terms + start, end - start);
	}
	scan->word_length = end - start;
	scan->n_words++;
}

/* Segments the window and moves the rest, whose breaks are not yet certain, to its start. complete: no text follows. */
static xmc_status
consume_window(text_scan *scan, bool complete)
{
	UBreakIterator *breaker = scan->tokeniser->breaker;
	UChar	   *window = scan->tokeniser->window;
	UErrorCode	code = U_ZERO_ERROR;
	int32_t		limit = complete ? scan->filled : scan->filled - MARGIN_UNITS;
	int32_t		from = 0;
	int32_t		to;

	ubrk_setText(breaker, window, scan->filled, &code);
	if (U_FAILURE(code))
		return icu_fail(scan->ctx, "segment text", code);
	ubrk_first(breaker);
	while ((to = ubrk_next(breaker)) != UBRK_DONE)
	{
		if (to > limit && from > 0)
			break;
		visit_segment(scan, from, to, ubrk_getRuleStatus(breaker) >= UBRK_WORD_NONE_LIMIT);
		from = to;
	}
	if (from < (complete ? scan->filled : 1))	/* ubrk_next reports an error in no other way */
		return xmc_fail(scan->ctx, XMC_NO_MEMORY, "could not segment text: ICU ran out of memory");
	scan->filled -= from;
	memmove(window, window + from, scan->filled * sizeof window[0]);
	return XMC_OK;
}

/* Visits each power of two that the number of words reaches, in decimal: so weights of near lengths are near. */
static void
emit_lengths(text_scan *scan)
{
	for (uint64_t reached = 1; reached <= scan->n_words && reached != 0; reached *= 2)
	{
		char		digits[20];
		size_t		start = sizeof digits;

		for (uint64_t rest = reached; rest > 0; rest /= 10)
			digits[--start] = (char) ('0' + rest % 10);
		emit(scan, XMC_FEATURE_LENGTH, digits + start, sizeof digits - start);
	}
}

xmc_status
xmc_text_visit(xmc_ctx *ctx, xmc_tokeniser *tokeniser, const char *text, size_t length,
			   xmc_feature_visitor visit, void *arg)
{
	text_scan	scan =
	{
		.ctx = ctx, .tokeniser = tokeniser, .visit = visit, .arg = arg,
		.text = (const unsigned char *) text, .length = length
	};

	XMC_TRY(validate(ctx, scan.text, length));	/* before any visit: an invalid text must not be visited in part */
	while (scan.position < length || scan.filled > 0)
	{
		XMC_TRY(xmc_check_stop(ctx));
		XMC_TRY(fill_window(&scan));
		if (scan.filled > 0)
			XMC_TRY(consume_window(&scan, scan.position == length));
	}
	emit_lengths(&scan);
	return XMC_OK;
}

/* ---- words where they stand ---- */

/*
 * Into tokeniser->terms the normal form of units [from, to) of the window. *length 0: there is none, or it is long: no word that people
 * write has so many units, and normalisation of many combining marks takes quadratic time.
 */
static xmc_status
normal_term(xmc_ctx *ctx, xmc_tokeniser *tokeniser, int32_t from, int32_t to, size_t *length)
{
	UErrorCode	code = U_ZERO_ERROR;
	int32_t		n;

	*length = 0;
	if (to - from > CHUNK_UNITS)
		return XMC_OK;
	n = unorm2_normalize(tokeniser->normaliser, tokeniser->window + from, to - from, tokeniser->chunk,
						 CHUNK_UNITS + SLACK_UNITS, &code);
	if (code == U_BUFFER_OVERFLOW_ERROR)
		return XMC_OK;
	if (U_FAILURE(code))
		return icu_fail(ctx, "normalize text", code);
	for (int32_t k = 0; k < n;)
	{
		UChar32		c;

		U16_NEXT_UNSAFE(tokeniser->chunk, k, c);
		U8_APPEND_UNSAFE(tokeniser->terms, *length, c);
	}
	return XMC_OK;
}

/* Visits the words of the window, which holds `filled` units of a text that is not normalised. */
static xmc_status
visit_words(xmc_ctx *ctx, xmc_tokeniser *tokeniser, int32_t filled, xmc_word_visitor visit, void *arg)
{
	UErrorCode	code = U_ZERO_ERROR;
	size_t		end = 0;
	int32_t		from = 0;
	int32_t		to;

	ubrk_setText(tokeniser->breaker, tokeniser->window, filled, &code);
	if (U_FAILURE(code))
		return icu_fail(ctx, "segment text", code);
	ubrk_first(tokeniser->breaker);
	while ((to = ubrk_next(tokeniser->breaker)) != UBRK_DONE)
	{
		size_t		begin = end;
		size_t		length = 0;

		for (int32_t k = from; k < to;)
		{
			UChar32		c;

			U16_NEXT_UNSAFE(tokeniser->window, k, c);
			end += U8_LENGTH(c);
		}
		if (ubrk_getRuleStatus(tokeniser->breaker) >= UBRK_WORD_NONE_LIMIT)
			XMC_TRY(normal_term(ctx, tokeniser, from, to, &length));
		if (length > 0)
			visit(arg, begin, end, tokeniser->terms, length);
		from = to;
	}
	return from < filled ? xmc_fail(ctx, XMC_NO_MEMORY, "could not segment text: ICU ran out of memory") : XMC_OK;
}

xmc_status
xmc_text_words(xmc_ctx *ctx, xmc_tokeniser *tokeniser, const char *text, size_t length, xmc_word_visitor visit, void *arg)
{
	const unsigned char *bytes = (const unsigned char *) text;
	size_t		position = 0;
	int32_t		filled = 0;

	XMC_TRY(validate(ctx, bytes, length));
	while (position < length && position < XMC_SPOTTED_BYTES && filled < WINDOW_UNITS)
	{
		UChar32		c;

		U8_NEXT_UNSAFE(bytes, position, c);
		U16_APPEND_UNSAFE(tokeniser->window, filled, c);
	}
	return visit_words(ctx, tokeniser, filled, visit, arg);
}

/* ---- sets of features ---- */

/*
 * A growing list. Duplicates are removed whenever the list is full, so its size stays near the number of distinct features.
 */
typedef struct feature_set
{
	xmc_ctx    *ctx;
	uint32_t   *value;			/* (capacity), n used; the first half of one allocation */
	uint32_t   *scratch;		/* (capacity), the second half, for the sort */
	size_t		n;
	size_t		capacity;
	xmc_status	status;			/* the error so far: the visitor cannot return one */
} feature_set;

#define FEATURES_INITIAL 256
#define STOP_VALUES 1000000		/* values sorted between two calls of the stop callback, about 10 ms */
#define FEATURES_MAX ((size_t) 1 << 27)	/* 1 GB with the scratch; the number fits int32_t */

#define INSERTED_VALUES 48		/* at most so many are sorted by insertion alone */
#define BUCKETED_VALUES 1024	/* at most so many by insertion after one pass over their highest bytes */

static void
insertion_sort(uint32_t *value, size_t n)
{
	for (size_t k = 1; k < n; k++)
	{
		uint32_t	moved = value[k];
		size_t		hole = k;

		for (; hole > 0 && value[hole - 1] > moved; hole--)
			value[hole] = value[hole - 1];
		value[hole] = moved;
	}
}

/* The values by their highest bytes, which are those of hashes: what is left to insertion are a few of each byte. */
static void
sort_few_values(uint32_t *value, uint32_t *scratch, size_t n)
{
	uint16_t	start[256] = {0};
	uint16_t	sum = 0;

	for (size_t k = 0; k < n; k++)
		start[value[k] >> 24]++;
	for (int digit = 0; digit < 256; digit++)
	{
		uint16_t	count = start[digit];

		start[digit] = sum;
		sum += count;
	}
	for (size_t k = 0; k < n; k++)
		scratch[start[value[k] >> 24]++] = value[k];
	memcpy(value, scratch, n * sizeof *value);
	insertion_sort(value, n);
}

/* Radix sort, byte by byte from the lowest; for few, less. A comparison sort would take longer than the hashing. */
static xmc_status
sort_values(xmc_ctx *ctx, uint32_t *value, uint32_t *scratch, size_t n)
{
	if (n <= BUCKETED_VALUES)
	{
		if (n <= INSERTED_VALUES)
			insertion_sort(value, n);
		else
			sort_few_values(value, scratch, n);
		return XMC_OK;
	}
	for (int shift = 0; shift < 32; shift += 8)	/* four passes: the result is in `value` again */
	{
		size_t		start[256] = {0};
		size_t		sum = 0;
		uint32_t   *swap = value;

		for (size_t k = 0; k < n; k++)
			start[(value[k] >> shift) & 255]++;
		for (int digit = 0; digit < 256; digit++)
		{
			size_t		count = start[digit];

			start[digit] = sum;
			sum += count;
		}
		for (size_t k = 0; k < n; k++)
		{
			if (k % STOP_VALUES == STOP_VALUES - 1)
				XMC_TRY(xmc_check_stop(ctx));
			scratch[start[(value[k] >> shift) & 255]++] = value[k];
		}
		value = scratch;
		scratch = swap;
	}
	return XMC_OK;
}

/* Sorts the list and removes duplicates. */
static xmc_status
make_distinct(feature_set *set)
{
	size_t		kept = 0;

	XMC_TRY(sort_values(set->ctx, set->value, set->scratch, set->n));
	for (size_t k = 0; k < set->n; k++)
		if (kept == 0 || set->value[k] != set->value[kept - 1])
			set->value[kept++] = set->value[k];
	set->n = kept;
	return XMC_OK;
}

/* Doubles the capacity. */
static xmc_status
grow(feature_set *set)
{
	size_t		capacity = set->capacity ? 2 * set->capacity : FEATURES_INITIAL;
	uint32_t   *value;

	if (capacity > FEATURES_MAX)
		return xmc_fail(set->ctx, XMC_LIMIT, "text has more than %zu words or distinct features", FEATURES_MAX / 2);
	value = xmc_alloc(set->ctx, 2 * capacity, sizeof(uint32_t));
	XMC_NEED(value, set->ctx);
	if (set->n > 0)
		memcpy(value, set->value, set->n * sizeof(uint32_t));
	xmc_release(set->ctx, set->value);
	set->value = value;
	set->scratch = value + capacity;
	set->capacity = capacity;
	return XMC_OK;
}

/* Adds a feature to a set. */
static void
add_to_set(feature_set *set, uint32_t feature)
{
	if (set->status != XMC_OK)
		return;
	if (set->n == set->capacity)
	{
		set->status = make_distinct(set);
		if (set->status == XMC_OK && set->n > set->capacity / 2)
			set->status = grow(set);
		if (set->status != XMC_OK)
			return;
	}
	set->value[set->n++] = feature;
}

/* What is collected of one text: its features, and its words in reading order. */
typedef struct text_values
{
	feature_set features;
	feature_set words;			/* with duplicates; without capacity: not wanted */
} text_values;

/* A visitor that adds the feature, and the word if the feature is one. */
static void
add_feature(void *arg, xmc_feature_kind kind, const char *term, size_t term_length, uint64_t hash)
{
	text_values *values = arg;
	feature_set *words = &values->words;
	uint32_t	high = (uint32_t) (hash >> 32);

	(void) term;
	(void) term_length;
	add_to_set(&values->features, xmc_feature_value(kind, hash));
	if (kind != XMC_FEATURE_WORD || words->capacity == 0 || words->status != XMC_OK)
		return;
	if (words->n == words->capacity)
		words->status = grow(words);
	if (words->status == XMC_OK)
		words->value[words->n++] = high ? high : 1;
}

/* The values as an array of the exact size, because callers keep one for every item of a data set. */
static xmc_status
copy_values(const feature_set *set, uint32_t **out, int32_t *n_out)
{
	XMC_TRY(set->status);
	*out = xmc_alloc(set->ctx, set->n, sizeof(uint32_t));
	XMC_NEED(*out, set->ctx);
	memcpy(*out, set->value, set->n * sizeof(uint32_t));
	*n_out = (int32_t) set->n;
	return XMC_OK;
}

/* xmc_text_features, which leaves memory to its caller after an error, too. */
static xmc_status
collect(text_values *values, xmc_tokeniser *tokeniser, const char *text, size_t length, uint32_t **out, int32_t *n_out,
		uint32_t **word, int32_t *n_words)
{
	XMC_TRY(grow(&values->features));
	if (word)
		XMC_TRY(grow(&values->words));
	XMC_TRY(xmc_text_visit(values->features.ctx, tokeniser, text, length, add_feature, values));
	XMC_TRY(values->features.status);
	XMC_TRY(make_distinct(&values->features));
	if (word)
		XMC_TRY(copy_values(&values->words, word, n_words));
	return copy_values(&values->features, out, n_out);
}

xmc_status
xmc_text_features(xmc_ctx *ctx, xmc_tokeniser *tokeniser, const char *text, size_t length,
				  uint32_t **out, int32_t *n_out, uint32_t **word, int32_t *n_words)
{
	text_values values = {.features.ctx = ctx,.words.ctx = ctx};
	xmc_status	status;

	*out = NULL;
	*n_out = 0;
	if (word)
	{
		*word = NULL;
		*n_words = 0;
	}
	status = collect(&values, tokeniser, text, length, out, n_out, word, n_words);
	if (status != XMC_OK && word)
	{
		xmc_release(ctx, *word);
		*word = NULL;
		*n_words = 0;
	}
	xmc_release(ctx, values.features.value);
	xmc_release(ctx, values.words.value);
	return status;
}
