/*
 * schedule.h - when schedules come due, in the server's time zones; see sql/schedules.sql
 */
#ifndef XMCOH_PG_SCHEDULE_H
#define XMCOH_PG_SCHEDULE_H

#include "base/xmcoh.h"

#include "datatype/timestamp.h"

/*
 * When a schedule (cron.h) comes due next in a time zone: after both `considered` and `since`; a schedule of the form
 * `N seconds` so many seconds after `since`. Returns NULL, or why it never comes due, as a sentence without a full stop.
 */
extern char *xmcoh_next_due(const char *cron, const char *timezone, TimestampTz since, TimestampTz considered,
							TimestampTz *next);

#endif
