/*
 * cachefile.c - the file through which sessions share one copy of a version's weights or of a text encoder; cachefile.h is
 * the contract.
 */
#include "model/cachefile.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "common/cryptohash.h"
#include "common/file_perm.h"
#include "common/sha2.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/compat.h"

PG_FUNCTION_INFO_V1(xmcoh_sweep_cache);

#define CACHE_DIRECTORY "base/" PG_TEMP_FILES_DIR
#define SEAL_SUFFIX ".seal"
#define SEAL_PATH (MAXPGPATH + sizeof SEAL_SUFFIX)
#define CACHE_PREFIX PG_TEMP_FILE_PREFIX ".xmcoh."
#define CACHE_KEEP_SECONDS (7 * 24 * 3600)
#define CACHE_TOUCH_SECONDS (24 * 3600)
#define WRITE_CHUNK ((size_t) 1 << 20)

/* ---- names ---- */

/* The file of a table, as PostgreSQL names it. */
typedef struct TableFile
{
	Oid			tablespace;
	Oid			database;
	Oid			number;
} TableFile;

/* The file of xmcoh.model_version in this database, and the owner of the table (`owner` may be NULL). */
static TableFile
weights_table(Oid *owner)
{
	Oid			namespace = get_namespace_oid("xmcoh", false);
	Oid			table = get_relname_relid("model_version", namespace);
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Form_pg_class class;
	TableFile	file;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation \"%s\" does not exist", "xmcoh.model_version"));
	class = (Form_pg_class) GETSTRUCT(tuple);
	file.tablespace = OidIsValid(class->reltablespace) ? class->reltablespace : MyDatabaseTableSpace;
	file.database = MyDatabaseId;
	file.number = class->relfilenode;
	if (owner != NULL)
		*owner = class->relowner;
	ReleaseSysCache(tuple);
	return file;
}

static void
cache_path(char *path, const char *sha256)
{
	TableFile	table = weights_table(NULL);

	snprintf(path, MAXPGPATH, "%s/%s%u.%u.%u.%s", CACHE_DIRECTORY, CACHE_PREFIX, table.tablespace, table.database,
			 table.number, sha256);
}

/* The parts of a name that cache_path makes; false for any other name. */
static bool
parse_name(const char *name, TableFile *table, char *sha256)
{
	int			length = 0;

	if (sscanf(name + strlen(CACHE_PREFIX), "%u.%u.%u.%64[0-9a-f]%n", &table->tablespace, &table->database, &table->number,
			   sha256, &length) != 4)
		return false;
	return strlen(sha256) == SHA256_DIGITS && name[strlen(CACHE_PREFIX) + (size_t) length] == '\0';
}

static void
seal_path(const char *path, char *seal)
{
	snprintf(seal, SEAL_PATH, "%s%s", path, SEAL_SUFFIX);
}

static bool
is_seal(const char *name)
{
	size_t		length = strlen(name);

	return length > strlen(SEAL_SUFFIX) && strcmp(name + length - strlen(SEAL_SUFFIX), SEAL_SUFFIX) == 0;
}

/* Removes a file and its seal. */
static bool
remove_file(const char *path)
{
	char		seal[SEAL_PATH];

	seal_path(path, seal);
	(void) unlink(seal);
	return unlink(path) == 0;
}

/* ---- has a file been changed? ---- */

void
xmcoh_sha256(const void *bytes, size_t size, char *digits)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	bool		done;

	done = hash != NULL && pg_cryptohash_init(hash) >= 0 && pg_cryptohash_update(hash, bytes, size) >= 0
		&& pg_cryptohash_final(hash, digest, sizeof digest) >= 0;
	if (hash != NULL)
		pg_cryptohash_free(hash);
	if (!done)
		elog(ERROR, "could not compute SHA-256");
	hex_encode((const char *) digest, sizeof digest, digits);
	digits[SHA256_DIGITS] = '\0';
}

bool
xmcoh_has_sha256(const void *bytes, size_t size, const char *sha256)
{
	char		digits[SHA256_DIGITS + 1];

	xmcoh_sha256(bytes, size, digits);
	return memcmp(digits, sha256, SHA256_DIGITS) == 0;
}

