/*
 * review.c - the SQL functions review_queue, which lists the pairs that are worth a person's time, and
 * xmcoh_internal.review_candidates, which lists them for a reviewer who claims some.
 *
 * Each document gives its best pairs. The best ones of all documents are kept in a heap, so memory does not depend on the
 * number of documents.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/access.h"
#include "base/xmcoh.h"
#include "query/arguments.h"
#include "query/bulk.h"
#include "query/phrases.h"
#include "source/seen.h"

#include "xmcoh/check.h"
#include "xmcoh/decided.h"
#include "xmcoh/hash.h"
#include "xmcoh/order.h"
#include "xmcoh/review.h"

PG_FUNCTION_INFO_V1(xmcoh_review_queue);
PG_FUNCTION_INFO_V1(xmcoh_review_candidates);

#define PAIRS_OF_DOCUMENT 3		/* that are asked at the same time, by all reviewers together */
#define PRECISION 0.95			/* of a suspect pair, as check_documents has it by default */
#define MOST_PAIRS 10000		/* in the queue */
#define MOST_KEY_BYTES 2600		/* of a document and two items: longer ones need not fit into a row of the index decision_pair */

/* Candidates for n pairs to be claimed: others may be claiming the best ones at this moment. */
#define CANDIDATES(n) Min(MOST_PAIRS, Max(200, 20 * (n)))

static const char *const reason_names[] = {
	[XMC_REVIEW_STALE] = "stale", [XMC_REVIEW_SKIPPED] = "skipped", [XMC_REVIEW_SUSPECT] = "suspect",
	[XMC_REVIEW_DISAGREE] = "modalities disagree", [XMC_REVIEW_UNCERTAIN] = "uncertain", [XMC_REVIEW_ANSWERED] = "second"
};

/* A pair of the queue. The strings are its own. */
typedef struct QueuedPair
{
	char	   *document;
	char	   *before;
	char	   *after;
	char	   *before_text;	/* NULL: the item has none, or the model reads none */
	char	   *after_text;
	double		probability;
	double		value;
	xmc_review_reason reason;
	int64		claim_id;		/* 0: the pair is not claimed */
	int64		seen;			/* sum of the numbers by which the pair was chosen: decisions in force about the document, others' claims */
} QueuedPair;

/* A claim in force. */
typedef struct Claim
{
	const char *document;		/* the first member, for xmcoh_first_of_document */
	const char *before;
	const char *after;
	int64		id;
	bool		mine;			/* the reviewer's who asks */
	double		probability;	/* the rest as it was shown */
	double		value;
	xmc_review_reason reason;
} Claim;

typedef struct Queue
{
	xmc_review_strategy strategy;
	bool		both;			/* the model reads texts and images */
	double		threshold;
	int			most;
	binaryheap *best;			/* of QueuedPair *, the last one on top */
	List	   *held;			/* of QueuedPair *: the reviewer's claims */
	const Decisions *skips;
	const Decisions *answers;	/* the reviewer's, for XMC_REVIEW_SECOND */
	char	   *reviewer;		/* the reviewer's name */
	int64		n_claims;
	Claim	   *claim;			/* (n_claims) sorted by document (bytes), then by number */
	MemoryContext memory;		/* of what lives longer than a batch */
} Queue;

/* What is kept of a document as it was read. */
typedef struct Note
{
	uint8	   *flag;			/* (n, n) XMC_REVIEW_IS_... */
	bool	   *is_answered;	/* (n, n) by others, and not by the reviewer, in both cells of a pair; NULL: not asked */
	int64		decisions;		/* sum of the numbers of the decisions in force */
} Note;

/* ---- claims ---- */

static xmc_review_reason
reason_of(const char *name)
{
	for (int k = 0; k < (int) lengthof(reason_names); k++)
		if (strcmp(name, reason_names[k]) == 0)
			return (xmc_review_reason) k;
	return XMC_REVIEW_UNCERTAIN;
}

