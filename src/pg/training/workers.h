/*
 * workers.h - training with several processes: the job's worker leads, dynamic background workers compute with it.
 *
 * One dynamic shared memory segment for each network that is trained holds all that its steps read and write
 * (shards.h) and a board with the task at hand, whose items whoever is idle takes: so nothing waits for a process
 * that is late in starting, and what a dying one had begun is put back on the board. The documents are mapped from
 * their file (documents.h). Without any other process, for want of worker slots or of shared memory, the leader does
 * everything, with the same result.
 *
 * The others are connected to no database and read no catalog, so they hold up neither DROP DATABASE nor vacuum. They
 * end when the leader says so or goes away; they are seen in pg_stat_activity and may be terminated.
 */
#ifndef XMCOH_PG_CREW_H
#define XMCOH_PG_CREW_H

#include "base/xmcoh.h"

#include "xmcoh/shards.h"

#include "training/document_file.h"

#define XMCOH_GRADIENT_TYPE "xmcoh gradient"

typedef struct Workers Workers;

/* A crew for this job's training, in CurrentMemoryContext, with which it also ends. It calls processes when the core asks for them. */
extern Workers *xmcoh_workers_create(Documents *documents, int32 job_id);

/* What the core asks. */
extern const xmc_workers *xmcoh_workers_callbacks(Workers *workers);

/* What the user should know of it when training is over, as a sentence without a full stop; NULL: all went as wanted. */
extern const char *xmcoh_workers_remark(const Workers *workers);

#endif
