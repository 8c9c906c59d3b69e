/*
 * settings.h - the settings xmcoh.* (GUC variables): their values in this process.
 *
 * settings.c has their defaults, bounds and descriptions.
 */
#ifndef XMCOH_PG_SETTINGS_H
#define XMCOH_PG_SETTINGS_H

/* xmcoh.max_document_items: a document with more items is refused. */
extern int	xmcoh_max_document_items;

/* xmcoh.training_memory, in kB: how much of the training documents one process keeps mapped. */
extern int	xmcoh_training_memory;

/* xmcoh.checkpoint_interval: seconds between two checkpoints of a training; 0: one after every epoch. */
extern int	xmcoh_checkpoint_interval;

/* xmcoh.max_running_jobs: how many jobs train at the same time in the whole server; further jobs wait. */
extern int	xmcoh_max_running_jobs;

/* xmcoh.max_running_jobs_per_role: the same for the jobs of one role. */
extern int	xmcoh_max_running_jobs_per_role;

/* xmcoh.nice: the nice value that the processes of training jobs give themselves. */
extern int	xmcoh_nice;

/* xmcoh.training_workers: how many processes train a network, and into how many shards each minibatch is cut. */
extern int	xmcoh_training_workers;

/* xmcoh.encoder_cache, in MB: how many vectors of text encoders a session keeps; 0: none. */
extern int	xmcoh_encoder_cache;

/* xmcoh.scoring_workers: how many further processes score the documents of a source. */
#define XMCOH_MAX_SCORING_WORKERS 16
extern int	xmcoh_scoring_workers;

/* Defines all of them. For _PG_init. */
extern void xmcoh_define_settings(void);

#endif
