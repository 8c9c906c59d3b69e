/*
 * restricted.h - a bracket around code of a relation's owner: functions of views, casts, output functions, policies. The role
 * that the code runs as: in a session the current user, in a worker the submitter of the job (training/session.c), in the
 * checks of attach_source and attach_pairs the caller (xmcoh_restrict_begin_as in source/probe.c).
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
 * Between xmcoh_restrict_begin and xmcoh_restrict_end:
 * - If the current user is not the one that logged in (SET ROLE, SET SESSION AUTHORIZATION, a SECURITY DEFINER function, a
 *   worker), SECURITY_RESTRICTED_OPERATION is set. Then RESET ROLE, SET ROLE, SET SESSION AUTHORIZATION, and whatever would
 *   run at commit under another user are refused.
 * - Every setting that is changed, by SET, SET LOCAL or set_config, changes back at the end.
 * - The settings that the text of a value depends on are fixed (portable.h), so a key is the same text in every session and
 *   worker.
 *
 * An error in between needs no xmcoh_restrict_end: AbortTransaction and AbortSubTransaction set user, security context and
 * settings back to their values at the start of the (sub)transaction.
 */
extern void xmcoh_restrict_begin(RestrictState *before);

/* The same, as another role. Errors: undefined_object for an OID that is no role's. */
extern void xmcoh_restrict_begin_as(RestrictState *before, Oid role);
extern void xmcoh_restrict_end(const RestrictState *before);

#endif
