/* character.c - properties of characters as the reference implementation sees them; see character.h */
#include "text_encoder/character.h"

#include <stddef.h>

#define ICU_VERSION_USED 150	/* of Unicode: the oldest that an ICU may have */

/*
 * Characters that Unicode got after ICU_VERSION_USED, as far as the reference implementation gives them a property, and
 * characters that are not assigned but kept for controls.
 */
typedef struct later_characters
{
	UChar32		first;
	UChar32		last;
	UGraphemeClusterBreak break_class;
	bool		is_word;		/* in Unicode 16 */
	bool		is_numeric;		/* in Unicode 17 */
	bool		is_symbol;		/* was kept free for pictures before */
} later_characters;

#define LETTER U_GCB_OTHER, true, false, false
#define DIGIT U_GCB_OTHER, true, true, false
#define MARK U_GCB_EXTEND, true, false, false
#define SPACING U_GCB_SPACING_MARK, true, false, false
#define PREPEND U_GCB_PREPEND, true, false, false
#define VOWEL U_GCB_V, true, false, false
#define DIGIT_17 U_GCB_OTHER, false, true, false	/* of Unicode 17 */
#define MARK_17 U_GCB_EXTEND, false, false, false
#define SPACING_17 U_GCB_SPACING_MARK, false, false, false
#define CONTROL U_GCB_CONTROL, false, false, false
#define SYMBOL U_GCB_OTHER, false, false, true

/* In ascending order. */
static const later_characters later[] =
{
	{0x897, 0x897, MARK}, {0x1acf, 0x1add, MARK_17}, {0x1ae0, 0x1aeb, MARK_17}, {0x1c89, 0x1c8a, LETTER},
	{0x2065, 0x2065, CONTROL}, {0xa7cb, 0xa7cd, LETTER}, {0xa7da, 0xa7dc, LETTER}, {0xfff0, 0xfff8, CONTROL},
	{0x105c0, 0x105f3, LETTER}, {0x10d40, 0x10d49, DIGIT}, {0x10d4a, 0x10d65, LETTER}, {0x10d69, 0x10d6d, MARK},
	{0x10d6f, 0x10d85, LETTER}, {0x10ec2, 0x10ec4, LETTER}, {0x10efa, 0x10efb, MARK_17}, {0x10efc, 0x10efc, MARK},
	{0x11380, 0x11389, LETTER}, {0x1138b, 0x1138b, LETTER}, {0x1138e, 0x1138e, LETTER}, {0x11390, 0x113b5, LETTER},
	{0x113b7, 0x113b7, LETTER}, {0x113b8, 0x113b8, MARK}, {0x113b9, 0x113ba, SPACING}, {0x113bb, 0x113c0, MARK},
	{0x113c2, 0x113c2, MARK}, {0x113c5, 0x113c5, MARK}, {0x113c7, 0x113c9, MARK}, {0x113ca, 0x113ca, SPACING},
	{0x113cc, 0x113cd, SPACING}, {0x113ce, 0x113d0, MARK}, {0x113d1, 0x113d1, PREPEND}, {0x113d2, 0x113d2, MARK},
	{0x113d3, 0x113d3, LETTER}, {0x113e1, 0x113e2, MARK}, {0x116d0, 0x116e3, DIGIT}, {0x11b60, 0x11b60, MARK_17},
	{0x11b61, 0x11b61, SPACING_17}, {0x11b62, 0x11b64, MARK_17}, {0x11b65, 0x11b65, SPACING_17},
	{0x11b66, 0x11b66, MARK_17}, {0x11b67, 0x11b67, SPACING_17}, {0x11bc0, 0x11be0, LETTER},
	{0x11bf0, 0x11bf9, DIGIT}, {0x11de0, 0x11de9, DIGIT_17}, {0x11f5a, 0x11f5a, MARK}, {0x13460, 0x143fa, LETTER},
	{0x16100, 0x1611d, LETTER}, {0x1611e, 0x16129, MARK}, {0x1612a, 0x1612c, SPACING}, {0x1612d, 0x1612f, MARK},
	{0x16130, 0x16139, DIGIT}, {0x16d40, 0x16d62, LETTER}, {0x16d63, 0x16d63, VOWEL}, {0x16d64, 0x16d66, LETTER},
	{0x16d67, 0x16d6a, VOWEL}, {0x16d6b, 0x16d6c, LETTER}, {0x16d70, 0x16d79, DIGIT}, {0x16ff4, 0x16ff6, DIGIT_17},
	{0x18cff, 0x18cff, LETTER}, {0x1ccf0, 0x1ccf9, DIGIT}, {0x1e5d0, 0x1e5ed, LETTER}, {0x1e5ee, 0x1e5ef, MARK},
	{0x1e5f0, 0x1e5f0, LETTER}, {0x1e5f1, 0x1e5fa, DIGIT}, {0x1e6e3, 0x1e6e3, MARK_17}, {0x1e6e6, 0x1e6e6, MARK_17},
	{0x1e6ee, 0x1e6ef, MARK_17}, {0x1e6f5, 0x1e6f5, MARK_17}, {0x1f777, 0x1f77a, SYMBOL}, {0x1f8b2, 0x1f8bb, SYMBOL},
	{0x1f8c0, 0x1f8c1, SYMBOL}, {0x1f8d0, 0x1f8d8, SYMBOL}, {0x1fa54, 0x1fa57, SYMBOL}, {0x2ebf0, 0x2ee5d, LETTER},
	{0xe0000, 0xe0fff, CONTROL}
};

