/*
 * fuzz_checkpoint.c - arbitrary bytes as the checkpoint of a training: the checkpoint is refused with a message, or, where
 * the damage has no effect, training continues and ends with a model that can be saved, or with an error message.
 *
 * The mutator starts with the checkpoints of a small training. Most damage gets a correct checksum, so that it passes
 * the checksum test.
 */
#include "fuzz.h"
#include "../unit/toys.h"
#include "train/checkpoint.h"
#include "xmcoh/random.h"
#include "xmcoh/hash.h"

#include <limits.h>

static long loaded;				/* number of inputs from which training continued */
static long ended;				/* number of inputs with which training ended */
static long runs_done;

typedef struct training
{
	recorder	r;				/* what toys.h expects */
	long		calls;
	long		most;			/* calls */
} training;

/* The first call is made when a checkpoint is loaded. */
static xmc_status
on_progress(void *arg, const xmc_train_progress *progress)
{
	training   *run = arg;

	MUST(progress->done <= progress->total);
	loaded += run->calls++ == 0;
	return run->calls > run->most ? XMC_STOPPED : XMC_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static toys t;
	xmc_ctx		ctx = xmc_ctx_malloc();
	training   *arg = calloc(1, sizeof *arg);
	xmc_train_hooks hooks = {.arg = arg,.shards = 1,.progress = on_progress,.read = recorder_read};
	uint8_t    *bytes = fuzz_copy(data, size);
	xmc_train_report report;
	xmc_model  *model;
	xmc_status	status;

	if (t.options.d_model == 0)
		MUST(toys_make(&ctx, &t) == XMC_OK);
	MUST(arg);
	arg->r.read = bytes;
	arg->r.read_size = size;
	/* Training to the end takes time, so it is done for one input in 25. */
	arg->most = xmc_hash_bytes(bytes, size, 0) % 25 == 0 ? LONG_MAX : 3;
	runs_done++;
	status = xmc_train(&ctx, &t.options, TOYS, t.document, t.held_out, &hooks, &model, &report);
	if (status == XMC_OK)
	{
		size_t		blob_size;

		ended++;
		MUST(report.n_rounds >= 0 && report.n_rounds <= XMC_MAX_ROUNDS);
		for (int k = 0; k < report.n_rounds; k++)
			MUST(report.round[k].pupil == XMC_TEXT || report.round[k].pupil == XMC_IMAGE);
		status = xmc_model_save(&ctx, model, NULL, &blob_size);
		MUST(status == XMC_OK || status == XMC_BAD_MODEL);
		xmc_model_free(&ctx, model);
	}
	else
		/* Finite but very large numbers overflow later, which must also be a clear error. */
		MUST(status == XMC_STOPPED || ((status == XMC_BAD_MODEL || status == XMC_CHANGED || status == XMC_BAD_INPUT) &&
									   ctx.message[0] != '\0'));
	free(bytes);
	free(arg);
	return 0;
}

/* ---- the mutator ---- */

#define ROOM 1048576			/* as fuzz.sh sets it; a whole checkpoint must fit */

static recorder original;		/* of an undamaged training */

/* Numbers near a limit. */
static const int64_t numbers[] = {-1, 0, 1, 2, 3, 7, 8, 24, 25, 48, 49, 127, 128, 255, 256, 65536, INT32_MAX, INT32_MIN, INT64_MAX,
	INT64_MIN, UINT32_MAX};
static const float floats[] = {0, -1, 1e38f, -1e38f, 1e-38f, 0.0f / 1.0f};

