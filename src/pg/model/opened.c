/*
 * opened.c - the files that a session keeps open: found again, mapped, or read from the table; opened.h is the contract.
 */
#include "model/opened.h"

#include <sys/mman.h>

#include "access/xact.h"
#include "utils/memutils.h"

#include "base/xmcoh.h"

typedef struct OpenFile
{
	struct OpenFile *next;
	char		sha256[SHA256_DIGITS + 1];
	size_t		size;
	CacheFile	shared;			/* the bytes, if the cache file is mapped */
	void	   *private;		/* the bytes, if they are in anonymous memory; else NULL */
	void	   *object;			/* what the kind has made of the bytes; points into them */
	MemoryContext context;		/* of this struct and of the object; deleting it ends the mapping */
	MemoryContextCallback unmap;
	bool		is_kept;		/* until the process ends */
} OpenFile;

static OpenKind *kinds = NULL;

static void
unmap_file(void *arg)
{
	OpenFile   *opened = arg;

	xmcoh_cachefile_unmap(&opened->shared);
	if (opened->private != NULL)
		munmap(opened->private, opened->size);
}

/* Its memory context is a child of the current one, so an error before xmcoh_open_file keeps it frees the mapping. */
static OpenFile *
new_open_file(const OpenKind *kind, const StoredFile *file)
{
	MemoryContext context = AllocSetContextCreateInternal(CurrentMemoryContext, kind->context_name, ALLOCSET_SMALL_SIZES);
	OpenFile   *opened = MemoryContextAllocZero(context, sizeof(OpenFile));

	memcpy(opened->sha256, file->sha256, SHA256_DIGITS);
	opened->size = file->size;
	opened->context = context;
	opened->unmap.func = unmap_file;
	opened->unmap.arg = opened;
	MemoryContextRegisterResetCallback(context, &opened->unmap);
	MemoryContextSetIdentifier(context, opened->sha256);
	return opened;
}

static xmc_status
open_bytes(const OpenKind *kind, const StoredFile *file, OpenFile *opened, bool check_all, xmc_ctx *ctx)
{
	MemoryContext before = MemoryContextSwitchTo(opened->context);
	const void *bytes = opened->private != NULL ? opened->private : opened->shared.mapping.bytes;
	xmc_status	status;

	*ctx = xmcoh_context();
	status = kind->open(ctx, file, bytes, check_all, &opened->object);
	MemoryContextSwitchTo(before);
	return status;
}

/* Closes the files of a list, but those that are kept. */
static void
close_all(OpenFile **link)
{
	while (*link != NULL)
	{
		OpenFile   *closed = *link;

		if (closed->is_kept)
			link = &closed->next;
		else
		{
			*link = closed->next;
			MemoryContextDelete(closed->context);
		}
	}
}

/* Files are closed only here, at the end of a transaction, so that a query's files stay valid while it runs. */
static void
close_surplus_files(XactEvent event, void *arg)
{
	(void) arg;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	for (OpenKind *kind = kinds; kind != NULL; kind = kind->next)
	{
		OpenFile  **link = &kind->current;

		for (int kept = 0; *link != NULL && kept < kind->kept; kept++)
			link = &(*link)->next;
		close_all(link);
		close_all(&kind->outdated);
	}
}

/* Makes the files of a kind be closed at the ends of transactions. */
static void
register_kind(OpenKind *kind)
{
	static bool registered = false;

	for (OpenKind *known = kinds; known != NULL; known = known->next)
		if (known == kind)
			return;
	if (!registered)
	{
		RegisterXactCallback(close_surplus_files, NULL);
		registered = true;
	}
	kind->next = kinds;
	kinds = kind;
}

/*
 * The open file with this SHA-256, moved to the front; NULL: not open, or its cache file has changed since it was verified.
 */
