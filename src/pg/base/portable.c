/* portable.c - see portable.h */
#include "base/portable.h"

#include "utils/guc.h"

static void
pin(const char *setting, const char *value)
{
	/* As for a function with SET: GUC_ACTION_SAVE is the one that is allowed while parallel workers run. */
	(void) set_config_option(setting, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

int
xmcoh_portable_begin(bool output)
{
	int			level = NewGUCNestLevel();

	pin("DateStyle", "ISO, MDY");
	pin("IntervalStyle", "postgres");
	pin("TimeZone", "UTC");		/* a moment is the same everywhere, so its text must not depend on where somebody asks */
	pin("extra_float_digits", "1"); /* the shortest digits that give the same number */
	pin("bytea_output", "hex");
	pin("lc_monetary", "C");
	pin("lc_numeric", "C");
	pin("lc_time", "C");
	pin("xmloption", "content");
	pin("array_nulls", "on");
	if (output)
	{
		pin("search_path", "pg_catalog, pg_temp");
		pin("quote_all_identifiers", "off");
	}
	return level;
}

void
xmcoh_portable_end(int level)
{
	AtEOXact_GUC(true, level);
}
