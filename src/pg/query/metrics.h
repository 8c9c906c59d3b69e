/*
 * metrics.h - the seed of bootstrap intervals in SQL functions.
 *
 * The seed is fixed, so the same documents give the same interval everywhere.
 */
#ifndef XMCOH_PG_METRICS_H
#define XMCOH_PG_METRICS_H

#define XMCOH_BOOTSTRAP_SEED UINT64_C(20240800305)

#endif
