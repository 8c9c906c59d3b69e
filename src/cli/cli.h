/*
 * cli.h - the command-line client `xmcoh`: import, watch, report. It speaks SQL through libpq and shares no code with the
 * extension, so it works from any machine that can connect.
 */
#ifndef XMCOH_CLI_H
#define XMCOH_CLI_H

#include <stdbool.h>
#include <getopt.h>
#include <libpq-fe.h>

/* Connection options, the same for every command; they mean what they mean to psql. */
typedef struct connection_options
{
	const char *host;
	const char *port;
	const char *user;
	const char *database;		/* a name or a connection string */
} connection_options;

#define CONNECTION_SHORT "h:p:U:d:"
#define CONNECTION_LONG \
	{"host", required_argument, NULL, 'h'}, \
	{"port", required_argument, NULL, 'p'}, \
	{"username", required_argument, NULL, 'U'}, \
	{"dbname", required_argument, NULL, 'd'}

/* Takes the option that getopt_long returned; false when it is none of the above. */
extern bool take_connection_option(connection_options *options, int option);

/* Connects, or ends the program with the server's message. */
extern PGconn *connect_or_exit(const connection_options *options);

/* Runs a query with text parameters and returns its result, or ends the program with the server's message. */
extern PGresult *query_or_exit(PGconn *conn, const char *sql, int count, const char *const *values);

/* Prints "xmcoh: ..." on standard error and ends the program with status 1. */
extern void die(const char *format,...) __attribute__((noreturn, format(printf, 1, 2)));

/* The same with a message of libpq. */
extern void die_of_server(const char *message) __attribute__((noreturn));

/* Prints "xmcoh: ..." and where help is, and ends the program with status 2. */
extern void usage_error(const char *format,...) __attribute__((noreturn, format(printf, 1, 2)));

extern void *allocate(void *old, size_t size);	/* realloc that ends the program when out of memory */

/* The commands; argv[0] is the command's name. Each returns the program's exit status. */
extern int	import_main(int argc, char **argv);
extern int	watch_main(int argc, char **argv);
extern int	report_main(int argc, char **argv);

#endif
