/*
 * dense.c - linear layers, dropout, layer normalisation, attention, GELU, tanh: forward and backward by hand on sgemm; see
 * dense.h
 */
#include "numeric/dense.h"
#include "numeric/sgemm.h"

#include <math.h>
#include <string.h>

xmc_status
xmc_linear(xmc_ctx *ctx, int64_t rows, int64_t inputs, int64_t outputs, const float *x, const float *w,
		   const float *bias, float *y)
{
	/* The product adds to the bias, which is copied into every row first. */
	if (bias)
		for (int64_t r = 0; r < rows; r++)
			memcpy(y + r * outputs, bias, (size_t) outputs * sizeof(float));
	return xmc_sgemm_forward(ctx, XMC_PLAIN, XMC_TRANSPOSED, rows, outputs, inputs,
							 1.0f, x, inputs, w, inputs, bias ? 1.0f : 0.0f, y, outputs);
}

xmc_status
xmc_linear_backward(xmc_ctx *ctx, int64_t rows, int64_t inputs, int64_t outputs, const float *x, const float *w,
					const float *dy, float *dw, float *dbias, float *dx, bool add_dx)
{
	/* dw += dy^T x */
	if (dw)
		XMC_TRY(xmc_sgemm(ctx, XMC_TRANSPOSED, XMC_PLAIN, outputs, inputs, rows,
						  1.0f, dy, outputs, x, inputs, 1.0f, dw, inputs));
	for (int64_t r = 0; dbias && r < rows; r++)
		xmc_add(outputs, dy + r * outputs, dbias);
	if (!dx)
		return XMC_OK;
	/* dx = dy w */
	return xmc_sgemm(ctx, XMC_PLAIN, XMC_PLAIN, rows, inputs, outputs,
					 1.0f, dy, outputs, w, inputs, add_dx ? 1.0f : 0.0f, dx, inputs);
}

void
xmc_relu(int64_t n, float *x)
{
	for (int64_t k = 0; k < n; k++)
		x[k] = x[k] > 0 ? x[k] : 0;
}

void
xmc_relu_backward(int64_t n, const float *y, float *dy)
{
	for (int64_t k = 0; k < n; k++)
		dy[k] = y[k] > 0 ? dy[k] : 0;
}

#define DRAWS 256				/* random numbers of 16 bits that are drawn at a time, four of each 64 random bits */

/* 0 where the draw is below the threshold, `keep` elsewhere */
XMC_FOR_THIS_PROCESSOR static void
set_factors(int64_t n, const uint16_t *draw, int32_t threshold, float keep, float *mask)
{
#pragma omp simd
	for (int64_t k = 0; k < n; k++)
		mask[k] = draw[k] < threshold ? 0 : keep;
}

/* The factors of n values; x NULL, or (n) multiplied by them. */
static void
drop(int64_t n, double p, xmc_random *random, float *x, float *mask)
{
	int32_t		threshold = (int32_t) (p * 65536.0);
	float		keep = (float) (1.0 / (1.0 - p));

	for (int64_t first = 0; first < n; first += DRAWS)
	{
		int64_t		count = n - first < DRAWS ? n - first : DRAWS;
		uint16_t	draw[DRAWS];

		for (int64_t k = 0; k < count; k += 4)
		{
			uint64_t	bits = xmc_random_next(random);

			for (int j = 0; j < 4; j++)
				draw[k + j] = (uint16_t) (bits >> 16 * j);
		}
		set_factors(count, draw, threshold, keep, mask + first);
		if (x)
			xmc_multiply(count, mask + first, x + first);
	}
}

void
xmc_dropout(int64_t n, double p, xmc_random *random, float *x, float *mask)
{
	if (p > 0 && random)
		drop(n, p, random, x, mask);
}

void
xmc_dropout_mask(int64_t n, double p, xmc_random *random, float *mask)
{
	drop(n, p, random, NULL, mask);
}

