/* schedule.c - when schedules come due, and the trigger that wakes the launcher after a change; see schedule.h */
#include "schedule/schedule.h"

#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "schedule/cron.h"
#include "schedule/launcher.h"
#include "training/commit_actions.h"

PG_FUNCTION_INFO_V1(xmcoh_next_run);
PG_FUNCTION_INFO_V1(xmcoh_schedule_next_run);
PG_FUNCTION_INFO_V1(xmcoh_schedule_changed);
PG_FUNCTION_INFO_V1(xmcoh_launcher_is_loaded);

#define EPOCH_SECONDS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

/* A cron_offset (cron.h). */
static int64_t
zone_offset(void *zone, int64_t time, int64_t *until)
{
	pg_time_t	at = time;
	pg_time_t	boundary;
	long		before;
	long		after;
	int			before_isdst;
	int			after_isdst;

	*until = pg_next_dst_boundary(&at, &before, &before_isdst, &boundary, &after, &after_isdst, zone) == 1 ?
		boundary : PG_INT64_MAX;
	return before;
}

/* Seconds since 1970-01-01 00:00 UTC, rounded down. */
static int64
unix_seconds(TimestampTz time)
{
	return time / USECS_PER_SEC - (time % USECS_PER_SEC < 0) + EPOCH_SECONDS;
}

char *
xmcoh_next_due(const char *cron, const char *timezone, TimestampTz since, TimestampTz considered, TimestampTz *next)
{
	pg_tz	   *zone = pg_tzset(timezone);
	Cron		parsed;
	char		message[CRON_MESSAGE];
	TimestampTz after;
	int64_t		seconds;

	if (!cron_parse(cron, &parsed, message))
		return psprintf("schedule \"%s\" is not understood: %s", cron, message);
	if (zone == NULL || !pg_tz_acceptable(zone))
		return psprintf("time zone \"%s\" is not known", timezone);
	after = parsed.seconds ? since : Max(since, considered);
	if (TIMESTAMP_NOT_FINITE(after))
		return pstrdup("a schedule begins at a finite time");
	if (!cron_next(&parsed, unix_seconds(after), zone_offset, zone, &seconds))
		return psprintf("schedule \"%s\" never comes due", cron);
	*next = (seconds - EPOCH_SECONDS) * USECS_PER_SEC;
	return IS_VALID_TIMESTAMP(*next) ? NULL : pstrdup("timestamp out of range");
}

/* next_run(cron text, after timestamptz, timezone text) RETURNS timestamptz */
Datum
xmcoh_next_run(PG_FUNCTION_ARGS)
{
	TimestampTz after = PG_GETARG_TIMESTAMPTZ(1);
	TimestampTz next;
	char	   *problem = xmcoh_next_due(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(2)),
										 after, after, &next);

	if (problem)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("%s", problem),
				errhint("A schedule is \"minute hour day-of-month month day-of-week\", as in \"0 3 * * *\"; @hourly,"
						" @daily, @weekly, @monthly or @yearly; or \"N seconds\". A time zone is a name such as Europe/Berlin."));
	PG_RETURN_TIMESTAMPTZ(next);
}

/* schedule_next_run(cron text, timezone text, since timestamptz) RETURNS timestamptz: NULL instead of an error */
Datum
xmcoh_schedule_next_run(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next;

	if (xmcoh_next_due(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)),
					   PG_GETARG_TIMESTAMPTZ(2), now, &next) != NULL)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(Max(next, now));
}

/* schedule_changed(): statement trigger of xmcoh.schedule */
Datum
xmcoh_schedule_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo) || RelationGetRelid(((TriggerData *) fcinfo->context)->tg_relation) !=
		get_relname_relid("schedule", get_namespace_oid("xmcoh", true)))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("function xmcoh_internal.schedule_changed() is for the trigger of xmcoh.schedule"));
	if (xmcoh_launcher_loaded())
		xmcoh_wake_at_commit();
	PG_RETURN_POINTER(NULL);
}

/* launcher_is_loaded() RETURNS boolean */
Datum
xmcoh_launcher_is_loaded(PG_FUNCTION_ARGS)
{
	(void) fcinfo;
	PG_RETURN_BOOL(xmcoh_launcher_loaded());
}