/*
 * Identity, size and times of a file, of which each change of the file changes at least one: no program can set the time of
 * the inode's last change (ctime).
 */
static void
describe(const struct stat *st, char *description)
{
	snprintf(description, CACHE_DESCRIPTION, "%llu %llu %lld %lld.%09ld %lld.%09ld\n",
			 (unsigned long long) st->st_dev, (unsigned long long) st->st_ino, (long long) st->st_size,
			 (long long) st->st_mtim.tv_sec, st->st_mtim.tv_nsec, (long long) st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

/* Describes an open file before its bytes are read, so that later changes are noticed. False for a file of another size. */
static bool
take_note(CacheFile *file, int fd, size_t size)
{
	const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};	/* access, modification */
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (size_t) st.st_size != size)
		return false;
	/* The sweep needs the access time. Setting it changes ctime, so the file is verified again once a day. */
	if (st.st_atime < time(NULL) - CACHE_TOUCH_SECONDS && (futimens(fd, now) != 0 || fstat(fd, &st) != 0))
		return false;
	describe(&st, file->description);
	return true;
}

bool
xmcoh_cachefile_is_unchanged(const CacheFile *file)
{
	char		description[CACHE_DESCRIPTION];
	struct stat st;

	if (file->mapping.is_lost || stat(file->path, &st) != 0)
		return false;
	describe(&st, description);
	return strcmp(description, file->description) == 0;
}

/* ---- writing ---- */

/* Writes all bytes; false, with errno, on failure. */
static bool
write_all(int fd, const void *data, size_t size)
{
	const char *bytes = data;

	while (size > 0)
	{
		ssize_t		written;

		errno = 0;
		written = write(fd, bytes, Min(size, WRITE_CHUNK));
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
		{
			if (errno == 0)
				errno = ENOSPC;
			return false;
		}
		bytes += written;
		size -= (size_t) written;
	}
	return true;
}

/* Writes a draft and renames it. False, with errno, on failure; then no draft is left. */
static bool
write_file(const char *path, const void *bytes, size_t size)
{
	char		draft[SEAL_PATH + 16];
	bool		written;
	int			fd;
	int			saved_errno;

	snprintf(draft, sizeof draft, "%s.%d", path, MyProcPid);
	fd = BasicOpenFile(draft, O_RDWR | O_CREAT | O_TRUNC | PG_BINARY);
	if (fd < 0 && errno == ENOENT)
	{
		/* PostgreSQL makes this directory when it needs one, so it may be missing. */
		(void) MakePGDirectory(CACHE_DIRECTORY);
		fd = BasicOpenFile(draft, O_RDWR | O_CREAT | O_TRUNC | PG_BINARY);
	}
	if (fd < 0)
		return false;
	/* read-only, so that nothing writes to the file or truncates it by mistake */
	written = write_all(fd, bytes, size) && fchmod(fd, (mode_t) pg_file_create_mode & 0444) == 0;
	saved_errno = errno;
	if (close(fd) != 0 && written)
	{
		saved_errno = errno;
		written = false;
	}
	if (written && rename(draft, path) != 0)
	{
		saved_errno = errno;
		written = false;
	}
	if (!written)
		(void) unlink(draft);
	errno = saved_errno;
	return written;
}

bool
xmcoh_cachefile_write(const char *sha256, const void *bytes, size_t size)
{
	char		path[MAXPGPATH];

	cache_path(path, sha256);
	if (write_file(path, bytes, size))
		return true;
	ereport(LOG,
			(errcode_for_file_access(),
			 errmsg("could not write cache file \"%s\": %m", path),
			 errdetail("This session keeps a private copy of %zu bytes.", size)));
	return false;
}

/* ---- mapping ---- */

