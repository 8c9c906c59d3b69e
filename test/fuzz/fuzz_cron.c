/*
 * fuzz_cron.c - arbitrary bytes as a schedule, after 16 bytes for the time and the zone: the schedule is refused with a message, or is
 * due later than now, at a time that matches it and, where clocks never change, at the first such time.
 */
#include "fuzz.h"

#include <time.h>

#include "../../src/pg/schedule/cron.h"

#define LATEST INT64_C(253402300799)	/* the end of the year 9999 */
#define CHECKED 1500			/* minutes that are checked one by one */

/* Clocks that are put forward and back by `step` seconds every `every` seconds. */
typedef struct clocks
{
	int64_t		ahead;
	int64_t		step;
	int64_t		every;			/* 0: never */
} clocks;

static int64_t
ahead_at(void *arg, int64_t time, int64_t *until)
{
	const clocks *c = arg;
	int64_t		period;

	if (c->every == 0)
	{
		*until = INT64_MAX;
		return c->ahead;
	}
	period = time / c->every - (time % c->every < 0);
	*until = (period + 1) * c->every;
	return c->ahead + (period & 1 ? c->step : 0);
}

/* Uses the C library's calendar, which cron.c does not use. */
static bool
names(const Cron *cron, int64_t local)
{
	struct tm	civil;
	struct tm	tomorrow;
	time_t		t = (time_t) local;
	bool		day;
	bool		weekday;

	MUST(gmtime_r(&t, &civil) != NULL);
	t += 86400;
	MUST(gmtime_r(&t, &tomorrow) != NULL);
	day = cron->days >> civil.tm_mday & 1 || (cron->last_day && tomorrow.tm_mday == 1);
	weekday = cron->weekdays >> civil.tm_wday & 1;
	return civil.tm_sec == 0 && cron->minutes >> civil.tm_min & 1 && cron->hours >> civil.tm_hour & 1 &&
		cron->months >> (civil.tm_mon + 1) & 1 && (cron->both_days ? day && weekday : day || weekday);
}

static int64_t
number(const uint8_t *bytes, int n)
{
	uint64_t	value = 0;

	for (int k = 0; k < n; k++)
		value = value << 8 | bytes[k];
	return (int64_t) value;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Cron		cron;
	char		message[CRON_MESSAGE] = "";
	char	   *text;
	int64_t		after;
	int64_t		next;
	clocks		c;

	if (size < 16)
		return 0;
	after = number(data, 8) % LATEST;
	c.ahead = number(data + 8, 4) % 86400 - 43200;
	c.every = number(data + 12, 2) % 1024 * 86400;
	c.step = number(data + 14, 2) % 86400 - 43200;
	if (c.every)
		c.every += 86400;		/* real clocks never change twice within a day */
	text = malloc(size - 16 + 1);
	MUST(text != NULL);
	memcpy(text, data + 16, size - 16);
	text[size - 16] = '\0';

	if (!cron_parse(text, &cron, message))
		MUST(message[0] != '\0' && memchr(message, '\0', CRON_MESSAGE));
	else if (cron.seconds)
	{
		MUST(cron.seconds <= 59);
		MUST(cron_next(&cron, after, ahead_at, &c, &next) && next == after + cron.seconds);
	}
	else
	{
		bool		is_ever;

		MUST(cron.minutes && cron.hours && cron.months && cron.weekdays && (cron.days || cron.last_day));
		MUST(cron.minutes >> 60 == 0 && cron.hours >> 24 == 0 && cron.days >> 32 == 0 && cron.months >> 13 == 0);
		is_ever = cron_next(&cron, after, ahead_at, &c, &next);
		MUST(!is_ever || next > after);
		if (c.every == 0)
		{
			int64_t		local = after + c.ahead;
			int64_t		minute = (local / 60 - (local % 60 < 0) + 1) * 60;

			MUST(!is_ever || names(&cron, next + c.ahead));
			for (int k = 0; k < CHECKED && (!is_ever || minute < next + c.ahead); k++, minute += 60)
				MUST(!names(&cron, minute));
		}
	}
	free(text);
	return 0;
}
