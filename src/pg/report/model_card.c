/* model_card.c - the part of a report that says what a model is; see model_card.h */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"

#include "report/model_card.h"

/* A row of the list: what it says, and a phrase as its value. */
static void
put_entry(ReportPage *page, PageWord name, PageWord value, int n, const char *const *argument)
{
	xmcoh_page_say(page, "dt", name, 0, NULL);
	xmcoh_page_say(page, "dd", value, n, argument);
}

/* The same with a text of anybody. */
static void
put_text(ReportPage *page, PageWord name, const char *text)
{
	xmcoh_page_say(page, "dt", name, 0, NULL);
	xmcoh_page_text(page, "dd", text);
}

/* ---- the model and its deployed version ---- */

static const char model_query[] =
"SELECT o.owner, o.deployed_version, to_char(o.deployed_at, 'YYYY-MM-DD HH24:MI'), o.deployed_by, v.sha256, o.encoder, o.image_encoder,"
" m.words, m.text_dim, m.image_dim, CASE WHEN m.options::text <> '{}' THEN m.options::text END, j.job_id, j.submitted_by,"
" to_char(j.started_at, 'YYYY-MM-DD HH24:MI'), to_char(v.created_at, 'YYYY-MM-DD HH24:MI'),"
" 'xmcoh ' || (SELECT extversion FROM pg_extension WHERE extname = 'xmcoh') || ', PostgreSQL ' || current_setting('server_version')"
" FROM xmcoh.model_overview AS o JOIN xmcoh.model AS m ON m.name = o.model"
" LEFT JOIN xmcoh.versions AS v ON v.model = o.model AND v.deployed LEFT JOIN xmcoh.job AS j ON j.job_id = v.job_id"
" WHERE o.model = $1";

enum
{
	OWNER = 1, VERSION, DEPLOYED_AT, DEPLOYED_BY, SHA256, ENCODER, IMAGE_ENCODER, WORDS, TEXT_DIM, IMAGE_DIM, OPTIONS, JOB, SUBMITTED_BY,
	STARTED, MADE, SOFTWARE
};

static void
put_inputs(ReportPage *page, const ReportRows *rows)
{
	const char *text_dim[1] = {xmcoh_report_text(rows, 0, TEXT_DIM)};
	const char *image_dim[1] = {xmcoh_report_text(rows, 0, IMAGE_DIM)};

	xmcoh_page_say(page, "dt", CARD_READS, 0, NULL);
	xmcoh_page_put(page, "<dd>");
	if (xmcoh_report_true(rows, 0, WORDS))
		xmcoh_page_say(page, "div", READS_WORDS, 0, NULL);
	if (xmcoh_report_number(rows, 0, TEXT_DIM) > 0)
		xmcoh_page_say(page, "div", READS_TEXT, 1, text_dim);
	if (xmcoh_report_number(rows, 0, IMAGE_DIM) > 0)
		xmcoh_page_say(page, "div", READS_IMAGE, 1, image_dim);
	xmcoh_page_put(page, "</dd>");
}

/* An encoder with its licence and hash. What the caller may not see of it is a dash. */
static void
put_encoder(ReportPage *page, PageWord name, const char *encoder)
{
	static const char query[] = "SELECT encoder || ' (' || family || ', ' || dim || ')', left(license, 200), sha256 FROM xmcoh.encoders WHERE encoder = $1";
	ReportRows	rows;

	if (encoder == NULL)
		return;
	rows = xmcoh_report_query(query, 1, &encoder);
	if (rows.n > 0)
	{
		const char *argument[3] = {xmcoh_report_text(&rows, 0, 1), xmcoh_report_text(&rows, 0, 2), xmcoh_report_text(&rows, 0, 3)};

		put_entry(page, name, SAY_LICENSE, 3, argument);
	}
	else
		put_text(page, name, xmcoh_to_utf8(encoder));
	xmcoh_report_done(&rows);
}

static void
put_model(ReportPage *page, const char *model, const ReportRows *rows)
{
	const char *deployed[2] = {xmcoh_report_text(rows, 0, DEPLOYED_AT), xmcoh_report_text(rows, 0, DEPLOYED_BY)};
	const char *job[3] = {xmcoh_report_text(rows, 0, JOB), xmcoh_report_text(rows, 0, SUBMITTED_BY), xmcoh_report_text(rows, 0, STARTED)};

	put_text(page, CARD_MODEL, xmcoh_to_utf8(model));
	put_text(page, CARD_OWNER, xmcoh_report_text(rows, 0, OWNER));
	put_text(page, CARD_VERSION, xmcoh_report_text(rows, 0, VERSION));
	put_text(page, CARD_TRAINED, xmcoh_report_text(rows, 0, MADE));
	put_entry(page, CARD_JOB, job[0] ? SAY_JOB : CARD_NONE, 3, job);
	put_entry(page, CARD_DEPLOYED, SAY_BY, 2, deployed);
	put_inputs(page, rows);
	put_encoder(page, CARD_ENCODER, xmcoh_report_argument(rows, 0, ENCODER));
	put_encoder(page, CARD_IMAGE_ENCODER, xmcoh_report_argument(rows, 0, IMAGE_ENCODER));
	if (xmcoh_report_text(rows, 0, OPTIONS) != NULL)
		put_text(page, CARD_OPTIONS, xmcoh_report_text(rows, 0, OPTIONS));
	else
		put_entry(page, CARD_OPTIONS, CARD_DEFAULTS, 0, NULL);
	put_text(page, CARD_SHA256, xmcoh_report_text(rows, 0, SHA256));
	put_text(page, CARD_SOFTWARE, xmcoh_report_text(rows, 0, SOFTWARE));
}

