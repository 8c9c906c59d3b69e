/*
 * phrases.c - sentences for the people who read a document; phrases.h is the contract.
 *
 * A new language is a new row of `translations`. Its phrases are in UTF-8 and are converted to the encoding of the database.
 */
#include "query/phrases.h"

#include <math.h>

#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/float.h"

#define LABEL_BYTES 60			/* of a text or a word in a sentence */
#define SENTENCE_WORDS 2		/* of each step, for and against */

/* ---- the translations ---- */

/* What can speak for an order. Words count in four ways: they are of one of two steps, and for or against. */
typedef enum Reason
{
	EARLY_WORDS,				/* words of steps that come early */
	LATE_WORDS,
	WORDING,					/* text embedding and network of the texts */
	PHOTOS,
	TOGETHER,					/* the bilinear term */
	COUNTERPART,				/* another item that shows the same step */
	REASONS
} Reason;

typedef struct Translation
{
	const char *step_text;		/* position, text */
	const char *step_item;		/* position, key */
	const char *text;			/* of an item without a position */
	const char *item;			/* key of an item without a position and text */
	const char *before[APPROVED + 1];	/* by Sureness: item, item, probability */
	const char *because;
	const char *separator;
	const char *last_separator;
	const char *end;
	const char *but;			/* introduces what speaks against */
	const char *but_end;
	const char *or;				/* between words, which stand as `text` does */
	const char *reason[REASONS][2]; /* for, against */
} Translation;

static const Translation translations[LANGUAGES] = {
	[ENGLISH] = {
		.step_text = "step %s \"%s\"",.step_item = "step %s (item %s)",.text = "\"%s\"",.item = "item %s",
		.before = {
			[PERHAPS] = "%s perhaps belongs before %s (%.2f)",
			[PROBABLY] = "%s probably belongs before %s (%.2f)",
			[APPROVED] = "%s belongs before %s (approved)"
		},
		.because = ", because ",.separator = ", ",.last_separator = " and ",.end = "",.but = ", although ",.but_end = "",
		.or = " or ",
		.reason = {
			[EARLY_WORDS] = {"steps with %s mostly come earlier", "steps with %s mostly come earlier"},
			[LATE_WORDS] = {"steps with %s mostly come later", "steps with %s mostly come later"},
			[WORDING] = {"the texts as a whole suggest that order", "the texts as a whole suggest the opposite"},
			[PHOTOS] = {"the photos suggest that order", "the photos suggest the opposite"},
			[TOGETHER] = {"texts and photos together suggest that order", "texts and photos together suggest the opposite"},
			[COUNTERPART] = {"%s probably shows the same as %s (%.2f)", "%s probably shows the same as %s (%.2f)"}
		}
	},
	[JAPANESE] = {
		.step_text = "手順%s「%s」",.step_item = "手順%s(項目%s)",.text = "「%s」",.item = "項目%s",
		.before = {
			[PERHAPS] = "%sは%sより前かもしれません(%.2f)",
			[PROBABLY] = "%sはおそらく%sより前です(%.2f)",
			[APPROVED] = "%sは%sより前です(承認済み)"
		},
		.because = "。理由:",.separator = "、",.last_separator = "、",.end = "",.but = "(反対の理由:",.but_end = ")",
		.or = "や",
		.reason = {
			[EARLY_WORDS] = {"%sを含む手順は前のほうに多い", "%sを含む手順は前のほうに多い"},
			[LATE_WORDS] = {"%sを含む手順は後のほうに多い", "%sを含む手順は後のほうに多い"},
			[WORDING] = {"文全体の内容", "文全体の内容"},
			[PHOTOS] = {"写真の内容", "写真の内容"},
			[TOGETHER] = {"文と写真の組み合わせ", "文と写真の組み合わせ"},
			[COUNTERPART] = {"%sはおそらく%sと同じ内容(%.2f)", "%sはおそらく%sと同じ内容(%.2f)"}
		}
	}
};

/* A phrase in the encoding of the database. */
static const char *
phrase(const char *utf8)
{
	return pg_any_to_server(utf8, (int) strlen(utf8), PG_UTF8);
}

/* ---- items ---- */

/* The text, in the encoding of the database, cut to LABEL_BYTES. */
static char *
clipped(char *text)
{
	int			length = (int) strlen(text);

	return length <= LABEL_BYTES ? text
		: psprintf("%s...", pnstrdup(text, pg_mbcliplen(text, length, LABEL_BYTES)));
}

char *
xmcoh_item_label(Language language, double position, const xmc_item *item)
{
	bool		has_text = item->text != NULL && item->text_length > 0;
	const Translation *t = &translations[language];
	char	   *name = has_text ? clipped(pg_any_to_server(item->text, (int) item->text_length, PG_UTF8))
		: pnstrdup(item->key, item->key_length);

	if (isnan(position))
		return psprintf(phrase(has_text ? t->text : t->item), name);
	return psprintf(phrase(has_text ? t->step_text : t->step_item), float8out_internal(position), name);
}

