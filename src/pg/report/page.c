/* page.c - the HTML page of a report: frame, headings, tables; see page.h */
#include "report/page.h"

#include <math.h>

#include "xmcoh/markup.h"

/*
 * The page fits a phone and a desktop, follows the light or dark setting of the reader, and can be printed. The policy allows
 * the page's own styles and nothing else, so that not even an error in escaping could run a script or load anything.
 */
static const char head[] =
	"<meta charset=\"utf-8\">"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">"
	"<meta name=\"referrer\" content=\"no-referrer\">"
	"<style>"
	":root{color-scheme:light dark;--ink:#1b1e23;--soft:#59616d;--line:#dfe3e8;--page:#f4f6f8;--card:#fff;--accent:#0072b2;--warn:#b54a00}"
	"@media (prefers-color-scheme:dark){:root{--ink:#e9ebee;--soft:#a9b1bc;--line:#30363d;--page:#0d0f12;--card:#16191d;--accent:#5ab4e8;--warn:#ff9d57}}"
	"*{box-sizing:border-box}"
	"body{margin:0;background:var(--page);color:var(--ink);line-height:1.55;font-family:system-ui,-apple-system,'Segoe UI','Noto Sans','Liberation Sans',Arial,"
	"'Hiragino Sans','Yu Gothic',Meiryo,'Noto Sans CJK JP','Noto Sans JP',IPAexGothic,sans-serif}"
	"header,main{max-width:1120px;margin:0 auto;padding:0 16px}main{padding-bottom:36px}"
	"h1{font-size:1.6rem;line-height:1.25;margin:28px 0 4px;overflow-wrap:anywhere}h2{font-size:1.2rem;margin:36px 0 10px}"
	"h3{font-size:1rem;margin:0 0 4px;overflow-wrap:anywhere}p{margin:6px 0}.soft{color:var(--soft)}"
	".card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px 16px}"
	".short{border-left:4px solid var(--accent)}.short ul{margin:0;padding-left:1.1em}.short li{margin:5px 0}"
	".grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr));gap:14px;align-items:start}"
	"figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:6px;break-inside:avoid}"
	".grid svg{display:block;width:100%;height:auto;max-width:620px;margin:0 auto}"
	".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
	"th,td{padding:6px 10px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}"
	"th{font-weight:600;color:var(--soft)}th:first-child,td:first-child{text-align:left}"
	".document{margin:0 0 16px}.document ul{margin:8px 0 12px;padding-left:1.1em}.document li{margin:4px 0;overflow-wrap:anywhere}"
	".verdict{display:inline-block;border:1px solid currentColor;border-radius:99px;padding:0 9px;font-size:.85rem;margin-right:8px;color:var(--soft)}"
	".suspect{color:var(--warn);font-weight:600}"
	"dl{display:grid;grid-template-columns:minmax(110px,max-content) 1fr;gap:6px 16px;margin:0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}"
	"@media (max-width:520px){header,main{padding-left:8px;padding-right:8px}dl{grid-template-columns:1fr;gap:0}dt{margin-top:8px}.card{padding:10px}th,td{padding:6px}"
	".document figure{padding:0;border:0}.document{padding:10px 4px}.document>h3,.document>p{padding:0 6px}}"
	"</style>";

void
xmcoh_page_put(ReportPage *page, const char *markup)
{
	xmc_markup_put(page->out, markup);
}

/* <element attributes>; then the end, of the element's name alone. */
static void
begin_element(ReportPage *page, const char *element)
{
	xmc_markup_put(page->out, "<");
	xmc_markup_put(page->out, element);
	xmc_markup_put(page->out, ">");
}

static void
end_element(ReportPage *page, const char *element)
{
	xmc_markup_put(page->out, "</");
	xmc_markup_put(page->out, pnstrdup(element, strcspn(element, " ")));
	xmc_markup_put(page->out, ">");
}

void
xmcoh_page_begin(ReportPage *page, const char *title)
{
	const char *argument[1] = {title};

	xmc_markup_put(page->out, page->language == JAPANESE ? "<!DOCTYPE html>\n<html lang=\"ja\"><head>" : "<!DOCTYPE html>\n<html lang=\"en\"><head>");
	xmc_markup_put(page->out, head);
	xmcoh_page_say(page, "title", SAY_REPORT, 1, argument);
	xmc_markup_put(page->out, "</head>\n<body><header>");
	xmcoh_page_say(page, "h1", SAY_REPORT, 1, argument);
	xmc_markup_put(page->out, "</header>\n<main>");
}

void
xmcoh_page_end(ReportPage *page)
{
	xmc_markup_put(page->out, "</main></body></html>\n");
}

void
xmcoh_page_say(ReportPage *page, const char *element, PageWord word, int n, const char *const *argument)
{
	const char *known[10];

	Assert(n <= (int) lengthof(known));
	for (int k = 0; k < n; k++)
		known[k] = argument[k] ? argument[k] : "-";
	begin_element(page, element);
	xmc_markup_phrase(page->out, xmcoh_page_word(page->language, word), n, known);
	end_element(page, element);
}

void
xmcoh_page_text(ReportPage *page, const char *element, const char *text)
{
	begin_element(page, element);
	xmc_markup_text(page->out, text == NULL || *text == '\0' ? "-" : text);
	end_element(page, element);
}

void
xmcoh_page_section(ReportPage *page, PageWord heading)
{
	xmc_markup_put(page->out, "\n");
	xmcoh_page_say(page, "h2", heading, 0, NULL);
}

void
xmcoh_page_table(ReportPage *page, int n, const PageWord *column)
{
	xmc_markup_put(page->out, "<div class=\"card wide\"><table><thead><tr>");
	for (int k = 0; k < n; k++)
		xmcoh_page_say(page, "th scope=\"col\"", column[k], 0, NULL);
	xmc_markup_put(page->out, "</tr></thead><tbody>");
}

void
xmcoh_page_end_table(ReportPage *page)
{
	xmc_markup_put(page->out, "</tbody></table></div>");
}

char *
xmcoh_page_number(double value, int decimals)
{
	char		text[XMC_NUMBER_BYTES];

	return pstrdup(xmc_number_text(value, decimals, text));
}

char *
xmcoh_page_percent(double share)
{
	return isnan(share) ? pstrdup("-") : psprintf("%s%%", xmcoh_page_number(100 * share, fabs(share) < 0.1 ? 1 : 0));
}

char *
xmcoh_page_interval(const ReportRows *rows, int row, int column, int decimals)
{
	double		low = xmcoh_report_number(rows, row, column + 1);
	double		high = xmcoh_report_number(rows, row, column + 2);
	char	   *value = xmcoh_page_number(xmcoh_report_number(rows, row, column), decimals);

	if (isnan(low) || isnan(high))
		return value;
	return psprintf("%s [%s, %s]", value, xmcoh_page_number(low, decimals), xmcoh_page_number(high, decimals));
}
