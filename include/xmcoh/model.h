/*
 * model.h - a model version: its options, its parameters as named tensors, its calibration, and the data that it keeps;
 * written to and read from safetensors. model.c lays out and initialises the parameters, model_file.c writes and reads
 * them.
 */
#ifndef XMCOH_MODEL_H
#define XMCOH_MODEL_H

#include "xmcoh/base.h"
#include "xmcoh/options.h"

#define XMC_MAX_LAYERS 12

typedef enum xmc_modality
{
	XMC_TEXT = 0,
	XMC_IMAGE = 1,
	XMC_MODALITIES = 2,
	XMC_JOINT = XMC_MODALITIES	/* all that the model reads: the input of the bilinear term, but no modality of its own */
} xmc_modality;

/*
 * The terms of the score. Each is trained on its own, to its own best epoch. The raw score of a modality is the sum of its
 * terms; the bilinear term belongs to no modality (design section 4, "Parts").
 */
typedef enum xmc_term
{
	XMC_TERM_SPARSE,			/* u(i): a weight per hashed text feature; contributes u(j) - u(i) */
	XMC_TERM_MENTIONS,			/* how two items mention the words that they share (mentions.h) */
	XMC_TERM_TEXT_LINEAR,		/* u(i): a linear function of the supplied text embedding */
	XMC_TERM_TEXT_NETWORK,		/* embedding bag, encoder and pair head */
	XMC_TERM_IMAGE_LINEAR,
	XMC_TERM_IMAGE_NETWORK,
	XMC_TERM_BILINEAR,			/* of all inputs of both items (bilinear.h); for the fused score alone */
	XMC_TERMS,
	XMC_TERM_NONE = XMC_TERMS,	/* for tensors that are set once, not trained */
	XMC_TERM_ALIGNMENT			/* which image shows which text (align.h): trained, but no term of the score */
} xmc_term;

extern xmc_modality xmc_term_modality(xmc_term term);	/* XMC_JOINT for the bilinear term */

static inline bool
xmc_term_is_network(xmc_term term)
{
	return term == XMC_TERM_TEXT_NETWORK || term == XMC_TERM_IMAGE_NETWORK;
}

/* Whether the score is linear in the term's parameters, so that the fit is convex: any term but networks and the bilinear one. */
static inline bool
xmc_term_is_linear(xmc_term term)
{
	return term == XMC_TERM_SPARSE || term == XMC_TERM_MENTIONS || term == XMC_TERM_TEXT_LINEAR || term == XMC_TERM_IMAGE_LINEAR;
}

/* One post-norm Transformer layer; weights are (outputs, inputs), row-major. */
typedef struct xmc_layer
{
	float	   *qkv_w;			/* (3 d_model, d_model) */
	float	   *qkv_b;			/* (3 d_model) */
	float	   *out_w;			/* (d_model, d_model) */
	float	   *out_b;			/* (d_model) */
	float	   *norm1_w;		/* (d_model) */
	float	   *norm1_b;		/* (d_model) */
	float	   *ff1_w;			/* (feed_forward, d_model) */
	float	   *ff1_b;			/* (feed_forward) */
	float	   *ff2_w;			/* (d_model, feed_forward) */
	float	   *ff2_b;			/* (d_model) */
	float	   *norm2_w;		/* (d_model) */
	float	   *norm2_b;		/* (d_model) */
} xmc_layer;

/*
 * What fine-tuning changes in one layer of the text encoder (text_encoder/changes.h): with option adapter_rank above 0 the
 * projections to queries and to values get B A added, else all parameters get a difference added.
 */
typedef struct xmc_change
{
	float	   *query_a;		/* (adapter_rank, text_dim) */
	float	   *query_b;		/* (text_dim, adapter_rank) */
	float	   *value_a;		/* (adapter_rank, text_dim) */
	float	   *value_b;		/* (text_dim, adapter_rank) */
	float	   *difference;		/* (12 text_dim + 13, text_dim) of the layer's tensors, one after the other */
	const void *half;			/* the same as F16, in the file from which the model was opened; then difference is NULL */
} xmc_change;

#define XMC_WIDENING 4			/* a feed-forward network of an encoder whose layers learn has so many times text_dim numbers */

