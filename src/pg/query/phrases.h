/*
 * phrases.h - sentences for the people who read a document: what a step is called, what is wrong with its place, and why.
 *
 * They are made in one of the languages that the argument `language` knows. phrases.c holds the translations, and
 * pilot.c those of its sentences.
 */
#ifndef XMCOH_PG_PHRASES_H
#define XMCOH_PG_PHRASES_H

#include "postgres.h"

#include "query/arguments.h"

#include "xmcoh/explain.h"

/* A phrase in the encoding of the database. */
extern const char *xmcoh_phrase(const char *utf8);

/* A copy of the text of an item, in the encoding of the database; NULL: the item has none, or the model reads none. */
extern char *xmcoh_item_text(const xmc_item *item);

/*
 * What an item is called: step 6 "Tighten the bolts", or step 6 (item 12) without a text; without "step 6" where the position
 * is NaN. The text is cut to 60 bytes.
 */
extern char *xmcoh_item_label(Language language, double position, const xmc_item *item);

/* How sure it is that one item belongs before another. */
typedef enum Sureness
{
	PERHAPS,					/* more likely than not */
	PROBABLY,					/* at the level of confidence that was asked for */
	APPROVED					/* people decided that */
} Sureness;

/* That an item belongs before another, such as: step 6 "Paint" probably belongs before step 4 "Dry" (0.97). */
extern char *xmcoh_belongs_before(Language language, const char *before, const char *after, Sureness sureness,
								  double probability);

/* The same with the reasons, in one sentence. position and label (of the document's items): their labels are given. */
extern char *xmcoh_why_before(Language language, const double *position, char **label, const xmc_pair *pair,
							  Sureness sureness, double probability, const xmc_explanation *explanation);

/*
 * The names of the words that speak for (sign 1) or against (-1) the order and stand in the first (side 0), the second
 * (1) or either (-1) of the two items alone, the weightiest first: at most `most`, into word. None is a part of another.
 * Returns their number.
 */
extern int	xmcoh_top_words(const xmc_explanation *explanation, int side, int sign, int most, char **word);

/*
 * How an item of the pair mentions a shared word: the word with the one beside it, "the dialog"; "first word: dialog" or "last
 * word: dialog" where its text begins or ends there.
 */
extern char *xmcoh_mention_name(const xmc_part *part, int side);

/* The name of a feature, in the encoding of the database: the words as they are hashed, or what it says of the whole text. */
extern char *xmcoh_feature_name(xmc_feature_kind kind, const char *term, size_t term_length);

#endif
