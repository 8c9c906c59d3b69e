/*
 * optimizer.h - AdamW (Loshchilov and Hutter 2019) over the dense tensors of one part of a model, with the gradient's norm
 * clipped, and a running average of the weights (Polyak and Juditsky 1992; exponential, as in mean teachers).
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
	float	   *average;		/* (n) running mean of the weights, which is what gets used: it generalises better */
	int64_t		step;
} xmc_adamw;

#define XMC_CLIP_NORM 1.0
#define XMC_WARM_UP_STEPS 50	/* until the rate is whole: the running means begin empty */
#define XMC_AVERAGE_DECAY 0.995	/* per step; less in the first steps, so that the start is soon forgotten */

extern xmc_status xmc_adamw_init(xmc_arena *arena, const xmc_model *model, xmc_term term, xmc_adamw *out);

/* Exchanges the model's weights and their running average. */
extern void xmc_adamw_swap_average(xmc_adamw *adamw, xmc_model *model, xmc_term term);

/*
 * One step of size `rate`; weight decay on matrices only. `grad` is laid out like `model` and is zeroed afterwards.
 * Returns the gradient's norm before clipping; a gradient that is not finite changes nothing.
 */
extern double xmc_adamw_step(xmc_adamw *adamw, xmc_model *model, xmc_model *grad, xmc_term term, double rate,
							 double weight_decay);

/*
 * The same in pieces, for several processes (shards.h). What one step has in common for all values follows from the
 * gradient's norm; false: it is not finite, and nothing is to be done. Then values first to last - 1 of the part,
 * counted over its dense tensors, are updated by `gradient` (n), which stays as it is.
 */
typedef struct xmc_adamw_update
{
	float		clip;			/* the gradient's factor */
	float		step_size;		/* with the first mean's bias correction */
	float		second_scale;	/* the second mean's */
	float		fresh;			/* share of the new weights in their average */
	float		keep;			/* of matrices, by weight decay */
} xmc_adamw_update;

extern bool xmc_adamw_prepare(xmc_adamw *adamw, double norm, double rate, double weight_decay, xmc_adamw_update *out);
extern void xmc_adamw_apply(const xmc_adamw *adamw, const xmc_adamw_update *update, xmc_model *model, xmc_term term,
							const float *gradient, int64_t first, int64_t last);

/* Which share of its rate the next step should have, by the warm-up: rises to 1. */
extern double xmc_adamw_warmup(const xmc_adamw *adamw);

#endif