/* Reads the claims in force on a model, as the extension's owner. */
static void
read_claims(Queue *queue, int32 model_id, Oid reviewer)
{
	Oid			types[2] = {INT4OID, OIDOID};
	Datum		values[2] = {Int32GetDatum(model_id), ObjectIdGetDatum(reviewer)};
	MemoryContext caller;
	Oid			user;
	int			security;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(xmcoh_extension_owner(), security | SECURITY_LOCAL_USERID_CHANGE);
	if (SPI_execute_with_args("SELECT document, before_item, after_item, claim_id,"
							  " claimed_by OPERATOR(pg_catalog.=) pg_catalog.pg_get_userbyid($2), probability, value, reason"
							  " FROM xmcoh.claim_in_force WHERE model_id OPERATOR(pg_catalog.=) $1"
							  " ORDER BY document COLLATE pg_catalog.\"C\", claim_id", 2, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the claims of reviews");
	SetUserIdAndSecContext(user, security);
	caller = MemoryContextSwitchTo(queue->memory);
	queue->n_claims = (int64) SPI_processed;
	queue->claim = palloc_extended(Max(queue->n_claims, 1) * sizeof(Claim), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int64 k = 0; k < queue->n_claims; k++)
	{
		HeapTuple	row = SPI_tuptable->vals[k];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		Claim	   *claim = &queue->claim[k];
		bool		is_null;

		claim->document = TextDatumGetCString(SPI_getbinval(row, desc, 1, &is_null));
		claim->before = TextDatumGetCString(SPI_getbinval(row, desc, 2, &is_null));
		claim->after = TextDatumGetCString(SPI_getbinval(row, desc, 3, &is_null));
		claim->id = DatumGetInt64(SPI_getbinval(row, desc, 4, &is_null));
		claim->mine = DatumGetBool(SPI_getbinval(row, desc, 5, &is_null));
		claim->probability = DatumGetFloat8(SPI_getbinval(row, desc, 6, &is_null));
		claim->value = DatumGetFloat8(SPI_getbinval(row, desc, 7, &is_null));
		claim->reason = reason_of(TextDatumGetCString(SPI_getbinval(row, desc, 8, &is_null)));
	}
	MemoryContextSwitchTo(caller);
}

/* ---- a document as it is read ---- */

/* Flags the pairs that somebody skipped, unless a text has changed since. */
static void
flag_skipped(const Decisions *skips, const SourceDocument *document, Note *note)
{
	int64		k = xmcoh_first_of_document(skips->decision, skips->n, sizeof(Decision), document->key);
	Seen		seen;
	bool		saw = false;

	for (; k < skips->n && strcmp(skips->decision[k].document, document->key) == 0; k++)
	{
		const Decision *skip = &skips->decision[k];
		int32		a = xmcoh_item_number(document, skip->item[0]);
		int32		b = xmcoh_item_number(document, skip->item[1]);

		note->decisions += skip->id;
		if (!saw)
			xmcoh_see(document, &seen);
		saw = true;
		if (a >= 0 && b >= 0 && xmcoh_item_change(skip, 0, document, &seen) == ITEM_SAME &&
			xmcoh_item_change(skip, 1, document, &seen) == ITEM_SAME)
			note->flag[(int64) a * document->n + b] |= XMC_REVIEW_IS_SKIPPED;
	}
}

/* Flags the pairs that would be decided if decisions about changed texts counted. */
static void
flag_stale(const ApprovedPairs *pairs, const SourceDocument *document, const uint8 *decided, Note *note)
{
	xmc_ctx		ctx = xmcoh_context();
	bool		stale;
	uint8	   *once = xmcoh_decided(&ctx, pairs, STALE_USE, document, &stale);

	for (int64 c = 0; once != NULL && c < (int64) document->n * document->n; c++)
		if (once[c] != XMC_UNDECIDED && (decided == NULL || decided[c] == XMC_UNDECIDED))
			note->flag[c] |= XMC_REVIEW_IS_STALE;
}

/*
 * Calls a pair answered or not, in both cells, by the decisions about two items of a document whose texts have not changed
 * since: those of others, or those of the reviewer.
 */
static void
mark_answered(const Queue *queue, const Decisions *decisions, bool of_others, const SourceDocument *document, bool *is_answered)
{
	int64		k = xmcoh_first_of_document(decisions->decision, decisions->n, sizeof(Decision), document->key);
	Seen		seen;
	bool		saw = false;

	for (; k < decisions->n && strcmp(decisions->decision[k].document, document->key) == 0; k++)
	{
		const Decision *decision = &decisions->decision[k];
		int32		a;
		int32		b;

		if (decision->kind == DECISION_ORDER || decision->n != 2 ||
			(of_others && strcmp(decision->decided_by, queue->reviewer) == 0))
			continue;
		a = xmcoh_item_number(document, decision->item[0]);
		b = xmcoh_item_number(document, decision->item[1]);
		if (a < 0 || b < 0)
			continue;
		if (!saw)
			xmcoh_see(document, &seen);
		saw = true;
		if (xmcoh_item_change(decision, 0, document, &seen) == ITEM_SAME &&
			xmcoh_item_change(decision, 1, document, &seen) == ITEM_SAME)
			is_answered[(int64) a * document->n + b] = is_answered[(int64) b * document->n + a] = of_others;
	}
}

static void
note_document(void *arg, const SourceDocument *document, const ApprovedPairs *pairs, BulkDocument *to)
{
	const Queue *queue = arg;
	const Decisions *decisions = pairs->decisions;
	Note	   *note = palloc0(sizeof(Note));
	int64		k = xmcoh_first_of_document(decisions->decision, decisions->n, sizeof(Decision), document->key);

	note->flag = palloc0((Size) document->n * document->n + 1);
	for (; k < decisions->n && strcmp(decisions->decision[k].document, document->key) == 0; k++)
		note->decisions += decisions->decision[k].id;
	flag_skipped(queue->skips, document, note);
	if (to->stale)
		flag_stale(pairs, document, to->decided, note);
	if (queue->strategy == XMC_REVIEW_SECOND)
	{
		note->is_answered = palloc0((Size) document->n * document->n + 1);
		mark_answered(queue, decisions, true, document, note->is_answered);
		mark_answered(queue, queue->answers, false, document, note->is_answered);
	}
	to->note = note;
}

/* ---- the heap ---- */

/* Positive: pair a comes later in the queue than pair b. */
static int
compare_queued(const QueuedPair *a, const QueuedPair *b)
{
	int			order = (a->reason == XMC_REVIEW_SKIPPED) - (b->reason == XMC_REVIEW_SKIPPED);

	if (order == 0)
		order = (a->value < b->value) - (a->value > b->value);
	if (order == 0)
		order = strcmp(a->document, b->document);
	if (order == 0)
		order = strcmp(a->before, b->before);
	return order ? order : strcmp(a->after, b->after);
}

static int
compare_in_heap(Datum a, Datum b, void *arg)
{
	(void) arg;
	return compare_queued((QueuedPair *) DatumGetPointer(a), (QueuedPair *) DatumGetPointer(b));
}

static int
compare_in_list(const ListCell *a, const ListCell *b)
{
	return compare_queued(lfirst(a), lfirst(b));
}

static void
free_queued(QueuedPair *pair)
{
	pfree(pair->document);
	pfree(pair->before);
	pfree(pair->after);
	if (pair->before_text)
		pfree(pair->before_text);
	if (pair->after_text)
		pfree(pair->after_text);
	pfree(pair);
}

/* A copy of the pair with strings of its own, and with the texts of its items, in the queue's memory. */
static QueuedPair *
keep_pair(const Queue *queue, const QueuedPair *pair, const xmc_item *text, int32 before, int32 after)
{
	MemoryContext caller = MemoryContextSwitchTo(queue->memory);
	QueuedPair *kept = palloc(sizeof(QueuedPair));

	*kept = *pair;
	kept->document = pstrdup(pair->document);
	kept->before = pstrdup(pair->before);
	kept->after = pstrdup(pair->after);
	kept->before_text = xmcoh_item_text(&text[before]);
	kept->after_text = xmcoh_item_text(&text[after]);
	MemoryContextSwitchTo(caller);
	return kept;
}

/* Whether a claim, and a decision, about the pair can be stored, however badly its keys compress. */
static bool
is_decidable(const BulkDocument *scored, const xmc_review_pair *pair)
{
	return strlen(scored->key) + strlen(scored->item[pair->before]) + strlen(scored->item[pair->after]) <= MOST_KEY_BYTES;
}

/* Puts a pair into the heap if it is among the best. */
static void
offer(Queue *queue, const BulkDocument *scored, const xmc_review_pair *pair, int64 seen)
{
	QueuedPair	offered = {.document = unconstify(char *, scored->key),.before = unconstify(char *, scored->item[pair->before]),
		.after = unconstify(char *, scored->item[pair->after]),.probability = pair->probability,.value = pair->value,
		.reason = pair->reason,.seen = seen};
	bool		full = queue->best->bh_size == queue->most;
	QueuedPair *last = full ? (QueuedPair *) DatumGetPointer(binaryheap_first(queue->best)) : NULL;
	QueuedPair *kept;

	if (full && compare_queued(&offered, last) >= 0)
		return;
	kept = keep_pair(queue, &offered, scored->text, pair->before, pair->after);
	if (full)
	{
		binaryheap_replace_first(queue->best, PointerGetDatum(kept));
		free_queued(last);
	}
	else
		binaryheap_add(queue->best, PointerGetDatum(kept));
}

/* ---- a scored document ---- */

/* Whether a person will probably say that a claimed pair stands as the model thinks; the stored order is the likelier answer. */
static bool
is_likely(const BulkDocument *scored, const Claim *claim, int32 before, int32 after)
{
	return claim->reason == XMC_REVIEW_SUSPECT || !(scored->position[after] < scored->position[before]);
}

/* Keeps a claim of the reviewer, for the result. */
static void
keep_claim(Queue *queue, const BulkDocument *scored, const Claim *claim, int32 before, int32 after)
{
	QueuedPair	held = {.document = unconstify(char *, claim->document),.before = unconstify(char *, claim->before),
		.after = unconstify(char *, claim->after),.probability = claim->probability,.value = claim->value,
		.reason = claim->reason,.claim_id = claim->id};
	QueuedPair *kept = keep_pair(queue, &held, scored->text, before, after);
	MemoryContext caller = MemoryContextSwitchTo(queue->memory);

	queue->held = lappend(queue->held, kept);
	MemoryContextSwitchTo(caller);
}

/*
 * Counts the claimed pairs of the document that people have not decided meanwhile (by_people) as if they had the likely
 * answer, in decided, so that nothing is asked that would follow. A claim for a second answer is of a decided pair. Keeps those of
 * the reviewer. Returns how many there are; *others is the sum of the numbers of others' claims.
 */
static int
take_claims(Queue *queue, const BulkDocument *scored, const uint8 *by_people, uint8 *decided, int64 *others)
{
	const Note *note = scored->note;
	int64		k = xmcoh_first_of_document(queue->claim, queue->n_claims, sizeof(Claim), scored->key);
	int64		n = scored->document.n;
	xmc_ctx		ctx = xmcoh_context();
	int			claimed = 0;

	*others = 0;
	for (; k < queue->n_claims && strcmp(queue->claim[k].document, scored->key) == 0; k++)
	{
		const Claim *claim = &queue->claim[k];
		int32		before = xmcoh_scored_item(scored, claim->before);
		int32		after = xmcoh_scored_item(scored, claim->after);

		if (!claim->mine)
			*others += claim->id;
		if (before < 0 || after < 0 ||
			(by_people != NULL && by_people[before * n + after] != XMC_UNDECIDED && claim->reason != XMC_REVIEW_ANSWERED))
			continue;
		claimed++;
		if (note->is_answered != NULL)
			note->is_answered[before * n + after] = note->is_answered[after * n + before] = false;
		if (claim->mine)
			keep_claim(queue, scored, claim, before, after);
		if (decided[before * n + after] == XMC_UNDECIDED)
		{
			xmc_decide((int32) n, decided, before, after,
					   is_likely(scored, claim, before, after) ? XMC_DECIDED_BEFORE : XMC_DECIDED_AFTER);
			XMCOH_TRY(xmc_decided_close(&ctx, (int32) n, decided), &ctx);
		}
	}
	return claimed;
}

/*
 * A number in [0, 1) that a pair has by lot, the same at each call: second answers shall tell of all answers, not of those
 * that the model finds hard.
 */
static double
lot_of(const BulkDocument *scored, int32 a, int32 b)
{
	uint64		hash = xmc_hash_bytes(scored->key, strlen(scored->key), 0);

	hash = xmc_hash_bytes(scored->item[a], strlen(scored->item[a]) + 1, hash);
	hash = xmc_hash_bytes(scored->item[b], strlen(scored->item[b]), hash);
	return (double) (hash >> 11) / (double) (UINT64CONST(1) << 53);
}

/*
 * The pairs of a document that others have answered and the reviewer has not: those of the highest lots, at most `most`,
 * into pair.
 */
static int32
list_answered(const BulkDocument *scored, const bool *is_answered, int32 most, xmc_review_pair *pair)
{
	int32		n = scored->document.n;
	int32		listed = 0;

	for (int32 a = 0; a < n; a++)
		for (int32 b = a + 1; b < n; b++)
		{
			double		score = scored->scores.score[XMC_SCORE_FUSED][(int64) a * n + b];
			xmc_review_pair answered = {.before = score < 0 ? b : a,.after = score < 0 ? a : b,
				.probability = xmc_probability(fabs(score)),.reason = XMC_REVIEW_ANSWERED};
			int32		at = listed;

			if (!is_answered[(int64) a * n + b])
				continue;
			answered.value = lot_of(scored, a, b);
			for (; at > 0 && pair[at - 1].value < answered.value; at--)
				if (at < most)
					pair[at] = pair[at - 1];
			if (at < most)
				pair[at] = answered;
			listed += listed < most;
		}
	return listed;
}

static void
visit(void *arg, const BulkDocument *scored)
{
	Queue	   *queue = arg;
	const Note *note = scored->note;
	Size		cells = (Size) scored->document.n * scored->document.n;
	const uint8 *by_people = xmcoh_decided_with_order(scored);
	uint8	   *decided = palloc0(cells + 1);
	float	   *const *score = scored->scores.score;
	xmc_review_document document = {.n = scored->document.n,.fused = score[XMC_SCORE_FUSED],.decided = decided,
		.position = scored->position,.has = scored->document.has,.flag = note->flag,.threshold = queue->threshold};
	xmc_review_pair pair[PAIRS_OF_DOCUMENT];
	xmc_ctx		ctx = xmcoh_context();
	int64		others;
	int			claimed;
	int32_t		n;

	if (by_people != NULL)
		memcpy(decided, by_people, cells);
	if (queue->both)
	{
		document.text = score[XMC_SCORE_TEXT];
		document.image = score[XMC_SCORE_IMAGE];
	}
	claimed = take_claims(queue, scored, by_people, decided, &others);
	if (claimed >= PAIRS_OF_DOCUMENT)
		return;
	if (note->is_answered != NULL)
		n = list_answered(scored, note->is_answered, PAIRS_OF_DOCUMENT - claimed, pair);
	else
		XMCOH_TRY(xmc_review_pairs(&ctx, &document, queue->strategy, PAIRS_OF_DOCUMENT - claimed, pair, &n), &ctx);
	for (int32_t k = 0; k < n; k++)
		if (is_decidable(scored, &pair[k]))
			offer(queue, scored, &pair[k], note->decisions + others);
}

/* ---- the functions ---- */

/*
 * Fills the queue as the current role. `reviewer` InvalidOid: claims are not looked at. Arguments from `first` on: model, n,
 * source, strategy, documents.
 */
static void
fill(FunctionCallInfo fcinfo, int first, Oid reviewer, Queue *queue)
{
	static const xmc_guidance_rule as_new = {.as_new = true};	/* as the table of reliability was made */
	const NullableDatum *argument = &fcinfo->args[first];
	text	   *model = xmcoh_model_argument(argument[0]);
	BulkRequest request = {.source = argument[2].isnull ? InvalidOid : DatumGetObjectId(argument[2].value),.decided = true,
		.texts = true,.note = note_document,.visit = visit,.arg = queue,.keys = xmcoh_document_keys(argument[4])};
	DeployedModel deployed;

	queue->strategy = xmcoh_strategy_argument(argument[3]);
	queue->memory = CurrentMemoryContext;
	queue->best = binaryheap_allocate(queue->most, compare_in_heap, NULL);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	xmcoh_require_review(model);
	deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	queue->threshold = xmc_check_threshold(deployed.model, XMC_SCORE_FUSED, PRECISION);
	queue->both = deployed.model->options.image_dim > 0 &&
		(deployed.model->options.words || deployed.model->options.text_dim > 0);
	MemoryContextSwitchTo(queue->memory);
	queue->skips = xmcoh_read_skips(deployed.model_id, request.keys);
	queue->reviewer = GetUserNameFromId(GetUserId(), false);
	if (queue->strategy == XMC_REVIEW_SECOND)
		queue->answers = xmcoh_read_answers(deployed.model_id, request.keys, GetUserId());
	if (OidIsValid(reviewer))
		read_claims(queue, deployed.model_id, reviewer);
	xmcoh_bulk_score(&deployed, &as_new, &request);
	SPI_finish();
}

/* The best pairs in the order of the queue. */
static List *
sorted(Queue *queue)
{
	List	   *pairs = NIL;

	while (queue->best->bh_size > 0)
		pairs = lappend(pairs, DatumGetPointer(binaryheap_remove_first(queue->best)));
	list_sort(pairs, compare_in_list);
	return pairs;
}

/* The columns that both functions have, into values and nulls. */
static void
set_columns(const QueuedPair *pair, Datum *values, bool *nulls)
{
	values[0] = CStringGetTextDatum(pair->document);
	values[1] = CStringGetTextDatum(pair->before);
	values[2] = CStringGetTextDatum(pair->after);
	values[3] = pair->before_text ? CStringGetTextDatum(pair->before_text) : (Datum) 0;
	values[4] = pair->after_text ? CStringGetTextDatum(pair->after_text) : (Datum) 0;
	values[5] = Float8GetDatum(pair->probability);
	values[6] = Float8GetDatum(pair->value);
	values[7] = CStringGetTextDatum(reason_names[pair->reason]);
	nulls[3] = pair->before_text == NULL;
	nulls[4] = pair->after_text == NULL;
}

/* review_queue(model, n, source, strategy, documents) */
Datum
xmcoh_review_queue(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Queue		queue = {.most = xmcoh_count_argument(fcinfo->args[1], "n", 1, MOST_PAIRS, 20)};
	List	   *pairs;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	fill(fcinfo, 0, InvalidOid, &queue);
	pairs = sorted(&queue);
	foreach(cell, pairs)
	{
		Datum		values[9] = {Int32GetDatum(foreach_current_index(cell) + 1)};
		bool		nulls[9] = {false};

		set_columns(lfirst(cell), values + 1, nulls + 1);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * review_candidates(caller, model, n, source, strategy, documents): the claims of the caller, then pairs to claim. Called as
 * the extension's owner; reads as the caller. The change of user makes the reading a restricted operation (restricted.h).
 */
Datum
xmcoh_review_candidates(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			caller = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	int32		n = PG_ARGISNULL(2) ? 1 : PG_GETARG_INT32(2);
	Queue		queue = {.most = CANDIDATES(Min(Max(n, 1), MOST_PAIRS))};
	List	   *pairs;
	ListCell   *cell;
	Oid			user;
	int			security;

	(void) GetUserNameFromId(caller, false);	/* an ERROR for an OID that is no role's */
	InitMaterializedSRF(fcinfo, 0);
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(caller, security | SECURITY_LOCAL_USERID_CHANGE);
	fill(fcinfo, 1, caller, &queue);
	SetUserIdAndSecContext(user, security);
	list_sort(queue.held, compare_in_list);
	pairs = list_concat(queue.held, sorted(&queue));
	foreach(cell, pairs)
	{
		const QueuedPair *pair = lfirst(cell);
		Datum		values[10];
		bool		nulls[10] = {[8] = pair->claim_id == 0};

		set_columns(pair, values, nulls);
		values[8] = Int64GetDatum(pair->claim_id);
		values[9] = Int64GetDatum(pair->seen);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
