/*
 * model.h - a model version: its options, its parameters as named tensors, its calibration; to and from safetensors.
 */
#ifndef XMCOH_MODEL_H
#define XMCOH_MODEL_H

#include "xmcoh/base.h"
#include "xmcoh/options.h"
#include "xmcoh/safetensors.h"

#define XMC_MAX_LAYERS 12

typedef enum xmc_modality
{
	XMC_TEXT = 0,
	XMC_IMAGE = 1,
	XMC_MODALITIES = 2,
	XMC_JOINT = XMC_MODALITIES	/* both, or all that the model reads: what a part may read, but no modality of its own */
} xmc_modality;

/* What is trained on its own, to its own best epoch. A modality's raw score is the sum of its parts; the bilinear term is no modality's. */
typedef enum xmc_term
{
	XMC_TERM_SPARSE,			/* u(i): a weight per hashed text feature; contributes u(j) - u(i) */
	XMC_TERM_TEXT_LINEAR,		/* u(i): a linear function of the supplied text embedding */
	XMC_TERM_TEXT_NETWORK,		/* embedding bag, encoder and pair head */
	XMC_TERM_IMAGE_LINEAR,
	XMC_TERM_IMAGE_NETWORK,
	XMC_TERM_BILINEAR,			/* of all that both items of a pair hold (bilinear.h); for the fused score alone */
	XMC_TERMS,
	XMC_TERM_NONE = XMC_TERMS,	/* set once, not trained */
	XMC_TERM_ALIGNMENT			/* which image shows which text (align.h): trained, but scores no pair */
} xmc_term;

extern xmc_modality xmc_term_modality(xmc_term term);	/* XMC_JOINT of the bilinear term */

