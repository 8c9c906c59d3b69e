/*
 * epochs.h - what the training of one part carries from one epoch to the next: optimizer, best values so far, when to end.
 */
#ifndef XMCOH_EPOCHS_H
#define XMCOH_EPOCHS_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"
#include "xmcoh/optimizer.h"
#include "xmcoh/random.h"
#include "xmcoh/sparse.h"

typedef struct xmc_epochs
{
	xmc_term	term;
	int32_t		done;			/* finished epochs */
	int32_t		best;			/* the one with the lowest held-out loss, from 1; 0: none yet */
	double		best_loss;
	int64_t		n_values;
	float	   *best_values;	/* (n_values) of the part, in its best epoch */
	xmc_adamw	adamw;			/* of the dense parameters; n is 0 for the sparse term, which has none */
	xmc_adagrad hashed;			/* of the hashed ones; rows is 0 where there are none */
	xmc_random *random;
	int32_t		n_train;
	const xmc_document **train;	/* (n_train) as the last epoch has shuffled them */
} xmc_epochs;

/*
 * Before the first epoch; seeds `random`. `adamw` is the optimizer of the dense parameters, which lies wherever its caller
 * wants it (all zero for the sparse term); everything else is laid out in the arena. Errors: XMC_NO_MEMORY.
 */
extern xmc_status xmc_epochs_begin(xmc_arena *arena, const xmc_model *model, xmc_term term, const xmc_adamw *adamw,
								   xmc_random *random, int32_t n_train, const xmc_document **train, xmc_epochs *out);

/* Whether there is to be another epoch: options epochs and patience. */
extern bool xmc_epochs_go_on(const xmc_epochs *e, const xmc_options *options);

/* Counts an epoch with this held-out loss, and keeps the part's values if it is the best so far; gives whether it is. */
extern bool xmc_epochs_count(xmc_epochs *e, const xmc_model *model, double held_out_loss);

/* Puts the values of the best epoch into the model. */
extern void xmc_epochs_end(const xmc_epochs *e, const xmc_model *model);

#endif
