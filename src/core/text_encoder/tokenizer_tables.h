/*
 * tokenizer_tables.h - the tables of a tokenizer: flat arrays without pointers, which are stored as tensors of the encoder's file
 * and read in place. tokenizer_file.c makes them; this file checks them, because they may be hostile.
 */
#ifndef XMCOH_TOKENIZER_TABLES_H
#define XMCOH_TOKENIZER_TABLES_H

#include "xmcoh/base.h"

/* Each table is a tensor of one dimension. */
enum
{
	XMC_TOKENIZER_SETTINGS,		/* I32: an xmc_tokenizer_settings */
	XMC_TOKENIZER_BYTES,		/* U8: strings, labels of tries, character maps */
	XMC_TOKENIZER_INDEX,		/* I32: steps, tries, scores, added tokens, ids of special tokens */
	XMC_TOKENIZER_TABLES
};

typedef struct xmc_tokenizer_table
{
	const char *name;			/* of the tensor: "tokenizer.settings" and so on */
	bool		is_bytes;		/* U8; else I32 */
	int64_t		n;				/* values */
	const void *data;			/* (n) */
} xmc_tokenizer_table;

/* Names and types, in the order of the enum; n and data are not set. */
extern const xmc_tokenizer_table xmc_tokenizer_layout[XMC_TOKENIZER_TABLES];

/* Limits of a tokenizer. */
#define XMC_TOKENIZER_MAX_PIECES 1048576
#define XMC_TOKENIZER_MAX_STRING 512	/* bytes of a piece, an added token, a pattern or a replacement */
#define XMC_TOKENIZER_MAX_STEPS 32	/* of the normalizer; of the pre-tokenizer */
#define XMC_TOKENIZER_MAX_ADDED 65536
#define XMC_TOKENIZER_MAX_SPECIAL 64	/* tokens before or after those of the text */

/* A part of a table: the first value and how many. */
typedef struct xmc_place
{
	int32_t		at;
	int32_t		n;
} xmc_place;

/* A trie of n nodes; see trie.h. */
typedef struct xmc_trie_place
{
	int32_t		n;
	int32_t		first;			/* index[first .. first + n] */
	int32_t		value;			/* index[value .. value + n - 1] */
	int32_t		label;			/* bytes[label .. label + n - 1] */
} xmc_trie_place;

typedef enum xmc_tokenizer_model
{
	XMC_WORDPIECE,
	XMC_UNIGRAM
} xmc_tokenizer_model;

#define XMC_TOKENIZER_VERSION 1

typedef struct xmc_tokenizer_settings
{
	int32_t		version;		/* XMC_TOKENIZER_VERSION */
	int32_t		model;			/* xmc_tokenizer_model */
	int32_t		unknown;		/* id of the token for what the vocabulary does not have */
	int32_t		max_characters; /* WordPiece: a longer word is unknown */
	xmc_place	prefix;			/* WordPiece: bytes; what begins a piece within a word */
	xmc_trie_place pieces;		/* piece -> id */
	xmc_place	scores;			/* Unigram: index; id -> score, a double in two values */
	xmc_place	fallback;		/* Unigram: index; byte -> id or -1, or nothing */
	xmc_place	normalizer;		/* index; xmc_tokenizer_step, each XMC_STEP_VALUES values */
	xmc_place	pre_tokenizer;
	xmc_place	added;			/* index; xmc_added_token, each XMC_ADDED_VALUES values */
	xmc_trie_place raw_added;	/* content -> number of the added token: those that are found in the text as it is */
	xmc_trie_place normalized_added;	/* those that are found in the normalized text */
	xmc_place	before;			/* index; ids of the special tokens before the text */
	xmc_place	after;
} xmc_tokenizer_settings;

#define XMC_SETTINGS_VALUES ((int64_t) (sizeof(xmc_tokenizer_settings) / sizeof(int32_t)))

