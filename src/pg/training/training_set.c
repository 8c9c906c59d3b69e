/* training_set.c - reads the documents of a training run, samples the pool, holds documents out; see training_set.h */
#include "training/training_set.h"

#include "catalog/pg_type.h"
#include "lib/pairingheap.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/lmgr.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/statement.h"
#include "source/pairs.h"
#include "source/source.h"
#include "training/document_texts.h"

#include "xmcoh/hash.h"
#include "xmcoh/random.h"
#include "xmcoh/seen.h"
#include "xmcoh/sentences.h"
#include "xmcoh/train.h"

#define POOL_SEED UINT64_C(0x706f6f6c00000000)
#define FIRST_CAPACITY 1024

/* A document of the pool. */
typedef struct PoolDocument
{
	pairingheap_node node;		/* the highest hash comes first */
	uint64		hash;			/* of its key and the seed */
	int32		number;			/* in documents */
} PoolDocument;

/* The name of a group; its documents share the string. */
typedef struct GroupName
{
	uint64		group;			/* the hash key */
	char	   *name;
} GroupName;

/* What is only needed while documents are read. */
typedef struct Reading
{
	const WorkerJob *job;
	TrainingSet *set;			/* a key is NULL when its document has left the pool again */
	int32		capacity;		/* of set->key and set->group */
	HTAB	   *groups;			/* of GroupName */
	MemoryContext memory;		/* the set's */
	MemoryContext building;		/* one document while it is built */
	pairingheap *pool;			/* of PoolDocument; NULL: training has no use for a pool */
	int32		n_pool;
	DocumentTexts *texts;		/* to be encoded */
	Documents  *sentences;		/* texts as documents of their sentences; NULL: the model reads no words */
	int32	   *text;			/* (set->n_texts) the sample: numbers in sentences */
	xmc_random	sample;			/* decides which texts are in it */
	int64		n_sentenced;	/* texts of several sentences, in the sample or not */
	bool		all_sources;	/* the documents without approved pairs of all sources are read */
	List	   *sources;		/* else: those of these relations */
} Reading;

/* ---- the pool ----
 *
 * Its sample is the pool_documents documents with the lowest hashes: the same documents in whatever order they are read,
 * and without knowing how many there are. Documents that leave the sample again stay in the file. With a sample of k of n
 * documents, k (1 + ln(n / k)) documents are written.
 */

static int
compare_pooled(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const PoolDocument *pa = pairingheap_const_container(PoolDocument, node, a);
	const PoolDocument *pb = pairingheap_const_container(PoolDocument, node, b);

	(void) arg;
	return pa->hash != pb->hash ? (pa->hash > pb->hash ? 1 : -1) : (pa->number > pb->number) - (pa->number < pb->number);
}

static uint64
pool_hash(const TrainingSet *set, const char *key)
{
	return xmc_hash_bytes(key, strlen(key), (uint64) set->options->seed + POOL_SEED);
}

static bool
pool_takes(const Reading *reading, uint64 hash)
{
	return reading->n_pool < reading->set->options->pool_documents ||
		hash < pairingheap_container(PoolDocument, node, pairingheap_first(reading->pool))->hash;
}

/* Puts the document that is appended next into the pool. If the pool is full, the document with the highest hash leaves. */
static void
add_to_pool(Reading *reading, uint64 hash)
{
	TrainingSet *set = reading->set;
	PoolDocument *pooled;

	if (reading->n_pool < set->options->pool_documents)
	{
		pooled = MemoryContextAlloc(reading->memory, sizeof(PoolDocument));
		reading->n_pool++;
	}
	else
	{
		pooled = pairingheap_container(PoolDocument, node, pairingheap_remove_first(reading->pool));
		pfree(set->key[pooled->number]);
		set->key[pooled->number] = NULL;
	}
	pooled->hash = hash;
	pooled->number = set->documents->n;
	pairingheap_add(reading->pool, &pooled->node);
}

/* Removes the documents that have left the pool from the set. The documents must be mapped. */
static void
forget_pushed_out(TrainingSet *set)
{
	Documents  *documents = set->documents;
	int32		kept = 0;

	for (int32 d = 0; d < documents->n; d++)
		if (set->key[d] != NULL)
		{
			set->key[kept] = set->key[d];
			set->group[kept] = set->group[d];
			documents->document[kept++] = documents->document[d];
		}
	documents->n = kept;
}

/* ---- sources ---- */

