/*
 * evaluation.h - the cross-fitted evaluation (design section 4, "Figures"): where few documents are approved, each of them is
 * scored by a model that has learned nothing from its fold, not even the weights of the terms and the calibration.
 *
 * For each fold k a model is trained on all other approved documents. Its weights, fusion and calibration are fitted to scores of
 * these documents: document d of fold j is scored by a model that was trained without the folds j and k. With n folds that
 * takes n (n - 1) / 2 models without two folds and n without one. Up to 100 documents are divided into twice as many folds as
 * option `folds` says, so that the measured models have learned from a tenth less than the version and not from a fifth less.
 */
#ifndef XMCOH_EVALUATION_H
#define XMCOH_EVALUATION_H

#include "train/trainer.h"

/* Divides the approved documents into folds, whole groups each, if they are to be evaluated so. Errors: as xmc_labels_init. */
extern xmc_status xmc_train_plan_evaluation(xmc_trainer *t);

/* Trains the models and sets report->new_groups, if the evaluation was planned. Errors: as xmc_train. */
extern xmc_status xmc_train_evaluate(xmc_trainer *t);

#endif
