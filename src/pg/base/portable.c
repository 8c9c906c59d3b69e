/*
 * portable.c - settings under which a value has the same text in every session; portable.h is the contract.
 */
#include "base/portable.h"

#include "utils/guc.h"

static void
pin(const char *setting, const char *value)
{
	/* As a function with SET does: GUC_ACTION_SAVE is allowed while parallel workers run. */
	(void) set_config_option(setting, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

int
xmcoh_portable_begin(bool output)
{
	int			level = NewGUCNestLevel();

	pin("DateStyle", "ISO, MDY");
	pin("IntervalStyle", "postgres");
	pin("TimeZone", "UTC");		/* the text of a timestamptz does not depend on the session's place */
	pin("extra_float_digits", "1"); /* the shortest digits that read back as the same number */
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