/* Locks the sources against a change of their definition, so that the check of it holds until they are read. */
static void
lock_sources(const WorkerJob *job)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(job->job_id)};
	bool		is_null;
	uint64		n;

	n = execute("SELECT xmcoh_internal.object_oid(s.relation) FROM xmcoh.job_record AS j,"
				" LATERAL (SELECT d.relation FROM xmcoh.source_record AS d WHERE d.model_id = j.model_id UNION ALL"
				" SELECT p.relation FROM xmcoh.pair_source_record AS p WHERE p.model_id = j.model_id) AS s"
				" WHERE j.job_id = $1", SPI_OK_SELECT, 1, types, values, NULL);
	for (uint64 k = 0; k < n; k++)
	{
		Oid			relation = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[k], SPI_tuptable->tupdesc, 1, &is_null));

		if (!is_null)
			LockRelationOid(relation, AccessShareLock);
	}
}

/* Otherwise whoever can define a source could have the submitter's job read something else with the submitter's rights. */
void
xmcoh_check_job_sources(const WorkerJob *job)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(job->job_id)};

	lock_sources(job);
	if (execute("SELECT FROM xmcoh.job_record AS j WHERE j.job_id = $1"
				" AND xmcoh_internal.is_defined_as(j.model_id, j.source_definition)", SPI_OK_SELECT,
				1, types, values, NULL) == 0)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("the sources of the model are defined otherwise than when the job was submitted"),
				errhint("Submit the job anew."));
}

/* Which sources' documents without approved pairs the job wants. */
static void
read_pool_sources(Reading *reading)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(reading->job->job_id)};
	bool		is_null;
	MemoryContext spi;
	uint64		n;

	n = execute("SELECT j.unlabelled IS NULL, xmcoh_internal.object_oid(u) FROM xmcoh.job_record AS j"
				" LEFT JOIN unnest(j.unlabelled) AS u ON true WHERE j.job_id = $1", SPI_OK_SELECT, 1, types, values, NULL);
	reading->all_sources = DatumGetBool(first_value(1, &is_null));
	spi = MemoryContextSwitchTo(reading->memory);
	for (uint64 k = 0; k < n; k++)
	{
		Oid			relation = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[k], SPI_tuptable->tupdesc, 2, &is_null));

		if (!is_null)
			reading->sources = lappend_oid(reading->sources, relation);
	}
	MemoryContextSwitchTo(spi);
}

static bool
is_pool_source(const Reading *reading, Oid relation)
{
	return reading->set->options->pool_documents > 0 && (reading->all_sources || list_member_oid(reading->sources, relation));
}

/* ---- documents ---- */

/* The name of the document's group, kept with the set; `key` is the document's key there. */
static char *
group_name(Reading *reading, const SourceDocument *source, uint64 group, char *key)
{
	GroupName  *entry;
	bool		found;

	if (group == 0)
		return key;
	entry = hash_search(reading->groups, &group, HASH_ENTER, &found);
	if (!found)
		entry->name = MemoryContextStrdup(reading->memory, source->group);
	reading->set->has_groups = true;
	return entry->name;
}

/* ---- the order of sentences ----
 *
 * Each text with several sentences is kept as a document of them, at most XMC_MOST_TEXTS. Of more texts each has about the same
 * chance to be in the sample (Vitter 1985, algorithm R). The same texts in the same order give the same sample. Documents that
 * leave the sample again stay in the file, as those of the pool do.
 */

static void
begin_sentences(Reading *reading)
{
	xmc_options *options = palloc(sizeof(xmc_options));

	*options = xmc_sentence_options(reading->set->options);
	reading->sentences = xmcoh_documents_create(options);
	reading->text = palloc(XMC_MOST_TEXTS * sizeof(int32));
	xmc_random_seed(&reading->sample, (uint64) options->seed + POOL_SEED);
}

/* Keeps a document in place of the one at `place` of the sample, if there is one. */
static void
keep_sentences(Reading *reading, const xmc_document *document, int32 place)
{
	reading->text[place] = reading->sentences->n;
	xmcoh_documents_append(reading->sentences, document);
	reading->set->n_texts = Max(reading->set->n_texts, place + 1);
}

/* Maps the documents of sentences and gives the set those of the sample. */
static void
end_sentences(Reading *reading)
{
	TrainingSet *set = reading->set;
	Documents  *sentences = reading->sentences;

	xmcoh_documents_map(sentences);
	set->text = MemoryContextAlloc(reading->memory, Max(set->n_texts, 1) * sizeof(xmc_document));
	for (int32 k = 0; k < set->n_texts; k++)
		set->text[k] = sentences->document[reading->text[k]];
	pfree(sentences->document);
	sentences->document = NULL;
	sentences->n = 0;
	pfree(reading->text);
}

