/*
 * metrics.h - how the bootstrap intervals of SQL functions are drawn: the same documents give the same interval
 * everywhere.
 */
#ifndef XMCOH_PG_METRICS_H
#define XMCOH_PG_METRICS_H

#define XMCOH_BOOTSTRAP_SEED UINT64_C(20240800305)

#endif
