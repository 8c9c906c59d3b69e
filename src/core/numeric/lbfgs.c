/* lbfgs.c - see lbfgs.h */
#include "numeric/lbfgs.h"

#include <math.h>
#include <string.h>

#define MAX_HALVINGS 20
#define SUFFICIENT 1e-4			/* share of the decrease that the slope promises: the condition of Armijo */

xmc_status
xmc_lbfgs_init(xmc_arena *arena, int64_t n, xmc_lbfgs *out)
{
	size_t		values = (size_t) n;

	*out = (xmc_lbfgs){.n = n};
	out->step = xmc_arena_alloc(arena, values * XMC_LBFGS_HISTORY, sizeof(double));
	out->change = xmc_arena_alloc(arena, values * XMC_LBFGS_HISTORY, sizeof(double));
	out->gradient = xmc_arena_alloc(arena, values, sizeof(double));
	out->direction = xmc_arena_alloc(arena, values, sizeof(double));
	out->trial = xmc_arena_alloc(arena, values, sizeof(double));
	out->trial_gradient = xmc_arena_alloc(arena, values, sizeof(double));
	if (!out->step || !out->change || !out->gradient || !out->direction || !out->trial || !out->trial_gradient)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	return XMC_OK;
}

static double
dot(int64_t n, const double *x, const double *y)
{
	double		sum = 0;

	for (int64_t k = 0; k < n; k++)
		sum += x[k] * y[k];
	return sum;
}

/* y += a x */
static void
add_times(int64_t n, double a, const double *x, double *y)
{
	for (int64_t k = 0; k < n; k++)
		y[k] += a * x[k];
}

/* The steps that the ring has. */
static int32_t
kept_steps(const xmc_lbfgs *l)
{
	return l->made < XMC_LBFGS_HISTORY ? l->made : XMC_LBFGS_HISTORY;
}

/* direction = H gradient, H the estimate of the inverse Hessian from the kept steps: two loops over them. */
static void
find_direction(const xmc_lbfgs *l)
{
	int32_t		made = l->made;
	int32_t		kept = kept_steps(l);
	double		alpha[XMC_LBFGS_HISTORY];

	memcpy(l->direction, l->gradient, (size_t) l->n * sizeof(double));
	for (int32_t k = made - 1; k >= made - kept; k--)
	{
		int32_t		at = k % XMC_LBFGS_HISTORY;

		alpha[at] = dot(l->n, l->step + at * l->n, l->direction) / l->curvature[at];
		add_times(l->n, -alpha[at], l->change + at * l->n, l->direction);
	}
	if (kept > 0)
	{
		int32_t		at = (made - 1) % XMC_LBFGS_HISTORY;
		const double *change = l->change + at * l->n;
		double		scale = l->curvature[at] / dot(l->n, change, change);

		for (int64_t k = 0; k < l->n; k++)
			l->direction[k] *= scale;
	}
	for (int32_t k = made - kept; k < made; k++)
	{
		int32_t		at = k % XMC_LBFGS_HISTORY;
		double		beta = dot(l->n, l->change + at * l->n, l->direction) / l->curvature[at];

		add_times(l->n, alpha[at] - beta, l->step + at * l->n, l->direction);
	}
}

/* Walks from x against the direction, half as far each time, until the objective is low enough; *found: whether it got so. */
static xmc_status
search_line(const xmc_lbfgs *l, xmc_objective objective, void *arg, const double *x, double value, double length,
			double *trial_value, bool *found)
{
	double		slope = dot(l->n, l->gradient, l->direction);

	*found = false;
	for (int k = 0; k < MAX_HALVINGS && slope > 0 && !*found; k++, length /= 2)
	{
		memcpy(l->trial, x, (size_t) l->n * sizeof(double));
		add_times(l->n, -length, l->direction, l->trial);
		XMC_TRY(objective(arg, l->trial, trial_value, l->trial_gradient));
		*found = *trial_value <= value - SUFFICIENT * length * slope;
	}
	return XMC_OK;
}

xmc_status
xmc_lbfgs_minimise(xmc_lbfgs *l, xmc_objective objective, void *arg, int32_t max_steps, double tolerance, double *x,
				   double *value)
{
	size_t		bytes = (size_t) l->n * sizeof(double);

	XMC_TRY(objective(arg, x, value, l->gradient));
	for (int32_t k = 0; k < max_steps; k++)
	{
		int32_t		at = l->made % XMC_LBFGS_HISTORY;
		double	   *step = l->step + at * l->n;
		double	   *change = l->change + at * l->n;
		double		size = sqrt(dot(l->n, l->gradient, l->gradient));
		double		trial_value;
		double		decrease;
		bool		found;
		bool		is_guess = l->made == 0;	/* the length of the step */

		if (size == 0)
			return XMC_OK;
		find_direction(l);
		/* Without an estimate of the curvature the first step has length 1. */
		XMC_TRY(search_line(l, objective, arg, x, *value, is_guess ? 1 / size : 1, &trial_value, &found));
		if (!found)
			return XMC_OK;
		for (int64_t i = 0; i < l->n; i++)
		{
			step[i] = l->trial[i] - x[i];
			change[i] = l->trial_gradient[i] - l->gradient[i];
		}
		l->curvature[at] = dot(l->n, step, change);
		l->made += l->curvature[at] > 0;
		memcpy(x, l->trial, bytes);
		memcpy(l->gradient, l->trial_gradient, bytes);
		decrease = *value - trial_value;
		*value = trial_value;
		/* A step of a guessed length may end as far behind the minimum as it began before it. */
		if (!is_guess && decrease < tolerance * fabs(*value))
			return XMC_OK;
	}
	return XMC_OK;
}

void
xmc_lbfgs_add_ridge(xmc_lbfgs *l, double by)
{
	for (int32_t at = 0; at < kept_steps(l); at++)
	{
		const double *step = l->step + at * l->n;
		double	   *change = l->change + at * l->n;

		add_times(l->n, by, step, change);
		l->curvature[at] += by * dot(l->n, step, step);
	}
}
