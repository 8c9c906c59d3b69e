/* cron.c - cron schedules: their syntax, and when they come due next; see cron.h. Plain C, without PostgreSQL. */
#include "schedule/cron.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT 256
#define BLANKS " \t\n"
#define DAY 86400
#define CALENDAR_DAYS 146097	/* in 400 years: a whole number of weeks, too */

/* ---- syntax ---- */

typedef struct Field
{
	const char *name;
	int			low;
	int			high;
	const char *names;			/* of low, low + 1, ..., three letters each */
} Field;

enum
{
	MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK, FIELDS
};

static const Field fields[FIELDS] = {
	{"minute", 0, 59, ""},
	{"hour", 0, 23, ""},
	{"day of month", 1, 31, ""},
	{"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
	{"day of week", 0, 7, "sunmontuewedthufrisat"},
};

static const char *const nickname[][2] = {
	{"@hourly", "0 * * * *"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@weekly", "0 0 * * 0"},
	{"@monthly", "0 0 1 * *"},
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
};

__attribute__((format(printf, 2, 3)))
static bool
refuse(char *message, const char *format,...)
{
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(message, CRON_MESSAGE, format, arguments);
	va_end(arguments);
	return false;
}

/* A number of up to nine digits; false if there is none at *at. */
static bool
read_digits(const char **at, int *number)
{
	size_t		n = strspn(*at, "0123456789");

	if (n == 0 || n > 9)
		return false;
	*number = atoi(*at);
	*at += n;
	return true;
}

/* A number or a name. */
static bool
read_value(const Field *field, const char **at, int *value, char *message)
{
	if (!read_digits(at, value))
	{
		const char *name = field->names;

		while (*name && strncmp(name, *at, 3) != 0)
			name += 3;
		if (*name == '\0')
			return refuse(message, "%s: \"%.20s\" is not a number%s", field->name, *at,
						  *field->names ? " or a name" : "");
		*value = field->low + (int) (name - field->names) / 3;
		*at += 3;
	}
	if (*value < field->low || *value > field->high)
		return refuse(message, "%s: %d is not between %d and %d", field->name, *value, field->low, field->high);
	return true;
}

/* One element of a list: a value, a range with or without a step, or * with or without one. */
static bool
read_range(const Field *field, const char **at, uint64_t *set, char *message)
{
	int			low = field->low;
	int			high = field->high;
	int			step = 1;
	bool		range = true;

	if (**at == '*')
		++*at;
	else
	{
		if (!read_value(field, at, &low, message))
			return false;
		high = low;
		range = **at == '-';
		if (range)
		{
			++*at;
			if (!read_value(field, at, &high, message))
				return false;
			if (high < low)
				return refuse(message, "%s: the range %d-%d ends before it begins", field->name, low, high);
		}
	}
	if (**at == '/')
	{
		++*at;
		if (!range)
			return refuse(message, "%s: a step is for * and for ranges, as in %d-%d/2", field->name, low, field->high);
		if (!read_digits(at, &step) || step < 1 || step > field->high)
			return refuse(message, "%s: a step is between 1 and %d", field->name, field->high);
	}
	for (int value = low; value <= high; value += step)
		*set |= UINT64_C(1) << value;
	return true;
}

static bool
read_field(const Field *field, const char *text, uint64_t *set, char *message)
{
	*set = 0;
	do
	{
		if (!read_range(field, &text, set, message))
			return false;
	} while (*text == ',' && text++);
	return *text == '\0' || refuse(message, "%s: \"%.20s\" is not understood", field->name, text);
}

static bool
read_fields(char *word[FIELDS], Cron *cron, char *message)
{
	uint64_t   *set[FIELDS] = {&cron->minutes, &cron->hours, &cron->days, &cron->months, &cron->weekdays};

	cron->last_day = strcmp(word[DAY_OF_MONTH], "$") == 0;
	for (int k = 0; k < FIELDS; k++)
		if (!(k == DAY_OF_MONTH && cron->last_day) && !read_field(&fields[k], word[k], set[k], message))
			return false;
	cron->weekdays |= cron->weekdays >> 7;	/* 7 is Sunday as well */
	cron->both_days = *word[DAY_OF_MONTH] == '*' || *word[DAY_OF_WEEK] == '*';
	cron->by_clock = *word[MINUTE] == '*' || *word[HOUR] == '*';
	return true;
}

bool
cron_parse(const char *text, Cron *cron, char *message)
{
	char		copy[MAX_TEXT];
	char	   *word[FIELDS];
	char	   *rest;
	int			n = 0;
	size_t		length = strlen(text);

	*cron = (Cron) {0};
	if (length >= sizeof copy)
		return refuse(message, "it is longer than %d bytes", MAX_TEXT - 1);
	for (size_t i = 0; i <= length; i++)
		copy[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char) (text[i] - 'A' + 'a') : text[i];
	for (char *next = strtok_r(copy, BLANKS, &rest); next; next = strtok_r(NULL, BLANKS, &rest))
	{
		if (n < FIELDS)
			word[n] = next;
		n++;
	}

	if (n == 1 && *word[0] == '@')
	{
		for (size_t k = 0; k < sizeof nickname / sizeof *nickname; k++)
			if (strcmp(word[0], nickname[k][0]) == 0)
				return cron_parse(nickname[k][1], cron, message);
		if (strcmp(word[0], "@reboot") == 0 || strcmp(word[0], "@restart") == 0)
			return refuse(message, "%s is not supported: a start of the server trains nothing", word[0]);
		return refuse(message, "there is no %.20s", word[0]);
	}
	if (n == 2 && (strcmp(word[1], "seconds") == 0 || strcmp(word[1], "second") == 0))
	{
		const char *at = word[0];

		if (!read_digits(&at, &cron->seconds) || *at || cron->seconds < 1 || cron->seconds > 59)
			return refuse(message, "seconds are between 1 and 59");
		return true;
	}
	if (n != FIELDS)
		return refuse(message, "it has %d fields instead of five", n);
	return read_fields(word, cron, message);
}

/* ---- the calendar of local clocks ---- */

static bool
has(uint64_t set, int64_t value)
{
	return set >> value & 1;
}

/*
 * Whether the schedule comes due on this day, counted from 1970-01-01. The civil date comes from counting years from March
 * on within eras of 400 years (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
 */
static bool
day_matches(const Cron *cron, int64_t day)
{
	static const int8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t		shifted = day + 719468; /* from 0000-03-01: leap days are then the last of their years */
	int64_t		of_era = (shifted % CALENDAR_DAYS + CALENDAR_DAYS) % CALENDAR_DAYS;
	int64_t		year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;	/* of the era */
	int64_t		of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t		march_month = (5 * of_year + 2) / 153;	/* 0: March */
	int			month = (int) (march_month < 10 ? march_month + 3 : march_month - 9);
	int			of_month = (int) (of_year - (153 * march_month + 2) / 5) + 1;
	bool		leap;
	bool		day_of_month;
	bool		day_of_week;

	if (!has(cron->months, month))
		return false;
	year += month <= 2;
	leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	day_of_month = has(cron->days, of_month) ||
		(cron->last_day && of_month == month_days[month - 1] + (month == 2 && leap));
	day_of_week = has(cron->weekdays, ((day + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
	return cron->both_days ? day_of_month && day_of_week : day_of_month || day_of_week;
}

/*
 * The first local time at or after `from` at which the schedule comes due, in seconds since 1970-01-01 00:00 of local
 * clocks.
 */
static bool
next_local(const Cron *cron, int64_t from, int64_t *local)
{
	int64_t		day = from / DAY - (from % DAY < 0);
	int64_t		minute = (from - day * DAY + 59) / 60;

	for (int64_t end = day + CALENDAR_DAYS; day <= end; day++, minute = 0)
		if (day_matches(cron, day))
			for (; minute < DAY / 60; minute++)
				if (has(cron->hours, minute / 60) && has(cron->minutes, minute % 60))
				{
					*local = day * DAY + minute * 60;
					return true;
				}
	return false;
}

/* ---- local clocks and UTC ---- */

/*
 * The latest time that local clocks have shown up to `time`. It is later than what they show at `time` if they were put
 * back.
 */
static int64_t
latest_shown(int64_t time, cron_offset offset, void *zone)
{
	int64_t		latest = INT64_MIN;
	int64_t		until;

	for (int64_t t = time - 2 * DAY; t <= time; t = until)	/* no clock was ever put back by more than a day */
	{
		int64_t		ahead = offset(zone, t, &until);
		int64_t		last = (until <= time ? until - 1 : time) + ahead;

		if (last > latest)
			latest = last;
	}
	return latest;
}

bool
cron_next(const Cron *cron, int64_t after, cron_offset offset, void *zone, int64_t *next)
{
	int64_t		local;
	int64_t		until;

	if (cron->seconds)
	{
		*next = after + cron->seconds;
		return true;
	}
	if (!cron->by_clock && !next_local(cron, latest_shown(after, offset, zone) + 1, &local))
		return false;
	/* Search each period between two changes of the clock: in it, local and UTC times differ by a constant. */
	for (int64_t t = after + 1; t <= after + (int64_t) CALENDAR_DAYS * DAY; t = until)
	{
		int64_t		ahead = offset(zone, t, &until);

		if (cron->by_clock && !next_local(cron, t + ahead, &local))
			return false;
		if (local - ahead < until)
		{
			*next = local - ahead > t ? local - ahead : t;
			return true;
		}
	}
	return false;
}
