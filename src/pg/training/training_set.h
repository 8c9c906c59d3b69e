/*
 * training_set.h - the documents that one training run reads: all with approved pairs, and the pool of those without.
 */
#ifndef XMCOH_PG_TRAINING_SET_H
#define XMCOH_PG_TRAINING_SET_H

#include "training/document_file.h"
#include "training/document_texts.h"
#include "training/session.h"

#include "xmcoh/groups.h"
#include "xmcoh/hold_out.h"

typedef struct TrainingSet
{
	const xmc_options *options;
	Documents  *documents;
	char	  **key;			/* (documents->n) */
	char	  **group;			/* (documents->n) names of groups; of a document that is its own group: its key */
	int32		n_texts;
	xmc_document *text;			/* (n_texts) texts as documents of their sentences, a random sample if there are many */
	uint64	   *given_group;	/* (documents->n) its group by its source, before groups were found; 0: none */
	bool		has_groups;		/* some document has a group */
	bool		groups_found;	/* xmc_find_groups joined documents or left some apart; `found` is what it said */
	xmc_found_groups found;
	uint8	   *held_out;		/* (documents->n) by xmcoh_hold_out */
	xmc_hold_out_rule rule;		/* by which documents are held out, from xmcoh_hold_out */
	int64		ignored_pairs;	/* approved pairs that name unknown documents or items */
	int64		stale_decisions;	/* decisions left out, wholly or in part, because their documents have changed */
} TrainingSet;

/* What makes vectors of texts. */
typedef struct TrainingEncoder
{
	int32		id[XMC_MODALITIES];	/* the numbers of the model's text encoders; 0: none */
	TextProgress progress;
	void	   *arg;
} TrainingEncoder;

/*
 * Locks the job's sources until the transaction ends. ERROR object_not_in_prerequisite_state unless they are defined as when the
 * job was submitted.
 */
extern void xmcoh_check_job_sources(const WorkerJob *job);

/*
 * Reads all sources of the job's model in one transaction and under one snapshot, with the submitter's rights. Then encodes texts
 * in further transactions. Allocates in CurrentMemoryContext; `options` must live as long. ERROR object_not_in_prerequisite_state: the sources are defined
 * otherwise than when the job was submitted; data_exception: too few documents, because approved pairs name unknown ones.
 */
extern void xmcoh_read_training_set(const WorkerJob *job, const xmc_options *options, const TrainingEncoder *encoder,
									TrainingSet *set);

/*
 * Chooses the held-out documents by xmc_hold_out. The version's report keeps the rule, so it can be told at any later time
 * which documents the training held out. ERROR data_exception: all approved documents are one group.
 */
extern void xmcoh_hold_out(TrainingSet *set);

#endif
