/*
 * versions.h - versions of models in xmcoh.model_version.
 */
#ifndef XMCOH_PG_MODEL_STORE_H
#define XMCOH_PG_MODEL_STORE_H

#include "base/xmcoh.h"

#include "lib/stringinfo.h"

#include "xmcoh/model.h"

/*
 * Stores a model as the next version of model `model_id` by xmcoh.store_version, and gives its number. `report` is a
 * JSON object; job_id 0: none. Needs SPI. ERROR program_limit_exceeded for a model that does not fit in a bytea.
 */
extern int32 xmcoh_store_version(int32 model_id, const xmc_model *model, int32 job_id, const char *report);

/* Appends a number as JSON: the shortest text that reads back as the same number; null for NaN and infinity. */
extern void xmcoh_append_json_number(StringInfo out, double value);

#endif