static inline bool
xmc_term_is_network(xmc_term term)
{
	return term == XMC_TERM_TEXT_NETWORK || term == XMC_TERM_IMAGE_NETWORK;
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

/* Everything that one modality's deep score needs. input_dim 0: this modality has no encoder. */
typedef struct xmc_network
{
	int32_t		input_dim;		/* text: bag_dim + text_dim; image: image_dim */
	int32_t		embedding_dim;	/* the last dimensions of the input, without the bag: text_dim or image_dim */
	float	   *input_mean;		/* (input_dim) taken off the input; a missing input counts as the mean */
	float	   *input_scale;	/* (input_dim) then multiplied; neither is trained, see xmc_inputs_fit */
	float	   *linear;			/* (embedding_dim) of the additive linear term; NULL without embedding */
	float	   *input_w;		/* (d_model, input_dim) */
	float	   *input_b;		/* (d_model) */
	xmc_layer	layer[XMC_MAX_LAYERS];
	float	   *head_ab_w;		/* (2 d_model, d_model): A above B of the pair head */
	float	   *head_c;			/* (d_model) */
	float	   *head_v;			/* (d_model) */
} xmc_network;

#define XMC_GUIDED_COEFFICIENTS 3
#define XMC_CROSS_MODAL_COEFFICIENTS (2 * XMC_MODALITIES)

typedef struct xmc_calibration
{
	double		solo[XMC_MODALITIES];	/* log-odds = solo[m] * raw score, one modality alone */
	double		fused[XMC_MODALITIES + 1];	/* all that the model reads is there: of the raw text, image, bilinear scores */

	/*
	 * modality m: [0] * its own log-odds + [1] * the other's through the alignment + [2] * the other's stored order, as 1 and
	 * -1, through the alignment
	 */
	double		guided[XMC_MODALITIES][XMC_GUIDED_COEFFICIENTS];

	/* a text-only and an image-only item: [m] * modality m's log-odds through the alignment, then [XMC_MODALITIES + m] * its
	 * stored order likewise */
	double		cross_modal[XMC_CROSS_MODAL_COEFFICIENTS];
} xmc_calibration;

#define XMC_MAX_TENSORS (7 + XMC_MODALITIES * (8 + 12 * XMC_MAX_LAYERS))

typedef struct xmc_tensor
{
	char		name[48];
	int32_t		n_dimensions;
	int64_t		shape[2];
	int64_t		n_values;
	float	  **slot;			/* the pointer in xmc_model that leads to the values */
	xmc_term	term;
	bool		hashed;			/* updated sparsely by AdaGrad, not by AdamW */
} xmc_tensor;

/* Rows that hold both, remembered by the alignment (anchors.h): data, not parameters. */
typedef struct xmc_anchors
{
	int32_t		n;				/* rows */
	bool		is_own;			/* else they lie in the blob that the model was opened from */
	float	   *z[XMC_MODALITIES];	/* (n, xmc_align_space_dim) unit vectors; one block, if own; NULL when n is 0 */
} xmc_anchors;

/* The documents that taught the model (seen.h): data, not parameters. */
#define XMC_SEEN_COLUMNS 3
typedef struct xmc_seen
{
	int32_t		n;				/* documents; 0: not recorded */
	bool		is_own;			/* else they lie in the blob that the model was opened from */
	float	   *row;			/* (n, XMC_SEEN_COLUMNS) ascending */
} xmc_seen;

/* What align_scale holds. */
typedef enum xmc_align_scale
{
	XMC_ALIGN_TEMPERATURE,		/* logarithm of what the cosine is multiplied by */
	XMC_ALIGN_DUSTBIN,			/* the dustbin's score */
	XMC_ALIGN_MEMORY,			/* logarithm of what the memory's similarity is multiplied by */
	XMC_ALIGN_SCALES
} xmc_align_scale;

typedef struct xmc_model
{
	xmc_options options;
	xmc_calibration calibration;
	bool		has_bag;		/* the embedding bag was trained */
	float	   *sparse;			/* (2^hash_bits) u of the sparse term; NULL without words */
	float	   *bag;			/* (2^bag_bits, bag_dim); NULL without */
	xmc_network network[XMC_MODALITIES];
	float	   *bilinear_w;		/* (2 bilinear_dim, xmc_bilinear_input_dim): Q above K; NULL without bilinear term */
	float	   *bilinear_b;		/* (2 bilinear_dim) */
	bool		has_alignment;	/* the three below were trained; they are there, if not so, whenever texts and images are */
	float	   *align_text_w;	/* (align_dim, xmc_align_input_dim) of the texts; NULL in a shared space */
	float	   *align_image_w;	/* (align_dim, image_dim); NULL in a shared space */
	float	   *align_scale;	/* (XMC_ALIGN_SCALES) */
	xmc_anchors	anchors;			/* empty while nothing is aligned */
	xmc_seen	seen;
	int64_t		n_parameters;	/* of all tensors together */
	int32_t		n_tensors;
	xmc_tensor	tensor[XMC_MAX_TENSORS];	/* every parameter, in storage order; slots point into this struct: do not copy it */
} xmc_model;

/* The most bytes that all parameters may take: a stored version must fit into one bytea, which ends below 1 GiB. */
#define XMC_MODEL_MAX_BYTES 1000000000

/*
 * Lays out the tensors that `options` ask for (all slots NULL), calibration 1, no guidance, no alignment. The sparse term
 * is there when words are; the bag when `has_bag`, words, and bag_dim > 0 (out->has_bag says so); text has an encoder when
 * its input, the bag and the supplied embedding side by side, is not empty. Allocates nothing. Errors: XMC_BAD_INPUT from
 * xmc_options_check; XMC_LIMIT above XMC_MODEL_MAX_BYTES.
 */
extern xmc_status xmc_model_layout(xmc_ctx *ctx, const xmc_options *options, bool has_bag, xmc_model *out);

/*
 * Lays a model out and initialises its parameters, seeded by options->seed and the tensor's name, so that a tensor begins
 * the same whatever else the model has. Encoder as usual: Glorot uniform for matrices, 0 for biases, 1 for norm weights;
 * head_v a tenth of Glorot, so that training begins near "no opinion"; sparse 0; bag normal, standard deviation 0.1.
 * All parameters lie in ONE block, in storage order without gaps: n_parameters floats from *tensor[0].slot on, 64-byte
 * aligned. The dense tensors of a part follow each other. Errors: as xmc_model_layout; XMC_NO_MEMORY; XMC_STOPPED.
 */
extern xmc_status xmc_model_new(xmc_ctx *ctx, const xmc_options *options, bool has_bag, xmc_model **out);
/* The same with all parameters 0: where gradients are added up. */
extern xmc_status xmc_model_new_zero(xmc_ctx *ctx, const xmc_options *options, bool has_bag, xmc_model **out);
/* Gives back the anchors, if the model owns them, and leaves the model without anchors. */
extern void xmc_model_forget_anchors(xmc_ctx *ctx, xmc_model *model);

extern void xmc_model_free(xmc_ctx *ctx, xmc_model *model);	/* not for a model from xmc_model_open: release that itself */

/*
 * Opens a blob: parses, checks metadata (format, feature version, options, calibration), that exactly the expected tensors
 * are there with the expected shapes, and, if check_finite, every value. The parameters stay inside `blob`, which must
 * outlive the model and is never written; the model is one allocation, for xmc_release. Errors: XMC_BAD_MODEL;
 * XMC_NO_MEMORY; XMC_STOPPED.
 */
extern xmc_status xmc_model_open(xmc_ctx *ctx, const void *blob, size_t size, bool check_finite, xmc_model **out);

/*
 * Writes the model as one blob of *size bytes, as found by a call with blob NULL. The same model gives the same bytes.
 * Refuses what xmc_model_open would refuse. Errors: XMC_BAD_MODEL (a parameter or calibration that is not finite), else as
 * xmc_safetensors_write.
 */
extern xmc_status xmc_model_save(xmc_ctx *ctx, const xmc_model *model, void *blob, size_t *size);

/*
 * Copies all parameters of one part into `buffer` (save) or out of it; with buffer NULL nothing is copied. Gives their
 * number.
 */
extern int64_t xmc_model_copy_term(const xmc_model *model, xmc_term term, float *buffer, bool save);

/* How many values the dense tensors of a part have together. */
extern int64_t xmc_model_term_values(const xmc_model *model, xmc_term term);

/*
 * Leads slots elsewhere, in storage order without gaps: those of a part's dense tensors to `values`
 * (xmc_model_term_values), or all of them to `block` (n_parameters). Nothing is copied. The former gives where the part's
 * values were; NULL: it has no dense tensor.
 */
extern float *xmc_model_lead_term(xmc_model *model, xmc_term term, float *values);
extern void xmc_model_lead(xmc_model *model, float *block);

/* The block that xmc_model_new gave the model. */
extern float *xmc_model_own_block(xmc_model *model);

#endif
