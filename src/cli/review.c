/*
 * review.c - `xmcoh review`: pairs that are worth a person's time, as CSV for a spreadsheet, and the answers back
 *
 * The server writes the CSV (COPY) and hashes what a reviewer sees: the column seen. The import is one transaction. Each
 * answer is a savepoint, so one run finds every row that the server refuses; after a refused row nothing is imported.
 */
#include "buffer.h"
#include "cli.h"
#include "csv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the column seen ---- */

/*
 * An x, and the beginnings of three hashes, in hexadecimal: of the keys of the row, and of the text of each item as
 * xmcoh.decision.seen_items has it. The x keeps a spreadsheet from reading a number.
 */
#define HASH_DIGITS "8"
#define KEYS_SEEN(model, document, before, after) \
	"'x' || pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(" \
	"pg_catalog.json_build_array(" model ", " document ", " before ", " after ")::text, 'UTF8')), 'hex'), " HASH_DIGITS ")"
#define TEXT_SEEN(text) \
	"pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(" \
	"pg_catalog.int4send(coalesce(pg_catalog.octet_length(pg_catalog.convert_to(" text ", 'UTF8')) + 1, 0)) || " \
	"coalesce(pg_catalog.convert_to(" text ", 'UTF8'), '')), 'hex'), " HASH_DIGITS ")"

/* ---- export ---- */

/*
 * A spreadsheet reads a key such as 007 or 3-4 as a number or a date, and text after = + - @ as a formula. In East Asian
 * languages text after the full-width forms of these (U+FF1D, U+FF0B, U+FF0D, U+FF20) can be one, too. Such a field is written
 * with an apostrophe in front, which the import takes from a key.
 */
#define BEGINS_WITH(text, bytes) \
	"pg_catalog.encode(pg_catalog.substr(pg_catalog.convert_to(" text ", 'UTF8'), 1, 3), 'hex') ~ '^(" bytes ")'"
#define FULL_WIDTH "efbc9d|efbc8b|efbc8d|efbca0"
#define KEY(key) \
	"CASE WHEN " key " < 'A' COLLATE pg_catalog.\"C\" AND " key " !~ '^(0|[1-9][0-9]{0,14})$' " \
	"       OR " BEGINS_WITH(key, FULL_WIDTH) " THEN '''' ELSE '' END || " key
#define TEXT(text) \
	"CASE WHEN " BEGINS_WITH(text, "3d|2b|2d|40|09|0d|" FULL_WIDTH) " THEN '''' ELSE '' END || " text

static const char queue_columns[] =
"SELECT q.rank, " KEY("q.document") " AS document, "
"       " TEXT("q.before_text") " AS before_text, " TEXT("q.after_text") " AS after_text, "
"       NULL AS answer, NULL AS note, pg_catalog.round(q.probability::numeric, 3) AS probability, q.reason, q.value, "
"       " KEY("m.name") " AS model, " KEY("q.before_item") " AS before_item, " KEY("q.after_item") " AS after_item, "
"       " KEYS_SEEN("m.name", "q.document", "q.before_item", "q.after_item") " || "
TEXT_SEEN("q.before_text") " || " TEXT_SEEN("q.after_text") " AS seen ";

/* The arguments of xmcoh review export. NULL: not given. */
typedef struct export_plan
{
	const char *model;
	const char *pairs;
	const char *source;
	const char *strategy;
	const char *lease;			/* the role holds the pairs so long */
	const char *separator;
	const char *output;
} export_plan;

static void
append_literal(PGconn *conn, PQExpBuffer sql, const char *value)
{
	char	   *quoted = PQescapeLiteral(conn, value, strlen(value));

	if (!quoted)
		die_of_server(PQerrorMessage(conn));
	appendPQExpBufferStr(sql, quoted);
	PQfreemem(quoted);
}

/* Appends a named argument of a function, unless the argument was not given. */
static void
append_argument(PGconn *conn, PQExpBuffer sql, const char *name, const char *value)
{
	if (!value)
		return;
	appendPQExpBuffer(sql, ", %s => ", name);
	append_literal(conn, sql, value);
}

/* Reads all bytes of the COPY. */
static void
receive_copy(PGconn *conn, PQExpBuffer csv)
{
	char	   *row;
	int			length;
	PGresult   *result;

	while ((length = PQgetCopyData(conn, &row, 0)) > 0)
	{
		appendBinaryPQExpBuffer(csv, row, (size_t) length);
		check_buffer(csv);
		PQfreemem(row);
	}
	if (length == -2)
		die_of_server(PQerrorMessage(conn));
	while ((result = PQgetResult(conn)) != NULL)
	{
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			die_of_server(PQresultErrorMessage(result));
		PQclear(result);
	}
}

