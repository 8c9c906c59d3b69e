/*
 * optimizer.h - AdamW (Loshchilov and Hutter 2019) over the dense tensors of one term, with the norm of the gradient
 * clipped, and an exponential running average of the weights (Polyak and Juditsky 1992).
 */
#ifndef XMCOH_OPTIMIZER_H
#define XMCOH_OPTIMIZER_H

#include "xmcoh/base.h"
#include "xmcoh/model.h"

typedef struct xmc_adamw
{
	int64_t		n;				/* values of all tensors together */
	float	   *first;			/* (n) running mean of the gradient */
	float	   *second;			/* (n) running mean of its square */
	float	   *average;		/* (n) running mean of the weights: evaluated and kept, since it generalises better */
	int64_t		step;
} xmc_adamw;

#define XMC_CLIP_NORM 1.0
#define XMC_WARMUP_STEPS 50		/* until the rate is whole: the running means start empty */
#define XMC_AVERAGE_DECAY 0.995	/* per step; less in the first steps, so that the initial values soon count little */

extern xmc_status xmc_adamw_init(xmc_arena *arena, const xmc_model *model, xmc_term term, xmc_adamw *out);

/*
 * One step of size `rate`; weight decay on matrices alone. `grad` is laid out like `model`, and is zeroed afterwards.
 * Returns the norm of the gradient before clipping. A gradient that is not finite changes nothing.
 */
extern double xmc_adamw_step(xmc_adamw *adamw, xmc_model *model, xmc_model *grad, xmc_term term, double rate,
							 double weight_decay);

/*
 * The same step in two pieces, for several processes (shards.h). xmc_adamw_prepare counts the step and computes the
 * factors that all values share from the norm of the gradient; false: the norm is not finite, and the step is to be left
 * out. xmc_adamw_apply updates the values first to last - 1 of the term, counted over its dense tensors, by `gradient`
 * (n), which stays as it is.
 */
typedef struct xmc_adamw_update
{
	float		clip;			/* factor of the gradient */
	float		step_size;		/* with the bias correction of the first mean */
	float		second_scale;	/* bias correction of the second mean */
	float		fresh;			/* share of the new weights in their average */
	float		keep;			/* factor of matrices, for weight decay */
} xmc_adamw_update;

extern bool xmc_adamw_prepare(xmc_adamw *adamw, double norm, double rate, double weight_decay, xmc_adamw_update *out);
extern void xmc_adamw_apply(const xmc_adamw *adamw, const xmc_adamw_update *update, xmc_model *model, xmc_term term,
							const float *gradient, int64_t first, int64_t last);

/* The factor of the rate of the next of so many steps: it rises linearly over the first tenth, then falls linearly towards 0. */
extern double xmc_adamw_schedule(const xmc_adamw *adamw, int64_t steps);

/* The factor of the rate of the next step by the warmup, which rises linearly to 1. */
extern double xmc_adamw_warmup(const xmc_adamw *adamw);

#endif
