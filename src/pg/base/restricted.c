/* restricted.c - around code that a source brings along; see restricted.h */
#include "base/restricted.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "base/portable.h"

void
xmcoh_restrict_begin(RestrictState *before)
{
	GetUserIdAndSecContext(&before->user, &before->security_context);
	/* Whoever has become another could go back: by RESET ROLE to the session's user, from that one to who has logged in. */
	if (before->user != GetSessionUserId() || before->user != GetAuthenticatedUserId() ||
		(before->security_context & SECURITY_LOCAL_USERID_CHANGE) != 0)
		SetUserIdAndSecContext(before->user, before->security_context | SECURITY_RESTRICTED_OPERATION);
	before->guc_level = xmcoh_portable_begin(true);	/* a worker has this search_path in any case */
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
