/*
 * document_file.h - the documents of a training run, in one temporary file that every process of the run maps read-only.
 *
 * So there is one copy of them, whatever its size and however many processes read it, and one way for small and large
 * sets: the kernel reads pages when they are asked for and takes them back when it needs the memory. On top of that
 * each process lets go of what it has mapped whenever that is more than xmcoh.training_memory. What the training itself
 * keeps for each of them, the pool's weak labels, lies in further files, which the process that made the set maps writable.
 *
 * The files lie where temporary files lie (temp_tablespaces) and count against temp_file_limit. They go with the
 * memory context that Documents lives in, or with its process; after a crash the server sweeps them up, as all
 * temporary files. Whoever reads them must be prepared for ERROR io_error (mapping.h).
 */
#ifndef XMCOH_PG_DOCUMENTS_H
#define XMCOH_PG_DOCUMENTS_H

#include "base/xmcoh.h"

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
	int			statm;			/* /proc/self/statm; -1: there is none */
	int64		resident_least; /* what this process had resident, apart from what it has touched since */
	int			looks;
} Documents;

/*
 * A new, empty set in CurrentMemoryContext; `options` must live as long. Needs a transaction, in which all documents
 * are appended and the file is mapped.
 */
extern Documents *xmcoh_documents_create(const xmc_options *options);

/*
 * Copies a document to the end of the file. ERROR: disk_full and other file errors; configuration_limit_exceeded
 * where temp_file_limit ends it.
 */
extern void xmcoh_documents_append(Documents *documents, const xmc_document *document);

/* Ends writing; from now on documents->document is there. */
extern void xmcoh_documents_map(Documents *documents);

/*
 * Memory for `size` bytes, more than 0, all zero, that need not be resident: in a temporary file. Needs a transaction; is
 * kept after it, until all that was spilled is forgotten or the set goes. ERROR: disk_full and other file errors;
 * configuration_limit_exceeded where temp_file_limit ends it; out_of_memory (of addresses).
 */
extern void *xmcoh_documents_spill(Documents *documents, Size size);
extern void xmcoh_documents_forget_spilled(Documents *documents);

/* The same file seen by another process, without the array `document`. Needs a resource owner. */
extern Documents *xmcoh_documents_attach(const DocumentsFile *file, const xmc_options *options);

/* Where a document's record begins in the file, and the document there. */
extern uint64 xmcoh_documents_offset(const Documents *documents, const xmc_document *document);
extern void xmcoh_documents_view(const Documents *documents, uint64 offset, xmc_document *out);

/*
 * To be called after every few documents that were read: lets go of the mapped pages when there are more than
 * xmcoh.training_memory. Takes a microsecond.
 */
extern void xmcoh_documents_watch(Documents *documents);

/* The same for a core's stop callback, which is called far more often: looks only now and then. */
extern void xmcoh_documents_glance(Documents *documents);

#endif
