/*
 * restricted.h - around whatever runs code that a source brings along: functions of views, casts, output functions,
 * policies.
 */
#ifndef XMCOH_PG_RESTRICTED_H
#define XMCOH_PG_RESTRICTED_H

#include "postgres.h"

typedef struct RestrictState
{
	Oid			user;
	int			security_context;
	int			guc_level;
} RestrictState;

/*
 * From here to xmcoh_restrict_end:
 * - where the current user is not who has logged in (SET ROLE, SET SESSION AUTHORIZATION, a SECURITY DEFINER function, a
 *   worker), it is under SECURITY_RESTRICTED_OPERATION: no RESET ROLE, no SET ROLE, no SET SESSION AUTHORIZATION, nothing that
 *   would run at commit, when the user is another one again;
 * - every setting that is changed, by SET, SET LOCAL or set_config, changes back at the end;
 * - the settings that the text of a value depends on have fixed values, so a key is the same text in every session and
 *   worker.
 * An error in between needs no xmcoh_restrict_end: the abort of the transaction or subtransaction gives both back
 * (AbortTransaction and AbortSubTransaction set user, security context and settings back to what they were at its start).
 */
extern void xmcoh_restrict_begin(RestrictState *before);

/* The same, and as this role. */
extern void xmcoh_restrict_begin_as(RestrictState *before, Oid role);
extern void xmcoh_restrict_end(const RestrictState *before);

#endif
