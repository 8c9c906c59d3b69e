/*
 * import.c - `xmcoh import`: a TSV file and any number of .npy files into one table, line by line.
 *
 * Lines go out in COPY's text format, which every column type reads, so an existing table may well have bigint keys or
 * pgvector columns. Everything is one transaction: an import that fails leaves nothing behind, not even the table.
 */
#include "buffer.h"
#include "cli.h"
#include "file_kind.h"
#include "npy.h"
#include "text_file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NPY 16
#define MOST_COLUMNS 1600		/* PostgreSQL's own bound */
#define LONGEST_NAME 63			/* bytes; PostgreSQL cuts off what is longer */

/* What to import, from the command line. */
typedef struct import_plan
{
	const char *table;			/* as given */
	const char *tsv;
	bool		raw;
	int			integers;
	const char *integer[MOST_COLUMNS];	/* (integers) columns to create as integer */
	int			npys;
	char	   *npy_column[MOST_NPY];	/* (npys) */
	npy_file	npy[MOST_NPY];	/* (npys) */
} import_plan;

/* Ends the program when the first line cannot be that of tab-separated text. */
static void
check_header(const buffer *line, const char *path)
{
	const char *carriage_return = memchr(line->bytes, '\r', line->length);
	const file_kind *kind;

	if (carriage_return)
		die("%s: line 1 has a carriage return within; if the lines end in CR alone, convert them (tr '\\r' '\\n')", path);
	for (size_t k = 0; k < line->length; k++)
	{
		unsigned char byte = (unsigned char) line->bytes[k];

		if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
			die("%s: line 1 has a control character (byte 0x%02x): this is no tab-separated text", path, byte);
	}
	kind = text_kind(line->bytes);
	if (kind)
		die("%s seems to be %s, not tab-separated text%s%s", path, kind->name, kind->advice ? "; " : "",
			kind->advice ? kind->advice : "");
	if (!memchr(line->bytes, '\t', line->length))
		die("%s: line 1 has no tab; it must name the columns, at least two, with tabs between", path);
}

