/* test_cron.c - cron schedules: syntax, days, and what happens where clocks are put forward and back */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../src/pg/schedule/cron.c"

/* ---- zones ---- */

typedef struct Change
{
	int64_t		at;				/* from here on (UTC) clocks are so much ahead */
	int64_t		ahead;
} Change;

typedef struct Zone
{
	int			n;
	Change		change[8];		/* the first is always in force before */
} Zone;

static int64_t
zone_offset(void *arg, int64_t time, int64_t *until)
{
	const Zone *zone = arg;
	int			k = 0;

	while (k + 1 < zone->n && zone->change[k + 1].at <= time)
		k++;
	*until = k + 1 < zone->n ? zone->change[k + 1].at : INT64_MAX;
	return zone->change[k].ahead;
}

/* The last Sunday of every March is a gap from 02:00 to 03:00, and summer time ends on that of October, for ever. */
static int64_t
berlin_offset(void *arg, int64_t time, int64_t *until)
{
	int64_t		from[2] = {INT64_MIN, INT64_MAX};
	int64_t		ahead = 3600;
	struct tm	civil;
	time_t		t = time;

	(void) arg;
	gmtime_r(&t, &civil);
	for (int k = 0; k < 6; k++)	/* spring and autumn of the year before, this one, the next one */
	{
		struct tm	end = {.tm_year = civil.tm_year - 1 + k / 2,.tm_mon = k % 2 ? 9 : 2,.tm_mday = 31,.tm_hour = 1};
		int64_t		at = timegm(&end);

		gmtime_r(&(time_t) {at}, &end);
		at -= (int64_t) end.tm_wday * 86400;
		if (at <= time && at > from[0])
		{
			from[0] = at;
			ahead = k % 2 ? 3600 : 7200;
		}
		if (at > time && at < from[1])
			from[1] = at;
	}
	*until = from[1];
	return ahead;
}

static Zone utc = {.n = 1};

static int64_t
at(const char *text)
{
	struct tm	civil = {0};
	int			n = sscanf(text, "%d-%d-%d %d:%d:%d", &civil.tm_year, &civil.tm_mon, &civil.tm_mday, &civil.tm_hour,
						   &civil.tm_min, &civil.tm_sec);

	assert_true(n >= 5);
	civil.tm_year -= 1900;
	civil.tm_mon--;
	return timegm(&civil);
}

static void
check_next(const char *file, int line, const char *text, const char *after, cron_offset offset, void *zone,
		   const char *want)
{
	Cron		cron;
	char		message[CRON_MESSAGE] = "";
	char		got[64] = "never";
	int64_t		next;

	if (!cron_parse(text, &cron, message))
		snprintf(got, sizeof got, "refused: %.50s", message);
	else if (cron_next(&cron, at(after), offset, zone, &next))
	{
		struct tm	civil;

		gmtime_r(&(time_t) {next}, &civil);
		strftime(got, sizeof got, civil.tm_sec ? "%Y-%m-%d %H:%M:%S" : "%Y-%m-%d %H:%M", &civil);
	}
	if (strcmp(got, want) != 0)
	if (strcmp(got, want) != 0)
	{
		print_error("\"%s\" after %s: %s instead of %s\n", text, after, got, want);
		_fail(file, line);
	}
}

#define assert_next(text, after, want) check_next(__FILE__, __LINE__, text, after, zone_offset, &utc, want)
#define assert_berlin(text, after, want) check_next(__FILE__, __LINE__, text, after, berlin_offset, NULL, want)

/* ---- syntax ---- */

