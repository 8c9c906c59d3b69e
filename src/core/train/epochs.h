/*
 * epochs.h - the loop over the epochs of a term of the score, or of the alignment: the optimizer's state, early stopping on
 * held-out loss, and the values of the best epoch.
 */
#ifndef XMCOH_EPOCHS_H
#define XMCOH_EPOCHS_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"
#include "xmcoh/optimizer.h"
#include "network/sparse.h"
#include "train/additive_fit.h"

typedef struct xmc_epochs
{
	xmc_ctx    *ctx;
	xmc_term	term;
	int32_t		frozen;			/* of a text network that fine-tunes: the epochs before the encoder learns; else 0 */
	bool		is_tuning;		/* the text encoder learns, too */
	int32_t		fixed;			/* above 0: the loop ends after so many epochs, and the last one is the best */
	int32_t		done;			/* finished epochs */
	int32_t		best;			/* the last epoch that was below xmc_epochs_loss_to_beat, from 1; 0: none yet */
	double		best_loss;		/* its held-out loss */
	int32_t		n_held_out;		/* documents that the held-out loss is of */
	int64_t		n_values;
	float	   *best_values;	/* (n_values) parameters of the term after its best epoch */
	xmc_adamw	adamw;			/* of the dense parameters; n is 0 for a linear term, which is fitted whole */
	xmc_adagrad hashed;			/* of the hashed parameters; rows is 0 where there are none */
	xmc_random *random;
	int32_t		n_train;
	const xmc_document **train;	/* (n_train) as the last epoch shuffled them */
} xmc_epochs;

/* What the loop calls; a status other than XMC_OK ends the loop. */
typedef struct xmc_epochs_steps
{
	void	   *arg;			/* passed to each */
	/* Before each epoch and after the last: may save the state, or load it. */
	xmc_status	(*checkpoint) (void *arg, xmc_epochs *e);
	/* One pass over the training documents. */
	xmc_status	(*train) (void *arg, xmc_epochs *e);
	/* The held-out loss. The dense parameters of the model are their running average, which is evaluated and kept. */
	xmc_status	(*validate) (void *arg, double *held_out_loss);
	/* After the epoch has been counted. */
	xmc_status	(*end) (void *arg, const xmc_epochs *e, bool is_best);
} xmc_epochs_steps;

/*
 * The most epochs of a term: option epochs, and besides fine_tune_epochs of the text network that fine-tunes an encoder; of a linear
 * term one for each penalty (additive_fit.h).
 */
static inline int32_t
xmc_most_epochs(const xmc_options *options, xmc_term term)
{
	if (xmc_term_is_linear(term))
		return xmc_penalties(term);
	return options->epochs + (term == XMC_TERM_TEXT_NETWORK && options->text_dim > 0 && options->fine_tune > 0 ? options->fine_tune_epochs : 0);
}

/*
 * Before the first epoch; seeds `random`. `adamw` is the optimizer of the dense parameters, allocated by the caller (all
 * zero for a linear term); everything else is allocated in the arena. Errors: XMC_NO_MEMORY.
 */
extern xmc_status xmc_epochs_begin(xmc_arena *arena, const xmc_model *model, xmc_term term, const xmc_adamw *adamw,
								   xmc_random *random, int32_t n_train, const xmc_document **train, xmc_epochs *out);

/*
 * The loss that an epoch must be below to be the best so far: that of the best one. Few held-out documents tell a small difference badly, so
 * of n of them an epoch in which the text encoder learns needs only n / (n + 10) of what the best one on unchanged vectors has learned,
 * in log loss below log 2.
 */
extern double xmc_epochs_loss_to_beat(const xmc_epochs *e);

/*
 * Runs epochs until options epochs or patience end the loop. The caller then calls xmc_epochs_end. Errors: those of the
 * steps.
 */
extern xmc_status xmc_epochs_run(xmc_epochs *e, xmc_model *model, const xmc_epochs_steps *steps);

/* Whether the term fine-tunes a text encoder, which learns in a second part of its epochs. */
extern bool xmc_has_changes(const xmc_model *model, xmc_term term);

/*
 * Begins the second part when its time has come: the network begins anew, and the text encoder learns with it. What has learned on
 * unchanged vectors knows the training documents so well that they would teach the encoder little. xmc_epochs_run does so itself.
 * Errors: XMC_STOPPED.
 */
extern xmc_status xmc_epochs_tune_if_due(xmc_epochs *e, xmc_model *model);

/* Puts the values of the best epoch into the model. */
extern void xmc_epochs_end(const xmc_epochs *e, xmc_model *model);

/* Puts the running average of the dense parameters into the model, of a training without held-out loss. */
extern void xmc_epochs_end_with_average(const xmc_epochs *e, xmc_model *model);

#endif
