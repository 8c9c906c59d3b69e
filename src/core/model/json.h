/*
 * json.h - a pull parser of JSON (RFC 8259), and a string writer: for the headers of safetensors files, and for the files
 * of published encoders. Options arrive as numbers, and PostgreSQL reads and writes its own jsonb.
 *
 * A header may hold only a subset: objects, arrays, strings and whole numbers from 0 to 2^53, and only spaces (padding)
 * may follow the value. The text may be hostile: nesting and the members of one object are limited, keys of one object
 * must differ, and strings must be valid UTF-8 without lone surrogates. Time and memory grow as n log n at most.
 */
#ifndef XMCOH_JSON_H
#define XMCOH_JSON_H

#include "xmcoh/base.h"

/* The limits of a header, and those of a file. */
#define XMC_JSON_MAX_DEPTH 8
#define XMC_JSON_MAX_MEMBERS 4096	/* of one object */
#define XMC_JSON_FILE_DEPTH 32
#define XMC_JSON_FILE_MEMBERS 1048576

typedef enum xmc_json_kind
{
	XMC_JSON_END = 0,			/* the end of a well-formed text */
	XMC_JSON_OBJECT,			/* { */
	XMC_JSON_OBJECT_END,
	XMC_JSON_ARRAY,				/* [ */
	XMC_JSON_ARRAY_END,
	XMC_JSON_KEY,				/* a member's name; its value is the next token */
	XMC_JSON_STRING,
	XMC_JSON_INTEGER,			/* a whole number from 0 to 2^53 */
	/* Only in files: */
	XMC_JSON_NUMBER,			/* any other number */
	XMC_JSON_TRUE,
	XMC_JSON_FALSE,
	XMC_JSON_NULL
} xmc_json_kind;

typedef struct xmc_json_key
{
	uint64_t	hash;
	const char *string;
	size_t		length;
	size_t		at;				/* where the key begins in the text */
} xmc_json_key;

typedef struct xmc_json
{
	/* The token that xmc_json_next has found. */
	xmc_json_kind kind;
	size_t		token_at;		/* where it begins in the text */
	/* KEY, STRING: unescaped, zero-terminated, in the pool; may contain zero bytes, from \u0000 */
	const char *string;
	size_t		string_length;
	int64_t		integer;		/* INTEGER */
	double		number;			/* INTEGER, NUMBER */

	/* Private. */
	xmc_ctx    *ctx;
	const char *what;
	xmc_status	bad;
	const unsigned char *text;	/* (length) */
	size_t		length;
	size_t		at;
	size_t		next_stop;		/* where the stop callback is called next */
	bool		is_file;
	char	   *pool;			/* (length), filled to pool_used */
	size_t		pool_used;
	int32_t		expect;
	int32_t		depth;
	bool		is_object[XMC_JSON_FILE_DEPTH];
	int32_t		first_key[XMC_JSON_FILE_DEPTH];	/* index in `key` of an open object's first key */
	xmc_json_key *key;			/* (2 * max_keys) names of the members of all open objects, then room to sort them */
	int32_t		n_keys;
	int32_t		max_keys;
} xmc_json;

/*
 * Begins to parse a header, text[0..length-1]. `what` names the text in messages; `bad` is the status for invalid text
 * (XMC_BAD_INPUT or XMC_BAD_MODEL). pool (length) receives the unescaped strings, which never take more bytes than in the
 * text with their quotes; the strings are valid as long as the pool. Nothing is allocated yet.
 */
extern void xmc_json_open(xmc_json *json, xmc_ctx *ctx, const char *what, xmc_status bad, const void *text, size_t length,
						  char *pool);

/*
 * The same for a file: all of JSON, white space at the end, and larger limits. The value of a NUMBER is its first 19 or
 * 20 digits times or divided by a power of ten, each rounded once, as the reader of the reference implementation of
 * tokenizers computes it (serde_json), so that equal sums of scores are equal here, too.
 */
extern void xmc_json_open_file(xmc_json *json, xmc_ctx *ctx, const char *what, xmc_status bad, const void *text,
							   size_t length, char *pool);

/*
 * Finds the next token. Errors: `bad` (the message says at which byte), XMC_NO_MEMORY, and for files XMC_STOPPED. A key
 * that occurs twice is found at the end of its object. After an error only close is allowed.
 */
extern xmc_status xmc_json_next(xmc_json *json);

/* The same, but a token of another kind is an error, too. */
extern xmc_status xmc_json_expect(xmc_json *json, xmc_json_kind kind);

/* Frees the parser's own memory, not the pool. Allowed at any time after open. */
extern void xmc_json_close(xmc_json *json);

/*
 * Writes a string in quotes, without a terminator. Only quote, backslash and control characters are escaped. `string` must
 * be valid UTF-8. Returns the number of bytes; with out NULL they are only counted.
 */
extern size_t xmc_json_quote(const char *string, size_t length, char *out);

#endif
