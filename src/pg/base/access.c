/*
 * access.c - who may do what with a model or a text encoder: levels, and public functions that run as the extension's owner.
 *
 * Levels, each of which includes those before it: score (read and score), review (approve pairs), train (train, schedule,
 * deploy, roll back), own. The owner of a model and the members of that role have all levels. Other roles have the level
 * that grant_model gave them. A text encoder has the levels use, which grant_encoder gives, and own, which only the owner and
 * the members of that role have.
 *
 * Ordinary roles may write to almost no table. The C function of each public SQL function that changes something is
 * xmcoh_as_owner. It calls the inner function, which has the same name in schema xmcoh_internal, as the extension's owner
 * and passes the calling role as the first argument. SECURITY DEFINER does not suffice: there session_user is the role that
 * logged in, which may differ from the role that calls. No other role has EXECUTE on an inner function. An inner function
 * asks may() for the caller's level, takes plain types only, and runs code of a user as that user (restricted.h).
 */
#include "base/access.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/reference.h"

PG_FUNCTION_INFO_V1(xmcoh_as_owner);
PG_FUNCTION_INFO_V1(xmcoh_may);
PG_FUNCTION_INFO_V1(xmcoh_may_encoder);
PG_FUNCTION_INFO_V1(xmcoh_level_rank);
PG_FUNCTION_INFO_V1(xmcoh_may_become_role);

#define INNER_SCHEMA "xmcoh_internal"

/* Column numbers of xmcoh.model_grant_record and xmcoh.encoder_grant_record in sql/tables.sql. Only the former has levels. */
#define GRANT_OBJECT_ID 2
#define GRANT_ROLE 3
#define GRANT_LEVEL 4
#define WITHOUT_LEVEL (-1)

static const char *const level_name[] = {"score", "review", "train", "own"};

/* The rank of a level, from 0 for score to 3 for own. ERROR for any other text. */
static int
level_rank(text *level)
{
	for (int k = 0; k < (int) lengthof(level_name); k++)
		if (VARSIZE_ANY_EXHDR(level) == strlen(level_name[k]) &&
			memcmp(VARDATA_ANY(level), level_name[k], strlen(level_name[k])) == 0)
			return k;
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("level is \"%s\" instead of score, review, train or own", text_to_cstring(level)));
}

/* level_rank(level text) */
Datum
xmcoh_level_rank(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(level_rank(PG_GETARG_TEXT_PP(0)));
}

Oid
xmcoh_extension_table(const char *name)
{
	Oid			extension = get_extension_oid("xmcoh", true);
	Oid			table = get_relname_relid(name, get_namespace_oid("xmcoh", true));

	return OidIsValid(extension) && OidIsValid(table) && getExtensionOfObject(RelationRelationId, table) == extension ?
		table : InvalidOid;
}

void
xmcoh_hold_extension(void)
{
	Oid			extension;
	Oid			held = InvalidOid;

	/* DROP EXTENSION locks the extension before anything that belongs to it. While we waited, another one may have been created. */
	while (extension = get_extension_oid("xmcoh", true), OidIsValid(extension) && extension != held)
	{
		LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
		held = extension;
	}
}

/* The version of the extension in this database; NULL: there is no extension. */
static char *
extension_version(void)
{
	Relation	table = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("xmcoh"));
	scan = systable_beginscan(table, ExtensionNameIndexId, true, NULL, 1, &key);
	if (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		is_null;
		Datum		datum = heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(table), &is_null);

		version = TextDatumGetCString(datum);
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return version;
}

/* Whether a version is newer than another; both are MAJOR.MINOR. */
static bool
is_newer(const char *version, const char *other)
{
	char	   *minor;
	char	   *other_minor;
	long		major = strtol(version, &minor, 10);
	long		other_major = strtol(other, &other_minor, 10);

	if (major != other_major)
		return major > other_major;
	return *minor == '.' && (*other_minor != '.' || strtol(minor + 1, NULL, 10) > strtol(other_minor + 1, NULL, 10));
}

bool
xmcoh_library_is_older(void)
{
	char	   *version = extension_version();

	return version != NULL && is_newer(version, XMCOH_VERSION);
}

void
xmcoh_check_version(void)
{
	if (xmcoh_library_is_older())
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("extension xmcoh has version %s, but this process has loaded the library of version %s",
					   extension_version(), XMCOH_VERSION),
				errhint("Connect again. If shared_preload_libraries contains xmcoh, restart the server."));
}

