/* character.c - properties of characters as the reference implementation sees them; see character.h */
#include "text_encoder/character.h"

#include <stddef.h>

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
	if (c == 0x1734)
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
	return (U_GET_GC_MASK(c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 || u_isUAlphabetic(c) ||
		u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL);
}

bool
xmc_character_is_numeric(UChar32 c)
{
	if (c < 0x80)
		return c >= '0' && c <= '9';
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
