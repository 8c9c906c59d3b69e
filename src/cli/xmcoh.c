/* xmcoh.c - entry point of the command-line client, and what its commands share; see cli.h */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
"xmcoh: command-line client of the PostgreSQL extension of that name\n"
"\n"
"  xmcoh import [connection] --table NAME --tsv FILE [--npy COLUMN=FILE.npy]...\n"
"               [--integer COLUMN]... [--raw]\n"
"      Loads steps and their embeddings into a table, in one transaction and in constant memory.\n"
"      --table NAME       as in SQL, may carry a schema; created if there is none: text columns from the\n"
"                         first line of the TSV, a real[] column for each --npy\n"
"      --tsv FILE         tab-separated, first line the column names, as COPY (FORMAT text, HEADER)\n"
"                         writes it (\\N is NULL, a backslash is doubled), two columns or more; .gz is unpacked; - is\n"
"                         standard input\n"
"      --npy COLUMN=FILE  a NumPy file, float16 or float32, C order, one row for each line of the TSV\n"
"      --integer COLUMN   this column is an integer when the table is created\n"
"      --raw              a backslash in the TSV is a backslash, and an empty field is NULL\n"
"\n"
"  xmcoh watch [connection] JOB [--interval SECONDS]\n"
"      Shows a training job until it ends. Exit status 0: it succeeded; 1: it did not.\n"
"\n"
"  xmcoh report [connection] MODEL [--source RELATION]\n"
"      Prints how good a model's orders are (xmcoh.evaluate): on held-out approved documents, or on a source.\n"
"\n"
"  connection: -h HOST, -p PORT, -U USER, -d DATABASE (or a connection string), else the PG* variables, as psql\n";

void
die(const char *format,...)
{
	va_list		args;

	fflush(stdout);
	fputs("xmcoh: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

void
usage_error(const char *format,...)
{
	va_list		args;

	fputs("xmcoh: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\nxmcoh --help says how it is called\n", stderr);
	exit(2);
}

void *
allocate(void *old, size_t size)
{
	void	   *pointer = realloc(old, size ? size : 1);

	if (!pointer)
		die("out of memory");
	return pointer;
}

bool
take_connection_option(connection_options *options, int option)
{
	switch (option)
	{
		case 'h':
			options->host = optarg;
			return true;
		case 'p':
			options->port = optarg;
			return true;
		case 'U':
			options->user = optarg;
			return true;
		case 'd':
			options->database = optarg;
			return true;
		default:
			return false;
	}
}

/* libpq's messages end in a newline, ours do not. */
void
die_of_server(const char *message)
{
	size_t		length = strlen(message);

	while (length > 0 && message[length - 1] == '\n')
		length--;
	die("%.*s", (int) length, message);
}

PGconn *
connect_or_exit(const connection_options *options)
{
	const char *keys[] = {"host", "port", "user", "dbname", "fallback_application_name", "client_encoding", NULL};
	const char *values[] = {options->host, options->port, options->user, options->database, "xmcoh", "UTF8", NULL};
	PGconn	   *conn = PQconnectdbParams(keys, values, 1);

	if (PQstatus(conn) != CONNECTION_OK)
		die_of_server(PQerrorMessage(conn));
	return conn;
}

PGresult *
query_or_exit(PGconn *conn, const char *sql, int count, const char *const *values)
{
	PGresult   *result = PQexecParams(conn, sql, count, NULL, values, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_COPY_IN)
		die_of_server(PQerrorMessage(conn));
	return result;
}

int
main(int argc, char **argv)
{
	static const struct
	{
		const char *name;
		int			(*run) (int argc, char **argv);
	}			commands[] = {{"import", import_main}, {"watch", watch_main}, {"report", report_main}};

	if (argc < 2)
		usage_error("no command given");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
	{
		fputs(help, stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0)
	{
		puts("xmcoh 1.0");
		return 0;
	}
	for (size_t k = 0; k < sizeof commands / sizeof commands[0]; k++)
		if (strcmp(argv[1], commands[k].name) == 0)
			return commands[k].run(argc - 1, argv + 1);
	usage_error("there is no command \"%s\"", argv[1]);
}