/* Writes everything to a new file, so that no answers of an earlier file are lost, or to standard output. */
static void
write_output(const char *path, const PQExpBufferData *csv)
{
	FILE	   *file = path ? fopen(path, "wbx") : stdout;

	if (!file && errno == EEXIST)
		die("file \"%s\" exists" HINT "Answers may be in it. Choose another name, or delete the file.", path);
	if (!file)
		die("could not create file \"%s\": %s", path, strerror(errno));
	if (fwrite(csv->data, 1, csv->len, file) != csv->len || fflush(file) != 0 || (path && fclose(file) != 0))
	{
		int			failed = errno;

		if (path)
			remove(path);
		die("could not write %s: %s", path ? path : "the rows", strerror(failed));
	}
}

static void
export_queue(PGconn *conn, const export_plan *plan)
{
	PQExpBufferData sql,
				csv;
	char		source[24];		/* its OID: the name is looked up in the search path of the reviewer */

	if (plan->source)
	{
		PGresult   *result = query_or_exit(conn, "SELECT $1::pg_catalog.regclass::pg_catalog.oid", 1, &plan->source);

		snprintf(source, sizeof source, "%s", PQgetvalue(result, 0, 0));
		PQclear(result);
	}
	search_catalog_only(conn);
	initPQExpBuffer(&sql);
	initPQExpBuffer(&csv);
	appendPQExpBuffer(&sql, "COPY (%s FROM (SELECT ", queue_columns);
	append_literal(conn, &sql, plan->model);
	appendPQExpBuffer(&sql, "::text) AS m (name), xmcoh.%s(m.name", plan->lease ? "claim_reviews" : "review_queue");
	append_argument(conn, &sql, "lease", plan->lease);
	append_argument(conn, &sql, "n", plan->pairs);
	append_argument(conn, &sql, "source", plan->source ? source : NULL);
	append_argument(conn, &sql, "strategy", plan->strategy);
	appendPQExpBufferStr(&sql, ") AS q ORDER BY q.rank) TO STDOUT (FORMAT csv, HEADER, DELIMITER ");
	append_literal(conn, &sql, plan->separator);
	appendPQExpBufferChar(&sql, ')');
	check_buffer(&sql);
	PQclear(query_or_exit(conn, sql.data, 0, NULL));
	appendPQExpBufferStr(&csv, "\xef\xbb\xbf");	/* Excel reads UTF-8 only after a byte order mark */
	receive_copy(conn, &csv);
	write_output(plan->output, &csv);
	termPQExpBuffer(&sql);
	termPQExpBuffer(&csv);
}

static int
export_main(int argc, char **argv)
{
	static const struct option long_options[] = {
		CONNECTION_LONG,
		{"csv", no_argument, NULL, 'c'},
		{"pairs", required_argument, NULL, 'n'},
		{"source", required_argument, NULL, 's'},
		{"strategy", required_argument, NULL, 't'},
		{"lease", required_argument, NULL, 'l'},
		{"separator", required_argument, NULL, 'e'},
		{"output", required_argument, NULL, 'o'},
		{0}
	};
	connection_options connection = {0};
	export_plan plan = {.separator = ","};
	PGconn	   *conn;
	int			option;

	while ((option = getopt_long(argc, argv, CONNECTION_SHORT "n:o:", long_options, NULL)) != -1)
	{
		if (take_connection_option(&connection, option) || option == 'c')
			continue;
		if (option == 'n')
			plan.pairs = optarg;
		else if (option == 's')
			plan.source = optarg;
		else if (option == 't')
			plan.strategy = optarg;
		else if (option == 'l')
			plan.lease = optarg;
		else if (option == 'e')
			plan.separator = strcmp(optarg, "\\t") == 0 ? "\t" : optarg;
		else if (option == 'o')
			plan.output = strcmp(optarg, "-") == 0 ? NULL : optarg;
		else
			usage_error("invalid option of review export");
	}
	if (optind + 1 != argc)
		usage_error("review export needs the name of one model");
	if (strlen(plan.separator) != 1 || !strchr(",;\t", *plan.separator))
		usage_error("--separator must be a comma, a semicolon or a tab, not \"%s\"", plan.separator);
	plan.model = argv[optind];
	conn = connect_or_exit(&connection);
	export_queue(conn, &plan);
	PQfinish(conn);
	return 0;
}

