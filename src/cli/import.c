/*
 * import.c - `xmcoh import`: loads a TSV file and .npy files into one table, line by line
 *
 * The client sends rows in COPY's text format. Every column type reads that format, so an existing table may have
 * bigint keys or columns of pgvector's types. The import is one transaction: after an error there are no new rows, and
 * no new table.
 */
#include "buffer.h"
#include "cli.h"
#include "file_kind.h"
#include "npy.h"
#include "text_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NPY 16
#define MOST_COLUMNS 1600		/* PostgreSQL's limit */
#define LONGEST_NAME 63			/* bytes; PostgreSQL truncates longer names */

static const file_kind tsv_kind = {"tab-separated text", NULL};

/* The arguments of the command line. */
typedef struct import_plan
{
	const char *table;			/* as the user wrote it */
	const char *tsv;
	bool		raw;
	int			integers;
	const char *integer[MOST_COLUMNS];	/* (integers) names of columns of type integer */
	int			npys;
	char	   *npy_column[MOST_NPY];	/* (npys) */
	npy_file	npy[MOST_NPY];	/* (npys) */
} import_plan;

/* Ends the program when the first line cannot be the first line of tab-separated text. */
static void
check_header(const PQExpBufferData *line, const char *path)
{
	const file_kind *kind;

	if (memchr(line->data, '\r', line->len))
		die("file \"%s\", line 1: the line has a carriage return"
			HINT "If the lines end in CR alone, convert them (tr '\\r' '\\n').", path);
	for (size_t k = 0; k < line->len; k++)
	{
		unsigned char byte = (unsigned char) line->data[k];

		if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
			die("file \"%s\", line 1: the line has a control character (byte 0x%02x), so the file is not tab-separated text",
				path, byte);
	}
	kind = text_kind(line->data);
	if (kind)
		refuse_kind(path, false, kind, &tsv_kind);
	if (!memchr(line->data, '\t', line->len))
		die("file \"%s\", line 1: the line has no tab"
			HINT "The first line must name the columns, at least two, with tabs between the names.", path);
}

