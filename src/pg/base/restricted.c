/*
 * restricted.c - a bracket around code of a relation's owner; restricted.h is the contract.
 */
#include "base/restricted.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "base/portable.h"

void
xmcoh_restrict_begin(RestrictState *before)
{
	GetUserIdAndSecContext(&before->user, &before->security_context);
	/* A user who is not the one that logged in could go back: RESET ROLE, then RESET SESSION AUTHORIZATION. */
	if (before->user != GetSessionUserId() || before->user != GetAuthenticatedUserId() ||
		(before->security_context & SECURITY_LOCAL_USERID_CHANGE) != 0)
		SetUserIdAndSecContext(before->user, before->security_context | SECURITY_RESTRICTED_OPERATION);
	before->guc_level = xmcoh_portable_begin(true);
}

void
xmcoh_restrict_begin_as(RestrictState *before, Oid role)
{
	RestrictState as_role;
	Oid			user;
	int			security;

	(void) GetUserNameFromId(role, false);	/* an ERROR for an OID that is no role's, such as 0 for NULL */
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(role, security | SECURITY_LOCAL_USERID_CHANGE);
	xmcoh_restrict_begin(&as_role);
	*before = (RestrictState) {user, security, as_role.guc_level};
}

void
xmcoh_restrict_end(const RestrictState *before)
{
	/*
	 * isCommit is false, as if the level were aborted, so that settings which were changed inside change back. This stands
	 * first: without the restriction, "role" may be one of them, and changing it back sets the current user.
	 */
	AtEOXact_GUC(false, before->guc_level);
	SetUserIdAndSecContext(before->user, before->security_context);
}
