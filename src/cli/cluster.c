/*
 * cluster.c - `xmcoh cluster`: copies of the models on other nodes, by logical replication
 *
 * The publisher has the publication xmcoh_models and a replication slot for each node. A node has the subscription
 * xmcoh_models.
 */
#include "nodes.h"
#include "buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What scoring and ordering read; guards and their settings, too. Every name is one that needs no quotes. */
#define TABLES \
	"ARRAY['model', 'model_grant_record', 'model_version', 'encoder', 'encoder_chunk', 'encoder_grant_record', 'deployment'," \
	" 'source_record', 'pair_source_record', 'decision', 'guard_record']"

/* ---- connection strings ---- */

/* Adds key='value' to a connection string. */
static void
add_parameter(PQExpBuffer string, const char *key, const char *value)
{
	appendPQExpBuffer(string, "%s%s='", string->len > 0 ? " " : "", key);
	for (; *value != '\0'; value++)
	{
		if (*value == '\'' || *value == '\\')
			appendPQExpBufferChar(string, '\\');
		appendPQExpBufferChar(string, *value);
	}
	appendPQExpBufferChar(string, '\'');
}

static const char *
parameter(const PQconninfoOption *options, const char *key)
{
	for (; options->keyword != NULL; options++)
		if (strcmp(options->keyword, key) == 0)
			return options->val != NULL && options->val[0] != '\0' ? options->val : NULL;
	return NULL;
}

/*
 * The connection string by which nodes reach the publisher: what --publisher gives; for the rest the host that Citus knows
 * or that of the present connection, and its database and role. Only --publisher can put a password into the string.
 */
static char *
publisher_string(cluster *c)
{
	char	   *error = NULL;
	PQconninfoOption *given = PQconninfoParse(c->reached_by ? c->reached_by : "", &error);
	PQExpBufferData string;
	char	   *host = NULL;
	char	   *port = NULL;

	if (given == NULL)
		die("invalid connection string of --publisher: %s", error ? message_line(error) : "out of memory");
	if (c->is_citus)
	{
		host = publisher_value(c, "SELECT nodename FROM pg_dist_node WHERE groupid = 0 AND noderole = 'primary'", 0, NULL);
		port = publisher_value(c, "SELECT nodeport FROM pg_dist_node WHERE groupid = 0 AND noderole = 'primary'", 0, NULL);
	}
	initPQExpBuffer(&string);
	for (const PQconninfoOption *option = given; option->keyword != NULL; option++)
		if (option->val != NULL && option->val[0] != '\0')
			add_parameter(&string, option->keyword, option->val);
	if (parameter(given, "host") == NULL && parameter(given, "hostaddr") == NULL)
		add_parameter(&string, "host", host ? host : PQhost(c->publisher));
	if (parameter(given, "port") == NULL)
		add_parameter(&string, "port", port ? port : PQport(c->publisher));
	if (parameter(given, "dbname") == NULL)
		add_parameter(&string, "dbname", PQdb(c->publisher));
	if (parameter(given, "user") == NULL)
		add_parameter(&string, "user", PQuser(c->publisher));
	check_buffer(&string);
	PQconninfoFree(given);
	free(host);
	free(port);
	return string.data;
}

/*
 * The role of that string must see every row. The first copy of a table is a query of this role, and row-level security
 * would leave out rows without an error.
 */
static void
check_publisher_role(cluster *c)
{
	PQconninfoOption *options = PQconninfoParse(c->connection, NULL);
	const char *role = options ? parameter(options, "user") : NULL;
	char	   *sees_all;

	if (role == NULL)
		die("out of memory");
	sees_all = publisher_value(c, "SELECT CASE WHEN rolsuper OR rolbypassrls AND rolreplication THEN 't' ELSE 'f' END"
							   " FROM pg_roles WHERE rolname = $1", 1, &role);
	if (sees_all == NULL)
		die("role \"%s\", as which the nodes would connect to the publisher, does not exist", role);
	if (*sees_all != 't')
		die("role \"%s\", as which the nodes would connect to the publisher, may not copy all rows"
			HINT "The role must be a superuser, or have REPLICATION, BYPASSRLS and SELECT on the tables of schema xmcoh.", role);
	free(sees_all);
	PQconninfoFree(options);
}

