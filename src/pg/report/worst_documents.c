/* worst_documents.c - the part of a report on stored documents; see worst_documents.h */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/xmcoh.h"
#include "report/pictures.h"
#include "report/worst_documents.h"

#define SENTENCES 3				/* of a document */

/* The columns of the query below. */
enum
{
	DOCUMENT = 1, ITEMS, VERDICT, COHERENCE, GAIN, ALL, SUSPECT, UNSURE, OK, APPROVED, STALE
};

/* The windows count all documents, whatever the LIMIT is. One row at least comes, if there is a document. */
static const char worst_query[] =
"SELECT document, items, verdict, coherence, gain, count(*) OVER w, count(*) FILTER (WHERE verdict = 'suspect') OVER w,"
" count(*) FILTER (WHERE verdict = 'unsure') OVER w, count(*) FILTER (WHERE verdict = 'ok') OVER w,"
" count(*) FILTER (WHERE verdict = 'approved') OVER w, count(*) FILTER (WHERE verdict = 'stale') OVER w"
" FROM xmcoh.check_documents($1) WHERE coherence IS NOT NULL WINDOW w AS ()"
" ORDER BY (verdict = 'suspect') DESC, (verdict = 'approved'), gain DESC, document LIMIT $2::integer";

static const char position_query[] =
"SELECT FROM xmcoh.source WHERE model = $1 AND \"position\" IS NOT NULL AND problem IS NULL";

Checked
xmcoh_check_all(const char *model, int most)
{
	Checked		checked = {0};
	char		limit[16];
	const char *argument[2] = {model, limit};
	ReportRows	sources;

	snprintf(limit, sizeof limit, "%d", most);
	if (most == 0)
		return checked;
	sources = xmcoh_report_query(position_query, 1, &model);
	if (sources.n > 0)
	{
		checked.worst = xmcoh_report_query(worst_query, 2, argument);
		checked.read = checked.worst.n > 0;
	}
	xmcoh_report_done(&sources);
	return checked;
}

void
xmcoh_page_verdicts(ReportPage *page, const Checked *checked)
{
	const char *argument[6];

	if (!checked->read)
		return;
	for (int k = 0; k < 6; k++)
		argument[k] = xmcoh_report_text(&checked->worst, 0, ALL + k);
	xmcoh_page_say(page, "li", SAY_CHECKED, 6, argument);
}

static PageWord
verdict_word(const char *verdict)
{
	return strcmp(verdict, "suspect") == 0 ? VERDICT_SUSPECT : strcmp(verdict, "unsure") == 0 ? VERDICT_UNSURE
		: strcmp(verdict, "stale") == 0 ? VERDICT_STALE : strcmp(verdict, "approved") == 0 ? VERDICT_APPROVED : VERDICT_OK;
}

/* The reasons, in sentences. */
static void
put_explanation(ReportPage *page, const char *model, const char *document)
{
	char		most[16];
	const char *argument[4] = {model, document, page->language == JAPANESE ? "ja" : "en", most};
	ReportRows	rows;

	snprintf(most, sizeof most, "%d", SENTENCES);
	rows = xmcoh_report_query("SELECT explanation FROM xmcoh.explain_document($1, $2, n => $4::integer, language => $3)", 4, argument);
	xmcoh_page_put(page, "<ul>");
	for (int k = 0; k < rows.n; k++)
		xmcoh_page_text(page, "li", xmcoh_report_text(&rows, k, 1));
	xmcoh_page_put(page, "</ul>");
	xmcoh_report_done(&rows);
}

static void
put_document(ReportPage *page, text *model, const ReportRows *worst, int row)
{
	char	   *document = xmcoh_report_argument(worst, row, DOCUMENT);
	char	   *verdict = xmcoh_report_text(worst, row, VERDICT);
	const char *items[1] = {xmcoh_report_text(worst, row, ITEMS)};
	const char *coherence[1] = {xmcoh_page_number(xmcoh_report_number(worst, row, COHERENCE), 2)};
	const char *gain[1] = {xmcoh_page_number(xmcoh_report_number(worst, row, GAIN), 2)};

	xmcoh_page_put(page, "\n<article class=\"card document\">");
	xmcoh_page_text(page, "h3", xmcoh_to_utf8(document));
	xmcoh_page_put(page, "<p class=\"soft\">");
	xmcoh_page_say(page, strcmp(verdict, "suspect") == 0 ? "span class=\"verdict suspect\"" : "span class=\"verdict\"",
				   verdict_word(verdict), 0, NULL);
	xmcoh_page_say(page, "span", SAY_ITEMS, 1, items);
	xmcoh_page_put(page, " · ");
	xmcoh_page_say(page, "span", SAY_COHERENCE, 1, coherence);
	xmcoh_page_put(page, " · ");
	xmcoh_page_say(page, "span", SAY_GAIN, 1, gain);
	xmcoh_page_put(page, "</p>");
	put_explanation(page, text_to_cstring(model), document);
	xmcoh_page_put(page, "<div class=\"grid\"><figure>");
	xmcoh_draw_document(page->out, PICTURE_ORDER, model, document, InvalidOid, page->language);
	xmcoh_page_put(page, "</figure><figure>");
	xmcoh_draw_document(page->out, PICTURE_PAIRS, model, document, InvalidOid, page->language);
	xmcoh_page_put(page, "</figure></div></article>");
}

void
xmcoh_page_worst(ReportPage *page, text *model, const Checked *checked)
{
	int			shown = 0;

	xmcoh_page_section(page, HEAD_DOCUMENTS);
	if (!checked->read)
	{
		xmcoh_page_say(page, "p", SAY_DOCUMENTS_LEFT_OUT, 0, NULL);
		return;
	}
	for (int k = 0; k < checked->worst.n; k++)
	{
		CHECK_FOR_INTERRUPTS();
		if (strcmp(xmcoh_report_text(&checked->worst, k, VERDICT), "approved") == 0
			|| !(xmcoh_report_number(&checked->worst, k, GAIN) > 0))
			continue;
		if (shown++ == 0)
			xmcoh_page_say(page, "p class=\"soft\"", SAY_DOCUMENTS, 0, NULL);
		put_document(page, model, &checked->worst, k);
	}
	if (shown == 0)
		xmcoh_page_say(page, "p", SAY_NO_DOCUMENTS, 0, NULL);
}