/* Cuts the header into names; returns how many. The names lie in `line`. */
static int
split_header(buffer *line, const char *path, char **name)
{
	int			count = 0;
	char	   *at = line->bytes;

	if (line->length >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
		memmove(at, at + 3, (line->length -= 3) + 1);	/* byte order mark */
	check_header(line, path);
	for (;;)
	{
		char	   *end = strchr(at, '\t');

		if (count == MOST_COLUMNS)
			die("%s: more than %d columns", path, MOST_COLUMNS);
		if (end)
			*end = '\0';
		if (*at == '\0')
			die("%s: column %d has no name in the first line", path, count + 1);
		if (strlen(at) > LONGEST_NAME)
			die("%s: the name of column %d is longer than %d bytes", path, count + 1, LONGEST_NAME);
		name[count++] = at;
		if (!end)
			return count;
		at = end + 1;
	}
}

static void
add_identifier(PGconn *conn, buffer *sql, const char *name)
{
	char	   *quoted = PQescapeIdentifier(conn, name, strlen(name));

	if (!quoted)
		die_of_server(PQerrorMessage(conn));
	buffer_add_string(sql, quoted);
	PQfreemem(quoted);
}

static bool
is_integer(const import_plan *plan, const char *name)
{
	for (int k = 0; k < plan->integers; k++)
		if (strcmp(plan->integer[k], name) == 0)
			return true;
	return false;
}

/*
 * The table's name as SQL reads it (parse_ident), quoted, and whether it exists. pgvector's types are told from arrays by
 * their name, since they are written with other brackets.
 */
static char *
resolve_table(PGconn *conn, const char *given, bool *exists)
{
	PGresult   *result = query_or_exit(conn,
									   "SELECT string_agg(pg_catalog.quote_ident(part), '.' ORDER BY n), "
									   "       pg_catalog.to_regclass($1) IS NOT NULL "
									   "  FROM pg_catalog.unnest(pg_catalog.parse_ident($1)) WITH ORDINALITY AS p (part, n)",
									   1, &given);
	char	   *name = strdup(PQgetvalue(result, 0, 0));

	if (!name)
		die("out of memory");
	*exists = *PQgetvalue(result, 0, 1) == 't';
	PQclear(result);
	return name;
}

static bool
has_vector_type(PGconn *conn, const char *table, const char *column)
{
	const char *values[] = {table, column};
	PGresult   *result = query_or_exit(conn,
									   "SELECT t.typname IN ('vector', 'halfvec') "
									   "  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid "
									   " WHERE a.attrelid = $1::pg_catalog.regclass AND a.attname = $2 AND a.attnum > 0",
									   2, values);
	bool		vector = PQntuples(result) == 1 && *PQgetvalue(result, 0, 0) == 't';

	PQclear(result);
	return vector;
}

static void
create_table(PGconn *conn, const char *table, const import_plan *plan, char **name, int count)
{
	buffer		sql = {0};

	buffer_add_string(&sql, "CREATE TABLE ");
	buffer_add_string(&sql, table);
	buffer_add_string(&sql, " (");
	for (int k = 0; k < count; k++)
	{
		add_identifier(conn, &sql, name[k]);
		buffer_add_string(&sql, is_integer(plan, name[k]) ? " integer, " : " text, ");
	}
	for (int k = 0; k < plan->npys; k++)
	{
		add_identifier(conn, &sql, plan->npy_column[k]);
		buffer_add_string(&sql, " real[], ");
	}
	sql.length -= 2;
	buffer_add_string(&sql, ")");
	buffer_end(&sql);
	PQclear(query_or_exit(conn, sql.bytes, 0, NULL));
	free(sql.bytes);
}

/* Appends a TSV line's fields to `row` as COPY text; checks their number. */
static void
add_fields(buffer *row, const buffer *line, int count, bool raw, const char *path, size_t number)
{
	int			fields = 1;
	const char *bytes = line->bytes;
	size_t		backslashes = 0;

	if (strlen(bytes) != line->length)
		die("%s: line %zu has a NUL byte", path, number);
	for (size_t k = 0; k < line->length; k++)
		fields += bytes[k] == '\t';
	if (fields != count)
		die("%s: line %zu has %d fields, the first line has %d", path, number, fields, count);
	if (!raw)
	{
		while (backslashes < line->length && bytes[line->length - 1 - backslashes] == '\\')
			backslashes++;
		if (backslashes % 2 == 1)
			die("%s: line %zu ends in a single backslash; if backslashes stand for themselves in this file, use --raw",
				path, number);
		if (strcmp(bytes, "\\.") == 0)
			die("%s: line %zu is an end-of-data mark", path, number);
		if (memchr(bytes, '\r', line->length))
			die("%s: line %zu has a carriage return within; write it as \\r, or use --raw", path, number);
		buffer_add(row, bytes, line->length);
		return;
	}
	for (size_t k = 0; k <= line->length; k++)
	{
		bool		at_end = k == line->length || bytes[k] == '\t';

		if (at_end && (k == 0 || bytes[k - 1] == '\t'))
			buffer_add(row, "\\N", 2);
		if (k == line->length)
			break;
		if (bytes[k] == '\\')
			buffer_add(row, "\\\\", 2);
		else if (bytes[k] == '\r')
			buffer_add(row, "\\r", 2);
		else
			buffer_add(row, bytes + k, 1);
	}
}

/* Nine significant digits give every float back. */
static void
add_numbers(buffer *row, const npy_file *npy, bool vector)
{
	buffer_reserve(row, npy->columns * 17 + 4);
	row->bytes[row->length++] = '\t';
	row->bytes[row->length++] = vector ? '[' : '{';
	for (size_t k = 0; k < npy->columns; k++)
		row->length += (size_t) snprintf(row->bytes + row->length, 17, k ? ",%.9g" : "%.9g", (double) npy->values[k]);
	row->bytes[row->length++] = vector ? ']' : '}';
}

static void
send_row(PGconn *conn, const buffer *row)
{
	/* Fails only when the connection is lost or the server has ended the copy; its message comes with the copy's result. */
	if (PQputCopyData(conn, row->bytes, (int) row->length) != 1)
		die_of_server(PQerrorMessage(conn));
}

/* Streams every line. */
static void
copy_lines(PGconn *conn, import_plan *plan, text_file *in, int count, const bool *vector)
{
	buffer		line = {0},
				row = {0};

	buffer_add_string(&row, "header\n");	/* COPY passes it over, but counts it: its errors name the lines of the file */
	send_row(conn, &row);
	while (text_file_read_line(in, &line))
	{
		row.length = 0;
		add_fields(&row, &line, count, plan->raw, plan->tsv, text_file_line(in));
		for (int k = 0; k < plan->npys; k++)
		{
			if (!npy_read_row(&plan->npy[k]))
				die("%s has more lines after the first than %s has rows (%zu)", plan->tsv, plan->npy[k].file.path,
					plan->npy[k].rows);
			add_numbers(&row, &plan->npy[k], vector[k]);
		}
		buffer_add(&row, "\n", 1);
		if (row.length > INT_MAX)
			die("%s: line %zu is too long", plan->tsv, text_file_line(in));
		send_row(conn, &row);
	}
	for (int k = 0; k < plan->npys; k++)
		if (npy_read_row(&plan->npy[k]))
			die("%s has %zu lines after the first, but %s has %zu rows", plan->tsv, text_file_line(in) - 1,
				plan->npy[k].file.path, plan->npy[k].rows);
	free(line.bytes);
	free(row.bytes);
}

/* Returns how many rows the table has got, which is what the server says: a trigger may have dropped some. */
static size_t
import_file(PGconn *conn, import_plan *plan)
{
	text_file  *in;
	buffer		header = {0},
				sql = {0};
	char	  **name = allocate(NULL, MOST_COLUMNS * sizeof *name);	/* (count) */
	int			count;
	bool		exists;
	bool		vector[MOST_NPY] = {false};
	char	   *table;
	size_t		rows = 0;
	PGresult   *result;

	in = text_file_open(plan->tsv);
	if (!text_file_read_line(in, &header))
		die("%s is empty; its first line must name the columns", plan->tsv);
	count = split_header(&header, plan->tsv, name);
	for (int k = 0; k < plan->integers; k++)
	{
		bool		found = false;

		for (int c = 0; c < count; c++)
			found |= strcmp(plan->integer[k], name[c]) == 0;
		if (!found)
			die("--integer: %s has no column \"%s\"", plan->tsv, plan->integer[k]);
	}

	PQclear(query_or_exit(conn, "BEGIN", 0, NULL));
	table = resolve_table(conn, plan->table, &exists);
	if (!exists)
		create_table(conn, table, plan, name, count);
	for (int k = 0; k < plan->npys; k++)
		vector[k] = exists && has_vector_type(conn, table, plan->npy_column[k]);

	buffer_add_string(&sql, "COPY ");
	buffer_add_string(&sql, table);
	buffer_add_string(&sql, " (");
	for (int k = 0; k < count + plan->npys; k++)
	{
		buffer_add_string(&sql, k ? ", " : "");
		add_identifier(conn, &sql, k < count ? name[k] : plan->npy_column[k - count]);
	}
	buffer_add_string(&sql, ") FROM STDIN (FORMAT text, HEADER)");
	buffer_end(&sql);
	PQclear(query_or_exit(conn, sql.bytes, 0, NULL));
	copy_lines(conn, plan, in, count, vector);
	if (PQputCopyEnd(conn, NULL) != 1)
		die_of_server(PQerrorMessage(conn));
	while ((result = PQgetResult(conn)) != NULL)
	{
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			die_of_server(PQresultErrorMessage(result));
		rows = strtoul(PQcmdTuples(result), NULL, 10);
		PQclear(result);
	}
	PQclear(query_or_exit(conn, "COMMIT", 0, NULL));
	text_file_close(in);
	free(header.bytes);
	free(sql.bytes);
	free(name);
	free(table);
	return rows;
}

/* Takes COLUMN=FILE. */
static void
add_npy(import_plan *plan, char *argument)
{
	char	   *equals = strchr(argument, '=');

	if (!equals || equals == argument || equals[1] == '\0')
		usage_error("--npy wants COLUMN=FILE, not \"%s\"", argument);
	if (plan->npys == MOST_NPY)
		usage_error("more than %d --npy", MOST_NPY);
	*equals = '\0';
	plan->npy_column[plan->npys] = argument;
	npy_open(&plan->npy[plan->npys++], equals + 1);
}

int
import_main(int argc, char **argv)
{
	static const struct option long_options[] = {
		CONNECTION_LONG,
		{"table", required_argument, NULL, 't'},
		{"tsv", required_argument, NULL, 'f'},
		{"npy", required_argument, NULL, 'n'},
		{"integer", required_argument, NULL, 'i'},
		{"raw", no_argument, NULL, 'r'},
		{0}
	};
	connection_options connection = {0};
	static import_plan plan;
	PGconn	   *conn;
	int			option;

	while ((option = getopt_long(argc, argv, CONNECTION_SHORT, long_options, NULL)) != -1)
	{
		if (take_connection_option(&connection, option))
			continue;
		switch (option)
		{
			case 't':
				plan.table = optarg;
				break;
			case 'f':
				plan.tsv = optarg;
				break;
			case 'n':
				add_npy(&plan, optarg);
				break;
			case 'i':
				if (plan.integers == MOST_COLUMNS)
					usage_error("more than %d --integer", MOST_COLUMNS);
				plan.integer[plan.integers++] = optarg;
				break;
			case 'r':
				plan.raw = true;
				break;
			default:
				usage_error("import: bad option");
		}
	}
	if (optind < argc)
		usage_error("import: \"%s\" is one argument too many", argv[optind]);
	if (!plan.table || !plan.tsv)
		usage_error("import needs --table and --tsv");
	conn = connect_or_exit(&connection);
	printf("%zu rows imported into %s\n", import_file(conn, &plan), plan.table);
	PQfinish(conn);
	for (int k = 0; k < plan.npys; k++)
		npy_close(&plan.npy[k]);
	return 0;
}