XMC_FOR_THIS_PROCESSOR void
xmc_layer_norm(int64_t rows, int64_t d, double epsilon, const float *x, const float *w, const float *b,
			   float *y, float *normal, float *inverse_deviation)
{
	for (int64_t r = 0; r < rows; r++, x += d, y += d, normal += d)
	{
		double		sum = 0;
		double		squares = 0;
		float		mean;
		float		inverse;

		/* Mean, then variance about it (Ba et al. 2016, eq. 3). */
#pragma omp simd reduction(+:sum)
		for (int64_t k = 0; k < d; k++)
			sum += x[k];
		mean = (float) (sum / (double) d);
#pragma omp simd reduction(+:squares)
		for (int64_t k = 0; k < d; k++)
			squares += (double) (x[k] - mean) * (x[k] - mean);
		inverse = (float) (1.0 / sqrt(squares / (double) d + epsilon));
		inverse_deviation[r] = inverse;
#pragma omp simd
		for (int64_t k = 0; k < d; k++)
		{
			normal[k] = (x[k] - mean) * inverse;
			y[k] = normal[k] * w[k] + b[k];
		}
	}
}

XMC_FOR_THIS_PROCESSOR void
xmc_layer_norm_backward(int64_t rows, int64_t d, const float *dy, const float *w, const float *normal,
						const float *inverse_deviation, float *dw, float *db, float *dx)
{
	for (int64_t r = 0; r < rows; r++, dy += d, normal += d, dx += d)
	{
		double		mean_g = 0;
		double		mean_gn = 0;

		/* With n = normal: dw += dy n, db += dy. */
		for (int64_t k = 0; dw && k < d; k++)
		{
			dw[k] += dy[k] * normal[k];
			db[k] += dy[k];
		}
		/* With g = dy w: the means of g and g n over the row. */
#pragma omp simd reduction(+:mean_g, mean_gn)
		for (int64_t k = 0; k < d; k++)
		{
			double		g = (double) dy[k] * w[k];

			mean_g += g;
			mean_gn += g * normal[k];
		}
		mean_g /= (double) d;
		mean_gn /= (double) d;
		/* dx = (g - mean(g) - n mean(g n)) / deviation: mean and deviation depend on every x of the row. */
#pragma omp simd
		for (int64_t k = 0; k < d; k++)
			dx[k] = inverse_deviation[r] * (dy[k] * w[k] - (float) mean_g - normal[k] * (float) mean_gn);
	}
}

/*
 * exp x for x <= 0, to 2 units in the last place; 0 below the smallest normal number. x = k log 2 + f, |f| <= log(2) / 2:
 * the Taylor polynomial of exp f, and k in the exponent's bits. There are no branches, so the compiler can vectorise loops.
 */
static inline float
exp_not_positive(float x)
{
	const float rounder = 12582912.0f + 127.0f;	/* as in xmc_tanh */
	float		a = x > -87.0f ? x : -87.0f;
	union
	{
		float		f;
		uint32_t	u;
	}			rounded = {.f = a * 1.4426950408889634f + rounder};
	float		k = rounded.f - rounder;
	float		f = (a - k * 0.693145752f) - k * 1.42860677e-6f;	/* log 2 in two parts: the first has few bits */
	float		polynomial = 1 + f * (1 + f * (0.5f + f * (1.6666667e-1f + f * (4.1666668e-2f + f * (8.3333340e-3f +
																	f * (1.3888889e-3f + f * 1.9841270e-4f))))));
	union
	{
		uint32_t	u;
		float		f;
	}			power = {.u = rounded.u << 23};

	return x > -87.0f ? power.f * polynomial : 0;
}

XMC_FOR_THIS_PROCESSOR void
xmc_softmax(int64_t n, float *x)
{
	float		top = x[0];
	double		sum = 0;
	float		inverse;

	/* The largest value is subtracted first, so that exp cannot overflow. */
#pragma omp simd reduction(max:top)
	for (int64_t k = 0; k < n; k++)
		top = x[k] > top ? x[k] : top;
#pragma omp simd reduction(+:sum)
	for (int64_t k = 0; k < n; k++)
	{
		x[k] = exp_not_positive(x[k] - top);
		sum += x[k];
	}
	inverse = (float) (1 / sum);
#pragma omp simd
	for (int64_t k = 0; k < n; k++)
		x[k] *= inverse;
}

/*
 * Attention of some rows of one head to all n rows. q, k, v and y begin at the head's first column; q and y at the first of
 * the rows. p (rows, n) is set to the softmax; scratch (rows, n) only with a mask.
 */
