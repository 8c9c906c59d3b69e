/* block.h - the layout of the block of memory that the processes of a training in shards map (xmcoh/shards.h). */
#ifndef XMCOH_BLOCK_H
#define XMCOH_BLOCK_H

#include "xmcoh/shards.h"

/* Leads the pointers of a view, whose shape and model are set, into a block; returns the size of the block. */
extern size_t xmc_shards_lay_out(xmc_shards *s, void *block);

/* A model without values. Errors: as xmc_model_layout, XMC_NO_MEMORY. */
extern xmc_status xmc_shards_new_layout(xmc_arena *arena, const xmc_options *options, bool has_bag, xmc_model **out);

/* The optimizer in the block, before its first step. */
extern xmc_adamw xmc_shards_adamw(const xmc_shards *s);

/* Items of XMC_TASK_SCORE. */
extern int32_t xmc_shards_score_items(const xmc_shards_shape *shape);

#endif
