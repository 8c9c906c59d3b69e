/*
 * fuzz_safetensors.c - arbitrary bytes as a stored model: read it, open it, and if it opens, save it and open it again.
 *
 * The mutator starts with whole models and puts most damage into the header, with a correct length, so that it passes the first
 * checks.
 */
#include "fuzz.h"
#include "model/safetensors.h"
#include "xmcoh/model.h"
#include "xmcoh/random.h"
#include "xmcoh/results.h"
#include "xmcoh/scorer.h"
#include "xmcoh/seen.h"

#include <math.h>

/* A blob that opens is a complete model: every value can be read, and the saved blob, opened and saved again, has the same bytes. */
static void
check_model(xmc_ctx *ctx, const xmc_model *model, const uint8_t *blob, size_t size)
{
	size_t		first_size = 0;
	size_t		second_size = 0;
	void	   *first;
	void	   *second;
	xmc_model  *reopened;
	xmc_found_result found;

	for (int32_t t = 0; t < model->n_tensors; t++)
	{
		const uint8_t *begin = (const uint8_t *) *model->tensor[t].slot;

		MUST(begin >= blob && (size_t) model->tensor[t].n_values * sizeof(float) <= (size_t) (blob + size - begin));
	}
	MUST(xmc_seen_find(model, "4711", 4) <= XMC_SEEN_LABELLED);
	for (int32_t r = 0; r < model->results.n; r++)
	{
		double		sum = 0;

		MUST(xmc_results_get(model, r, &found));
		for (int32_t k = 0; k < found.n_pairs; k++)
			sum += found.log_odds[k];
		MUST(!isnan(sum));
	}
	MUST(xmc_model_save(ctx, model, NULL, &first_size) == XMC_OK);
	MUST((first = malloc(first_size)) != NULL);
	MUST(xmc_model_save(ctx, model, first, &first_size) == XMC_OK);
	MUST(xmc_model_open(ctx, first, first_size, true, &reopened) == XMC_OK);
	MUST(xmc_model_save(ctx, reopened, NULL, &second_size) == XMC_OK);
	MUST(second_size == first_size && (second = malloc(second_size)) != NULL);
	MUST(xmc_model_save(ctx, reopened, second, &second_size) == XMC_OK);
	MUST(memcmp(first, second, first_size) == 0);
	xmc_release(ctx, reopened);
	free(first);
	free(second);
}

static long runs_done;
static long parsed;				/* number of inputs that were readable, and number that were models */
static long opened;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	uint8_t    *blob = fuzz_copy(data, size);	/* aligned as the format requires */
	xmc_safetensors st;
	xmc_model  *model;
	xmc_status	status;

	runs_done++;
	status = xmc_safetensors_parse(&ctx, blob, size, XMC_TENSORS_OF_MODEL, &st);
	MUST(status == XMC_OK || (status == XMC_BAD_MODEL && ctx.message[0] != '\0'));
	if (status == XMC_OK)
	{
		parsed++;
		for (int32_t t = 0; t < st.n_tensors; t++)
			MUST(xmc_safetensors_tensor(&st, st.tensor[t].name) == &st.tensor[t]);
		for (int32_t m = 0; m < st.n_metadata; m++)
			MUST(xmc_safetensors_metadata(&st, st.metadata[m].key) == st.metadata[m].value);
		status = xmc_safetensors_check_finite(&ctx, &st);
		MUST(status == XMC_OK || status == XMC_BAD_MODEL);
		xmc_safetensors_free(&ctx, &st);
	}
	ctx.message[0] = '\0';
	status = xmc_model_open(&ctx, blob, size, true, &model);
	MUST(status == XMC_OK || (status == XMC_BAD_MODEL && ctx.message[0] != '\0'));
	if (status == XMC_OK)
	{
		opened++;
		check_model(&ctx, model, blob, size);
		xmc_release(&ctx, model);
	}
	free(blob);
	return 0;
}

/* ---- the mutator ---- */

#define ROOM 262144				/* as fuzz.sh sets it; a whole model must fit */

/* A blob of every kind of part (kind 0), of words only (1), of images only (2). */
static size_t
make_seed(int kind, uint8_t blob[ROOM])
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_options options;
	xmc_model  *model;
	size_t		size = ROOM;

	xmc_options_default(&options);
	options.words = kind != 2;
	options.text_dim = kind == 0 ? 2 : 0;
	options.image_dim = kind != 1 ? 3 : 0;
	options.d_model = options.feed_forward = 8;
	options.hash_bits = options.bag_bits = 8;
	options.bag_dim = 4;
	options.align_dim = 8;
	options.bilinear_dim = 2;
	MUST(xmc_model_new(&ctx, &options, kind == 0, &model) == XMC_OK);
	if (kind == 0)
	{
		static xmc_pair pair[1];
		static int32_t feature_start[1];
		static const xmc_document document[3] = {{.n_pairs = 1,.pair = pair,.feature_start = feature_start}};
		static const xmc_result result[3] = {{.order = {[XMC_SCORE_FUSED] = {.items = 2,.tau = 1}}}};
		static const float log_odds[1] = {1.5f};
		char	   *key[3] = {"4711", "", "a"};

		MUST(xmc_seen_fill(&ctx, model, 3, document, key, (const uint8_t[3]) {0}) == XMC_OK);
		MUST(xmc_results_fill(&ctx, model, 3, document, result, log_odds, NULL) == XMC_OK);
		xmc_results_name(model, key);
	}
	MUST(xmc_model_save(&ctx, model, blob, &size) == XMC_OK);
	xmc_model_free(&ctx, model);
	return size;
}