/* The parameters of one modality's network and linear term. input_dim 0: this modality has no network. */
typedef struct xmc_network
{
	int32_t		input_dim;		/* text: bag_dim + text_dim; image: image_dim */
	int32_t		embedding_dim;	/* the last dimensions of the input, without the bag: text_dim or image_dim */
	float	   *input_mean;		/* (input_dim) subtracted from the input; a missing input counts as the mean */
	float	   *input_scale;	/* (input_dim) multiplied then; neither is trained, see xmc_inputs_fit */
	float	   *linear;			/* (embedding_dim) w of the linear term; NULL without embedding */
	float	   *input_w;		/* (d_model, input_dim) */
	float	   *input_b;		/* (d_model) */
	xmc_layer	layer[XMC_MAX_LAYERS];
	float	   *head_ab_w;		/* (2 d_model, d_model): A of the pair head above B */
	float	   *head_c;			/* (d_model) */
	float	   *head_v;			/* (d_model) */
	int32_t		n_changes;		/* of the text network: option fine_tune; else 0 */
	xmc_change change[XMC_MAX_CHANGES];	/* of the encoder's last layers, the first of these first */
	bool		uses_changes;	/* false: all of them leave the encoder as it is (xmc_model_note_changes), or do not learn yet */
} xmc_network;

#define XMC_GUIDED_COEFFICIENTS 3
#define XMC_CROSS_MODAL_COEFFICIENTS (2 * XMC_MODALITIES)

typedef struct xmc_calibration
{
	double		solo[XMC_MODALITIES];	/* log-odds = solo[m] * raw score, one modality alone */
	/* of the raw text, image and bilinear scores, where items have all that the model reads */
	double		fused[XMC_MODALITIES + 1];

	/*
	 * guided score of modality m = [0] * its own log-odds
	 * + [1] * the other modality's log-odds through the alignment
	 * + [2] * the other modality's stored order, as 1 and -1, through the alignment
	 */
	double		guided[XMC_MODALITIES][XMC_GUIDED_COEFFICIENTS];

	/* a text-only and an image-only item: [m] * modality m's log-odds through the alignment, then [XMC_MODALITIES + m] * its
	 * stored order likewise */
	double		cross_modal[XMC_CROSS_MODAL_COEFFICIENTS];
} xmc_calibration;

#define XMC_MAX_TENSORS (11 + XMC_MODALITIES * (8 + 12 * XMC_MAX_LAYERS) + 4 * XMC_MAX_CHANGES)

typedef struct xmc_tensor
{
	char		name[48];
	int32_t		n_dimensions;
	int64_t		shape[2];
	int64_t		n_values;
	float	  **slot;			/* the pointer in xmc_model to the values */
	xmc_term	term;
	int			start;			/* its initial values: one of the recipes of model.c */
	bool		hashed;			/* updated sparsely, by AdaGrad; dense tensors are updated by AdamW */
	bool		is_change;		/* of the text encoder; has a step size of its own, options fine_tune_rate and fine_tune_decay */
	const void **half;			/* a file holds the values rounded to F16; the pointer to those, else NULL (xmc_change) */
	int32_t		layers_above;	/* of the text encoder, above the one that is changed */
} xmc_tensor;

/* The values of a tensor as F16, in the file from which the model was opened; NULL: they are float, at *slot. */
static inline const void *
xmc_tensor_halves(const xmc_tensor *tensor)
{
	return tensor->half ? *tensor->half : NULL;
}

/* The anchors of the alignment (anchors.h): training rows with both a text and an image. Data, not parameters. */
typedef struct xmc_anchors
{
	int32_t		n;				/* rows */
	bool		is_own;			/* else they lie in the file from which the model was opened */
	float	   *z[XMC_MODALITIES];	/* (n, xmc_align_space_dim) unit vectors; one allocation if is_own; NULL if n is 0 */
} xmc_anchors;

/* The documents or groups that the model was trained on (seen.h): data, not parameters. */
#define XMC_SEEN_COLUMNS 3
typedef struct xmc_seen
{
	int32_t		n;				/* documents or groups; 0: not recorded */
	bool		is_own;			/* else they lie in the file from which the model was opened */
	float	   *row;			/* (n, XMC_SEEN_COLUMNS) ascending */
} xmc_seen;

