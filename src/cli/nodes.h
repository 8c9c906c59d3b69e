/*
 * nodes.h - the servers of `xmcoh cluster`: the publisher, which has the models, and the nodes, which have copies
 *
 * An error on the publisher ends the program. An error on a node is printed and counted; others go on.
 */
#ifndef XMCOH_CLI_NODES_H
#define XMCOH_CLI_NODES_H

#include "cli.h"

#define NAME_ROOM 48			/* bytes of a node's name within the name of its slot, which has up to 63 */

typedef struct node
{
	char	   *name;			/* host:port/database, for people */
	PGconn	   *conn;			/* NULL: the node cannot be reached, or an error was printed */
	char		stem[sizeof "xmcoh_" + NAME_ROOM];	/* of its slot's name: xmcoh_host_port_database */
	char	   *identity;		/* end of its slot's name: hash of the system identifier and the database; NULL: unknown */
	bool		is_set_up;		/* has the subscription, and the publisher its slot */
	bool		is_copied;		/* has all that the publisher had when the command began to wait */
	int			errors;			/* of its subscription, when the command began to wait; -1: not yet looked at */
	bool		is_failing;		/* its subscription has made several errors since */
	char	   *problem;		/* of status: why the node is not up to date; NULL: nothing */
} node;

typedef struct cluster
{
	PGconn	   *publisher;
	bool		is_citus;
	node	   *nodes;
	int			n;
	bool		is_new;			/* the publication was made now, so an older slot is of no use */
	const char *reached_by;		/* connection string of the publisher that the command line gives; NULL: none */
	char	   *connection;		/* connection string by which nodes reach the publisher */
	double		timeout;		/* seconds */
	int			failures;
} cluster;

extern bool is_success(const PGresult *result);

/* Prints "node ...: message" and counts a failure. */
extern void node_error(cluster *c, const node *at, const char *message);

/* The result of a query on a node; NULL: the error is printed and counted. */
extern PGresult *ask_node(cluster *c, const node *at, const char *sql, int count, const char *const *values);

/* Runs a statement on a node. */
extern bool tell_node(cluster *c, const node *at, const char *sql);

/* A value of the first row from the publisher; NULL: no row, or the value is NULL. */
extern char *publisher_value(cluster *c, const char *sql, int count, const char *const *values);

/* Connects to the publisher. Ends the program if the extension is not there. */
extern void open_publisher(cluster *c, const connection_options *connection);

/* The version of the publisher's extension. */
extern char *extension_version(cluster *c);

/* Connects to the nodes that the command line names (count), or else to the active workers of Citus. */
extern void find_nodes(cluster *c, int count, char **strings);

/* Hash of the system identifier and the database of a server, which tells nodes apart. */
#define IDENTITY \
	"SELECT left(md5(concat_ws(' ', s.system_identifier, d.oid)), 8)" \
	" FROM pg_control_system() AS s, pg_database AS d WHERE d.datname = current_database()"

extern double seconds_now(void);
extern void wait_a_moment(void);

#endif