static xmc_status
attend(xmc_ctx *ctx, int64_t n, int64_t d, int64_t width, int64_t rows, const float *q, const float *k, const float *v,
	   float *p, const float *mask, float *scratch, float *y, int64_t *work)
{
	/* logits = q k^T / sqrt(width) */
	XMC_TRY(xmc_sgemm_forward(ctx, XMC_PLAIN, XMC_TRANSPOSED, rows, n, width, 1.0f / sqrtf((float) width), q, 3 * d, k, 3 * d, 0, p,
							  n));
	for (int64_t i = 0; i < rows; i++)
	{
		xmc_softmax(n, p + i * n);
		if (mask)
		{
			memcpy(scratch + i * n, p + i * n, (size_t) n * sizeof(float));
			xmc_multiply(n, mask + i * n, scratch + i * n);
		}
		XMC_TRY(xmc_spend(ctx, work, n));
	}
	/* y = p v */
	return xmc_sgemm_forward(ctx, XMC_PLAIN, XMC_PLAIN, rows, width, n, 1, mask ? scratch : p, n, v, 3 * d, 0, y, d);
}

xmc_status
xmc_attention(xmc_ctx *ctx, int64_t n, int64_t d, int64_t heads, const float *qkv, float *probability,
			  const float *mask, float *scratch, float *y)
{
	int64_t		width = d / heads;
	int64_t		work = 0;

	for (int64_t h = 0; h < heads; h++)
	{
		const float *q = qkv + h * width;

		XMC_TRY(attend(ctx, n, d, width, n, q, q + d, q + 2 * d, probability + h * n * n, mask ? mask + h * n * n : NULL,
					   scratch, y + h * width, &work));
	}
	return XMC_OK;
}

xmc_status
xmc_attention_only(xmc_ctx *ctx, int64_t n, int64_t d, int64_t heads, const float *qkv, float *scratch, float *y)
{
	int64_t		width = d / heads;
	int64_t		work = 0;

	for (int64_t h = 0; h < heads; h++)
		for (int64_t first = 0; first < n; first += XMC_ATTENTION_ROWS)
		{
			const float *q = qkv + h * width;

			XMC_TRY(attend(ctx, n, d, width, n - first < XMC_ATTENTION_ROWS ? n - first : XMC_ATTENTION_ROWS,
						   q + first * 3 * d, q + d, q + 2 * d, scratch, NULL, NULL, y + first * d + h * width, &work));
		}
	return XMC_OK;
}

xmc_status
xmc_attention_backward(xmc_ctx *ctx, int64_t n, int64_t d, int64_t heads, const float *qkv, const float *probability,
					   const float *mask, const float *dy, float *scratch, float *dqkv)
{
	int64_t		width = d / heads;
	float		scale = 1.0f / sqrtf((float) width);
	float	   *dp = scratch;	/* (n, n) */
	float	   *masked = scratch + n * n;	/* (n, n) */
	int64_t		work = 0;

	for (int64_t h = 0; h < heads; h++)
	{
		const float *q = qkv + h * width;
		const float *k = q + d;
		const float *v = k + d;
		const float *p = probability + h * n * n;
		const float *used = p;
		float	   *dq = dqkv + h * width;
		float	   *dk = dq + d;
		float	   *dv = dk + d;

		/* used = p, or p times the dropout mask */
		for (int64_t i = 0; mask && i < n; i++)
		{
			memcpy(masked + i * n, p + i * n, (size_t) n * sizeof(float));
			xmc_multiply(n, mask + (h * n + i) * n, masked + i * n);
			XMC_TRY(xmc_spend(ctx, &work, n));
			used = masked;
		}
		/* y = used v, so dv = used^T dy and d used = dy v^T */
		XMC_TRY(xmc_sgemm(ctx, XMC_TRANSPOSED, XMC_PLAIN, n, width, n, 1, used, n, dy + h * width, d, 0, dv, 3 * d));
		XMC_TRY(xmc_sgemm(ctx, XMC_PLAIN, XMC_TRANSPOSED, n, n, width, 1, dy + h * width, d, v, 3 * d, 0, dp, n));
		/* softmax: d logit = p (dp - sum over the row of p dp) */
		for (int64_t i = 0; i < n; i++)
		{
			double		dot = 0;

			if (mask)
				xmc_multiply(n, mask + (h * n + i) * n, dp + i * n);
			for (int64_t j = 0; j < n; j++)
				dot += (double) p[i * n + j] * dp[i * n + j];
			for (int64_t j = 0; j < n; j++)
				dp[i * n + j] = p[i * n + j] * (dp[i * n + j] - (float) dot);
			XMC_TRY(xmc_spend(ctx, &work, n));
		}
		/* logits = scale q k^T, so dq = scale dlogit k and dk = scale dlogit^T q */
		XMC_TRY(xmc_sgemm(ctx, XMC_PLAIN, XMC_PLAIN, n, width, n, scale, dp, n, k, 3 * d, 0, dq, 3 * d));
		XMC_TRY(xmc_sgemm(ctx, XMC_TRANSPOSED, XMC_PLAIN, n, width, n, scale, dp, n, q, 3 * d, 0, dk, 3 * d));
	}
	return XMC_OK;
}