/* What the training measured of approved documents, each by a model that had not learned from it (results.h). Data. */
#define XMC_RESULT_KINDS 3		/* the reported kinds of scores: XMC_REPORTED_SCORE_KINDS */
#define XMC_RESULT_COLUMNS (8 + 7 * XMC_RESULT_KINDS)	/* those of results.c */
typedef struct xmc_results
{
	int32_t		n;				/* documents; 0: not recorded */
	int32_t		n_pairs;		/* of all of them that have their pairs in the record */
	bool		is_own;			/* else they lie in the file from which the model was opened */
	/* By what factor intervals over these documents are wider than if each had been measured by a model of its own; below 1: 1. */
	float		widening[XMC_RESULT_KINDS];
	float	   *row;			/* (n, XMC_RESULT_COLUMNS) ascending */
	float	   *log_odds;		/* (n_pairs) of a document one pair behind the other; rows say where its pairs begin */
} xmc_results;

/*
 * How often the scores of documents that the model was not trained on are mistaken, by level of confidence: a table that
 * training fills (train/reliability.h) and check.h reads. Data, not parameters.
 */
typedef enum xmc_reliability_column
{
	XMC_RELIABILITY_KIND,		/* xmc_score_kind */
	XMC_RELIABILITY_LEVEL,		/* log-odds */
	XMC_RELIABILITY_GROUPS,		/* groups of documents */
	/* the sum over groups of the share of documents with a pair whose scores contradict its label at this level or above */
	XMC_RELIABILITY_MISTAKEN,
	XMC_RELIABILITY_CONFIDENT,	/* mean over groups of the share of pairs at this level or above */
	XMC_RELIABILITY_RIGHT,		/* of these, the share in the order of their label; 0 if there are none */
	XMC_RELIABILITY_COLUMNS
} xmc_reliability_column;

#define XMC_RELIABILITY_MAX_ROWS 400

typedef struct xmc_reliability_table
{
	int32_t		n;				/* rows; 0: not recorded */
	float		row[XMC_RELIABILITY_MAX_ROWS][XMC_RELIABILITY_COLUMNS];
} xmc_reliability_table;

/*
 * Where steps are missing (gap.h): for each kind of place a row, its measures, then its weights and their intercept. Data
 * that training fills (train/gap_fit.h), not parameters.
 */
typedef enum xmc_gap_kind
{
	XMC_GAP_FIRST,				/* before the first step */
	XMC_GAP_BETWEEN,			/* between two steps */
	XMC_GAP_LAST,				/* behind the last step */
	XMC_GAP_KINDS
} xmc_gap_kind;

typedef enum xmc_gap_column
{
	XMC_GAP_AUROC,				/* on documents that did not teach the weights; 0: not measured */
	XMC_GAP_LOW,				/* the lower end of its 95% interval over groups */
	XMC_GAP_HIGH,
	XMC_GAP_WEIGHTS				/* the first weight */
} xmc_gap_column;

typedef struct xmc_gaps
{
	bool		is_own;			/* else it lies in the file from which the model was opened */
	float	   *row;			/* (XMC_GAP_KINDS, xmc_gap_columns); NULL: nothing was learned */
} xmc_gaps;

/* The elements of align_scale. */
typedef enum xmc_align_scale
{
	XMC_ALIGN_TEMPERATURE,		/* logarithm of the factor of the cosine */
	XMC_ALIGN_DUSTBIN,			/* the dustbin's score */
	XMC_ALIGN_MEMORY,			/* logarithm of the factor of the similarity by anchors */
	XMC_ALIGN_SCALES
} xmc_align_scale;

#define XMC_ENCODER_NAME 64		/* hexadecimal digits of the SHA-256 of the file of a text encoder */

#define XMC_CONTEXTS 16384		/* buckets of words beside a shared word: half for the word before, half for the one after */
#define XMC_MENTION_WORDS 16384	/* buckets of shared words in the table of their inverse document frequencies */

