/*
 * gaps.c - the SQL function missing_steps: where in the stored order of a document a step is probably missing, and steps of
 * approved documents that stand between similar neighbours.
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/xmcoh.h"
#include "query/arguments.h"
#include "query/bulk.h"
#include "query/encoded.h"
#include "source/pairs.h"
#include "source/source.h"

#include "xmcoh/decided.h"
#include "xmcoh/gap.h"

PG_FUNCTION_INFO_V1(xmcoh_missing_steps);

#define SAME_STEP 0.999			/* a cosine from which on two steps are the same */

/* The columns of the result. */
enum
{
	DOCUMENT, AFTER_ITEM, BEFORE_ITEM, PROBABILITY, SCORE, REASON, CANDIDATE, SIMILARITY, CANDIDATE_DOCUMENT, CANDIDATE_ITEM,
	CANDIDATE_TEXT, COLUMNS
};

/* A step that may be the missing one. */
typedef struct Candidate
{
	double		similarity;
	const char *document;
	const char *item;
	const char *text;			/* in UTF-8; NULL: it has none */
} Candidate;

/* A place of the document that is asked about. */
typedef struct Place
{
	int32		number;			/* of the place: before step `number` */
	double		score;
	double		probability;
	int32		n;
	Candidate  *candidate;		/* (most candidates) by similarity, the highest first */
} Place;

typedef struct Asked
{
	const char *key;
	xmc_steps	steps;
	const char **step;			/* (steps.n) keys of the steps */
	Place	   *place;			/* (steps.n + 1); none without steps */
	int32		n_places;
} Asked;

typedef struct GapSearch
{
	const xmc_model *model;
	MemoryContext memory;		/* of what is kept */
	MemoryContext scratch;		/* reset after each document */
	const ApprovedPairs *approved;
	int32		most;			/* candidates of a place */
	List	   *asked;			/* Asked */
} GapSearch;

/* ---- the documents that are asked about ---- */

/* The steps of a document in their stored order, allocated in the arena. */
static void
read_steps(const GapSearch *search, const SourceDocument *from, xmc_arena *arena, xmc_steps *steps)
{
	xmc_document document;

	XMCOH_TRY(xmc_document_build(arena->ctx, &search->model->options, xmcoh_tokeniser(), from->n, from->item, &document),
			  arena->ctx);
	XMCOH_TRY(xmc_steps_read(arena, search->model, &document, from->n_placed, from->order, steps), arena->ctx);
	xmc_document_free(arena->ctx, &document);
}

/* The arena is not freed: it goes with the memory context. */
static bool
visit_asked(void *arg, const SourceDocument *document)
{
	GapSearch  *search = arg;
	MemoryContext caller = MemoryContextSwitchTo(search->memory);
	xmc_ctx		ctx = xmcoh_context();
	Asked	   *asked = palloc0(sizeof(Asked));
	xmc_arena	arena;
	double	   *score;
	double	   *probability;

	xmc_arena_init(&arena, &ctx);
	asked->key = pstrdup(document->key);
	read_steps(search, document, &arena, &asked->steps);
	asked->n_places = asked->steps.n > 0 ? asked->steps.n + 1 : 0;
	asked->step = palloc(sizeof(char *) * (Size) (asked->steps.n + 1));
	for (int32 k = 0; k < asked->steps.n; k++)
	{
		const xmc_item *item = &document->item[asked->steps.item[k]];

		asked->step[k] = pnstrdup(item->key, item->key_length);
	}
	score = palloc(sizeof(double) * (Size) (asked->n_places + 1));
	probability = palloc(sizeof(double) * (Size) (asked->n_places + 1));
	XMCOH_TRY(xmc_gap_score(&ctx, search->model, &asked->steps, score, probability), &ctx);
	asked->place = palloc0(sizeof(Place) * (Size) (asked->n_places + 1));
	for (int32 k = 0; k < asked->n_places; k++)
		asked->place[k] = (Place) {
			.number = k,.score = score[k],.probability = probability[k],
			.candidate = palloc(sizeof(Candidate) * (Size) (search->most + 1))
		};
	search->asked = lappend(search->asked, asked);
	MemoryContextSwitchTo(caller);
	return true;
}

/* ---- candidates ---- */

