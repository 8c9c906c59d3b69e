/*
 * cli.h - what the commands of the client `xmcoh` share: connection options, queries, errors, memory. The client speaks
 * SQL through libpq and shares no code with the extension. It runs on any machine that can connect to the server.
 */
#ifndef XMCOH_CLI_H
#define XMCOH_CLI_H

#include <stdbool.h>
#include <getopt.h>
#include <libpq-fe.h>

/* The connection options of every command; psql has the same ones. */
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

/* Stores a connection option that getopt_long returned. Returns false when the option is another one. */
extern bool take_connection_option(connection_options *options, int option);

/* The argument of the option that getopt_long returned, which has this name: a number of seconds between two others. */
extern double option_seconds(const char *name, double least, double most);

/* Connects. A failure ends the program with libpq's message. */
extern PGconn *connect_or_exit(const connection_options *options);

/*
 * Makes pg_catalog the search path of the session. The owner of a database may set a path in which operators and types of others
 * stand first, and these would run in the program's queries.
 */
extern void search_catalog_only(PGconn *conn);

/* Runs a query with text parameters and returns the result. A failure ends the program with the server's message. */
extern PGresult *query_or_exit(PGconn *conn, const char *sql, int count, const char *const *values);

/* Prints "xmcoh: error: ..." on standard error. The program goes on. */
extern void print_error(const char *format,...) __attribute__((format(printf, 1, 2)));

/*
 * Prints "xmcoh: error: ..." on standard error and ends the program with status 1. Messages follow PostgreSQL's style
 * guide: the error in one phrase; then, after HINT, advice in whole sentences.
 */
extern void die(const char *format,...) __attribute__((noreturn, format(printf, 1, 2)));
#define HINT "\nxmcoh: hint: "
#define DETAIL "\nxmcoh: detail: "

/* A copy of a message without newlines at its end, which messages of libpq have. */
extern char *message_line(const char *message);

/* Ends the program with a message of libpq. */
extern void die_of_server(const char *message) __attribute__((noreturn));

/* Prints the error and where the help is, and ends the program with status 2. */
extern void usage_error(const char *format,...) __attribute__((noreturn, format(printf, 1, 2)));

/* realloc; running out of memory ends the program. */
extern void *allocate(void *old, size_t size);

/* The commands. argv[0] is the command's name. Each returns the program's exit status. */
extern int	import_main(int argc, char **argv);
extern int	watch_main(int argc, char **argv);
extern int	report_main(int argc, char **argv);
extern int	review_main(int argc, char **argv);
extern int	encoder_main(int argc, char **argv);
extern int	cluster_main(int argc, char **argv);

#endif
