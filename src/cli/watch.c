/* watch.c - `xmcoh watch`: shows the progress of a training job in one line until the job ends */
#include "cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char progress_query[] =
"SELECT j.state, coalesce(j.message, ''), "
"       pg_catalog.concat_ws(' ', "
"           p.phase, "
"           CASE WHEN p.round > 0 THEN 'round ' || p.round END, "
"           CASE WHEN p.epoch IS NOT NULL THEN 'epoch ' || p.epoch || coalesce('/' || p.epochs, '') END, "
"           CASE WHEN p.total > 0 THEN p.done || '/' || p.total END, "
"           CASE WHEN p.held_out_loss IS NOT NULL THEN 'held-out loss ' || pg_catalog.round(p.held_out_loss::numeric, 4) END, "
"           CASE WHEN p.held_out_tau IS NOT NULL THEN 'held-out tau ' || pg_catalog.round(p.held_out_tau::numeric, 3) END, "
"           'elapsed ' || pg_catalog.date_trunc('second', p.elapsed), "
"           'left ' || pg_catalog.date_trunc('second', p.time_left)) "
"  FROM xmcoh.job j LEFT JOIN xmcoh.training_progress p USING (job_id) "
" WHERE j.job_id = $1::integer";

static bool
is_final(const char *state)
{
	static const char *const finals[] = {"succeeded", "rejected", "failed", "cancelled", "interrupted"};

	for (size_t k = 0; k < sizeof finals / sizeof finals[0]; k++)
		if (strcmp(state, finals[k]) == 0)
			return true;
	return false;
}

/* A terminal shows one line, which is overwritten. A file or pipe gets a new line whenever the text changes. */
static void
show(const char *text, bool terminal)
{
	static char last[512];

	if (terminal)
		printf("\r%s\033[K", text);
	else if (strncmp(last, text, sizeof last - 1) != 0)
		puts(text);
	snprintf(last, sizeof last, "%s", text);
	fflush(stdout);
}

int
watch_main(int argc, char **argv)
{
	static const struct option long_options[] = {
		CONNECTION_LONG,
		{"interval", required_argument, NULL, 'n'},
		{0}
	};
	connection_options connection = {0};
	double		interval = 0.5;
	bool		terminal = isatty(STDOUT_FILENO);
	const char *job;
	PGconn	   *conn;
	int			option;

	while ((option = getopt_long(argc, argv, CONNECTION_SHORT, long_options, NULL)) != -1)
	{
		if (take_connection_option(&connection, option))
			continue;
		if (option != 'n')
			usage_error("invalid option of watch");
		interval = option_seconds("interval", 0.05, 3600);
	}
	if (optind + 1 != argc)
		usage_error("watch needs the number of one job");
	job = argv[optind];
	conn = connect_or_exit(&connection);
	search_catalog_only(conn);
	for (;;)
	{
		PGresult   *result = query_or_exit(conn, progress_query, 1, &job);
		const char *state;
		char		text[512];
		struct timespec pause = {.tv_sec = (time_t) interval, .tv_nsec = (long) (fmod(interval, 1.0) * 1e9)};

		if (PQntuples(result) == 0)
			die("job %s does not exist, or you may not see it", job);
		state = PQgetvalue(result, 0, 0);
		if (is_final(state))
		{
			bool		succeeded = strcmp(state, "succeeded") == 0;
			const char *message = PQgetvalue(result, 0, 1);

			snprintf(text, sizeof text, "job %s %s%s%s", job, state, *message ? ": " : "", message);
			show(text, terminal);
			if (terminal)
				putchar('\n');
			PQclear(result);
			PQfinish(conn);
			return succeeded ? 0 : 1;
		}
		snprintf(text, sizeof text, "job %s %s %s", job, state, PQgetvalue(result, 0, 2));
		show(text, terminal);
		PQclear(result);
		nanosleep(&pause, NULL);
	}
}
