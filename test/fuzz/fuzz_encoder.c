/*
 * fuzz_encoder.c - hostile files of text encoders: a stored file is opened and used, published files are compiled.
 *
 * The first byte of an input says which file the rest is (KINDS); the other published files are sound. The mutator starts
 * with sound files and damages numbers, names and bytes; headers keep a correct length, so that damage passes the first
 * checks.
 */
#include "fuzz.h"
#include "../encoder/published.h"

enum
{
	STORED,						/* what xmc_text_encoder_compile makes */
	WEIGHTS,
	CONFIG,
	MODULES,
	POOLING,
	SENTENCE,
	KINDS
};

#define ROOM 65536				/* as fuzz.sh sets it */

static published_files sound;
static void *stored;
static size_t stored_size;
static long runs_done;
static long opened;				/* stored files that opened, and published files that were compiled */
static long compiled;
static long vectors;				/* texts that got a vector */

/* ---- one input ---- */

/* Whatever opens can be used without harm; weights that are not finite are found. */
static void
use(xmc_ctx *ctx, const void *file, size_t size)
{
	static const char text[] = "w0 w1 x, w2 \xe6\x9c\xa8 w0w1 [SEP] w2";
	const xmc_encoder_text texts[3] = {{text, sizeof text - 1}, {"", 0}, {text, 5}};
	xmc_text_encoder *encoder;
	const xmc_text_encoder_shape *shape;
	xmc_status	status = xmc_text_encoder_open(ctx, file, size, &encoder);
	int32_t    *id;
	int32_t		n;
	float	   *vector;

	MUST(status == XMC_OK || (status == XMC_BAD_MODEL && ctx->message[0] != '\0'));
	if (status != XMC_OK)
		return;
	opened++;
	shape = xmc_text_encoder_get_shape(encoder);
	MUST((id = malloc((size_t) shape->max_tokens * sizeof *id)) &&
		 (vector = malloc(3 * (size_t) shape->dim * sizeof *vector)));
	status = xmc_text_encoder_tokens(ctx, encoder, text, sizeof text - 1, id, &n);
	MUST(status == XMC_OK);
	MUST(n >= 0 && n <= shape->max_tokens);
	for (int32_t k = 0; k < n; k++)
		MUST(id[k] >= 0 && id[k] < shape->vocabulary);
	status = xmc_text_encoder_check_finite(ctx, encoder);
	MUST(status == XMC_OK || status == XMC_BAD_MODEL);
	status = xmc_text_encoder_embed(ctx, encoder, 3, texts, vector);
	MUST(status == XMC_OK || status == XMC_BAD_MODEL);
	vectors += status == XMC_OK;
	for (int32_t k = 0; status == XMC_OK && k < 3 * shape->dim; k++)
		MUST(isfinite(vector[k]));
	free(id);
	free(vector);
	xmc_text_encoder_close(ctx, encoder);
}

static void
compile(xmc_ctx *ctx, int kind, const void *bytes, size_t size)
{
	xmc_published_encoder published = published_encoder(&sound);
	xmc_published_file *slot[KINDS] = {NULL, &published.weights, &published.config, &published.modules, &published.pooling,
	&published.sentence};
	void	   *file;
	size_t		file_size;
	xmc_status	status;

	*slot[kind] = (xmc_published_file){bytes, size};
	status = xmc_text_encoder_compile(ctx, &published, &file, &file_size);
	MUST(status == XMC_OK || ((status == XMC_BAD_INPUT || status == XMC_LIMIT) && ctx->message[0] != '\0'));
	if (status != XMC_OK)
		return;
	compiled++;
	use(ctx, file, file_size);
	xmc_release(ctx, file);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	int			kind = size ? data[0] % KINDS : 0;
	uint8_t    *bytes;

	runs_done++;
	if (size == 0)
		return 0;
	bytes = fuzz_copy(data + 1, size - 1);
	if (kind == STORED)
		use(&ctx, bytes, size - 1);
	else
		compile(&ctx, kind, bytes, size - 1);
	free(bytes);
	return 0;
}

/* ---- the mutator ---- */

static size_t
make_seed(int kind, uint8_t *out)
{
	const char *text[KINDS] = {NULL, NULL, sound.config, sound.modules, sound.pooling, sound.sentence};
	size_t		size = kind == STORED ? stored_size : kind == WEIGHTS ? sound.weights_size : strlen(text[kind]);

	MUST(size < ROOM);
	out[0] = (uint8_t) kind;
	memcpy(out + 1, kind == STORED ? stored : kind == WEIGHTS ? (void *) sound.weights : text[kind], size);
	return 1 + size;
}

/* Replaces `from` bytes at a place by `to` others; in a safetensors header the length is corrected by spaces. */
static size_t
splice(uint8_t *bytes, size_t size, size_t at, size_t from, const char *with, size_t to)
{
	uint64_t	length;
	bool		in_header;

	if (at + from > size || size - from + to + 8 > ROOM)
		return size;
	in_header = bytes[0] % KINDS <= WEIGHTS && size > 9;
	if (in_header)
	{
		memcpy(&length, bytes + 1, 8);
		in_header = length <= size - 9 && at >= 9 && at + from <= 9 + length;
	}
	memmove(bytes + at + to, bytes + at + from, size - at - from);
	memcpy(bytes + at, with, to);
	size = size - from + to;
	if (!in_header)
		return size;
	length = length - from + to;
	while (length % 4)			/* the data stay aligned */
	{
		memmove(bytes + 9 + length + 1, bytes + 9 + length, size - 9 - length);
		bytes[9 + length++] = ' ';
		size++;
	}
	memcpy(bytes + 1, &length, 8);
	return size;
}

