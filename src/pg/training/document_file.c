/* document_file.c - the documents of a training run in a mapped temporary file; see document_file.h */
#include "training/document_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#define FILE_NAME "documents"

/*
 * Filesystems with large folios keep the bytes of one write as one piece of the page cache, and one page fault maps the
 * whole piece. Pieces no larger than what the kernel maps around a fault anyway keep the cost of a random document small.
 */
#define WRITE_BYTES ((Size) 64 * 1024)

#define ALLOCATE_BYTES ((Size) 16 * 1024 * 1024)	/* of one posix_fallocate, between two checks for interrupts */
#define SPILL_NAME "labels"

#define FAULT_BYTES ((int64) 64 * 1024)	/* what one page fault maps; for systems without /proc/self/statm */
#define CALLS_A_TRIM 16

/* The sets of this process. */
static Documents *sets = NULL;

/* What this process has resident. */
static struct
{
	int			statm;			/* /proc/self/statm; -1: not opened, or there is none */
	int64		least;			/* the lowest resident size since the last trim: what is not of the documents */
	int			calls;			/* of xmcoh_documents_maybe_trim */
}			memory = {.statm = -1,.least = PG_INT64_MAX};

/* ---- the end of a set ---- */

void
xmcoh_documents_forget_spilled(Documents *documents)
{
	for (Spilled *s = documents->spilled; s != NULL; s = s->next)
		xmcoh_mapping_end(&s->mapping);
	documents->spilled = NULL;
}

static void
release(Documents *documents)
{
	Documents **at = &sets;

	while (*at != documents)
	{
		if (*at == NULL)
			return;				/* released before */
		at = &(*at)->next;
	}
	*at = documents->next;
	xmcoh_mapping_end(&documents->mapping);
	documents->map = NULL;
	xmcoh_documents_forget_spilled(documents);
	if (documents->is_owner)
		FileSetDeleteAll(&documents->file.fileset);
	if (sets == NULL)
	{
		if (memory.statm >= 0)
			(void) close(memory.statm);
		memory.statm = -1;
		memory.least = PG_INT64_MAX;
	}
}

static void
at_reset(void *arg)
{
	release(arg);
}

/* FATAL ends the process without a reset of memory contexts. */
static void
at_exit(int code, Datum arg)
{
	(void) code;
	(void) arg;
	while (sets != NULL)
		release(sets);
}

static Documents *
make(const xmc_options *options)
{
	Documents  *documents = palloc0(sizeof(Documents));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	documents->options = options;
	callback->func = at_reset;
	callback->arg = documents;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	documents->next = sets;
	sets = documents;
	return documents;
}

/* ---- writing ---- */

Documents *
xmcoh_documents_create(const xmc_options *options)
{
	static bool registered = false;
	Documents  *documents = make(options);

	if (!registered)
	{
		before_shmem_exit(at_exit, (Datum) 0);
		registered = true;
	}
	documents->buffer = palloc(WRITE_BYTES);
	FileSetInit(&documents->file.fileset);
	documents->is_owner = true;
	documents->handle = FileSetCreate(&documents->file.fileset, FILE_NAME);
	return documents;
}

/* ERROR if this process's temporary files and `more` bytes exceed temp_file_limit. */
static void
check_limit(Size more, const char *what, const char *way_out)
{
	Size		size = more;

	for (const Documents *set = sets; set != NULL; set = set->next)
	{
		size += set->file.size;
		for (const Spilled *s = set->spilled; s != NULL; s = s->next)
			size += s->mapping.size;
	}
	if (temp_file_limit >= 0 && size > (Size) temp_file_limit * 1024)
		ereport(ERROR,
				errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				errmsg("%s take more than temp_file_limit (%d kB)", what, temp_file_limit),
				errhint("Raise temp_file_limit for the role that trains, or %s.", way_out));
}

