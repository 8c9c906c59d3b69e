/*
 * character.h - properties of characters as the reference implementation sees them. Its libraries have tables of
 * different versions of Unicode: 8 for categories, 9 for normal forms and marks, 16 for \w, 17 for lower case, numbers
 * and clusters.
 *
 * Every ICU from 72 (Unicode 15) on must give the same properties, because a text must have the same tokens on every
 * server. So ICU is asked for characters that are not younger than Unicode 15 and than the version named below. Tables in
 * character.c have the younger ones and what later versions changed.
 */
#ifndef XMCOH_CHARACTER_H
#define XMCOH_CHARACTER_H

#include <stdbool.h>

#include <unicode/uchar.h>

/* Whether a version of Unicode has the character; version as 80 for 8.0. */
extern bool xmc_character_is_of(UChar32 c, int version);

extern bool xmc_character_is_control(UChar32 c);	/* Cc, Cf or Co, of Unicode 8 */
extern bool xmc_character_is_nonspacing(UChar32 c); /* Mn, of Unicode 8 */
extern bool xmc_character_is_mark(UChar32 c);	/* M, of Unicode 9 */
extern bool xmc_character_is_punctuation(UChar32 c);	/* P of Unicode 8, and the ASCII symbols */
extern bool xmc_character_is_space(UChar32 c);	/* White_Space */
extern bool xmc_character_is_word(UChar32 c);	/* \w of regular expressions, of Unicode 16 */
extern bool xmc_character_is_numeric(UChar32 c);	/* N, of Unicode 17 */
extern bool xmc_character_is_chinese(UChar32 c);	/* the blocks of BertNormalizer */
extern bool xmc_character_is_picture(UChar32 c);	/* Extended_Pictographic, of Unicode 17 */

/* Grapheme_Cluster_Break of Unicode 17, a U_GCB_ constant. */
extern int32_t xmc_character_break_class(UChar32 c);

/* The lower case in Unicode 17, if it is one character; U+0130 has two in the reference implementation. */
extern UChar32 xmc_character_lower(UChar32 c);

#endif
