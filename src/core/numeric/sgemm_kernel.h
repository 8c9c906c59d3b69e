/*
 * sgemm_kernel.h - the dot products of sgemm.c for one kind of processor. sgemm.c includes this file once for each kind, with these
 * macros: NAME(x), TARGET, LANES (floats of a vector register), DOT_ROWS, DOT_COLUMNS.
 *
 * A value of the result is computed in the same order whatever the number of rows and columns and wherever the value stands.
 */
typedef float NAME(vector) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* The lanes of a sum, added in halves until four are left. */
TARGET static inline __attribute__((always_inline)) four_lanes
NAME(four_of)(const NAME(vector) *v)
{
#if LANES == 16
	typedef float half __attribute__((vector_size(32)));
	half		h = __builtin_shufflevector(*v, *v, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(*v, *v, 8, 9, 10, 11, 12, 13, 14, 15);

	return __builtin_shufflevector(h, h, 0, 1, 2, 3) + __builtin_shufflevector(h, h, 4, 5, 6, 7);
#elif LANES == 8
	return __builtin_shufflevector(*v, *v, 0, 1, 2, 3) + __builtin_shufflevector(*v, *v, 4, 5, 6, 7);
#else
	return *v;
#endif
}

/* The sums of three or four vectors side by side, or of one. The lanes of each are added in the same order: (0 + 2) + (1 + 3). */
TARGET static inline __attribute__((always_inline)) four_lanes
NAME(four_sums)(const NAME(vector) *v, const int n)
{
	four_lanes	a = NAME(four_of)(&v[0]);
	four_lanes	b = NAME(four_of)(&v[1]);
	four_lanes	c = NAME(four_of)(&v[2]);
	four_lanes	d = n > 3 ? NAME(four_of)(&v[3]) : (four_lanes) {0};
	four_lanes	ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
	four_lanes	cd = __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);

	return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

TARGET static inline __attribute__((always_inline)) float
NAME(sum_of)(const NAME(vector) *v)
{
	four_lanes	four = NAME(four_of)(v);

	return (four[0] + four[2]) + (four[1] + four[3]);
}

/*
 * Dot products of `rows` rows of a with `columns` rows of b. Both are constants where the function is inlined, so that the sums stay
 * in registers. Lane l of a sum adds the products at l, l + LANES, l + 2 LANES, ...; values beyond the last count as zero. Meanwhile
 * `fetches` rows from `fetch` on are fetched from memory, which may lie beyond the end of b.
 */
TARGET static inline __attribute__((always_inline)) void
NAME(dot_tile)(const product *of, const float *a, const float *b, float *c, const float *fetch, int fetches, const int rows,
			   const int columns)
{
	int64_t		whole = of->k - of->k % LANES;
	size_t		rest = (size_t) (of->k - whole) * sizeof(float);
	NAME(vector) sum[DOT_ROWS][DOT_COLUMNS] = {{{0}}};

	for (int64_t p = 0; p < whole; p += LANES)
	{
		NAME(vector) y[DOT_COLUMNS];

		for (int j = 0; j < columns; j++)
			y[j] = *(const NAME(vector) *) (b + j * of->ldb + p);
		for (int j = 0; j < fetches; j++)
			__builtin_prefetch(fetch + j * of->ldb + p);
		for (int i = 0; i < rows; i++)
		{
			NAME(vector) x = *(const NAME(vector) *) (a + i * of->lda + p);

			for (int j = 0; j < columns; j++)
				sum[i][j] += x * y[j];
		}
	}
	if (rest)
	{
		NAME(vector) y[DOT_COLUMNS] = {{0}};

		for (int j = 0; j < columns; j++)
			memcpy(&y[j], b + j * of->ldb + whole, rest);
		for (int i = 0; i < rows; i++)
		{
			NAME(vector) x = {0};

			memcpy(&x, a + i * of->lda + whole, rest);
			for (int j = 0; j < columns; j++)
				sum[i][j] += x * y[j];
		}
	}
	for (int i = 0; i < rows; i++)
	{
		float	   *z = c + i * of->ldc;

		if (columns > 2)
		{
			four_lanes	value = of->alpha * NAME(four_sums)(sum[i], columns);

			if (of->add)
				for (int j = 0; j < columns; j++)
					value[j] += z[j];
			memcpy(z, &value, (size_t) columns * sizeof(float));
			continue;
		}
		for (int j = 0; j < columns; j++)
		{
			float		value = of->alpha * NAME(sum_of)(&sum[i][j]);

			z[j] = of->add ? z[j] + value : value;
		}
	}
}

/*
 * c (m, n) = dot products of the rows of a and the rows of b: the rows of b are read once, those of a once for every few columns.
 *
 * Rows of b that will be needed are fetched meanwhile: where they are short, those of the next tile, evenly by the groups of rows of a
 * that use the present one; where they are long, a little ahead, by the first group (measured).
 */
TARGET static void
NAME(dots)(const product *of, int64_t m, int64_t n, const float *a, const float *b, float *c)
{
	int64_t		groups = (m + DOT_ROWS - 1) / DOT_ROWS;
	int64_t		tile = DOT_COLUMNS * of->ldb;	/* values of b from one tile to the next */
	bool		is_spread = tile <= SPREAD_TILE;
	int64_t		ahead = !is_spread ? AHEAD : groups > 2 ? tile + AHEAD / 4 : 2 * tile;
	int64_t		share = is_spread ? (DOT_COLUMNS + groups - 1) / groups : DOT_COLUMNS;	/* of these rows, for each group */

	for (int64_t j = 0; j < n;)
	{
		bool		full = n - j >= DOT_COLUMNS;
		const float *y = b + j * of->ldb;

		for (int64_t g = 0; g < groups; g++)
		{
			int64_t		i = m * g / groups;
			const float *x = a + i * of->lda;
			float	   *z = c + i * of->ldc + j;

			int64_t		from = share * g < DOT_COLUMNS ? share * g : DOT_COLUMNS;
			int			fetches = (int) (DOT_COLUMNS - from < share ? DOT_COLUMNS - from : share);
			const float *fetch = y + from * of->ldb + ahead;

#define TILE(rows) case rows: full ? NAME(dot_tile)(of, x, y, z, fetch, fetches, rows, DOT_COLUMNS) : \
	NAME(dot_tile)(of, x, y, z, NULL, 0, rows, 1); break
			switch (m * (g + 1) / groups - i)
			{
					TILE(1);
					TILE(2);
					TILE(3);
					TILE(4);
#if DOT_ROWS >= 6
					TILE(5);
					TILE(6);
#endif
			}
#undef TILE
		}
		j += full ? DOT_COLUMNS : 1;
	}
}

#undef NAME
#undef TARGET
#undef LANES
#undef DOT_ROWS
#undef DOT_COLUMNS
