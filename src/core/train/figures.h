/*
 * figures.h - the figures of the report: how well the trained model orders approved documents that it did not learn from
 * (design section 4, "Metrics").
 *
 * With folds these are all approved documents, each scored by the model of the fold that left it out, held-out ones by the
 * model of all (Stone 1974; the figure is that of models which learned from a little less). A few held-out documents say too
 * little: of 200 approved documents thirty, of a handful of groups. Without folds these are the held-out documents.
 */
#ifndef XMCOH_FIGURES_H
#define XMCOH_FIGURES_H

#include "train/trainer.h"
#include "xmcoh/metrics.h"
#include "xmcoh/scorer.h"

/* A recovered order against the labels of its document. */
typedef struct xmc_recovered
{
	int32_t		items;			/* that the kind of score speaks of */
	int32_t		labelled;		/* of these, those with a label */
	xmc_order_quality quality;	/* of the labelled ones */
	float		confidence;		/* as in the record (xmcoh/results.h) */
} xmc_recovered;

/* Orders the items of a document by one kind of its scores, ties by the seed. Errors: XMC_NO_MEMORY, XMC_STOPPED. */
extern xmc_status xmc_measure_recovered(xmc_ctx *ctx, const xmc_document *document, const xmc_scores *scores, xmc_score_kind kind,
										uint64_t seed, xmc_recovered *out);

/* Memory for the measures of all documents of l, all zero. Errors: XMC_NO_MEMORY. */
extern xmc_status xmc_train_new_measures(xmc_trainer *t, const xmc_labels *l, xmc_measures *out);

/*
 * Measures the documents of a set, which are those of l from `first` on, with their pairs from `pair` on. Errors: as
 * xmc_score_documents.
 */
extern xmc_status xmc_train_measure_documents(xmc_trainer *t, const xmc_scored_set *set, int32_t first, int32_t pair,
											  const xmc_labels *l, xmc_measures *out);

/*
 * Sets figures from what was measured of all documents of l. Those of new groups are the version's: then t->result and
 * t->log_odds get what was measured of each document.
 */
extern xmc_status xmc_train_sum_up(xmc_trainer *t, const xmc_labels *l, const xmc_measures *measures, xmc_figures *figures);

/*
 * The figures by the models of the folds, before the rounds, which change one modality alone and say themselves by how much.
 * Does nothing without folds, and where a document has texts and images in items of their own, because the models of the
 * folds have no alignment. Errors: as xmc_train.
 */
extern xmc_status xmc_train_cross_fitted_figures(xmc_trainer *t);

/* The figures on the held-out documents, if there are none yet. Errors: as xmc_train. */
extern xmc_status xmc_train_held_out_figures(xmc_trainer *t);

#endif
