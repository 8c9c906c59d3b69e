/*
 * document_picture.c - pictures of one document: its pairs, its order, its alignment. The document is read and scored as
 * check_documents and alignment do that.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"

#include "base/xmcoh.h"
#include "query/alignment.h"
#include "query/bulk.h"
#include "query/scored_document.h"
#include "report/pictures.h"
#include "report/report_rows.h"

#include "xmcoh/check.h"
#include "xmcoh/decided.h"
#include "xmcoh/order.h"

#define SURE 0.95				/* the precision from which a pair is violated, as check_documents has it by default */
#define LABEL_BYTES 1024		/* of a text that is copied: no picture shows more */

typedef struct Drawing
{
	xmc_markup *out;
	PictureKind kind;
	const char *name;			/* of the document, in UTF-8 */
	xmc_picture_language language;
	DeployedModel deployed;
	bool		found;
} Drawing;

/* The items of a document in stored order; those without a position last. */
typedef struct Shown
{
	int32		n;
	int32		stored;			/* how many have a position */
	int32	   *item;			/* (n) the numbers of the items of the document */
	xmc_picture_item *label;	/* (n) */
} Shown;

typedef struct Place
{
	double		position;
	int32		item;
} Place;

/* For qsort: by position, NaN last, then by number. */
static int
compare_places(const void *a, const void *b)
{
	const Place *x = a;
	const Place *y = b;

	if (isnan(x->position) != isnan(y->position))
		return isnan(x->position) ? 1 : -1;
	if (x->position != y->position && !isnan(x->position))
		return x->position < y->position ? -1 : 1;
	return x->item < y->item ? -1 : x->item > y->item;
}

/* The text of an item, or else its key, in UTF-8. */
static char *
item_text(const BulkDocument *scored, int32 i, bool key_only)
{
	const xmc_item *item = &scored->text[i];

	if (key_only || item->text == NULL || item->text_length == 0)
		return xmcoh_to_utf8(scored->item[i]);
	return pnstrdup(item->text, Min(item->text_length, LABEL_BYTES));
}

/* Those items that have what `has` names (0: all); key_only: they are shown by their keys. */
static Shown
show_items(const BulkDocument *scored, uint8 has, bool key_only)
{
	int32		n = scored->document.n;
	Place	   *place = palloc(sizeof(Place) * ((Size) n + 1));
	Shown		shown = {.item = palloc(sizeof(int32) * ((Size) n + 1)),.label = palloc(sizeof(xmc_picture_item) * ((Size) n + 1))};

	for (int32 i = 0; i < n; i++)
		if (has == 0 || (scored->document.has[i] & has))
			place[shown.n++] = (Place) {scored->position[i], i};
	qsort(place, (size_t) shown.n, sizeof(Place), compare_places);
	for (int32 k = 0; k < shown.n; k++)
	{
		int32		i = place[k].item;
		bool		has_place = !isnan(place[k].position);

		CHECK_FOR_INTERRUPTS();
		shown.stored += has_place;
		shown.item[k] = i;
		shown.label[k] = (xmc_picture_item) {.place = has_place ? float8out_internal(place[k].position) : "-",
			.text = item_text(scored, i, key_only)};
	}
	return shown;
}

/* ---- pairs ---- */

/* Marks the pairs that check_documents and explain_document call violated. `rank` (n): the row of each item. */
static void
mark_violated(const Drawing *d, const BulkDocument *scored, const uint8 *decided, const int32 *rank, uint8 *flags)
{
	int32		n = scored->document.n;
	xmc_ctx		ctx = xmcoh_context();
	Size		most = Min((Size) n * (Size) n, 100000);
	xmc_violated_pair *pair = palloc(sizeof(xmc_violated_pair) * (most + 1));
	int64_t		violated;

	XMCOH_TRY(xmc_list_violated(&ctx, n, scored->scores.score[XMC_SCORE_FUSED], decided, scored->position,
								xmc_check_threshold(d->deployed.model, XMC_SCORE_FUSED, SURE), (int32) most, pair, &violated), &ctx);
	for (int64 k = 0; k < Min(violated, (int64) most); k++)
	{
		int32		a = rank[pair[k].before];
		int32		b = rank[pair[k].after];

		flags[(Size) Min(a, b) * n + Max(a, b)] |= XMC_PAIR_VIOLATED;
	}
}