static OpenFile *
find_open_file(OpenKind *kind, const char *sha256)
{
	for (OpenFile **link = &kind->current; *link != NULL; link = &(*link)->next)
	{
		OpenFile   *found = *link;

		if (memcmp(found->sha256, sha256, SHA256_DIGITS) == 0)
		{
			*link = found->next;
			if (found->private == NULL && !xmcoh_cachefile_is_unchanged(&found->shared))
			{
				found->next = kind->outdated;
				kind->outdated = found;
				return NULL;
			}
			found->next = kind->current;
			kind->current = found;
			return found;
		}
	}
	return NULL;
}

/* Maps the cache file and opens it; NULL when the file is missing or damaged. */
static OpenFile *
map_file(const OpenKind *kind, const StoredFile *file)
{
	OpenFile   *opened = new_open_file(kind, file);
	const char *damage = NULL;
	xmc_ctx		ctx;

	if (xmcoh_cachefile_map(&opened->shared, file->sha256, file->size, &damage))
	{
		if (open_bytes(kind, file, opened, false, &ctx) == XMC_OK)
			return opened;
		damage = ctx.message;
	}
	if (damage != NULL)
		ereport(LOG,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("cache file of %s is damaged and is written again", file->description),
				 errdetail("%s", damage)));
	MemoryContextDelete(opened->context);
	return NULL;
}

/* Reads the file from the table, checks it in full and opens it. Writes the cache file for other sessions, if possible. */
static OpenFile *
read_file(const OpenKind *kind, const StoredFile *file)
{
	OpenFile   *opened = new_open_file(kind, file);
	OpenFile   *shared;
	xmc_ctx		ctx;
	xmc_status	status;
	void	   *bytes;

	bytes = file->size == 0 ? NULL : mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes == MAP_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("%zu bytes are needed for %s.", file->size, file->description)));
	opened->private = bytes;
	file->read(file, bytes);
	if (!xmcoh_has_sha256(bytes, file->size, file->sha256))
		file->damaged(file, "The SHA-256 is not the recorded one.");
	status = open_bytes(kind, file, opened, true, &ctx);
	if (status == XMC_BAD_MODEL)
		file->damaged(file, ctx.message);
	if (status != XMC_OK)
		xmcoh_raise(status, &ctx);

	/* use the shared copy from now on; if anything fails, use the private one */
	if (!xmcoh_cachefile_write(file->sha256, bytes, file->size))
		return opened;
	(void) xmcoh_cachefile_sweep(false);
	shared = map_file(kind, file);
	if (shared == NULL)
		return opened;
	MemoryContextDelete(opened->context);
	return shared;
}

void *
xmcoh_open_file(OpenKind *kind, const StoredFile *file)
{
	OpenFile   *opened = find_open_file(kind, file->sha256);

	if (opened != NULL)
		return opened->object;
	register_kind(kind);
	opened = map_file(kind, file);
	if (opened == NULL)
		opened = read_file(kind, file);
	MemoryContextSetParent(opened->context, TopMemoryContext);
	opened->next = kind->current;
	kind->current = opened;
	return opened->object;
}

bool
xmcoh_share_file(const OpenKind *kind, const void *object, SharedFile *out)
{
	for (const OpenFile *opened = kind->current; opened != NULL; opened = opened->next)
		if (opened->object == object)
			return opened->private == NULL && xmcoh_cachefile_share(&opened->shared, out);
	return false;
}

void *
xmcoh_open_shared(OpenKind *kind, const SharedFile *shared)
{
	StoredFile	file = {.sha256 = shared->path + strlen(shared->path) - SHA256_DIGITS,.size = shared->size};
	OpenFile   *opened = new_open_file(kind, &file);
	xmc_ctx		ctx;

	if (!xmcoh_cachefile_map_shared(&opened->shared, shared) || open_bytes(kind, &file, opened, false, &ctx) != XMC_OK)
		return NULL;
	return opened->object;
}

void
xmcoh_keep_file(OpenKind *kind, const void *object)
{
	for (OpenFile *opened = kind->current; opened != NULL; opened = opened->next)
		if (opened->object == object)
			opened->is_kept = true;
}
