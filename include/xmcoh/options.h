/*
 * options.h - every option of a model and of its training: name, default, bounds and meaning stand once, in the table of
 * options.c, from which SQL arguments, error messages and stored metadata are made.
 */
#ifndef XMCOH_OPTIONS_H
#define XMCOH_OPTIONS_H

#include "xmcoh/base.h"

#define XMC_MAX_FOLDS 20

typedef struct xmc_options
{
	/* What goes in: typed arguments of create_model. */
	int32_t		image_dim;		/* 0: no image embedding */
	int32_t		text_dim;		/* 0: no supplied text embedding */
	int32_t		words;			/* 1: raw text is read, 0: not */

	/* Shape of the network; fixed for a version. */
	int32_t		d_model;
	int32_t		layers;
	int32_t		heads;
	int32_t		feed_forward;
	int32_t		hash_bits;		/* sparse term: 2^hash_bits weights */
	int32_t		bag_dim;		/* trained embedding bag: 0 turns it off */
	int32_t		bag_bits;		/* 2^bag_bits rows */
	int32_t		bag_documents;	/* approved documents below which the bag is left out */
	int32_t		shared_space;	/* 1: text and image embeddings lie in one space */
	int32_t		align_dim;		/* else: width of the space in which texts and images are compared */
	int32_t		align_memory;
	int32_t		bilinear_dim;	/* bilinear term: 0 turns it off */

	/* Training. */
	int32_t		epochs;			/* most */
	int32_t		patience;		/* epochs without a better held-out loss before training ends */
	int32_t		batch_documents;
	int32_t		folds;			/* of cross-fitting; under 2: none */
	int32_t		rounds;			/* most; 0: approved pairs alone */
	int32_t		pool_documents; /* most documents without approved pairs; 0: none are read */
	int32_t		seed;
	double		dropout;
	double		learning_rate;
	double		weight_decay;
	double		bag_learning_rate;
	double		linear_learning_rate;
	double		align_learning_rate;
	double		bilinear_learning_rate;
	double		sparse_learning_rate;
	double		sparse_decay;
	double		precision;		/* of selected weak pairs; also the probability from which on a prediction counts as confident */
	double		unselected;		/* weight of the other weak pairs */
	double		challenge_margin;	/* tau that a new version may lose against the deployed one */
	double		held_out;		/* share of approved documents held out */
} xmc_options;

typedef struct xmc_option_info
{
	const char *name;
	size_t		offset;			/* into xmc_options */
	bool		is_integer;
	bool		is_input;		/* typed argument of create_model, not a key of its options */
	double		default_value;
	double		low;			/* both bounds included */
	double		high;
	const char *meaning;		/* one line, with units */
} xmc_option_info;

/* The table; *count is how many. */
extern const xmc_option_info *xmc_option_table(int32_t *count);

extern void xmc_options_default(xmc_options *options);

/*
 * Sets one option by name, inputs too (who reads a user's options refuses those by is_input). Errors: XMC_BAD_INPUT:
 * unknown name (the message lists the known ones that are no inputs), not finite, out of bounds, not a whole number.
 */
extern xmc_status xmc_options_set(xmc_ctx *ctx, xmc_options *options, const char *name, double value);

extern double xmc_options_get(const xmc_options *options, const xmc_option_info *info);

/* What single bounds cannot say: heads divide d_model, at least one input; and all bounds again. Errors: XMC_BAD_INPUT. */
extern xmc_status xmc_options_check(xmc_ctx *ctx, const xmc_options *options);

#endif
