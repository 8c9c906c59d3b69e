/*
 * model_words.c - the SQL function model_words: the words that move a step to the front or to the back most.
 *
 * A model holds hashed weights and no words. So the words come from the texts of its sources. The texts are read twice, that
 * memory need not grow with their vocabulary: first to choose buckets of the table of weights, then to name their features.
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/xmcoh.h"
#include "query/arguments.h"
#include "query/bulk.h"
#include "query/phrases.h"

#include "xmcoh/explain.h"

PG_FUNCTION_INFO_V1(xmcoh_model_words);

/*
 * A word is ranked by the sum of its effects divided by its number of items and this number more, in which it has none. So a
 * word of few items, of which the model has learned little, does not come first.
 */
#define UNSEEN_ITEMS 10

#define BUCKETS_PER_ROW 4		/* that are chosen in the first reading: some of them hold features of several texts */

/* What the items of a bucket or of a feature add up to. */
typedef struct Effects
{
	int64		items;
	double		sum;			/* of log-odds towards the back */
} Effects;

/* A feature in a chosen bucket. */
typedef struct Word
{
	uint32		feature;		/* the key of the hash table */
	char	   *name;			/* NULL until a text has named it */
	Effects		effects;
} Word;

typedef struct WordCount
{
	const xmc_model *model;
	MemoryContext memory;		/* of one document */
	MemoryContext names;
	Effects    *bucket;			/* (2^hash_bits) first reading */
	bool	   *is_chosen;		/* (2^hash_bits) second reading */
	HTAB	   *words;			/* second reading */
} WordCount;

static double
rank_of(const Effects *effects)
{
	return effects->sum / (double) (effects->items + UNSEEN_ITEMS);
}

/* Whether the feature is a word, and not how a text begins or how long it is. */
static bool
is_word(uint32 feature)
{
	switch (xmc_feature_kind_of(feature))
	{
		case XMC_FEATURE_WORD:
		case XMC_FEATURE_BIGRAM:
		case XMC_FEATURE_CHARACTERS:
		case XMC_FEATURE_STEM:
			return true;
		default:
			return false;
	}
}

static void
add_effect(Effects *effects, double effect)
{
	effects->items++;
	effects->sum += effect;
}

/* A visitor of xmc_text_visit: names the chosen features that have no name yet. */
static void
name_word(void *arg, xmc_feature_kind kind, const char *term, size_t term_length, uint64_t hash)
{
	const WordCount *count = arg;
	uint32		feature = xmc_feature_value(kind, hash);
	Word	   *word = count->is_chosen[feature >> (32 - count->model->options.hash_bits)]
		? hash_search(count->words, &feature, HASH_FIND, NULL) : NULL;

	if (word == NULL || word->name != NULL)
		return;
	word->name = MemoryContextStrdup(count->names, xmcoh_feature_name(kind, term, term_length));
}

static void
count_item(WordCount *count, const xmc_item *item)
{
	int			shift = 32 - count->model->options.hash_bits;
	xmc_ctx		ctx = xmcoh_context();
	uint32_t   *feature;
	int32_t		n;
	double	   *effect;
	bool		is_nameless = false;

	XMCOH_TRY(xmc_text_features(&ctx, xmcoh_tokeniser(), item->text, item->text_length, &feature, &n, NULL, NULL), &ctx);
	effect = palloc_extended(sizeof(double) * ((Size) n + 1), MCXT_ALLOC_HUGE);
	xmc_word_effects(count->model, n, feature, effect);
	for (int32 k = 0; k < n; k++)
	{
		uint32		bucket = feature[k] >> shift;
		bool		found;
		Word	   *word;

		if (!is_word(feature[k]) || effect[k] == 0)
			continue;
		if (count->words == NULL)
			add_effect(&count->bucket[bucket], effect[k]);
		else if (count->is_chosen[bucket])
		{
			word = hash_search(count->words, &feature[k], HASH_ENTER, &found);
			if (!found)
			{
				word->name = NULL;
				word->effects = (Effects) {0};
				is_nameless = true;
			}
			add_effect(&word->effects, effect[k]);
		}
	}
	if (is_nameless)
		XMCOH_TRY(xmc_text_visit(&ctx, xmcoh_tokeniser(), item->text, item->text_length, name_word, count), &ctx);
}

static bool
count_document(void *arg, const SourceDocument *document)
{
	WordCount  *count = arg;
	MemoryContext caller = MemoryContextSwitchTo(count->memory);

	for (int32 i = 0; i < document->n; i++)
		if (document->item[i].text != NULL)
		{
			count_item(count, &document->item[i]);
			MemoryContextReset(count->memory);
		}
	MemoryContextSwitchTo(caller);
	return true;
}

