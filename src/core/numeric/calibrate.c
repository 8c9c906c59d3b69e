/*
 * calibrate.c - logistic regression with coefficients >= 0 and no intercept, by projected Newton steps; expected
 * calibration error. See calibrate.h (design section 4, "Guidance").
 */
#include "xmcoh/calibrate.h"

#include <math.h>
#include <string.h>

#define K XMC_CALIBRATE_MAX
#define STOP_ROWS 262144		/* rows between two calls of the stop callback */
#define MAX_STEPS 100
#define MAX_HALVINGS 40
#define TOLERANCE 1e-14			/* times the objective at 0: the fit ends when a step promises a smaller decrease */
#define DAMPING 1e-12			/* relative addition to the Hessian's diagonal, for collinear features */

typedef struct problem
{
	xmc_ctx    *ctx;
	int32_t		n;
	int32_t		k;
	const float *x;				/* (n, k) */
	const float *weight;		/* (n) or NULL */
	xmc_prior	prior[K];		/* (k) */
} problem;

/* The objective at c; if gradient is not NULL also the gradient (k) and the Hessian (k, k), whose rows have length K. */
static xmc_status
objective(const problem *p, const double *c, double *value, double *gradient, double (*hessian)[K])
{
	int32_t		k = p->k;
	double		sum = 0;

	if (gradient)
	{
		memset(gradient, 0, sizeof(double) * K);
		memset(hessian, 0, sizeof(double) * K * K);
	}
	for (int32_t r = 0; r < p->n; r++)
	{
		const float *x = p->x + (size_t) r * k;
		double		w = p->weight ? p->weight[r] : 1;
		double		z = 0;
		double		e;

		if ((r + 1) % STOP_ROWS == 0)
			XMC_TRY(xmc_check_stop(p->ctx));
		for (int32_t a = 0; a < k; a++)
			z += c[a] * x[a];
		e = exp(-fabs(z));	/* cannot overflow */
		sum += w * (log1p(e) + (z < 0 ? -z : 0));	/* softplus(-z) */
		if (gradient)
		{
			double		wrong = (z < 0 ? 1 : e) / (1 + e);	/* sigmoid(-z) */
			double		slope = w * wrong;
			double		curve = w * e / ((1 + e) * (1 + e));

			for (int32_t a = 0; a < k; a++)
			{
				gradient[a] -= slope * x[a];
				for (int32_t b = 0; b <= a; b++)
					hessian[a][b] += curve * x[a] * x[b];
			}
		}
	}
	/* The prior: precision (c - mean)^2 / 2. The upper half of the Hessian mirrors the lower. */
	for (int32_t a = 0; a < k; a++)
	{
		double		precision = p->prior[a].precision;
		double		off = c[a] - p->prior[a].mean;

		sum += precision * off * off / 2;
		if (gradient)
		{
			gradient[a] += precision * off;
			hessian[a][a] += precision;
			for (int32_t b = 0; b < a; b++)
				hessian[b][a] = hessian[a][b];
		}
	}
	*value = sum;
	return XMC_OK;
}

/* Solves A x = b in place by Cholesky; b becomes x. False: A (m, m) is not positive definite. */
static bool
solve(int32_t m, double (*a)[K], double *b)
{
	for (int32_t i = 0; i < m; i++)
	{
		for (int32_t j = 0; j <= i; j++)
		{
			for (int32_t l = 0; l < j; l++)
				a[i][j] -= a[i][l] * a[j][l];
			if (i > j)
				a[i][j] /= a[j][j];
			else if (a[i][i] > 0)
				a[i][i] = sqrt(a[i][i]);
			else
				return false;
		}
	}
	for (int32_t i = 0; i < m; i++)
	{
		for (int32_t l = 0; l < i; l++)
			b[i] -= a[i][l] * b[l];
		b[i] /= a[i][i];
	}
	for (int32_t i = m - 1; i >= 0; i--)
	{
		for (int32_t l = i + 1; l < m; l++)
			b[i] -= a[l][i] * b[l];
		b[i] /= a[i][i];
	}
	return true;
}

/*
 * The step d (k) that minimises the quadratic model g.d + d.H.d / 2 subject to c + d >= 0. Since k <= 4, all 2^k sets of
 * free coefficients are tried. The coefficients outside the set go to 0; those inside solve a linear system. The best
 * solution that is feasible is the constrained minimum. Returns the decrease of the quadratic model, >= 0; d = 0 if no step
 * decreases it.
 */
