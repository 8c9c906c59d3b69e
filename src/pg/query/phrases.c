/*
 * phrases.c - sentences for the people who read a document; phrases.h is the contract.
 *
 * A new language is a value of Language with a name (arguments.c) and a row of `translations`. Its phrases are in UTF-8 and are
 * converted to the encoding of the database.
 */
#include "query/phrases.h"

#include <math.h>

#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"

#define LABEL_BYTES 60			/* of a text or a word in a sentence */
#define SENTENCE_WORDS 2		/* of each step, for and against */
#define LABEL_WORD 16			/* a cut text ends with a whole word if at most so many bytes are lost by that */
#define WORD_CHARACTERS 3		/* at least, of a word that is told: "an" or "on" says nothing to people */
#define WORD_CHARACTERS_WITHOUT_SPACES 2	/* the same in scripts without spaces */
#define WORD_SIZE 0.2			/* a word counts at least that share of the weightiest one */

/* ---- the translations ---- */

/* What can speak for an order. Words count in four ways: they are of one of two steps, and for or against. */
typedef enum Reason
{
	EARLY_WORDS,				/* one of the steps has words of steps that come early */
	LATE_WORDS,
	MENTION,					/* a word of both steps that they mention differently */
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
	const char *step;			/* position */
	const char *text;			/* of an item without a position */
	const char *item;			/* key of an item without a position and text */
	const char *before[APPROVED + 1];	/* by Sureness: item, item, probability */
	bool		conclusion_last;	/* what speaks against, then what speaks for, then the conclusion; else the reverse */
	const char *because[2];		/* around the reasons */
	const char *although[2];	/* around what speaks against */
	const char *separator;		/* of reasons */
	const char *last_separator;
	const char *end;
	const char *word_separator; /* words stand as `text` does */
	const char *first_word;		/* the word with which a text begins */
	const char *last_word;
	const char *reason[REASONS][2]; /* for, against */
} Translation;

static const Translation translations[LANGUAGES] = {
	[ENGLISH] = {
		.step_text = "step %s \"%s\"",.step_item = "step %s (item %s)",.step = "step %s",.text = "\"%s\"",.item = "item %s",
		.before = {
			[PERHAPS] = "%s perhaps belongs before %s (%.2f)",
			[PROBABLY] = "%s probably belongs before %s (%.2f)",
			[APPROVED] = "%s belongs before %s (approved)"
		},
		.because = {", because ", ""},.although = {", although ", ""},
		.separator = ", ",.last_separator = " and ",.end = ".",.word_separator = ", ",
		.first_word = "\"%s\" at the beginning",.last_word = "\"%s\" at the end",
		.reason = {
			[EARLY_WORDS] = {"%s has words of early steps (%s)", "%s has words of early steps (%s)"},
			[LATE_WORDS] = {"%s has words of late steps (%s)", "%s has words of late steps (%s)"},
			[MENTION] = {"%s has %s where %s has %s", "%s has %s where %s has %s"},
			[WORDING] = {"the texts as a whole suggest that order", "the texts as a whole suggest the opposite"},
			[PHOTOS] = {"the photos suggest that order", "the photos suggest the opposite"},
			[TOGETHER] = {"the two steps fit together in that order", "the two steps fit together in the opposite order"},
			[COUNTERPART] = {"%s probably shows the same as %s (%.2f)", "%s probably shows the same as %s (%.2f)"}
		}
	},
	[JAPANESE] = {
		.step_text = "手順%s「%s」",.step_item = "手順%s(項目%s)",.step = "手順%s",.text = "「%s」",.item = "項目%s",
		.before = {
			[PERHAPS] = "%sは%sより前かもしれません(%.2f)",
			[PROBABLY] = "%sはおそらく%sより前です(%.2f)",
			[APPROVED] = "%sは%sより前です(承認済み)"
		},
		.conclusion_last = true,.because = {"", "から、"},.although = {"反対の根拠(", ")はあるものの、"},
		.separator = "、",.last_separator = "、",.end = "。",.word_separator = "",
		.first_word = "文頭の「%s」",.last_word = "文末の「%s」",
		.reason = {
			[EARLY_WORDS] = {"%sに前のほうの手順に多い言葉%sがあること", "%sに前のほうの手順に多い言葉%sがあること"},
			[LATE_WORDS] = {"%sに後のほうの手順に多い言葉%sがあること", "%sに後のほうの手順に多い言葉%sがあること"},
			[MENTION] = {"%sの%sに対して%sでは%sとあること", "%sの%sに対して%sでは%sとあること"},
			[WORDING] = {"文全体の内容がその順を示すこと", "文全体の内容が逆の順を示すこと"},
			[PHOTOS] = {"写真がその順を示すこと", "写真が逆の順を示すこと"},
			[TOGETHER] = {"二つの手順のつながりがその順を示すこと", "二つの手順のつながりが逆の順を示すこと"},
			[COUNTERPART] = {"%sがおそらく%sと同じ内容であること(%.2f)", "%sがおそらく%sと同じ内容であること(%.2f)"}
		}
	}
};

