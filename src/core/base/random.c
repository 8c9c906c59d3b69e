/* random.c - xoshiro256**, SplitMix64, and the distributions that are drawn from them; see random.h */
#include "xmcoh/random.h"

#include <math.h>

void
xmc_random_seed(xmc_random *random, uint64_t seed)
{
	for (int k = 0; k < 4; k++)
		random->state[k] = xmc_splitmix64(&seed);
}

static inline uint64_t
rotate_left(uint64_t x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

/* One step of xoshiro256**. */
uint64_t
xmc_random_next(xmc_random *random)
{
	uint64_t   *s = random->state;
	uint64_t	result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t	t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

/* Multiply-shift. The bias is below bound / 2^32, which is negligible for the bounds that occur here. */
uint32_t
xmc_random_below(xmc_random *random, uint32_t bound)
{
	return (uint32_t) (((xmc_random_next(random) >> 32) * bound) >> 32);
}

double
xmc_random_uniform(xmc_random *random)
{
	return (double) (xmc_random_next(random) >> 11) * 0x1.0p-53;
}

/* Box-Muller transform. Only one of its two values is used. */
double
xmc_random_normal(xmc_random *random)
{
	double		u = 1.0 - xmc_random_uniform(random);	/* in (0, 1]: its logarithm is finite */
	double		v = xmc_random_uniform(random);

	return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}
