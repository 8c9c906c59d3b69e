/* dims.c - see dims.h */
#include "model/dims.h"

int32_t
xmc_inputs_side_dim(const xmc_options *options, xmc_modality side, bool words)
{
	return (side == XMC_TEXT ? options->text_dim : options->image_dim) + (words ? XMC_WORD_SIGNS : 0);
}

int32_t
xmc_bilinear_input_dim(const xmc_options *options)
{
	return xmc_inputs_side_dim(options, XMC_TEXT, options->words) + xmc_inputs_side_dim(options, XMC_IMAGE, false);
}

bool
xmc_align_reads_words(const xmc_options *options)
{
	return options->words && !options->shared_space;
}

int32_t
xmc_align_input_dim(const xmc_options *options, xmc_modality side)
{
	return xmc_inputs_side_dim(options, side, side == XMC_TEXT && xmc_align_reads_words(options));
}

int32_t
xmc_align_space_dim(const xmc_options *options)
{
	return options->shared_space ? options->image_dim : options->align_dim;
}

int32_t
xmc_gap_dim(const xmc_options *options)
{
	int32_t		text = xmc_inputs_side_dim(options, XMC_TEXT, options->words);

	return text > 0 ? text : xmc_inputs_side_dim(options, XMC_IMAGE, false);
}

#define BETWEEN_FEATURES 7		/* five cosines and two lengths */

int32_t
xmc_gap_features(const xmc_options *options, xmc_gap_kind kind)
{
	return kind == XMC_GAP_BETWEEN ? BETWEEN_FEATURES : xmc_gap_dim(options) + 1;
}

int32_t
xmc_gap_columns(const xmc_options *options)
{
	int32_t		ends = xmc_gap_features(options, XMC_GAP_FIRST);
	int32_t		most = ends > BETWEEN_FEATURES ? ends : BETWEEN_FEATURES;

	return XMC_GAP_WEIGHTS + most + 1;
}
