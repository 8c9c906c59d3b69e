/* model_card.h - the part of a report that says what a model is: inputs, versions, data, who trained it, and the figures' limits */
#ifndef XMCOH_PG_MODEL_CARD_H
#define XMCOH_PG_MODEL_CARD_H

#include "report/page.h"

/* Both sections. Needs SPI. */
extern void xmcoh_page_card(ReportPage *page, const char *model);

#endif
