/*
 * document_file.h - a set of documents of a training run, in one temporary file that every process of the run maps read-only.
 *
 * There is one copy of the documents for all processes, whatever its size: the kernel reads pages when a process touches
 * them, and drops them when it needs the memory. Each process also unmaps the pages of all its sets whenever they are more than
 * xmcoh.training_memory. Weak labels of the pool lie in further files, which the process that made the set maps writable.
 *
 * The files are where temporary files are (temp_tablespaces) and count against temp_file_limit. They are removed with the
 * memory context of Documents, or at the end of its process; after a crash the server removes them like all temporary
 * files. Code that reads documents must be prepared for ERROR io_error (mapping.h).
 */
#ifndef XMCOH_PG_DOCUMENT_FILE_H
#define XMCOH_PG_DOCUMENT_FILE_H

#include "base/xmcoh.h"

#include "storage/fd.h"
#include "storage/fileset.h"

#include "base/mapping.h"

#include "xmcoh/dataset.h"

/* What another process needs to map the file. */
typedef struct DocumentsFile
{
	FileSet		fileset;
	Size		size;			/* bytes */
} DocumentsFile;

/* A writable temporary file. */
typedef struct Spilled
{
	struct Spilled *next;
	Mapping		mapping;
} Spilled;

typedef struct Documents
{
	struct Documents *next;		/* of this process's sets */
	bool		is_owner;		/* this process removes the file */
	DocumentsFile file;
	const xmc_options *options;
	int32		n;
	xmc_document *document;		/* (n) views into the map; NULL until xmcoh_documents_map, and in other processes */
	Mapping		mapping;
	const char *map;			/* its bytes; NULL: not mapped */
	Spilled    *spilled;
	char	   *buffer;			/* not yet written; NULL when mapped */
	Size		buffered;
	File		handle;			/* while it is written */
} Documents;

/*
 * A new, empty set in CurrentMemoryContext; `options` must live as long. Needs a transaction, in which all documents
 * are appended and the file is mapped.
 */
extern Documents *xmcoh_documents_create(const xmc_options *options);

/*
 * Copies a document to the end of the file. ERROR: disk_full and other file errors; configuration_limit_exceeded when the files of
 * all sets of the process exceed temp_file_limit.
 */
extern void xmcoh_documents_append(Documents *documents, const xmc_document *document);

/* Where the record of the document that is appended next begins in the file. */
extern uint64 xmcoh_documents_end(const Documents *documents);

/* Ends writing and fills documents->document. */
extern void xmcoh_documents_map(Documents *documents);

/*
 * Writes over bytes of the mapped file: `to` points into the map. Needs a transaction, in which the file is opened. ERROR: file
 * errors.
 */
extern File xmcoh_documents_open(Documents *documents);
extern void xmcoh_documents_write(const Documents *documents, File handle, const void *to, const void *bytes, Size size);

/*
 * Memory for `size` bytes, more than 0, all zero, in a temporary file, so that it need not be resident. Needs a transaction.
 * The memory stays until all that was spilled is forgotten or the set ends. ERROR: disk_full and other file errors;
 * configuration_limit_exceeded by temp_file_limit; out_of_memory when there is no address space.
 */
extern void *xmcoh_documents_spill(Documents *documents, Size size);
extern void xmcoh_documents_forget_spilled(Documents *documents);

/* Maps the file in another process, without the array `document`. Needs a resource owner. */
extern Documents *xmcoh_documents_attach(const DocumentsFile *file, const xmc_options *options);

/* Where a document's record begins in the file, and the document there. */
extern uint64 xmcoh_documents_offset(const Documents *documents, const xmc_document *document);
extern void xmcoh_documents_view(const Documents *documents, uint64 offset, xmc_document *out);

/*
 * Unmaps the pages of all sets of this process when they are more than xmcoh.training_memory. To be called after every few
 * documents that were read; takes a microsecond.
 */
extern void xmcoh_documents_trim(void);

/* Trims at one call in 16. For a stop callback of the core, which is called far more often. */
extern void xmcoh_documents_maybe_trim(void);

#endif
