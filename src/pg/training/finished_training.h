/*
 * finished_training.h - what a training run hands over when the core has finished: for champion.h and save.h.
 */
#ifndef XMCOH_PG_FINISHED_TRAINING_H
#define XMCOH_PG_FINISHED_TRAINING_H

#include "training/session.h"

#include "xmcoh/groups.h"
#include "xmcoh/hold_out.h"
#include "xmcoh/train.h"

typedef struct FinishedTraining
{
	WorkerJob  *job;
	xmc_ctx    *ctx;			/* its stop callback also trims the documents' memory */
	const xmc_options *options;
	const char *on_success;		/* 'deploy', 'challenge' or 'keep' */
	const xmc_model *model;
	const xmc_train_report *report;

	int32		n;				/* documents */
	const xmc_document *document;	/* (n) */
	char	  **key;			/* (n) */
	char	  **group;			/* (n) names of groups, as in TrainingSet */
	bool		has_groups;
	const xmc_found_groups *found;	/* NULL: none were found */
	const uint8 *held_out;		/* (n) */
	xmc_hold_out_rule held_out_rule;
	int64		ignored_pairs;
	int64		stale_decisions;

	const xmc_train_progress *last; /* the last epoch, if its figures are not in the job's row yet; or NULL */
	int64		total;			/* work units */
	int32		round;
	const char *note;			/* for the job's message; NULL: nothing to say */
	/* Writes the remaining figures into xmcoh.training_metric; called in the last transaction. */
	void		(*write_figures) (void *arg, const xmc_train_report *report);
	void	   *arg;
} FinishedTraining;

#endif