Oid
xmcoh_extension_owner(void)
{
	Oid			table = get_relname_relid("model", get_namespace_oid("xmcoh", false));
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the tables of extension xmcoh do not exist any more"));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * Whether a grant in the table gives the role this level on a model, or, WITHOUT_LEVEL, the use of a text encoder. The table
 * is read like a system catalogue, without privileges. With `latest` it is read under the latest snapshot: a level that was
 * taken back since the transaction began does not count.
 */
static bool
is_granted(const char *grants, Oid role, int32 object_id, int wanted, bool latest)
{
	Relation	table = table_open(get_relname_relid(grants, get_namespace_oid("xmcoh", false)), AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		granted = false;
	/* A parallel query has one snapshot, and PostgreSQL gives no other. */
	Snapshot	snapshot = RegisterSnapshot(latest && !IsInParallelMode() ? GetLatestSnapshot() : GetActiveSnapshot());

	ScanKeyInit(&key, GRANT_OBJECT_ID, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(object_id));
	scan = systable_beginscan(table, InvalidOid, false, snapshot, 1, &key);
	while (!granted && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		is_null;
		Oid			grantee = xmcoh_referenced_oid(heap_getattr(tuple, GRANT_ROLE, RelationGetDescr(table), &is_null));

		granted = OidIsValid(grantee) && is_member_of_role(role, grantee)
			&& (wanted == WITHOUT_LEVEL
				|| level_rank(DatumGetTextPP(heap_getattr(tuple, GRANT_LEVEL, RelationGetDescr(table), &is_null))) >= wanted);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(table, AccessShareLock);
	return granted;
}

/* Whether the role is a member of an owner. What a dropped role owned belongs to the owner of the extension. */
static bool
is_owner(Datum owner, Oid role)
{
	Oid			owner_role = xmcoh_referenced_oid(owner);

	return is_member_of_role(role, OidIsValid(owner_role) ? owner_role : xmcoh_extension_owner());
}

/*
 * may(owner object_ref, model_id integer, level text [, role oid]): whether a role, by default the current role, has a
 * level on a model
 */
Datum
xmcoh_may(PG_FUNCTION_ARGS)
{
	int			wanted = level_rank(PG_GETARG_TEXT_PP(2));
	Oid			role = PG_NARGS() > 3 ? PG_GETARG_OID(3) : GetUserId();

	PG_RETURN_BOOL(is_owner(PG_GETARG_DATUM(0), role)
				   || is_granted("model_grant_record", role, PG_GETARG_INT32(1), wanted, PG_NARGS() > 3));
}

bool
xmcoh_may_use_encoder(Datum owner, int32 encoder_id, Oid role)
{
	return is_owner(owner, role) || is_granted("encoder_grant_record", role, encoder_id, WITHOUT_LEVEL, false);
}

/* may_encoder(owner object_ref, encoder_id integer, level text [, role oid]): level use or own */
Datum
xmcoh_may_encoder(PG_FUNCTION_ARGS)
{
	char	   *level = text_to_cstring(PG_GETARG_TEXT_PP(2));
	Oid			role = PG_NARGS() > 3 ? PG_GETARG_OID(3) : GetUserId();

	if (strcmp(level, "use") != 0 && strcmp(level, "own") != 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("level is \"%s\" instead of use or own", level));
	PG_RETURN_BOOL(is_owner(PG_GETARG_DATUM(0), role)
				   || (strcmp(level, "use") == 0
					   && is_granted("encoder_grant_record", role, PG_GETARG_INT32(1), WITHOUT_LEVEL, PG_NARGS() > 3)));
}

/* may_become(role oid, other oid) */
Datum
xmcoh_may_become_role(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(xmcoh_may_become(PG_GETARG_OID(0), PG_GETARG_OID(1)));
}

/* ---- calling as the owner ---- */

/* The inner function of a public function; kept until the query ends. */
typedef struct Inner
{
	FmgrInfo	function;
	Oid			owner;
} Inner;

/*
 * Finds xmcoh_internal.NAME(oid, ...) for the public function NAME(...). The call runs as the owner of the public function.
 */
static Inner *
find_inner(FmgrInfo *shell, Oid caller, int security)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(shell->fn_oid));
	Form_pg_proc proc;
	Inner	   *inner;
	Oid			types[FUNC_MAX_ARGS];
	Oid			found;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", shell->fn_oid);
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	inner = MemoryContextAlloc(shell->fn_mcxt, sizeof(Inner));
	inner->owner = proc->proowner;
	types[0] = OIDOID;
	memcpy(types + 1, proc->proargtypes.values, proc->pronargs * sizeof(Oid));
	/* as the owner, because the caller has no USAGE on the inner schema */
	SetUserIdAndSecContext(inner->owner, security | SECURITY_LOCAL_USERID_CHANGE);
	found = LookupFuncName(list_make2(makeString(INNER_SCHEMA), makeString(pstrdup(NameStr(proc->proname)))),
						   proc->pronargs + 1, types, false);
	SetUserIdAndSecContext(caller, security);
	ReleaseSysCache(tuple);
	fmgr_info_cxt(found, &inner->function, shell->fn_mcxt);
	return inner;
}

/*
 * The C function of every public function that changes something, and of some that only read. After an error, the abort of
 * the (sub)transaction sets user and security context back.
 */
Datum
xmcoh_as_owner(PG_FUNCTION_ARGS)
{
	LOCAL_FCINFO(call, FUNC_MAX_ARGS);
	Inner	   *inner = fcinfo->flinfo->fn_extra;
	Oid			caller;
	int			security;
	Datum		result;

	GetUserIdAndSecContext(&caller, &security);
	if (inner == NULL)
	{
		xmcoh_check_version();
		fcinfo->flinfo->fn_extra = inner = find_inner(fcinfo->flinfo, caller, security);
	}
	/* Not the collation of an argument: a nondeterministic one finds different names equal. */
	InitFunctionCallInfoData(*call, &inner->function, PG_NARGS() + 1, DEFAULT_COLLATION_OID, NULL, fcinfo->resultinfo);
	call->args[0].value = ObjectIdGetDatum(caller);
	call->args[0].isnull = false;
	for (int k = 0; k < PG_NARGS(); k++)
		call->args[k + 1] = fcinfo->args[k];
	SetUserIdAndSecContext(inner->owner, security | SECURITY_LOCAL_USERID_CHANGE);
	result = FunctionCallInvoke(call);
	SetUserIdAndSecContext(caller, security);
	fcinfo->isnull = call->isnull;
	return result;
}