static xmc_status
draw_pairs(const Drawing *d, const BulkDocument *scored)
{
	Shown		shown = show_items(scored, 0, false);
	Size		n = (Size) shown.n;
	float	   *p = palloc_extended(sizeof(float) * (n * n + 1), MCXT_ALLOC_HUGE);
	uint8	   *flags = palloc_extended(n * n + 1, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	int32	   *rank = palloc(sizeof(int32) * (n + 1));
	const uint8 *decided = xmcoh_decided_with_order(scored);
	const float *score = scored->scores.score[XMC_SCORE_FUSED];

	for (Size i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		rank[shown.item[i]] = (int32) i;
		for (Size j = i + 1; j < n; j++)
		{
			Size		at = (Size) shown.item[i] * n + shown.item[j];
			int			decision = decided ? decided[at] : XMC_UNDECIDED;

			p[i * n + j] = decision == XMC_DECIDED_BEFORE ? 1 : decision == XMC_DECIDED_AFTER ? 0 : (float) xmc_probability(score[at]);
			flags[i * n + j] = decision == XMC_UNDECIDED ? 0 : XMC_PAIR_DECIDED;
		}
	}
	mark_violated(d, scored, decided, rank, flags);
	return xmc_draw_pairs(d->out, d->language,
						  &(xmc_pairs_picture) {.document = d->name,.n = shown.n,.item = shown.label,.p = p,.flags = flags});
}

/* ---- order ---- */

static xmc_status
draw_order(const Drawing *d, const BulkDocument *scored)
{
	Shown		shown = show_items(scored, 0, false);
	int32		n = shown.n;
	int32	   *order = palloc(sizeof(int32) * ((Size) n + 1));
	int32	   *place = palloc0(sizeof(int32) * ((Size) n + 1));	/* of each item of the document */
	int32	   *recovered = palloc(sizeof(int32) * ((Size) n + 1));
	uint8	   *is_moved = palloc0((Size) n + 1);
	uint8	   *moved = palloc0((Size) n + 1);
	const uint8 *decided = xmcoh_decided_with_order(scored);
	xmc_ctx		ctx = xmcoh_context();
	xmc_check	check;

	if (xmcoh_decode_scores(&scored->document, &scored->scores, XMC_SCORE_FUSED, decided, order) != n)
		elog(ERROR, "a fused order lacks items of the document");
	XMCOH_TRY(xmc_check_order(&ctx, n, scored->scores.score[XMC_SCORE_FUSED], decided, scored->position,
							  xmc_check_threshold(d->deployed.model, XMC_SCORE_FUSED, SURE), &check), &ctx);
	for (int32 k = 0; k < n; k++)
		place[order[k]] = k;
	for (int32 k = 0; k < check.n_moves; k++)
		is_moved[check.move[k].item] = 1;
	for (int32 k = 0; k < n; k++)
	{
		recovered[k] = place[shown.item[k]];
		moved[k] = is_moved[shown.item[k]];
	}
	return xmc_draw_order(d->out, d->language, &(xmc_order_picture) {.document = d->name,.n = n,.item = shown.label,
		.stored = shown.stored,.recovered = recovered,.moved = moved,.violated = check.violated_pairs});
}

/* ---- alignment ---- */

/* Fills `number` (n of the document): the place of each item among those shown; -1: not shown. */
static int32 *
numbers_of(const BulkDocument *scored, const Shown *shown)
{
	int32	   *number = palloc(sizeof(int32) * ((Size) scored->document.n + 1));

	for (int32 i = 0; i < scored->document.n; i++)
		number[i] = -1;
	for (int32 k = 0; k < shown->n; k++)
		number[shown->item[k]] = k;
	return number;
}

static xmc_status
draw_alignment(const Drawing *d, const BulkDocument *scored)
{
	const xmc_document *document = &scored->document;
	Shown		texts = show_items(scored, XMC_HAS_TEXT, false);
	Shown		images = show_items(scored, XMC_HAS_IMAGE, true);
	int32	   *text = numbers_of(scored, &texts);
	int32	   *image = numbers_of(scored, &images);
	xmc_picture_link *link = palloc(sizeof(xmc_picture_link) * (2 * (Size) document->n + 1));
	int32		n = 0;
	xmc_ctx		ctx = xmcoh_context();
	xmc_arena	arena;
	Counterparts counterparts;

	xmcoh_check_can_align(&d->deployed, scored->key, document);
	xmc_arena_init(&arena, &ctx);
	xmcoh_find_counterparts(&arena, d->deployed.model, document, &counterparts);
	for (int32 i = 0; i < document->n; i++)
	{
		bool		has_both = text[i] >= 0 && image[i] >= 0;
		int32		of_text = counterparts.of_text[i];

		CHECK_FOR_INTERRUPTS();
		if (has_both)
			link[n++] = (xmc_picture_link) {text[i], image[i], 1, false};
		else if (text[i] >= 0)
			link[n++] = (xmc_picture_link) {text[i], of_text >= 0 ? image[of_text] : -1,
				xmcoh_counterpart_probability(&counterparts, of_text, i), true};
		else if (image[i] >= 0 && counterparts.of_image[i] < 0)
			link[n++] = (xmc_picture_link) {-1, image[i], xmcoh_counterpart_probability(&counterparts, i, -1), true};
	}
	xmc_arena_free(&arena);
	return xmc_draw_alignment(d->out, d->language, &(xmc_alignment_picture) {.document = d->name,.n_texts = texts.n,
		.text = texts.label,.n_images = images.n,.image = images.label,.n_links = n,.link = link});
}

/* ---- both ---- */

/* The visitor. Two sources may have documents with one key: the first of them is drawn. */
static void
draw_document(void *arg, const BulkDocument *scored)
{
	static xmc_status (*const draw[]) (const Drawing *d, const BulkDocument *scored) = {
		[PICTURE_PAIRS] = draw_pairs, [PICTURE_ORDER] = draw_order, [PICTURE_ALIGNMENT] = draw_alignment
	};
	Drawing    *d = arg;

	if (d->found)
		return;
	d->found = true;
	XMCOH_TRY(draw[d->kind] (d, scored), d->out->ctx);
}

void
xmcoh_draw_document(xmc_markup *out, PictureKind kind, text *model, const char *document, Oid source, Language language)
{
	static const xmc_guidance_rule as_new = {.as_new = true};	/* as the table of reliability was made */
	static const xmc_guidance_rule usual = {0};
	DocumentKeys keys = {.n = 1,.key = &document};
	Drawing		d = {.out = out,.kind = kind,.name = xmcoh_to_utf8(document),.language = picture_language(language)};
	BulkRequest request = {.source = source,.keys = &keys,.decided = true,.texts = true,.visit = draw_document,.arg = &d};

	Assert(IS_OF_DOCUMENT(kind));
	d.deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	xmcoh_bulk_score(&d.deployed, kind == PICTURE_ALIGNMENT ? &usual : &as_new, &request);
	if (!d.found)
		xmcoh_refuse_unknown(text_to_cstring(model), document, NULL);
}