/* ---- import ---- */

/* The columns that the import reads. Others are the reviewer's. */
enum
{
	MODEL, DOCUMENT, BEFORE, AFTER, SEEN, ANSWER, NOTE, COLUMNS
};
static const char *const column_names[COLUMNS] = {
	"model", "document", "before_item", "after_item", "seen", "answer", "note"
};

static const char decide_query[] =
"SELECT CASE WHEN pg_catalog.left($5, 1 + " HASH_DIGITS ") = " KEYS_SEEN("$1::text", "$2::text", "$3::text", "$4::text")
"            THEN xmcoh.decide($1, $2, $3, $4, $6, nullif($7, '')) END";

/* Which of the two texts, as read for the decision, has another hash than the column seen. */
#define OTHER_TEXT(item, from) \
	"(SELECT pg_catalog.left(pg_catalog.encode(i.hash, 'hex'), " HASH_DIGITS ") " \
	"        IS DISTINCT FROM pg_catalog.substr($4, " from ", " HASH_DIGITS ") " \
	"   FROM ROWS FROM (pg_catalog.unnest(d.items), pg_catalog.unnest(d.seen_items)) AS i (item, hash) " \
	"  WHERE i.item = " item ")"

static const char other_texts_query[] =
"SELECT " OTHER_TEXT("$2", "2 + " HASH_DIGITS) ", " OTHER_TEXT("$3", "2 + 2 * " HASH_DIGITS)
"  FROM xmcoh.decision AS d WHERE d.decision_id = $1::bigint";

typedef struct import_state
{
	PGconn	   *conn;
	csv_file	csv;
	int			column[COLUMNS];	/* of the file; -1: the file has none */
	size_t		answers;		/* rows with an answer */
	size_t		refused;		/* of these */
	size_t		left_out;		/* rows without an answer */
	bool		misplaced;		/* some row has cells that do not belong together */
} import_state;

/* Finds the columns in the first row. */
static void
find_columns(import_state *state)
{
	csv_file   *csv = &state->csv;

	if (csv->fields == 1 && strpbrk(csv_field(csv, 0), ",;\t"))
		die("file \"%s\", line 1: the whole line is one field"
			HINT "The spreadsheet has not split the lines. Export with another --separator.", csv->path);
	for (int k = 0; k < COLUMNS; k++)
	{
		state->column[k] = -1;
		for (int f = 0; f < csv->fields; f++)
		{
			if (strcmp(csv_field(csv, f), column_names[k]) != 0)
				continue;
			if (state->column[k] >= 0)
				die("file \"%s\", line 1: two columns have the name \"%s\"", csv->path, column_names[k]);
			state->column[k] = f;
		}
		if (state->column[k] < 0 && k != NOTE)
			die("file \"%s\", line 1: no column has the name \"%s\"" HINT "The file must be one of xmcoh review export.",
				csv->path, column_names[k]);
	}
}

/*
 * Reports why a row is refused: by its line and, after fields of several lines, also by the row's number, which
 * spreadsheets show.
 */
static void
refuse(import_state *state, const char *reason, const char *detail)
{
	const csv_file *csv = &state->csv;
	char		row[40] = "";

	if (csv->row != csv->line)
		snprintf(row, sizeof row, " (row %zu)", csv->row);
	print_error("file \"%s\", line %zu%s: %s%s%s", csv->path, csv->line, row, reason, detail ? DETAIL : "",
				detail ? detail : "");
	state->refused++;
}

static void
refuse_format(import_state *state, const char *format, const char *value)
{
	PQExpBufferData reason;

	initPQExpBuffer(&reason);
	appendPQExpBuffer(&reason, format, value);
	check_buffer(&reason);
	refuse(state, reason.data, NULL);
	termPQExpBuffer(&reason);
}

