/* worst_documents.h - the part of a report on stored documents: how many are suspect, and the worst with their explanation */
#ifndef XMCOH_PG_WORST_DOCUMENTS_H
#define XMCOH_PG_WORST_DOCUMENTS_H

#include "report/page.h"

/* What a check of all documents has found. */
typedef struct Checked
{
	bool		read;			/* false: nothing was checked, because no source has a stored order or the caller did not ask */
	ReportRows	worst;			/* the worst documents */
} Checked;

/* Checks all documents that the caller can read, and keeps the `most` worst. Needs SPI. */
extern Checked xmcoh_check_all(const char *model, int most);

/* One sentence: how many documents have which verdict. */
extern void xmcoh_page_verdicts(ReportPage *page, const Checked *checked);

/* The section. */
extern void xmcoh_page_worst(ReportPage *page, text *model, const Checked *checked);

#endif
