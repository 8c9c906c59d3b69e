/* batch.c - laying documents out as the rows of one batch, and the size and order of batches; see batch.h */
#include "network/batch.h"

double
xmc_batch_pair_weight(const xmc_options *options, xmc_modality modality, const xmc_document *document)
{
	double		weight = 0;

	for (int32_t p = 0; p < document->n_pairs; p++)
		if (xmc_batch_takes_pair(options, modality, document, &document->pair[p]))
			weight += document->pair[p].weight;
	return weight;
}

xmc_status
xmc_batch_init(xmc_arena *arena, const xmc_options *options, xmc_modality modality, int32_t n_documents,
			   const xmc_document *const *document, xmc_batch *out)
{
	size_t		items = 0;

	for (int32_t d = 0; d < n_documents; d++)
		items += (size_t) document[d]->n;
	*out = (xmc_batch){.modality = modality,.n_documents = n_documents};
	out->document = xmc_arena_alloc(arena, (size_t) n_documents, sizeof *out->document);
	out->row_start = xmc_arena_alloc(arena, (size_t) n_documents + 1, sizeof(int32_t));
	out->pair_start = xmc_arena_alloc(arena, (size_t) n_documents + 1, sizeof(int64_t));
	out->item = xmc_arena_alloc(arena, items, sizeof(int32_t));
	if (!out->document || !out->row_start || !out->pair_start || !out->item)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");

	/* The rows of each document, and where its ordered pairs begin. */
	out->pair_start[0] = 0;
	for (int32_t d = 0; d < n_documents; d++)
	{
		int32_t		n;

		out->document[d] = document[d];
		out->row_start[d] = out->rows;
		for (int32_t i = 0; i < document[d]->n; i++)
			if (xmc_batch_takes(options, modality, document[d]->has[i]))
				out->item[out->rows++] = i;
		n = out->rows - out->row_start[d];
		out->pair_start[d + 1] = out->pair_start[d] + (int64_t) n * (n > 0 ? n - 1 : 0);
		if (n > out->most_items)
			out->most_items = n;
	}
	out->row_start[n_documents] = out->rows;
	return XMC_OK;
}

int32_t
xmc_batch_size(int32_t n, int32_t wanted, int32_t least)
{
	int32_t		most = n / XMC_LEAST_STEPS > least ? n / XMC_LEAST_STEPS : least;

	return wanted < most ? wanted : most;
}

void
xmc_shuffle_documents(xmc_random *random, int32_t n, const xmc_document **document)
{
	for (int32_t d = n - 1; d > 0; d--)
	{
		int32_t		other = (int32_t) xmc_random_below(random, (uint32_t) d + 1);
		const xmc_document *swap = document[d];

		document[d] = document[other];
		document[other] = swap;
	}
}
