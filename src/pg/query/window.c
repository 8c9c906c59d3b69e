/*
 * window.c - the window function recovered_position: the place of each row in the recovered order of its partition.
 *
 * The whole partition is scored at its first row; further rows look their places up.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "windowapi.h"

#include "base/xmcoh.h"
#include "model/weights.h"
#include "query/arguments.h"
#include "query/item_input.h"
#include "query/scored_document.h"

PG_FUNCTION_INFO_V1(xmcoh_recovered_position);

/* The places of one partition; PostgreSQL zeroes it when the partition begins. */
typedef struct PartitionPlaces
{
	bool		ready;
	int32		place[FLEXIBLE_ARRAY_MEMBER];	/* (rows) from 1, by row of the partition; 0: the row has no place */
} PartitionPlaces;

/* What one call site keeps between calls. */
typedef struct WindowSite
{
	ModelLookup lookup;
	InputNotices notices;
} WindowSite;

typedef struct PartitionRow
{
	int32		row;
	ItemInput	input;
} PartitionRow;

static NullableDatum
row_argument(WindowObject window, int argument, int32 row)
{
	NullableDatum result = {.isnull = true};
	bool		is_out;

	result.value = WinGetFuncArgInPartition(window, argument, row, WINDOW_SEEK_HEAD, false, &result.isnull, &is_out);
	return result;
}

static int
compare_bytes(const void *a, int64 a_size, const void *b, int64 b_size)
{
	int			sign;

	if (a_size < 0 || b_size < 0)	/* NULL first */
		return (a_size >= 0) - (b_size >= 0);
	sign = memcmp(a, b, (size_t) Min(a_size, b_size));
	return sign != 0 ? sign : (a_size > b_size) - (a_size < b_size);
}

static int64
float_bytes(int32 length)
{
	return length < 0 ? -1 : (int64) length * (int64) sizeof(float);
}

/*
 * Rows have no key here, so they are sorted by their inputs: ties then do not depend on the order in which the rows came.
 * Rows with equal inputs have equal scores and may change places.
 */
static int
compare_rows(const void *a, const void *b)
{
	const PartitionRow *left = a;
	const PartitionRow *right = b;
	const ItemInput *x = &left->input;
	const ItemInput *y = &right->input;
	int			sign = compare_bytes(x->text, x->text_length, y->text, y->text_length);

	if (sign == 0)
		sign = compare_bytes(x->image, float_bytes(x->image_length), y->image, float_bytes(y->image_length));
	if (sign == 0)
		sign = compare_bytes(x->embedding, float_bytes(x->embedding_length), y->embedding,
							 float_bytes(y->embedding_length));
	return sign != 0 ? sign : (left->row > right->row) - (left->row < right->row);
}

/* A copy; the datum of a row lives only until the next row is fetched. */
static const void *
kept(const void *bytes, int64 size)
{
	return size < 0 ? NULL : memcpy(palloc((Size) size + 1), bytes, (size_t) size);
}

