/* normal_form.c - Unicode's normal forms in time n log n; see normal_form.h */
#include "text_encoder/normal_form.h"

#include "base/sort.h"
#include "text_encoder/character.h"

#include <string.h>

#include <unicode/unorm2.h>
#include <unicode/utf16.h>

#define UNICODE_9 90
#define MAX_DECOMPOSITION 64	/* UTF-16 units; the longest is 18 */
#define FEW_MARKS 16			/* sorted by insertion */

/* A character: its combining class in the highest 8 bits, whether it comes from the text's start, its code. */
typedef uint32_t mark;

#define MARK_CLASS(m) ((m) >> 24)
#define MARK_START(m) (((m) >> 23) & 1)
#define MARK_CODE(m) ((UChar32) ((m) & 0x1fffff))

typedef struct mark_list
{
	mark	   *mark;			/* (2 * room): n marks, then room to sort them */
	size_t		n;
	size_t		room;
} mark_list;

typedef struct former
{
	xmc_ctx    *ctx;
	const UNormalizer2 *decomposer; /* ICU's own, never closed */
	const UNormalizer2 *composer;	/* NULL: decompose only */
	xmc_text_buffer *out;
	mark_list	pending;		/* marks since the last starter, not yet in order */
	mark_list	kept;			/* marks behind `starter`, in order, which did not compose with it */
	mark		starter;
	bool		has_starter;
} former;

static uint8_t
combining_class(UChar32 c)
{
	return c < 0x300 || !xmc_character_is_of(c, UNICODE_9) ? 0 : u_getCombiningClass(c);
}

static xmc_status
add_mark(xmc_ctx *ctx, mark_list *list, mark m)
{
	if (list->n == list->room)
	{
		size_t		wanted = list->room ? 2 * list->room : 64;
		mark	   *bigger = xmc_alloc(ctx, 2 * wanted, sizeof(mark));

		XMC_NEED(bigger, ctx);
		if (list->n)
			memcpy(bigger, list->mark, list->n * sizeof(mark));
		xmc_release(ctx, list->mark);
		list->mark = bigger;
		list->room = wanted;
	}
	list->mark[list->n++] = m;
	return XMC_OK;
}

static int
compare_classes(const void *a, const void *b)
{
	uint32_t	x = MARK_CLASS(*(const mark *) a);
	uint32_t	y = MARK_CLASS(*(const mark *) b);

	return (x > y) - (x < y);
}

/* Canonical ordering: stable, by combining class. */
static xmc_status
sort_marks(xmc_ctx *ctx, mark_list *list)
{
	if (list->n > FEW_MARKS)
		return xmc_sort(ctx, list->mark, list->mark + list->room, list->n, sizeof(mark), compare_classes);
	for (size_t k = 1; k < list->n; k++)
	{
		mark		moved = list->mark[k];
		size_t		hole = k;

		for (; hole > 0 && MARK_CLASS(list->mark[hole - 1]) > MARK_CLASS(moved); hole--)
			list->mark[hole] = list->mark[hole - 1];
		list->mark[hole] = moved;
	}
	return XMC_OK;
}

static xmc_status
put(former *f, mark m)
{
	return xmc_text_put_character(f->out, MARK_CODE(m), MARK_START(m));
}

/* Writes the starter and the marks behind it. */
static xmc_status
put_starter(former *f)
{
	if (f->has_starter)
		XMC_TRY(put(f, f->starter));
	for (size_t k = 0; k < f->kept.n; k++)
		XMC_TRY(put(f, f->kept.mark[k]));
	f->has_starter = false;
	f->kept.n = 0;
	return XMC_OK;
}

/* The composition of the starter with a character; negative: there is none. */
static UChar32
compose(former *f, mark m)
{
	UChar32		c = unorm2_composePair(f->composer, MARK_CODE(f->starter), MARK_CODE(m));

	return c >= 0 && xmc_character_is_of(c, UNICODE_9) ? c : -1;
}

/* Takes the next character of the decomposed and ordered text. A mark is blocked by one of the same or a higher class. */
static xmc_status
take(former *f, mark m)
{
	if (!f->composer)
		return put(f, m);
	if (f->has_starter)
	{
		uint32_t	last = f->kept.n ? MARK_CLASS(f->kept.mark[f->kept.n - 1]) : 0;
		UChar32		c = f->kept.n == 0 || last < MARK_CLASS(m) ? compose(f, m) : -1;

		if (c >= 0)
		{
			f->starter = (f->starter & ~(mark) 0x1fffff) | (mark) c;
			return XMC_OK;
		}
		if (MARK_CLASS(m) != 0)
			return add_mark(f->ctx, &f->kept, m);
	}
	if (MARK_CLASS(m) != 0)
		return put(f, m);		/* no starter before it */
	XMC_TRY(put_starter(f));
	f->starter = m;
	f->has_starter = true;
	return XMC_OK;
}

static xmc_status
take_pending(former *f)
{
	XMC_TRY(sort_marks(f->ctx, &f->pending));
	for (size_t k = 0; k < f->pending.n; k++)
		XMC_TRY(take(f, f->pending.mark[k]));
	f->pending.n = 0;
	return XMC_OK;
}

/* Takes a character that does not decompose further. */
static xmc_status
take_decomposed(former *f, UChar32 c, bool from_start)
{
	mark		m = (mark) combining_class(c) << 24 | (mark) from_start << 23 | (mark) c;

	if (MARK_CLASS(m) != 0)
		return add_mark(f->ctx, &f->pending, m);
	if (f->pending.n)
		XMC_TRY(take_pending(f));
	return take(f, m);
}

static xmc_status
take_character(former *f, UChar32 c, bool from_start)
{
	UChar		unit[MAX_DECOMPOSITION];
	UErrorCode	code = U_ZERO_ERROR;
	int32_t		n = -1;

	if (c >= 0xa0 && xmc_character_is_of(c, UNICODE_9))
		n = unorm2_getDecomposition(f->decomposer, c, unit, MAX_DECOMPOSITION, &code);
	if (n <= 0 || U_FAILURE(code) || n > MAX_DECOMPOSITION)
		return take_decomposed(f, c, from_start);
	for (int32_t k = 0; k < n;)
	{
		UChar32		part;

		U16_NEXT_UNSAFE(unit, k, part);
		XMC_TRY(take_decomposed(f, part, from_start));
	}
	return XMC_OK;
}

static xmc_status
take_all(former *f, const xmc_text_buffer *in)
{
	int64_t		work = 0;

	for (size_t at = 0; at < in->used;)
	{
		bool		from_start = at < in->start;

		XMC_TRY(take_character(f, xmc_text_next(in->bytes, &at, in->used), from_start));
		XMC_TRY(xmc_spend(f->ctx, &work, 4));
	}
	XMC_TRY(take_pending(f));
	return put_starter(f);
}

xmc_status
xmc_normal_form(xmc_ctx *ctx, bool compatibility, bool composed, const xmc_text_buffer *in, xmc_text_buffer *out)
{
	UErrorCode	code = U_ZERO_ERROR;
	former		f = {.ctx = ctx, .out = out};
	xmc_status	status;

	f.decomposer = compatibility ? unorm2_getNFKDInstance(&code) : unorm2_getNFDInstance(&code);
	if (composed)
		f.composer = unorm2_getNFCInstance(&code);
	if (U_FAILURE(code))
		return xmc_fail(ctx, XMC_NO_MEMORY, "could not open ICU's normalizer: %s", u_errorName(code));
	status = take_all(&f, in);
	xmc_release(ctx, f.pending.mark);
	xmc_release(ctx, f.kept.mark);
	return status;
}
