/*
 * report.c - the SQL function report: one HTML page on a model, for people who decide about it and do not query.
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/xmcoh.h"
#include "model/weights.h"
#include "report/model_card.h"
#include "report/page.h"
#include "report/pictures.h"
#include "report/report_rows.h"
#include "report/worst_documents.h"

PG_FUNCTION_INFO_V1(xmcoh_report);

#define MOST_DOCUMENTS 50

/* The arguments. */
enum
{
	MODEL, LANGUAGE, MINUTES_PER_DOCUMENT, MINUTES_PER_REVIEW, COST_PER_HOUR, DOCUMENTS_PER_MONTH, DOCUMENTS
};

/* ---- in short ---- */

static const char short_query[] =
"SELECT v.documents, v.measured_documents, f.tau, f.tau_low, f.tau_high, f.pair_accuracy, f.confident, o.pairs_approved_since"
" FROM xmcoh.model_overview AS o LEFT JOIN xmcoh.versions AS v ON v.model = o.model AND v.deployed"
" LEFT JOIN xmcoh.version_figures AS f ON f.model = v.model AND f.version = v.version AND f.evidence = 'fused' WHERE o.model = $1";

/* What the figures of the deployed version say. */
static void
put_figures_in_words(ReportPage *page, const char *model)
{
	ReportRows	rows = xmcoh_report_query(short_query, 1, &model);
	bool		has_figures = rows.n > 0 && !isnan(xmcoh_report_number(&rows, 0, 3));
	const char *since[1] = {rows.n > 0 ? xmcoh_report_text(&rows, 0, 8) : NULL};

	if (has_figures)
	{
		bool		has_interval = !isnan(xmcoh_report_number(&rows, 0, 4)) && !isnan(xmcoh_report_number(&rows, 0, 5));
		const char *learned[2] = {xmcoh_report_text(&rows, 0, 1), xmcoh_report_text(&rows, 0, 2)};
		const char *tau[3];
		const char *pairs[2] = {xmcoh_page_percent(xmcoh_report_number(&rows, 0, 6)), xmcoh_page_percent(xmcoh_report_number(&rows, 0, 7))};

		for (int k = 0; k < 3; k++)
			tau[k] = xmcoh_page_number(xmcoh_report_number(&rows, 0, 3 + k), 2);
		xmcoh_page_say(page, "li", SAY_LEARNED, 2, learned);
		xmcoh_page_say(page, "li", has_interval ? SAY_TAU : SAY_TAU_FEW, 3, tau);
		xmcoh_page_say(page, "li", SAY_PAIRS_RIGHT, 2, pairs);
	}
	else
		xmcoh_page_say(page, "li", SAY_NO_FIGURES, 0, NULL);
	if (since[0] != NULL && strcmp(since[0], "0") != 0)
		xmcoh_page_say(page, "li", SAY_SINCE, 1, since);
	xmcoh_report_done(&rows);
}

/* How much may pass without a person, if there are enough documents to tell. */
static void
put_coverage(ReportPage *page, const char *model)
{
	ReportRows	rows = xmcoh_report_query("SELECT share, share_low, share_high FROM xmcoh.coverage($1)", 1, &model);

	if (rows.n > 0 && !isnan(xmcoh_report_number(&rows, 0, 1)))
	{
		const char *share[3];

		for (int k = 0; k < 3; k++)
			share[k] = xmcoh_page_percent(xmcoh_report_number(&rows, 0, 1 + k));
		xmcoh_page_say(page, "li", xmcoh_report_number(&rows, 0, 1) > 0 ? SAY_WITHOUT_PERSON : SAY_NOTHING_PASSES, 3, share);
	}
	xmcoh_report_done(&rows);
}

/* The sentences of pilot_report, if all its numbers are given. Returns whether there are any. */
static bool
put_pilot(ReportPage *page, const char *model, FunctionCallInfo fcinfo)
{
	const char *argument[6] = {model};
	ReportRows	rows;
	bool		has_rows;

	for (int k = MINUTES_PER_DOCUMENT; k <= DOCUMENTS_PER_MONTH; k++)
	{
		if (PG_ARGISNULL(k))
			return false;
		argument[k - 1] = DatumGetCString(DirectFunctionCall1(float8out, PG_GETARG_DATUM(k)));
	}
	argument[5] = page->language == JAPANESE ? "ja" : "en";
	rows = xmcoh_report_query("SELECT sentence FROM xmcoh.pilot_report($1, $2::float8, $3::float8, $4::float8, $5::float8, $6)", 6, argument);
	has_rows = rows.n > 0;
	for (int k = 0; k < rows.n; k++)
		xmcoh_page_text(page, "li", xmcoh_report_text(&rows, k, 1));
	xmcoh_report_done(&rows);
	return has_rows;
}

static void
put_short(ReportPage *page, const char *model, const Checked *checked, FunctionCallInfo fcinfo)
{
	xmcoh_page_section(page, HEAD_SHORT);
	xmcoh_page_put(page, "<div class=\"card short\"><ul>");
	if (!put_pilot(page, model, fcinfo))
	{
		put_coverage(page, model);
		put_figures_in_words(page, model);
	}
	xmcoh_page_verdicts(page, checked);
	xmcoh_page_put(page, "</ul></div>");
}

/* ---- figures ---- */

