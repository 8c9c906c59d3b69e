/* xmcoh.c - the entry point of the command-line client: help, version, and the choice of the command */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
"xmcoh - command-line client of the PostgreSQL extension xmcoh\n"
"\n"
"Usage:\n"
"  xmcoh import [connection] --table NAME --tsv FILE [--npy COLUMN=FILE]...\n"
"               [--integer COLUMN]... [--raw]\n"
"  xmcoh watch [connection] JOB [--interval SECONDS]\n"
"  xmcoh report [connection] MODEL [--source RELATION]\n"
"  xmcoh report [connection] MODEL --html [--language NAME] [--documents NUMBER]\n"
"  xmcoh review export [connection] MODEL [--csv] [-n PAIRS] [--source RELATION]\n"
"               [--strategy NAME] [--lease TIME] [--separator CHARACTER] [-o FILE]\n"
"  xmcoh review import [connection] FILE [--dry-run]\n"
"  xmcoh encoder load [connection] NAME DIRECTORY [--license FILE]\n"
"  xmcoh cluster add [connection] [--publisher CONNECTION] [--timeout SECONDS] [NODE]...\n"
"  xmcoh cluster status [connection] [NODE]...\n"
"  xmcoh cluster remove [connection] [NODE]...\n"
"\n"
"xmcoh import loads the items of documents and their embeddings into a table. The import is one\n"
"transaction: after an error there is no new row and no new table. Memory does not grow with the size\n"
"of the files.\n"
"  --table NAME            table, as in SQL, with or without a schema. A table that does not exist is\n"
"                          created: a text column for each name in the first line of the TSV file, a\n"
"                          real[] column for each --npy.\n"
"  --tsv FILE              tab-separated text as COPY (FORMAT text, HEADER) writes it: the first line\n"
"                          names the columns, at least two; \\N is NULL; a backslash is doubled. A\n"
"                          gzipped file is unpacked. The name - is standard input.\n"
"  --npy COLUMN=FILE       NumPy array of float16 or float32 numbers in C order, with one row for\n"
"                          each line of the TSV file after the first\n"
"  --integer COLUMN        the column has type integer if the table is created\n"
"  --raw                   a backslash in the TSV file is an ordinary character, and an empty field\n"
"                          is NULL\n"
"\n"
"xmcoh watch shows the progress of a training job until the job ends.\n"
"  --interval SECONDS      time between two looks, from 0.05 to 3600; 0.5 by default\n"
"\n"
"xmcoh report prints how good the orders of a model are, as xmcoh.evaluate measures them.\n"
"  --source RELATION       measure on this source; by default, on the approved documents that\n"
"                          training measured (xmcoh.evaluate)\n"
"  --html                  write an HTML page to standard output: figures, pictures, the worst documents\n"
"                          with reasons, and what the model is (xmcoh.report)\n"
"  --language NAME         language of the page: en, which is the default, or ja\n"
"  --documents NUMBER      how many of the worst documents; 5 by default, 0 to read no document\n"
"  --minutes-per-document MINUTES\n"
"                          time of a person for a document without the model. With this option and the\n"
"                          three below, the page says what the model saves (xmcoh.pilot_report)\n"
"  --minutes-per-review MINUTES\n"
"                          time of a person to approve a document\n"
"  --cost-per-hour MONEY   cost of an hour of a person\n"
"  --documents-per-month NUMBER\n"
"                          new documents in a month\n"
"\n"
"xmcoh review export writes the pairs that are worth a person's time (xmcoh.review_queue) as CSV for\n"
"a spreadsheet. The reviewer writes before, after, either or skip into the column answer (the first\n"
"step stands before the second, after it, in either order, or unclear) and perhaps a note.\n"
"  --csv                   the format, which is the only one\n"
"  -n, --pairs PAIRS       greatest number of pairs\n"
"  --source RELATION       only documents of this source\n"
"  --strategy NAME         how the pairs are chosen, as in xmcoh.review_queue\n"
"  --lease TIME            nobody else gets these pairs so long, as in xmcoh.claim_reviews: '8 hours'\n"
"  --separator CHARACTER   comma by default; a semicolon suits spreadsheets of languages that write\n"
"                          numbers with a decimal comma\n"
"  -o, --output FILE       new file to write; standard output by default\n"
"\n"
"xmcoh review import reads such a file back, in UTF-8, separated by commas, semicolons or tabs. Each\n"
"row with an answer becomes a decision of the role that is connected (xmcoh.decide). A row is refused,\n"
"with its line and the reason, if its texts have changed since the export, or as xmcoh.decide does.\n"
"After a refused row nothing is imported.\n"
"  --dry-run               do the same, then roll back\n"
"\n"
"xmcoh encoder load imports a text encoder, a language model that makes vectors of texts, under a name\n"
"(xmcoh.import_encoder). The directory holds the files as they were published: model.safetensors,\n"
"config.json and tokenizer.json, and perhaps modules.json, 1_Pooling/config.json and\n"
"sentence_bert_config.json.\n"
"  --license FILE          text of the licence, which xmcoh.encoders shows; by default, the file LICENSE\n"
"                          in the directory\n"
"\n"
"xmcoh cluster add copies models to other nodes and keeps the copies up to date by logical replication.\n"
"The connection is to the publisher: the server with the models, of Citus the coordinator. A NODE is a\n"
"connection string of a database that has the extension; without one, the workers of Citus are meant.\n"
"A second call repairs what is missing and adds new workers. A node that is down is reported and left out.\n"
"Needs a superuser on all servers, and wal_level = logical on the publisher. Passwords are found as psql\n"
"finds them.\n"
"  --publisher CONNECTION  how the nodes reach the publisher, where the host of the connection, or the one\n"
"                          that Citus knows, is not the right one for them, or a password is needed. The\n"
"                          nodes store this string.\n"
"  --timeout SECONDS       how long the command waits for the copies; 600 by default\n"
"xmcoh cluster status shows whether each node has the publisher's models, and how far it is behind. The\n"
"exit status is 1 if a node is not up to date.\n"
"xmcoh cluster remove drops the subscriptions, the copied rows and the replication slots of these nodes;\n"
"the publication, too, with the last node.\n"
"\n"
"Connection options:\n"
"  -h, --host HOST         server, or folder of its socket\n"
"  -p, --port PORT         port of the server\n"
"  -U, --username USER     role\n"
"  -d, --dbname DATABASE   database, or a connection string\n"
"The environment gives what these options do not, as for psql: PGHOST, PGPORT, PGUSER, PGDATABASE.\n"
"\n"
"Other options:\n"
"  --help                  show this help\n"
"  --version               show the version\n"
"\n"
"Exit status:\n"
"  0                       success; of watch: the job succeeded\n"
"  1                       an error; of watch: the job did not succeed\n"
"  2                       wrong arguments\n";

int
main(int argc, char **argv)
{
	static const struct
	{
		const char *name;
		int			(*run) (int argc, char **argv);
	}			commands[] = {
		{"import", import_main}, {"watch", watch_main}, {"report", report_main}, {"review", review_main}, {"encoder", encoder_main},
		{"cluster", cluster_main}
	};

	if (argc < 2)
		usage_error("no command was given");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
	{
		fputs(help, stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0)
	{
		puts("xmcoh " XMCOH_VERSION);
		return 0;
	}
	for (size_t k = 0; k < sizeof commands / sizeof commands[0]; k++)
		if (strcmp(argv[1], commands[k].name) == 0)
			return commands[k].run(argc - 1, argv + 1);
	usage_error("unknown command \"%s\"", argv[1]);
}
