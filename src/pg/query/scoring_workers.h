/*
 * scoring_workers.h - batches of documents that are computed by several processes: the session leads, and dynamic background
 * workers compute with it (xmcoh.scoring_workers). The answers come back in the order of the documents.
 *
 * The session alone reads the source, so all code of its owner runs there, as the caller. It writes batches (batch.h) into the slots
 * of a ring in dynamic shared memory. A worker maps the version's file read-only (model/weights.h) and computes one batch after the
 * other. When all slots are in use, the session computes batches, too. A batch whose worker dies is computed by another process; one
 * whose worker meets an error by the session, when its turn has come, so that the error is the one that a single process raises.
 *
 * The first batch is computed at once, by the session, so a call for few documents starts no process. Without workers, for want of
 * slots, of shared memory, or of a file that can be shared, the session computes everything. Which documents are in one batch depends
 * on the documents alone, so the answers are the same to the bit.
 */
#ifndef XMCOH_PG_SCORING_WORKERS_H
#define XMCOH_PG_SCORING_WORKERS_H

#include "postgres.h"

#include "model/weights.h"
#include "query/batch.h"

typedef struct ScoringWorkers ScoringWorkers;

/* In CurrentMemoryContext. `visit` receives each document once its batch is computed, in a context that is reset after the batch. */
extern ScoringWorkers *xmcoh_scoring_begin(const DeployedModel *deployed, const BatchTask *task, BatchVisitor visit, void *arg);

/* Adds a document. Batches that are ready are visited meanwhile. Errors: those of xmcoh_batch_compute, raised. */
extern void xmcoh_scoring_add(ScoringWorkers *workers, const BatchInput *input);

/* Computes and visits what is left, and ends the workers. After an error, they end by themselves. */
extern void xmcoh_scoring_end(ScoringWorkers *workers);

#endif