/* ---- the publisher ---- */

static void
check_publisher(cluster *c)
{
	char	   *level = publisher_value(c, "SELECT CASE WHEN pg_is_in_recovery() THEN 'standby'"
										" ELSE current_setting('wal_level') END", 0, NULL);

	if (strcmp(level, "standby") == 0)
		die("the publisher is a standby" HINT "Connect to the primary server.");
	if (strcmp(level, "logical") != 0)
		die("wal_level of the publisher is %s instead of logical"
			HINT "ALTER SYSTEM SET wal_level = logical; then restart the server.", level);
	free(level);
}

/*
 * A publication that some other role made is refused. Its owner can add tables, and a node's subscription writes rows of these as
 * a superuser, with the triggers of whoever owns the table there. Its owner can also hold back that a grant was revoked.
 */
static void
check_publication_owner(cluster *c)
{
	char	   *owner = publisher_value(c, "SELECT pubowner::regrole"
										" FROM pg_publication AS p JOIN pg_roles AS r ON r.oid = p.pubowner"
										" WHERE p.pubname = 'xmcoh_models' AND NOT r.rolsuper AND r.rolname <> current_user", 0, NULL);

	if (owner != NULL)
		die("publication \"xmcoh_models\" belongs to role %s, which is not a superuser"
			HINT "DROP PUBLICATION xmcoh_models; then try again.", owner);
}

/* Makes the publication, or adds the tables that it lacks. */
static void
make_publication(cluster *c)
{
	char	   *statement = publisher_value(c,
		"SELECT CASE WHEN EXISTS (SELECT FROM pg_publication WHERE pubname = 'xmcoh_models')"
		"       THEN 'ALTER PUBLICATION xmcoh_models ADD TABLE ' ELSE 'CREATE PUBLICATION xmcoh_models FOR TABLE ' END"
		"       || string_agg(format('xmcoh.%I', t.name), ', ' ORDER BY t.place)"
		"  FROM unnest(" TABLES ") WITH ORDINALITY AS t (name, place)"
		" WHERE NOT EXISTS (SELECT FROM pg_publication_tables AS p"
		"       WHERE p.pubname = 'xmcoh_models' AND p.schemaname = 'xmcoh' AND p.tablename = t.name)", 0, NULL);

	if (statement != NULL)
		PQclear(query_or_exit(c->publisher, statement, 0, NULL));
	c->is_new = statement != NULL && strncmp(statement, "CREATE", 6) == 0;
	free(statement);
	PQclear(query_or_exit(c->publisher, "ALTER PUBLICATION xmcoh_models SET (publish = 'insert, update, delete, truncate')", 0,
						  NULL));
}

/* Drops a slot of the publisher. A server process that still sends from the slot is ended first. */
static bool
drop_slot(cluster *c, const char *slot)
{
	double		end = seconds_now() + c->timeout;

	for (;;)
	{
		char	   *busy = publisher_value(c, "SELECT CASE WHEN active THEN pg_terminate_backend(active_pid) IS NOT NULL"
										   " ELSE false END FROM pg_replication_slots WHERE slot_name = $1", 1, &slot);
		bool		is_free = busy != NULL && *busy == 'f';
		PGresult   *result;
		bool		is_dropped;

		if (busy == NULL)
			return true;
		free(busy);
		if (is_free)
		{
			/* A subscriber may have connected again meanwhile. */
			result = PQexecParams(c->publisher, "SELECT pg_drop_replication_slot($1)", 1, NULL, &slot, NULL, NULL, 0);
			is_dropped = is_success(result);
			PQclear(result);
			if (is_dropped)
				return true;
		}
		if (seconds_now() > end)
		{
			print_error("replication slot \"%s\" is in use", slot);
			c->failures++;
			return false;
		}
		wait_a_moment();
	}
}

