/* row_linear.c - a linear layer whose rows do not depend on each other, to the bit; see row_linear.h */
#include "numeric/row_linear.h"
#include "numeric/vector.h"

#include <string.h>

/*
 * A tile of ROWS rows and OUTPUTS outputs has 12 sums, each a vector register; with 3 registers for weights and one for x
 * that is all 16 that AVX2 has. Each value of x and w that is loaded takes part in 3 or 4 multiplications.
 */
#define ROWS 4
#define OUTPUTS 3
#define BLOCK_ROWS 48			/* rows that pass through the weights at a time; their x stays in the second-level cache */
#define STEP_MULTIPLY_ADDS INT64_C(50000000)	/* between two calls of the stop callback: 10 ms on a slow processor */

typedef struct layer
{
	int64_t		inputs;
	int64_t		outputs;
	const float *x;				/* (rows, inputs) */
	const float *w;				/* (outputs, inputs) */
	const float *bias;			/* (outputs) */
	float	   *y;				/* (rows, outputs) */
} layer;

typedef float lanes __attribute__((vector_size(32), aligned(4), may_alias));
typedef float half_lanes __attribute__((vector_size(16)));

#define LANES 8

/* The sum of all lanes, added in halves. */
static inline __attribute__((always_inline)) float
sum_of(const lanes *sum)
{
	half_lanes	four = __builtin_shufflevector(*sum, *sum, 0, 1, 2, 3) + __builtin_shufflevector(*sum, *sum, 4, 5, 6, 7);
	half_lanes	two = four + __builtin_shufflevector(four, four, 2, 3, 2, 3);

	return two[0] + two[1];
}

/*
 * One tile: `rows` rows from `row` on, `outputs` outputs from `output` on. Both are constants where the function is
 * inlined, so that the sums stay in registers. Lane l of a sum adds the products at l, l + 8, l + 16, ... in this order;
 * inputs beyond the last count as zero. None of that depends on `rows`.
 */
static inline __attribute__((always_inline)) void
tile(const layer *of, int64_t row, int64_t output, const int rows, const int outputs)
{
	int64_t		whole = of->inputs - of->inputs % LANES;
	size_t		rest = (size_t) (of->inputs - whole) * sizeof(float);
	const float *x = of->x + row * of->inputs;
	const float *w = of->w + output * of->inputs;
	lanes		sum[ROWS][OUTPUTS] = {{{0}}};

	for (int64_t k = 0; k < whole; k += LANES)
	{
		lanes		weight[OUTPUTS];

		for (int o = 0; o < outputs; o++)
			weight[o] = *(const lanes *) (w + o * of->inputs + k);
		for (int r = 0; r < rows; r++)
		{
			lanes		value = *(const lanes *) (x + r * of->inputs + k);

			for (int o = 0; o < outputs; o++)
				sum[r][o] += value * weight[o];
		}
	}
	for (int r = 0; rest && r < rows; r++)
		for (int o = 0; o < outputs; o++)
		{
			lanes		value = {0};
			lanes		weight = {0};

			memcpy(&value, x + r * of->inputs + whole, rest);
			memcpy(&weight, w + o * of->inputs + whole, rest);
			sum[r][o] += value * weight;
		}
	for (int r = 0; r < rows; r++)
		for (int o = 0; o < outputs; o++)
			of->y[(row + r) * of->outputs + output + o] = sum_of(&sum[r][o]) + of->bias[output + o];
}

/* All tiles of some rows and some outputs: the weights are read once, the rows once for every tile of outputs. */
XMC_FOR_THIS_PROCESSOR static void
block(const layer *of, int64_t row, int64_t row_end, int64_t output, int64_t output_end)
{
	for (; output + OUTPUTS <= output_end; output += OUTPUTS)
	{
		int64_t		r = row;

		for (; r + ROWS <= row_end; r += ROWS)
			tile(of, r, output, ROWS, OUTPUTS);
		for (; r < row_end; r++)
			tile(of, r, output, 1, OUTPUTS);
	}
	for (; output < output_end; output++)
		for (int64_t r = row; r < row_end; r++)
			tile(of, r, output, 1, 1);
}

xmc_status
xmc_row_linear(xmc_ctx *ctx, int64_t rows, int64_t inputs, int64_t outputs,
			   const float *x, const float *w, const float *bias, float *y)
{
	layer		of = {inputs, outputs, x, w, bias, y};
	int64_t		step = STEP_MULTIPLY_ADDS / (BLOCK_ROWS * (inputs + 1)) / OUTPUTS * OUTPUTS;

	if (step < OUTPUTS)
		step = OUTPUTS;
	for (int64_t r = 0; r < rows; r += BLOCK_ROWS)
		for (int64_t o = 0; o < outputs; o += step)
		{
			XMC_TRY(xmc_check_stop(ctx));
			block(&of, r, r + BLOCK_ROWS < rows ? r + BLOCK_ROWS : rows, o, o + step < outputs ? o + step : outputs);
		}
	return XMC_OK;
}
