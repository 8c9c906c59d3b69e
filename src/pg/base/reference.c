/*
 * reference.c - the SQL type object_ref: a reference to a role, relation or column, by OID and by name.
 *
 * A table that is dumped must hold names: an OID means nothing in another cluster, and the restore of a table fails if it
 * holds a regclass or regrole that cannot be resolved. A name alone does not follow ALTER ... RENAME. So a value holds
 * both. The text of a value is the present name of the object, so a dump holds present names. The input function accepts
 * names of objects that do not exist yet; they are looked up when the value is used.
 *
 * A relation or column that was dropped is looked up by its name, as in any query. A role that was dropped is not, because
 * a new role of the same name is another role. The text of such a value is `role -`.
 */
#include "base/reference.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "base/compat.h"

PG_FUNCTION_INFO_V1(xmcoh_reference_in);
PG_FUNCTION_INFO_V1(xmcoh_reference_out);
PG_FUNCTION_INFO_V1(xmcoh_reference_recv);
PG_FUNCTION_INFO_V1(xmcoh_reference_send);
PG_FUNCTION_INFO_V1(xmcoh_role_ref);
PG_FUNCTION_INFO_V1(xmcoh_relation_ref);
PG_FUNCTION_INFO_V1(xmcoh_column_ref);
PG_FUNCTION_INFO_V1(xmcoh_object_oid);
PG_FUNCTION_INFO_V1(xmcoh_object_name);
PG_FUNCTION_INFO_V1(xmcoh_is_loose);

typedef enum RefKind
{
	REF_ROLE,
	REF_RELATION,
	REF_COLUMN
} RefKind;

static const char *const kind_name[] = {"role", "relation", "column"};
static const int n_parts[] = {1, 2, 3};	/* of a name: role; schema, relation; schema, relation, column */

#define MAX_PARTS 3
#define NOBODY "-"				/* a role that was dropped; a role with this name would be quoted */

/* A varlena, stored uncompressed. */
typedef struct ObjectRef
{
	int32		vl_len_;
	Oid			oid;			/* of the role or relation; InvalidOid: it did not exist when the value was made */
	int16		attnum;			/* of the column; InvalidAttrNumber: no column, or it did not exist */
	uint8		kind;			/* RefKind */
	NameData	part[FLEXIBLE_ARRAY_MEMBER];	/* (n_parts[kind]) the name when the value was made */
} ObjectRef;

#define REF_SIZE(kind) (offsetof(ObjectRef, part) + n_parts[kind] * sizeof(NameData))

/* An argument of this type, checked: only the functions below make such values, but a check is cheap. */
static const ObjectRef *
reference_argument(Datum datum)
{
	const ObjectRef *ref = (const ObjectRef *) PG_DETOAST_DATUM(datum);

	if (VARSIZE(ref) < offsetof(ObjectRef, part) || ref->kind > REF_COLUMN || VARSIZE(ref) != REF_SIZE(ref->kind))
		ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED), errmsg("damaged value of type xmcoh.object_ref"));
	return ref;
}

static ObjectRef *
make_reference(RefKind kind, Oid oid, AttrNumber attnum, const char *const *part)
{
	ObjectRef  *ref = palloc0(REF_SIZE(kind));

	SET_VARSIZE(ref, REF_SIZE(kind));
	ref->oid = oid;
	ref->attnum = attnum;
	ref->kind = kind;
	for (int k = 0; k < n_parts[kind]; k++)
		namestrcpy(&ref->part[k], part[k]);
	return ref;
}

/* ---- resolving ---- */

static bool
role_exists(Oid role)
{
	return OidIsValid(role) && SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role));
}

static Oid
relation_of_name(const char *schema, const char *name)
{
	Oid			namespace = get_namespace_oid(schema, true);

	return OidIsValid(namespace) ? get_relname_relid(name, namespace) : InvalidOid;
}

/* The role or relation; InvalidOid: it does not exist. */
static Oid
resolve(const ObjectRef *ref)
{
	if (ref->kind == REF_ROLE)
	{
		if (OidIsValid(ref->oid))
			return role_exists(ref->oid) ? ref->oid : InvalidOid;
		return get_role_oid(NameStr(ref->part[0]), true);
	}
	if (OidIsValid(ref->oid) && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(ref->oid)))
		return ref->oid;
	return relation_of_name(NameStr(ref->part[0]), NameStr(ref->part[1]));
}

