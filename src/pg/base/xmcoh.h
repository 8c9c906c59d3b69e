/*
 * xmcoh.h - what every file of the PostgreSQL side needs: settings, the core's context on palloc, errors, the
 * tokeniser.
 */
#ifndef XMCOH_PG_XMCOH_H
#define XMCOH_PG_XMCOH_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "xmcoh/base.h"
#include "xmcoh/options.h"
#include "xmcoh/text.h"

/* xmcoh.max_document_items: a document with more items is refused */
extern int	xmcoh_max_document_items;

/* xmcoh.training_memory, kB: how much of the training documents a process keeps mapped */
extern int	xmcoh_training_memory;

/* xmcoh.checkpoint_interval: seconds between two checkpoints of a training; 0: after every epoch */
extern int	xmcoh_checkpoint_interval;

/* xmcoh.max_running_jobs: so many jobs train at once in the whole server, the others wait */
extern int	xmcoh_max_running_jobs;
extern int	xmcoh_max_running_jobs_per_role;

/* xmcoh.nice: the nice value that the processes of training jobs give themselves */
extern int	xmcoh_nice;

/* xmcoh.training_workers: how many processes train a network, and into how many slices its minibatches are cut */
extern int	xmcoh_training_workers;

/*
 * A core context that allocates in whatever CurrentMemoryContext is at each allocation, and whose stop callback is
 * CHECK_FOR_INTERRUPTS(). An interrupt leaves the core by longjmp, which its contract allows: all it holds is
 * palloc'ed. Running out of memory gives NULL, hence XMC_NO_MEMORY, not an ereport.
 */
extern xmc_ctx xmcoh_context(void);
/* Its stop callback: raises a pending ERROR, ends a worker whose postmaster is gone. Needs no argument. */
extern bool xmcoh_stop(void *arg);

/* ereport(ERROR) with the context's message and the SQLSTATE that belongs to the status. status must not be XMC_OK. */
extern _Noreturn void xmcoh_raise(xmc_status status, const xmc_ctx *ctx);

#define XMCOH_TRY(expression, ctx) \
	do { xmc_status status_ = (expression); if (status_ != XMC_OK) xmcoh_raise(status_, (ctx)); } while (0)

/* The tokeniser of this session, made at its first use. */
extern xmc_tokeniser *xmcoh_tokeniser(void);

/*
 * options.c: the options of a model that reads these inputs, its jsonb `options` (may be NULL) set over the defaults.
 * ERROR invalid_parameter_value for an unknown key (detail lists the known ones), a wrong type, a value out of
 * bounds.
 */
extern void xmcoh_make_options(int32 image_dim, int32 text_dim, bool words, Jsonb *jsonb, xmc_options *out);

#endif