typedef struct xmc_model
{
	xmc_options options;
	/*
	 * The encoder whose layers the text network changes; belongs to the caller, is no part of the model file, and must
	 * be set before a model that fine-tunes is trained or scores. NULL: none.
	 */
	const struct xmc_transformer *base_encoder;
	xmc_calibration calibration;
	xmc_calibration known;		/* for documents of seen_groups; what guides is as in `calibration` */
	bool		has_bag;		/* the embedding bag was trained */
	float	   *sparse;			/* (2^hash_bits) u of the sparse term; NULL without words */
	float	   *mentions;		/* (XMC_CONTEXTS) weights of the words beside a shared word; NULL without words */
	float	   *mention_idf;	/* (XMC_MENTION_WORDS) what a shared word counts; not trained; NULL without words */
	float	   *bag;			/* (2^bag_bits, bag_dim); NULL without */
	xmc_network network[XMC_MODALITIES];
	float	   *bilinear_w;		/* (2 bilinear_dim, xmc_bilinear_input_dim): Q above K; NULL without bilinear term */
	float	   *bilinear_b;		/* (2 bilinear_dim) */
	bool		has_alignment;	/* the three below were trained; they exist whenever the model reads texts and images */
	float	   *align_text_w;	/* (align_dim, xmc_align_input_dim) of the texts; NULL in a shared space */
	float	   *align_image_w;	/* (align_dim, image_dim); NULL in a shared space */
	float	   *align_scale;	/* (XMC_ALIGN_SCALES) */
	xmc_anchors anchors;		/* empty without a trained alignment */
	xmc_results results;
	xmc_seen	seen;
	xmc_seen	seen_groups;	/* named groups that taught; empty: a document of any group is as of a new one */
	xmc_reliability_table reliability;
	xmc_gaps	gaps;

	/*
	 * Which text encoder made the embeddings that the model was trained with, of each modality; "": none did. The core does not
	 * read this: the caller sets it before xmc_model_save.
	 */
	char		encoder[XMC_MODALITIES][XMC_ENCODER_NAME + 1];

	/*
	 * The model as its figures were measured, before it learned from the held-out documents, too (train/refit.h). Only its
	 * terms are its own; all else belongs to this model. NULL: this model has not learned from held-out documents.
	 */
	struct xmc_model *measured;
	bool		is_measured;	/* this is the `measured` of another model */
	int64_t		n_parameters;	/* of all tensors together */
	int32_t		n_tensors;

	/*
	 * All parameters, in storage order; slots point into this struct, so do not copy it. The score of a term of one modality
	 * is linear in the term's last tensor that does not change the text encoder, without a bias.
	 */
	xmc_tensor	tensor[XMC_MAX_TENSORS];
} xmc_model;

/* The model that has not learned from the held-out documents. */
static inline const xmc_model *
xmc_measured(const xmc_model *model)
{
	return model->measured ? model->measured : model;
}

/*
 * The most bytes that all parameters may take: a stored version, with the terms as they were measured, must fit into one
 * bytea, which is limited to 1 GiB.
 */
#define XMC_MODEL_MAX_BYTES 500000000

/*
 * Lays out the tensors that `options` require. All slots are NULL; the calibration is 1, without guidance and alignment.
 * The model has a sparse term if it reads words. It has a bag (out->has_bag) if has_bag is true, it reads words and bag_dim
 * > 0. Text has a network if its input, bag and supplied embedding side by side, is not empty. Nothing is allocated.
 * Errors: XMC_BAD_INPUT (from xmc_options_check), XMC_LIMIT (more than XMC_MODEL_MAX_BYTES).
 */
extern xmc_status xmc_model_layout(xmc_ctx *ctx, const xmc_options *options, bool has_bag, xmc_model *out);

/*
 * Allocates a model and initialises its parameters. The random numbers of a tensor depend on options->seed and the tensor's
 * name alone, not on the other tensors. Matrices are Glorot uniform, biases 0, weights of normalisation 1; head_v is a
 * tenth of Glorot, so that the first scores are near 0; the sparse term is 0; the bag is normal with standard deviation
 * 0.1. All parameters lie in one block, in storage order without gaps: n_parameters floats from *tensor[0].slot on, 64-byte
 * aligned. The dense tensors of a term are adjacent. Errors: those of xmc_model_layout, XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_model_new(xmc_ctx *ctx, const xmc_options *options, bool has_bag, xmc_model **out);

/* The same with all parameters 0, for sums of gradients. */
extern xmc_status xmc_model_new_zero(xmc_ctx *ctx, const xmc_options *options, bool has_bag, xmc_model **out);

/*
 * Keeps the model as it is now as model->measured, which must be NULL. Errors: those of xmc_model_new_zero.
 */
extern xmc_status xmc_model_keep_measured(xmc_ctx *ctx, xmc_model *model);

