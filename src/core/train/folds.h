/*
 * folds.h - the folds of cross-fitting (design section 4, "Cross-fitting"): which documents are in which fold, which teach its
 * model, and which documents a model scores without having learned from them.
 *
 * The approved documents that are not held out are assigned to folds, group by group. A fold also leaves out a few documents
 * of groups that teach it, its probes: new documents of known groups.
 */
#ifndef XMCOH_FOLDS_H
#define XMCOH_FOLDS_H

#include "train/trainer.h"

/*
 * Sets fold[d] (n_documents) for each document, group by group, so that folds are about equally large: large groups first,
 * each to the fold that has fewest documents so far. Groups of one document are dealt in turn. *n_folds becomes 0 if a fold
 * would be empty, or would leave fewer than 4 documents to train on. Errors: as xmc_number_groups.
 */
extern xmc_status xmc_deal_groups(xmc_trainer *t, int32_t n_documents, const xmc_document *const *document,
								  int32_t *n_folds, int32_t *fold);

/*
 * Assigns documents to folds and lays out t->out_of_fold and t->probes, unless enough documents are held out. Errors: as
 * xmc_labels_init.
 */
extern xmc_status xmc_train_assign_folds(xmc_trainer *t);

/*
 * Sets train (n_approved) to the documents that teach the model of fold f, in the order of out_of_fold, and returns their
 * number. probes: those of the fold teach, too.
 */
extern int32_t xmc_fold_teaches(const xmc_trainer *t, int32_t f, bool probes, const xmc_document **train);

/* The documents of l that belong to fold f, start[f] to before start[f + 1], and the number of their pairs; no scores. */
extern xmc_labels xmc_fold_labels(const xmc_labels *l, const int32_t *start, int32_t f);

/*
 * Divides the documents of l, which is out_of_fold, probes or held_out, into sets, in their order: those of each fold with
 * its model, and held-out ones with the model of all. Returns the number of sets.
 */
extern int32_t xmc_scored_sets(const xmc_trainer *t, const xmc_labels *l, xmc_scored_set set[XMC_MAX_FOLDS + 1]);

/* Gives the models of the folds a calibration: they have none of their own. */
extern void xmc_calibrate_folds(xmc_trainer *t, const xmc_calibration *calibration);

#endif