/* A filter: whether the stored order of a document is approved: by its source, or because each pair of neighbours was decided so. */
static bool
is_approved(void *arg, const SourceDocument *document)
{
	const GapSearch *search = arg;
	xmc_ctx		ctx = xmcoh_context();
	MemoryContext caller;
	const uint8 *decided;
	bool		approved;
	bool		stale;

	if (document->approved)
		return true;
	if (document->n_placed < 2)
		return false;
	caller = MemoryContextSwitchTo(search->scratch);
	decided = xmcoh_decided(&ctx, search->approved, STALE_UNCHANGED, document, &stale);
	approved = decided != NULL;
	for (int32 k = 0; approved && k + 1 < document->n_placed; k++)
		approved = decided[(int64) document->order[k] * document->n + document->order[k + 1]] == XMC_DECIDED_BEFORE;
	MemoryContextSwitchTo(caller);
	MemoryContextReset(search->scratch);
	return approved;
}

static bool
same_text(const char *a, const xmc_item *b)
{
	return a != NULL && b->text != NULL && strlen(a) == b->text_length && memcmp(a, b->text, b->text_length) == 0;
}

static void
free_candidate(const Candidate *candidate)
{
	pfree(unconstify(char *, candidate->document));
	pfree(unconstify(char *, candidate->item));
	if (candidate->text != NULL)
		pfree(unconstify(char *, candidate->text));
}

/* Puts a step among the candidates of a place if it is similar enough. Of equal texts the first of the most similar stays. */
static void
add_candidate(const GapSearch *search, Place *place, double similarity, const SourceDocument *document, const xmc_item *item)
{
	int32		at = 0;			/* where it belongs */
	int32		n = place->n;	/* so far */
	int32		last = n;		/* what it replaces */
	MemoryContext caller;

	while (at < place->n && place->candidate[at].similarity >= similarity)
		if (same_text(place->candidate[at++].text, item))
			return;
	if (at == search->most)
		return;
	for (int32 k = at; k < place->n; k++)
		if (same_text(place->candidate[k].text, item))
			last = k;
	if (last == place->n)
	{
		if (place->n == search->most)
			last--;
		else
			place->n++;
	}
	if (last < n)
		free_candidate(&place->candidate[last]);
	memmove(&place->candidate[at + 1], &place->candidate[at], sizeof(Candidate) * (Size) (last - at));
	caller = MemoryContextSwitchTo(search->memory);
	place->candidate[at] = (Candidate) {
		.similarity = similarity,.document = pstrdup(document->key),.item = pnstrdup(item->key, item->key_length),
		.text = item->text ? pnstrdup(item->text, item->text_length) : NULL
	};
	MemoryContextSwitchTo(caller);
}

/* The steps of an approved document as candidates for one document, unless it has them already. */
static void
compare(const GapSearch *search, Asked *asked, const SourceDocument *document, const xmc_steps *steps)
{
	xmc_ctx		ctx = xmcoh_context();
	int32		n = asked->steps.n;
	float	   *cosine = palloc(sizeof(float) * (Size) n * (Size) steps->n);

	XMCOH_TRY(xmc_steps_compare(&ctx, &asked->steps, steps, cosine), &ctx);
	for (int32 c = 0; c < steps->n; c++)
	{
		bool		is_there = false;

		CHECK_FOR_INTERRUPTS();
		for (int32 k = 0; k < n; k++)
			is_there |= cosine[(int64) k * steps->n + c] > SAME_STEP;
		for (int32 k = 0; k <= n && !is_there; k++)
			add_candidate(search, &asked->place[k], xmc_gap_fit(cosine, n, k, steps->n, c), document,
						  &document->item[steps->item[c]]);
	}
	pfree(cosine);
}