const char *
xmcoh_phrase(const char *utf8)
{
	return pg_any_to_server(utf8, (int) strlen(utf8), PG_UTF8);
}

/* ---- items ---- */

/* The text, in the encoding of the database, cut to LABEL_BYTES, and to whole words if they are short. */
static char *
clipped(char *text)
{
	int			length = (int) strlen(text);
	int			cut = pg_mbcliplen(text, length, LABEL_BYTES);
	int			word = cut;

	if (length <= LABEL_BYTES)
		return text;
	while (word > cut - LABEL_WORD && text[word] != ' ')
		word--;
	return psprintf("%s...", pnstrdup(text, text[word] == ' ' ? word : cut));
}

char *
xmcoh_item_text(const xmc_item *item)
{
	char	   *text = item->text ? pg_any_to_server(item->text, (int) item->text_length, PG_UTF8) : NULL;

	return text == item->text && text != NULL ? pnstrdup(text, item->text_length) : text;
}

char *
xmcoh_item_label(Language language, double position, const xmc_item *item)
{
	bool		has_text = item->text != NULL && item->text_length > 0;
	const Translation *t = &translations[language];
	char	   *name = has_text ? clipped(xmcoh_item_text(item)) : pnstrdup(item->key, item->key_length);

	if (isnan(position))
		return psprintf(xmcoh_phrase(has_text ? t->text : t->item), name);
	return psprintf(xmcoh_phrase(has_text ? t->step_text : t->step_item), float8out_internal(position), name);
}

