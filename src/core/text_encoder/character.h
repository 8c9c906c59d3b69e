/*
 * character.h - properties of characters as the reference implementation sees them. Its libraries have tables of different versions
 * of Unicode (8 for categories, 9 for normal forms); ICU's are newer, so characters of later versions count as not assigned.
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
extern bool xmc_character_is_word(UChar32 c);	/* \w of Unicode's regular expressions */
extern bool xmc_character_is_numeric(UChar32 c);	/* N */
extern bool xmc_character_is_chinese(UChar32 c);	/* the blocks of BertNormalizer */

#endif
