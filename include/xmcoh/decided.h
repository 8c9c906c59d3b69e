/*
 * decided.h - what people decided about pairs of items of a document: a matrix (n, n) of xmc_decision, its transitive
 * closure, and an order that fulfils the decisions.
 */
#ifndef XMCOH_DECIDED_H
#define XMCOH_DECIDED_H

#include "xmcoh/base.h"

/* A cell decided[i * n + j]. xmc_decide sets both cells of a pair. */
typedef enum xmc_decision
{
	XMC_UNDECIDED = 0,
	XMC_DECIDED_BEFORE,			/* item i stands before item j */
	XMC_DECIDED_AFTER,			/* item j stands before item i */
	XMC_DECIDED_EITHER			/* both orders are right */
} xmc_decision;

/* Sets both cells of the pair of items i and j; decision is that of (i, j). */
extern void xmc_decide(int32_t n, uint8_t *decided, int32_t i, int32_t j, xmc_decision decision);

/*
 * Adds all decisions that follow: if a stands before b and b before c, then a stands before c, also where (a, c) was
 * XMC_DECIDED_EITHER. Errors: XMC_BAD_INPUT (a cycle: no order fulfils the decisions), XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_decided_close(xmc_ctx *ctx, int32_t n, uint8_t *decided);

/*
 * Sorts m of n items, given in `order`, so that they fulfil the decisions: again and again the first item of `order` of
 * which all that must stand before stand already. An order that fulfils them stays as it is. `decided` is closed if m < n.
 * Into out (m). Errors: as xmc_decided_close.
 */
extern xmc_status xmc_decided_extend(xmc_ctx *ctx, int32_t n, const uint8_t *decided, int32_t m, const int32_t *order,
									 int32_t *out);

/* XMC_BAD_INPUT with the message of a cycle. */
extern xmc_status xmc_decided_cycle(xmc_ctx *ctx);

#endif
