/*
 * sort.h - a stable sort that calls the stop callback and whose time is bounded for any input. qsort of the C library does
 * neither.
 */
#ifndef XMCOH_SORT_H
#define XMCOH_SORT_H

#include "xmcoh/base.h"

/* Merge sort of n values of `size` bytes; scratch: room for as many. Errors: XMC_STOPPED; the order is then undefined. */
extern xmc_status xmc_sort(xmc_ctx *ctx, void *values, void *scratch, size_t n, size_t size,
						   int (*compare) (const void *a, const void *b));

#endif