static void
test_fields(void **state)
{
	Cron		cron;
	char		message[CRON_MESSAGE];

	(void) state;
	assert_true(cron_parse("5 0-3 1,15 */3 mon-fri", &cron, message));
	assert_int_equal(cron.minutes, 1 << 5);
	assert_int_equal(cron.hours, 0xf);
	assert_int_equal(cron.days, 1 << 1 | 1 << 15);
	assert_int_equal(cron.months, 1 << 1 | 1 << 4 | 1 << 7 | 1 << 10);
	assert_int_equal(cron.weekdays & 0x7f, 0x3e);
	assert_false(cron.both_days);
	assert_false(cron.by_clock);
	assert_true(cron_parse("  */20\t10-20/5,22  *  JAN,Mar-mAy  Sun\n", &cron, message));
	assert_int_equal(cron.minutes, UINT64_C(1) | UINT64_C(1) << 20 | UINT64_C(1) << 40);
	assert_int_equal(cron.hours, 1 << 10 | 1 << 15 | 1 << 20 | 1 << 22);
	assert_int_equal(cron.months, 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5);
	assert_int_equal(cron.weekdays & 0x7f, 1);
	assert_true(cron.both_days);
	assert_true(cron.by_clock);
	assert_true(cron_parse("0 0 * * 7", &cron, message));
	assert_int_equal(cron.weekdays & 0x7f, 1);
	assert_true(cron_parse("0 0 * * 5-7", &cron, message));
	assert_int_equal(cron.weekdays & 0x7f, 0x61);
	assert_true(cron_parse("59 23 31 12 6", &cron, message));
	assert_true(cron_parse("*/59 */23 */31 */12 */7", &cron, message));
	assert_int_equal(cron.weekdays & 0x7f, 1);
}

