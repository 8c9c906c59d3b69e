/*
 * page.h - the HTML page of a report: its frame, headings, tables and phrases in each language. Every text that comes from
 * data is escaped (xmcoh/markup.h); the page has no script, and its policy forbids one.
 */
#ifndef XMCOH_PG_PAGE_H
#define XMCOH_PG_PAGE_H

#include "postgres.h"

#include "query/arguments.h"
#include "report/report_rows.h"

#include "xmcoh/markup.h"

/* What a page says. {0}, {1} ... are arguments. page_words.c has the translations. */
typedef enum PageWord
{
	SAY_REPORT, SAY_MADE,
	HEAD_SHORT, HEAD_FIGURES, HEAD_PICTURES, HEAD_DOCUMENTS, HEAD_CARD, HEAD_LIMITS,
	SAY_LEARNED, SAY_TAU, SAY_TAU_FEW, SAY_NO_FIGURES, SAY_PAIRS_RIGHT, SAY_CHECKED, SAY_WITHOUT_PERSON, SAY_NOTHING_PASSES, SAY_SINCE,
	COLUMN_EVIDENCE, COLUMN_DOCUMENTS, COLUMN_TAU, COLUMN_PAIRS, COLUMN_CALIBRATION, COLUMN_CONFIDENT, SAY_FIGURES,
	EVIDENCE_TEXT, EVIDENCE_IMAGE, EVIDENCE_FUSED,
	SAY_LEARNING_MISSING, SAY_QUALITY_MISSING, SAY_RELIABILITY_MISSING, SAY_ROUNDS_MISSING,
	SAY_DOCUMENTS, SAY_NO_DOCUMENTS, SAY_DOCUMENTS_LEFT_OUT, SAY_ITEMS, SAY_COHERENCE, SAY_GAIN,
	VERDICT_SUSPECT, VERDICT_UNSURE, VERDICT_OK, VERDICT_STALE, VERDICT_APPROVED,
	CARD_MODEL, CARD_OWNER, CARD_VERSION, CARD_DEPLOYED, CARD_TRAINED, CARD_READS, CARD_ENCODER, CARD_IMAGE_ENCODER, CARD_OPTIONS,
	CARD_SHA256, CARD_SOURCES, CARD_SOFTWARE, CARD_JOB, CARD_NONE, CARD_DEFAULTS, READS_WORDS, READS_TEXT, READS_IMAGE,
	SAY_BY, SAY_JOB, SAY_SOURCE_POSITION, SAY_SOURCE_APPROVED, SAY_SOURCE_GROUP, SAY_PROBLEM, SAY_LICENSE,
	COLUMN_VERSION, COLUMN_MADE, COLUMN_IN_USE, SAY_VERSIONS, SAY_IN_USE,
	LIMIT_MEASURED, LIMIT_ALIKE, LIMIT_INTERVAL, LIMIT_CHANCE, LIMIT_ORDER, LIMIT_TIME,
	PAGE_WORDS
} PageWord;

typedef struct ReportPage
{
	xmc_markup *out;
	Language	language;
} ReportPage;

extern const char *xmcoh_page_word(Language language, PageWord word);

/* The beginning of the page, up to the first section; and its end. */
extern void xmcoh_page_begin(ReportPage *page, const char *title);
extern void xmcoh_page_end(ReportPage *page);

/* A phrase as the content of an element, such as "p" or "li"; attributes may follow its name. An argument that is NULL: a dash. */
extern void xmcoh_page_say(ReportPage *page, const char *element, PageWord word, int n, const char *const *argument);

/* A text of anybody as the content of an element; NULL or empty: a dash. */
extern void xmcoh_page_text(ReportPage *page, const char *element, const char *text);

/* A section with its heading, until the next one or the end of the page. */
extern void xmcoh_page_section(ReportPage *page, PageWord heading);

/* Markup of our own. */
extern void xmcoh_page_put(ReportPage *page, const char *markup);

/* The heads of the columns of a table, whose body follows; the caller ends it. The first column is text, the others are figures. */
extern void xmcoh_page_table(ReportPage *page, int n, const PageWord *column);
extern void xmcoh_page_end_table(ReportPage *page);

/* A number with its bounds, such as ".245 [.21, .28]", to `decimals`; without bounds where these are not known. */
extern char *xmcoh_page_interval(const ReportRows *rows, int row, int column, int decimals);

/* A number as text: a dash for NULL. percent: a share as percent. */
extern char *xmcoh_page_number(double value, int decimals);
extern char *xmcoh_page_percent(double share);

#endif