#define OUR_SLOTS " FROM pg_replication_slots WHERE database = current_database() AND plugin = 'pgoutput'" \
	" AND slot_name ~ '^xmcoh_.*_[0-9a-f]{8}$'"

/* Drops all slots of a node but one (NULL: all). A node that cannot be reached is known by its name. */
static bool
drop_slots_of(cluster *c, const node *at, const char *kept)
{
	const char *values[] = {at->identity ? at->identity : at->stem, kept};
	PGresult   *slots = query_or_exit(c->publisher, at->identity
									  ? "SELECT slot_name" OUR_SLOTS " AND right(slot_name, 8) = $1 AND slot_name IS DISTINCT FROM $2"
									  : "SELECT slot_name" OUR_SLOTS " AND left(slot_name, -9) = $1 AND slot_name IS DISTINCT FROM $2",
									  2, values);
	bool		done = true;

	for (int k = 0; k < PQntuples(slots); k++)
		done = drop_slot(c, PQgetvalue(slots, k, 0)) && done;
	PQclear(slots);
	return done;
}

/* ---- the subscription of a node ---- */

/* Whether the node can have copies: it is no standby, and not the publisher; extension and subscriptions are right. */
static bool
check_node(cluster *c, node *at)
{
	char	   *wanted = extension_version(c);
	const char *values[] = {wanted};
	PGresult   *result;
	char	   *own;

	result = ask_node(c, at,
		"SELECT CASE WHEN pg_is_in_recovery() THEN 'is a standby, which has the tables of its primary server'"
		"       WHEN e.extversion IS NULL THEN 'extension xmcoh is not installed in this database'"
		"       WHEN e.extversion <> $1 THEN format('extension xmcoh is of version %s, and of version %s on the publisher',"
		"                                           e.extversion, $1)"
		"       WHEN s.subname IS NOT NULL THEN format('subscription \"%s\" copies tables of xmcoh already; drop it first',"
		"                                              s.subname)"
		"       WHEN o.rolname IS NOT NULL"
		"       THEN format('subscription \"xmcoh_models\" belongs to role %I, which is not a superuser', o.rolname) END"
		"  FROM (SELECT max(extversion) AS extversion FROM pg_extension WHERE extname = 'xmcoh') AS e,"
		"       (SELECT min(s.subname) AS subname FROM pg_subscription_rel AS r JOIN pg_subscription AS s ON s.oid = r.srsubid"
		"          JOIN pg_class AS t ON t.oid = r.srrelid WHERE t.relnamespace = to_regnamespace('xmcoh')"
		"           AND t.relname = ANY (" TABLES ") AND s.subname <> 'xmcoh_models') AS s,"
		"       (SELECT min(r.rolname) AS rolname FROM pg_subscription AS s JOIN pg_database AS d ON d.oid = s.subdbid"
		"          JOIN pg_roles AS r ON r.oid = s.subowner WHERE s.subname = 'xmcoh_models' AND d.datname = current_database()"
		"           AND NOT r.rolsuper AND r.rolname <> current_user) AS o", 1, values);
	free(wanted);
	if (result == NULL)
		return false;
	if (!PQgetisnull(result, 0, 0))
	{
		node_error(c, at, PQgetvalue(result, 0, 0));
		PQclear(result);
		return false;
	}
	PQclear(result);
	own = publisher_value(c, IDENTITY, 0, NULL);
	if (strcmp(own, at->identity) == 0)
	{
		free(own);
		node_error(c, at, "is the publisher itself");
		return false;
	}
	free(own);
	return true;
}

/* The slot of the node's subscription; NULL if there is none (*exists is false) or an error was printed (*failed). */
static char *
subscribed_slot(cluster *c, node *at, bool *exists, bool *failed)
{
	PGresult   *result = ask_node(c, at, "SELECT coalesce(s.subslotname::text, '') FROM pg_subscription AS s"
								  " JOIN pg_database AS d ON d.oid = s.subdbid"
								  " WHERE s.subname = 'xmcoh_models' AND d.datname = current_database()", 0, NULL);
	char	   *slot = NULL;

	*failed = result == NULL;
	*exists = result != NULL && PQntuples(result) == 1;
	if (*exists)
		slot = message_line(PQgetvalue(result, 0, 0));
	PQclear(result);
	return slot;
}

