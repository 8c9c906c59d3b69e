/*
 * results.h - the record of what a training measured: for each approved document that was measured, the hash of its key, the
 * hash of what it held, and the tau of its order by each kind of score. Stored with the model.
 *
 * Each document was scored by a model that had not learned from it (train/figures.h). So two versions can be compared on all
 * documents that both have measured, though both have learned from them in the end.
 */
#ifndef XMCOH_RESULTS_H
#define XMCOH_RESULTS_H

#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

#define XMC_MOST_RESULTS 1000000	/* rows of a record; further documents are not recorded */

/* Not a tau: this kind of score was not measured. */
#define XMC_NOT_MEASURED (-2)

/*
 * Records the results of n documents, an earlier record is replaced. tau (XMC_RESULT_KINDS, n); a document whose last, fused
 * tau is XMC_NOT_MEASURED is left out. In place of the keys the rows have the numbers of the documents, until
 * xmc_results_name. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_results_fill(xmc_ctx *ctx, xmc_model *model, int32_t n, const xmc_document *document, const double *tau);

/* Puts the keys of the documents, zero-terminated, in place of their numbers. */
extern void xmc_results_name(xmc_model *model, char *const *key);

/*
 * Whether the record has this document, with the same items and labels; then its tau by each kind of score. A record of
 * other contents is taken for that of this document with probability 2^-48. options are those that the document was built with.
 */
extern bool xmc_results_find(const xmc_model *model, const char *key, const xmc_document *document,
							 double tau[XMC_RESULT_KINDS]);

/* Gives back the record. */
extern void xmc_results_forget(xmc_ctx *ctx, xmc_model *model);

/* Checks the record of a stored model: whole numbers and tau in bounds, rows in order. Errors: XMC_BAD_MODEL, XMC_STOPPED. */
extern xmc_status xmc_results_check(xmc_ctx *ctx, const xmc_model *model);

#endif
