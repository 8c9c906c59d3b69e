/* normalizer.c - the steps that change a text before it is cut; see normalizer.h */
#include "text_encoder/normalizer.h"

#include "text_encoder/character.h"
#include "text_encoder/charsmap.h"
#include "text_encoder/normal_form.h"
#include "text_encoder/pattern.h"

#include <string.h>

/* SentencePiece's own rules of nmt: characters that are dropped (0) or become a space. */
static UChar32
nmt(UChar32 c)
{
	if ((c >= 0x1 && c <= 0x8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f)
		return -1;
	if (c == 0x9 || c == 0xa || c == 0xc || c == 0xd || c == 0x1680 || (c >= 0x200b && c <= 0x200f) || c == 0x2028 ||
		c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd)
		return ' ';
	return c;
}

/* One character of a step that looks at each alone. */
static xmc_status
put_changed(const xmc_tokenizer_step *step, UChar32 c, bool from_start, xmc_text_buffer *out)
{
	switch (step->kind)
	{
		case XMC_STEP_CLEAN:
			if (xmc_character_is_space(c) && c != 0xb && c != 0xc && c != 0x85)
				c = ' ';
			else if (c == 0 || c == 0xfffd || xmc_character_is_control(c))
				return XMC_OK;
			break;
		case XMC_STEP_CHINESE:
			if (xmc_character_is_chinese(c))
			{
				XMC_TRY(xmc_text_put(out, " ", 1, from_start));
				XMC_TRY(xmc_text_put_character(out, c, from_start));
				return xmc_text_put(out, " ", 1, from_start);
			}
			break;
		case XMC_STEP_STRIP_NONSPACING:
			if (xmc_character_is_nonspacing(c))
				return XMC_OK;
			break;
		case XMC_STEP_STRIP_MARKS:
			if (xmc_character_is_mark(c))
				return XMC_OK;
			break;
		case XMC_STEP_LOWERCASE:
			if (c == 0x130)	/* the only character with a lower case of two */
			{
				XMC_TRY(xmc_text_put(out, "i", 1, from_start));
				c = 0x307;
			}
			else
				c = xmc_character_lower(c);
			break;
		default:				/* XMC_STEP_NMT */
			c = nmt(c);
			if (c < 0)
				return XMC_OK;
	}
	return xmc_text_put_character(out, c, from_start);
}

static xmc_status
change_characters(xmc_ctx *ctx, const xmc_tokenizer_step *step, const xmc_text_buffer *in, xmc_text_buffer *out)
{
	int64_t		work = 0;

	for (size_t at = 0; at < in->used;)
	{
		bool		from_start = at < in->start;

		XMC_TRY(put_changed(step, xmc_text_next(in->bytes, &at, in->used), from_start, out));
		XMC_TRY(xmc_spend(ctx, &work, 4));
	}
	return XMC_OK;
}

/* Appends in->bytes[begin..end-1]. */
static xmc_status
put_part(const xmc_text_buffer *in, size_t begin, size_t end, xmc_text_buffer *out)
{
	size_t		middle = in->start < begin ? begin : in->start < end ? in->start : end;

	if (begin == end)
		return XMC_OK;
	XMC_TRY(xmc_text_put(out, in->bytes + begin, middle - begin, true));
	return xmc_text_put(out, in->bytes + middle, end - middle, false);
}

static xmc_status
strip(xmc_ctx *ctx, const xmc_tokenizer_step *step, const xmc_text_buffer *in, xmc_text_buffer *out)
{
	size_t		begin = 0;
	size_t		end = 0;
	int64_t		work = 0;

	for (size_t at = 0; at < in->used;)
	{
		UChar32		c;
		size_t		before = at;

		c = xmc_text_next(in->bytes, &at, in->used);
		XMC_TRY(xmc_spend(ctx, &work, 2));
		if (xmc_character_is_space(c))
			continue;
		if (end == 0)
			begin = before;		/* the first that is no white space */
		end = at;
	}
	if (end == 0)				/* nothing but white space */
		begin = step->a ? in->used : 0;
	return put_part(in, step->a ? begin : 0, step->b && end >= begin ? end : in->used, out);
}

static xmc_status
replace(xmc_ctx *ctx, const xmc_tables *tables, const xmc_tokenizer_step *step, const xmc_text_buffer *in,
		xmc_text_buffer *out)
{
	size_t		at = 0;
	size_t		begin;
	size_t		end;
	int64_t		work = 0;

	while (at < in->used)
	{
		XMC_TRY(xmc_pattern_find(ctx, tables, step, in->bytes, at, in->used, &begin, &end));
		XMC_TRY(put_part(in, at, begin, out));
		if (begin == end)
			break;
		XMC_TRY(xmc_text_put(out, xmc_string(tables, step->other), (size_t) step->other.n, end <= in->start));
		XMC_TRY(xmc_spend(ctx, &work, 16 + step->other.n + (int64_t) (end - at)));
		at = end;
	}
	return XMC_OK;
}

static xmc_status
apply(xmc_ctx *ctx, const xmc_tables *tables, const xmc_tokenizer_step *step, const xmc_text_buffer *in,
	  xmc_text_buffer *out)
{
	switch (step->kind)
	{
		case XMC_STEP_NFC:
		case XMC_STEP_NFD:
		case XMC_STEP_NFKC:
		case XMC_STEP_NFKD:
			return xmc_normal_form(ctx, step->kind == XMC_STEP_NFKC || step->kind == XMC_STEP_NFKD,
								   step->kind == XMC_STEP_NFC || step->kind == XMC_STEP_NFKC, in, out);
		case XMC_STEP_STRIP:
			return strip(ctx, step, in, out);
		case XMC_STEP_REPLACE:
			return replace(ctx, tables, step, in, out);
		case XMC_STEP_PREPEND:
			if (in->used > 0)
				XMC_TRY(xmc_text_put(out, xmc_string(tables, step->text), (size_t) step->text.n, in->start > 0));
			return put_part(in, 0, in->used, out);
		case XMC_STEP_CHARSMAP:
			return xmc_charsmap_apply(ctx, tables->bytes + step->text.at, (size_t) step->text.n, in, out);
		default:
			return change_characters(ctx, step, in, out);
	}
}

xmc_status
xmc_normalize(xmc_ctx *ctx, const xmc_tables *tables, xmc_text_buffer *text, xmc_text_buffer *spare)
{
	xmc_place	steps = tables->settings->normalizer;

	for (int32_t k = 0; k < steps.n; k++)
	{
		xmc_text_buffer swap = *text;

		spare->used = spare->start = 0;
		XMC_TRY(apply(ctx, tables, xmc_step(tables, steps, k), text, spare));
		XMC_TRY(xmc_check_stop(ctx));
		*text = *spare;
		*spare = swap;
	}
	return XMC_OK;
}
