/*
 * settings.c - the settings xmcoh.*: defaults, bounds, who may set them, descriptions.
 *
 * Each setting's meaning for the code is in settings.h.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "base/settings.h"

#include "xmcoh/shards.h"

int			xmcoh_max_document_items = 256;
int			xmcoh_training_memory = 256 * 1024;
int			xmcoh_checkpoint_interval = 30;
int			xmcoh_max_running_jobs = 4;
int			xmcoh_max_running_jobs_per_role = 2;
int			xmcoh_nice = 0;
int			xmcoh_training_workers = 1;
int			xmcoh_encoder_cache = 16;
int			xmcoh_scoring_workers = 0;

void
xmcoh_define_settings(void)
{
	DefineCustomIntVariable("xmcoh.max_document_items",
							"Most items that one document may have.",
							"Work and memory of a document grow with the square of its items.",
							&xmcoh_max_document_items,
							256, 2, 4096,
							PGC_USERSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("xmcoh.training_memory",
							"How much of the training documents each training process keeps in its memory.",
							"The documents are in a temporary file, which is read again in each epoch. A data set may be many"
							" times as large. Memory for the model and the state of its training comes on top.",
							&xmcoh_training_memory,
							256 * 1024, 1024, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB,
							NULL, NULL, NULL);
	DefineCustomIntVariable("xmcoh.checkpoint_interval",
							"Time between two checkpoints of a training job; 0: one after every epoch.",
							"A checkpoint is written after an epoch. Unless this setting is 0, a checkpoint is also put off"
							" while all checkpoints together would take more than 2 % of the time since the worker began.",
							&xmcoh_checkpoint_interval,
							30, 0, 86400,
							PGC_USERSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("xmcoh.max_running_jobs",
							"Most training jobs that run at the same time in the whole server.",
							"Each job takes one core. A further job stays queued until its turn comes.",
							&xmcoh_max_running_jobs,
							4, 1, 1024,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("xmcoh.max_running_jobs_per_role",
							"Most training jobs of one role that run at the same time.",
							"With a launcher a further job stays queued until its turn comes. Without a launcher a further job"
							" is refused, because it would hold a worker slot while it waits.",
							&xmcoh_max_running_jobs_per_role,
							2, 1, 1024,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("xmcoh.nice",
							"Nice value of the processes of training jobs.",
							"With a higher value the operating system gives queries the processor first.",
							&xmcoh_nice,
							0, 0, 19,
							PGC_USERSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("xmcoh.training_workers",
							"How many processes compute the training of networks, including the job's own process.",
							"Each minibatch is cut into as many shards, and the result depends on their number. The job"
							" itself computes shards for which no background worker is free. One worker slot stays free for"
							" each job that may still begin.",
							&xmcoh_training_workers,
							1, 1, XMC_MAX_SHARDS,
							PGC_USERSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("xmcoh.encoder_cache",
							"How much memory a session uses to keep vectors that text encoders have computed.",
							"The vectors that were used last are kept. Zero keeps none.",
							&xmcoh_encoder_cache,
							16, 0, MAX_KILOBYTES / 1024,
							PGC_USERSET, GUC_UNIT_MB,
							NULL, NULL, NULL);
	DefineCustomIntVariable("xmcoh.scoring_workers",
							"How many further processes score the documents of a source, besides the session itself.",
							"The answers are the same with any number. One worker slot stays free for each training job that may"
							" still begin. The session scores documents for which no worker is free.",
							&xmcoh_scoring_workers,
							0, 0, XMCOH_MAX_SCORING_WORKERS,
							PGC_USERSET, 0,
							NULL, NULL, NULL);
	MarkGUCPrefixReserved("xmcoh");
}