/* ---- data ---- */

/* A phrase about a column of a source, if the source has it. */
static void
put_use(ReportPage *page, const ReportRows *rows, int row, int column, PageWord word)
{
	const char *argument[1] = {xmcoh_report_text(rows, row, column)};

	if (argument[0] == NULL)
		return;
	xmcoh_page_put(page, ", ");
	xmcoh_page_say(page, "span", word, 1, argument);
}

static void
put_sources(ReportPage *page, const char *model)
{
	static const char query[] =
		"SELECT relation, \"position\", approved, \"group\", problem FROM xmcoh.source WHERE model = $1 ORDER BY relation LIMIT 50";
	ReportRows	rows = xmcoh_report_query(query, 1, &model);

	xmcoh_page_say(page, "dt", CARD_SOURCES, 0, NULL);
	xmcoh_page_put(page, "<dd>");
	for (int k = 0; k < rows.n; k++)
	{
		xmcoh_page_put(page, "<div>");
		xmcoh_page_text(page, "span", xmcoh_report_text(&rows, k, 1));
		put_use(page, &rows, k, 2, SAY_SOURCE_POSITION);
		put_use(page, &rows, k, 3, SAY_SOURCE_APPROVED);
		put_use(page, &rows, k, 4, SAY_SOURCE_GROUP);
		put_use(page, &rows, k, 5, SAY_PROBLEM);
		xmcoh_page_put(page, "</div>");
	}
	if (rows.n == 0)
		xmcoh_page_say(page, "div", CARD_NONE, 0, NULL);
	xmcoh_page_put(page, "</dd>");
	xmcoh_report_done(&rows);
}

/* ---- versions ---- */

static void
put_versions(ReportPage *page, const char *model)
{
	static const char query[] =
		"SELECT v.version, to_char(v.created_at, 'YYYY-MM-DD HH24:MI'), v.documents, f.tau, f.tau_low, f.tau_high, v.deployed"
		" FROM xmcoh.versions AS v LEFT JOIN xmcoh.version_figures AS f ON f.model = v.model AND f.version = v.version AND f.evidence = 'fused'"
		" WHERE v.model = $1 ORDER BY v.version DESC LIMIT 8";
	static const PageWord column[] = {COLUMN_VERSION, COLUMN_MADE, COLUMN_DOCUMENTS, COLUMN_TAU, COLUMN_IN_USE};
	ReportRows	rows = xmcoh_report_query(query, 1, &model);

	xmcoh_page_put(page, "<p></p>");
	xmcoh_page_say(page, "h3", SAY_VERSIONS, 0, NULL);
	xmcoh_page_table(page, lengthof(column), column);
	for (int k = 0; k < rows.n; k++)
	{
		xmcoh_page_put(page, "<tr>");
		for (int c = 1; c <= 3; c++)
			xmcoh_page_text(page, "td", xmcoh_report_text(&rows, k, c));
		xmcoh_page_text(page, "td", xmcoh_page_interval(&rows, k, 4, 3));
		xmcoh_page_text(page, "td", xmcoh_report_true(&rows, k, 7) ? xmcoh_page_word(page->language, SAY_IN_USE) : "");
		xmcoh_page_put(page, "</tr>");
	}
	xmcoh_page_end_table(page);
	xmcoh_report_done(&rows);
}

void
xmcoh_page_card(ReportPage *page, const char *model)
{
	static const PageWord limit[] = {LIMIT_MEASURED, LIMIT_ALIKE, LIMIT_INTERVAL, LIMIT_CHANCE, LIMIT_ORDER, LIMIT_TIME};
	ReportRows	rows = xmcoh_report_query(model_query, 1, &model);

	xmcoh_page_section(page, HEAD_CARD);
	xmcoh_page_put(page, "<div class=\"card\"><dl>");
	if (rows.n > 0)
		put_model(page, model, &rows);
	put_sources(page, model);
	xmcoh_page_put(page, "</dl></div>");
	put_versions(page, model);
	xmcoh_page_section(page, HEAD_LIMITS);
	xmcoh_page_put(page, "<div class=\"card\"><ul>");
	for (Size k = 0; k < lengthof(limit); k++)
		xmcoh_page_say(page, "li", limit[k], 0, NULL);
	xmcoh_page_put(page, "</ul></div>");
	xmcoh_report_done(&rows);
}