static void
test_nicknames(void **state)
{
	static const char *const same[][2] = {
		{"@hourly", "0 * * * *"}, {"@daily", "0 0 * * *"}, {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
		{"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@Annually ", "0 0 1 1 *"},
	};

	(void) state;
	for (size_t k = 0; k < sizeof same / sizeof *same; k++)
	{
		Cron		a, b;
		char		message[CRON_MESSAGE];

		assert_true(cron_parse(same[k][0], &a, message));
		assert_true(cron_parse(same[k][1], &b, message));
		assert_memory_equal(&a, &b, sizeof a);
	}
}

static void
test_refused(void **state)
{
	/* the text, and what the message must hold */
	static const char *const bad[][2] = {
		{"", "0 fields"}, {"* * * *", "4 fields"}, {"* * * * * *", "6 fields"}, {"0 3 * * * SELECT 1", "7 fields"},
		{"60 * * * *", "minute: 60 is not between 0 and 59"}, {"* 24 * * *", "hour: 24 is not between 0 and 23"},
		{"* * 0 * *", "day of month: 0 is not between 1 and 31"}, {"* * 32 * *", "day of month: 32"},
		{"* * * 0 *", "month: 0 is not between 1 and 12"}, {"* * * 13 *", "month: 13"},
		{"* * * * 8", "day of week: 8 is not between 0 and 7"}, {"-1 * * * *", "minute: \"-1\" is not a number"},
		{"*/0 10 * * *", "minute: a step is between 1 and 59"}, {"*/-1 10 * * *", "minute: a step"},
		{"*/60 10 * * *", "minute: a step"}, {"* */24 * * *", "hour: a step"}, {"*/5000000000 10 * * *", "minute: a step"},
		{"1/20 * * * *", "minute: a step is for * and for ranges"}, {"30-10 * * * *", "ends before it begins"},
		{"5-64/30 * * * *", "minute: 64"}, {"* * * * sat-sun", "ends before it begins"}, {"1, * * * *", "minute: \"\""},
		{",1 * * * *", "minute: \",1\""}, {"1,,2 * * * *", "minute: \",2\""}, {"1- * * * *", "minute: \"\""},
		{"5x * * * *", "\"x\" is not understood"}, {"** * * * *", "is not understood"}, {"jan * * * *", "is not a number"},
		{"* * * january *", "\"uary\" is not understood"}, {"* * * * montag", "\"tag\""}, {"* * * mon *", "month: \"mon\""},
		{"* * * * x", "is not a number or a name"}, {"0 0 $foo * *", "day of month: \"$foo\""}, {"0 0 1,$ * *", "\"$\""},
		{"$ 0 * * *", "minute: \"$\""}, {"0 0 ? * *", "day of month: \"?\""}, {"0 0 L * *", "day of month"},
		{"@reboot", "not supported"}, {"@RESTART", "not supported"}, {"@restar", "there is no @restar"},
		{"@hourly 5", "2 fields"}, {"0 seconds", "between 1 and 59"}, {"60 seconds", "between 1 and 59"},
		{"-1 seconds", "between 1 and 59"}, {"10000000000 seconds", "between 1 and 59"}, {"5 secondc", "2 fields"},
		{"5s seconds", "between 1 and 59"}, {"50 seconds c", "3 fields"}, {"99999999999999999999 * * * *", "minute: \"9999"},
	};
	char		large[1001];
	char		message[CRON_MESSAGE];
	Cron		cron;

	(void) state;
	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
	{
		if (cron_parse(bad[k][0], &cron, message))
			fail_msg("\"%s\" is accepted", bad[k][0]);
		if (strstr(message, bad[k][1]) == NULL)
			fail_msg("\"%s\": %s", bad[k][0], message);
	}
	memset(large, 'a', 1000);
	large[1000] = '\0';
	assert_false(cron_parse(large, &cron, message));
	assert_string_equal(message, "it is longer than 255 bytes");
}

/* ---- without a change of the clocks ---- */

/* The examples of crontab(5) and of pg_cron's manual. */
static void
test_documented(void **state)
{
	(void) state;
	assert_next("5 0 * * *", "2024-05-01 00:05", "2024-05-02 00:05");	/* five minutes after midnight, every day */
	assert_next("15 14 1 * *", "2024-05-01 14:15", "2024-06-01 14:15"); /* at 2:15pm on the first of every month */
	assert_next("0 22 * * 1-5", "2024-05-03 22:00", "2024-05-06 22:00");	/* at 10 pm on weekdays */
	assert_next("23 0-23/2 * * *", "2024-05-03 22:24", "2024-05-04 00:23"); /* 23 minutes after midnight, 2am, 4am ... */
	assert_next("5 4 * * sun", "2024-05-03 00:00", "2024-05-05 04:05"); /* at 5 after 4 every Sunday */
	assert_next("30 4 1,15 * 5", "2024-05-01 05:00", "2024-05-03 04:30");	/* the 1st and 15th, plus every Friday */
	assert_next("30 4 1,15 * 5", "2024-05-10 04:30", "2024-05-15 04:30");
	assert_next("0 */4 1 * mon", "2024-05-27 23:00", "2024-06-01 00:00");	/* neither day begins with *: either */
	assert_next("0 4 8-14 * *", "2024-05-14 04:00", "2024-06-08 04:00");
	assert_next("* * * * *", "2024-05-03 10:00", "2024-05-03 10:01");
	assert_next("* * * * *", "2024-05-03 10:00:59", "2024-05-03 10:01");
	assert_next("*/5 * * * *", "2024-05-03 10:01", "2024-05-03 10:05");
	assert_next("0 * * * *", "2024-05-03 23:00", "2024-05-04 00:00");
	assert_next("0 0 * * 1-5", "2024-05-03 00:00", "2024-05-06 00:00");
	assert_next("0 1 * * 0", "2024-05-03 00:00", "2024-05-05 01:00");
	assert_next("0 13 2 6 *", "2024-06-02 13:00", "2025-06-02 13:00");
	assert_next("30 3 * * 6", "2024-05-03 00:00", "2024-05-04 03:30");
	assert_next("10 seconds", "2024-05-03 10:00:55", "2024-05-03 10:01:05");
	assert_next("1 second", "2024-05-03 10:00:55", "2024-05-03 10:00:56");
	assert_next(" 30 sEcOnDs ", "2024-05-03 10:00", "2024-05-03 10:00:30");
	assert_next("0 11 $ * *", "2024-01-31 11:00", "2024-02-29 11:00");
	assert_next("0 11 $ * *", "2023-01-31 11:00", "2023-02-28 11:00");
	assert_next("0 11 $ 4 *", "2023-01-31 11:00", "2023-04-30 11:00");
}

/* A field that begins with * does not restrict the day, even when it has a step: then both must match. */
static void
test_days(void **state)
{
	(void) state;
	assert_next("0 0 1 * mon", "2024-05-01 00:00", "2024-05-06 00:00");
	assert_next("0 0 1 * *", "2024-05-01 00:00", "2024-06-01 00:00");
	assert_next("0 0 */2 * sun", "2024-05-05 00:00", "2024-05-19 00:00");	/* Sundays on odd days: 5, 19 */
	assert_next("0 0 13 * */5", "2024-05-01 00:00", "2024-09-13 00:00");	/* Friday the 13th, by 0 and 5: Sunday, Friday */
	assert_next("0 0 $ * fri", "2024-05-24 00:00", "2024-05-31 00:00");
	assert_next("0 0 $ * fri", "2024-05-31 00:00", "2024-06-07 00:00"); /* $ is no *: either day */
	assert_next("0 0 1-31 * mon", "2024-05-01 00:00", "2024-05-02 00:00");	/* nor is a full range */
	assert_next("0 0 29 2 *", "2023-01-01 00:00", "2024-02-29 00:00");
	assert_next("0 0 29 2 *", "2096-02-29 00:00", "2104-02-29 00:00");	/* 2100 is no leap year */
	assert_next("0 0 29 2 *", "1996-02-29 00:00", "2000-02-29 00:00");	/* 2000 is one */
	assert_next("0 0 29 2 */7", "2024-03-01 00:00", "2032-02-29 00:00");	/* on a Sunday */
	assert_next("0 0 31 12 *", "1968-12-31 00:00", "1969-12-31 00:00");
	assert_next("0 0 $ 2 *", "1900-01-01 00:00", "1900-02-28 00:00");
}

static void
test_never(void **state)
{
	(void) state;
	assert_next("0 0 30 2 *", "2024-01-01 00:00", "never");
	assert_next("0 0 31 2,4,6,9,11 *", "2024-01-01 00:00", "never");
	assert_next("0 0 30 2 */3", "2024-01-01 00:00", "never");
	assert_next("0 0 30 2 mon", "2024-01-01 00:00", "2024-02-05 00:00");	/* the Mondays of February */
	/* the hour from 2 to 3 on the last Sunday of March is the one that clocks never show */
	assert_berlin("* 2 25-31 3 */7", "2024-01-01 00:00", "never");
	assert_berlin("0 2 25-31 3 */7", "2024-01-01 00:00", "2024-03-31 01:00");
}

/* ---- clocks put forward and back ---- */

/* Berlin in 2024: 02:00 to 03:00 is skipped on 31 March and shown twice on 27 October; both at 01:00 UTC. */
static void
test_gap(void **state)
{
	(void) state;
	assert_berlin("30 2 * * *", "2024-03-30 00:00", "2024-03-30 01:30");	/* winter time: UTC+1 */
	assert_berlin("30 2 * * *", "2024-03-30 01:30", "2024-03-31 01:00");	/* skipped: right after the gap */
	assert_berlin("30 2 * * *", "2024-03-31 01:00", "2024-04-01 00:30");	/* summer time: UTC+2 */
	assert_berlin("0,30 2 * * *", "2024-03-30 02:00", "2024-03-31 01:00");	/* two skipped times: one run */
	assert_berlin("0,30 2 * * *", "2024-03-31 01:00", "2024-04-01 00:00");
	assert_berlin("0 2,3 * * *", "2024-03-31 00:00", "2024-03-31 01:00");	/* together with one that is not skipped */
	assert_berlin("0 2,3 * * *", "2024-03-31 01:00", "2024-04-01 00:00");
	assert_berlin("30 1-3 * * *", "2024-03-31 00:30", "2024-03-31 01:00");
	assert_berlin("30 1-3 * * *", "2024-03-31 01:00", "2024-03-31 01:30");
	assert_berlin("30 2 31 3 *", "2024-01-01 00:00", "2024-03-31 01:00");
	/* those with * go by the clock: what it does not show is left out, and no interval is longer than elsewhere */
	assert_berlin("*/20 * * * *", "2024-03-31 00:40", "2024-03-31 01:00");
	assert_berlin("0 * * * *", "2024-03-31 00:00", "2024-03-31 01:00");
	assert_berlin("@hourly", "2024-03-31 01:00", "2024-03-31 02:00");
	assert_berlin("*/20 2 * * *", "2024-03-30 02:00", "2024-04-01 00:00");
	assert_berlin("30 */2 * * *", "2024-03-31 00:00", "2024-03-31 02:30");	/* 00:30, not 02:30, 04:30 */
}

static void
test_repeated(void **state)
{
	(void) state;
	assert_berlin("30 2 * * *", "2024-10-26 00:30", "2024-10-27 00:30");	/* the first 02:30 */
	assert_berlin("30 2 * * *", "2024-10-27 00:30", "2024-10-28 01:30");	/* not the second */
	assert_berlin("30 2 * * *", "2024-10-27 01:10", "2024-10-28 01:30");	/* also when asked within it */
	assert_berlin("0,30 2 * * *", "2024-10-27 00:30", "2024-10-28 01:00");
	assert_berlin("0 3 * * *", "2024-10-27 00:59", "2024-10-27 02:00");
	assert_berlin("30 1-3 * * *", "2024-10-27 00:30", "2024-10-27 02:30");
	assert_berlin("@daily", "2024-10-26 22:00", "2024-10-27 23:00");	/* a day of 25 hours */
	assert_berlin("*/20 * * * *", "2024-10-27 00:40", "2024-10-27 01:00");	/* 02:40, 02:00, 02:20 ... */
	assert_berlin("*/20 2 * * *", "2024-10-27 00:40", "2024-10-27 01:00");
	assert_berlin("0 * * * *", "2024-10-27 00:00", "2024-10-27 01:00");
	assert_berlin("30 * * * *", "2024-10-27 00:30", "2024-10-27 01:30");
}

/* Samoa skipped the whole 30 December 2011; a clock may also be ahead by odd seconds, as local mean time was. */
static void
test_odd_zones(void **state)
{
	Zone		apia = {2, {{0, -10 * 3600}, {at("2011-12-30 10:00"), 14 * 3600}}};
	Zone		mean = {2, {{0, 53 * 60 + 28}, {at("1893-03-31 23:06:32"), 3600}}};
	Zone		half = {3, {{0, 37800}, {at("2024-10-05 15:30"), 39600}, {at("2025-04-05 15:00"), 37800}}};	/* Lord Howe */

	(void) state;
	check_next(__FILE__, __LINE__, "0 3 * * *", "2011-12-29 13:00", zone_offset, &apia, "2011-12-30 10:00");
	check_next(__FILE__, __LINE__, "0 3 * * *", "2011-12-30 10:00", zone_offset, &apia, "2011-12-30 13:00");
	check_next(__FILE__, __LINE__, "0 3 30 12 *", "2011-12-01 13:00", zone_offset, &apia, "2011-12-30 10:00");
	check_next(__FILE__, __LINE__, "0 3 * * *", "1890-01-01 00:00", zone_offset, &mean, "1890-01-01 02:06:32");
	check_next(__FILE__, __LINE__, "15 2 * * *", "2024-10-05 00:00", zone_offset, &half, "2024-10-05 15:30");
	check_next(__FILE__, __LINE__, "45 1 * * *", "2025-04-05 14:50", zone_offset, &half, "2025-04-06 15:15");
}

/* ---- against brute force ---- */

/* One field at random: its text, and which values it means. */
static void
random_field(int low, int high, char *text, bool *in)
{
	int			a = low + rand() % (high - low + 1);
	int			b = a + rand() % (high - a + 1);
	int			step = 1 + rand() % 7;

	memset(in, 0, 64 * sizeof *in);
	switch (rand() % 5)
	{
		case 0:
		case 1:
			step = rand() % 2 ? 1 : step;
			sprintf(text, step == 1 ? "*" : "*/%d", step);
			for (int k = low; k <= high; k += step)
				in[k] = true;
			break;
		case 2:
			sprintf(text, "%d", a);
			in[a] = true;
			break;
		case 3:
			sprintf(text, "%d,%d", b, a);
			in[a] = in[b] = true;
			break;
		default:
			sprintf(text, "%d-%d/%d", a, b, step);
			for (int k = a; k <= b; k += step)
				in[k] = true;
	}
}

/* Whether a schedule names this local time; by the C library's calendar. */
static bool
named(bool in[FIELDS][64], const char *text, int64_t local)
{
	struct tm	civil;
	bool		star;
	bool		day;
	bool		weekday;
	char		field[FIELDS][16];

	gmtime_r(&(time_t) {local}, &civil);
	sscanf(text, "%15s %15s %15s %15s %15s", field[0], field[1], field[2], field[3], field[4]);
	star = field[DAY_OF_MONTH][0] == '*' || field[DAY_OF_WEEK][0] == '*';
	day = in[DAY_OF_MONTH][civil.tm_mday];
	weekday = in[DAY_OF_WEEK][civil.tm_wday] || (civil.tm_wday == 0 && in[DAY_OF_WEEK][7]);
	return civil.tm_sec == 0 && in[MINUTE][civil.tm_min] && in[HOUR][civil.tm_hour] && in[MONTH][civil.tm_mon + 1] &&
		(star ? day && weekday : day || weekday);
}

/*
 * Minute by minute through the weeks in which clocks are put forward and back, with no calendar of ours. A fixed schedule
 * runs at a minute if a time that it names has been shown, or left out, for the first time since the minute before.
 */
static void
test_brute_force(void **state)
{
	static const char *const begin[] = {"2024-03-29 20:00", "2024-10-25 20:00", "2023-12-30 20:00"};

	int			dues = 0;

	(void) state;
	srand(7);
	for (int trial = 0; trial < 400; trial++)
	{
		bool		in[FIELDS][64];
		char		field[FIELDS][16];
		char		text[100];
		char		message[CRON_MESSAGE];
		Cron		cron;
		int64_t		start = at(begin[trial % 3]);
		int64_t		shown = 0;	/* latest local time until now */
		int64_t		next = 0;

		for (int k = 0; k < FIELDS; k++)
		{
			random_field(fields[k].low, fields[k].high, field[k], in[k]);
			if ((k == DAY_OF_MONTH && rand() % 2) || (k == MONTH && rand() % 4))
			{
				strcpy(field[k], "*");
				memset(in[k], true, sizeof in[k]);
			}
		}
		sprintf(text, "%s %s %s %s %s", field[0], field[1], field[2], field[3], field[4]);
		if (!cron_parse(text, &cron, message))
			continue;			/* a step larger than the field */
		for (int64_t t = start; t < start + 4 * 86400; t += 60)
		{
			int64_t		until;
			int64_t		local = t + berlin_offset(NULL, t, &until);
			bool		due = false;

			if (field[MINUTE][0] == '*' || field[HOUR][0] == '*')
				due = named(in, text, local);
			else
				for (int64_t l = shown + 60; shown && l <= local; l += 60)
					due |= named(in, text, l);
			if (local > shown)
				shown = local;
			if (t == start)
				due = false;
			if (next <= t && (!cron_next(&cron, t - 60, berlin_offset, NULL, &next)))
				next = INT64_MAX;
			dues += due;
			if (t > start && due != (next == t))
				fail_msg("\"%s\": at %lld %s", text, (long long) t, due ? "it should be due" : "it should not be due");
		}
	}
	assert_true(dues > 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_nicknames),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_documented),
		cmocka_unit_test(test_days),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_odd_zones),
		cmocka_unit_test(test_brute_force),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
