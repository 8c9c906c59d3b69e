/* restricted.c - around code that a source brings along; see restricted.h */
#include "restricted.h"

#include "miscadmin.h"
#include "utils/guc.h"

/*
 * What output functions look at, and what names in them are resolved by. A worker has the same search_path. The time zone is
 * UTC: a timestamptz is the same moment everywhere, so its text must not depend on where somebody asks.
 */
static const char *const setting[][2] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"DateStyle", "ISO, MDY"},
	{"IntervalStyle", "postgres"},
	{"TimeZone", "UTC"},
	{"extra_float_digits", "1"},
	{"bytea_output", "hex"},
	{"lc_monetary", "C"},
	{"lc_numeric", "C"},
	{"lc_time", "C"},
	{"quote_all_identifiers", "off"},
};

void
xmcoh_restrict_begin(RestrictState *before)
{
	GetUserIdAndSecContext(&before->user, &before->security_context);
	if (before->user != GetSessionUserId() || (before->security_context & SECURITY_LOCAL_USERID_CHANGE) != 0)
		SetUserIdAndSecContext(before->user, before->security_context | SECURITY_RESTRICTED_OPERATION);
	before->guc_level = NewGUCNestLevel();
	/* As for a function with SET: GUC_ACTION_SAVE is the one that is allowed while parallel workers run. */
	for (int i = 0; i < (int) lengthof(setting); i++)
		(void) set_config_option(setting[i][0], setting[i][1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

void
xmcoh_restrict_begin_as(RestrictState *before, Oid role)
{
	RestrictState as_role;
	Oid			user;
	int			security;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(role, security | SECURITY_LOCAL_USERID_CHANGE);
	xmcoh_restrict_begin(&as_role);
	*before = (RestrictState) {user, security, as_role.guc_level};
}

void
xmcoh_restrict_end(const RestrictState *before)
{
	/*
	 * As if the level were aborted, so that what was set inside goes, too. This comes first: where nothing was restricted,
	 * "role" may be among it, and its going back sets the current user.
	 */
	AtEOXact_GUC(false, before->guc_level);
	SetUserIdAndSecContext(before->user, before->security_context);
}