/* Reads the `n` rows of the partition; gives the model's name and the kind of score, which must be the same in all rows. */
static PartitionRow *
read_rows(WindowObject window, int n_arguments, int32 n, text **model, xmc_score_kind *kind)
{
	static const NullableDatum absent = {.isnull = true};
	PartitionRow *row = palloc(sizeof(PartitionRow) * (Size) (n + 1));

	*model = NULL;
	*kind = XMC_SCORE_FUSED;
	for (int32 r = 0; r < n; r++)
	{
		ItemInput	one;
		xmc_score_kind kind_of_row;
		ItemInput  *input = &row[r].input;
		NullableDatum name = row_argument(window, 0, r);

		CHECK_FOR_INTERRUPTS();
		/* the model, the same in all rows */
		if (*model == NULL)
			*model = DatumGetTextPCopy(PointerGetDatum(xmcoh_model_argument(name)));
		else
		{
			text	   *other = xmcoh_model_argument(name);

			if (compare_bytes(VARDATA_ANY(*model), VARSIZE_ANY_EXHDR(*model), VARDATA_ANY(other),
							  VARSIZE_ANY_EXHDR(other)) != 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("model must be the same for all rows of a document"),
						 errdetail("Got \"%s\" and \"%s\".", text_to_cstring(*model), text_to_cstring(other))));
		}

		/* the inputs, each copied before the next argument is fetched */
		row[r].row = r;
		xmcoh_item_input_read(row_argument(window, 1, r), absent, absent, NULL, NULL, input);
		input->text = kept(input->text, input->text_length);
		xmcoh_item_input_read(absent, row_argument(window, 2, r), absent, NULL, NULL, &one);
		input->image = kept(one.image, float_bytes(one.image_length));
		input->image_length = one.image_length;
		if (n_arguments <= 3)
			continue;
		xmcoh_item_input_read(absent, absent, row_argument(window, 3, r), NULL, NULL, &one);
		input->embedding = kept(one.embedding, float_bytes(one.embedding_length));
		input->embedding_length = one.embedding_length;
		if (n_arguments <= 4)
			continue;
		/* the kind of score, the same in all rows */
		kind_of_row = xmcoh_score_kind_argument(row_argument(window, 4, r));
		if (r > 0 && kind_of_row != *kind)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("evidence must be the same for all rows of a document"),
					 errdetail("Got \"%s\" and \"%s\".", xmcoh_score_kind_name(*kind),
							   xmcoh_score_kind_name(kind_of_row))));
		*kind = kind_of_row;
	}
	return row;
}

static void
place_rows(FunctionCallInfo fcinfo, WindowObject window, int32 n, int32 *place)
{
	WindowSite *site = fcinfo->flinfo->fn_extra;
	xmc_item   *item = palloc(sizeof(xmc_item) * (Size) (n + 1));
	int32	   *order = palloc(sizeof(int32) * (Size) (n + 1));
	const DeployedModel *deployed;
	PartitionRow *row;
	ScoredDocument scored;
	text	   *model;
	xmc_score_kind kind;
	int32		m;

	if (site == NULL)
		site = fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(WindowSite));
	row = read_rows(window, PG_NARGS(), n, &model, &kind);
	deployed = xmcoh_lookup_deployed(&site->lookup, fcinfo->flinfo->fn_mcxt, VARDATA_ANY(model),
									 VARSIZE_ANY_EXHDR(model), false);
	qsort(row, n, sizeof(PartitionRow), compare_rows);
	for (int32 i = 0; i < n; i++)
	{
		char	   *number = psprintf("%d", i);

		xmcoh_item_of_input(&row[i].input, deployed, number, strlen(number), false, &item[i]);
	}
	xmcoh_score_items(deployed, n, item, &scored);
	xmcoh_notice_missing_input(deployed, PG_NARGS() > 3, kind, &scored.document, &site->notices);
	m = xmcoh_decode_scores(&scored.document, &scored.scores, kind, NULL, order);
	memset(place, 0, sizeof(int32) * (Size) n);
	for (int32 k = 0; k < m; k++)
		place[row[order[k]].row] = k + 1;
}

Datum
xmcoh_recovered_position(PG_FUNCTION_ARGS)
{
	WindowObject window = PG_WINDOW_OBJECT();
	int64		n = WinGetPartitionRowCount(window);
	PartitionPlaces *places;

	xmcoh_check_item_count(n);
	places = WinGetPartitionLocalMemory(window, offsetof(PartitionPlaces, place) + sizeof(int32) * (Size) n);
	if (!places->ready)
	{
		/* The texts and images of the whole partition are freed here, at once. */
		MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "xmcoh partition", ALLOCSET_DEFAULT_SIZES);
		MemoryContext before = MemoryContextSwitchTo(scratch);

		place_rows(fcinfo, window, (int32) n, places->place);
		MemoryContextSwitchTo(before);
		MemoryContextDelete(scratch);
		places->ready = true;
	}
	if (places->place[WinGetCurrentPosition(window)] == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(places->place[WinGetCurrentPosition(window)]);
}
