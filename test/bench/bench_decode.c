/*
 * bench_decode.c - speed and quality of decoding: processor time of the exact and the search method, and
 * the gap between the search and the best known order, as a share of the sum of abs(s) over pairs.
 *
 * The best known order is the exact optimum up to n = 16. Above, it is the better of the search and a simulated annealing,
 * which shares no code with the search and runs for seconds per instance (argument 1: proposals per
 * instance in millions, 100 by default).
 */
#include "numeric/decode.h"
#include "xmcoh/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

typedef enum kind
{
	STEP,						/* s = drift * sign(true distance) + noise: every pair equally hard */
	DISTANCE,					/* s = drift * true distance / n * 4 + noise: near pairs hard, far pairs easy */
	KINDS
} kind;

static const char *const kind_name[KINDS] = {"step", "distance"};

/* Fills s (n, n) around a hidden random order. */
static void
instance(xmc_random *random, int32_t n, kind k, double drift, float *s)
{
	int32_t    *truth = malloc(sizeof(int32_t) * n);

	for (int32_t i = 0; i < n; i++)
	{
		int32_t		j = (int32_t) xmc_random_below(random, i + 1);

		truth[i] = truth[j];
		truth[j] = i;
	}
	for (int32_t i = 0; i < n; i++)
	{
		s[i * n + i] = 0;
		for (int32_t j = i + 1; j < n; j++)
		{
			double		distance = truth[j] - truth[i];
			double		signal = k == STEP ? (distance > 0 ? 1 : -1) : 4 * distance / n;

			s[i * n + j] = (float) (drift * signal + xmc_random_normal(random));
			s[j * n + i] = -s[i * n + j];
		}
	}
	free(truth);
}

static double
order_value(int32_t n, const float *s, const int32_t *order)
{
	double		sum = 0;

	for (int32_t a = 0; a < n; a++)
		for (int32_t b = a + 1; b < n; b++)
			sum += s[order[a] * n + order[b]];
	return sum;
}

/* Simulated annealing over single random insertions (Metropolis), geometric cooling; returns the best value met. */
static double
anneal_reference(int32_t n, const float *s, const int32_t *start, double proposals)
{
	xmc_random	random;
	int32_t    *order = malloc(sizeof(int32_t) * n);
	double		value = order_value(n, s, start);
	double		best = value;
	double		hot = 1.5 * sqrt((double) n);
	double		temperature = hot;
	double		cooling = pow(0.02 / hot, 1000 / proposals);

	xmc_random_seed(&random, 99);
	memcpy(order, start, sizeof(int32_t) * n);
	for (double done = 0; done < proposals; done += 1000)
	{
		for (int32_t r = 0; r < 1000; r++)
		{
			int32_t		from = (int32_t) xmc_random_below(&random, n);
			int32_t		reach = r & 1 ? n : 12 < n ? 12 : n;
			int32_t		to = from - reach + (int32_t) xmc_random_below(&random, 2 * reach + 1);
			int32_t		item = order[from];
			int32_t		step = from < to ? 1 : -1;
			double		gain = 0;

			if (to < 0 || to >= n || to == from)
				continue;
			for (int32_t k = from; k != to; k += step)
				gain -= step * 2.0 * s[item * n + order[k + step]];
			if (gain < 0 && xmc_random_uniform(&random) >= exp(gain / temperature))
				continue;
			for (int32_t k = from; k != to; k += step)
				order[k] = order[k + step];
			order[to] = item;
			value += gain;
		}
		if (value > best)
			best = value;
		temperature *= cooling;
	}
	value = order_value(n, s, order);
	free(order);
	return value > best ? value : best;
}

int
main(int argc, char **argv)
{
	static const int32_t sizes[] = {2, 4, 8, 12, 16, 17, 18, 24, 32, 64, 100, 200, 256};
	static const double drifts[] = {0, 0.25, 1};
	double		proposals = (argc > 1 ? atof(argv[1]) : 100) * 1e6;
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;

	xmc_random_seed(&random, 7);
	printf("%4s %-9s %6s %10s %10s %10s\n", "n", "instance", "drift", "exact ms", "search ms", "gap %");
	for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++)
		for (kind k = 0; k < KINDS; k++)
			for (size_t d = 0; d < sizeof drifts / sizeof *drifts; d++)
			{
				int32_t		n = sizes[z];
				float	   *s = malloc(sizeof(float) * n * n);
				int32_t    *order = malloc(sizeof(int32_t) * n);
				int32_t		repeats = n <= 8 ? 10000 : n <= 16 ? 50 : 5;
				double		exact_ms = NAN;
				double		best = -INFINITY;
				double		total = 0;
				double		value;
				double		start;
				double		search_ms;

				if (k != STEP && d == 0)
					continue;	/* without drift both kinds are the same */
				instance(&random, n, k, drifts[d], s);
				for (int32_t i = 0; i < n * n; i++)
					total += fabs(s[i]) / 2;
				if (n <= XMC_EXACT_ITEMS)
				{
					start = now_ms();
					for (int32_t r = 0; r < repeats; r++)
						if (xmc_decode_exact(&ctx, n, s, NULL, order, &best) != XMC_OK)
							return 1;
					exact_ms = (now_ms() - start) / repeats;
				}
				start = now_ms();
				for (int32_t r = 0; r < repeats; r++)
					if (xmc_decode_search(&ctx, n, s, NULL, order, &value) != XMC_OK)
						return 1;
				search_ms = (now_ms() - start) / repeats;
				if (n > XMC_EXACT_ITEMS)
					best = fmax(value, anneal_reference(n, s, order, proposals));
				printf("%4d %-9s %6.2f %10.4f %10.4f %10.4f\n", n, kind_name[k], drifts[d], exact_ms, search_ms,
					   100 * (best - value) / total);
				fflush(stdout);
				free(order);
				free(s);
			}
	return 0;
}