static bool
visit_approved(void *arg, const SourceDocument *document)
{
	GapSearch  *search = arg;
	MemoryContext caller = MemoryContextSwitchTo(search->scratch);
	xmc_ctx		ctx = xmcoh_context();
	xmc_arena	arena;
	xmc_steps	steps;
	ListCell   *cell;

	xmc_arena_init(&arena, &ctx);
	read_steps(search, document, &arena, &steps);
	foreach(cell, search->asked)
	{
		Asked	   *asked = lfirst(cell);

		if (asked->n_places > 0 && steps.n > 0 && strcmp(asked->key, document->key) != 0)
			compare(search, asked, document, &steps);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(search->scratch);
	return true;
}

/* ---- the result ---- */

/* The highest probability first, then places without one, each by the stored order. */
static int
compare_places(const void *a, const void *b)
{
	const Place *x = a;
	const Place *y = b;

	if (isnan(x->probability) != isnan(y->probability))
		return isnan(x->probability) ? 1 : -1;
	if (!isnan(x->probability) && x->probability != y->probability)
		return x->probability > y->probability ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

/* Why a place has no probability; NULL: it has one. */
static const char *
reason_of(const xmc_model *model, xmc_gap_kind kind)
{
	xmc_interval auroc;

	if (xmc_gap_is_told(model, kind))
		return NULL;
	if (!xmc_gap_is_measured(model, kind))
		return "not measured";
	auroc = xmc_gap_auroc(model, kind);
	return psprintf("cannot tell: AUROC %.2f [%.2f, %.2f]", auroc.mean, auroc.low, auroc.high);
}

static void
put_place(ReturnSetInfo *result, const xmc_model *model, const Asked *asked, const Place *place)
{
	const char *reason = reason_of(model, xmc_gap_kind_of(asked->steps.n, place->number));
	Datum		values[COLUMNS] = {CStringGetTextDatum(asked->key)};
	bool		nulls[COLUMNS] = {false};

	nulls[AFTER_ITEM] = place->number == 0;
	if (!nulls[AFTER_ITEM])
		values[AFTER_ITEM] = CStringGetTextDatum(asked->step[place->number - 1]);
	nulls[BEFORE_ITEM] = place->number == asked->steps.n;
	if (!nulls[BEFORE_ITEM])
		values[BEFORE_ITEM] = CStringGetTextDatum(asked->step[place->number]);
	nulls[PROBABILITY] = isnan(place->probability);
	values[PROBABILITY] = Float8GetDatum(place->probability);
	nulls[SCORE] = isnan(place->score);
	values[SCORE] = Float8GetDatum(place->score);
	nulls[REASON] = reason == NULL;
	if (reason != NULL)
		values[REASON] = CStringGetTextDatum(reason);
	for (int32 c = 0; c < Max(place->n, 1); c++)
	{
		const Candidate *candidate = &place->candidate[c];
		bool		none = place->n == 0;

		CHECK_FOR_INTERRUPTS();
		nulls[CANDIDATE] = nulls[SIMILARITY] = nulls[CANDIDATE_DOCUMENT] = nulls[CANDIDATE_ITEM] = none;
		nulls[CANDIDATE_TEXT] = none || candidate->text == NULL;
		if (!none)
		{
			values[CANDIDATE] = Int32GetDatum(c + 1);
			values[SIMILARITY] = Float8GetDatum(candidate->similarity);
			values[CANDIDATE_DOCUMENT] = CStringGetTextDatum(candidate->document);
			values[CANDIDATE_ITEM] = CStringGetTextDatum(candidate->item);
		}
		if (!nulls[CANDIDATE_TEXT])
			values[CANDIDATE_TEXT] = CStringGetTextDatum(pg_any_to_server(candidate->text, (int) strlen(candidate->text), PG_UTF8));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

Datum
xmcoh_missing_steps(PG_FUNCTION_ARGS)
{
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);
	const DocumentKeys *keys = xmcoh_wanted_documents(fcinfo, 1, 4);
	GapSearch	search = {.most = xmcoh_candidates_argument(fcinfo->args[2])};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	DeployedModel deployed;
	EncodedRequest wanted = {.deployed = &deployed,.keys = keys};
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	search.model = deployed.model;
	wanted.options = &deployed.model->options;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	search.memory = CurrentMemoryContext;
	search.scratch = AllocSetContextCreate(CurrentMemoryContext, "xmcoh gaps", ALLOCSET_DEFAULT_SIZES);
	/* first, since reading relations of pairs may run code that changes what the sources are */
	if (search.most > 0)
		search.approved = xmcoh_read_pairs(deployed.model_id, NULL, true);
	xmcoh_encoded_visit(xmcoh_source_columns(deployed.model_id, PG_ARGISNULL(3) ? InvalidOid : PG_GETARG_OID(3)), &wanted,
						visit_asked, &search);
	wanted.keys = NULL;
	wanted.filter = is_approved;
	wanted.arg = &search;
	if (search.most > 0 && search.asked != NIL)
		xmcoh_encoded_visit(xmcoh_source_columns(deployed.model_id, InvalidOid), &wanted, visit_approved, &search);
	foreach(cell, search.asked)
	{
		Asked	   *asked = lfirst(cell);

		qsort(asked->place, (size_t) asked->n_places, sizeof(Place), compare_places);
		for (int32 k = 0; k < asked->n_places; k++)
			put_place(result, deployed.model, asked, &asked->place[k]);
	}
	SPI_finish();
	return (Datum) 0;
}
