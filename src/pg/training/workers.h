/*
 * workers.h - training with several processes: the job's worker leads, and dynamic background workers compute with it.
 *
 * Each network that is trained has one dynamic shared memory segment. The segment holds what the network's steps read and
 * write (xmcoh/shards.h) and a queue with the items of the present task. Each process takes the next item whenever it is
 * idle, so nothing waits for a process that starts late; the item of a process that dies is returned to the queue. All
 * processes map the same file of documents (document_file.h) and, where a text encoder is fine-tuned, its cache file. Without
 * other processes, for want of worker slots, of shared memory or of that cache file, the leader computes everything, with the same
 * result.
 *
 * The other processes are connected to no database and read no catalog, so they delay neither DROP DATABASE nor vacuum.
 * They end when the leader says so or ends; pg_stat_activity shows them, and they may be terminated.
 */
#ifndef XMCOH_PG_WORKERS_H
#define XMCOH_PG_WORKERS_H

#include "base/xmcoh.h"

#include "xmcoh/shards.h"

#include "model/cachefile.h"
#include "training/document_file.h"

#define XMCOH_GRADIENT_TYPE "xmcoh gradient"

typedef struct Workers Workers;

/*
 * The workers of this job's training, in CurrentMemoryContext, with which they end. Processes start when the core asks
 * for them. encoder: the file of the text encoder that the training fine-tunes; NULL: there is none to share.
 */
extern Workers *xmcoh_workers_create(Documents *documents, int32 job_id, const SharedFile *encoder);

/* The hooks of the core. */
extern const xmc_workers *xmcoh_workers_callbacks(Workers *workers);

/* Why there were fewer processes than wanted, as a sentence without a full stop; NULL: there were not. */
extern const char *xmcoh_workers_remark(const Workers *workers);

#endif