/* Whether the seal says that some session has verified this file as it is now. */
static bool
is_sealed(const CacheFile *file)
{
	char		path[SEAL_PATH];
	char		sealed[CACHE_DESCRIPTION];
	ssize_t		length;
	int			fd;

	seal_path(file->path, path);
	fd = BasicOpenFile(path, O_RDONLY | PG_BINARY);
	if (fd < 0)
		return false;
	length = read(fd, sealed, sizeof sealed);
	(void) close(fd);
	return length == (ssize_t) strlen(file->description) && memcmp(sealed, file->description, (size_t) length) == 0;
}

/* Writes the seal. If that fails, each session verifies the file itself. */
static void
seal(const CacheFile *file)
{
	char		path[SEAL_PATH];

	seal_path(file->path, path);
	(void) write_file(path, file->description, strlen(file->description));
}

bool
xmcoh_cachefile_map(CacheFile *file, const char *sha256, size_t size, const char **damage)
{
	int			fd;

	*damage = NULL;
	cache_path(file->path, sha256);
	fd = BasicOpenFile(file->path, O_RDONLY | PG_BINARY);
	if (fd < 0)
		return false;
	file->mapping.path = file->path;
	file->mapping.is_cache = true;
	if (!take_note(file, fd, size))
		*damage = "The size of the file is wrong.";
	else if (!xmcoh_mapping_begin(&file->mapping, fd, size, PROT_READ))
		*damage = "The file cannot be mapped.";
	(void) close(fd);
	if (*damage != NULL)
		return false;
	if (is_sealed(file))
		return true;
	if (xmcoh_has_sha256(file->mapping.bytes, size, sha256))
	{
		seal(file);
		return true;
	}
	*damage = "The SHA-256 of the file is not that of its name.";
	xmcoh_mapping_end(&file->mapping);
	return false;
}

/* ---- other processes ---- */

bool
xmcoh_cachefile_share(const CacheFile *file, SharedFile *out)
{
	if (file->mapping.bytes == NULL)
		return false;
	memcpy(out->path, file->path, sizeof out->path);
	memcpy(out->description, file->description, sizeof out->description);
	out->size = file->mapping.size;
	return true;
}

bool
xmcoh_cachefile_map_shared(CacheFile *file, const SharedFile *shared)
{
	struct stat st;
	int			fd = BasicOpenFile(shared->path, O_RDONLY | PG_BINARY);

	if (fd < 0)
		return false;
	memcpy(file->path, shared->path, sizeof file->path);
	file->mapping.path = file->path;
	file->mapping.is_cache = true;
	if (fstat(fd, &st) == 0)
		describe(&st, file->description);
	if (strcmp(file->description, shared->description) == 0)
		(void) xmcoh_mapping_begin(&file->mapping, fd, shared->size, PROT_READ);
	(void) close(fd);
	return file->mapping.bytes != NULL;
}

void
xmcoh_cachefile_unmap(CacheFile *file)
{
	xmcoh_mapping_end(&file->mapping);
}

/* ---- sweeping ---- */

/*
 * Paths to be removed when the transaction commits; in TopTransactionContext. Paths of a rolled-back savepoint stay in the
 * list: at worst a file that is needed is written again.
 */
static List *doomed = NIL;

static void
remove_doomed(XactEvent event, void *arg)
{
	ListCell   *cell;

	(void) arg;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			foreach(cell, doomed)
				(void) remove_file(lfirst(cell));
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	doomed = NIL;
}

static void
remove_at_commit(const char *path)
{
	static bool registered = false;
	MemoryContext before = MemoryContextSwitchTo(TopTransactionContext);

	if (!registered)
	{
		RegisterXactCallback(remove_doomed, NULL);
		registered = true;
	}
	doomed = lappend(doomed, pstrdup(path));
	MemoryContextSwitchTo(before);
}

