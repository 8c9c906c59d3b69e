/* nodes.c - the servers of `xmcoh cluster`: the publisher, the nodes, and queries on them; nodes.h is the contract */
#include "nodes.h"
#include "buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_SECONDS 0.2

/* ---- queries that may fail ---- */

void
node_error(cluster *c, const node *at, const char *message)
{
	char	   *line = message_line(message);

	print_error("node %s: %s", at->name, line);
	free(line);
	c->failures++;
}

bool
is_success(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK;
}

/* The result of a query on a node; NULL: the error is printed and counted. */
PGresult *
ask_node(cluster *c, const node *at, const char *sql, int count, const char *const *values)
{
	PGresult   *result = PQexecParams(at->conn, sql, count, NULL, values, NULL, NULL, 0);

	if (is_success(result))
		return result;
	node_error(c, at, PQerrorMessage(at->conn));
	PQclear(result);
	return NULL;
}

/* Runs a statement on a node. */
bool
tell_node(cluster *c, const node *at, const char *sql)
{
	PGresult   *result = ask_node(c, at, sql, 0, NULL);
	bool		done = result != NULL;

	PQclear(result);
	return done;
}

/* A value of one row from the publisher; NULL: no row, or the value is NULL. An error ends the program. */
char *
publisher_value(cluster *c, const char *sql, int count, const char *const *values)
{
	PGresult   *result = query_or_exit(c->publisher, sql, count, values);
	char	   *value = NULL;

	if (PQntuples(result) > 0 && !PQgetisnull(result, 0, 0))
		value = message_line(PQgetvalue(result, 0, 0));
	PQclear(result);
	return value;
}

void
wait_a_moment(void)
{
	struct timespec pause = {.tv_nsec = (long) (POLL_SECONDS * 1e9)};

	nanosleep(&pause, NULL);
}

double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* ---- nodes ---- */

static void
name_node(node *made)
{
	PQExpBufferData name;
	char	   *start;
	size_t		length;

	initPQExpBuffer(&name);
	appendPQExpBuffer(&name, "%s:%s/%s", PQhost(made->conn), PQport(made->conn), PQdb(made->conn) ? PQdb(made->conn) : "");
	check_buffer(&name);
	made->name = message_line(name.data);
	/* lower-case letters, digits and underscores are the characters of a slot's name */
	for (char *at = name.data; *at != '\0'; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char) (*at - 'A' + 'a');
		else if (!(*at >= 'a' && *at <= 'z') && !(*at >= '0' && *at <= '9'))
			*at = '_';
	length = strlen(name.data);
	start = name.data + (length > NAME_ROOM ? length - NAME_ROOM : 0);	/* the end tells more than a long path of a socket */
	snprintf(made->stem, sizeof made->stem, "xmcoh_%s", start);
	termPQExpBuffer(&name);
}

/* A connection that was tried becomes a node. If the connection has failed, the error is printed. */
static void
add_to_list(cluster *c, PGconn *conn)
{
	node	   *made;
	PGresult   *result;

	c->nodes = allocate(c->nodes, (size_t) (c->n + 1) * sizeof(node));
	made = &c->nodes[c->n++];
	memset(made, 0, sizeof *made);
	made->conn = conn;
	name_node(made);
	if (PQstatus(conn) != CONNECTION_OK)
	{
		node_error(c, made, PQerrorMessage(conn));
		made->problem = message_line("cannot be reached");
		PQfinish(conn);
		made->conn = NULL;
		return;
	}
	/* What is done on a node of Citus concerns that node alone. */
	result = ask_node(c, made, c->is_citus ? "SELECT set_config('search_path', 'pg_catalog', false),"
					  " set_config('citus.enable_ddl_propagation', 'off', false)" : "SET search_path = pg_catalog", 0, NULL);
	PQclear(result);
	if (result != NULL)
		result = ask_node(c, made, IDENTITY, 0, NULL);
	if (result != NULL)
	{
		made->identity = message_line(PQgetvalue(result, 0, 0));
		PQclear(result);
		return;
	}
	PQfinish(conn);
	made->conn = NULL;
	made->problem = message_line("answers with an error");
}

/* Seconds after which a server counts as down, as a parameter of a connection; NULL: the environment says so. */
static const char *
connect_timeout(void)
{
	return getenv("PGCONNECT_TIMEOUT") ? NULL : "10";
}

/* Connects to another host and port with the publisher's parameters of connection. These may change the time limit. */
static PGconn *
connect_to_worker(cluster *c, const char *host, const char *port)
{
	PQconninfoOption *options = PQconninfo(c->publisher);
	const char *keys[64] = {"host", "port", "connect_timeout"};
	const char *values[64] = {host, port, connect_timeout()};
	int			n = 3;
	PGconn	   *conn;

	for (const PQconninfoOption *option = options; option && option->keyword != NULL && n < 63; option++)
		if (option->val != NULL && strcmp(option->keyword, "host") != 0 && strcmp(option->keyword, "hostaddr") != 0
			&& strcmp(option->keyword, "port") != 0)
		{
			keys[n] = option->keyword;
			values[n++] = option->val;
		}
	conn = PQconnectdbParams(keys, values, 0);
	PQconninfoFree(options);
	return conn;
}

/* The string comes after the time limit, which it may change. */
static PGconn *
connect_to_named(const char *string)
{
	const char *keys[] = {"connect_timeout", "dbname", "fallback_application_name", "client_encoding", NULL};
	const char *values[] = {connect_timeout(), string, "xmcoh", "UTF8", NULL};

	return PQconnectdbParams(keys, values, 1);
}

/* The nodes that the command line names, or else the active workers of Citus. */
void
find_nodes(cluster *c, int count, char **strings)
{
	PGresult   *workers;

	for (int k = 0; k < count; k++)
		add_to_list(c, connect_to_named(strings[k]));
	if (count > 0 || !c->is_citus)
		return;
	workers = query_or_exit(c->publisher, "SELECT nodename, nodeport FROM pg_dist_node"
							" WHERE groupid <> 0 AND noderole = 'primary' AND isactive ORDER BY nodeid", 0, NULL);
	for (int k = 0; k < PQntuples(workers); k++)
		add_to_list(c, connect_to_worker(c, PQgetvalue(workers, k, 0), PQgetvalue(workers, k, 1)));
	PQclear(workers);
}

/* ---- the publisher ---- */

char *
extension_version(cluster *c)
{
	char	   *version = publisher_value(c, "SELECT extversion FROM pg_extension WHERE extname = 'xmcoh'", 0, NULL);

	if (version == NULL)
		die("extension xmcoh is not installed in database \"%s\"", PQdb(c->publisher));
	return version;
}

void
open_publisher(cluster *c, const connection_options *connection)
{
	char	   *citus;

	c->publisher = connect_or_exit(connection);
	search_catalog_only(c->publisher);
	citus = publisher_value(c, "SELECT extversion FROM pg_extension WHERE extname = 'citus'", 0, NULL);
	c->is_citus = citus != NULL;
	free(citus);
	free(extension_version(c));
	/* The publication is the publisher's alone. */
	if (c->is_citus)
		PQclear(query_or_exit(c->publisher, "SET citus.enable_ddl_propagation = off", 0, NULL));
}