/* For qsort: ascending. */
static int
compare_ranks(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	CHECK_FOR_INTERRUPTS();
	return (x > y) - (x < y);
}

/* Marks the buckets that move most, `most` for each direction. */
static void
choose_buckets(WordCount *count, int64 most)
{
	int64		n = INT64CONST(1) << count->model->options.hash_bits;
	double	   *rank = palloc_extended(sizeof(double) * (Size) n, MCXT_ALLOC_HUGE);
	int64		used = 0;

	for (int64 b = 0; b < n; b++)
		if (count->bucket[b].items > 0)
			rank[used++] = rank_of(&count->bucket[b]);
	count->is_chosen = palloc_extended((Size) n, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (used > 0)
	{
		double		front;
		double		back;

		qsort(rank, (size_t) used, sizeof(double), compare_ranks);
		front = rank[Min(most, used) - 1];
		back = rank[used - Min(most, used)];
		for (int64 b = 0; b < n; b++)
			count->is_chosen[b] = count->bucket[b].items > 0 &&
				(rank_of(&count->bucket[b]) <= front || rank_of(&count->bucket[b]) >= back);
	}
	pfree(rank);
}

/* For qsort: from the front to the back. */
static int
compare_words(const void *a, const void *b)
{
	const Word *x = *(Word *const *) a;
	const Word *y = *(Word *const *) b;
	double		x_rank = rank_of(&x->effects);
	double		y_rank = rank_of(&y->effects);

	CHECK_FOR_INTERRUPTS();
	if (x_rank != y_rank)
		return x_rank < y_rank ? -1 : 1;
	return (x->feature > y->feature) - (x->feature < y->feature);
}

/* The rows of one direction, the word that moves most first. */
static void
put_words(const ReturnSetInfo *result, bool back, int32 n, int64 n_words, Word *const *word)
{
	for (int32 k = 0; k < n && k < n_words; k++)
	{
		const Word *w = word[back ? n_words - 1 - k : k];
		Datum		values[5];
		bool		nulls[5] = {false};

		if ((w->effects.sum > 0) != back)
			break;
		values[0] = CStringGetTextDatum(back ? "back" : "front");
		values[1] = Int32GetDatum(k + 1);
		values[2] = CStringGetTextDatum(w->name);
		values[3] = Float8GetDatum(w->effects.sum / (double) w->effects.items);
		values[4] = Int64GetDatum(w->effects.items);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

static void
put_all_words(const ReturnSetInfo *result, const WordCount *count, int32 n)
{
	int64		n_words = 0;
	Word	  **word = palloc_extended(sizeof(Word *) * ((Size) hash_get_num_entries(count->words) + 1), MCXT_ALLOC_HUGE);
	HASH_SEQ_STATUS scan;
	Word	   *next;

	hash_seq_init(&scan, count->words);
	while ((next = hash_seq_search(&scan)) != NULL)
		word[n_words++] = next;
	qsort(word, (size_t) n_words, sizeof(Word *), compare_words);
	put_words(result, false, n, n_words, word);
	put_words(result, true, n, n_words, word);
}

/* model_words(model, n, source) */
Datum
xmcoh_model_words(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);
	int32		n = xmcoh_count_argument(fcinfo->args[1], "n", 0, XMCOH_MOST_LISTED, 20);
	Oid			source = PG_ARGISNULL(2) ? InvalidOid : PG_GETARG_OID(2);
	HASHCTL		info = {.keysize = sizeof(uint32),.entrysize = sizeof(Word)};
	DeployedModel deployed;
	WordCount	count = {0};

	InitMaterializedSRF(fcinfo, 0);
	deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	if (!deployed.model->options.words)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("model \"%s\" does not read words", text_to_cstring(model)),
				errhint("A model reads words if it is created with words => true."));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	count.model = deployed.model;
	count.names = CurrentMemoryContext;
	count.memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh words of a document", ALLOCSET_DEFAULT_SIZES);
	count.bucket = palloc_extended(sizeof(Effects) << deployed.model->options.hash_bits, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	xmcoh_source_visit(xmcoh_bulk_sources(deployed.model_id, source), &deployed.model->options, NULL, count_document, &count);
	choose_buckets(&count, (int64) n * BUCKETS_PER_ROW + 1);
	info.hcxt = CurrentMemoryContext;
	count.words = hash_create("xmcoh words", 1024, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	xmcoh_source_visit(xmcoh_source_columns(deployed.model_id, source), &deployed.model->options, NULL, count_document, &count);
	put_all_words(result, &count, n);
	SPI_finish();
	return (Datum) 0;
}
