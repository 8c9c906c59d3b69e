/*
 * markup.h - a growing text of XML or HTML. Markup is written as it is; every text that comes from data is escaped.
 *
 * The result is well-formed whatever the data are: the five special characters become entities; bytes that are not UTF-8,
 * characters that XML forbids, other control characters and those that change the direction of the text around them become
 * U+FFFD; tabs and line ends become spaces.
 */
#ifndef XMCOH_MARKUP_H
#define XMCOH_MARKUP_H

#include <stdbool.h>
#include <stddef.h>

#include "xmcoh/base.h"

#define XMC_MARKUP_MOST (64 << 20)	/* bytes of a result */

typedef struct xmc_markup
{
	xmc_ctx    *ctx;
	bool		ascii;			/* characters beyond ASCII are written as numbers: for a database that is not in UTF-8 */
	xmc_status	status;			/* the first error; nothing is written after it */
	char	   *data;			/* (length), then a zero byte */
	size_t		length;
	size_t		capacity;
} xmc_markup;

extern void xmc_markup_init(xmc_markup *out, xmc_ctx *ctx, bool ascii);

/* Markup of our own, in UTF-8. */
extern void xmc_markup_put(xmc_markup *out, const char *markup);

/* Text of anybody: escaped. */
extern void xmc_markup_text(xmc_markup *out, const char *text);
extern void xmc_markup_bytes(xmc_markup *out, const char *text, size_t length);

/* Whether a character can do harm: one that XML forbids, a control, or one that turns the direction of the text around it. */
extern bool xmc_markup_replaces(uint32_t c);

/* A coordinate: rounded to two decimals, the same on every machine. Not finite, or beyond a billion: 0. */
extern void xmc_markup_number(xmc_markup *out, double value);

/*
 * A phrase of our own in which {0} to {9} stand for texts of anybody, argument[0] to argument[9]. All of it is escaped. A
 * number without an argument stays as it is.
 */
extern void xmc_markup_phrase(xmc_markup *out, const char *phrase, int n, const char *const *argument);

/*
 * Writes a number for people: rounded to `decimals` (0 to 6) decimals, with a point, never "-0". NaN: "-". Returns out.
 */
#define XMC_NUMBER_BYTES 40
extern char *xmc_number_text(double value, int decimals, char out[XMC_NUMBER_BYTES]);

/*
 * The result. The caller releases *text. Errors: XMC_NO_MEMORY, XMC_STOPPED; XMC_LIMIT: it would be longer than
 * XMC_MARKUP_MOST.
 */
extern xmc_status xmc_markup_end(xmc_markup *out, char **text, size_t *length);

#endif