typedef enum xmc_step_kind
{
	/* normalizers */
	XMC_STEP_CLEAN,				/* no control characters, every white space a space */
	XMC_STEP_CHINESE,			/* spaces around Chinese characters */
	XMC_STEP_NFC,
	XMC_STEP_NFD,
	XMC_STEP_NFKC,
	XMC_STEP_NFKD,
	XMC_STEP_STRIP_NONSPACING,	/* without nonspacing marks */
	XMC_STEP_STRIP_MARKS,		/* without any marks */
	XMC_STEP_LOWERCASE,
	XMC_STEP_STRIP,				/* a: without white space at the start; b: at the end */
	XMC_STEP_REPLACE,			/* a, b, text: pattern; other: replacement */
	XMC_STEP_PREPEND,			/* text */
	XMC_STEP_NMT,
	XMC_STEP_CHARSMAP,			/* text: a SentencePiece character map */
	/* pre-tokenizers */
	XMC_STEP_WORDS,				/* runs of word characters, runs of other characters, no white space */
	XMC_STEP_SPACES,			/* what stands between white space */
	XMC_STEP_PUNCTUATION,		/* c: behavior */
	XMC_STEP_DIGITS,			/* c: behavior */
	XMC_STEP_SPLIT,				/* a, b, text: pattern; c: behavior; d: inverted */
	XMC_STEP_METASPACE,			/* text: the replacement; a: xmc_prepend; b: split */
	XMC_STEP_KINDS
} xmc_step_kind;

#define XMC_FIRST_PRE_TOKENIZER XMC_STEP_WORDS

/* What becomes of a match when a text is split. */
typedef enum xmc_behavior
{
	XMC_REMOVED,
	XMC_ISOLATED,
	XMC_MERGED_WITH_PREVIOUS,
	XMC_MERGED_WITH_NEXT,
	XMC_CONTIGUOUS,
	XMC_BEHAVIORS
} xmc_behavior;

typedef enum xmc_prepend
{
	XMC_PREPEND_ALWAYS,
	XMC_PREPEND_FIRST,
	XMC_PREPEND_NEVER,
	XMC_PREPENDS
} xmc_prepend;

/* A pattern: `text` once, or a character at least b times. */
typedef enum xmc_pattern_kind
{
	XMC_PATTERN_TEXT,			/* text */
	XMC_PATTERN_CHARACTER,		/* the one character of text, b times or more */
	XMC_PATTERN_SPACE,			/* white space, b times or more */
	XMC_PATTERN_ANY,			/* any character but a line feed, b times or more */
	XMC_PATTERN_ONE_SPACE,		/* one white space */
	XMC_PATTERN_ONE_ANY,		/* one character that is not a line feed */
	XMC_PATTERNS
} xmc_pattern_kind;

typedef struct xmc_tokenizer_step
{
	int32_t		kind;			/* xmc_step_kind */
	int32_t		a;
	int32_t		b;
	int32_t		c;
	int32_t		d;
	xmc_place	text;			/* bytes */
	xmc_place	other;			/* bytes */
} xmc_tokenizer_step;

#define XMC_STEP_VALUES ((int32_t) (sizeof(xmc_tokenizer_step) / sizeof(int32_t)))

typedef struct xmc_added_token
{
	int32_t		id;
	int32_t		single_word;
	int32_t		lstrip;
	int32_t		rstrip;
} xmc_added_token;

#define XMC_ADDED_VALUES ((int32_t) (sizeof(xmc_added_token) / sizeof(int32_t)))

/* The tables as the other files of this layer read them. */
typedef struct xmc_tables
{
	const xmc_tokenizer_settings *settings;
	const unsigned char *bytes;	/* (n_bytes) */
	int64_t		n_bytes;
	const int32_t *index;		/* (n_index) */
	int64_t		n_index;
} xmc_tables;

static inline const xmc_tokenizer_step *
xmc_step(const xmc_tables *tables, xmc_place steps, int32_t k)
{
	return (const xmc_tokenizer_step *) (tables->index + steps.at) + k;
}

static inline const char *
xmc_string(const xmc_tables *tables, xmc_place string)
{
	return (const char *) tables->bytes + string.at;
}

/*
 * Checks tables so that every later access is within them and every id is below `vocabulary`; sets *out. Errors: XMC_BAD_MODEL,
 * XMC_STOPPED.
 */
extern xmc_status xmc_tables_check(xmc_ctx *ctx, const xmc_tokenizer_table table[XMC_TOKENIZER_TABLES], int32_t vocabulary,
								   xmc_tables *out);

#endif