/* The texts of a document, whose order nobody has to approve. */
static void
add_sentences(Reading *reading, xmc_ctx *ctx, const SourceDocument *source)
{
	TrainingSet *set = reading->set;

	for (int32 i = 0; i < source->n; i++)
	{
		const xmc_item *item = &source->item[i];
		int32		place = set->n_texts;
		xmc_document document;

		if (item->text == NULL || !xmc_has_sentences(item->text, item->text_length))
			continue;
		CHECK_FOR_INTERRUPTS();
		reading->n_sentenced++;
		if (place == XMC_MOST_TEXTS)
			place = (int32) xmc_random_below(&reading->sample, (uint32) Min(reading->n_sentenced, PG_INT32_MAX));
		if (place >= XMC_MOST_TEXTS)
			continue;
		XMCOH_TRY(xmc_document_of_sentences(ctx, set->options, xmcoh_tokeniser(), item->text, item->text_length, &document), ctx);
		if (document.n_pairs > 0)
			keep_sentences(reading, &document, place);
		xmc_document_free(ctx, &document);
	}
}

/* Appends a document with approved pairs, or one that can be guided and for which the pool has a place. */
static void
append_document(Reading *reading, xmc_ctx *ctx, ApprovedPairs *pairs, const SourceDocument *source, uint64 hash, bool pool)
{
	TrainingSet *set = reading->set;
	xmc_document document;

	xmcoh_texts_hold_place(reading->texts, source);
	XMCOH_TRY(xmc_document_build(ctx, set->options, xmcoh_tokeniser(), source->n, source->item, &document), ctx);
	document.group = xmcoh_source_group(source);
	xmcoh_label_document(ctx, pairs, (StaleRule) set->options->stale, source, &document);
	pool = pool && xmc_can_be_guided(&document);
	if (document.n_pairs > 0 || pool)
	{
		int32		n = set->documents->n;

		if (n == reading->capacity)
		{
			reading->capacity *= 2;
			set->key = repalloc_huge(set->key, reading->capacity * sizeof(char *));
			set->group = repalloc_huge(set->group, reading->capacity * sizeof(char *));
		}
		if (pool)
			add_to_pool(reading, hash);
		set->key[n] = MemoryContextStrdup(reading->memory, source->key);
		set->group[n] = group_name(reading, source, document.group, set->key[n]);
		xmcoh_texts_add(reading->texts, source, xmcoh_documents_end(set->documents));
		xmcoh_documents_append(set->documents, &document);
	}
}

/* Takes what a document teaches: its texts, and, where it has approved pairs or the pool has a place for it, the document. */
static void
add_document(Reading *reading, xmc_ctx *ctx, ApprovedPairs *pairs, const SourceDocument *source, bool pool)
{
	uint64		hash = pool_hash(reading->set, source->key);
	bool		taught = source->approved || xmcoh_has_pairs(pairs, source->key);
	MemoryContext caller = MemoryContextSwitchTo(reading->building);

	if (reading->sentences != NULL && (taught || pool))
		add_sentences(reading, ctx, source);
	pool = pool && reading->pool != NULL && !xmcoh_is_decided(pairs, source->key) && pool_takes(reading, hash);
	if (taught || pool)
		append_document(reading, ctx, pairs, source, hash, pool);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(reading->building);
}

static int32
count_approved(const TrainingSet *set)
{
	int32		count = 0;

	for (int32 d = 0; d < set->documents->n; d++)
		count += set->documents->document[d].n_pairs > 0;
	return count;
}

/* Where approved pairs name nothing, the error says so, instead of the core's, which says that documents are missing. */
static void
refuse_ignored_pairs(const TrainingSet *set)
{
	int32		approved = count_approved(set);

	if (approved < XMC_MIN_APPROVED_DOCUMENTS && set->ignored_pairs > 0)
		ereport(ERROR,
				errcode(ERRCODE_DATA_EXCEPTION),
				errmsg("%d approved documents, %d are needed; %lld approved pairs name unknown documents or items", approved,
					   XMC_MIN_APPROVED_DOCUMENTS, (long long) set->ignored_pairs),
				errhint("The documents and items of pairs are compared with those of the sources as text."));
}

static void
keep_given_groups(MemoryContext memory, TrainingSet *set)
{
	int32		n = set->documents->n;

	set->given_group = MemoryContextAllocHuge(memory, sizeof(uint64) * (Size) Max(n, 1));
	for (int32 d = 0; d < n; d++)
		set->given_group[d] = set->documents->document[d].group;
}

