/*
 * encoder.c - `xmcoh encoder load`: imports a text encoder from the folder in which it was published
 *
 * The files are parameters of one call of xmcoh.import_encoder. The server checks what is in them.
 */
#include "cli.h"
#include "input.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTEA 17				/* types of parameters, as in pg_type */
#define TEXT 25

/* A value of PostgreSQL, and a message to the server, hold less than 1 GB (1024^3 bytes). */
#define LARGEST_FILE ((size_t) 1000 << 20)

/* The parameters of xmcoh.import_encoder. */
enum
{
	NAME, WEIGHTS, CONFIG, TOKENIZER, MODULES, POOLING, SENTENCE, LICENSE, PARAMETERS
};
static const char *const file_names[PARAMETERS] = {
	[WEIGHTS] = "model.safetensors",[CONFIG] = "config.json",[TOKENIZER] = "tokenizer.json",[MODULES] = "modules.json",
	[POOLING] = "1_Pooling/config.json",[SENTENCE] = "sentence_bert_config.json",[LICENSE] = "LICENSE"
};
#define IS_NEEDED(file) ((file) <= TOKENIZER)
#define IS_JSON(file) ((file) >= CONFIG && (file) <= SENTENCE)

typedef struct content
{
	char	   *bytes;			/* NULL: there is no such file */
	size_t		size;
} content;

static content
read_file(const char *path)
{
	input		in;
	content		file = {0};
	size_t		room = 0;
	size_t		got;

	input_open(&in, path);
	do
	{
		if (file.size == room)
			file.bytes = allocate(file.bytes, room = in.left != SIZE_MAX && room == 0 ? in.left + 1 : 2 * room + 65536);
		got = input_read(&in, file.bytes + file.size, room - file.size);
		file.size += got;
		if (file.size > LARGEST_FILE)
			die("file \"%s\" is larger than %zu bytes" HINT "A value of PostgreSQL holds less than 1 GB. Save the weights in half"
				" precision (F16).", path, LARGEST_FILE);
	} while (got > 0);
	input_end(&in);
	input_close(&in);
	return file;
}

/* Reads a file of the folder. A file that is not needed may be missing. */
static content
read_published(const char *folder, int number)
{
	size_t		size = strlen(folder) + strlen(file_names[number]) + 2;
	char	   *path = allocate(NULL, size);
	content		file = {0};

	snprintf(path, size, "%s/%s", folder, file_names[number]);
	if (access(path, F_OK) == 0)
		file = read_file(path);
	else if (IS_NEEDED(number) && errno == ENOENT)
		die("folder \"%s\" has no file %s" HINT "A text encoder is published as model.safetensors, config.json and tokenizer.json.",
			folder, file_names[number]);
	else if (IS_NEEDED(number) || errno != ENOENT)
		die("could not open file \"%s\": %s", path, strerror(errno));
	free(path);
	return file;
}

/* Reads one character of UTF-8 and moves *at behind it; -1: the bytes are not UTF-8. */
static int32_t
read_character(const unsigned char **at, const unsigned char *end)
{
	const unsigned char *c = *at;
	int			more = c[0] < 0x80 ? 0 : c[0] >= 0xc2 && c[0] < 0xe0 ? 1 : (c[0] & 0xf0) == 0xe0 ? 2 : (c[0] & 0xf8) == 0xf0 ? 3 : -1;
	int32_t		character = more <= 0 ? c[0] : c[0] & (0x3f >> more);

	if (more < 0 || end - c <= more)
		return -1;
	for (int k = 1; k <= more; k++)
	{
		if ((c[k] & 0xc0) != 0x80)
			return -1;
		character = character << 6 | (c[k] & 0x3f);
	}
	*at += more + 1;
	return character;
}

/* JSON with \u escapes in place of all characters but ASCII, for a database whose encoding may lack them. */
static content
escape_json(const char *name, content json)
{
	const unsigned char *at = (const unsigned char *) json.bytes;
	const unsigned char *end = at + json.size;
	content		escaped = {.bytes = allocate(NULL, 6 * json.size + 1)};	/* 6 bytes for each byte suffice */

	while (at < end)
	{
		int32_t		character = read_character(&at, end);
		char	   *to = escaped.bytes + escaped.size;

		if (character < 0 || character > 0x10ffff)
			die("file %s is not UTF-8 at byte %zu", name, (size_t) (at - (const unsigned char *) json.bytes) + 1);
		if (character < 0x80)
			escaped.bytes[escaped.size++] = (char) character;
		else if (character < 0x10000)
			escaped.size += (size_t) sprintf(to, "\\u%04x", (unsigned int) character);
		else
			escaped.size += (size_t) sprintf(to, "\\u%04x\\u%04x", 0xd7c0 + ((unsigned int) character >> 10),
											 0xdc00 + ((unsigned int) character & 0x3ff));
	}
	free(json.bytes);
	return escaped;
}

static void
import_encoder(PGconn *conn, const content *files)
{
	static const Oid types[PARAMETERS] = {TEXT, BYTEA, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT};
	static const int binary[PARAMETERS] = {1, 1, 1, 1, 1, 1, 1, 1};
	const char *values[PARAMETERS];
	int			lengths[PARAMETERS];
	PGresult   *result;

	for (int k = 0; k < PARAMETERS; k++)
	{
		values[k] = files[k].bytes;
		lengths[k] = (int) files[k].size;
	}
	result = PQexecParams(conn, "SELECT xmcoh.import_encoder($1, $2, $3, $4, $5, $6, $7, $8)", PARAMETERS, types, values, lengths,
						  binary, 0);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		die_of_server(PQerrorMessage(conn));
	PQclear(result);
	result = query_or_exit(conn, "SELECT pg_catalog.format('encoder \"%s\" was imported: %s, %s layers, vectors of %s numbers', encoder,"
						   " family, layers, dim) FROM xmcoh.encoders WHERE encoder OPERATOR(pg_catalog.=) $1", 1, values);
	if (PQntuples(result) == 1)
		puts(PQgetvalue(result, 0, 0));
	PQclear(result);
}

static int
load_main(int argc, char **argv)
{
	static const struct option long_options[] = {
		CONNECTION_LONG,
		{"license", required_argument, NULL, 'l'},
		{0}
	};
	connection_options connection = {0};
	const char *license = NULL;
	const char *encoding;
	content		files[PARAMETERS] = {0};
	PGconn	   *conn;
	int			option;

	while ((option = getopt_long(argc, argv, CONNECTION_SHORT, long_options, NULL)) != -1)
	{
		if (take_connection_option(&connection, option))
			continue;
		if (option != 'l')
			usage_error("invalid option of encoder load");
		license = optarg;
	}
	if (optind + 2 != argc)
		usage_error("encoder load needs a name and a folder");
	files[NAME] = (content) {.bytes = argv[optind],.size = strlen(argv[optind])};
	for (int k = WEIGHTS; k < PARAMETERS; k++)
		files[k] = k == LICENSE && license ? read_file(license) : read_published(argv[optind + 1], k);
	conn = connect_or_exit(&connection);
	search_catalog_only(conn);
	encoding = PQparameterStatus(conn, "server_encoding");
	for (int k = 0; k < PARAMETERS; k++)
		if (IS_JSON(k) && files[k].bytes && !(encoding && strcmp(encoding, "UTF8") == 0))
			files[k] = escape_json(file_names[k], files[k]);
	import_encoder(conn, files);
	PQfinish(conn);
	return 0;
}

int
encoder_main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "load") == 0)
		return load_main(argc - 1, argv + 1);
	usage_error("encoder needs load");
}