char *
xmcoh_belongs_before(Language language, const char *before, const char *after, Sureness sureness, double probability)
{
	return psprintf(phrase(translations[language].before[sureness]), before, after, probability);
}

/* ---- words ---- */

/*
 * Normalisation makes characters that the encoding of the database may lack, such as the Greek letter of the micro sign.
 * Each of them becomes a question mark.
 */
static char *
normalised_to_server(const char *utf8, size_t length)
{
	Oid			conversion;
	StringInfoData text;

	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
		return pnstrdup(utf8, length);
	conversion = FindDefaultConversionProc(PG_UTF8, GetDatabaseEncoding());
	initStringInfo(&text);
	for (size_t k = 0; k < length;)
	{
		int			bytes = pg_utf_mblen((const unsigned char *) utf8 + k);
		unsigned char character[MAX_CONVERSION_GROWTH * 4 + 1];
		int			converted = OidIsValid(conversion)
			? pg_do_encoding_conversion_buf(conversion, PG_UTF8, GetDatabaseEncoding(), (unsigned char *) utf8 + k, bytes,
											character, sizeof character, true) : 0;

		appendStringInfoString(&text, converted == bytes ? (char *) character : "?");
		k += (size_t) bytes;
	}
	return text.data;
}

char *
xmcoh_feature_name(xmc_feature_kind kind, const char *term, size_t term_length)
{
	/* a hostile text may have one word of a megabyte: enough of that for LABEL_BYTES of any encoding */
	size_t		most = (size_t) pg_encoding_mbcliplen(PG_UTF8, term, (int) Min(term_length, 1 << 20), 4 * LABEL_BYTES);
	char	   *name = clipped(normalised_to_server(term, most));

	switch (kind)
	{
		case XMC_FEATURE_STEM:
			return psprintf("%s...", name);
		case XMC_FEATURE_FIRST_WORD:
			return psprintf("first word: %s", name);
		case XMC_FEATURE_FIRST_BIGRAM:
			return psprintf("first words: %s", name);
		case XMC_FEATURE_LENGTH:
			return psprintf("words: %s or more", name);
		default:
			return name;
	}
}

/* Whether a part is a word to tell people of, by the arguments of xmcoh_top_words. */
static bool
is_telling(const xmc_part *part, int side, int sign)
{
	return part->kind == XMC_PART_WORD && part->in[0] != part->in[1] && (side < 0 || part->in[side]) &&
		part->contribution * sign > 0 &&
		part->feature_kind != XMC_FEATURE_FIRST_WORD && part->feature_kind != XMC_FEATURE_FIRST_BIGRAM &&
		part->feature_kind != XMC_FEATURE_LENGTH;
}

/* The number of the next part, by falling size, after `last` (-1: the first one); -1: there is none. */
static int32
next_word(const xmc_explanation *explanation, int side, int sign, int32 last)
{
	int32		best = -1;

	for (int32 k = 0; k < explanation->n; k++)
	{
		double		size = fabs(explanation->part[k].contribution);
		double		last_size = last < 0 ? INFINITY : fabs(explanation->part[last].contribution);

		if (is_telling(&explanation->part[k], side, sign) && (size < last_size || (size == last_size && k > last)) &&
			(best < 0 || size > fabs(explanation->part[best].contribution)))
			best = k;
	}
	return best;
}

int
xmcoh_top_words(const xmc_explanation *explanation, int side, int sign, int most, char **word)
{
	int			n = 0;
	int32		last = -1;

	for (int looked = 0; n < most && looked < 10 * most && (last = next_word(explanation, side, sign, last)) >= 0; looked++)
	{
		const xmc_part *part = &explanation->part[last];
		char	   *name = xmcoh_feature_name(part->feature_kind == XMC_FEATURE_STEM ? XMC_FEATURE_STEM : XMC_FEATURE_WORD,
											  part->term, part->term_length);
		bool		is_new = true;

		for (int k = 0; k < n; k++)
			is_new = is_new && strstr(word[k], name) == NULL && strstr(name, word[k]) == NULL;
		if (is_new)
			word[n++] = name;
	}
	return n;
}

/* The words of item `side` that speak for or against, as a list; NULL: there are none. */
static char *
word_list(const Translation *t, const xmc_explanation *explanation, int side, int sign)
{
	char	   *word[SENTENCE_WORDS];
	int			n = xmcoh_top_words(explanation, side, sign, SENTENCE_WORDS, word);
	StringInfoData list;

	if (n == 0)
		return NULL;
	initStringInfo(&list);
	for (int k = 0; k < n; k++)
	{
		appendStringInfoString(&list, k > 0 ? phrase(t->or) : "");
		appendStringInfo(&list, phrase(t->text), word[k]);
	}
	return list.data;
}

/* ---- reasons ---- */

