/* report.c - `xmcoh report`: how good the orders of a model are, as a table or as an HTML page */
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

/* The arguments of xmcoh.report after the model. */
enum
{
	LANGUAGE, MINUTES_PER_DOCUMENT, MINUTES_PER_REVIEW, COST_PER_HOUR, DOCUMENTS_PER_MONTH, DOCUMENTS, PAGE_ARGUMENTS
};

#define PAGE_OPTION 1000		/* what getopt_long returns for an argument of the page, plus its number */
#define HTML_OPTION 999

static const char page_query[] =
"SELECT xmcoh.report($1, language => coalesce($2, 'en'), minutes_per_document => $3::pg_catalog.float8, "
"                    minutes_per_review => $4::pg_catalog.float8, cost_per_hour => $5::pg_catalog.float8, "
"                    documents_per_month => $6::pg_catalog.float8, documents => coalesce($7::pg_catalog.int4, 5))";

/* Prints the page in UTF-8, which the page itself names as its encoding. */
static void
print_page(PGconn *conn, const char *model, const char *const *arguments)
{
	const char *values[1 + PAGE_ARGUMENTS] = {model};
	PGresult   *result;
	size_t		length;

	for (int k = 0; k < PAGE_ARGUMENTS; k++)
		values[1 + k] = arguments[k];
	if (PQsetClientEncoding(conn, "UTF8") != 0)
		die_of_server(PQerrorMessage(conn));
	result = query_or_exit(conn, page_query, 1 + PAGE_ARGUMENTS, values);
	length = (size_t) PQgetlength(result, 0, 0);
	if (fwrite(PQgetvalue(result, 0, 0), 1, length, stdout) != length || fflush(stdout) != 0)
		die("could not write the page");
	PQclear(result);
}

static void
print_figures(PGconn *conn, const char *model, const char *source)
{
	const char *values[2] = {model, source};
	PGresult   *result = query_or_exit(conn, evaluate_query, 2, values);

	print_table(result);
	PQclear(result);
}

int
report_main(int argc, char **argv)
{
	static const struct option long_options[] = {
		CONNECTION_LONG,
		{"source", required_argument, NULL, 's'},
		{"html", no_argument, NULL, HTML_OPTION},
		{"language", required_argument, NULL, PAGE_OPTION + LANGUAGE},
		{"minutes-per-document", required_argument, NULL, PAGE_OPTION + MINUTES_PER_DOCUMENT},
		{"minutes-per-review", required_argument, NULL, PAGE_OPTION + MINUTES_PER_REVIEW},
		{"cost-per-hour", required_argument, NULL, PAGE_OPTION + COST_PER_HOUR},
		{"documents-per-month", required_argument, NULL, PAGE_OPTION + DOCUMENTS_PER_MONTH},
		{"documents", required_argument, NULL, PAGE_OPTION + DOCUMENTS},
		{0}
	};
	connection_options connection = {0};
	const char *source = NULL;
	const char *page[PAGE_ARGUMENTS] = {NULL};
	bool		html = false;
	bool		of_page = false;	/* an option that only the page has */
	PGconn	   *conn;
	int			option;

	while ((option = getopt_long(argc, argv, CONNECTION_SHORT, long_options, NULL)) != -1)
	{
		if (take_connection_option(&connection, option))
			continue;
		if (option == 's')
			source = optarg;
		else if (option == HTML_OPTION)
			html = true;
		else if (option >= PAGE_OPTION && option < PAGE_OPTION + PAGE_ARGUMENTS)
		{
			page[option - PAGE_OPTION] = optarg;
			of_page = true;
		}
		else
			usage_error("invalid option of report");
	}
	if (optind + 1 != argc)
		usage_error("report needs the name of one model");
	if (html && source != NULL)
		usage_error("report --html has no option --source");
	if (of_page && !html)
		usage_error("that option of report needs --html");
	conn = connect_or_exit(&connection);
	if (html)
		print_page(conn, argv[optind], page);
	else
		print_figures(conn, argv[optind], source);
	PQfinish(conn);
	return 0;
}