static bool
slot_is_usable(cluster *c, const char *slot)
{
	char	   *status = publisher_value(c, "SELECT coalesce(wal_status, '')" OUR_SLOTS " AND slot_name = $1", 1, &slot);
	bool		usable = status != NULL && strcmp(status, "lost") != 0;

	free(status);
	return usable;
}

/* Drops the subscription, with the copied rows. The slot, which the publisher drops, is set aside first. */
static bool
drop_subscription(cluster *c, node *at)
{
	PGresult   *result;
	bool		done;

	if (!tell_node(c, at, "ALTER SUBSCRIPTION xmcoh_models DISABLE")
		|| !tell_node(c, at, "ALTER SUBSCRIPTION xmcoh_models SET (slot_name = NONE)")
		|| !tell_node(c, at, "DROP SUBSCRIPTION xmcoh_models"))
		return false;
	result = ask_node(c, at, "SELECT 'TRUNCATE ' || string_agg(format('xmcoh.%I', t), ', ')"
					  " FROM unnest(" TABLES ") AS t WHERE to_regclass('xmcoh.' || t) IS NOT NULL", 0, NULL);
	if (result == NULL)
		return false;
	/* The triggers that keep decisions from being deleted are for rows that are made here. */
	done = tell_node(c, at, "SET session_replication_role = replica")
		&& (PQgetisnull(result, 0, 0) || tell_node(c, at, PQgetvalue(result, 0, 0)))
		&& tell_node(c, at, "RESET session_replication_role");
	PQclear(result);
	return done;
}

/* Whether no published table of the node has a row. Rows that were made there would meet those of the publisher. */
static bool
is_empty(cluster *c, node *at)
{
	PGresult   *result = ask_node(c, at, "SELECT (xpath('/table/row/t/text()', query_to_xml(string_agg("
								  "format('(SELECT %L AS t FROM xmcoh.%I LIMIT 1)', t, t), ' UNION ALL '), false, false, '')))[1]::text"
								  " FROM unnest(" TABLES ") AS t WHERE to_regclass('xmcoh.' || t) IS NOT NULL", 0, NULL);
	bool		empty = result != NULL && PQgetisnull(result, 0, 0);

	if (result != NULL && !empty)
	{
		PQExpBufferData message;

		initPQExpBuffer(&message);
		appendPQExpBuffer(&message, "table xmcoh.%s has rows that are not from this publisher" HINT
						  "Drop the models and text encoders of the node, or drop and create its extension, first.",
						  PQgetvalue(result, 0, 0));
		check_buffer(&message);
		node_error(c, at, message.data);
		termPQExpBuffer(&message);
	}
	PQclear(result);
	return empty;
}

/* The statements that follow have a password, maybe. The node's log and views of statements do not get them. */
#define HIDE_STATEMENTS \
	"SELECT set_config(name, value, false) FROM (VALUES ('log_statement', 'none'), ('log_min_duration_statement', '-1')," \
	" ('log_min_duration_sample', '-1'), ('log_transaction_sample_rate', '0'), ('log_min_error_statement', 'panic')," \
	" ('track_activities', 'off'), ('pg_stat_statements.track', 'none')) AS s (name, value)"

/* Runs a statement on the node: one part, the publisher's connection string as a literal, and another part. */
static bool
tell_node_connection(cluster *c, node *at, const char *before, const char *after)
{
	char	   *literal = PQescapeLiteral(at->conn, c->connection, strlen(c->connection));
	PQExpBufferData statement;
	bool		done;

	if (literal == NULL)
		die("out of memory");
	initPQExpBuffer(&statement);
	appendPQExpBuffer(&statement, "%s %s%s", before, literal, after);
	check_buffer(&statement);
	done = tell_node(c, at, HIDE_STATEMENTS) && tell_node(c, at, statement.data);
	termPQExpBuffer(&statement);
	PQfreemem(literal);
	return done;
}

