/*
 * document_lock.h - locks on documents, so that two transactions that decide about one document, or that change one and check
 * it, do so one after the other.
 *
 * A lock is held until the transaction ends. It is a lock on an object of the server, whose class is the table
 * xmcoh.source_record (pg_locks: locktype object), so it does not meet the advisory locks of users. The documents of a model
 * share a fixed number of locks, by the hash of their keys: a transaction that changes millions of documents does not fill
 * the server's table of locks.
 */
#ifndef XMCOH_PG_DOCUMENT_LOCK_H
#define XMCOH_PG_DOCUMENT_LOCK_H

#include "postgres.h"

/* Locks n documents of a model by their keys, in an order that is the same in every transaction. */
extern void xmcoh_lock_documents(int32 model_id, int64 n, const char *const *document);

#endif
