/*
 * dims.h - the widths of vectors that follow from a model's options alone: of the inputs that the terms and the alignment
 * read, and of the space of the alignment.
 */
#ifndef XMCOH_DIMS_H
#define XMCOH_DIMS_H

#include "xmcoh/model.h"

#define XMC_WORD_SIGNS 256		/* width of the random projection of an item's words (network/inputs.h) */

/* One side of an item: the embedding of that modality, followed by the signs of the words if `words`. */
extern int32_t xmc_inputs_side_dim(const xmc_options *options, xmc_modality side, bool words);

/* Both sides of an item, which the bilinear term reads. */
extern int32_t xmc_bilinear_input_dim(const xmc_options *options);

/* Whether the alignment reads words. In a shared space nothing is trained that could map words into the space. */
extern bool xmc_align_reads_words(const xmc_options *options);

/* One side of an item, as the linear map of the alignment reads it. */
extern int32_t xmc_align_input_dim(const xmc_options *options, xmc_modality side);

/* The space in which texts and images are compared. */
extern int32_t xmc_align_space_dim(const xmc_options *options);

/* The inputs of a step by which gaps are told: its text, or its image where the model reads no texts. */
extern int32_t xmc_gap_dim(const xmc_options *options);

/* The features of a place of some kind, and the columns of the rows of xmc_gaps. */
extern int32_t xmc_gap_features(const xmc_options *options, xmc_gap_kind kind);
extern int32_t xmc_gap_columns(const xmc_options *options);

#endif
