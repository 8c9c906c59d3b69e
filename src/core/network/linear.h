/*
 * linear.h - the linear term: an additive score per item, linear in its standardised embedding (design section 4, "Parts").
 * u(i) = w . x_i contributes u(j) - u(i) to s(i,j). Few labels suffice for the linear term where the encoder needs many.
 */
#ifndef XMCOH_LINEAR_H
#define XMCOH_LINEAR_H

#include "network/batch.h"
#include "xmcoh/model.h"

/* u (rows) = w . x of each row; a missing embedding counts as the mean, x = 0. Errors: XMC_NO_MEMORY, XMC_STOPPED. */
extern xmc_status xmc_linear_term_forward(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, double *u);

#endif