/* One change: most often of a number or a word in the JSON, else of any byte. */
static size_t
damage(xmc_random *random, uint8_t *bytes, size_t size)
{
	static const char *const pieces[] = {"0", "1", "2", "3", "4", "5", "7", "8", "16", "40", "4096", "8192",
		"9007199254740992", "-1", "1e-12",
		"1e999", "null", "true", "false", "[]", "{}", "\"\"", "\"gelu\"", "\"bert\"", "\"xlm-roberta\"", "\"mean\"", "\"cls\"", "\"F16\"", "\"BF16\"",
		"\"I64\"", "\"U8\"", "\"I32\"", "layer.1.", "layer.0.", "bert.", "gamma", "beta", "weight", "bias", "\xff", "\\u0000", ",", "tokenizer.bytes",
		"pooling_mode", "cls_token", "max_seq_length", "type", "Normalize", "Pooling", "\"x\":0,"};
	const char *piece = pieces[xmc_random_below(random, sizeof pieces / sizeof pieces[0])];
	uint64_t	length = size;
	size_t		at;
	size_t		end;

	if (size < 16)
		return size;
	if (bytes[0] % KINDS <= WEIGHTS)
		memcpy(&length, bytes + 1, 8);
	if (length > size - 9)
		length = size - 9;
	/* a place in the text, or anywhere */
	at = bytes[0] % KINDS > WEIGHTS ? 1 + xmc_random_below(random, (uint32_t) size - 1) :
		xmc_random_below(random, 2) ? 9 + xmc_random_below(random, (uint32_t) length + 1) : 1 + xmc_random_below(random,
			(uint32_t) size - 1);
	if (at >= size)
		at = size - 1;
	end = at;
	switch (xmc_random_below(random, 6))
	{
		case 0:
			bytes[at] ^= (uint8_t) (1 << xmc_random_below(random, 8));
			return size;
		case 1:					/* four bytes that are a number: in the weights NaN, in the tables an offset */
			{
				static const uint32_t numbers[] = {0x7fc00000, 0x7f800000, 0x7f7fffff, 0xffffffff, 0x80000000, 0, 1, 2, 100,
					65536};
				uint32_t	number = numbers[xmc_random_below(random, sizeof numbers / sizeof numbers[0])];

				at -= (at - 1) % 4;
				if (at + 4 <= size)
					memcpy(bytes + at, &number, 4);
				return size;
			}
		case 2:					/* the next number becomes another */
		case 3:
			while (at < size && !(bytes[at] >= '0' && bytes[at] <= '9'))
				at++;
			for (end = at; end < size && bytes[end] >= '0' && bytes[end] <= '9';)
				end++;
			return splice(bytes, size, at, end - at, piece, strlen(piece));
		case 4:					/* a piece is put over or between the bytes */
			return splice(bytes, size, at, xmc_random_below(random, 2) && at + strlen(piece) <= size ? strlen(piece) : 0,
						  piece, strlen(piece));
		default:				/* some bytes are removed */
			end = at + 1 + xmc_random_below(random, 40);
			return splice(bytes, size, at, end <= size ? end - at : 1, "", 0);
	}
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed)
{
	static uint8_t bytes[ROOM];
	xmc_random	random;
	uint32_t	acts;

	xmc_random_seed(&random, seed);
	acts = 1 + xmc_random_below(&random, 3) / 2;
	if (size < 16 || size > ROOM || xmc_random_below(&random, 2) == 0)
		size = make_seed((int) xmc_random_below(&random, KINDS), bytes);
	else
		memcpy(bytes, data, size);
	if (xmc_random_below(&random, 8) == 0)
		size = LLVMFuzzerMutate(bytes, size, ROOM);
	else
		while (acts--)
			size = damage(&random, bytes, size);
	MUST(size <= room);
	memcpy(data, bytes, size);
	return size;
}

/* Damage that never passes the first checks tests nothing. */
static void
check_depth(void)
{
	fprintf(stderr, "%ld inputs: %ld published encoders compiled, %ld files opened, %ld gave vectors\n", runs_done,
			compiled, opened, vectors);
	MUST(runs_done < 1000 || (compiled > runs_done / 100 && opened > compiled + runs_done / 500 && vectors < opened));
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static uint8_t bytes[ROOM];
	const published_shape shape = {.dim = 4,.layers = 1,.heads = 2,.wide = 6,.words = 4,.positions = 12,.prefix = "",.seed = 1};
	xmc_published_encoder published;
	xmc_ctx		ctx = xmc_ctx_malloc();

	(void) argc;
	(void) argv;
	published_make(&shape, &sound);
	published = published_encoder(&sound);
	MUST(xmc_text_encoder_compile(&ctx, &published, &stored, &stored_size) == XMC_OK);
	for (int kind = 0; kind < KINDS; kind++)
		LLVMFuzzerTestOneInput(bytes, make_seed(kind, bytes));
	MUST(opened == KINDS && compiled == KINDS - 1 && vectors == KINDS);	/* the undamaged inputs are encoders */
	return atexit(check_depth);
}