/* Makes the slot, then the subscription, which begins to copy. */
static bool
make_subscription(cluster *c, node *at)
{
	char		slot[sizeof at->stem + 10];
	const char *name = slot;
	PQExpBufferData options;
	bool		done;

	snprintf(slot, sizeof slot, "%s_%s", at->stem, at->identity);
	PQclear(query_or_exit(c->publisher, "SELECT pg_create_logical_replication_slot($1, 'pgoutput')", 1, &name));
	initPQExpBuffer(&options);
	appendPQExpBuffer(&options, " PUBLICATION xmcoh_models WITH (create_slot = false, slot_name = '%s')", slot);
	check_buffer(&options);
	done = tell_node_connection(c, at, "CREATE SUBSCRIPTION xmcoh_models CONNECTION", options.data);
	termPQExpBuffer(&options);
	if (!done)
		(void) drop_slot(c, slot);
	return done;
}

/* Sets what may have changed since the subscription was made. */
static bool
repair_subscription(cluster *c, node *at)
{
	return tell_node_connection(c, at, "ALTER SUBSCRIPTION xmcoh_models CONNECTION", "")
		&& tell_node(c, at, "ALTER SUBSCRIPTION xmcoh_models ENABLE")
		&& tell_node(c, at, "ALTER SUBSCRIPTION xmcoh_models SET PUBLICATION xmcoh_models WITH (refresh = false)")
		&& tell_node(c, at, "ALTER SUBSCRIPTION xmcoh_models REFRESH PUBLICATION");
}

/* In a cluster of Citus, gives the roles that may use xmcoh on the coordinator the same on a worker (xmcoh.grant_usage). */
static bool
copy_usage(cluster *c, node *at)
{
	PGresult   *members;
	bool		done = true;

	if (!c->is_citus)
		return true;
	members = query_or_exit(c->publisher, "SELECT m.rolname FROM pg_auth_members AS a JOIN pg_roles AS m ON m.oid = a.member"
							" JOIN pg_roles AS g ON g.oid = a.roleid WHERE g.rolname = 'xmcoh_user'", 0, NULL);
	for (int k = 0; done && k < PQntuples(members); k++)
	{
		const char *role = PQgetvalue(members, k, 0);
		PGresult   *result = ask_node(c, at, "SELECT xmcoh.grant_usage(oid) FROM pg_roles WHERE rolname = $1"
									  " AND NOT pg_has_role(oid, 'xmcoh_user', 'MEMBER')", 1, &role);

		done = result != NULL;
		PQclear(result);
	}
	PQclear(members);
	return done;
}

static bool
set_up(cluster *c, node *at)
{
	bool		exists;
	bool		failed;
	char	   *slot;
	bool		usable;
	bool		done;

	if (!check_node(c, at))
		return false;
	slot = subscribed_slot(c, at, &exists, &failed);
	if (failed)
		return false;
	usable = exists && !c->is_new && slot_is_usable(c, slot);
	done = usable || ((!exists || drop_subscription(c, at)) && is_empty(c, at));
	done = done && drop_slots_of(c, at, usable ? slot : NULL);
	if (done && exists && !usable)
		printf("node %s: publication or replication slot were missing, all is copied again\n", at->name);
	done = done && (usable ? repair_subscription(c, at) : make_subscription(c, at)) && copy_usage(c, at);
	free(slot);
	return done;
}

/* ---- waiting ---- */

#define SUBSCRIPTION_PROGRESS \
	"SELECT count(*) FILTER (WHERE r.srsubstate IN ('r', 's')), count(*), s.subenabled, coalesce(s.subslotname::text, '')," \
	"       (SELECT e.apply_error_count + e.sync_error_count FROM pg_stat_subscription_stats AS e WHERE e.subid = s.oid)" \
	"  FROM pg_subscription AS s JOIN pg_database AS d ON d.oid = s.subdbid" \
	"       LEFT JOIN pg_subscription_rel AS r ON r.srsubid = s.oid" \
	" WHERE s.subname = 'xmcoh_models' AND d.datname = current_database() GROUP BY s.oid, s.subenabled, s.subslotname"

