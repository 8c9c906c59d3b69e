/*
 * compat.h - what differs between PostgreSQL 15, 16, 17 and 18.
 */
#ifndef XMCOH_PG_COMPAT_H
#define XMCOH_PG_COMPAT_H

#include "postgres.h"

#include "common/relpath.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/regproc.h"

#if PG_VERSION_NUM < 150000
#error "xmcoh needs PostgreSQL 15 or newer"
#endif

/* Entry `index`, from 1 to pgstat_fetch_stat_numbackends(), of the local copy of the backend status array. */
#if PG_VERSION_NUM >= 160000
#define xmcoh_backend_entry(index) pgstat_get_local_beentry_by_index(index)
#else
#define xmcoh_backend_entry(index) pgstat_fetch_stat_local_beentry(index)
#endif

/* The header that has VARSIZE, which was part of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* The header that has PG_TEMP_FILES_DIR and PG_TEMP_FILE_PREFIX. */
#if PG_VERSION_NUM >= 170000
#include "common/file_utils.h"
#else
#include "storage/fd.h"
#endif

/* The path of a table's first file, palloc'ed. */
#if PG_VERSION_NUM >= 180000
#define xmcoh_relation_path(database, tablespace, number) \
	pstrdup(GetRelationPath((database), (tablespace), (number), INVALID_PROC_NUMBER, MAIN_FORKNUM).str)
#elif PG_VERSION_NUM >= 170000
#define xmcoh_relation_path(database, tablespace, number) \
	GetRelationPath((database), (tablespace), (number), INVALID_PROC_NUMBER, MAIN_FORKNUM)
#else
#define xmcoh_relation_path(database, tablespace, number) \
	GetRelationPath((database), (tablespace), (number), InvalidBackendId, MAIN_FORKNUM)
#endif

/* PG_MODULE_MAGIC_EXT names the module and its version in pg_get_loaded_modules(). */
#if PG_VERSION_NUM >= 180000
#define XMCOH_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "xmcoh", .version = XMCOH_VERSION)
#else
#define XMCOH_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* Whether an entry of the process table is a background worker. */
#if PG_VERSION_NUM >= 180000
#define xmcoh_proc_is_worker(proc) (!(proc)->isRegularBackend)
#else
#define xmcoh_proc_is_worker(proc) ((proc)->isBackgroundWorker)
#endif

/* Whether a role may SET ROLE to another. */
#if PG_VERSION_NUM >= 160000
#define xmcoh_may_become(role, other) member_can_set_role(role, other)
#else
#define xmcoh_may_become(role, other) is_member_of_role(role, other)
#endif

/* Whether the current user owns a relation. */
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_class.h"
#define xmcoh_owns_relation(relation) object_ownercheck(RelationRelationId, relation, GetUserId())
#else
#define xmcoh_owns_relation(relation) pg_class_ownercheck(relation, GetUserId())
#endif

/* The parts of a qualified name, as a list of String nodes; ERROR for a text that is not one. */
#if PG_VERSION_NUM >= 160000
#define xmcoh_qualified_name(text) stringToQualifiedNameList(text, NULL)
#else
#define xmcoh_qualified_name(text) stringToQualifiedNameList(text)
#endif

/* Elements of a list of settings and values: no limit for what later versions limit also outside client sessions. */
#if PG_VERSION_NUM >= 170000
#define XMCOH_LATER_TIMEOUTS {"transaction_timeout", "0"},
#else
#define XMCOH_LATER_TIMEOUTS
#endif

/* The local number of this session's top-level transaction. */
#if PG_VERSION_NUM >= 170000
#define xmcoh_local_transaction() (MyProc->vxid.lxid)
#else
#define xmcoh_local_transaction() (MyProc->lxid)
#endif

#endif