static double
newton_step(int32_t k, const double *c, const double *gradient, double (*hessian)[K], double *d)
{
	double		least = 0;

	memset(d, 0, sizeof(double) * K);
	for (uint32_t set = 0; set < 1u << k; set++)
	{
		int32_t		free[K];
		int32_t		m = 0;
		double		step[K];
		double		a[K][K];
		double		b[K];
		double		model = 0;
		bool		feasible = true;

		/* The bound coefficients go to 0. */
		for (int32_t i = 0; i < k; i++)
		{
			step[i] = -c[i];
			if (set >> i & 1)
			{
				free[m++] = i;
				step[i] = 0;
			}
		}
		/* The free ones solve H_ff d_f = -g_f - H_fb d_b. */
		for (int32_t i = 0; i < m; i++)
		{
			b[i] = -gradient[free[i]];
			for (int32_t j = 0; j < k; j++)
				b[i] -= hessian[free[i]][j] * step[j];
			for (int32_t j = 0; j < m; j++)
				a[i][j] = hessian[free[i]][free[j]];
		}
		if (!solve(m, a, b))
			continue;
		for (int32_t i = 0; i < m; i++)
		{
			step[free[i]] = b[i];
			feasible = feasible && c[free[i]] + b[i] >= 0;
		}
		if (!feasible)
			continue;
		/* The quadratic model at this step; keep the best. */
		for (int32_t i = 0; i < k; i++)
		{
			model += gradient[i] * step[i];
			for (int32_t j = 0; j < k; j++)
				model += step[i] * hessian[i][j] * step[j] / 2;
		}
		if (model < least)
		{
			least = model;
			memcpy(d, step, sizeof(double) * k);
		}
	}
	return -least;
}

static xmc_status
check_rows(xmc_ctx *ctx, int32_t n, int32_t k, const float *x, const float *weight, const xmc_prior *prior)
{
	if (k < 1 || k > K)
		return xmc_fail(ctx, XMC_BAD_INPUT, "number of features is %d, but must be from 1 to %d", k, K);
	if (n < 0)
		return xmc_fail(ctx, XMC_BAD_INPUT, "number of rows is %d, but must not be negative", n);
	for (int32_t a = 0; prior && a < k; a++)
		if (!(prior[a].mean >= 0 && isfinite(prior[a].mean) && prior[a].precision >= 0 && isfinite(prior[a].precision)))
			return xmc_fail(ctx, XMC_BAD_INPUT,
							"prior of feature %d has mean %g and precision %g, but both must be finite and not negative", a,
							prior[a].mean, prior[a].precision);
	for (int32_t r = 0; r < n; r++)
	{
		if ((r + 1) % STOP_ROWS == 0)
			XMC_TRY(xmc_check_stop(ctx));
		for (int32_t a = 0; a < k; a++)
			if (!isfinite(x[(size_t) r * k + a]))
				return xmc_fail(ctx, XMC_BAD_INPUT, "feature %d of row %d is not finite", a, r);
		if (weight && !(weight[r] >= 0 && isfinite(weight[r])))
			return xmc_fail(ctx, XMC_BAD_INPUT, "weight of row %d is %g, but must be finite and not negative", r,
							weight[r]);
	}
	return XMC_OK;
}

/* Slope and curvature of the objective of xmc_calibrate_scale at `scale`. */
static xmc_status
scale_slope(xmc_ctx *ctx, int32_t n, const float *s, const float *weight, double smoothing, double scale, double *slope,
			double *curvature)
{
	*slope = *curvature = 0;
	for (int32_t r = 0; r < n; r++)
	{
		double		right = 1 / (1 + exp(-scale * s[r]));

		if ((r + 1) % STOP_ROWS == 0)
			XMC_TRY(xmc_check_stop(ctx));
		*slope += weight[r] * s[r] * (right - (1 - smoothing));
		*curvature += weight[r] * s[r] * s[r] * right * (1 - right);
	}
	return XMC_OK;
}