#define ERRORS_TO_GIVE_UP 3		/* the node tries again after each */

/* Finds out whether a node has all tables, and all that the publisher had written up to a position. */
static void
look_at_copy(cluster *c, node *at, const char *position)
{
	PGresult   *result = ask_node(c, at, SUBSCRIPTION_PROGRESS, 0, NULL);
	char	   *passed;
	int			errors;

	if (result == NULL || PQntuples(result) != 1)
	{
		PQclear(result);
		at->is_set_up = false;
		return;
	}
	errors = atoi(PQgetvalue(result, 0, 4));
	if (at->errors < 0)
		at->errors = errors;
	at->is_failing = errors - at->errors >= ERRORS_TO_GIVE_UP;
	passed = publisher_value(c, "SELECT confirmed_flush_lsn >= $2::pg_lsn FROM pg_replication_slots WHERE slot_name = $1", 2,
							 (const char *[]) {PQgetvalue(result, 0, 3), position});
	at->is_copied = strcmp(PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1)) == 0 && passed != NULL && *passed == 't';
	free(passed);
	PQclear(result);
}

static void
wait_for_copies(cluster *c)
{
	double		end = seconds_now() + c->timeout;
	char	   *position = publisher_value(c, "SELECT pg_current_wal_lsn()", 0, NULL);
	int			missing;

	for (int k = 0; k < c->n; k++)
		c->nodes[k].errors = -1;
	for (;;)
	{
		missing = 0;
		for (int k = 0; k < c->n; k++)
		{
			node	   *at = &c->nodes[k];

			if (at->is_set_up && !at->is_copied && !at->is_failing)
				look_at_copy(c, at, position);
			missing += at->is_set_up && !at->is_copied && !at->is_failing;
		}
		if (missing == 0 || seconds_now() > end)
			break;
		wait_a_moment();
	}
	free(position);
	for (int k = 0; k < c->n; k++)
		if (c->nodes[k].is_copied)
			printf("node %s: up to date\n", c->nodes[k].name);
		else if (c->nodes[k].is_failing)
			node_error(c, &c->nodes[k], "the copy fails" HINT "The node's log says why.");
		else if (c->nodes[k].is_set_up)
			node_error(c, &c->nodes[k], "the copy is not complete" HINT "xmcoh cluster status shows how far the copy is. If it"
					   " stands still, the node's log says why.");
}

/* ---- the commands ---- */

static void
add(cluster *c)
{
	check_publisher(c);
	c->connection = publisher_string(c);
	check_publisher_role(c);
	make_publication(c);
	check_publication_owner(c);		/* after: nobody else can make one between the two */
	for (int k = 0; k < c->n; k++)
		if (c->nodes[k].conn != NULL)
			c->nodes[k].is_set_up = set_up(c, &c->nodes[k]);
	wait_for_copies(c);
}

/* What must be equal on a node: the models with their deployed versions, all versions, the encoders, and the grants. */
#define DIGEST \
	"SELECT md5(concat_ws('|'," \
	"  (SELECT string_agg(concat_ws(' ', model_id, name, owner, deployed_version, options), ',' ORDER BY model_id)" \
	"     FROM xmcoh.model)," \
	"  (SELECT string_agg(concat_ws(' ', model_id, version, sha256), ',' ORDER BY model_id, version)" \
	"     FROM xmcoh.model_version)," \
	"  (SELECT string_agg(concat_ws(' ', encoder_id, name, owner, sha256), ',' ORDER BY encoder_id) FROM xmcoh.encoder)," \
	"  (SELECT string_agg(concat_ws(' ', model_id, role, level), ',' ORDER BY grant_id) FROM xmcoh.model_grant_record)))"