/* Raises a file error, by errno. */
static void
report_file_error(File handle, const char *doing, const char *done, Size bytes)
{
	bool		full = errno == ENOSPC || errno == EDQUOT;

	ereport(ERROR,
			errcode_for_file_access(),
			errmsg("could not %s temporary file \"%s\": %m", doing, FilePathName(handle)),
			errdetail(done, bytes),
			full ? errhint("Free some space there, or set temp_tablespaces for the role that trains to a larger disk.") : 0);
}

static void
flush(Documents *documents)
{
	Size		written = 0;

	check_limit(documents->buffered, "the training documents", "attach a view with fewer documents");
	while (written < documents->buffered)
	{
		int			bytes;

		errno = 0;
		bytes = FileWrite(documents->handle, documents->buffer + written, (int) (documents->buffered - written),
						  (off_t) (documents->file.size + written), WAIT_EVENT_BUFFILE_WRITE);
		if (bytes <= 0)
		{
			if (errno == 0)
				errno = ENOSPC;
			report_file_error(documents->handle, "write the training documents to", "%zu bytes of documents were written before.",
				   documents->file.size + written);
		}
		written += (Size) bytes;
	}
	documents->file.size += documents->buffered;
	documents->buffered = 0;
}

uint64
xmcoh_documents_end(const Documents *documents)
{
	return documents->file.size + documents->buffered;
}

void
xmcoh_documents_append(Documents *documents, const xmc_document *document)
{
	Size		size = xmc_document_flatten(document, documents->options, NULL);
	char	   *record = MemoryContextAllocHuge(CurrentMemoryContext, size);

	(void) xmc_document_flatten(document, documents->options, record);
	for (Size done = 0; done < size;)
	{
		Size		part = Min(size - done, WRITE_BYTES - documents->buffered);

		memcpy(documents->buffer + documents->buffered, record + done, part);
		documents->buffered += part;
		done += part;
		if (documents->buffered == WRITE_BYTES)
			flush(documents);
	}
	pfree(record);
	documents->n++;
}

/* ---- mapping ---- */

/* Bytes of files and of shared memory that this process has resident. */
static int64
resident(void)
{
	char		line[128];
	long long	shared;
	ssize_t		length;
	struct rusage usage;

	/* The third number of statm: resident pages of files and of shared memory. */
	if (memory.statm >= 0 && (length = pread(memory.statm, line, sizeof line - 1, 0)) > 0)
	{
		line[length] = '\0';
		if (sscanf(line, "%*s %*s %lld", &shared) == 1)
			return shared * sysconf(_SC_PAGESIZE);
	}
	(void) getrusage(RUSAGE_SELF, &usage);
	return ((int64) usage.ru_minflt + usage.ru_majflt) * FAULT_BYTES;
}

static void
map_file(Documents *documents, File handle, Mapping *mapping, Size size, int protection, const char *what)
{
	*mapping = (Mapping) {.path = MemoryContextStrdup(GetMemoryChunkContext(documents), FilePathName(handle))};
	if (!xmcoh_mapping_begin(mapping, FileGetRawDesc(handle), size, protection))
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),	/* of addresses: what rlimit or overcommit allow */
				errmsg("could not map %zu bytes of %s: %m", size, what));
}

static void
map(Documents *documents, File handle)
{
	if (documents->file.size > 0)
		map_file(documents, handle, &documents->mapping, documents->file.size, PROT_READ, "training documents");
	documents->map = documents->mapping.bytes;
	if (memory.statm < 0)
		memory.statm = BasicOpenFile("/proc/self/statm", O_RDONLY);
	memory.least = Min(memory.least, resident());
}

void
xmcoh_documents_map(Documents *documents)
{
	const char *record;

	flush(documents);
	pfree(documents->buffer);
	documents->buffer = NULL;
	map(documents, documents->handle);
	FileClose(documents->handle);

	documents->document = MemoryContextAllocHuge(GetMemoryChunkContext(documents),
												 Max(documents->n, 1) * sizeof(xmc_document));
	record = documents->map;
	for (int32 d = 0; d < documents->n; d++)
	{
		xmc_document_view(record, documents->options, &documents->document[d]);
		record += xmc_document_flatten(&documents->document[d], documents->options, NULL);
		CHECK_FOR_INTERRUPTS();
		xmcoh_documents_maybe_trim();
	}
}