static void
put_figures(ReportPage *page, const char *model)
{
	static const char query[] =
		"SELECT f.evidence, f.measured_documents, f.tau, f.tau_low, f.tau_high, f.pair_accuracy, f.calibration_error, f.confident"
		" FROM xmcoh.version_figures AS f JOIN xmcoh.versions AS v ON v.model = f.model AND v.version = f.version AND v.deployed"
		" WHERE f.model = $1 ORDER BY array_position(ARRAY['fused', 'text', 'image'], f.evidence)";
	static const PageWord column[] = {COLUMN_EVIDENCE, COLUMN_DOCUMENTS, COLUMN_TAU, COLUMN_PAIRS, COLUMN_CONFIDENT, COLUMN_CALIBRATION};
	ReportRows	rows = xmcoh_report_query(query, 1, &model);

	xmcoh_page_section(page, HEAD_FIGURES);
	if (rows.n == 0)
		xmcoh_page_say(page, "p", SAY_NO_FIGURES, 0, NULL);
	else
	{
		xmcoh_page_say(page, "p class=\"soft\"", SAY_FIGURES, 0, NULL);
		xmcoh_page_table(page, lengthof(column), column);
		for (int k = 0; k < rows.n; k++)
		{
			const char *evidence = xmcoh_report_text(&rows, k, 1);

			xmcoh_page_put(page, "<tr>");
			xmcoh_page_say(page, "td", strcmp(evidence, "text") == 0 ? EVIDENCE_TEXT : strcmp(evidence, "image") == 0 ? EVIDENCE_IMAGE
						   : EVIDENCE_FUSED, 0, NULL);
			xmcoh_page_text(page, "td", xmcoh_report_text(&rows, k, 2));
			xmcoh_page_text(page, "td", xmcoh_page_interval(&rows, k, 3, 3));
			xmcoh_page_text(page, "td", xmcoh_page_percent(xmcoh_report_number(&rows, k, 6)));
			xmcoh_page_text(page, "td", xmcoh_page_percent(xmcoh_report_number(&rows, k, 8)));
			xmcoh_page_text(page, "td", xmcoh_page_number(xmcoh_report_number(&rows, k, 7), 3));
			xmcoh_page_put(page, "</tr>");
		}
		xmcoh_page_end_table(page);
	}
	xmcoh_report_done(&rows);
}

/* ---- pictures ---- */

/* The pictures of which there is something to show, then a sentence on each of the others. */
static void
put_pictures(ReportPage *page, const char *model)
{
	static const PageWord missing[PICTURE_KINDS] = {
		[PICTURE_RELIABILITY] = SAY_RELIABILITY_MISSING, [PICTURE_LEARNING] = SAY_LEARNING_MISSING,
		[PICTURE_QUALITY] = SAY_QUALITY_MISSING, [PICTURE_ROUNDS] = SAY_ROUNDS_MISSING
	};
	bool		is_drawn[PICTURE_KINDS] = {false};

	xmcoh_page_section(page, HEAD_PICTURES);
	xmcoh_page_put(page, "<div class=\"grid\">");
	for (int kind = PICTURE_RELIABILITY; kind < PICTURE_KINDS; kind++)
	{
		size_t		before = page->out->length;

		xmcoh_page_put(page, "<figure>");
		is_drawn[kind] = xmcoh_draw_chart(page->out, (PictureKind) kind, model, page->language);
		if (is_drawn[kind])
			xmcoh_page_put(page, "</figure>");
		else
			page->out->length = before;
	}
	xmcoh_page_put(page, "</div>");
	for (int kind = PICTURE_RELIABILITY; kind < PICTURE_KINDS; kind++)
		if (!is_drawn[kind])
			xmcoh_page_say(page, "p class=\"soft\"", missing[kind], 0, NULL);
}

/* ---- the page ---- */

static void
put_page(ReportPage *page, text *model, int documents, FunctionCallInfo fcinfo)
{
	static const char query[] =
		"SELECT to_char(now(), 'YYYY-MM-DD HH24:MI'), deployed_version, to_char(deployed_at, 'YYYY-MM-DD HH24:MI')"
		" FROM xmcoh.model_overview WHERE model = $1";
	const char *name = text_to_cstring(model);
	ReportRows	rows = xmcoh_report_query(query, 1, &name);
	const char *made[3] = {NULL};
	Checked		checked;

	for (int k = 0; rows.n > 0 && k < 3; k++)
		made[k] = xmcoh_report_text(&rows, 0, k + 1);
	checked = xmcoh_check_all(name, documents);
	xmcoh_page_begin(page, xmcoh_to_utf8(name));
	xmcoh_page_say(page, "p class=\"soft\"", SAY_MADE, 3, made);
	put_short(page, name, &checked, fcinfo);
	put_figures(page, name);
	put_pictures(page, name);
	xmcoh_page_worst(page, model, &checked);
	xmcoh_page_card(page, name);
	xmcoh_page_end(page);
}

Datum
xmcoh_report(PG_FUNCTION_ARGS)
{
	text	   *model = xmcoh_model_argument(fcinfo->args[MODEL]);
	int32		documents = xmcoh_count_argument(fcinfo->args[DOCUMENTS], "documents", 0, MOST_DOCUMENTS, 5);
	xmc_ctx		ctx = xmcoh_context_in(CurrentMemoryContext);
	xmc_markup	out;
	ReportPage	page = {.out = &out,.language = xmcoh_language_argument(fcinfo->args[LANGUAGE])};
	char	   *html;
	size_t		length;

	xmc_markup_init(&out, &ctx, GetDatabaseEncoding() != PG_UTF8);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	put_page(&page, model, documents, fcinfo);
	SPI_finish();
	XMCOH_TRY(xmc_markup_end(&out, &html, &length), &ctx);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(html, (int) length));
}
