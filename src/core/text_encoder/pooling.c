/* pooling.c - the vector of a text from those of its tokens; see pooling.h */
#include "text_encoder/pooling.h"

#include <math.h>
#include <string.h>

/* How many of the tokens' vectors count. */
static int64_t
used_rows(const xmc_text_encoder_shape *shape, int64_t rows)
{
	return shape->first_token && rows > 0 ? 1 : rows;
}

xmc_status
xmc_pool(xmc_ctx *ctx, const xmc_text_encoder_shape *shape, int64_t rows, const float *x, double *sum, float *out, double *length)
{
	int64_t		d = shape->dim;
	int64_t		used = used_rows(shape, rows);
	double		squares = 0;
	double		divisor;

	memset(sum, 0, (size_t) d * sizeof(double));
	for (int64_t r = 0; r < used; r++)
		for (int64_t k = 0; k < d; k++)
			sum[k] += x[r * d + k];
	for (int64_t k = 0; k < d; k++)
	{
		sum[k] /= used > 0 ? (double) used : 1;
		squares += sum[k] * sum[k];
	}
	divisor = shape->normalised && squares > 0 ? sqrt(squares) : 1;
	if (length)
		*length = divisor;
	if (!isfinite(squares))
		return xmc_fail(ctx, XMC_BAD_MODEL, "the encoder's vector of a text is not finite; its weights are damaged");
	for (int64_t k = 0; k < d; k++)
		out[k] = (float) (sum[k] / divisor);
	return XMC_OK;
}

void
xmc_pool_backward(const xmc_text_encoder_shape *shape, int64_t rows, const float *y, double length, const float *dy, float *dx)
{
	int64_t		d = shape->dim;
	int64_t		used = used_rows(shape, rows);
	double		along = 0;		/* the part of dy along y, which a normalised vector cannot follow */

	for (int64_t k = 0; k < d && shape->normalised; k++)
		along += (double) dy[k] * y[k];
	for (int64_t r = 0; r < rows; r++)
		for (int64_t k = 0; k < d; k++)
			dx[r * d + k] = r < used ? (float) ((dy[k] - along * y[k]) / (length * (double) used)) : 0;
}