/* Why a node is not up to date; NULL: it is. Fills the slot's name if the node has one. */
static char *
find_problem(cluster *c, node *at, char **slot, char **copied)
{
	PGresult   *progress = ask_node(c, at, SUBSCRIPTION_PROGRESS, 0, NULL);
	const char *problem = NULL;

	if (progress == NULL || PQntuples(progress) != 1)
	{
		PQclear(progress);
		return message_line(progress == NULL ? "answers with an error" : "has no subscription");
	}
	*slot = message_line(PQgetvalue(progress, 0, 3));
	*copied = allocate(NULL, 40);
	snprintf(*copied, 40, "%.12s of %.12s", PQgetvalue(progress, 0, 0), PQgetvalue(progress, 0, 1));
	if (*PQgetvalue(progress, 0, 2) != 't')
		problem = "subscription is disabled";
	else if (!slot_is_usable(c, *slot))
		problem = "slot is missing or lost";
	else if (strcmp(PQgetvalue(progress, 0, 0), PQgetvalue(progress, 0, 1)) != 0)
		problem = "is being copied";
	PQclear(progress);
	if (problem == NULL)
	{
		char	   *before = publisher_value(c, DIGEST, 0, NULL);
		char	   *position = publisher_value(c, "SELECT pg_current_wal_lsn()", 0, NULL);
		char	   *behind = publisher_value(c, "SELECT CASE WHEN NOT active THEN 'is not connected'"
											 " WHEN confirmed_flush_lsn < $2::pg_lsn THEN 'behind' ELSE '' END"
											 " FROM pg_replication_slots WHERE slot_name = $1", 2,
											 (const char *[]) {*slot, position});
		PGresult   *digest = ask_node(c, at, DIGEST, 0, NULL);
		char	   *after = publisher_value(c, DIGEST, 0, NULL);

		if (behind == NULL || digest == NULL)
			problem = "answers with an error";
		else if (strcmp(behind, "is not connected") == 0)
			problem = "is not connected";
		else if (strcmp(PQgetvalue(digest, 0, 0), before) != 0 && strcmp(PQgetvalue(digest, 0, 0), after) != 0)
			problem = *behind ? "has older models" : "has other models";
		free(before);
		free(position);
		free(behind);
		free(after);
		PQclear(digest);
	}
	return problem ? message_line(problem) : NULL;
}

/* How far each node is behind; the condition follows. */
#define LAG \
	"SELECT pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), s.confirmed_flush_lsn))," \
	"       coalesce(date_trunc('milliseconds', r.replay_lag)::text, '')," \
	"       pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)), s.slot_name," \
	"       CASE WHEN s.wal_status = 'lost' THEN 'slot is lost' WHEN s.active THEN 'is connected'" \
	"            ELSE 'is not connected' END" \
	"  FROM (SELECT *" OUR_SLOTS ") AS s LEFT JOIN pg_stat_replication AS r ON r.pid = s.active_pid WHERE "

static void
print_state(const char *name, const char *state, const char *copied, const PGresult *lag, int row)
{
	printf("%s\n  state: %s\n", name, state);
	if (copied != NULL)
		printf("  tables copied: %s\n", copied);
	if (lag != NULL && row < PQntuples(lag))
		printf("  lag: %s%s%s\n  WAL kept for the node: %s\n  slot: %s\n", PQgetvalue(lag, row, 0),
			   *PQgetvalue(lag, row, 1) ? ", " : "", PQgetvalue(lag, row, 1), PQgetvalue(lag, row, 2), PQgetvalue(lag, row, 3));
}

