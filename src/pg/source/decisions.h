/*
 * decisions.h - what people decided about the documents of a model and is in force (xmcoh.decision), read.
 */
#ifndef XMCOH_PG_DECISIONS_H
#define XMCOH_PG_DECISIONS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "base/digest.h"
#include "source/keys.h"

typedef enum DecisionKind
{
	DECISION_BEFORE,			/* the first item stands before the second */
	DECISION_ORDER,				/* the items stand in this order */
	DECISION_EITHER,			/* the two items have no order */
	DECISION_SKIP				/* unclear; xmcoh_read_skips alone gives these */
} DecisionKind;

/* A hash of what the reviewer saw (seen.h). */
#define SEEN_HASH_BYTES XMCOH_DIGEST_BYTES
typedef struct SeenHash
{
	uint8		byte[SEEN_HASH_BYTES];
} SeenHash;

typedef struct Decision
{
	const char *document;		/* the first member, for xmcoh_first_of_document */
	int64		id;
	DecisionKind kind;
	int32		n;
	const char **item;			/* (n) */
	const int32 *place;			/* (n) ascending; items with the same place have no order; NULL: each has its own */
	const char *decided_by;
	TimestampTz decided_at;
	bool		saw;			/* the document was read when the decision was made; then: */
	SeenHash	order;			/* of the stored order */
	SeenHash	texts;			/* of all items and texts */
	SeenHash   *text;			/* (n) of the text of each item */
} Decision;

typedef struct Decisions
{
	int64		n;
	Decision   *decision;		/* (n), sorted by document (bytes), then by id */
} Decisions;

/*
 * The decisions in force on these documents of a model, or on all (keys NULL), except 'skip'. They are read as the
 * extension's owner, because they rule for roles that may not read them. Under the active snapshot. Needs SPI. Allocates in
 * CurrentMemoryContext.
 */
extern Decisions *xmcoh_read_decisions(int32 model_id, const DocumentKeys *keys);

/* The same of decisions 'skip' alone. */
extern Decisions *xmcoh_read_skips(int32 model_id, const DocumentKeys *keys);

/*
 * What a role has answered about two items (DECISION_BEFORE, _EITHER and _SKIP), in force or not: also what was replaced,
 * repeats another's decision, or was withdrawn.
 */
extern Decisions *xmcoh_read_answers(int32 model_id, const DocumentKeys *keys, Oid role);

/*
 * The first of n elements of an array whose document is not before `document` (bytes); n when there is none. The array is
 * sorted by document; each element of `size` bytes begins with its document, a char *.
 */
extern int64 xmcoh_first_of_document(const void *array, int64 n, Size size, const char *document);

#endif