static const later_characters *
find_later(UChar32 c)
{
	static const later_characters none = {0, 0, U_GCB_OTHER, false, false, false};
	size_t		begin = 0;
	size_t		end = sizeof later / sizeof later[0];

	while (begin < end)
	{
		size_t		middle = (begin + end) / 2;

		if (c < later[middle].first)
			end = middle;
		else if (c > later[middle].last)
			begin = middle + 1;
		else
			return &later[middle];
	}
	return &none;
}

bool
xmc_character_is_of(UChar32 c, int version)
{
	UVersionInfo age;

	if (c < 0x1f6)				/* Unicode 1.1 */
		return true;
	u_charAge(c, age);
	return age[0] > 0 && age[0] * 10 + age[1] <= version;
}

/* Whether c is in one of the categories in Unicode 8. */
static bool
is_category(UChar32 c, uint32_t mask)
{
	return (U_GET_GC_MASK(c) & mask) != 0 && xmc_character_is_of(c, 80);
}

bool
xmc_character_is_control(UChar32 c)
{
	if (c < 0x7f)
		return c < 0x20;
	return is_category(c, U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK);
}

/* The exceptions are characters whose category has changed since Unicode 8. */
bool
xmc_character_is_nonspacing(UChar32 c)
{
	if (c < 0x300)
		return false;
	if (c == 0x1734 || c == 0x1171e)
		return true;
	if (c == 0x1885 || c == 0x1886 || c == 0xa9bd || c == 0x111c9)
		return false;
	return is_category(c, U_GC_MN_MASK);
}

bool
xmc_character_is_mark(UChar32 c)
{
	if (c < 0x300)
		return false;
	if (c == 0x1cf2 || c == 0x1cf3)
		return true;
	if (c == 0x111c9)
		return false;
	return (U_GET_GC_MASK(c) & U_GC_M_MASK) != 0 && xmc_character_is_of(c, 90);
}

bool
xmc_character_is_punctuation(UChar32 c)
{
	if (c < 0x80)
		return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
	return c == 0x166d || c == 0x111c9 || is_category(c, U_GC_P_MASK);
}

bool
xmc_character_is_space(UChar32 c)
{
	if (c < 0x80)
		return c == ' ' || (c >= 0x9 && c <= 0xd);
	return u_isUWhiteSpace(c);
}

