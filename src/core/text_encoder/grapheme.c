/* grapheme.c - extended grapheme clusters; see grapheme.h */
#include "text_encoder/grapheme.h"

#include "text_encoder/character.h"
#include "text_encoder/text_buffer.h"

/* What a rule must remember of the cluster so far. */
typedef struct cluster
{
	int32_t		last;			/* break class of the last character */
	int			flags;			/* regional indicators in a row at the end */
	bool		picture;		/* ends with a picture and its extenders */
	bool		joined;			/* and a joiner after these */
} cluster;

static bool
is_control(int32_t class)
{
	return class == U_GCB_CONTROL || class == U_GCB_CR || class == U_GCB_LF;
}

/* Rules GB3 to GB13: whether there is no boundary before a character of a class. */
static bool
continues(const cluster *so_far, int32_t class, bool picture)
{
	int32_t		last = so_far->last;

	if (last == U_GCB_CR && class == U_GCB_LF)
		return true;
	if (is_control(last) || is_control(class))
		return false;
	if (last == U_GCB_L && (class == U_GCB_L || class == U_GCB_V || class == U_GCB_LV || class == U_GCB_LVT))
		return true;
	if ((last == U_GCB_LV || last == U_GCB_V) && (class == U_GCB_V || class == U_GCB_T))
		return true;
	if ((last == U_GCB_LVT || last == U_GCB_T) && class == U_GCB_T)
		return true;
	if (class == U_GCB_EXTEND || class == U_GCB_ZWJ || class == U_GCB_SPACING_MARK || last == U_GCB_PREPEND)
		return true;
	if (so_far->joined && picture)
		return true;
	return class == U_GCB_REGIONAL_INDICATOR && so_far->flags % 2 == 1;
}

static void
add(cluster *so_far, int32_t class, bool picture)
{
	so_far->joined = so_far->picture && class == U_GCB_ZWJ;
	so_far->picture = picture || (so_far->picture && class == U_GCB_EXTEND);
	so_far->flags = class == U_GCB_REGIONAL_INDICATOR ? so_far->flags + 1 : 0;
	so_far->last = class;
}

size_t
xmc_grapheme_end(const char *text, size_t begin, size_t length)
{
	size_t		at = begin;
	UChar32		c = xmc_text_next(text, &at, length);
	cluster		so_far = {0};

	add(&so_far, xmc_character_break_class(c), xmc_character_is_picture(c));
	while (at < length)
	{
		size_t		next = at;
		int32_t		class;
		bool		picture;

		c = xmc_text_next(text, &next, length);
		class = xmc_character_break_class(c);
		picture = xmc_character_is_picture(c);
		if (!continues(&so_far, class, picture))
			break;
		add(&so_far, class, picture);
		at = next;
	}
	return at;
}