/* Shows each node, then the slots of nodes that were not named. */
static void
status(cluster *c)
{
	PQExpBufferData known;
	PGresult   *others;

	initPQExpBuffer(&known);
	for (int k = 0; k < c->n; k++)
	{
		node	   *at = &c->nodes[k];
		char	   *slot = NULL;
		char	   *copied = NULL;
		const char *value;
		PGresult   *lag;

		if (at->conn != NULL && (at->problem = find_problem(c, at, &slot, &copied)) != NULL)
			c->failures++;
		value = slot ? slot : at->stem;
		lag = query_or_exit(c->publisher, slot ? LAG "s.slot_name = $1" : LAG "left(s.slot_name, -9) = $1", 1, &value);
		print_state(at->name, at->problem ? at->problem : "up to date", copied, lag, 0);
		appendPQExpBuffer(&known, "%s,", PQntuples(lag) > 0 ? PQgetvalue(lag, 0, 3) : "");
		PQclear(lag);
		free(slot);
		free(copied);
	}
	check_buffer(&known);
	others = query_or_exit(c->publisher, LAG "s.slot_name <> ALL (string_to_array($1, ',')) ORDER BY s.slot_name", 1,
						   (const char *[]) {known.data});
	for (int k = 0; k < PQntuples(others); k++)
	{
		const char *state = PQgetvalue(others, k, 4);

		print_state("another node", state, NULL, others, k);
		c->failures += strcmp(state, "is connected") != 0;
	}
	if (c->n == 0 && PQntuples(others) == 0)
		puts("no node has copies of the models");
	PQclear(others);
	termPQExpBuffer(&known);
}

static void
remove_nodes(cluster *c)
{
	char	   *left;

	for (int k = 0; k < c->n; k++)
	{
		node	   *at = &c->nodes[k];
		bool		exists = false;
		bool		failed = at->conn == NULL;

		if (!failed)
			free(subscribed_slot(c, at, &exists, &failed));
		if (exists && !drop_subscription(c, at))
			continue;
		if (!drop_slots_of(c, at, NULL))
			continue;
		if (failed)
			printf("node %s: the publisher's slot is dropped; the subscription is still there\n", at->name);
		else
			printf("node %s: %s\n", at->name, exists ? "removed" : "had no subscription");
	}
	left = publisher_value(c, "SELECT string_agg(slot_name, ', ')" OUR_SLOTS, 0, NULL);
	if (left == NULL)
	{
		char	   *drop = publisher_value(c, "SELECT 'DROP PUBLICATION xmcoh_models' FROM pg_publication"
										   " WHERE pubname = 'xmcoh_models'", 0, NULL);

		if (drop != NULL)
			PQclear(query_or_exit(c->publisher, drop, 0, NULL));
		free(drop);
	}
	else if (c->n == 0)
		die("nodes still have copies: slots %s" HINT "Name the nodes. If a node does not exist any more, SELECT"
			" pg_drop_replication_slot(...).", left);
	free(left);
}

int
cluster_main(int argc, char **argv)
{
	static const struct option long_options[] = {
		CONNECTION_LONG,
		{"publisher", required_argument, NULL, 'P'},
		{"timeout", required_argument, NULL, 't'},
		{0}
	};
	static const struct
	{
		const char *name;
		void		(*run) (cluster *c);
	}			commands[] = {
		{"add", add}, {"status", status}, {"remove", remove_nodes}
	};
	cluster		c = {.timeout = 600};
	connection_options connection = {0};
	void		(*run) (cluster *c) = NULL;
	int			option;

	for (size_t k = 0; argc >= 2 && k < sizeof commands / sizeof commands[0]; k++)
		if (strcmp(argv[1], commands[k].name) == 0)
			run = commands[k].run;
	if (run == NULL)
		usage_error("cluster needs add, status or remove");
	argc--;
	argv++;
	while ((option = getopt_long(argc, argv, CONNECTION_SHORT, long_options, NULL)) != -1)
	{
		if (take_connection_option(&connection, option))
			continue;
		if (option == 'P' && run == add)
			c.reached_by = optarg;
		else if (option == 't')
			c.timeout = option_seconds("timeout", 0, 86400);
		else
			usage_error("invalid option of cluster %s", argv[0]);
	}
	open_publisher(&c, &connection);
	if (run == add && optind == argc && !c.is_citus)
		usage_error("cluster add needs the connection strings of nodes, because the publisher has no workers of Citus");
	find_nodes(&c, argc - optind, argv + optind);
	run(&c);
	for (int k = 0; k < c.n; k++)
		PQfinish(c.nodes[k].conn);
	PQfinish(c.publisher);
	return c.failures == 0 ? 0 : 1;
}
