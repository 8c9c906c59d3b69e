/* cli.c - connection options, queries, errors and memory of the commands; see cli.h */
#include "cli.h"
#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void __attribute__((format(printf, 1, 0)))
print_message(const char *format, va_list args)
{
	fflush(stdout);
	fputs("xmcoh: error: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void
print_error(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	print_message(format, args);
	va_end(args);
}

void
die(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	print_message(format, args);
	va_end(args);
	exit(1);
}

void
usage_error(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	print_message(format, args);
	va_end(args);
	fputs("xmcoh: hint: Try \"xmcoh --help\" for more information.\n", stderr);
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

void
check_buffer(const PQExpBufferData *buffer)
{
	if (PQExpBufferBroken(buffer))
		die("out of memory");
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

double
option_seconds(const char *name, double least, double most)
{
	char	   *end;
	double		seconds = strtod(optarg, &end);

	if (end == optarg || *end != '\0' || !(seconds >= least && seconds <= most))
		usage_error("--%s must be a number of seconds between %g and %g, not \"%s\"", name, least, most, optarg);
	return seconds;
}

char *
message_line(const char *message)
{
	size_t		length = strlen(message);
	char	   *line = allocate(NULL, length + 1);

	memcpy(line, message, length + 1);
	while (length > 0 && line[length - 1] == '\n')
		line[--length] = '\0';
	return line;
}

void
die_of_server(const char *message)
{
	die("%s", message_line(message));
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

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_COPY_IN && status != PGRES_COPY_OUT)
		die_of_server(PQerrorMessage(conn));
	return result;
}

void
search_catalog_only(PGconn *conn)
{
	PQclear(query_or_exit(conn, "SET search_path = pg_catalog", 0, NULL));
}
