/* report.c - `xmcoh report`: prints how good the orders of a model are, as a table */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static const char evaluate_query[] =
"SELECT modality, guidance, documents, documents_seen AS seen, items, "
"       pg_catalog.format('%s [%s, %s]', pg_catalog.to_char(acc, 'FM990.000'), pg_catalog.to_char(acc_low, 'FM990.000'), "
"                         pg_catalog.to_char(acc_high, 'FM990.000')) AS \"Acc [95%]\", "
"       pg_catalog.format('%s [%s, %s]', pg_catalog.to_char(pmr, 'FM990.000'), pg_catalog.to_char(pmr_low, 'FM990.000'), "
"                         pg_catalog.to_char(pmr_high, 'FM990.000')) AS \"PMR [95%]\", "
"       pg_catalog.format('%s [%s, %s]', pg_catalog.to_char(tau, 'FM990.000'), pg_catalog.to_char(tau_low, 'FM990.000'), "
"                         pg_catalog.to_char(tau_high, 'FM990.000')) AS \"tau [95%]\", "
"       pg_catalog.to_char(random_acc, 'FM990.000') AS \"random Acc\", "
"       pg_catalog.to_char(random_pmr, 'FM990.000') AS \"random PMR\", "
"       pg_catalog.to_char(random_tau, 'FM990.000') AS \"random tau\" "
"  FROM xmcoh.evaluate($1, $2::pg_catalog.regclass)";

/* The number of characters of UTF-8 text. Each takes one column: names and numbers have no wide characters. */
static int
width_of(const char *text)
{
	int			width = 0;

	for (; *text; text++)
		width += ((unsigned char) *text & 0xc0) != 0x80;
	return width;
}

static void
print_cell(const char *text, int width, bool right, bool last)
{
	int			space = width - width_of(text);

	printf("%*s%s%*s%s", right ? space : 0, "", text, right || last ? 0 : space, "", last ? "\n" : "  ");
}

/*
 * Prints a result as a table. The first two columns are text and start at the left, the others are figures and end at
 * the right.
 */
static void
print_table(PGresult *result)
{
	int			columns = PQnfields(result);
	int			width[64];		/* (columns) */

	for (int c = 0; c < columns; c++)
	{
		width[c] = width_of(PQfname(result, c));
		for (int r = 0; r < PQntuples(result); r++)
		{
			int			w = width_of(PQgetvalue(result, r, c));

			width[c] = w > width[c] ? w : width[c];
		}
	}
	for (int r = -1; r < PQntuples(result); r++)
		for (int c = 0; c < columns; c++)
			print_cell(r < 0 ? PQfname(result, c) : PQgetvalue(result, r, c), width[c], c > 1, c == columns - 1);
}

int
report_main(int argc, char **argv)
{
	static const struct option long_options[] = {
		CONNECTION_LONG,
		{"source", required_argument, NULL, 's'},
		{0}
	};
	connection_options connection = {0};
	const char *values[2] = {NULL, NULL};	/* model, source */
	PGconn	   *conn;
	PGresult   *result;
	int			option;

	while ((option = getopt_long(argc, argv, CONNECTION_SHORT, long_options, NULL)) != -1)
	{
		if (take_connection_option(&connection, option))
			continue;
		if (option != 's')
			usage_error("invalid option of report");
		values[1] = optarg;
	}
	if (optind + 1 != argc)
		usage_error("report needs the name of one model");
	values[0] = argv[optind];
	conn = connect_or_exit(&connection);
	result = query_or_exit(conn, evaluate_query, 2, values);
	print_table(result);
	PQclear(result);
	PQfinish(conn);
	return 0;
}
