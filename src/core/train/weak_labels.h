/*
 * weak_labels.h - labels that one modality, the guide, gives to the pairs of the pool for the other modality, the pupil
 * (design section 4, "Iterative training").
 *
 * A weak label is the calibrated probability p of the guide as a soft target: weight p for one order of a pair, 1 - p for
 * the other, so that pairs of which the guide is not certain count little. No document is labelled by a model that was
 * trained on it.
 */
#ifndef XMCOH_WEAK_LABELS_H
#define XMCOH_WEAK_LABELS_H

#include "train/trainer.h"

/*
 * Copies the documents of the pool into w, with all pairs of items that hold both modalities, either way round, of weight
 * 0. The documents are assigned to the rounds in turn, and sorted by round. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_weak_labels_init(xmc_trainer *t, xmc_weak_labels *w);

/* How many documents of w are assigned to this round and the rounds before; they are the first ones. */
extern int32_t xmc_weak_labels_assigned(const xmc_trainer *t, const xmc_weak_labels *w, int32_t round);

/* Whether a document has a pair with a weight. Without selected pairs it has none, if option unselected is 0. */
extern bool xmc_is_weakly_labelled(const xmc_document *document);

/*
 * Labels the documents from `first` to `end` for each pupil m, w[m] (NULL: not for this one), by the calibrated score of
 * the guide; selects pairs (option precision); multiplies the weights of the others by option unselected; sets the
 * figures. by_folds: by the average of the models of the folds, where there are any. Errors: as xmc_score_documents.
 */
extern xmc_status xmc_weak_labels_give(xmc_trainer *t, xmc_weak_labels *const w[XMC_MODALITIES], int32_t first, int32_t end,
									   bool by_folds);

/* The modality that labels for a pupil: the other one. */
static inline xmc_modality
xmc_guide_of(xmc_modality pupil)
{
	return pupil == XMC_TEXT ? XMC_IMAGE : XMC_TEXT;
}

#endif