/* Splits the first line into names of columns and returns their number. The names point into `line`. */
static int
split_header(PQExpBuffer line, const char *path, char **name)
{
	int			count = 0;
	char	   *at = line->data;

	if (line->len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
		memmove(at, at + 3, (line->len -= 3) + 1);	/* byte order mark */
	check_header(line, path);
	for (;;)
	{
		char	   *end = strchr(at, '\t');

		if (count == MOST_COLUMNS)
			die("file \"%s\" has more than %d columns", path, MOST_COLUMNS);
		if (end)
			*end = '\0';
		if (*at == '\0')
			die("file \"%s\", line 1: column %d has no name", path, count + 1);
		if (strlen(at) > LONGEST_NAME)
			die("file \"%s\", line 1: the name of column %d is longer than %d bytes", path, count + 1, LONGEST_NAME);
		name[count++] = at;
		if (!end)
			return count;
		at = end + 1;
	}
}

static void
append_identifier(PGconn *conn, PQExpBuffer sql, const char *name)
{
	char	   *quoted = PQescapeIdentifier(conn, name, strlen(name));

	if (!quoted)
		die_of_server(PQerrorMessage(conn));
	appendPQExpBufferStr(sql, quoted);
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

/* Returns the name of the table, parsed as in SQL and quoted, and sets whether the table exists. */
static char *
resolve_table(PGconn *conn, const char *given, bool *exists)
{
	PGresult   *result = query_or_exit(conn,
									   "SELECT pg_catalog.string_agg(pg_catalog.quote_ident(part), '.' ORDER BY n), "
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

/* Whether the column has one of pgvector's types, whose text format has other brackets than an array's. */
static bool
has_vector_type(PGconn *conn, const char *table, const char *column)
{
	const char *values[] = {table, column};
	PGresult   *result = query_or_exit(conn,
									   "SELECT t.typname OPERATOR(pg_catalog.=) ANY ('{vector,halfvec}'::pg_catalog.name[]) "
									   "  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid "
									   " WHERE a.attrelid OPERATOR(pg_catalog.=) $1::pg_catalog.regclass "
									   "   AND a.attname OPERATOR(pg_catalog.=) $2 AND a.attnum OPERATOR(pg_catalog.>) 0",
									   2, values);
	bool		vector = PQntuples(result) == 1 && *PQgetvalue(result, 0, 0) == 't';

	PQclear(result);
	return vector;
}

static void
create_table(PGconn *conn, const char *table, const import_plan *plan, char **name, int count)
{
	PQExpBufferData sql;

	initPQExpBuffer(&sql);
	appendPQExpBuffer(&sql, "CREATE TABLE %s (", table);
	for (int k = 0; k < count + plan->npys; k++)
	{
		const char *column = k < count ? name[k] : plan->npy_column[k - count];

		append_identifier(conn, &sql, column);
		appendPQExpBufferStr(&sql, k >= count ? " real[]" : is_integer(plan, column) ? " integer" : " pg_catalog.text");
		appendPQExpBufferStr(&sql, k < count + plan->npys - 1 ? ", " : ")");
	}
	check_buffer(&sql);
	PQclear(query_or_exit(conn, sql.data, 0, NULL));
	termPQExpBuffer(&sql);
}

/* Starts the COPY into the columns of the TSV file and of the .npy files. */
static void
begin_copy(PGconn *conn, const char *table, const import_plan *plan, char **name, int count)
{
	PQExpBufferData sql;

	initPQExpBuffer(&sql);
	appendPQExpBuffer(&sql, "COPY %s (", table);
	for (int k = 0; k < count + plan->npys; k++)
	{
		appendPQExpBufferStr(&sql, k ? ", " : "");
		append_identifier(conn, &sql, k < count ? name[k] : plan->npy_column[k - count]);
	}
	appendPQExpBufferStr(&sql, ") FROM STDIN (FORMAT text, HEADER)");
	check_buffer(&sql);
	PQclear(query_or_exit(conn, sql.data, 0, NULL));
	termPQExpBuffer(&sql);
}

/* Ends the program when COPY would take the line for something else than one row. */
static void
check_line(const PQExpBufferData *line, const char *path, size_t number)
{
	size_t		backslashes = 0;

	while (backslashes < line->len && line->data[line->len - 1 - backslashes] == '\\')
		backslashes++;
	if (backslashes % 2 == 1)
		die("file \"%s\", line %zu: the line ends in a single backslash"
			HINT "If a backslash in this file is an ordinary character, use --raw.", path, number);
	if (strcmp(line->data, "\\.") == 0)
		die("file \"%s\", line %zu: the line is an end-of-data marker", path, number);
	if (memchr(line->data, '\r', line->len))
		die("file \"%s\", line %zu: the line has a carriage return" HINT "Write it as \\r, or use --raw.", path, number);
}

/* Appends the fields of a line, in which no character is special, in COPY's format. */
static void
append_raw_fields(PQExpBuffer row, const PQExpBufferData *line)
{
	const char *bytes = line->data;

	for (size_t k = 0; k <= line->len; k++)
	{
		bool		at_end = k == line->len || bytes[k] == '\t';

		if (at_end && (k == 0 || bytes[k - 1] == '\t'))
			appendPQExpBufferStr(row, "\\N");	/* an empty field */
		if (k == line->len)
			break;
		if (bytes[k] == '\\')
			appendPQExpBufferStr(row, "\\\\");
		else if (bytes[k] == '\r')
			appendPQExpBufferStr(row, "\\r");
		else
			appendPQExpBufferChar(row, bytes[k]);
	}
}

/* Appends the fields of a line of the TSV file in COPY's format. The first line of the file has `count` fields. */
static void
append_fields(PQExpBuffer row, const PQExpBufferData *line, int count, bool raw, const char *path, size_t number)
{
	int			fields = 1;

	if (strlen(line->data) != line->len)
		die("file \"%s\", line %zu: the line has a NUL byte", path, number);
	for (size_t k = 0; k < line->len; k++)
		fields += line->data[k] == '\t';
	if (fields != count)
		die("file \"%s\", line %zu: the number of fields is %d, but %d in the first line", path, number, fields, count);
	if (raw)
		append_raw_fields(row, line);
	else
	{
		check_line(line, path, number);
		appendBinaryPQExpBuffer(row, line->data, line->len);
	}
}

/* Appends a row of numbers as an array or a vector. Nine significant digits represent every float exactly. */
static void
append_numbers(PQExpBuffer row, const npy_file *npy, bool vector)
{
	const size_t number = 17;	/* bytes: a comma, 15 characters at most (-1.17549435e-38), a NUL */

	if (!enlargePQExpBuffer(row, npy->columns * number + 4))
		die("out of memory");
	row->data[row->len++] = '\t';
	row->data[row->len++] = vector ? '[' : '{';
	for (size_t k = 0; k < npy->columns; k++)
		row->len += (size_t) snprintf(row->data + row->len, number, k ? ",%.9g" : "%.9g", (double) npy->values[k]);
	row->data[row->len++] = vector ? ']' : '}';
	row->data[row->len] = '\0';
}

static void
send_row(PGconn *conn, const PQExpBufferData *row)
{
	check_buffer(row);
	/* This fails only when the connection is lost. A message of the server comes with the result of the COPY. */
	if (PQputCopyData(conn, row->data, (int) row->len) != 1)
		die_of_server(PQerrorMessage(conn));
}

/* Sends every line of the TSV file with the rows of the .npy files. */
static void
copy_lines(PGconn *conn, import_plan *plan, text_file *in, int count, const bool *vector)
{
	PQExpBufferData line,
				row;

	initPQExpBuffer(&line);
	initPQExpBuffer(&row);
	appendPQExpBufferStr(&row, "header\n");	/* COPY skips and counts this line, so its errors name the lines of the file */
	send_row(conn, &row);
	while (text_file_read_line(in, &line))
	{
		resetPQExpBuffer(&row);
		append_fields(&row, &line, count, plan->raw, plan->tsv, text_file_line(in));
		for (int k = 0; k < plan->npys; k++)
		{
			if (!npy_read_row(&plan->npy[k]))
				die("file \"%s\" has more lines after the first than file \"%s\" has rows (%zu)", plan->tsv,
					plan->npy[k].file.path, plan->npy[k].rows);
			append_numbers(&row, &plan->npy[k], vector[k]);
		}
		appendPQExpBufferChar(&row, '\n');
		send_row(conn, &row);
	}
	for (int k = 0; k < plan->npys; k++)
		if (npy_read_row(&plan->npy[k]))
			die("file \"%s\" has %zu lines after the first, but file \"%s\" has %zu rows", plan->tsv, text_file_line(in) - 1,
				plan->npy[k].file.path, plan->npy[k].rows);
	termPQExpBuffer(&line);
	termPQExpBuffer(&row);
}

/*
 * Ends the COPY and returns the server's number of new rows, which is smaller than that of lines when a trigger drops
 * rows.
 */
static size_t
end_copy(PGconn *conn)
{
	size_t		rows = 0;
	PGresult   *result;

	if (PQputCopyEnd(conn, NULL) != 1)
		die_of_server(PQerrorMessage(conn));
	while ((result = PQgetResult(conn)) != NULL)
	{
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			die_of_server(PQresultErrorMessage(result));
		rows = strtoul(PQcmdTuples(result), NULL, 10);
		PQclear(result);
	}
	return rows;
}

/* Ends the program when a column of --integer is not in the TSV file. */
static void
check_integers(const import_plan *plan, char **name, int count)
{
	for (int k = 0; k < plan->integers; k++)
	{
		bool		found = false;

		for (int c = 0; c < count; c++)
			found |= strcmp(plan->integer[k], name[c]) == 0;
		if (!found)
			die("--integer: file \"%s\" has no column \"%s\"", plan->tsv, plan->integer[k]);
	}
}

/* Imports everything in one transaction and returns the number of new rows. */
static size_t
import_file(PGconn *conn, import_plan *plan)
{
	text_file  *in = text_file_open(plan->tsv, &tsv_kind);
	PQExpBufferData header;
	char	  **name = allocate(NULL, MOST_COLUMNS * sizeof *name);	/* (count) */
	int			count;
	bool		exists;
	bool		vector[MOST_NPY] = {false};
	char	   *table;
	size_t		rows;

	initPQExpBuffer(&header);
	if (!text_file_read_line(in, &header))
		die("file \"%s\" is empty" HINT "The first line must name the columns.", plan->tsv);
	count = split_header(&header, plan->tsv, name);
	check_integers(plan, name, count);

	PQclear(query_or_exit(conn, "BEGIN", 0, NULL));
	table = resolve_table(conn, plan->table, &exists);
	if (!exists)
		create_table(conn, table, plan, name, count);
	for (int k = 0; k < plan->npys; k++)
		vector[k] = exists && has_vector_type(conn, table, plan->npy_column[k]);

	begin_copy(conn, table, plan, name, count);
	copy_lines(conn, plan, in, count, vector);
	rows = end_copy(conn);
	PQclear(query_or_exit(conn, "COMMIT", 0, NULL));
	text_file_close(in);
	termPQExpBuffer(&header);
	free(name);
	free(table);
	return rows;
}

/* Takes the argument of --npy, COLUMN=FILE, and opens the file. */
static void
add_npy(import_plan *plan, char *argument)
{
	char	   *equals = strchr(argument, '=');

	if (!equals || equals == argument || equals[1] == '\0')
		usage_error("--npy must be COLUMN=FILE, not \"%s\"", argument);
	if (plan->npys == MOST_NPY)
		usage_error("--npy was given more than %d times", MOST_NPY);
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
					usage_error("--integer was given more than %d times", MOST_COLUMNS);
				plan.integer[plan.integers++] = optarg;
				break;
			case 'r':
				plan.raw = true;
				break;
			default:
				usage_error("invalid option of import");
		}
	}
	if (optind < argc)
		usage_error("too many arguments of import, the first is \"%s\"", argv[optind]);
	if (!plan.table || !plan.tsv)
		usage_error("import needs --table and --tsv");
	conn = connect_or_exit(&connection);
	printf("%zu rows imported into %s\n", import_file(conn, &plan), plan.table);
	PQfinish(conn);
	for (int k = 0; k < plan.npys; k++)
		npy_close(&plan.npy[k]);
	return 0;
}
