/*
 * optimizer.h - AdamW (Loshchilov and Hutter 2019) over the dense tensors of one network, with the gradient's norm clipped.
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
	int64_t		step;
} xmc_adamw;

#define XMC_CLIP_NORM 1.0

/* Whether a tensor of `model` belongs to that modality's network. */
extern bool xmc_is_network_tensor(const xmc_model *model, const xmc_tensor *tensor, xmc_modality modality);

extern xmc_status xmc_adamw_init(xmc_ctx *ctx, const xmc_model *model, xmc_modality modality, xmc_adamw *out);
extern void xmc_adamw_free(xmc_ctx *ctx, xmc_adamw *adamw);

/*
 * One step of size `rate`; weight decay on matrices only. `grad` is laid out like `model` and is zeroed afterwards.
 * Returns the gradient's norm before clipping; a gradient that is not finite changes nothing.
 */
extern double xmc_adamw_step(xmc_adamw *adamw, xmc_model *model, xmc_model *grad, xmc_modality modality, double rate,
							 double weight_decay);

#endif
