/*
 * align.h - which image item of a document shows the same step as which text item (design section 4, "Alignment").
 *
 * Known for rows that hold both. Between the text-only and the image-only items it is inferred: cosine similarity in a
 * space that both share, either the supplied embeddings' own (option shared_space) or one that two linear maps lead to;
 * then entropic transport with a dustbin row and column (as in Sarlin et al. 2020, SuperGlue, section 3.2), which takes the
 * items without a counterpart: a missing photo, a missing step.
 */
#ifndef XMCOH_ALIGN_H
#define XMCOH_ALIGN_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

/*
 * Entropy-regularised transport (Sinkhorn; Cuturi 2013), iterated on the logarithms, so that no score overflows. score is
 * (rows, columns), log-units; every cell with a dustbin has the score `dustbin`. An item has mass 1, a dustbin as much as
 * comes: so p[r, c] = exp(score[r, c] + u[r] + v[c]), p[r, columns] = exp(dustbin + u[r]), and a pair outweighs two lonely
 * items when its score is above twice the dustbin's. (SuperGlue bounds the dustbins' mass too, and lets them exchange the
 * rest, which comes to another dustbin score for every number of matches.)
 * p is (rows + 1, columns + 1): p[r, c] that r and c belong together, p[r, columns] and p[rows, c] that r or c has no
 * counterpart. p[r, .] sums to 1 for each r < rows and p[., c] for each c < columns, so the cells between items sum to at
 * most 1 either way; the corner is 0. Ends after a fixed number of iterations or when the masses are right to 1e-9; what is
 * still wrong then goes to the dustbins. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_sinkhorn(xmc_arena *arena, int32_t rows, int32_t columns, const double *score, double dustbin,
							   double *p);

/* Whether an item with these XMC_HAS_... has a text that can be compared; in a shared space its embedding alone can. */
extern bool xmc_align_reads_text(const xmc_options *options, uint8_t has);

/* The items of a document that can be compared both ways, into item (document->n); returns how many. */
extern int32_t xmc_align_linked_items(const xmc_options *options, const xmc_document *document, int32_t *item);

/*
 * What a side's linear map reads of n items, (n, xmc_align_input_dim): see xmc_inputs_side. Errors: XMC_STOPPED.
 */
extern int32_t xmc_align_input_dim(const xmc_options *options, xmc_modality side);
extern xmc_status xmc_align_inputs(xmc_ctx *ctx, const xmc_model *model, xmc_modality side, const xmc_document *document,
								   int32_t n, const int32_t *item, float *x);

/* Width of the space in which texts and images are compared. */
extern int32_t xmc_align_space_dim(const xmc_options *options);

/*
 * Unit vectors of n items in that space, z (n, xmc_align_space_dim): their products are cosines. An item that says nothing
 * gets zeros. Errors: XMC_BAD_INPUT (embeddings so large that the product is not finite), XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_align_project(xmc_arena *arena, const xmc_model *model, xmc_modality side, const xmc_document *document,
									int32_t n, const int32_t *item, float *z);

/* How much images and texts have in common, in each of two ways. */
typedef struct xmc_comparison
{
	int32_t		n_image;
	int32_t		n_text;
	float	   *cosine;			/* (n_image, n_text) */
	float	   *recalled;		/* (n_image, n_text) similarity by memory (anchors.h) */
} xmc_comparison;

/*
 * Compares images with texts, within each of n documents whose n_image and n_text are set, given by unit vectors, one
 * document's behind the other's (image_z (sum of n_image, dim), text_z likewise); the matrices are in `lasting`.
 * Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_align_compare(xmc_arena *run_arena, xmc_arena *scratch, const xmc_model *model, int32_t n,
									const float *image_z, const float *text_z, xmc_comparison *compared);

/*
 * p (n_image + 1, n_text + 1) as of xmc_sinkhorn over the sum of both, each times its temperature, with the dustbin's score;
 * scale as a model's align_scale. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_align_transport(xmc_arena *arena, const xmc_comparison *comparison,
									  const double scale[XMC_ALIGN_SCALES], double *p);

/* Both with the model's own scales. */
extern xmc_status xmc_align_match(xmc_arena *arena, const xmc_model *model, int32_t n_image, const float *image_z,
								  int32_t n_text, const float *text_z, double *p);

/* Alignment of some image items of a document with some text items: projects them and matches them; p as above. Errors: of both. */
extern xmc_status xmc_align_items(xmc_arena *arena, const xmc_model *model, const xmc_document *document, int32_t n_image,
								  const int32_t *image, int32_t n_text, const int32_t *text, double *p);

/*
 * What is inferred of one document: its image-only items against its text-only items; or, where rows that hold both are to
 * be treated as if they had been `split` into one of each kind that nothing links, all that hold an image against all that
 * hold a text.
 */
typedef struct xmc_alignment
{
	int32_t		n_image;
	int32_t    *image;			/* (n_image) item numbers */
	int32_t		n_text;
	int32_t    *text;			/* (n_text) */
	double	   *p;				/* (n_image + 1, n_text + 1) as of xmc_sinkhorn */
} xmc_alignment;

/* Whether a document has items on both sides that are not linked by a row (or with split, any), so that there is something to infer. */
extern bool xmc_align_is_open(const xmc_document *document, bool split);

/*
 * Lays the alignments of n documents out in the arena, into out (n); several at a time cost less than each alone (anchors.h).
 * Without items on one side all of the other have no counterpart. Only for a model with has_alignment, unless one side of
 * each is empty. Errors: as xmc_align_project.
 */
extern xmc_status xmc_align_documents(xmc_arena *arena, const xmc_model *model, int32_t n, const xmc_document *document,
									  bool split, xmc_alignment *out);

#endif