File
xmcoh_documents_open(Documents *documents)
{
	return FileSetOpen(&documents->file.fileset, FILE_NAME, O_RDWR);
}

void
xmcoh_documents_write(const Documents *documents, File handle, const void *to, const void *bytes, Size size)
{
	off_t		at = (const char *) to - documents->map;

	errno = 0;
	if (FileWrite(handle, unconstify(void *, bytes), (int) size, at, WAIT_EVENT_BUFFILE_WRITE) == (int) size)
		return;
	if (errno == 0)
		errno = ENOSPC;
	report_file_error(handle, "write vectors of texts to", "They take %zu bytes.", size);
}

Documents *
xmcoh_documents_attach(const DocumentsFile *file, const xmc_options *options)
{
	Documents  *documents = make(options);
	File		handle;

	documents->file = *file;
	handle = FileSetOpen(&documents->file.fileset, FILE_NAME, O_RDONLY);
	map(documents, handle);
	FileClose(handle);
	return documents;
}

/* ---- weak labels ---- */

void *
xmcoh_documents_spill(Documents *documents, Size size)
{
	Spilled    *spilled = MemoryContextAlloc(GetMemoryChunkContext(documents), sizeof(Spilled));
	File		handle;

	check_limit(size, "the training documents and the weak labels of the pool", "lower option pool_documents");
	handle = FileSetCreate(&documents->file.fileset, SPILL_NAME);
	/* Allocate all blocks now: a write to a mapped page without a block is a SIGBUS when the disk is full. */
	for (Size at = 0; at < size;)
	{
		Size		part = Min(size - at, ALLOCATE_BYTES);

		CHECK_FOR_INTERRUPTS();
		errno = posix_fallocate(FileGetRawDesc(handle), (off_t) at, (off_t) part);
		if (errno == 0)
			at += part;
		else if (errno != EINTR)
			report_file_error(handle, "allocate the weak labels of the pool in", "They take %zu bytes.", size);
	}
	map_file(documents, handle, &spilled->mapping, size, PROT_READ | PROT_WRITE, "weak labels");
	spilled->next = documents->spilled;
	documents->spilled = spilled;
	/* The file exists as long as it is mapped, and its name is free for the next one. */
	FileClose(handle);
	(void) FileSetDelete(&documents->file.fileset, SPILL_NAME, false);
	return spilled->mapping.bytes;
}

uint64
xmcoh_documents_offset(const Documents *documents, const xmc_document *document)
{
	return (uint64) ((const char *) xmc_document_record(document) - documents->map);
}

void
xmcoh_documents_view(const Documents *documents, uint64 offset, xmc_document *out)
{
	xmc_document_view(documents->map + offset, documents->options, out);
}

/* ---- memory ---- */

/* The pages stay in the page cache while the kernel has room; the kernel writes changed pages to the file. */
static void
let_go(const Documents *documents)
{
	if (documents->map != NULL)
		(void) madvise(unconstify(char *, documents->map), documents->file.size, MADV_DONTNEED);
	for (const Spilled *s = documents->spilled; s != NULL; s = s->next)
		(void) madvise(s->mapping.bytes, s->mapping.size, MADV_DONTNEED);
}

void
xmcoh_documents_trim(void)
{
	int64		now = resident();

	memory.least = Min(memory.least, now);
	if (now - memory.least > (int64) xmcoh_training_memory * 1024)
	{
		for (const Documents *set = sets; set != NULL; set = set->next)
			let_go(set);
		memory.least = resident();
	}
}

void
xmcoh_documents_maybe_trim(void)
{
	if (++memory.calls % CALLS_A_TRIM == 0)
		xmcoh_documents_trim();
}