/* What the parts of an explanation are as reasons: words of both kinds together, under EARLY_WORDS. */
static int
reason_of(const xmc_part *part)
{
	switch (part->kind)
	{
		case XMC_PART_WORD:
			return EARLY_WORDS;
		case XMC_PART_TEXT_EMBEDDING:
			return WORDING;
		case XMC_PART_NETWORK:
			return part->modality == XMC_TEXT ? WORDING : PHOTOS;
		case XMC_PART_IMAGE:
			return PHOTOS;
		case XMC_PART_TOGETHER:
			return TOGETHER;
		case XMC_PART_GUIDED:
			return COUNTERPART;
		default:
			return -1;
	}
}

/* The clauses of a sentence. */
typedef struct Clauses
{
	int			n;
	char	   *clause[2 * REASONS];
} Clauses;

static void
add_words(const Translation *t, const xmc_explanation *explanation, int sign, Clauses *clauses)
{
	for (int side = 0; side < 2; side++)
	{
		char	   *words = word_list(t, explanation, side, sign);
		Reason		reason = (side == 0) == (sign > 0) ? EARLY_WORDS : LATE_WORDS;

		if (words != NULL)
			clauses->clause[clauses->n++] = psprintf(phrase(t->reason[reason][sign < 0]), words);
	}
}

/* The counterparts of the guided part that speaks most for or against. */
static void
add_counterparts(const Translation *t, char *const *label, const xmc_pair *pair, const xmc_explanation *explanation, int sign,
				 Clauses *clauses)
{
	const xmc_part *best = NULL;

	for (int32 k = 0; k < explanation->n; k++)
		if (explanation->part[k].kind == XMC_PART_GUIDED &&
			(best == NULL || explanation->part[k].contribution * sign > best->contribution * sign))
			best = &explanation->part[k];
	for (int side = 0; best != NULL && side < 2; side++)
	{
		int32		item = side ? pair->after : pair->before;

		if (best->via[side] != item)
			clauses->clause[clauses->n++] = psprintf(phrase(t->reason[COUNTERPART][sign < 0]), label[item],
													 label[best->via[side]], best->probability[side]);
	}
}

static void
add_reason(const Translation *t, Reason reason, char *const *label, const xmc_pair *pair, const xmc_explanation *explanation,
		   int sign, Clauses *clauses)
{
	if (reason == EARLY_WORDS)
		add_words(t, explanation, sign, clauses);
	else if (reason == COUNTERPART)
		add_counterparts(t, label, pair, explanation, sign, clauses);
	else
		clauses->clause[clauses->n++] = pstrdup(phrase(t->reason[reason][sign < 0]));
}

static void
append_clauses(StringInfo sentence, const Translation *t, const char *opening, const Clauses *clauses, const char *end)
{
	if (clauses->n == 0)
		return;
	appendStringInfoString(sentence, phrase(opening));
	for (int k = 0; k < clauses->n; k++)
	{
		if (k > 0)
			appendStringInfoString(sentence, phrase(k == clauses->n - 1 ? t->last_separator : t->separator));
		appendStringInfoString(sentence, clauses->clause[k]);
	}
	appendStringInfoString(sentence, phrase(end));
}

#define TELLING 0.25			/* a reason is told if it makes up that share of what speaks for the order */

char *
xmcoh_why_before(Language language, char *const *label, const xmc_pair *pair, Sureness sureness, double probability,
				 const xmc_explanation *explanation)
{
	const Translation *t = &translations[language];
	double		sum[REASONS] = {0};
	double		total = 0;		/* of what speaks for the order */
	Clauses		clauses[2] = {{0}, {0}};	/* for, against */
	StringInfoData sentence;

	initStringInfo(&sentence);
	appendStringInfoString(&sentence, xmcoh_belongs_before(language, label[pair->before], label[pair->after], sureness,
														   probability));
	if (sureness == APPROVED)
		return sentence.data;
	for (int32 k = 0; k < explanation->n; k++)
		if (reason_of(&explanation->part[k]) >= 0)
			sum[reason_of(&explanation->part[k])] += explanation->part[k].contribution;
	for (int r = 0; r < REASONS; r++)
		total += fmax(sum[r], 0);
	/* the weightiest first; of what speaks against, the weightiest alone */
	for (int told = 0; told < REASONS; told++)
	{
		int			best = 0;

		for (int r = 1; r < REASONS; r++)
			if (fabs(sum[r]) > fabs(sum[best]))
				best = r;
		if (fabs(sum[best]) < TELLING * total || sum[best] == 0)
			break;
		if (sum[best] > 0 || clauses[1].n == 0)
			add_reason(t, (Reason) best, label, pair, explanation, sum[best] > 0 ? 1 : -1, &clauses[sum[best] < 0]);
		sum[best] = 0;
	}
	append_clauses(&sentence, t, t->because, &clauses[0], t->end);
	append_clauses(&sentence, t, t->but, &clauses[1], t->but_end);
	return sentence.data;
}
