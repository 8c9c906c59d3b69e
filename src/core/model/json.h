/*
 * json.h - the part of JSON (RFC 8259) that a safetensors header needs: a strict pull parser and a string writer.
 *
 * Objects, arrays, strings and whole numbers from 0 to 2^53; no other numbers, no true, false or null. The text is
 * taken as hostile: nesting and members of one object are limited, keys of one object must differ, strings must be valid
 * UTF-8 without lone surrogates, and after the value only spaces (padding) may follow.
 */
#ifndef XMCOH_JSON_H
#define XMCOH_JSON_H

#include "xmcoh/base.h"

#define XMC_JSON_MAX_DEPTH 8
#define XMC_JSON_MAX_MEMBERS 4096	/* of one object: keys are compared one by one, so this bounds the time */

typedef enum xmc_json_kind
{
	XMC_JSON_END = 0,			/* the text is at its end, and was well formed */
	XMC_JSON_OBJECT,			/* { */
	XMC_JSON_OBJECT_END,
	XMC_JSON_ARRAY,				/* [ */
	XMC_JSON_ARRAY_END,
	XMC_JSON_KEY,				/* a member's name; its value is the next token */
	XMC_JSON_STRING,
	XMC_JSON_INTEGER
} xmc_json_kind;

typedef struct xmc_json_key
{
	uint64_t	hash;
	const char *string;
	size_t		length;
} xmc_json_key;

typedef struct xmc_json
{
	/* The token that xmc_json_next found. */
	xmc_json_kind kind;
	size_t		token_at;		/* where it begins in the text */
	const char *string;			/* KEY, STRING: unescaped, zero-terminated (\u0000 may stand inside), in the pool */
	size_t		string_length;
	int64_t		integer;		/* INTEGER */

	/* Private. */
	xmc_ctx    *ctx;
	const char *what;
	xmc_status	bad;
	const unsigned char *text;	/* (length) */
	size_t		length;
	size_t		at;
	char	   *pool;			/* (length), filled to pool_used */
	size_t		pool_used;
	int32_t		expect;
	int32_t		depth;
	bool		is_object[XMC_JSON_MAX_DEPTH];
	int32_t		first_key[XMC_JSON_MAX_DEPTH];	/* where the keys of an open object begin in `key` */
	xmc_json_key *key;			/* (max_keys) names seen in the objects that are open now */
	int32_t		n_keys;
	int32_t		max_keys;
} xmc_json;

/*
 * Begins to parse text[0..length-1]. `what` names the text in messages; `bad` is the status for bad text (XMC_BAD_INPUT,
 * XMC_BAD_MODEL). `pool`, of at least `length` bytes, receives the unescaped strings: they never need more room than they
 * take in the text with their quotes, and they stay valid as long as the pool does. Allocates nothing yet.
 */
extern void xmc_json_open(xmc_json *json, xmc_ctx *ctx, const char *what, xmc_status bad, const void *text, size_t length,
						  char *pool);

/* Finds the next token. Errors: `bad`, the message names the byte; XMC_NO_MEMORY. After an error only close is allowed. */
extern xmc_status xmc_json_next(xmc_json *json);

/* The same, and the token must be of this kind. */
extern xmc_status xmc_json_expect(xmc_json *json, xmc_json_kind kind);

/* Gives the parser's own memory back; the pool stays. Allowed at any time after open. */
extern void xmc_json_close(xmc_json *json);

/*
 * Writes a string with its quotes, escaping only what must be: quote, backslash, control characters. `string` must be valid
 * UTF-8. Returns the bytes written; with out NULL only counts them. No terminator.
 */
extern size_t xmc_json_quote(const char *string, size_t length, char *out);

#endif