/* The number of the column in that relation; InvalidAttrNumber: the column does not exist. */
static AttrNumber
resolve_column(const ObjectRef *ref, Oid relation)
{
	HeapTuple	tuple = NULL;
	bool		is_there = false;

	if (relation == ref->oid && ref->attnum != InvalidAttrNumber)
		tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relation), Int16GetDatum(ref->attnum));
	if (HeapTupleIsValid(tuple))
	{
		is_there = !((Form_pg_attribute) GETSTRUCT(tuple))->attisdropped;
		ReleaseSysCache(tuple);
	}
	return is_there ? ref->attnum : get_attnum(relation, NameStr(ref->part[2]));
}

/*
 * The present name of the object; for one that does not exist, the name when the value was made; NULL for a role that was
 * dropped. Raises no error, even if the object is dropped at the same time, because an error would fail the dump of the
 * table.
 */
static void
current_name(const ObjectRef *ref, const char **part)
{
	Oid			oid = resolve(ref);

	/* the name when the value was made, for what is not found below */
	for (int k = 0; k < n_parts[ref->kind]; k++)
		part[k] = NameStr(ref->part[k]);
	if (ref->kind == REF_ROLE)
	{
		const char *role = OidIsValid(oid) ? GetUserNameFromId(oid, true) : NULL;

		if (role != NULL || OidIsValid(ref->oid))
			part[0] = role;
		return;
	}
	if (OidIsValid(oid))
	{
		char	   *relation = get_rel_name(oid);
		char	   *schema = relation ? get_namespace_name(get_rel_namespace(oid)) : NULL;

		if (schema != NULL)
		{
			part[0] = schema;
			part[1] = relation;
		}
	}
	if (ref->kind == REF_COLUMN && OidIsValid(oid))
	{
		AttrNumber	attnum = resolve_column(ref, oid);

		const char *column = attnum != InvalidAttrNumber ? get_attname(oid, attnum, true) : NULL;

		if (column != NULL)
			part[2] = column;
	}
}

/* ---- text ---- */

static void
append_name(StringInfo out, const char *const *part, int n)
{
	for (int k = 0; k < n; k++)
		appendStringInfo(out, "%s%s", k ? "." : "", quote_identifier(part[k]));
}

static char *
reference_text(const ObjectRef *ref)
{
	const char *part[MAX_PARTS];
	StringInfoData out;

	current_name(ref, part);
	initStringInfo(&out);
	appendStringInfo(&out, "%s ", kind_name[ref->kind]);
	if (part[0] == NULL)
		appendStringInfoString(&out, NOBODY);
	else
		append_name(&out, part, n_parts[ref->kind]);
	return out.data;
}

static ObjectRef *
parse_reference(const char *text)
{
	const char *space = strchr(text, ' ');
	const char *part[MAX_PARTS];
	List	   *names;
	ListCell   *cell;
	int			kind = 0;
	int			n = 0;
	Oid			oid;

	while (kind <= REF_COLUMN && (space == NULL || strlen(kind_name[kind]) != (size_t) (space - text) ||
								  strncmp(kind_name[kind], text, space - text) != 0))
		kind++;
	if (kind > REF_COLUMN)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				errmsg("invalid input syntax for type %s: \"%s\"", "xmcoh.object_ref", text),
				errhint("The text must be \"role NAME\", \"relation SCHEMA.NAME\" or \"column SCHEMA.NAME.COLUMN\"."));
	if (kind == REF_ROLE && strcmp(space + 1, NOBODY) == 0)
	{
		part[0] = "";			/* no role has an empty name */
		return make_reference(REF_ROLE, InvalidOid, InvalidAttrNumber, part);
	}
	names = xmcoh_qualified_name(space + 1);
	if (list_length(names) != n_parts[kind])
		ereport(ERROR,
				errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				errmsg("invalid input syntax for type %s: \"%s\"", "xmcoh.object_ref", text),
				errdetail("The name of a %s has %d parts, not %d.", kind_name[kind], n_parts[kind], list_length(names)));
	foreach(cell, names)
		part[n++] = strVal(lfirst(cell));
	if (kind == REF_ROLE)
		return make_reference(REF_ROLE, get_role_oid(part[0], true), InvalidAttrNumber, part);
	oid = relation_of_name(part[0], part[1]);
	return make_reference(kind, oid, kind == REF_COLUMN && OidIsValid(oid) ? get_attnum(oid, part[2]) : InvalidAttrNumber, part);
}

Datum
xmcoh_reference_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(parse_reference(PG_GETARG_CSTRING(0)));
}