/* Inserts a gap (by > 0) or removes one (by < 0) at a place; returns the new size. */
static size_t
shift(uint8_t *blob, size_t size, size_t at, long by)
{
	if (by > 0 && size + (size_t) by <= ROOM)
	{
		memmove(blob + at + by, blob + at, size - at);
		return size + (size_t) by;
	}
	if (by < 0 && (size_t) -by <= size - at)
	{
		memmove(blob + at, blob + at - by, size - at - (size_t) -by);
		return size - (size_t) -by;
	}
	return size;
}

/*
 * Writes the header's length so that the first check does not see the damage. Spaces keep the data aligned. Returns the
 * new size.
 */
static size_t
correct_length(uint8_t *blob, size_t size, uint64_t length)
{
	while (length % 4 && 8 + length <= size && size < ROOM)
	{
		size = shift(blob, size, 8 + (size_t) length, 1);
		blob[8 + length++] = ' ';
	}
	memcpy(blob, &length, 8);
	return size;
}

/* One change, most often in the header; the structure is changed too, with the header's length corrected. */
static size_t
damage(xmc_random *random, uint8_t *blob, size_t size)
{
	static const char *const pieces[] = {"{", "}", "[", "]", "\"", ",", ":", "\\u0000", "\\ud800", "0", "9007199254740993", "-1",
		"1e9", "null", "[[[[[[[[", "{\"a\":{", "\"F16\"", "\xff", "\xc3\xa9", "4294967296", " ", "\n", "__metadata__", "nan", "1e308"};
	uint64_t	length = 0;
	size_t		header_end;
	size_t		at;
	long		by = 0;

	if (size < 16)
		return size;
	memcpy(&length, blob, 8);
	header_end = length <= size - 8 ? 8 + (size_t) length : size;
	at = xmc_random_below(random, 8) ? 8 + xmc_random_below(random, (uint32_t) (header_end - 8) + 1) :
		xmc_random_below(random, (uint32_t) size);
	if (at >= size)
		at = size - 1;
	switch (xmc_random_below(random, 9))
	{
		case 0:					/* a bit */
			blob[at] ^= (uint8_t) (1 << xmc_random_below(random, 8));
			break;
		case 1:					/* a byte */
			blob[at] = (uint8_t) xmc_random_next(random);
			break;
		case 2:					/* another digit in place of one */
			for (size_t k = at; k < header_end; k++)
				if (blob[k] >= '0' && blob[k] <= '9')
				{
					blob[k] = (uint8_t) ('0' + xmc_random_below(random, 10));
					break;
				}
			break;
		case 3:					/* a piece overwritten */
		case 4:					/* or inserted */
			{
				const char *piece = pieces[xmc_random_below(random, sizeof pieces / sizeof pieces[0])];
				size_t		n = strlen(piece);

				if (xmc_random_below(random, 2))
					size = shift(blob, size, at, by = (long) n);
				if (n <= size - at)
					memcpy(blob + at, piece, n);
				break;
			}
		case 5:					/* some bytes removed */
			by = -(long) (1 + xmc_random_below(random, 40));
			size = shift(blob, size, at, by);
			break;
		case 6:					/* some bytes duplicated */
			{
				size_t		n = 1 + xmc_random_below(random, 80);

				if (n <= size - at && size + n <= ROOM)
				{
					by = (long) n;
					size = shift(blob, size, at, by);
				}
				break;
			}
		case 7:					/* the end truncated, or garbage appended */
			if (xmc_random_below(random, 2))
				size -= 1 + xmc_random_below(random, 8);
			else if (size + 4 <= ROOM)
			{
				memcpy(blob + size, "\0\0\300\177", 4);
				size += 4;
			}
			break;
		default:				/* the length */
			length = xmc_random_below(random, 2) ? xmc_random_next(random) : length + xmc_random_below(random, 9) - 4;
			memcpy(blob, &length, 8);
	}
	if (by && xmc_random_below(random, 4))
		size = correct_length(blob, size, length + (uint64_t) by);
	return size;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed)
{
	static uint8_t blob[ROOM];
	xmc_random	random;
	uint32_t	acts;

	xmc_random_seed(&random, seed);
	acts = 1 + xmc_random_below(&random, 3);
	if (size < 16 || size > ROOM || xmc_random_below(&random, 4) == 0)
		size = make_seed((int) xmc_random_below(&random, 3), blob);
	else
		memcpy(blob, data, size);
	if (xmc_random_below(&random, 4) == 0)
		size = LLVMFuzzerMutate(blob, size, ROOM);
	else
		while (acts--)
			size = damage(&random, blob, size);
	MUST(size <= room);
	memcpy(data, blob, size);
	return size;
}

/* Damage that never passes the first checks tests nothing. */
static void
check_depth(void)
{
	fprintf(stderr, "%ld inputs: %ld readable, %ld models\n", runs_done, parsed, opened);
	MUST(runs_done < 1000 || (parsed > runs_done / 50 && opened > runs_done / 500 && opened < parsed));
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static uint8_t blob[ROOM];

	(void) argc;
	(void) argv;
	for (int kind = 0; kind < 3; kind++)
		LLVMFuzzerTestOneInput(blob, make_seed(kind, blob));
	MUST(opened == 3);			/* the undamaged inputs are models */
	return atexit(check_depth);
}
