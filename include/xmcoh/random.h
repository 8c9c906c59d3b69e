/*
 * random.h - pseudo-random numbers from a seed: xoshiro256** (Blackman and Vigna 2018), seeded by SplitMix64 (Steele, Lea
 * and Flood 2014). The same seed gives the same numbers on every machine. Initial weights, shuffling, dropout, bootstrap
 * and annealing draw from here.
 */
#ifndef XMCOH_RANDOM_H
#define XMCOH_RANDOM_H

#include <stdint.h>

typedef struct xmc_random
{
	uint64_t	state[4];
} xmc_random;

extern void xmc_random_seed(xmc_random *random, uint64_t seed);

extern uint64_t xmc_random_next(xmc_random *random);	/* 64 uniform bits */
extern uint32_t xmc_random_below(xmc_random *random, uint32_t bound);	/* uniform in [0, bound); bound >= 1 */
extern double xmc_random_uniform(xmc_random *random);	/* uniform in [0, 1) */
extern double xmc_random_normal(xmc_random *random);	/* mean 0, standard deviation 1 */

/* The next 64 bits of SplitMix64. Every value of *state is a valid state. */
static inline uint64_t
xmc_splitmix64(uint64_t *state)
{
	uint64_t	z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

#endif
