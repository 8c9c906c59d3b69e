/*
 * opened.h - files of the extension's tables that this session has opened, found by their SHA-256: weights of versions, and
 * text encoders. All sessions share one read-only copy of a file (cachefile.h); a session whose cache file cannot be written
 * has a private one.
 */
#ifndef XMCOH_PG_OPENED_H
#define XMCOH_PG_OPENED_H

#include "postgres.h"

#include "model/cachefile.h"

#include "xmcoh/base.h"

/* A file as a row of a table describes it. */
typedef struct StoredFile
{
	const char *sha256;			/* 64 hexadecimal digits */
	size_t		size;
	const char *description;	/* for messages: 'the weights of model "manuals"' */
	void		(*read) (const struct StoredFile *file, char *bytes);	/* reads the file (size) from the table */
	void		(*damaged) (const struct StoredFile *file, const char *reason);	/* raises the ERROR for a damaged file */
	const void *row;			/* for read and damaged */
} StoredFile;

/* A kind of files. One static variable for each kind; it holds the files that are open. */
typedef struct OpenKind
{
	const char *context_name;	/* of the memory context of an open file */
	int			kept;			/* so many stay open after the end of a transaction */

	/*
	 * Opens a file, whose bytes outlive *out, with the memory of ctx. check_all: checks every number, because the file has been
	 * read from the table.
	 */
	xmc_status	(*open) (xmc_ctx *ctx, const StoredFile *file, const void *bytes, bool check_all, void **out);

	/* set by opened.c; NULL at first */
	struct OpenFile *current;	/* most recently used first */
	struct OpenFile *outdated;	/* their cache files have changed; open until the transaction ends */
	struct OpenKind *next;
} OpenKind;

/*
 * What `open` has made of the file. Valid until the end of the transaction, and longer while few others are opened. Errors:
 * data_corrupted, out_of_memory, those of `read`.
 */
extern void *xmcoh_open_file(OpenKind *kind, const StoredFile *file);

/* The file of an object that xmcoh_open_file has given, for another process; false: this session has a private copy. */
extern bool xmcoh_share_file(const OpenKind *kind, const void *object, SharedFile *out);

/*
 * Opens a file that another process shares, in one that is connected to no database; it stays open until the process ends. NULL:
 * the file is not there any more.
 */
extern void *xmcoh_open_shared(OpenKind *kind, const SharedFile *shared);

/* Keeps an object that xmcoh_open_file has just given valid until the process ends, for a training of many transactions. */
extern void xmcoh_keep_file(OpenKind *kind, const void *object);

#endif