/*
 * Gives model->measured, if there is one, what it shares with the model, as that is now: calibration, reliability, encoders, anchors
 * and records. Here, because model.c and seen.c both call this.
 */
static inline void
xmc_model_share(xmc_model *model)
{
	xmc_model  *measured = model->measured;

	if (!measured)
		return;
	measured->is_measured = true;
	measured->base_encoder = model->base_encoder;
	measured->calibration = model->calibration;
	measured->known = model->known;
	measured->has_alignment = model->has_alignment;
	measured->reliability = model->reliability;
	for (int m = 0; m < XMC_MODALITIES; m++)
		for (int k = 0; k <= XMC_ENCODER_NAME; k++)
			measured->encoder[m][k] = model->encoder[m][k];
	measured->anchors = model->anchors;
	measured->results = model->results;
	measured->seen = model->seen;
	measured->seen_groups = model->seen_groups;
	measured->anchors.is_own = measured->results.is_own = measured->seen.is_own = measured->seen_groups.is_own = false;
}

/* Gives back the anchors, if the model owns them, and leaves the model without anchors. */
extern void xmc_model_forget_anchors(xmc_ctx *ctx, xmc_model *model);

/* Allocates the rows of the model's gaps, all 0, or gives them back. Errors: XMC_NO_MEMORY. */
extern xmc_status xmc_model_new_gaps(xmc_ctx *ctx, xmc_model *model);
extern void xmc_model_forget_gaps(xmc_ctx *ctx, xmc_model *model);

extern void xmc_model_free(xmc_ctx *ctx, xmc_model *model);	/* not for a model from xmc_model_open: release that itself */

/*
 * Opens a model file in memory. Checked are the metadata (format, feature version, options, calibration, encoders), that exactly the
 * expected tensors are there with the expected shapes, and, if check_finite, that all values are finite. The parameters
 * stay in `file`, which must outlive the model and is never written. The model is one allocation, for xmc_release. Errors:
 * XMC_BAD_MODEL, XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_model_open(xmc_ctx *ctx, const void *file, size_t size, bool check_finite, xmc_model **out);

/*
 * Writes the model to `file` (*size bytes); with file NULL only *size is set. The same model gives the same bytes. A model
 * that xmc_model_open would refuse is refused. Errors: XMC_BAD_MODEL (a parameter or the calibration is not finite), and
 * those of xmc_safetensors_write.
 */
extern xmc_status xmc_model_save(xmc_ctx *ctx, const xmc_model *model, void *file, size_t *size);

/*
 * Copies all parameters of one term into `buffer` (save) or out of it; with buffer NULL nothing is copied. Returns their
 * number.
 */
extern int64_t xmc_model_copy_term(const xmc_model *model, xmc_term term, float *buffer, bool save);

/* Sets uses_changes of the text network, and of that as measured: whether a layer is changed at all, which B or a difference of 0 does not. */
extern void xmc_model_note_changes(xmc_model *model);

/* Whether a text is read by a changed encoder, from its tokens, now or as the model was measured. */
static inline bool
xmc_reads_tokens(const xmc_model *model)
{
	return model->network[XMC_TEXT].uses_changes || (model->measured && model->measured->network[XMC_TEXT].uses_changes);
}

/* Sets all parameters of a term to their initial values, as in a new model; of a linear term to 0. Errors: XMC_STOPPED. */
extern xmc_status xmc_model_renew_term(xmc_ctx *ctx, xmc_model *model, xmc_term term);

/* The number of values of a term's dense tensors together. */
extern int64_t xmc_model_term_values(const xmc_model *model, xmc_term term);

/* How many of these values, which come first, learn now: without the differences to a text encoder, unless it is changed. */
extern int64_t xmc_model_learning_values(const xmc_model *model, xmc_term term);

/*
 * Sets slots to other memory, in storage order without gaps; nothing is copied. xmc_model_lead_term sets those of a term's
 * dense tensors to `values` (xmc_model_term_values) and returns where the values were (NULL: the term has no dense tensor).
 * xmc_model_lead sets all slots to `block` (n_parameters).
 */
extern float *xmc_model_lead_term(xmc_model *model, xmc_term term, float *values);
extern void xmc_model_lead(xmc_model *model, float *block);

/* The block that xmc_model_new allocated with the model. */
extern float *xmc_model_own_block(xmc_model *model);

#endif