static int
compare_hashes(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* What the tables of this database hold. */
typedef struct Needed
{
	TableFile	table;			/* of xmcoh.model_version */
	char	  **hashes;			/* (n) SHA-256 of all versions and text encoders, sorted */
	uint64		n;
} Needed;

/*
 * Reads the hashes into the current memory context. It reads as the owner of the table, because the caller sees only the
 * models that it may use; and under the latest snapshot, because an older one lacks what others have committed.
 */
static Needed
read_needed(void)
{
	MemoryContext result = CurrentMemoryContext;
	Needed		needed;
	Oid			owner;
	Oid			user;
	int			security;

	needed.table = weights_table(&owner);
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(owner, security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	/* In a parallel plan all processes have one snapshot, and no other may be taken. */
	PushActiveSnapshot(IsInParallelMode() ? GetActiveSnapshot() : GetLatestSnapshot());
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (SPI_execute("SELECT sha256 FROM xmcoh.model_version UNION ALL SELECT sha256 FROM xmcoh.encoder", true, 0)
		!= SPI_OK_SELECT)
		elog(ERROR, "could not read xmcoh.model_version and xmcoh.encoder");
	needed.n = SPI_processed;
	needed.hashes = MemoryContextAllocHuge(result, Max(needed.n, 1) * sizeof(char *));
	for (uint64 k = 0; k < needed.n; k++)
	{
		char	   *hash = SPI_getvalue(SPI_tuptable->vals[k], SPI_tuptable->tupdesc, 1);

		needed.hashes[k] = MemoryContextStrdup(result, hash != NULL ? hash : "");
	}
	SPI_finish();
	PopActiveSnapshot();
	SetUserIdAndSecContext(user, security);
	qsort(needed.hashes, needed.n, sizeof(char *), compare_hashes);
	return needed;
}

/* Whether the file of a table does not exist any more. */
static bool
is_gone(const TableFile *table)
{
	char	   *path = xmcoh_relation_path(table->database, table->tablespace, table->number);
	struct stat st;
	bool		gone = stat(path, &st) != 0 && errno == ENOENT;

	pfree(path);
	return gone;
}

/* Whether no session has opened a file for a week. */
static bool
is_old(const char *path)
{
	struct stat st;
	time_t		oldest = time(NULL) - CACHE_KEEP_SECONDS;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_mtime < oldest && st.st_atime < oldest;
}

/* Whether a file of this table and hash is not needed. */
static bool
is_unneeded(const Needed *needed, const TableFile *table, const char *sha256)
{
	if (memcmp(table, &needed->table, sizeof *table) != 0)
		return is_gone(table);
	return bsearch(&sha256, needed->hashes, needed->n, sizeof(char *), compare_hashes) == NULL;
}

int
xmcoh_cachefile_sweep(bool at_commit)
{
	MemoryContext sweeping = AllocSetContextCreate(CurrentMemoryContext, "xmcoh sweep", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(sweeping);
	Needed		needed = read_needed();
	DIR		   *directory = AllocateDir(CACHE_DIRECTORY);
	struct dirent *entry;
	int			n = 0;

	while (directory != NULL && (entry = ReadDirExtended(directory, CACHE_DIRECTORY, LOG)) != NULL)
	{
		char		path[MAXPGPATH];
		char		sha256[SHA256_DIGITS + 1];
		TableFile	table;

		if (strncmp(entry->d_name, CACHE_PREFIX, strlen(CACHE_PREFIX)) != 0 || is_seal(entry->d_name))
			continue;
		if (snprintf(path, sizeof path, "%s/%s", CACHE_DIRECTORY, entry->d_name) >= (int) sizeof path)
			continue;
		/* old files of any database; of the others those that are not needed */
		if (is_old(path))
			n += remove_file(path);
		else if (!parse_name(entry->d_name, &table, sha256) || !is_unneeded(&needed, &table, sha256))
			continue;			/* an unknown name may be the draft of a process that is writing */
		else if (at_commit && table.database == MyDatabaseId)
		{
			remove_at_commit(path);
			n++;
		}
		else
			n += remove_file(path);
	}
	if (directory != NULL)
		FreeDir(directory);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(sweeping);
	return n;
}

/* sweep_cache(): how many files are removed, now or when the transaction commits */
Datum
xmcoh_sweep_cache(PG_FUNCTION_ARGS)
{
	(void) fcinfo;
	PG_RETURN_INT32(xmcoh_cachefile_sweep(true));
}
