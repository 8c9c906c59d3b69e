/*
 * utf8.h - single characters of UTF-8: validation, encoding, and a printable form of foreign names for messages. Validation
 * is strict, as in table 3-7 of the Unicode standard: shortest forms only, no surrogates, nothing above U+10FFFF.
 */
#ifndef XMCOH_UTF8_H
#define XMCOH_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length in bytes of the character at p, where end > p; 0 if no valid character begins there. */
extern size_t xmc_utf8_character(const unsigned char *p, const unsigned char *end);

/* Whether all bytes are valid UTF-8. */
extern bool xmc_utf8_valid(const char *string, size_t length);

/* Writes code point c, which must be valid, to out and returns the number of bytes, 1 to 4. */
extern size_t xmc_utf8_put(char *out, uint32_t c);

/*
 * Makes a foreign name fit for a message in any encoding: each character outside printable ASCII becomes '?', and a name of
 * more than XMC_PRINTABLE - 1 bytes is cut and ends with "...". Returns out.
 */
#define XMC_PRINTABLE 64
extern const char *xmc_printable(const char *string, size_t length, char out[XMC_PRINTABLE]);

#endif