/*
 * Option find_groups: documents that share an image or a long text are one group, named like the first of them. Where no
 * documents share any, all is as without the option.
 */
static void
find_groups(xmc_ctx *ctx, TrainingSet *set)
{
	Documents  *documents = set->documents;
	int32	   *leader = palloc_extended(sizeof(int32) * (Size) Max(documents->n, 1), MCXT_ALLOC_HUGE);

	XMCOH_TRY(xmc_find_groups(ctx, set->options, documents->n, documents->document, leader, &set->found), ctx);
	set->groups_found = set->found.documents > 0 || set->found.left_out > 0;
	set->has_groups |= set->groups_found;
	for (int32 d = 0; d < documents->n; d++)
		if (leader[d] != d)
		{
			xmc_document *first = &documents->document[leader[d]];

			if (first->group == 0)
				first->group = ~xmc_group_of(set->key[leader[d]], strlen(set->key[leader[d]]));
			documents->document[d].group = first->group;
			set->group[d] = set->group[leader[d]];
		}
	pfree(leader);
}

void
xmcoh_read_training_set(const WorkerJob *job, const xmc_options *options, const TrainingEncoder *encoder, TrainingSet *set)
{
	Reading		reading = {.job = job,.set = set,.capacity = FIRST_CAPACITY,.memory = CurrentMemoryContext};
	xmc_ctx		ctx = xmcoh_context();
	ApprovedPairs *pairs;
	ListCell   *cell;
	MemoryContext spi;

	*set = (TrainingSet) {.options = options};
	reading.building = AllocSetContextCreate(reading.memory, "xmcoh document", ALLOCSET_DEFAULT_SIZES);
	set->key = palloc(reading.capacity * sizeof(char *));
	set->group = palloc(reading.capacity * sizeof(char *));
	reading.groups = hash_create("xmcoh groups", FIRST_CAPACITY, &(HASHCTL) {
								 .keysize = sizeof(uint64),.entrysize = sizeof(GroupName),.hcxt = reading.memory},
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	/* As the extension's owner: which sources are read. */
	worker_begin(false);
	xmcoh_check_job_sources(job);
	read_pool_sources(&reading);

	/* As the submitter: the documents. */
	worker_become_submitter(job);
	spi = MemoryContextSwitchTo(reading.memory);
	set->documents = xmcoh_documents_create(options);
	if (options->words)
		begin_sentences(&reading);
	reading.texts = xmcoh_texts_create(options, encoder->id);
	reading.pool = xmc_wants_pool(options) ? pairingheap_allocate(compare_pooled, NULL) : NULL;
	MemoryContextSwitchTo(spi);
	pairs = xmcoh_read_pairs(job->model_id, NULL, false);
	xmcoh_refuse_cycles(pairs);
	foreach(cell, xmcoh_source_columns(job->model_id, InvalidOid))
	{
		const SourceColumns *columns = lfirst(cell);
		bool		pool = is_pool_source(&reading, columns->relation);
		SourceReader *reader = xmcoh_source_open(columns, options, NULL);
		const SourceDocument *document;

		while ((document = xmcoh_source_next(reader)) != NULL)
			add_document(&reading, &ctx, pairs, document, pool);
		xmcoh_source_close(reader);
	}
	set->ignored_pairs = xmcoh_ignored_pairs(pairs);
	set->stale_decisions = pairs->stale;
	if (reading.sentences != NULL)
		end_sentences(&reading);
	xmcoh_documents_map(set->documents);
	forget_pushed_out(set);
	keep_given_groups(reading.memory, set);
	worker_commit();
	MemoryContextDelete(reading.building);
	hash_destroy(reading.groups);
	refuse_ignored_pairs(set);
	xmcoh_texts_encode(reading.texts, set->documents, encoder->progress, encoder->arg);
	if (options->find_groups)
		find_groups(&ctx, set);
}

/* ---- holding out ---- */

void
xmcoh_hold_out(TrainingSet *set)
{
	xmc_ctx		ctx = xmcoh_context();
	Size		n = (Size) set->documents->n;
	xmc_status	status;

	set->held_out = palloc0(Max(n, 1));
	status = xmc_hold_out(&ctx, set->options, set->documents->n, set->documents->document, set->group, set->held_out,
						  &set->rule);
	if (status == XMC_BAD_INPUT)
		ereport(ERROR,
				errcode(ERRCODE_DATA_EXCEPTION),
				errmsg("%s", ctx.message),
				errhint("Attach the source with a finer group, or without one."));
	XMCOH_TRY(status, &ctx);
}
