/*
 * save.h - the end of a training run: the new version is stored, compared with the deployed one, deployed or not.
 */
#ifndef XMCOH_PG_SAVE_H
#define XMCOH_PG_SAVE_H

#include "training/worker.h"

#include "xmcoh/train.h"

/* What a training run hands over when the core has finished. */
typedef struct FinishedTraining
{
	WorkerJob  *job;
	xmc_ctx    *ctx;			/* whose stop callback also keeps the documents' memory in bounds */
	const xmc_options *options;
	const char *on_success;		/* 'deploy', 'challenge' or 'keep' */
	const xmc_model *model;
	const xmc_train_report *report;

	int32		n;				/* documents */
	const xmc_document *document;	/* (n) */
	char	  **key;			/* (n) */
	const uint8 *held_out;		/* (n) */
	double		held_out_threshold; /* xmc_held_out's share */
	int64		ignored_pairs;

	const xmc_train_progress *last; /* the last epoch, if its figures are not in the job's row yet; or NULL */
	int64		total;			/* work units */
	int32		round;
	const char *note;			/* for the job's message; NULL: nothing to say */
	/* Writes what is left into training_metric; called in the last transaction. */
	void		(*write_figures) (void *arg, const xmc_train_report *report);
	void	   *arg;
} FinishedTraining;

/*
 * Stores the version and leaves the job 'succeeded' or 'rejected', all in one transaction; none is open while two versions
 * are compared. Or ERROR.
 */
extern void xmcoh_save(const FinishedTraining *training);

#endif