xmc_status
xmc_calibrate_scale(xmc_ctx *ctx, int32_t n, const float *s, const float *weight, int32_t n_groups, double *scale)
{
	double		smoothing = 1.0 / (n_groups + 2.0);
	double		low = 0;
	double		high = INFINITY;
	double		slope;
	double		curvature;

	*scale = 0;
	XMC_TRY(scale_slope(ctx, n, s, weight, smoothing, 0, &slope, &curvature));
	if (!(slope < 0 && curvature > 0))
		return XMC_OK;
	/* Newton's steps, kept between the scales where the slope was negative and positive. */
	for (int step = 0; step < MAX_STEPS && slope != 0; step++)
	{
		double		last = *scale;
		double		next = curvature > 0 ? last - slope / curvature : INFINITY;

		if (slope < 0)
			low = last;
		else
			high = last;
		if (fabs(next - last) <= 1e-9 * last)
			break;
		if (isinf(high) && last > 0 && !(next < 4 * last))
			next = 4 * last;
		if (!(next > low && next < high))
			next = (low + high) / 2;
		*scale = next;
		XMC_TRY(scale_slope(ctx, n, s, weight, smoothing, next, &slope, &curvature));
	}
	return XMC_OK;
}

xmc_status
xmc_calibrate(xmc_ctx *ctx, int32_t n, int32_t k, const float *x, const float *weight, const xmc_prior *prior,
			  double *coefficient)
{
	problem		p = {.ctx = ctx,.n = n,.k = k,.x = x,.weight = weight};
	double		c[K] = {0};
	double		value;
	double		at_zero;

	XMC_TRY(check_rows(ctx, n, k, x, weight, prior));
	for (int32_t a = 0; a < k; a++)
		p.prior[a] = prior ? prior[a] : (xmc_prior) {0, XMC_CALIBRATION_RIDGE};
	XMC_TRY(objective(&p, c, &at_zero, NULL, NULL));
	value = at_zero;
	for (int32_t step = 0; step < MAX_STEPS; step++)
	{
		double		gradient[K];
		double		hessian[K][K];
		double		d[K];
		double		decrease;
		double		length = 1;
		bool		accepted = false;

		XMC_TRY(objective(&p, c, &value, gradient, hessian));
		for (int32_t a = 0; a < k; a++)
			hessian[a][a] += DAMPING * hessian[a][a] + 1e-300;	/* 1e-300: a column of zeros has curvature 0 */
		decrease = newton_step(k, c, gradient, hessian, d);
		if (decrease <= TOLERANCE * at_zero)
			break;
		/* Line search (Armijo): halve the step until the objective decreases enough. c + length * d stays >= 0. */
		for (int32_t halving = 0; halving < MAX_HALVINGS && !accepted; halving++, length /= 2)
		{
			double		next[K] = {0};
			double		next_value;

			for (int32_t a = 0; a < k; a++)
				next[a] = fmax(c[a] + length * d[a], 0);
			XMC_TRY(objective(&p, next, &next_value, NULL, NULL));
			if (next_value <= value - 1e-4 * length * decrease)
			{
				memcpy(c, next, sizeof c);
				accepted = true;
			}
		}
		if (!accepted)
			break;				/* the decrease is below the rounding error of the sum: converged */
	}
	memcpy(coefficient, c, sizeof(double) * k);
	return XMC_OK;
}

/* ---- expected calibration error (Naeini et al. 2015) ---- */

void
xmc_reliability_add(xmc_reliability *reliability, double p)
{
	int32_t		bins = reliability->bins;
	double		folded = p < 0.5 ? 1 - p : p;
	double		right = p > 0.5 ? 1 : p < 0.5 ? 0 : 0.5;
	double		at = (folded - 0.5) * 2 * bins;

	reliability->n += isnan(p) ? NAN : 1;
	if (!isnan(p))
		reliability->excess[at < bins ? (int32_t) at : bins - 1] += right - folded;
}

double
xmc_reliability_error(const xmc_reliability *reliability)
{
	double		error = 0;

	for (int32_t b = 0; b < reliability->bins; b++)
		error += fabs(reliability->excess[b]);
	return error / reliability->n;	/* NaN if there are none */
}

double
xmc_calibration_error(int32_t n, const double *p, int32_t bins)
{
	xmc_reliability reliability = {.bins = bins};

	if (bins <= 0 || bins > XMC_CALIBRATION_MAX_BINS)
		return NAN;
	for (int32_t r = 0; r < n; r++)
		xmc_reliability_add(&reliability, p[r]);
	return xmc_reliability_error(&reliability);
}
