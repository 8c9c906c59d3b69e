/*
 * violation.h - pairs of a document that a model is sure of and that the stored order contradicts; and the error, the
 * warning and the row of xmcoh.violation_record that say so.
 */
#ifndef XMCOH_PG_VIOLATION_H
#define XMCOH_PG_VIOLATION_H

#include "postgres.h"

#include "utils/relcache.h"

#include "model/weights.h"
#include "source/seen.h"

#define LISTED_PAIRS 10

/* An item of a violated pair. */
typedef struct ViolatingItem
{
	const char *key;
	const char *label;			/* for people: its stored position, and its text or key */
} ViolatingItem;

typedef struct ViolatedPair
{
	ViolatingItem before;		/* should stand before the other */
	ViolatingItem after;
	double		probability;	/* 1 if people decided that */
	bool		decided;
} ViolatedPair;

typedef struct Violation
{
	const char *document;
	int64		n_pairs;
	int			n_listed;
	ViolatedPair pair[LISTED_PAIRS];	/* (n_listed) the surest first */
} Violation;

/* What to check a document against. */
typedef struct CheckRule
{
	const char *model;			/* its name */
	DeployedModel deployed;
	Oid			source;			/* InvalidOid: all sources of the model */
	double		precision;
	bool		allow_approved; /* what people have decided is right */
	bool		digests;
	bool		keep_plans;		/* of the queries over the sources, in this session */
} CheckRule;

/* The check of one document. */
typedef struct CheckedDocument
{
	const char *key;
	bool		exists;
	SeenHash	digest;			/* of all that was read, if rule->digests; zeroes for a document that does not exist */
	Violation  *violation;		/* in the caller's memory; NULL: the order is right, or the document has none */
} CheckedDocument;

/*
 * Checks n documents, sorted by key (bytes), under the active snapshot, as the current user. The caller sets the keys and
 * zeroes the rest. Errors: those of xmcoh_bulk_score.
 */
extern void xmcoh_find_violations(const CheckRule *rule, int n, CheckedDocument *document);

/* Sets the digests of n documents only. */
extern void xmcoh_digest_documents(const CheckRule *rule, int n, CheckedDocument *document);

/*
 * ereport(level) of SQLSTATE check_violation. `constraint`: the name of the trigger on `relation`, which go into the fields of
 * the error; NULL, NULL: there is none.
 */
extern void xmcoh_report_violation(int level, const CheckRule *rule, const Violation *violation, const char *constraint,
								   Relation relation);

/* Writes the violation of a document to xmcoh.violation_record, as the extension's owner; NULL: the document has none. */
extern void xmcoh_record_violation(const CheckRule *rule, const char *document, const Violation *violation);

/* The documents of a source that have an unresolved row there, by key, in CurrentMemoryContext. */
extern char **xmcoh_unresolved_documents(int32 model_id, Oid source, int64 *n);

#endif
