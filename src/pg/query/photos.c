/*
 * photos.c - the SQL function missing_photos: steps without a photo, and the photos without a step that fit best, of the
 * document or of other documents.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/xmcoh.h"
#include "query/alignment.h"
#include "query/arguments.h"
#include "query/bulk.h"
#include "query/encoded.h"
#include "source/source.h"

PG_FUNCTION_INFO_V1(xmcoh_missing_photos);

/* The columns of the result. */
enum
{
	DOCUMENT, ITEM, PROBABILITY_MISSING, CANDIDATE, PHOTO_DOCUMENT, PHOTO_ITEM, PROBABILITY, COLUMNS
};

#define CHUNK_PHOTOS 512		/* of the pool, aligned together */

/* A photo that may be the missing one. */
typedef struct Photo
{
	double		probability;
	const char *document;
	const char *item;
	const float *image;			/* of a photo of the pool */
} Photo;

/* A step without a photo. */
typedef struct BareStep
{
	xmc_item	item;			/* a copy */
	double		probability_missing;
	int32		n;
	Photo	   *photo;			/* (most candidates) by probability, the highest first */
} BareStep;

typedef struct Asked
{
	const char *key;
	int32		n;
	BareStep   *step;			/* (n) */
	bool		has_photos;		/* without a step: then those of the pool are not looked at */
	int32		n_kept;
	Photo	   *kept;			/* (n_kept) the candidates from the pool so far, for any of the steps */
} Asked;

typedef struct PhotoSearch
{
	const DeployedModel *deployed;
	MemoryContext memory;		/* of what is kept */
	MemoryContext scratch;		/* reset after each document */
	int32		most;			/* candidates of a step */
	List	   *asked;			/* Asked */
	MemoryContext chunk_memory; /* of the chunk, reset with it */
	int32		n_chunk;
	Photo		chunk[CHUNK_PHOTOS];	/* photos of the pool that show no step */
} PhotoSearch;

/* Aligns the items of a document. Allocates in CurrentMemoryContext. */
static void
align(const PhotoSearch *search, const char *key, int32 n, const xmc_item *item, Counterparts *out)
{
	const xmc_model *model = search->deployed->model;
	xmc_ctx		ctx = xmcoh_context();
	xmc_document document;
	xmc_arena	arena;

	XMCOH_TRY(xmc_document_build(&ctx, &model->options, xmcoh_tokeniser(), n, item, &document), &ctx);
	xmcoh_check_can_align(search->deployed, key, &document);
	xmc_arena_init(&arena, &ctx);
	xmcoh_find_counterparts(&arena, model, &document, out);
}

static const float *
copy_embedding(const float *from, int32 dim)
{
	return from == NULL ? NULL : memcpy(palloc(sizeof(float) * (Size) (dim + 1)), from, sizeof(float) * (Size) dim);
}

/* In CurrentMemoryContext. */
static xmc_item
copy_item(const xmc_options *options, const xmc_item *from)
{
	xmc_item	to = *from;

	to.key = pnstrdup(from->key, from->key_length);
	to.text = from->text ? pnstrdup(from->text, from->text_length) : NULL;
	to.text_embedding = copy_embedding(from->text_embedding, options->text_dim);
	to.image = copy_embedding(from->image, options->image_dim);
	return to;
}

/* Puts a photo among the candidates of a step if it is probable enough; of equals the first one stays in front. */
static void
add_photo(const PhotoSearch *search, BareStep *step, Photo photo)
{
	int32		at = 0;

	while (at < step->n && step->photo[at].probability >= photo.probability)
		at++;
	if (at == search->most)
		return;
	step->n += step->n < search->most;
	memmove(&step->photo[at + 1], &step->photo[at], sizeof(Photo) * (Size) (step->n - 1 - at));
	step->photo[at] = photo;
}

/* Whether image r of an alignment shows the step of no text. */
static bool
is_unassigned(const Counterparts *counterparts, int32 r)
{
	return counterparts->of_image[counterparts->alignment.image[r]] < 0;
}

/* ---- the documents that are asked about ---- */

