/*
 * versions.h - the rows of xmcoh.model_version: a trained model is stored as one; which documents its training held out.
 *
 * weights.h opens a version to score with it.
 */
#ifndef XMCOH_PG_VERSIONS_H
#define XMCOH_PG_VERSIONS_H

#include "postgres.h"

#include "xmcoh/hold_out.h"
#include "xmcoh/model.h"

/*
 * Stores a model as the next version of model `model_id`, by xmcoh_internal.store_version, and gives its number. `report`
 * is a JSON object. job_id 0: no job. Needs SPI. ERROR program_limit_exceeded for a model that does not fit in a bytea.
 */
extern int32 xmcoh_store_version(int32 model_id, const xmc_model *model, int32 job_id, const char *report);

/* Which documents a training held out: see xmcoh_was_held_out. */
typedef struct HeldOutRule
{
	bool		is_known;		/* false for an imported version, and for one that does not exist */
	bool		by_group;		/* documents had groups */
	bool		by_record;		/* groups were found: only the record of seen documents tells */
	xmc_hold_out_rule hash;
} HeldOutRule;

/* The rule of a version's training, from the version's report. Needs SPI; reads with the caller's privileges. */
extern HeldOutRule xmcoh_held_out_rule(int32 model_id, int32 version);

/*
 * Whether the training that made `model` held out an approved document, by its key and the name of its group
 * (xmcoh_source_group_name). Without groups at the training, groups of today count for nothing. Where groups were found
 * (option find_groups), every document counts that the model has not seen, thus also one that was approved later.
 */
extern bool xmcoh_was_held_out(const HeldOutRule *rule, const xmc_model *model, const char *key, const char *group_name);

#endif
