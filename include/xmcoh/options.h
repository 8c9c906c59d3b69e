/*
 * options.h - every option of a model and of its training. Name, default, bounds and meaning of an option stand once, in
 * the table of options.c. SQL arguments, error messages and stored metadata are made from that table.
 */
#ifndef XMCOH_OPTIONS_H
#define XMCOH_OPTIONS_H

#include "xmcoh/base.h"

#define XMC_MAX_FOLDS 20
#define XMC_MAX_CHANGES 24

typedef struct xmc_options
{
	/* The inputs of the model: typed arguments of create_model. */
	int32_t		image_dim;		/* 0: no image embedding */
	int32_t		text_dim;		/* 0: no supplied text embedding */
	int32_t		words;			/* 1: the model reads raw text; 0: it does not */

	/* The shape of the parameters; fixed for a version. */
	int32_t		d_model;
	int32_t		layers;
	int32_t		heads;
	int32_t		feed_forward;
	int32_t		hash_bits;		/* sparse term: 2^hash_bits weights */
	int32_t		bag_dim;		/* width of the trained embedding bag; 0: no bag */
	int32_t		bag_bits;		/* 2^bag_bits rows */
	int32_t		bag_documents;	/* with fewer approved documents there is no bag */
	int32_t		shared_space;	/* 1: text and image embeddings lie in one space; 0: two maps are learned */
	int32_t		align_dim;		/* width of the learned space in which texts and images are compared */
	int32_t		align_memory;	/* most anchors: rows with both a text and an image that the alignment keeps */
	int32_t		bilinear_dim;	/* width of the bilinear term; 0: no such term */

	int32_t		fine_tune;		/* layers of the text encoder, from the last, that the text network changes; 0: none */
	int32_t		adapter_rank;	/* of adapters, by which they are changed; 0: all their parameters learn */

	/* Training. */
	int32_t		epochs;			/* most */
	int32_t		fine_tune_epochs;	/* most of the text network where it fine-tunes the encoder */
	int32_t		patience;		/* epochs without a lower held-out loss before training ends */
	int32_t		batch_documents;
	int32_t		folds;			/* of cross-fitting; fewer than 2: no cross-fitting */
	int32_t		evaluation_documents;	/* approved ones, up to which each is evaluated by models without it; see evaluation.h */
	int32_t		rounds;			/* most; 0: training uses approved pairs alone */
	int32_t		pool_documents; /* most documents without approved pairs; 0: none are read */
	int32_t		stale;			/* decisions about changed documents: 0 left out, 1 pairs of unchanged items, 2 used */
	int32_t		find_groups;	/* 1: documents that share an image are one group; 2: a long text, too; 3: near ones, too */
	int32_t		seed;
	double		dropout;
	double		learning_rate;
	double		weight_decay;
	double		bag_learning_rate;
	double		align_learning_rate;
	double		bilinear_learning_rate;
	double		fine_tune_rate; /* step size of AdamW for the layers of the text encoder; 0: see xmc_fine_tune_rate */
	double		fine_tune_decay;	/* factor of it from a layer to the one before */
	double		fine_tune_dropout;	/* in the layers that are changed and in the text network, while these learn */
	/* share of selected weak pairs that must be right; also the probability from which a prediction is confident */
	double		precision;
	double		unselected;		/* weight of the other weak pairs */
	int32_t		challenge_documents;	/* fewest that a challenge tells anything by */
	int32_t		on_doubt;		/* where it cannot tell; 0: deploys, 1: keeps */
	double		challenge_margin;	/* Kendall tau that a new version may lose against the deployed one */
	double		held_out;		/* share of the groups of approved documents held out */
} xmc_options;

typedef struct xmc_option_info
{
	const char *name;
	size_t		offset;			/* into xmc_options */
	bool		is_integer;
	bool		is_later;		/* stored models may not hold it, because older ones do not know it: see xmc_option_when_absent */
	bool		is_input;		/* typed argument of create_model, not a key of its options */
	double		default_value;
	double		low;			/* both bounds included */
	double		high;
	const char *meaning;		/* one line, with units */
} xmc_option_info;

/* The step size for the layers of the text encoder. Adapters begin at 0 and need a larger one than parameters that are learned. */
static inline double
xmc_fine_tune_rate(const xmc_options *options)
{
	if (options->fine_tune_rate > 0)
		return options->fine_tune_rate;
	return options->adapter_rank > 0 ? 0.003 : 0.0001;
}

/* The table of all options; *count is set to their number. */
extern const xmc_option_info *xmc_option_table(int32_t *count);

/* The value of an option that is_later in a stored model that does not hold it. */
extern double xmc_option_when_absent(const xmc_option_info *info);

/* The row of one option, or NULL if no option has that name. */
extern const xmc_option_info *xmc_option_find(const char *name);

/* The names of all options that are no inputs, separated by commas, for messages. Returns out. */
#define XMC_OPTION_NAMES 1024
extern const char *xmc_option_names(char out[XMC_OPTION_NAMES]);

extern void xmc_options_default(xmc_options *options);

/*
 * Sets one option by name. Inputs can be set, too: a caller that reads a user's options must refuse them by is_input.
 * Errors: XMC_BAD_INPUT (unknown name, value not finite, out of bounds, or not a whole number where one is needed).
 */
extern xmc_status xmc_options_set(xmc_ctx *ctx, xmc_options *options, const char *name, double value);

extern double xmc_options_get(const xmc_options *options, const xmc_option_info *info);

/*
 * Checks all bounds, and what bounds of single options cannot say: heads divides d_model, shared_space needs two embeddings
 * of the same length, and a model needs an input. Errors: XMC_BAD_INPUT.
 */
extern xmc_status xmc_options_check(xmc_ctx *ctx, const xmc_options *options);

#endif
