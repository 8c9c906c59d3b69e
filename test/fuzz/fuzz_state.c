/*
 * fuzz_state.c - arbitrary bytes as the state of an aggregate, as another process sends it: the state is refused with a message, or
 * read, written, read and written again it gives the same bytes.
 *
 * src/pg/query/state.c and wire.c are compiled unchanged; the few functions of the server that they call are defined here. Items that
 * arrive as bytes stay bytes, so the code that looks up types is not reached.
 */
#include <setjmp.h>

#include "../../src/pg/query/state.h"

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "../../src/pg/query/item.h"
#include "../../src/pg/base/compat.h"
#include "../../src/pg/base/portable.h"

#include "base/utf8.h"

#undef fprintf					/* and the other printf functions that the server redefines */
#undef snprintf
#include "fuzz.h"

#define MOST_ITEMS 256			/* the default of xmcoh.max_document_items */

/* What PostgreSQL 16 has changed in the declarations of the server's functions below. */
#if PG_VERSION_NUM >= 160000
#define ANY_BYTES const void
#define ASSERTION_TYPE
#else
#define ANY_BYTES const char
#define ASSERTION_TYPE const char *type pg_attribute_unused(),
#endif

/* ---- memory: one context, freed after each input ---- */

typedef union chunk
{
	struct
	{
		union chunk *next;
		size_t		size;
	};
	max_align_t align;
} chunk;

static chunk *chunks;

MemoryContext CurrentMemoryContext = NULL;

void *
palloc(Size size)
{
	chunk	   *c = malloc(sizeof(chunk) + size);

	MUST(c != NULL);
	c->next = chunks;
	c->size = size;
	chunks = c;
	memset(c + 1, 0x7f, size);	/* memory that nobody has set is not zero */
	return c + 1;
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

/* The old chunk stays, poisoned, until all chunks are freed. */
void *
repalloc(void *pointer, Size size)
{
	chunk	   *old = (chunk *) pointer - 1;
	void	   *copy = palloc(size);

	memcpy(copy, pointer, Min(size, old->size));
	memset(pointer, 0x7f, old->size);
	return copy;
}

void
pfree(void *pointer)
{
	memset(pointer, 0x7f, ((chunk *) pointer - 1)->size);
}

void *
MemoryContextAlloc(MemoryContext context, Size size)
{
	(void) context;
	MUST(AllocSizeIsValid(size));
	return palloc(size);
}

void *
MemoryContextAllocHuge(MemoryContext context, Size size)
{
	(void) context;
	return palloc(size);
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	return memset(MemoryContextAlloc(context, size), 0, size);
}

static void
release_all(void)
{
	while (chunks)
	{
		chunk	   *next = chunks->next;

		free(chunks);
		chunks = next;
	}
}

/* ---- errors ---- */

static jmp_buf refused;
static bool has_message;

bool
errstart(int level, const char *domain)
{
	(void) domain;
	MUST(level == ERROR);
	has_message = false;
	return true;
}

bool
errstart_cold(int level, const char *domain)
{
	return errstart(level, domain);
}

int
errcode(int code)
{
	MUST(code != 0);
	return 0;
}

int
errmsg(const char *format,...)
{
	has_message = format[0] != '\0';
	return 0;
}

int
errmsg_internal(const char *format,...)
{
	return errmsg("%s", format);
}

int
errdetail_internal(const char *format,...)
{
	(void) format;
	return 0;
}

void
errfinish(const char *file, int line, const char *function)
{
	(void) file;
	(void) line;
	(void) function;
	MUST(has_message);
	longjmp(refused, 1);
}

static void
refuse(const char *message)
{
	ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("%s", message)));
}

void
ExceptionalCondition(const char *condition, ASSERTION_TYPE const char *file, int line)
{
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
	abort();
}

/* ---- messages, as libpq/pqformat.c reads and writes them ---- */

const char *
pq_getmsgbytes(StringInfo from, int length)
{
	if (length < 0 || length > from->len - from->cursor)
		refuse("insufficient data left in message");
	from->cursor += length;
	return from->data + from->cursor - length;
}

int
pq_getmsgbyte(StringInfo from)
{
	return (unsigned char) *pq_getmsgbytes(from, 1);
}

unsigned int
pq_getmsgint(StringInfo from, int size)
{
	unsigned int value = 0;

	for (const char *at = pq_getmsgbytes(from, size); size > 0; size--)
		value = value << 8 | (unsigned char) *at++;
	return value;
}

int64
pq_getmsgint64(StringInfo from)
{
	uint64		high = pq_getmsgint(from, 4);

	return (int64) (high << 32 | pq_getmsgint(from, 4));
}

