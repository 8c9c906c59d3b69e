/*
 * cron.h - cron schedules in plain C: their syntax, and when they come due next.
 *
 * Syntax and meaning are those of Vixie's cron, as crontab(5) and cron(8) describe them and as pg_cron has them:
 *
 *     minute (0-59)  hour (0-23)  day of month (1-31, or $: the last)  month (1-12, jan-dec)  day of week (0-7, sun-sat)
 *
 * A field is a list of `*`, numbers and ranges, as in 1,3-5; `*` and ranges may have a step, as in 0-30/5. 0 and 7 are
 * Sunday. Upper and lower case are the same.
 * A day matches if both day fields do, when one of them begins with `*`; else if either does. Instead of five fields:
 * @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, or pg_cron's `N seconds` (1 to 59).
 *
 * Changes of the clock: a schedule whose minute or hour begins with `*` follows the clock, so it runs twice in a repeated
 * hour and not at all in a skipped one. Any other schedule runs when clocks first show its time or a later one: right after
 * a gap that contains its time, and once where its time is repeated.
 */
#ifndef XMCOH_PG_CRON_H
#define XMCOH_PG_CRON_H

#include <stdbool.h>
#include <stdint.h>

#define CRON_MESSAGE 200

/* Bit k of a set: the value k. */
typedef struct Cron
{
	uint64_t	minutes;
	uint64_t	hours;
	uint64_t	days;			/* of the month */
	uint64_t	months;
	uint64_t	weekdays;		/* 0: Sunday */
	bool		last_day;		/* also on the last day of a month */
	bool		both_days;		/* day of month and day of week must both match; else one of them */
	bool		by_clock;		/* minute or hour begins with *: see above */
	int			seconds;		/* not 0: every so many seconds, and the other fields are not used */
} Cron;

/* false: `message` (CRON_MESSAGE bytes) says which field is wrong and why. */
extern bool cron_parse(const char *text, Cron *cron, char *message);

/*
 * How many seconds local clocks are ahead of UTC at `time`; *until: the next time at which that changes (INT64_MAX:
 * never).
 */
typedef int64_t (*cron_offset) (void *zone, int64_t time, int64_t *until);

/*
 * The first time after `after` at which the schedule comes due; both in seconds since 1970-01-01 00:00 UTC. false: there is
 * none within 400 years. The calendar repeats itself then, so there is none at all.
 */
extern bool cron_next(const Cron *cron, int64_t after, cron_offset offset, void *zone, int64_t *next);

#endif