/*
 * erf(x / sqrt 2) as a rational function of x / sqrt 2 between -4 and 4, where erf is 1 to the precision of float (the
 * coefficients of Eigen's erf). The absolute error is below 4e-7.
 */
static inline float
erf_of_scaled(float x)
{
	float		a = x * 0.70710678f;
	float		b = a > 4.0f ? 4.0f : a;
	float		c = b < -4.0f ? -4.0f : b;
	float		s = c * c;
	float		p = -1.60960333262415e-02f + s * (-2.95459980854025e-03f + s * (-7.34990630326855e-04f + s *
							(-5.69250639462346e-05f + s * (-2.10102402082508e-06f + s * (2.77068142495902e-08f + s *
							-2.72614225801306e-10f)))));
	float		q = -1.42647390514189e-02f + s * (-7.37332916720468e-03f + s * (-1.68282697438203e-03f + s *
							(-2.13374055278905e-04f + s * -1.45660718464996e-05f)));

	return c * p / q;
}

XMC_FOR_THIS_PROCESSOR void
xmc_gelu(int64_t n, const float *x, float *y)
{
#pragma omp simd
	for (int64_t k = 0; k < n; k++)
		y[k] = 0.5f * x[k] * (1 + erf_of_scaled(x[k]));
}

/* d (x Phi(x)) = Phi(x) + x phi(x) */
XMC_FOR_THIS_PROCESSOR void
xmc_gelu_backward(int64_t n, const float *x, float *dy)
{
#pragma omp simd
	for (int64_t k = 0; k < n; k++)
		dy[k] *= 0.5f * (1 + erf_of_scaled(x[k])) + x[k] * 0.39894228f * exp_not_positive(-0.5f * x[k] * x[k]);
}

/*
 * tanh x = m / (m + 2), where m = exp(2 x) - 1. With exp(2 x) = 2^k exp(f) and |f| <= log(2) / 2, m = 2^k (exp(f) - 1) +
 * (2^k - 1). Near 0 k is 0, so nothing cancels and the relative precision is kept. There are no branches, so that the
 * compiler can vectorise the loop.
 */
XMC_FOR_THIS_PROCESSOR void
xmc_tanh(int64_t n, float *x)
{
	/* z + rounder has in its lowest bits z, rounded to a whole number, plus the bias of a float's exponent. */
	const float rounder = 12582912.0f + 127.0f;

#pragma omp simd
	for (int64_t k = 0; k < n; k++)
	{
		float		a = x[k] > 10.0f ? 10.0f : x[k];	/* tanh 10 rounds to 1 */
		float		b = a < -10.0f ? -10.0f : a;
		float		z = b * 2.8853900817779268f;	/* 2 log2 e */
		union
		{
			float		f;
			uint32_t	u;
		}			rounded = {.f = z + rounder};
		float		f = (z - (rounded.f - rounder)) * 0.6931471805599453f;
		float		m = f + f * f * (0.5f + f * (1.6666667e-1f + f * (4.1666668e-2f + f * (8.3333340e-3f +
															f * (1.3888889e-3f + f * 1.9841270e-4f)))));	/* Taylor */
		union
		{
			uint32_t	u;
			float		f;
		}			power = {.u = rounded.u << 23};

		m = power.f * m + (power.f - 1);
		x[k] = m / (m + 2);
	}
}

double
xmc_softplus(double x)
{
	return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

double
xmc_sigmoid(double x)
{
	double		e = exp(-fabs(x));

	return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

double
xmc_softplus_slope(double x, double *slope)
{
	double		e = exp(-fabs(x));

	*slope = x >= 0 ? 1 / (1 + e) : e / (1 + e);
	return (x > 0 ? x : 0) + log1p(e);
}
