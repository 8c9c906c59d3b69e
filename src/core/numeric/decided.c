/* decided.c - decisions about pairs of items: their transitive closure and an order that fulfils them; see decided.h */
#include "xmcoh/decided.h"

#define WORD_BITS 64

void
xmc_decide(int32_t n, uint8_t *decided, int32_t i, int32_t j, xmc_decision decision)
{
	uint8_t		turned = decision == XMC_DECIDED_BEFORE ? XMC_DECIDED_AFTER
		: decision == XMC_DECIDED_AFTER ? XMC_DECIDED_BEFORE : (uint8_t) decision;

	decided[(size_t) i * n + j] = (uint8_t) decision;
	decided[(size_t) j * n + i] = turned;
}

xmc_status
xmc_decided_cycle(xmc_ctx *ctx)
{
	return xmc_fail(ctx, XMC_BAD_INPUT, "decided pairs contradict each other: no order fulfils them");
}

/* reach (n, words): bit j of row i says that item i stands before item j. Warshall's algorithm on rows of bits. */
static xmc_status
close_rows(xmc_ctx *ctx, int32_t n, size_t words, uint64_t *reach, uint8_t *decided)
{
	int64_t		work = 0;

	for (size_t i = 0; i < (size_t) n; i++)
	{
		for (size_t j = 0; j < (size_t) n; j++)
			if (decided[i * n + j] == XMC_DECIDED_BEFORE)
				reach[i * words + j / WORD_BITS] |= UINT64_C(1) << j % WORD_BITS;
		XMC_TRY(xmc_spend(ctx, &work, n));
	}
	for (size_t k = 0; k < (size_t) n; k++)
		for (size_t i = 0; i < (size_t) n; i++)
			if (reach[i * words + k / WORD_BITS] >> k % WORD_BITS & 1)
			{
				for (size_t w = 0; w < words; w++)
					reach[i * words + w] |= reach[k * words + w];
				XMC_TRY(xmc_spend(ctx, &work, (int64_t) words));
			}
	for (size_t i = 0; i < (size_t) n; i++)
	{
		for (size_t j = 0; j < (size_t) n; j++)
			if (reach[i * words + j / WORD_BITS] >> j % WORD_BITS & 1)
			{
				if (i == j)
					return xmc_decided_cycle(ctx);
				xmc_decide(n, decided, (int32_t) i, (int32_t) j, XMC_DECIDED_BEFORE);
			}
		XMC_TRY(xmc_spend(ctx, &work, n));
	}
	return XMC_OK;
}

xmc_status
xmc_decided_close(xmc_ctx *ctx, int32_t n, uint8_t *decided)
{
	size_t		words = ((size_t) n + WORD_BITS - 1) / WORD_BITS;
	uint64_t   *reach = xmc_zalloc(ctx, (size_t) n * words, sizeof(uint64_t));
	xmc_status	status;

	XMC_NEED(reach, ctx);
	status = close_rows(ctx, n, words, reach, decided);
	xmc_release(ctx, reach);
	return status;
}

/* waits_for[k] (m): how many unplaced items must stand before order[k]; -1: order[k] is placed. */
static xmc_status
extend(xmc_ctx *ctx, int32_t n, const uint8_t *decided, int32_t m, const int32_t *order, int32_t *waits_for, int32_t *out)
{
	int64_t		work = 0;

	for (int32_t k = 0; k < m; k++)
	{
		for (int32_t l = 0; l < m; l++)
			waits_for[k] += decided[(size_t) order[l] * n + order[k]] == XMC_DECIDED_BEFORE;
		XMC_TRY(xmc_spend(ctx, &work, m));
	}
	for (int32_t placed = 0; placed < m; placed++)
	{
		int32_t		k = 0;

		while (k < m && waits_for[k] != 0)
			k++;
		if (k == m)
			return xmc_decided_cycle(ctx);
		out[placed] = order[k];
		waits_for[k] = -1;
		for (int32_t l = 0; l < m; l++)
			waits_for[l] -= decided[(size_t) order[k] * n + order[l]] == XMC_DECIDED_BEFORE;
		XMC_TRY(xmc_spend(ctx, &work, m));
	}
	return XMC_OK;
}

xmc_status
xmc_decided_extend(xmc_ctx *ctx, int32_t n, const uint8_t *decided, int32_t m, const int32_t *order, int32_t *out)
{
	int32_t    *waits_for = xmc_zalloc(ctx, (size_t) m, sizeof(int32_t));
	xmc_status	status;

	XMC_NEED(waits_for, ctx);
	status = extend(ctx, n, decided, m, order, waits_for, out);
	xmc_release(ctx, waits_for);
	return status;
}