bool
xmc_character_is_word(UChar32 c)
{
	if (c < 0x80)
		return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
	if (!xmc_character_is_of(c, ICU_VERSION_USED))
		return find_later(c)->is_word;
	return (U_GET_GC_MASK(c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 || u_isUAlphabetic(c) ||
		u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL);
}

bool
xmc_character_is_numeric(UChar32 c)
{
	if (c < 0x80)
		return c >= '0' && c <= '9';
	if (!xmc_character_is_of(c, ICU_VERSION_USED))
		return find_later(c)->is_numeric;
	return (U_GET_GC_MASK(c) & U_GC_N_MASK) != 0;
}

bool
xmc_character_is_chinese(UChar32 c)
{
	static const UChar32 block[][2] =
	{
		{0x3400, 0x4dbf}, {0x4e00, 0x9fff}, {0xf900, 0xfaff}, {0x20000, 0x2a6df}, {0x2a700, 0x2b81f}, {0x2b920, 0x2ceaf},
		{0x2f800, 0x2fa1f}
	};

	for (size_t k = 0; k < sizeof block / sizeof block[0] && c >= block[k][0]; k++)
		if (c <= block[k][1])
			return true;
	return false;
}

UChar32
xmc_character_lower(UChar32 c)
{
	static const UChar32 later_lower[][3] = /* first, last, first lower case */
	{
		{0x1c89, 0x1c89, 0x1c8a}, {0xa7cb, 0xa7cb, 0x264}, {0xa7cc, 0xa7cc, 0xa7cd}, {0xa7ce, 0xa7ce, 0xa7cf},
		{0xa7d2, 0xa7d2, 0xa7d3}, {0xa7d4, 0xa7d4, 0xa7d5}, {0xa7da, 0xa7da, 0xa7db}, {0xa7dc, 0xa7dc, 0x19b},
		{0x10d50, 0x10d65, 0x10d70}, {0x16ea0, 0x16eb8, 0x16ebb}
	};
	UChar32		lower;

	if (c < 0x80)
		return c >= 'A' && c <= 'Z' ? c + 32 : c;
	for (size_t k = 0; c >= 0x1c89 && k < sizeof later_lower / sizeof later_lower[0]; k++)
		if (c >= later_lower[k][0] && c <= later_lower[k][1])
			return later_lower[k][2] + (c - later_lower[k][0]);
	lower = u_tolower(c);
	return lower == c || !xmc_character_is_of(c, ICU_VERSION_USED) || !xmc_character_is_of(lower, ICU_VERSION_USED) ? c : lower;
}

/* Marks whose class Unicode 16 made Extend, in ascending order. */
static bool
became_extend(UChar32 c)
{
	static const UChar32 mark[] =
	{
		0xcc0, 0xcc7, 0xcc8, 0xcca, 0xccb, 0x1715, 0x1734, 0x1b3b, 0x1b3d, 0x1b43, 0x1b44, 0x1baa, 0x1bf2, 0x1bf3, 0xa953,
		0xa9c0, 0x111c0, 0x11235, 0x1134d, 0x116b6, 0x1193d, 0x11f41, 0x16ff0, 0x16ff1, 0x1d166, 0x1d16d
	};

	for (size_t k = 0; k < sizeof mark / sizeof mark[0] && c >= mark[k]; k++)
		if (c == mark[k])
			return true;
	return false;
}

int32_t
xmc_character_break_class(UChar32 c)
{
	int32_t		class;

	if (c >= 0x20 && c < 0x7f)
		return U_GCB_OTHER;
	if (!xmc_character_is_of(c, ICU_VERSION_USED))
		return (int32_t) find_later(c)->break_class;
	class = u_getIntPropertyValue(c, UCHAR_GRAPHEME_CLUSTER_BREAK);
	if (class == U_GCB_SPACING_MARK && became_extend(c))
		return U_GCB_EXTEND;
	if (c == 0x1171e)
		return U_GCB_SPACING_MARK;
	return c == 0x11a3a ? U_GCB_OTHER : class;
}

/*
 * Before Unicode 17 symbols beside the pictures were Extended_Pictographic, too. Now assigned characters are if they are
 * emoji, others if their block is kept free for pictures.
 */
bool
xmc_character_is_picture(UChar32 c)
{
	if (c < 0xa9 || !u_hasBinaryProperty(c, UCHAR_EXTENDED_PICTOGRAPHIC))
		return false;
	if (!xmc_character_is_of(c, ICU_VERSION_USED))
		return !find_later(c)->is_symbol;
	return u_hasBinaryProperty(c, UCHAR_EMOJI);
}
