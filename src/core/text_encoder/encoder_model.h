/*
 * encoder_model.h - what the file of a text encoder holds: settings, as metadata, and parameters, as tensors with xmcoh's own names.
 *
 * The file is what xmc_text_encoder_compile makes of published files. Names are stored and must not change.
 */
#ifndef XMCOH_ENCODER_MODEL_H
#define XMCOH_ENCODER_MODEL_H

#include "model/safetensors.h"
#include "xmcoh/model.h"
#include "xmcoh/text_encoder.h"

typedef struct xmc_encoder_settings
{
	xmc_text_encoder_shape shape;
	int32_t		positions;		/* rows of the table of positions */
	int32_t		first_position; /* of a text's first token: 0, or the one after the padding token's */
	double		epsilon;		/* of the layer normalisations */
} xmc_encoder_settings;

/* The parameters; a pointer may point into a mapped file, which must not be written. d = shape.dim. */
typedef struct xmc_transformer
{
	xmc_encoder_settings settings;
	float	   *token;			/* (vocabulary, d) */
	float	   *position;		/* (positions, d) */
	float	   *type;			/* (d) every token is of type 0 */
	float	   *norm_w;			/* (d) normalisation of the sum of these three */
	float	   *norm_b;			/* (d) */
	xmc_layer	layer[XMC_ENCODER_MAX_LAYERS];
} xmc_transformer;

typedef struct xmc_encoder_tensor
{
	char		name[40];
	int32_t		n_dimensions;
	int64_t		shape[2];
	int64_t		n_values;
	float	  **slot;			/* in the xmc_transformer */
} xmc_encoder_tensor;

#define XMC_ENCODER_OWN_TENSORS 5	/* beside those of the layers */
#define XMC_ENCODER_LAYER_TENSORS 12
#define XMC_ENCODER_MAX_TENSORS (XMC_ENCODER_OWN_TENSORS + XMC_ENCODER_LAYER_TENSORS * XMC_ENCODER_MAX_LAYERS)
#define XMC_ENCODER_MAX_METADATA 16

/* Checks settings that come from a file: `what` begins the message, `bad` is the status. */
extern xmc_status xmc_encoder_settings_check(xmc_ctx *ctx, const char *what, xmc_status bad, const xmc_encoder_settings *settings);

/* Lists the tensors that follow from the settings, and sets shape.parameters. Returns their number. */
extern int32_t xmc_encoder_tensors(xmc_transformer *transformer, xmc_encoder_tensor tensor[XMC_ENCODER_MAX_TENSORS]);

/* The settings as metadata. Returns the number of entries; text holds their values. */
extern int32_t xmc_encoder_metadata(const xmc_encoder_settings *settings, xmc_metadata entry[XMC_ENCODER_MAX_METADATA],
									char text[XMC_ENCODER_MAX_METADATA][32]);

/* Reads and checks the settings in a file's metadata. Errors: XMC_BAD_MODEL. */
extern xmc_status xmc_encoder_settings_read(xmc_ctx *ctx, const xmc_safetensors *file, xmc_encoder_settings *out);

/* Sets the parameters of settings that were read to the tensors of the file. Errors: XMC_BAD_MODEL (one is missing or of another shape). */
extern xmc_status xmc_encoder_match(xmc_ctx *ctx, const xmc_safetensors *file, xmc_transformer *transformer);

#endif
