/*
 * sinkhorn.h - entropy-regularised optimal transport (Cuturi 2013) between rows and columns, with a dustbin row and a
 * dustbin column (SuperGlue, Sarlin et al. 2020, section 3.2) for whatever has no counterpart.
 */
#ifndef XMCOH_SINKHORN_H
#define XMCOH_SINKHORN_H

#include "xmcoh/base.h"

/*
 * score (rows, columns) is in log units; every cell of a dustbin has the score `dustbin`. Each row and each column has
 * mass 1. The mass of the dustbins is not bounded. The result p (rows + 1, columns + 1) is
 *
 *     p[r, c] = exp(score[r, c] + u[r] + v[c]),  p[r, columns] = exp(dustbin + u[r]),  p[rows, c] = exp(dustbin + v[c]),
 *
 * where u and v are such that p[r, .] sums to 1 for each r < rows and p[., c] sums to 1 for each c < columns. So a pair
 * outweighs two items without counterpart when the score of the pair is above twice the score of the dustbin. The corner
 * is 0. (SuperGlue also bounds the mass of the dustbins. The score of the dustbin then depends on the number of matches.)
 *
 * p[r, c] is the probability that r and c belong together; p[r, columns] and p[rows, c] are the probabilities that r and
 * c have no counterpart. The iteration works on logarithms, so that no score overflows, and ends after a fixed number of
 * steps or when the masses are right to 1e-9; what is then still missing goes to the dustbins. score may be NULL where
 * rows or columns is 0. Scratch memory is taken from the arena. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_sinkhorn(xmc_arena *arena, int32_t rows, int32_t columns, const double *score, double dustbin,
							   double *p);

#endif
