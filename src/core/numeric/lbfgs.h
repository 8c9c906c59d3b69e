/*
 * lbfgs.h - minimises a smooth convex function of many variables by L-BFGS (Liu and Nocedal 1989, "On the limited memory
 * BFGS method for large scale optimization") with a backtracking line search.
 */
#ifndef XMCOH_LBFGS_H
#define XMCOH_LBFGS_H

#include "xmcoh/base.h"

#define XMC_LBFGS_HISTORY 6		/* steps from which the curvature is estimated */

/* Sets *value and gradient (n) at x (n). A status other than XMC_OK ends the minimisation. */
typedef xmc_status (*xmc_objective) (void *arg, const double *x, double *value, double *gradient);

typedef struct xmc_lbfgs
{
	int64_t		n;
	int32_t		made;			/* steps so far */
	double	   *step;			/* (XMC_LBFGS_HISTORY, n) the last steps, a ring */
	double	   *change;			/* (XMC_LBFGS_HISTORY, n) the changes of the gradient in these */
	double		curvature[XMC_LBFGS_HISTORY];	/* step . change */
	double	   *gradient;		/* (n) */
	double	   *direction;		/* (n) */
	double	   *trial;			/* (n) */
	double	   *trial_gradient; /* (n) */
} xmc_lbfgs;

/* Allocates the workspace in the arena. Errors: XMC_NO_MEMORY. */
extern xmc_status xmc_lbfgs_init(xmc_arena *arena, int64_t n, xmc_lbfgs *out);

/*
 * Minimises from x (n), which becomes the minimum; *value is the objective there. What l has learned of the curvature in earlier
 * minimisations is used, so the objective must be the same or differ by xmc_lbfgs_add_ridge. Ends after max_steps, or when a step
 * other than a first one without such knowledge lowers the objective by less than `tolerance` times its size, or when no shorter step
 * lowers the objective. Errors: those of the objective.
 */
extern xmc_status xmc_lbfgs_minimise(xmc_lbfgs *l, xmc_objective objective, void *arg, int32_t max_steps, double tolerance,
									 double *x, double *value);

/*
 * Tells l that by / 2 |x|^2 has been added to the objective since the last minimisation, so that the next one knows the curvature
 * from its first step on. by may be below 0 as long as the objective stays convex.
 */
extern void xmc_lbfgs_add_ridge(xmc_lbfgs *l, double by);

#endif