static size_t
damage(xmc_random *random, uint8_t *bytes, size_t size)
{
	/* Integers are at multiples of 4, most of them between the arrays: at the end, and after lengths. */
	size_t		at = xmc_random_below(random, 3) ? size - 1 - xmc_random_below(random, (uint32_t) (size < 800 ? size : 800)) :
		xmc_random_below(random, (uint32_t) size);
	int64_t		number = numbers[xmc_random_below(random, sizeof numbers / sizeof *numbers)];
	float		f = floats[xmc_random_below(random, sizeof floats / sizeof *floats)];

	switch (xmc_random_below(random, 8))
	{
		case 0:
			bytes[at] ^= (uint8_t) (1 << xmc_random_below(random, 8));
			break;
		case 1:
			bytes[at] = (uint8_t) xmc_random_next(random);
			break;
		case 2:
			at &= ~(size_t) 3;
			if (at + 8 <= size)
				memcpy(bytes + at, &number, 8);
			break;
		case 3:
			at &= ~(size_t) 3;
			if (at + 4 <= size)
				memcpy(bytes + at, &number, 4);
			break;
		case 4:
			at &= ~(size_t) 3;
			if (at + 4 <= size)
				memcpy(bytes + at, &f, 4);
			break;
		case 5:					/* the stage, with a correct header */
			{
				xmc_checkpoint_header header;
				xmc_checksum sum = {0};

				if (size < sizeof header)
					break;
				memcpy(&header, bytes, sizeof header);
				if (xmc_random_below(random, 4) == 0)
					header.stage = INT32_MAX;
				else if (xmc_random_below(random, 2))
					header.stage = (int32_t) xmc_random_below(random, 24);
				else
					header.stage = XMC_STAGE_MEASURED + (int32_t) xmc_random_below(random, XMC_TERMS + 1);
				xmc_checksum_add(&sum, &header, offsetof(xmc_checkpoint_header, checksum));
				header.checksum = xmc_checksum_end(&sum);
				memcpy(bytes, &header, sizeof header);
				break;
			}
		case 6:					/* two words are swapped */
			{
				size_t		other = xmc_random_below(random, (uint32_t) size) & ~(size_t) 3;
				uint8_t		word[4];

				at &= ~(size_t) 3;
				if (at + 4 > size || other + 4 > size)
					break;
				memcpy(word, bytes + at, 4);
				memcpy(bytes + at, bytes + other, 4);
				memcpy(bytes + other, word, 4);
				break;
			}
		default:				/* truncated, or a piece removed */
			{
				size_t		n = 1 + xmc_random_below(random, 64);

				if (at + n < size)
				{
					memmove(bytes + at, bytes + at + n, size - at - n);
					size -= n;
				}
			}
	}
	return size;
}

/* Corrects the checksum. */
static void
seal(uint8_t *bytes, size_t size)
{
	xmc_checksum sum = {0};
	uint64_t	checksum;

	xmc_checksum_add(&sum, bytes, size - 8);
	checksum = xmc_checksum_end(&sum);
	memcpy(bytes + size - 8, &checksum, 8);
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed)
{
	static uint8_t bytes[ROOM];
	xmc_random	random;
	uint32_t	acts;

	xmc_random_seed(&random, seed);
	acts = 1 + xmc_random_below(&random, 2);
	if (size < sizeof(xmc_checkpoint_header) || size > ROOM || xmc_random_below(&random, 4) == 0)
	{
		const tape *from = &original.written[xmc_random_below(&random, (uint32_t) original.n)];

		size = from->size;
		memcpy(bytes, from->bytes, size);
	}
	else
		memcpy(bytes, data, size);
	if (xmc_random_below(&random, 4) == 0)
		size = LLVMFuzzerMutate(bytes, size, ROOM);
	else
		while (acts--)
			size = damage(&random, bytes, size);
	if (size > 8 && xmc_random_below(&random, 16))
		seal(bytes, size);
	MUST(size <= room);
	memcpy(data, bytes, size);
	return size;
}

/* Damage that never passes the first checks tests nothing. */
static void
check_depth(void)
{
	fprintf(stderr, "%ld inputs: training went on from %ld, to the end from %ld\n", runs_done, loaded, ended);
	MUST(runs_done < 1000 || (loaded > runs_done / 20 && loaded < runs_done));
	recorder_free(&original);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static toys t;
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_train_hooks hooks = {.arg = &original,.shards = 1,.checkpoint_due = recorder_due,.write = recorder_write};
	xmc_train_report report;
	xmc_model  *model;

	(void) argc;
	(void) argv;
	original.is_due = true;
	MUST(toys_make(&ctx, &t) == XMC_OK);
	MUST(xmc_train(&ctx, &t.options, TOYS, t.document, t.held_out, &hooks, &model, &report) == XMC_OK);
	xmc_model_free(&ctx, model);
	toys_free(&ctx, &t);
	for (int k = 0; k < original.n; k++)
	{
		MUST(original.written[k].size <= ROOM);
		LLVMFuzzerTestOneInput(original.written[k].bytes, original.written[k].size);
	}
	MUST(loaded == original.n);	/* all undamaged inputs are checkpoints */
	return atexit(check_depth);
}