/* Cuts spaces off both ends and makes ASCII letters small: a spreadsheet begins a cell with a capital letter. */
static void
copy_answer(char *answer, size_t size, const char *cell)
{
	size_t		length;

	cell += strspn(cell, " ");
	length = strlen(cell);
	while (length > 0 && cell[length - 1] == ' ')
		length--;
	snprintf(answer, size, "%.*s", (int) (length < size ? length : size), cell);
	for (char *c = answer; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';
}

/* Runs a statement of the row. Returns NULL when the server refuses, after a report. */
static PGresult *
query_for_row(import_state *state, const char *sql, int count, const char *const *values)
{
	PGresult   *result = PQexecParams(state->conn, sql, count, NULL, values, NULL, NULL, 0);

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return result;
	if (PQstatus(state->conn) != CONNECTION_OK || !PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY))
		die_of_server(PQerrorMessage(state->conn));
	refuse(state, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
	PQclear(result);
	return NULL;
}

/* Decides what the row says, in a savepoint. */
static void
give_answer(import_state *state, const char *const *value)
{
	PGresult   *result = query_for_row(state, decide_query, COLUMNS, value);
	const char *seen[4] = {NULL, value[BEFORE], value[AFTER], value[SEEN]};
	size_t		refused = state->refused;
	char		decision[24];

	if (!result)
		return;
	if (PQgetisnull(result, 0, 0))
	{
		refuse(state, "the cells model, document, before_item, after_item and seen are not as exported", NULL);
		state->misplaced = true;
	}
	snprintf(decision, sizeof decision, "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	seen[0] = decision;
	if (state->refused > refused || !(result = query_for_row(state, other_texts_query, 4, seen)))
		return;
	for (int k = 0; k < 2; k++)
		if ((PQntuples(result) == 0 || *PQgetvalue(result, 0, k) != 'f') && state->refused == refused)
			refuse_format(state, "the text of item \"%s\" has changed since the export", value[k ? AFTER : BEFORE]);
	PQclear(result);
}

/* Takes a row: leaves it out, refuses it, or decides. */
static void
take_row(import_state *state)
{
	const char *value[COLUMNS];
	size_t		refused = state->refused;
	char		answer[16];

	for (int k = 0; k < COLUMNS; k++)
		value[k] = state->column[k] < 0 ? "" : csv_field(&state->csv, state->column[k]);
	for (int k = MODEL; k <= AFTER; k++)
		value[k] += *value[k] == '\'';	/* which the export has put there */
	copy_answer(answer, sizeof answer, value[ANSWER]);
	if (*answer == '\0')
	{
		state->left_out++;
		return;
	}
	state->answers++;
	if (strcmp(answer, "before") != 0 && strcmp(answer, "after") != 0 && strcmp(answer, "either") != 0 &&
		strcmp(answer, "skip") != 0)
	{
		refuse_format(state, "the answer is \"%s\" instead of before, after, either or skip", value[ANSWER]);
		return;
	}
	value[ANSWER] = answer;
	PQclear(query_or_exit(state->conn, "SAVEPOINT answer", 0, NULL));
	give_answer(state, value);
	if (state->refused > refused)
		PQclear(query_or_exit(state->conn, "ROLLBACK TO SAVEPOINT answer", 0, NULL));
	PQclear(query_or_exit(state->conn, "RELEASE SAVEPOINT answer", 0, NULL));
}

static int
import_answers_main(int argc, char **argv)
{
	static const struct option long_options[] = {
		CONNECTION_LONG,
		{"dry-run", no_argument, NULL, 'n'},
		{0}
	};
	connection_options connection = {0};
	import_state state = {0};
	bool		dry_run = false;
	int			option;

	while ((option = getopt_long(argc, argv, CONNECTION_SHORT, long_options, NULL)) != -1)
	{
		if (take_connection_option(&connection, option))
			continue;
		if (option != 'n')
			usage_error("invalid option of review import");
		dry_run = true;
	}
	if (optind + 1 != argc)
		usage_error("review import needs one file");
	csv_open(&state.csv, argv[optind]);
	find_columns(&state);
	state.conn = connect_or_exit(&connection);
	search_catalog_only(state.conn);
	PQclear(query_or_exit(state.conn, "BEGIN", 0, NULL));
	while (csv_read_row(&state.csv))
		take_row(&state);
	csv_close(&state.csv);
	if (state.refused > 0)
		die("file \"%s\": %zu of %zu answers were refused, so none was imported%s", argv[optind], state.refused, state.answers,
			state.misplaced ? HINT "A spreadsheet may have sorted only some columns, or changed a key that looks like a number or a"
			" date. Let the spreadsheet read all columns as text." : "");
	PQclear(query_or_exit(state.conn, dry_run ? "ROLLBACK" : "COMMIT", 0, NULL));
	PQfinish(state.conn);
	printf("%zu answers %s, %zu rows without an answer%s\n", state.answers, dry_run ? "can be imported" : "imported",
		   state.left_out, dry_run ? "; dry run: nothing was changed" : "");
	return 0;
}

int
review_main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "export") == 0)
		return export_main(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "import") == 0)
		return import_answers_main(argc - 1, argv + 1);
	usage_error("review needs export or import");
}