Datum
xmcoh_reference_out(PG_FUNCTION_ARGS)
{
	const ObjectRef *ref = reference_argument(PG_GETARG_DATUM(0));

	/* A value that was restored from `role -` holds no name. */
	if (ref->kind == REF_ROLE && NameStr(ref->part[0])[0] == '\0')
		PG_RETURN_CSTRING(pstrdup("role " NOBODY));
	PG_RETURN_CSTRING(reference_text(ref));
}

Datum
xmcoh_reference_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			n_bytes;
	char	   *text = pq_getmsgtext(message, message->len - message->cursor, &n_bytes);

	PG_RETURN_POINTER(parse_reference(text));
}

Datum
xmcoh_reference_send(PG_FUNCTION_ARGS)
{
	StringInfoData message;
	char	   *text = DatumGetCString(DirectFunctionCall1(xmcoh_reference_out, PG_GETARG_DATUM(0)));

	pq_begintypsend(&message);
	pq_sendtext(&message, text, strlen(text));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/* ---- making ---- */

/* role_ref(role oid) */
Datum
xmcoh_role_ref(PG_FUNCTION_ARGS)
{
	Oid			role = PG_GETARG_OID(0);
	const char *part[MAX_PARTS] = {GetUserNameFromId(role, false)};	/* ERROR: there is no such role */

	PG_RETURN_POINTER(make_reference(REF_ROLE, role, InvalidAttrNumber, part));
}

static void
name_relation(Oid relation, const char **part)
{
	part[1] = get_rel_name(relation);
	part[0] = part[1] ? get_namespace_name(get_rel_namespace(relation)) : NULL;
	if (part[0] == NULL)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation with OID %u does not exist", relation));
}

/* relation_ref(relation oid) */
Datum
xmcoh_relation_ref(PG_FUNCTION_ARGS)
{
	Oid			relation = PG_GETARG_OID(0);
	const char *part[MAX_PARTS];

	name_relation(relation, part);
	PG_RETURN_POINTER(make_reference(REF_RELATION, relation, InvalidAttrNumber, part));
}

/* column_ref(relation oid, column name) */
Datum
xmcoh_column_ref(PG_FUNCTION_ARGS)
{
	Oid			relation = PG_GETARG_OID(0);
	const char *part[MAX_PARTS];

	name_relation(relation, part);
	part[2] = NameStr(*PG_GETARG_NAME(1));
	PG_RETURN_POINTER(make_reference(REF_COLUMN, relation, get_attnum(relation, part[2]), part));
}

/* ---- using ---- */

/* object_oid(object_ref): NULL if the object does not exist, for a column also if only the column does not exist */
Datum
xmcoh_object_oid(PG_FUNCTION_ARGS)
{
	const ObjectRef *ref = reference_argument(PG_GETARG_DATUM(0));
	Oid			oid = resolve(ref);

	if (!OidIsValid(oid) || (ref->kind == REF_COLUMN && resolve_column(ref, oid) == InvalidAttrNumber))
		PG_RETURN_NULL();
	PG_RETURN_OID(oid);
}

/* object_name(object_ref): the name as people read it; of a column without its relation */
Datum
xmcoh_object_name(PG_FUNCTION_ARGS)
{
	const ObjectRef *ref = reference_argument(PG_GETARG_DATUM(0));
	const char *part[MAX_PARTS];
	StringInfoData out;

	current_name(ref, part);
	if (part[0] == NULL || part[0][0] == '\0')
		PG_RETURN_NULL();
	if (ref->kind == REF_COLUMN)
		PG_RETURN_TEXT_P(cstring_to_text(part[2]));
	initStringInfo(&out);
	append_name(&out, part, n_parts[ref->kind]);
	PG_RETURN_TEXT_P(cstring_to_text(out.data));
}

/* is_loose(object_ref): whether the value is resolved by name, not by OID, or not at all */
Datum
xmcoh_is_loose(PG_FUNCTION_ARGS)
{
	const ObjectRef *ref = reference_argument(PG_GETARG_DATUM(0));

	PG_RETURN_BOOL(resolve(ref) != ref->oid || !OidIsValid(ref->oid));
}

char *
xmcoh_referenced_name(Datum datum)
{
	const ObjectRef *ref = reference_argument(datum);
	const char *part[MAX_PARTS];

	current_name(ref, part);
	if (ref->kind == REF_RELATION)
		return quote_qualified_identifier(part[0], part[1]);
	return pstrdup(part[0] ? part[n_parts[ref->kind] - 1] : "");
}

Oid
xmcoh_referenced_oid(Datum datum)
{
	return resolve(reference_argument(datum));
}
