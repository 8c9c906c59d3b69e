/*
 * pattern.h - the patterns that a tokenizer replaces or splits at: a text, or white space, any character or one character, once or
 * at least so many times. Published tokenizers use no others of the regular expressions that the file's format allows.
 */
#ifndef XMCOH_PATTERN_H
#define XMCOH_PATTERN_H

#include "text_encoder/tokenizer_tables.h"

/*
 * Finds the first match of a step's pattern in text[at..end-1]: *begin to *finish - 1. False: there is none. The time is linear in
 * what is read.
 */
extern bool xmc_pattern_find(const xmc_tables *tables, const xmc_tokenizer_step *step, const char *text, size_t at, size_t end,
							 size_t *begin, size_t *finish);

/*
 * Reads a regular expression into a (kind), b (times) of a step and the text of the pattern, literal (XMC_TOKENIZER_MAX_STRING
 * bytes), *length. False: it is not of the supported forms.
 */
extern bool xmc_pattern_read(const char *regex, size_t regex_length, xmc_tokenizer_step *step, char *literal, size_t *length);

#endif