char *
xmcoh_belongs_before(Language language, const char *before, const char *after, Sureness sureness, double probability)
{
	return psprintf(xmcoh_phrase(translations[language].before[sureness]), before, after, probability);
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

/* Whether a character that begins so, in UTF-8, is of U+3000 to U+9FFF: scripts without spaces. */
static bool
without_spaces(const char *character)
{
	return (uint8) *character >= 0xE3 && (uint8) *character <= 0xE9;
}

char *
xmcoh_mention_name(const xmc_part *part, int side)
{
	char	   *word = xmcoh_feature_name(XMC_FEATURE_WORD, part->term, part->term_length);
	char	   *beside;
	const char *space;

	if (part->beside[side] == NULL)
		return psprintf("%s: %s", part->beside_after ? "last word" : "first word", word);
	beside = xmcoh_feature_name(XMC_FEATURE_WORD, part->beside[side], part->beside_length[side]);
	space = without_spaces(part->beside_after ? part->beside[side] : part->term) ? "" : " ";
	return part->beside_after ? psprintf("%s%s%s", word, space, beside) : psprintf("%s%s%s", beside, space, word);
}

/*
 * Whether people would call the feature a word of the text. Character n-grams begin and end within words; a bigram of a script
 * without spaces looks like nothing in the text.
 */
static bool
is_word(const xmc_part *part)
{
	const char *space = part->feature_kind == XMC_FEATURE_BIGRAM ? memchr(part->term, ' ', part->term_length) : NULL;

	switch (part->feature_kind)
	{
		case XMC_FEATURE_WORD:
		case XMC_FEATURE_STEM:
			return true;
		case XMC_FEATURE_BIGRAM:
			return space == NULL || !without_spaces(space + 1);
		default:
			return false;
	}
}

/* Whether a part is a word to tell people of, by the arguments of xmcoh_top_words. */
static bool
is_telling(const xmc_part *part, int side, int sign)
{
	size_t		characters = 0;
	size_t		wanted = part->term_length > 0 && without_spaces(part->term) ? WORD_CHARACTERS_WITHOUT_SPACES : WORD_CHARACTERS;

	if (part->kind != XMC_PART_WORD || part->in[0] == part->in[1] || (side >= 0 && !part->in[side]) ||
		part->contribution * sign <= 0 || !is_word(part))
		return false;
	for (size_t k = 0; k < part->term_length && characters < wanted; characters++)
		k += (size_t) pg_utf_mblen((const unsigned char *) part->term + k);
	return characters >= wanted;
}

/* The number of the next part, by falling size, after `last` (-1: the first one); -1: there is none. */
static int32
next_word(const xmc_explanation *explanation, int side, int sign, int32 last)
{
	int32		best = -1;

	CHECK_FOR_INTERRUPTS();
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
	int32		first = next_word(explanation, side, sign, -1);
	int32		next = first;

	for (int looked = 0; n < most && looked < 10 * most && next >= 0; looked++)
	{
		const xmc_part *part = &explanation->part[next];
		char	   *name = xmcoh_feature_name(XMC_FEATURE_WORD, part->term, part->word_length);
		bool		is_new = true;

		if (fabs(part->contribution) < WORD_SIZE * fabs(explanation->part[first].contribution))
			break;
		for (int k = 0; k < n; k++)
			is_new = is_new && strstr(name, word[k]) == NULL && strstr(word[k], name) == NULL;
		if (is_new)
			word[n++] = name;
		next = next_word(explanation, side, sign, next);
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
		appendStringInfoString(&list, k > 0 ? xmcoh_phrase(t->word_separator) : "");
		appendStringInfo(&list, xmcoh_phrase(t->text), word[k]);
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
		case XMC_PART_MENTIONS:
			return MENTION;
		case XMC_PART_TEXT_EMBEDDING:
			return WORDING;
		case XMC_PART_NETWORK:
		case XMC_PART_ENCODER:
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

/* What a sentence is about. */
typedef struct Sentence
{
	const Translation *t;
	const double *position;		/* of the document's items */
	char	  **label;			/* what they are called */
	const xmc_pair *pair;
	const xmc_explanation *explanation;
} Sentence;

/* The clauses of a sentence. */
typedef struct Clauses
{
	int			n;
	char	   *clause[2 * REASONS];
} Clauses;

static void
add_words(const Sentence *s, int sign, Clauses *clauses)
{
	for (int side = 0; side < 2; side++)
	{
		int32		item = side ? s->pair->after : s->pair->before;
		char	   *words = word_list(s->t, s->explanation, side, sign);
		Reason		reason = (side == 0) == (sign > 0) ? EARLY_WORDS : LATE_WORDS;

		if (words != NULL)
			clauses->clause[clauses->n++] = psprintf(xmcoh_phrase(s->t->reason[reason][sign < 0]),
													 psprintf(xmcoh_phrase(s->t->step), float8out_internal(s->position[item])), words);
	}
}

/* The counterparts of the guided part that speaks most for or against. */
static void
add_counterparts(const Sentence *s, int sign, Clauses *clauses)
{
	const xmc_part *best = NULL;

	for (int32 k = 0; k < s->explanation->n; k++)
	{
		const xmc_part *part = &s->explanation->part[k];

		if (part->kind == XMC_PART_GUIDED && (best == NULL || part->contribution * sign > best->contribution * sign))
			best = part;
	}
	for (int side = 0; best != NULL && side < 2; side++)
	{
		int32		item = side ? s->pair->after : s->pair->before;

		if (best->via[side] != item)
			clauses->clause[clauses->n++] = psprintf(xmcoh_phrase(s->t->reason[COUNTERPART][sign < 0]), s->label[item],
													 s->label[best->via[side]], best->probability[side]);
	}
}

/* How an item of the pair mentions a shared word, as `text` of the translation. */
static char *
mention_text(const Translation *t, const xmc_part *part, int side)
{
	char	   *word = xmcoh_feature_name(XMC_FEATURE_WORD, part->term, part->term_length);

	if (part->beside[side] != NULL)
		return psprintf(xmcoh_phrase(t->text), xmcoh_mention_name(part, side));
	return psprintf(xmcoh_phrase(part->beside_after ? t->last_word : t->first_word), word);
}

/* The shared word that speaks most for or against. */
static void
add_mention(const Sentence *s, int sign, Clauses *clauses)
{
	const xmc_part *best = NULL;
	char	   *step[2];

	for (int32 k = 0; k < s->explanation->n; k++)
	{
		const xmc_part *part = &s->explanation->part[k];

		if (part->kind == XMC_PART_MENTIONS && (best == NULL || part->contribution * sign > best->contribution * sign))
			best = part;
	}
	for (int side = 0; side < 2; side++)
		step[side] = psprintf(xmcoh_phrase(s->t->step), float8out_internal(s->position[side ? s->pair->after : s->pair->before]));
	clauses->clause[clauses->n++] = psprintf(xmcoh_phrase(s->t->reason[MENTION][sign < 0]), step[0], mention_text(s->t, best, 0),
											 step[1], mention_text(s->t, best, 1));
}

static void
add_reason(const Sentence *s, Reason reason, int sign, Clauses *clauses)
{
	int			before = clauses->n;

	if (reason == EARLY_WORDS)
		add_words(s, sign, clauses);
	else if (reason == MENTION)
		add_mention(s, sign, clauses);
	else if (reason == COUNTERPART)
		add_counterparts(s, sign, clauses);
	if (reason == EARLY_WORDS && clauses->n == before)	/* none of the words says anything by itself */
		reason = WORDING;
	if (reason != EARLY_WORDS && reason != MENTION && reason != COUNTERPART)
		clauses->clause[clauses->n++] = pstrdup(xmcoh_phrase(s->t->reason[reason][sign < 0]));
}

#define TELLING 0.25			/* a reason is told if it makes up that share of what speaks for the order */

/* The reasons, the weightiest first; of what speaks against, the weightiest alone. clauses: for, against. */
static void
find_reasons(const Sentence *s, Clauses clauses[2])
{
	double		sum[REASONS] = {0};
	double		total = 0;		/* of what speaks for the order */

	for (int32 k = 0; k < s->explanation->n; k++)
		if (reason_of(&s->explanation->part[k]) >= 0)
			sum[reason_of(&s->explanation->part[k])] += s->explanation->part[k].contribution;
	for (int r = 0; r < REASONS; r++)
		total += fmax(sum[r], 0);
	for (int told = 0; told < REASONS; told++)
	{
		int			best = 0;

		for (int r = 1; r < REASONS; r++)
			if (fabs(sum[r]) > fabs(sum[best]))
				best = r;
		if (fabs(sum[best]) < TELLING * total || sum[best] == 0)
			break;
		if (sum[best] > 0 || clauses[1].n == 0)
			add_reason(s, (Reason) best, sum[best] > 0 ? 1 : -1, &clauses[sum[best] < 0]);
		sum[best] = 0;
	}
}

static void
append_clauses(StringInfo text, const Translation *t, const char *const around[2], const Clauses *clauses)
{
	if (clauses->n == 0)
		return;
	appendStringInfoString(text, xmcoh_phrase(around[0]));
	for (int k = 0; k < clauses->n; k++)
	{
		if (k > 0)
			appendStringInfoString(text, xmcoh_phrase(k == clauses->n - 1 ? t->last_separator : t->separator));
		appendStringInfoString(text, clauses->clause[k]);
	}
	appendStringInfoString(text, xmcoh_phrase(around[1]));
}

char *
xmcoh_why_before(Language language, const double *position, char **label, const xmc_pair *pair, Sureness sureness,
				 double probability, const xmc_explanation *explanation)
{
	const Sentence s = {.t = &translations[language],.position = position,.label = label,.pair = pair,.explanation = explanation};
	char	   *conclusion = xmcoh_belongs_before(language, label[pair->before], label[pair->after], sureness, probability);
	Clauses		clauses[2] = {{0}, {0}};
	StringInfoData text;

	if (sureness != APPROVED)	/* what people decided needs no reason of the model */
		find_reasons(&s, clauses);
	initStringInfo(&text);
	if (s.t->conclusion_last)
	{
		append_clauses(&text, s.t, s.t->although, &clauses[1]);
		append_clauses(&text, s.t, s.t->because, &clauses[0]);
		appendStringInfoString(&text, conclusion);
	}
	else
	{
		appendStringInfoString(&text, conclusion);
		append_clauses(&text, s.t, s.t->because, &clauses[0]);
		append_clauses(&text, s.t, s.t->although, &clauses[1]);
	}
	appendStringInfoString(&text, xmcoh_phrase(s.t->end));
	text.data[0] = (char) pg_ascii_toupper((unsigned char) text.data[0]);
	return text.data;
}
