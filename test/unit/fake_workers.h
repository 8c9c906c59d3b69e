/* fake_workers.h - the workers of a training in shards: two processes in one process */
#ifndef FAKE_WORKERS_H
#define FAKE_WORKERS_H

#include <stdlib.h>
#include <string.h>

#include "xmcoh/shards.h"

typedef struct fake_workers
{
	xmc_ctx		ctx;
	xmc_options options;
	const struct xmc_transformer *encoder;	/* that the network fine-tunes; NULL: none */
	xmc_arena	arena;
	xmc_arena	scratch;
	void	   *block;
	xmc_shards	other;
	int			begun;
	int			weak;			/* documents to train on that have soft labels */
	int			items[4];		/* of each kind of task, computed by `other` */
	bool		refuse;			/* to begin */
	long		fail_after;		/* tasks; then no memory; 0: never */
} fake_workers;

static inline void *
fake_begin(void *arg, const xmc_shards_shape *shape, size_t size, int32_t batch_documents, int32_t n_train,
		   const xmc_document *const *train, const xmc_document *const *held_out)
{
	fake_workers  *workers = arg;

	(void) held_out;
	assert_true(batch_documents <= workers->options.batch_documents && batch_documents <= n_train);
	if (workers->refuse)
		return NULL;
	for (int32_t d = 0; d < n_train; d++)
		workers->weak += train[d]->pair[0].weight != 1;
	workers->begun++;
	workers->block = aligned_alloc(64, size);
	assert_non_null(workers->block);
	memset(workers->block, 0xa5, size);
	xmc_arena_init(&workers->arena, &workers->ctx);
	xmc_arena_init(&workers->scratch, &workers->ctx);
	assert_int_equal(xmc_shards_attach(&workers->arena, &workers->scratch, &workers->options, shape, workers->block,
									   workers->encoder, &workers->other), XMC_OK);
	return workers->block;
}

/* From the last item to the first, in turn by both processes. */
static inline xmc_status
fake_run(void *arg, xmc_shards *mine, const xmc_task *task)
{
	fake_workers  *workers = arg;

	if (workers->fail_after && --workers->fail_after == 0)
		return xmc_fail(mine->scratch->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t item = task->items - 1; item >= 0; item--)
	{
		workers->items[task->kind] += item % 2;
		assert_int_equal(xmc_task_item(item % 2 ? &workers->other : mine, task, item), XMC_OK);
	}
	return XMC_OK;
}

static inline void
fake_end(void *arg)
{
	fake_workers  *workers = arg;

	xmc_arena_free(&workers->arena);
	xmc_arena_free(&workers->scratch);
	free(workers->block);
	workers->block = NULL;
}

#endif