float4
pq_getmsgfloat4(StringInfo from)
{
	uint32		bits = pq_getmsgint(from, 4);
	float4		value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

float8
pq_getmsgfloat8(StringInfo from)
{
	int64		bits = pq_getmsgint64(from);
	float8		value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

void
pq_getmsgend(StringInfo from)
{
	if (from->cursor != from->len)
		refuse("invalid message format");
}

void
initStringInfo(StringInfo to)
{
	*to = (StringInfoData) {.data = palloc(1024),.maxlen = 1024};
}

void
enlargeStringInfo(StringInfo to, int needed)
{
	MUST(needed >= 0 && (Size) needed < MaxAllocSize - (Size) to->len);
	if (to->len + needed + 1 <= to->maxlen)
		return;
	to->maxlen = 2 * (to->len + needed + 1);
	to->data = repalloc(to->data, to->maxlen);
}

void
appendBinaryStringInfo(StringInfo to, ANY_BYTES *data, int length)
{
	enlargeStringInfo(to, length);
	memcpy(to->data + to->len, data, length);
	to->len += length;
	to->data[to->len] = '\0';
}

void
pq_sendbytes(StringInfo to, ANY_BYTES *data, int length)
{
	appendBinaryStringInfo(to, data, length);
}

void
pq_sendfloat8(StringInfo to, float8 value)
{
	uint64		bits;

	memcpy(&bits, &value, sizeof bits);
	pq_sendint64(to, bits);
}

void
pq_begintypsend(StringInfo to)
{
	initStringInfo(to);
	appendBinaryStringInfo(to, "\0\0\0\0", VARHDRSZ);
}

bytea *
pq_endtypsend(StringInfo to)
{
	SET_VARSIZE(to->data, to->len);
	return (bytea *) to->data;
}

int
GetDatabaseEncoding(void)
{
	return PG_UTF8;
}

bool
pg_verify_mbstr(int encoding, const char *text, int length, bool no_error)
{
	MUST(encoding == PG_UTF8 && !no_error);
	if (!xmc_utf8_valid(text, length))
		refuse("invalid byte sequence for encoding");
	return true;
}

/* ---- functions of the extension ---- */

void
xmcoh_check_item_count(int64 n)
{
	if (n > MOST_ITEMS)
		refuse("too many items");
}

/* ---- items that are values: no item is read from bytes ---- */

void
xmcoh_item_type(Oid type, MemoryContext context, ItemType *out)
{
	(void) type;
	(void) context;
	(void) out;
	abort();
}

void
xmcoh_item_write(StringInfo to, ItemType *type, Datum item)
{
	(void) to;
	(void) type;
	(void) item;
	abort();
}

int
xmcoh_portable_begin(bool output)
{
	(void) output;
	abort();
}

void
xmcoh_portable_end(int level)
{
	(void) level;
	abort();
}

void
get_typlenbyval(Oid type, int16 *length, bool *by_value)
{
	(void) type;
	(void) length;
	(void) by_value;
	abort();
}

Size
datumGetSize(Datum value, bool by_value, int length)
{
	(void) value;
	(void) by_value;
	(void) length;
	abort();
}

/* ---- the target ---- */

static bytea *
write_and_read(const OrderState *state, OrderState **again)
{
	bytea	   *written = xmcoh_state_write(state);
	size_t		size = VARSIZE(written) - VARHDRSZ;
	StringInfoData from = {.data = fuzz_copy(VARDATA(written), size),.len = (int) size};

	*again = xmcoh_state_read(NULL, &from);
	free(from.data);
	return written;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *bytes = fuzz_copy(data, size);	/* freed before the state is: the state must not point there */
	char	   *volatile held = bytes;
	StringInfoData from = {.data = bytes,.len = (int) size};

	if (setjmp(refused) == 0)
	{
		OrderState *state = xmcoh_state_read(NULL, &from);
		OrderState *again;
		OrderState *more;
		bytea	   *first;
		bytea	   *second;
		int32		n = state->n;

		free(bytes);
		held = NULL;
		MUST(memchr(state->model, '\0', state->model_length) == NULL);
		for (int32_t k = 0; k < n; k++)
		{
			const StateItem *item = &state->item[k];

			MUST(state->by_position == (item->wire == NULL));
			MUST(!item->input.text || memchr(item->input.text, '\0', item->input.text_length) == NULL);
		}
		first = write_and_read(state, &again);
		second = write_and_read(again, &more);
		MUST(VARSIZE(second) == VARSIZE(first) && memcmp(second, first, VARSIZE(first)) == 0);
		MUST(again->n == n);
		if (2 * n <= MOST_ITEMS)
		{
			xmcoh_state_merge(state, more);
			MUST(state->n == 2 * n);
			(void) write_and_read(state, &again);
		}
	}
	free(held);
	release_all();
	return 0;
}