static bool
visit_asked(void *arg, const SourceDocument *from)
{
	PhotoSearch *search = arg;
	const xmc_options *options = &search->deployed->model->options;
	MemoryContext caller = MemoryContextSwitchTo(search->memory);
	Asked	   *asked = palloc0(sizeof(Asked));
	Counterparts counterparts;
	const char **photo_key;		/* of images; NULL: not copied yet */

	asked->key = pstrdup(from->key);
	asked->step = palloc0(sizeof(BareStep) * (Size) (from->n + 1));
	search->asked = lappend(search->asked, asked);
	MemoryContextSwitchTo(search->scratch);
	align(search, from->key, from->n, from->item, &counterparts);
	photo_key = palloc0(sizeof(char *) * ((Size) counterparts.alignment.n_image + 1));
	for (int32 c = 0; c < counterparts.alignment.n_text; c++)
	{
		int32		text = counterparts.alignment.text[c];
		BareStep   *step = &asked->step[asked->n];

		CHECK_FOR_INTERRUPTS();
		if (counterparts.of_text[text] >= 0)
			continue;
		asked->n++;
		MemoryContextSwitchTo(search->memory);
		*step = (BareStep) {
			.item = copy_item(options, &from->item[text]),
			.probability_missing = xmcoh_counterpart_probability(&counterparts, -1, text),
			.photo = palloc(sizeof(Photo) * (Size) (search->most + 1))
		};
		for (int32 r = 0; r < counterparts.alignment.n_image; r++)
			if (is_unassigned(&counterparts, r))
			{
				int32		image = counterparts.alignment.image[r];
				const xmc_item *item = &from->item[image];

				if (photo_key[r] == NULL)
					photo_key[r] = pnstrdup(item->key, item->key_length);
				asked->has_photos = true;
				add_photo(search, step, (Photo) {
					.probability = xmcoh_counterpart_probability(&counterparts, image, text),.document = asked->key,
					.item = photo_key[r]
				});
			}
		MemoryContextSwitchTo(search->scratch);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(search->scratch);
	return true;
}

/* ---- the pool ---- */

/* In CurrentMemoryContext. */
static Photo
copy_photo(const PhotoSearch *search, Photo photo)
{
	photo.document = pstrdup(photo.document);
	photo.item = pstrdup(photo.item);
	photo.image = copy_embedding(photo.image, search->deployed->model->options.image_dim);
	return photo;
}

static void
free_photo(const Photo *photo)
{
	pfree(unconstify(char *, photo->document));
	pfree(unconstify(char *, photo->item));
	pfree(unconstify(float *, photo->image));
}

/*
 * Copies the candidates of the steps, which then outlive the chunk; a photo that several steps have is kept once. Frees those
 * that were kept before.
 */
static void
keep_candidates(const PhotoSearch *search, Asked *asked)
{
	MemoryContext caller = MemoryContextSwitchTo(search->memory);
	Photo	   *kept = palloc(sizeof(Photo) * (Size) (asked->n * search->most));
	const float **origin = palloc(sizeof(float *) * (Size) (asked->n * search->most));	/* of each kept photo: what was copied */
	int32		n_kept = 0;

	for (int32 s = 0; s < asked->n; s++)
		for (int32 c = 0; c < asked->step[s].n; c++)
		{
			Photo	   *photo = &asked->step[s].photo[c];
			double		probability = photo->probability;
			int32		k = 0;

			CHECK_FOR_INTERRUPTS();
			while (k < n_kept && origin[k] != photo->image)
				k++;
			if (k == n_kept)
			{
				origin[n_kept] = photo->image;
				kept[n_kept++] = copy_photo(search, *photo);
			}
			*photo = kept[k];
			photo->probability = probability;
		}
	for (int32 k = 0; k < asked->n_kept; k++)
		free_photo(&asked->kept[k]);
	if (asked->kept != NULL)
		pfree(asked->kept);
	pfree(origin);
	asked->kept = kept;
	asked->n_kept = n_kept;
	MemoryContextSwitchTo(caller);
}

/*
 * Aligns the steps without a photo of one document with the chunk and the candidates of earlier chunks, as if these were the
 * items of one document with nothing else. So all photos of the pool compete, and the probabilities of the last chunk's
 * alignment are comparable.
 */
static void
align_chunk(const PhotoSearch *search, Asked *asked)
{
	int32		n = asked->n_kept + search->n_chunk;
	xmc_item   *item = palloc(sizeof(xmc_item) * (Size) (asked->n + n));
	Photo	   *photo = palloc(sizeof(Photo) * (Size) n);
	Counterparts counterparts;

	if (asked->n_kept > 0)
		memcpy(photo, asked->kept, sizeof(Photo) * (Size) asked->n_kept);
	memcpy(photo + asked->n_kept, search->chunk, sizeof(Photo) * (Size) search->n_chunk);
	/* Numbers as keys, so that the items keep this order. */
	for (int32 i = 0; i < asked->n + n; i++)
	{
		item[i] = i < asked->n ? asked->step[i].item : (xmc_item) {.image = photo[i - asked->n].image};
		item[i].key = psprintf("%d", i);
		item[i].key_length = strlen(item[i].key);
	}
	align(search, asked->key, asked->n + n, item, &counterparts);
	for (int32 s = 0; s < asked->n; s++)
	{
		asked->step[s].n = 0;
		for (int32 p = 0; p < n; p++)
		{
			photo[p].probability = xmcoh_counterpart_probability(&counterparts, asked->n + p, s);
			add_photo(search, &asked->step[s], photo[p]);
		}
	}
	keep_candidates(search, asked);
}

static void
end_chunk(PhotoSearch *search)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh alignment", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	ListCell   *cell;

	foreach(cell, search->asked)
	{
		Asked	   *asked = lfirst(cell);

		CHECK_FOR_INTERRUPTS();
		if (asked->n > 0 && !asked->has_photos && search->n_chunk > 0)
			align_chunk(search, asked);
		MemoryContextReset(memory);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
	MemoryContextReset(search->chunk_memory);
	search->n_chunk = 0;
}

static bool
visit_pool(void *arg, const SourceDocument *from)
{
	PhotoSearch *search = arg;
	MemoryContext caller = MemoryContextSwitchTo(search->scratch);
	Counterparts counterparts;

	align(search, from->key, from->n, from->item, &counterparts);
	for (int32 r = 0; r < counterparts.alignment.n_image; r++)
	{
		const xmc_item *item = &from->item[counterparts.alignment.image[r]];

		if (!is_unassigned(&counterparts, r))
			continue;
		MemoryContextSwitchTo(search->chunk_memory);
		search->chunk[search->n_chunk++] = (Photo) {
			.document = pstrdup(from->key),.item = pnstrdup(item->key, item->key_length),
			.image = copy_embedding(item->image, search->deployed->model->options.image_dim)
		};
		MemoryContextSwitchTo(search->scratch);
		if (search->n_chunk == CHUNK_PHOTOS)
			end_chunk(search);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(search->scratch);
	return true;
}

/* ---- the result ---- */

static void
put_step(ReturnSetInfo *result, const char *key, const BareStep *step)
{
	Datum		values[COLUMNS] = {CStringGetTextDatum(key), CStringGetTextDatum(step->item.key)};
	bool		nulls[COLUMNS] = {false};

	values[PROBABILITY_MISSING] = Float8GetDatum(step->probability_missing);
	for (int32 p = 0; p < Max(step->n, 1); p++)
	{
		nulls[CANDIDATE] = nulls[PHOTO_DOCUMENT] = nulls[PHOTO_ITEM] = nulls[PROBABILITY] = step->n == 0;
		if (step->n > 0)
		{
			values[CANDIDATE] = Int32GetDatum(p + 1);
			values[PHOTO_DOCUMENT] = CStringGetTextDatum(step->photo[p].document);
			values[PHOTO_ITEM] = CStringGetTextDatum(step->photo[p].item);
			values[PROBABILITY] = Float8GetDatum(step->photo[p].probability);
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

Datum
xmcoh_missing_photos(PG_FUNCTION_ARGS)
{
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);
	const DocumentKeys *keys = xmcoh_wanted_documents(fcinfo, 1, 5);
	DeployedModel deployed;
	EncodedRequest wanted = {.deployed = &deployed,.keys = keys};
	PhotoSearch search = {.deployed = &deployed,.most = xmcoh_candidates_argument(fcinfo->args[2])};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	search.memory = CurrentMemoryContext;
	search.scratch = AllocSetContextCreate(CurrentMemoryContext, "xmcoh photos", ALLOCSET_DEFAULT_SIZES);
	search.chunk_memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh pool", ALLOCSET_DEFAULT_SIZES);
	wanted.options = &deployed.model->options;
	xmcoh_encoded_visit(xmcoh_source_columns(deployed.model_id, PG_ARGISNULL(4) ? InvalidOid : PG_GETARG_OID(4)), &wanted,
						visit_asked, &search);
	if (!PG_ARGISNULL(3) && search.most > 0 && search.asked != NIL)
	{
		wanted.keys = NULL;
		xmcoh_encoded_visit(xmcoh_source_columns(deployed.model_id, PG_GETARG_OID(3)), &wanted, visit_pool, &search);
		end_chunk(&search);
	}
	foreach(cell, search.asked)
	{
		const Asked *asked = lfirst(cell);

		for (int32 s = 0; s < asked->n; s++)
			put_step(result, asked->key, &asked->step[s]);
	}
	SPI_finish();
	return (Datum) 0;
}
