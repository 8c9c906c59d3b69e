/*
 * agreement.h - how often people agreed with a model, with an interval that knows that the answers about one document depend
 * on each other.
 */
#ifndef XMCOH_AGREEMENT_H
#define XMCOH_AGREEMENT_H

#include "xmcoh/base.h"

/* Sums over documents. All 0: nothing was answered. */
typedef struct xmc_answers
{
	int64_t		documents;
	double		n;				/* answers */
	double		agreed;
	double		n_squared;		/* sums over documents of squares and of the product of both numbers */
	double		agreed_squared;
	double		product;
} xmc_answers;

/* Adds a document with n answers, of which so many agreed. Nothing is added if n is 0. */
extern void xmc_answers_add(xmc_answers *sums, double n, double agreed);

/*
 * The share of answers that agreed, and its 95% interval: Wilson's, for n* independent answers. n* is the number of
 * independent answers whose share would vary as much as the share varies over documents (the ratio estimator's variance; Dean and Pagano
 * 2015), but at most n. n* is the number of documents where that variance says too little: with fewer than
 * XMC_FEW_ANSWERED documents, and where all answers agreed or none did. Without answers all three are NaN; with one
 * document the bounds are.
 */
#define XMC_FEW_ANSWERED 4
extern void xmc_agreement(const xmc_answers *sums, double *share, double *low, double *high);

#endif
